"""`hf-catalog inventory`: what became of the models of a list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, BinaryIO, NoReturn

import click

from crawler.cli.errors import DONE, NO, USAGE, CommandError
from crawler.cli.options import WHEN, db_option, output_options
from crawler.cli.printer import Column, Printer, day_text, size_text

MAX_LIST_BYTES = 64 << 20

NAMES = (
    "input", "repo_id", "status", "revision", "current_revision", "license", "kind", "base", "size", "formats",
    "last_modified", "findings", "note",
)  # fmt: skip


class ListFile(click.File):
    """A file with a list; the error of a missing one says what was expected."""

    def fail(self, message: str, param: click.Parameter | None = None, ctx: click.Context | None = None) -> NoReturn:
        super().fail(f"{message}; the list is a file with an id a line, or - for standard input", param, ctx)


@click.command()
@click.argument("file", type=ListFile("rb"), metavar="FILE|-")
@click.option("--column", metavar="NAME", help="The column of a CSV file that holds the ids.")
@click.option("--changed-since", type=WHEN, metavar="TIME", help="Only what changed since: 7d, 24h or 2026-11-01.")
@db_option
@output_options
def inventory(file: BinaryIO, column: str | None, changed_since: datetime | None, db: str, out: Printer) -> int:
    """Status, revision, licence, kind, size and changes of the models of a list; exit status 1 if one is missing.

    The list has an id, an address or owner/name@REVISION a line, or is CSV with a column of them.

    \b
    Examples:
      hf-catalog inventory models.txt
      hf-catalog inventory models.csv --column base_model --changed-since 30d
      hf-catalog models ls --author google -q | hf-catalog inventory - --csv
    """
    from analysis.catalog.inventory import ABSENT, parse_list, take_inventory
    from analysis.query.reader import CatalogReader

    entries = parse_list(read_text(file), column)
    with CatalogReader(db) as reader:
        items = list(take_inventory(reader, entries, changed_since))
    empty = "The list is empty." if not entries else f"Nothing of {len(entries)} changed."
    shown = [item for item in items if item.repo_id is not None or not out.quiet]  # ids alone: a missing one has none
    listed = COLUMNS if out.vertical or not out.truncate else [each for each in COLUMNS if each.key != "note"]
    out.rows([item.row() for item in shown], listed, names=NAMES, id_key="repo_id", empty=empty)
    if len(listed) < len(COLUMNS) and out.mode in ("human", "table") and not out.quiet and not out.picked:
        for item in items:  # whole, below the table: a long address would leave no room for them in it
            if item.note:
                out.paragraph(f"{item.input}: {item.note}")
    absent = sum(item.status in ABSENT for item in items)
    if absent:
        out.message(f"{absent} of {len(entries)} are missing or gone.")
    return NO if absent else DONE


def read_text(file: BinaryIO) -> str:
    """The text of a list. Raises CommandError for one that is too large or no text in UTF-8."""
    read = file.read(MAX_LIST_BYTES + 1)
    if len(read) > MAX_LIST_BYTES:
        raise CommandError(f"{file.name}: more than {MAX_LIST_BYTES} bytes", "give a list of ids, one a line", USAGE)
    try:
        return read.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{file.name}: no text in UTF-8: {error.reason}", "save the list as UTF-8", USAGE) from error


def other_id(row: Mapping[str, Any]) -> str | None:
    """The repo's present id, where the list has another text for it."""
    found: str | None = row["repo_id"]
    return found if found is not None and found != row["input"] else None


COLUMNS = (
    Column("input", clip=False),
    Column("status", clip=False),
    Column("note"),
    Column("license"),
    Column("kind"),
    Column("size", text=size_text, right=True, clip=False),
    Column("last_modified", "updated", text=day_text, clip=False),
    Column("repo_id", "resolved to", value=other_id, clip=False),
)

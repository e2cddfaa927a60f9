"""`hf-catalog changes`: what changed on the Hub between crawls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from crawler.cli.complete import complete_change, complete_family, complete_scheme
from crawler.cli.options import WHEN, db_option, output_options
from crawler.cli.printer import Column, Printer

ENTRIES = 200


@click.command()
@click.option("--since", type=WHEN, default="7d", show_default=True, metavar="TIME", help="7d, 24h or 2026-11-01.")
@click.option(
    "--family", multiple=True, shell_complete=complete_family, metavar="NAME", help="Only this family; repeatable."
)
@click.option(
    "--quant",
    multiple=True,
    shell_complete=complete_scheme,
    metavar="SCHEME",
    help="Only this scheme; repeatable.",
)
@click.option(
    "--kind",
    multiple=True,
    shell_complete=complete_change,
    metavar="KIND",
    help="new, renamed, commit, licence, gated, gone, 'new artifact', label ...",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "atom"]), default="table", help="atom: a feed for a feed reader."
)
@click.option("--limit", type=click.IntRange(min=0), default=ENTRIES, show_default=True, metavar="N", help="0 for all.")
@click.option(
    "--public-only/--with-private", default=None, help="Leave out private repos; a feed does unless told otherwise."
)
@db_option
@output_options
def changes(
    since: datetime,
    family: tuple[str, ...],
    quant: tuple[str, ...],
    kind: tuple[str, ...],
    form: str,
    limit: int,
    public_only: bool | None,
    db: str,
    out: Printer,
) -> None:
    """List new, renamed, changed and vanished models, newest first.

    \b
    Examples:
      hf-catalog changes --since 7d --family gemma
      hf-catalog changes --kind gone --since 30d --json
      hf-catalog changes --format atom > changes.xml
    """
    from analysis.catalog.changes import list_changes
    from analysis.catalog.known_values import check_changes, check_families, check_schemes
    from analysis.query.reader import CatalogReader

    with CatalogReader(db, public_only=form == "atom" if public_only is None else public_only) as reader:
        check_families(family, reader)
        check_schemes(quant, reader)
        check_changes(kind)
        rows = list_changes(reader, since=since, families=family, quants=quant, kinds=kind, limit=limit or None)
        if form == "atom":
            from analysis.publish.atom import make_feed

            out.stdout.write(make_feed(list(rows), db=db))
            return
        out.rows(rows, COLUMNS, id_key="repo_id", empty=f"No change since {since:%Y-%m-%d %H:%M} UTC.")


def minute(value: Any) -> str:
    return "" if value is None else str(value).replace("T", " ")[:16]


COLUMNS = (
    Column("seen_at", "when", text=minute, clip=False),
    Column("kind", clip=False),
    Column("repo_id", "repo", least=34),  # an id may be longer than the terminal is wide
    Column("subject"),
    Column("before"),
    Column("after"),
)

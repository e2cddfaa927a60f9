"""`hf-catalog export`: write the catalog as files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crawler.cli.options import WHEN, db_option, output_options, public_option
from crawler.cli.printer import Column, Printer, size_text

if TYPE_CHECKING:
    from analysis.publish.manifest import ExportedFile


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path), required=False)
@click.option("--only", multiple=True, metavar="NAME", help="Only this summary, table or saved query; repeatable.")
@click.option(
    "--format", "form", type=click.Choice(["csv", "parquet", "jsonl", "xlsx"]), default="csv", show_default=True,
    help="File format of tables.",
)  # fmt: skip
@click.option("--for-spreadsheet", is_flag=True, help="Write workbooks (xlsx): 1.0 stays a text, a date is a date.")
@click.option("--since", type=WHEN, metavar="TIME", help="Only rows new or changed since: 7d, 2026-11-01.")
@click.option("--diff", type=click.Path(path_type=Path), metavar="OLD", help="Compare with an earlier export.")
@click.option("--raw", is_flag=True, help="Do not escape cells that a spreadsheet would run as formulas.")
@click.option("--list", "listed", is_flag=True, help="List the names for --only.")
@public_option
@db_option
@output_options(table=False)
def export(
    folder: Path | None,
    only: tuple[str, ...],
    form: str,
    for_spreadsheet: bool,
    since: datetime | None,
    diff: Path | None,
    listed: bool,
    public_only: bool,
    db: str,
    out: Printer,
) -> None:
    """Write summaries and tables into DIR, with manifest.json (counts, hashes) and datapackage.json (columns).

    All files show one moment; an earlier export in DIR is replaced when the new one is complete.

    \b
    Examples:
      hf-catalog export summaries
      hf-catalog export week --since 7d --only models --only changes --format jsonl
      hf-catalog export today --diff yesterday
      hf-catalog export lake --format parquet
      hf-catalog export tables --for-spreadsheet --only models --only by_family
    """
    from analysis.publish.export import export_catalog, exportable_names

    if listed:
        out.rows([{"name": name} for name in exportable_names()], id_key="name")
        return
    if folder is None:
        raise click.UsageError("no folder given: hf-catalog export DIR", click.get_current_context())
    manifest = export_catalog(
        db,
        folder,
        only=only,
        form="xlsx" if for_spreadsheet else form,  # type: ignore[arg-type]  # click has checked it
        since=since,
        diff=diff,
        raw=out.raw,
        public_only=public_only,
        on_file=lambda file: print_file(out, file),
    )
    if out.quiet:
        for file in manifest["files"]:
            out.line(str(folder / file["name"]))
    elif out.mode == "json":
        out.object(manifest)
    else:
        out.rows(manifest["files"], COLUMNS)
        out.message(
            f"{folder}: the catalog as of {manifest['catalog_time'] or 'no crawl yet'}; hashes in manifest.json."
        )


def print_file(out: Printer, file: ExportedFile) -> None:
    out.detail(f"{file.name}: {file.rows:,} rows, {size_text(file.size)}")


COLUMNS = (
    Column("name", "file", clip=False),
    Column("rows", text=lambda value: f"{value:,}", right=True),
    Column("size", text=size_text, right=True),
)

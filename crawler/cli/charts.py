"""`hf-catalog charts`: the report's charts as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crawler.cli.options import db_option, output_options, public_option
from crawler.cli.printer import Column, Printer, size_text


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--dark", is_flag=True, help="For a dark page.")
@public_option
@db_option
@output_options(table=False)
def charts(folder: Path, dark: bool, public_only: bool, db: str, out: Printer) -> None:
    """The report's charts as PNG and SVG in DIR: families over time, schemes, sizes against bits, who quantizes ...

    \b
    Examples:
      hf-catalog charts pictures
      hf-catalog charts pictures --dark
    """
    from analysis.publish.charts import write_charts
    from analysis.query.reader import CatalogReader

    written: list[dict[str, Any]] = []
    with CatalogReader(db, public_only=public_only) as reader:
        for path in write_charts(reader, folder, "dark" if dark else "light"):
            out.detail(f"{path.name} is written")
            written.append({"file": str(path), "size": path.stat().st_size})
    columns = [Column("file", clip=False), Column("size", text=size_text, right=True)]
    out.rows(written, columns, id_key="file", empty="The catalog has nothing to draw yet.")

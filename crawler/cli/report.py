"""`hf-catalog report`: the catalog as one page."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Printer, size_text


@click.command()
@click.option(
    "--out", "path", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="report.html",
    show_default=True, metavar="FILE", help="Where the page goes; - is stdout.",
)  # fmt: skip
@click.option("--family", metavar="NAME", help="Whose lineage is drawn; by default the family with most copies.")
@db_option
@output_options(table=False)
def report(path: Path, family: str | None, db: str, out: Printer) -> None:
    """One HTML page that needs nothing else: charts, what fits which memory, a family's lineage, crawl health.

    \b
    Examples:
      hf-catalog report --out report.html
      hf-catalog report --family gemma --out gemma.html
    """
    from analysis.publish.report import build_report, render_report, write_report

    page = render_report(build_report(db, family=family.lower() if family else None))
    if str(path) == "-":
        out.stdout.write(page)
        return
    write_report(page, path)
    if out.mode == "json":
        out.object({"file": str(path), "size": path.stat().st_size})
    elif out.quiet:
        out.line(str(path))
    else:
        out.message(f"{path}: {size_text(path.stat().st_size)}; open it in any browser.")

"""`hf-catalog report`: the catalog as one page."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.options import db_option, output_options, public_option
from crawler.cli.printer import Printer, size_text


@click.command()
@click.option(
    "--out", "path", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="report.html",
    show_default=True, metavar="FILE", help="Where the page goes; - is stdout.",
)  # fmt: skip
@click.option("--family", metavar="NAME", help="Whose lineage is drawn; by default the family with most copies.")
@public_option
@db_option
@output_options(table=False)
def report(path: Path, family: str | None, public_only: bool, db: str, out: Printer) -> None:
    """One HTML page that needs nothing else: charts, what fits which memory, a family's lineage, crawl health.

    \b
    Examples:
      hf-catalog report --out report.html
      hf-catalog report --family gemma --out gemma.html
    """
    from analysis.publish.report import build_report, render_report, write_report

    built = build_report(db, family=family.lower() if family else None, public_only=public_only)
    page = render_report(built)
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

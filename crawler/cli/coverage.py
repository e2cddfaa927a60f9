"""How much of a catalog an answer could use: a line and the command that reads the rest, or an object in JSON.

Answers whose rows depend on how much was read (`models ls`, `search`, `compare`, `fits`, saved queries) are in JSON an
object of `rows` and `coverage`; SQL and lists of what is stored are a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crawler.cli.printer import Printer

if TYPE_CHECKING:
    from analysis.catalog.coverage import Coverage
    from analysis.query.reader import CatalogReader


def print_coverage(out: Printer, coverage: Coverage, db: str, *, uses_headers: bool = False) -> None:
    """The coverage, and what would complete it; `uses_headers`: the answer is better with headers."""
    out.message(f"Coverage: {coverage.text}.")
    if not coverage.is_complete or (uses_headers and coverage.lacks_headers):
        out.message(f"To read what is missing: {coverage.command(db)}")


def print_gap(out: Printer, reader: CatalogReader, db: str) -> None:
    """The coverage of a catalog with a gap, where an answer depends on files or headers; nothing where it has none."""
    from analysis.catalog.coverage import measure_coverage

    coverage = measure_coverage(reader)
    if not coverage.is_complete:
        print_coverage(out, coverage, db)


def print_unread(out: Printer, reader: CatalogReader, repo_id: str, db: str) -> None:
    """That the files of a repo were not read, and the command that reads them."""
    from analysis.catalog.coverage import measure_coverage

    out.message(f"Its files were not read. To read them: {measure_coverage(reader).command_of(repo_id, db)}")


def json_basis(out: Printer, reader: CatalogReader, db: str) -> dict[str, Any]:
    """`coverage`, for the JSON of an answer; empty where no JSON is printed."""
    from analysis.catalog.coverage import measure_coverage

    return {"coverage": measure_coverage(reader).row(db)} if out.mode == "json" else {}

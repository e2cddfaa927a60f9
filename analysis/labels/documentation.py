"""The table of labels in docs/labels.md, made from their declarations: `python -m analysis.labels.documentation`."""

from __future__ import annotations

import sys
from pathlib import Path

from analysis.text import markdown_table
from db.labels import ARTIFACT, LABELS, Label

BEGIN = "<!-- Made by `python -m analysis.labels.documentation docs/labels.md` from db/labels.py; do not edit. -->\n"
END = "<!-- end of the table -->\n"


def write_table() -> str:
    """Every label of the catalog, a row each."""
    headings = ("label", "type", "unit", "of", "what it is", "from")
    return markdown_table(headings, map(_row, LABELS))


def replace_table(document: str) -> str:
    """The document with its table generated again. Raises ValueError for a document without the two markers."""
    before, _, rest = document.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError("the markers of the table are missing")
    return f"{before}{BEGIN}\n{write_table()}\n{END}{after}"


def _row(label: Label) -> tuple[str, ...]:
    measures = f"; measures `{label.measures}`" if label.measures else ""
    return (
        f"`{label.name}`",
        label.kind,
        label.unit or "",
        "repo, artifact" if ARTIFACT in label.scope else "repo",
        label.meaning + measures,
        ", ".join(label.sources),
    )


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(replace_table(path.read_text(encoding="utf-8")), encoding="utf-8")

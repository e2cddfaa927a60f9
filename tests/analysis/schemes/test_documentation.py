"""docs/schemes.md is what its command writes."""

from __future__ import annotations

from pathlib import Path

from analysis.schemes.documentation import write_document

PAGE = Path(__file__).resolve().parents[3] / "docs" / "schemes.md"


def test_the_page_of_schemes_is_made_from_the_table() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == write_document(), "make it again: python -m analysis.schemes.documentation > docs/schemes.md"

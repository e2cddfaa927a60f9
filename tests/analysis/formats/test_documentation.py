"""docs/formats.md is what its command writes."""

from __future__ import annotations

from pathlib import Path

from analysis.formats.documentation import write_document

PAGE = Path(__file__).resolve().parents[3] / "docs" / "formats.md"


def test_the_page_is_what_the_command_writes() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == write_document(), "make it again: python -m analysis.formats.documentation > docs/formats.md"

"""Text that is safe on a terminal, in a spreadsheet and as JSON."""

from __future__ import annotations

import pytest

from analysis.text import csv_cell, escape_control_characters, escape_formula, jsonable, to_json
from tests.small_catalog import FIRST


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\x00b", "\u202eevil", "line\nbreak", "\u2028", "zero\u200bwidth"])
def test_control_characters_become_escapes(text: str) -> None:
    shown = escape_control_characters(text)
    assert shown != text and shown.isprintable()
    assert escape_control_characters("gemma 3 – 日本語 é") == "gemma 3 – 日本語 é"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "＝1"])
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert escape_formula(text) == f"'{text}" and str(csv_cell(text)).startswith("'")
    assert (
        csv_cell(-1) == -1
        and csv_cell("\tx") == "\\tx"
        and csv_cell("a=b") == "a=b"
        and csv_cell(text, raw=True) == text
    )


def test_values_as_json_and_csv() -> None:
    assert csv_cell(None) == "" and csv_cell(True) == "true" and csv_cell(["a"]) == '["a"]'
    assert jsonable(b"\x01\xff") == "01ff" and jsonable(FIRST) == "2026-11-01T08:00:00.000Z"
    assert to_json({"a": "\x1b\u202e é"}) == '{"a": "\\u001b\\u202e é"}'

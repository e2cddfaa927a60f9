"""Text that is safe on a terminal, in a spreadsheet and as JSON."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.text import csv_cell, csv_column, escape_control_characters, escape_formula, jsonable, to_json
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


CELLS = (
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["=1", "+", "-a", "＠b", "a\tb", "\n", "\u200b", "", "gemma"]),
    st.lists(st.text(max_size=2), max_size=2),
)
COLUMNS = [st.lists(st.one_of(st.none(), *CELLS)), *(st.lists(st.one_of(st.none(), each)) for each in CELLS)]


@given(st.one_of(COLUMNS), st.booleans())
def test_a_column_is_written_as_its_cells_are(values: list[Any], raw: bool) -> None:
    values = [*values, *values[:2]]  # equal objects
    assert written(csv_column(values, raw=raw)) == written([csv_cell(value, raw=raw) for value in values])


def written(values: Any) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([value, 0] for value in values)
    return file.getvalue()


@pytest.mark.parametrize("values", [[1, None, 2.5], ["a", "", None, "é"], [None]], ids=["numbers", "texts", "unknown"])
def test_a_column_that_needs_no_change_is_not_copied(values: list[Any]) -> None:
    assert csv_column(values) is values


def test_values_as_json_and_csv() -> None:
    assert csv_cell(None) == "" and csv_cell(True) == "true" and csv_cell(["a"]) == '["a"]'
    assert jsonable(b"\x01\xff") == "01ff" and jsonable(FIRST) == "2026-11-01T08:00:00.000Z"
    assert to_json({"a": "\x1b\u202e é"}) == '{"a": "\\u001b\\u202e é"}'

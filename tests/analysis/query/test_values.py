"""Values of results and parameters: the same Python types on both engines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from analysis.query.values import normalize_row, parse_parameter_value, to_number, unique_names


def test_normalized_rows_hold_booleans_and_lists() -> None:
    assert normalize_row({"qat": 1, "tuning": '["instruct"]', "downloads": 1}) == {
        "qat": True, "tuning": ["instruct"], "downloads": 1,
    }  # fmt: skip
    assert normalize_row({"qat": None, "languages": "not json"}) == {"qat": None, "languages": []}


@pytest.mark.parametrize(("text", "value"), [("4", 4), ("0.5", 0.5), ("3.10", "3.10"), ("007", "007"), ("x", "x")])
def test_a_parameter_is_a_number_only_in_its_usual_form(text: str, value: Any) -> None:
    assert parse_parameter_value(text) == value and type(parse_parameter_value(text)) is type(value)


@pytest.mark.parametrize(("value", "number"), [(Decimal(3), 3), (Decimal("2.50"), 2.5), ("text", "text"), (None, None)])
def test_decimals_become_int_or_float(value: Any, number: Any) -> None:
    assert to_number(value) == number and type(to_number(value)) is type(number)


def test_a_repeated_column_name_gets_a_number() -> None:
    assert unique_names(["repo_id", "quant", "repo_id", "repo_id"]) == ("repo_id", "quant", "repo_id_2", "repo_id_3")

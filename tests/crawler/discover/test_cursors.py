"""Cursors that are read and written again."""

from __future__ import annotations

import base64
import json

import pytest

from crawler.discover.cursors import cursor_of_row


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        ("30", "31"),
        ('{"offset": 30}', '{"offset":31}'),
        (encoded({"offset": 30}), encoded({"offset": 31})),
        (encoded({"offset": 30}).rstrip("="), encoded({"offset": 31})),
        (encoded({"skip": 7, "seed": 5}), encoded({"skip": 8, "seed": 5})),
        (encoded({"offset": 30, "skip": 5}), None),
        (encoded({"page": 3}), None),
        (encoded({"offset": True}), None),
        (encoded({"createdAt": {"$gt": "2025-03-01T00:05:00.000Z"}}), None),
        (encoded([30]), None),
        ("9" * 5000, None),
        ("³", None),
        ("c30", None),
        ("", None),
    ],
)
def test_a_cursor_that_counts_rows_leads_to_the_next_one(cursor: str, expected: str | None) -> None:
    assert cursor_of_row(cursor, 1) == expected


def test_there_is_no_row_before_the_first() -> None:
    assert cursor_of_row("5", -1) == "4"
    assert cursor_of_row("0", -1) == "0"

"""Patterns of LIKE: signs are taken as they are, runs of `*` are one, what is too long for SQLite matches nothing."""

from __future__ import annotations

import sqlite3

import pytest

from analysis.query.patterns import MAX_COMPARED_LENGTH, wildcard_pattern


def matches(text: str, pattern: str) -> bool:
    connection = sqlite3.connect(":memory:")
    found = wildcard_pattern(pattern)
    return bool(connection.execute("select ? like ? escape '!'", (text, found)).fetchone()[0])


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("abc", "a*", True),
        ("abc", "*b*", True),
        ("abc", "b*", False),
        ("a%_!", "a%_!*", True),
        ("axyz", "a%_!*", False),
        ("abc", "*" * 5000 + "c", True),
        ("!" * 300, "*!" * 300, True),
    ],
)
def test_a_star_stands_for_any_text(text: str, pattern: str, expected: bool) -> None:
    assert matches(text, pattern) is expected


def test_a_long_pattern_matches_nothing() -> None:
    assert wildcard_pattern("*" + "a" * MAX_COMPARED_LENGTH) == "%" + "a" * MAX_COMPARED_LENGTH
    assert wildcard_pattern("*" + "a" * (MAX_COMPARED_LENGTH + 1)) is None

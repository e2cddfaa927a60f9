"""Values of query results and of query parameters: the same Python types whatever the engine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from analysis.units import iso
from db.labels import LABELS
from db.records import CARD_SECTIONS

_BOOLEAN_COLUMNS = frozenset({
    *(each.name for each in LABELS if each.kind == "boolean"),
    "main", "size_verified", "inferred", "resolved", "declared", "missing", "cycle", "root", "unfinished", "is_main",
    "is_current", *CARD_SECTIONS,
})  # fmt: skip
_LIST_COLUMNS = frozenset({*(each.name for each in LABELS if each.kind == "list"), "tags", "fields"})


def boolean_columns() -> frozenset[str]:
    """Names of the columns that hold booleans, which SQLite stores as 0 and 1."""
    return _BOOLEAN_COLUMNS


def list_columns() -> frozenset[str]:
    """Names of the columns that hold lists, which both engines store as JSON text."""
    return _LIST_COLUMNS


def normalize_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with booleans and lists as Python values and times as ISO 8601 text, as the same row on either engine."""
    return next(normalize_rows(tuple(row), (tuple(row.values()),)))


def normalize_rows(columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """As `normalize_row`, of many rows, given as the names and the tuples of their values."""
    booleans = [name for name in columns if name in _BOOLEAN_COLUMNS]
    lists = [name for name in columns if name in _LIST_COLUMNS]
    for row in rows:
        clean = dict(zip(columns, row, strict=True))
        for name in booleans:
            if isinstance(clean[name], int):
                clean[name] = bool(clean[name])
        for name in lists:
            if isinstance(clean[name], str):
                clean[name] = parse_list(clean[name])
        for name, value in clean.items():
            if isinstance(value, datetime):
                clean[name] = iso(value)
        yield clean


def parse_list(text: str | None) -> list[Any]:
    """A list that a column holds as JSON text; empty where the text is anything else."""
    if not text or text == "[]":
        return []
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return value if isinstance(value, list) else []


def to_number(value: Any) -> Any:
    """PostgreSQL's numeric (sums of 64-bit columns, rounded values) as int or float, as SQLite has it; others as is."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def parse_parameter_value(text: str) -> Any:
    """The value of a parameter of ad-hoc SQL: a number where the text is its usual form (`4`, `0.5`; not `3.10` or
    `007`), else the text."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text:
            return value
    return text


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Column names made unique: a second `repo_id` becomes `repo_id_2`, so that no value is lost in a mapping."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(unique)

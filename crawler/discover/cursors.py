"""Cursors that start at a chosen moment or one row later, for a listing that can't be read at its own cursor.

A cursor is opaque. But the Hub's is a condition on the last row of a page, as JSON in base64: `{"$or": [{"createdAt":
"2025-03-01T00:05:00.000Z", "_id": {"$gt": ...}}, {"createdAt": {"$gt": "2025-03-01T00:05:00.000Z"}}]}`. With other
dates in it, it starts elsewhere. Other Hubs count rows: `30`, or `{"offset": 30}` as JSON in base64 (MatrixHub).
Whether a Hub honours such a cursor is seen from the rows that it sends.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

MAX_ROW_DIGITS = 12
"""Of a cursor that is the number of a row."""

ROW_KEYS = ("offset", "skip", "start")
"""Names of the number of a row in a cursor that is an object."""


def cursor_after(cursor: str, moment: datetime) -> str | None:
    """A cursor like this one that starts after rows created at `moment`; None for a cursor without dates."""
    condition, is_encoded = _decode(cursor)
    if condition is None or _replace_dates(condition, "") == condition:
        return None
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _encode(_replace_dates(condition, text), is_encoded)


def cursor_of_row(cursor: str, distance: int) -> str | None:
    """The cursor `distance` rows after (before, if negative) one that counts rows; None for any other cursor."""
    if cursor.isascii() and cursor.isdecimal() and len(cursor) <= MAX_ROW_DIGITS:
        return str(max(int(cursor) + distance, 0))
    value, is_encoded = _decode(cursor)
    counted = [key for key in ROW_KEYS if value is not None and type(value.get(key)) is int]
    if len(counted) != 1:
        return None
    return _encode({**value, counted[0]: max(value[counted[0]] + distance, 0)}, is_encoded)


def _encode(value: Any, is_encoded: bool) -> str:
    """The inverse of `_decode`."""
    text = json.dumps(value, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode() if is_encoded else text


def _decode(cursor: str) -> tuple[Any, bool]:
    """(value, whether it was in base64) of a cursor that is a JSON object; (None, False) for any other."""
    padded = cursor + "=" * (-len(cursor) % 4)
    for text, is_encoded in ((cursor, False), (padded, True)):
        try:
            value = json.loads(base64.b64decode(text, validate=True) if is_encoded else text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value, is_encoded
    return None, False


def _replace_dates(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: _replace_dates(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_dates(item, text) for item in value]
    return text if isinstance(value, str) and _is_date(value) else value


def _is_date(text: str) -> bool:
    """Whether a text is a moment in ISO 8601: a plain number or an id is none."""
    if len(text) < len("2025-03-01T00:05") or "T" not in text:
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True

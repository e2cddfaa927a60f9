"""Values as text that neither a terminal nor a spreadsheet acts on. Standard library alone.

Names, cards and headers come from anyone: control characters, terminal sequences and text-direction marks are shown as
escapes, and a cell that a spreadsheet would run as a formula gets an apostrophe (OWASP, "CSV Injection").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from analysis.units import iso

# C0, DEL and C1 controls; line and paragraph separators; marks and isolates that turn text around; lone surrogates.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def escape_control_characters(text: str) -> str:
    """Text that is safe on a terminal: what it would act on is written as an escape (`\\x1b`, `\\u202e`)."""
    if text.isascii() and text.isprintable():
        return text
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def escape_formula(text: str) -> str:
    """Text that a spreadsheet shows rather than runs."""
    return f"'{text}" if text.startswith(FORMULA) else text


def jsonable(value: Any) -> Any:
    """What `json` does not know: times as ISO 8601 in UTC, bytes as hexadecimal, anything else as its text."""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON that is readable in any script and safe on a terminal."""
    text = json.dumps(value, ensure_ascii=False, default=jsonable, indent=indent)
    return UNPRINTABLE.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def csv_cell(value: Any, *, raw: bool = False) -> Any:
    """A value for CSV: exact numbers, `true` and `false`, JSON for lists, text that nothing runs unless `raw`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str):
        value = to_json(value) if isinstance(value, list | tuple | Mapping) else str(jsonable(value))
    return value if raw else escape_formula(escape_control_characters(value))

"""Untrusted values as text that is safe on a terminal and in a spreadsheet. Standard library only.

Anyone can write names, cards and headers: control characters, terminal sequences and text-direction marks become
escapes, and a cell that a spreadsheet would run as a formula gets an apostrophe (OWASP, "CSV Injection").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from analysis.units import iso

# C0, DEL and C1 controls; soft hyphens; line and paragraph separators; marks and isolates of text direction; other
# signs without a shape, except joiners, which scripts and emoji need; lone surrogates; tags, which spell hidden text.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def escape_control_characters(text: str) -> str:
    """Text that is safe on a terminal: control characters as escapes (`\\x1b`, `\\u202e`)."""
    if text.isascii() and text.isprintable():
        return text
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def shorten(text: str, most: int) -> str:
    """The beginning of a text of more than `most` characters, with their number; any other text unchanged."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def escape_formula(text: str) -> str:
    """Text with an apostrophe before it if a spreadsheet would run it as a formula."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text


def jsonable(value: Any) -> Any:
    """A value that `json` can't write, made one that it can: times as ISO 8601, bytes as hex, others as text."""
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
    """JSON that keeps letters of every script and escapes control characters."""
    text = json.dumps(value, ensure_ascii=False, default=jsonable, indent=indent)
    return UNPRINTABLE.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def cell_text(value: Any) -> str:
    """Any value in a table's cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e15 and value != int(value) else f"{value:.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(cell_text(part) for part in value)
    if isinstance(value, Mapping):
        return to_json(value)
    if isinstance(value, datetime | date | bytes):
        return str(jsonable(value))
    return escape_control_characters(str(value))


def day_text(moment: Any) -> str:
    """The date of a time."""
    return "" if moment is None else str(jsonable(moment) if isinstance(moment, datetime | date) else moment)[:10]


def csv_cell(value: Any, *, raw: bool = False) -> Any:
    """A value for CSV: exact numbers, `true` and `false`, JSON for lists, text with formulas escaped unless `raw`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str):
        value = to_json(value) if isinstance(value, list | tuple | Mapping) else str(jsonable(value))
    return value if raw else escape_formula(escape_control_characters(value))


def csv_column(values: Sequence[Any], *, raw: bool = False) -> Sequence[Any]:
    """The values of a column as cells of Python's csv writer, which writes the same for them as for `csv_cell` of each.

    Most columns need no change, which is found without a look at each value by Python code. What is one object, such as
    lists made of equal texts, is written out once.
    """
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if kinds <= {int, float}:
        return values
    if kinds == {bool}:
        return [_BOOLEANS[value] for value in values]
    if kinds == {str} and (raw or _is_plain_text(list(filter(None, values)))):
        return values
    cells = {id(value): csv_cell(value, raw=raw) for value in {id(value): value for value in values}.values()}
    return [cells[id(value)] for value in values]


_BOOLEANS: Mapping[bool | None, str] = {None: "", False: "false", True: "true"}
_FORMULA_PREFIXES = frozenset(FORMULA_PREFIXES)


def _is_plain_text(texts: Sequence[str]) -> bool:
    """Whether no text has to be escaped in a spreadsheet."""
    if not _FORMULA_PREFIXES.isdisjoint([text[0] for text in texts]):
        return False
    joined = "".join(texts)
    return (joined.isascii() and joined.isprintable()) or UNPRINTABLE.search(joined) is None


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of a generated document; cells are Markdown already."""
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"

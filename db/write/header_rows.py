"""Rows of headers, each content once, and of header_layouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from db.derive.digest import to_json
from db.read.load import HEADER_COLUMNS
from db.records import ArrayLength, Header
from db.rows import Row, Rows
from db.schema.tables import header_layouts, headers


def save_headers(rows: Rows, found: Sequence[Header], at: datetime) -> dict[str, int]:
    """Stores headers whose content is new; returns the numbers of all of them by content."""
    by_content = {header.content: header for header in found if header.content is not None}
    if not by_content:
        return {}
    ids = header_ids(rows, by_content)
    new = [(content, header) for content, header in by_content.items() if content not in ids]
    first = rows.next_id(headers)
    values = [(first + place, *_header_values(header), at) for place, (_, header) in enumerate(new)]
    rows.insert(headers, ("id", *HEADER_COLUMNS, "read_at"), values)
    ids.update((content, first + place) for place, (content, _) in enumerate(new))
    return ids


def _header_values(header: Header) -> Row:
    """The values of `HEADER_COLUMNS`."""
    texts = {"types": to_json(header.types), "facts": to_json(header.facts)}
    return tuple(texts[name] if name in texts else getattr(header, name) for name in HEADER_COLUMNS)


def header_ids(rows: Rows, contents: Iterable[str]) -> dict[str, int]:
    """Numbers of the stored headers by content, for those of the contents that have one."""
    keys = [rows.value(headers, "content", content) for content in contents]
    to_text = rows.result(headers, "content")
    found = rows.select_in("select content, id from headers where content in ({})", keys)
    return {to_text(content): number for content, number in found}


def save_array_lengths(rows: Rows, found: Iterable[ArrayLength]) -> None:
    """Stores lengths that reading headers taught; known ones stay."""
    values = [(each.key, each.count, each.digest, each.length) for each in found]
    rows.insert_new(header_layouts, ("key", "count", "digest", "length"), values)

"""Protocol Buffers, as far as a description needs them: fields one by one, large values skipped (protobuf.dev)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analysis.formats.cursor import Cursor

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field: its number, its value if it is a number, and where its bytes lie."""

    number: int
    kind: int
    value: int
    start: int
    end: int


def read_fields(cursor: Cursor, start: int, end: int) -> Iterator[Field]:
    """The fields of a message from `start` to `end`. Raises HeaderError for what is no message."""
    position = start
    while position < end:
        at = position
        tag, position = cursor.varint(position, end)
        number, kind = tag >> 3, tag & 7
        value, first = 0, position
        if kind == VARINT:
            value, position = cursor.varint(position, end)
        elif kind == BYTES:
            length, first = cursor.varint(position, end)
            position = first + length
        elif kind in (FIXED_32, FIXED_64):
            position += 4 if kind == FIXED_32 else 8
        if not number or kind not in (VARINT, FIXED_64, BYTES, FIXED_32) or position > end:
            raise cursor.malformed(at, "a field", f"tag {tag} of {position - at:,} bytes")
        yield Field(number, kind, value, first, position)


def read_text(cursor: Cursor, field: Field, most: int) -> str:
    """The text of a field, its first `most` bytes."""
    return cursor.read(field.start, min(most, field.end - field.start)).decode(errors="replace")


def read_packed(cursor: Cursor, field: Field) -> list[int]:
    """The numbers of a repeated field: one, or several in its bytes."""
    if field.kind == VARINT:
        return [field.value]
    found, position = [], field.start
    while position < field.end:
        value, position = cursor.varint(position, field.end)
        found.append(value)
    return found

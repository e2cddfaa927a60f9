"""Where the members of a zip archive lie, by its central directory (PKWARE's APPNOTE.TXT, sections 4.3 and 4.5)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from analysis.errors import HeaderBeyondLimits
from analysis.formats import limits
from analysis.formats.cursor import Cursor

END, END_64, END_64_LOCATOR, DIRECTORY, LOCAL = (
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x01\x02",
    b"PK\x03\x04",
)
END_BYTES, LOCATOR_BYTES, DIRECTORY_BYTES, LOCAL_BYTES = 22, 20, 46, 30
MAX_COMMENT_BYTES = 65_535
STORED = 0
ABSENT = 0xFFFFFFFF
"""A number that stands in the record for large files instead."""


class Member(NamedTuple):
    """A file of an archive: its place, its size there, and whether it is stored as it is."""

    name: str
    offset: int
    size: int
    stored: bool


def read_members(cursor: Cursor) -> list[Member]:
    """The members of an archive, in the order of its directory. Raises HeaderError."""
    size = cursor.size
    if size is None or size < END_BYTES:
        raise cursor.malformed(0, "the end of a zip archive", "a file too short or of unknown size")
    offset, length, count = find_directory(cursor, size)
    if count > limits.MAX_ZIP_MEMBERS or length > limits.MAX_ZIP_DIRECTORY_BYTES:
        raise HeaderBeyondLimits(
            cursor.source.name, offset, f"at most {limits.MAX_ZIP_MEMBERS:,} files in a zip archive", f"{count:,}"
        )
    raw, found, at = cursor.read(offset, length), [], 0
    for _ in range(count):
        if raw[at : at + 4] != DIRECTORY or at + DIRECTORY_BYTES > len(raw):
            raise cursor.malformed(offset + at, "an entry of a zip directory", raw[at : at + 4].hex(" "))
        method, packed, whole, name_bytes, extra_bytes, comment_bytes, start = struct.unpack(
            "<10xH8xIIHHH8xI", raw[at : at + DIRECTORY_BYTES]
        )
        first = at + DIRECTORY_BYTES
        following = first + name_bytes + extra_bytes + comment_bytes
        if following > len(raw):
            raise cursor.malformed(offset + at, "an entry within the zip directory", f"{following - at:,} bytes")
        name = raw[first : first + name_bytes].decode(errors="replace")
        extra = raw[first + name_bytes : first + name_bytes + extra_bytes]
        whole, packed, start = read_large_numbers(extra, [whole, packed, start])
        found.append(Member(name, start, packed, method == STORED))
        at = following
    return found


def find_directory(cursor: Cursor, size: int) -> tuple[int, int, int]:
    """Offset, bytes and entries of the central directory, by the record at the archive's end."""
    start = max(0, size - END_BYTES - MAX_COMMENT_BYTES)
    tail = cursor.read(start, size - start)
    at = tail.rfind(END)
    if at < 0 or at + END_BYTES > len(tail):
        raise cursor.malformed(start, "the end of a zip archive", "none")
    count, length, offset = struct.unpack("<10xHII2x", tail[at : at + END_BYTES])
    locator = tail[max(0, at - LOCATOR_BYTES) : at]
    if locator[:4] == END_64_LOCATOR:
        place = struct.unpack("<8xQ4x", locator)[0]
        record = cursor.read(place, 56)
        if record[:4] != END_64:
            raise cursor.malformed(place, "the end of a large zip archive", record[:4].hex(" "))
        count, length, offset = struct.unpack("<32xQQQ", record)
    return offset, length, count


def read_large_numbers(extra: bytes, numbers: list[int]) -> list[int]:
    """Sizes and offset, those that are absent taken from the record for large files (ZIP64), in this order."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = extra[at + 4 : at + 4 + length]
            values = iter(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
            return [next(values, number) if number == ABSENT else number for number in numbers]
        at += 4 + length
    return numbers


def find_data(cursor: Cursor, member: Member) -> int:
    """Where the bytes of a member begin, behind its local header."""
    head = cursor.read(member.offset, LOCAL_BYTES)
    if head[:4] != LOCAL:
        raise cursor.malformed(member.offset, "a file of a zip archive", head[:4].hex(" "))
    name_bytes, extra_bytes = struct.unpack("<26xHH", head)
    return member.offset + LOCAL_BYTES + int(name_bytes) + int(extra_bytes)

"""Random access to a file in pieces, for containers whose descriptions lie between or behind their data."""

from __future__ import annotations

from analysis.errors import HeaderBeyondLimits, HeaderMalformed, HeaderTruncated
from analysis.formats import limits
from analysis.formats.facts import clean_text
from analysis.formats.source import ByteSource

MAX_CHUNKS = 16
"""Chunks that are kept."""

MAX_VARINT_BYTES = 10
"""Of a number of 64 bits in base 128."""


class Cursor:
    """Reads a file where it is asked to, a chunk at a time, within limits of bytes, reads and steps.

    The last chunks are kept, because descriptions lead to and fro between a few places.
    """

    def __init__(self, source: ByteSource, what: str, size: int | None = None) -> None:
        """`what` the file should be, for messages; `size` in bytes, where that is known better than by its source."""
        self.source, self.what = source, what
        self.size = source.size if size is None else size
        self.chunks: dict[int, bytes] = {}
        self.fetched = self.reads = self.steps = 0
        self.most_steps, self.chunk_bytes = limits.MAX_CONTAINER_STEPS, limits.CONTAINER_READ_BYTES

    def read(self, position: int, length: int) -> bytes:
        """Exactly `length` bytes from `position` on. Raises HeaderError where the file ends before."""
        if position < 0 or (self.size is not None and position + length > self.size):
            raise self.malformed(position, f"{length:,} bytes within the file", f"a file of {self.size:,} bytes")
        size = limits.CONTAINER_READ_BYTES
        if length > size:
            found = self._fetch(position, length)
        else:
            number, at = divmod(position, size)
            found = self._chunk(number)[at : at + length]
            if at + length > size:
                found += self._chunk(number + 1)[: at + length - size]
        if len(found) < length:
            raise HeaderTruncated(
                self.source.name, position, f"{length:,} bytes of {self.what}", f"the file's end after {len(found):,}"
            )
        return found

    def _chunk(self, number: int) -> bytes:
        found = self.chunks.get(number)
        if found is None:
            if len(self.chunks) == MAX_CHUNKS:
                del self.chunks[next(iter(self.chunks))]
            found = self.chunks[number] = self._fetch(number * limits.CONTAINER_READ_BYTES, limits.CONTAINER_READ_BYTES)
        return found

    def _fetch(self, position: int, length: int) -> bytes:
        asked = length if self.size is None else min(length, self.size - position)
        self.fetched += asked
        self.reads += 1
        if self.fetched > limits.MAX_CONTAINER_BYTES or self.reads > limits.MAX_CONTAINER_READS:
            most = f"at most {limits.MAX_CONTAINER_BYTES:,} bytes and {limits.MAX_CONTAINER_READS:,} reads"
            raise HeaderBeyondLimits(self.source.name, position, f"{self.what} described in {most}", "more")
        return self.source.read(position, asked)

    def number(self, position: int, width: int, *, signed: bool = False) -> int:
        """A little-endian number of `width` bytes."""
        return int.from_bytes(self.read(position, width), "little", signed=signed)

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """A number in base 128 that ends before `end`, and the position after it.

        Each byte beyond two counts as a step of its own: tags and most lengths have two at most, and a file of longer
        numbers would take three times as long for as many steps.
        """
        self.steps += 1
        if self.steps > self.most_steps:
            raise self.beyond_steps()
        number, at = divmod(position, self.chunk_bytes)
        raw = self.chunks.get(number, b"")
        if at + MAX_VARINT_BYTES > len(raw) or position + MAX_VARINT_BYTES > end:  # seldom: copied, to the bytes there
            raw, at = self.read(position, min(MAX_VARINT_BYTES, max(0, end - position))), 0
        value = shift = 0
        for byte in raw[at : at + MAX_VARINT_BYTES]:
            if byte < 0x80:
                if shift > 7:
                    self.steps += shift // 7 - 1
                return value | byte << shift, position + shift // 7 + 1
            value |= (byte & 0x7F) << shift
            shift += 7
        raise self.malformed(position, "a number in base 128", raw[at : at + MAX_VARINT_BYTES].hex(" "))

    def step(self) -> None:
        """Counts one piece of a description. Raises HeaderBeyondLimits where there are too many."""
        self.steps += 1
        if self.steps > self.most_steps:
            raise self.beyond_steps()

    def beyond_steps(self) -> HeaderBeyondLimits:
        return HeaderBeyondLimits(self.source.name, 0, f"{self.what} of at most {self.most_steps:,} parts", "more")

    def malformed(self, position: int, expected: str, got: str) -> HeaderMalformed:
        return HeaderMalformed(
            self.source.name, position, f"{expected} in {self.what}", clean_text(got, 100) or "nothing"
        )


class PieceOfSource:
    """A part of a file as a file of its own: a member of an archive that is stored as it is."""

    def __init__(self, source: ByteSource, start: int, size: int, name: str) -> None:
        self.source, self.start, self.name = source, start, name
        self.size: int | None = size

    @property
    def requests(self) -> int:
        return self.source.requests

    @requests.setter
    def requests(self, count: int) -> None:
        self.source.requests = count

    @property
    def bytes_read(self) -> int:
        return self.source.bytes_read

    @bytes_read.setter
    def bytes_read(self, count: int) -> None:
        self.source.bytes_read = count

    def read(self, start: int, length: int) -> bytes:
        return self.source.read(self.start + start, max(0, min(length, (self.size or 0) - start)))

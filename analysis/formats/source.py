"""Where bytes come from: a file, memory, or a server's Range requests, all read the same way.

`ByteSource` is the interface; `crawler.sources.huggingface.range_reader` implements it over HTTP. A reader uses it
through a `Window`: a piece of the file that slides forward, is fetched in growing chunks, and leaves out what is
skipped.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from analysis.errors import HeaderBeyondLimits, HeaderTruncated, SourceError
from analysis.formats import limits


class ByteSource(Protocol):
    """A file that can be read in pieces.

    `name` stands in error messages; `size` is its bytes, None while unknown; `requests` and `bytes_read` count what was
    read so far.
    """

    name: str
    size: int | None
    requests: int
    bytes_read: int

    def read(self, start: int, length: int) -> bytes:
        """Exactly `length` bytes from `start` on, fewer only at the end of the file. Raises SourceError."""
        ...


class BytesSource:
    """A file in memory."""

    def __init__(self, data: bytes, name: str = "memory", size: int | None = None) -> None:
        self.data = data
        self.name = name
        self.size: int | None = len(data) if size is None else size
        self.requests = 0
        self.bytes_read = 0

    def read(self, start: int, length: int) -> bytes:
        piece = self.data[start : start + length]
        self.requests += 1
        self.bytes_read += len(piece)
        return piece


class FileSource:
    """A file on disk, opened for each read, so that nothing has to be closed."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.requests = 0
        self.bytes_read = 0
        try:
            self.size: int | None = self.path.stat().st_size
            if not self.path.is_file():
                raise SourceError(str(path), "is not a file")
        except OSError as error:
            raise SourceError(str(path), error.strerror or "can't be read") from error

    def read(self, start: int, length: int) -> bytes:
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(start, os.SEEK_SET)
                pieces = []
                while length > 0 and (piece := file.read(length)):
                    pieces.append(piece)
                    length -= len(piece)
        except OSError as error:
            raise SourceError(str(self.path), error.strerror or "can't be read") from error
        data = b"".join(pieces)
        self.requests += 1
        self.bytes_read += len(data)
        return data


class Window:
    """A piece of a file that slides forward: `data` holds the bytes from `start` on, `position` is where reading is.

    Bytes before the position are dropped with the next fetch, bytes that were skipped are never fetched, so that a
    window holds one chunk however long the file is. `ahead` is the least that the next fetch asks for, in bytes.
    """

    def __init__(self, source: ByteSource, position: int = 0, ahead: int = limits.FIRST_READ_BYTES) -> None:
        self.source = source
        self.data = b""
        self.start = position
        self.position = position
        self.ahead = ahead
        self.ended: int | None = None  # where the file turned out to end

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def size(self) -> int | None:
        """Bytes of the file, as far as they are known."""
        return self.source.size if self.ended is None else self.ended

    @property
    def end(self) -> int:
        """The position after the last fetched byte."""
        return self.start + len(self.data)

    @property
    def index(self) -> int:
        """The position as an index of `data`."""
        return self.position - self.start

    def left(self) -> int:
        """Bytes that may follow: up to the end of the file, or to the limit of a header."""
        return (
            min(limits.MAX_GGUF_HEADER_BYTES, self.size if self.size is not None else limits.MAX_GGUF_HEADER_BYTES)
            - self.position
        )

    def at(self, position: int, ahead: int) -> Window:
        """Another window on the same file at a later position; this one stays as it is."""
        return Window(self.source, position, ahead)

    def need(self, length: int, expected: str) -> int:
        """Makes `length` bytes from the position on available; returns the index of the first in `data`.

        Raises HeaderTruncated, naming what was `expected`, if the file ends before.
        """
        if self.position + length > self.end:
            self.fetch(length)
            if self.position + length > self.end:
                raise self.truncated(length, expected)
        return self.position - self.start

    def fetch(self, length: int) -> None:
        """Fetches at least `length` bytes from the position on in one read, if the file holds them."""
        kept = self.data[self.index :] if self.position < self.end else b""
        begin = self.position + len(kept)
        asked = max(length - len(kept), self.ahead)
        if self.size is not None:
            asked = max(0, min(asked, self.size - begin))
        if self.source.requests >= limits.MAX_READS:
            raise HeaderBeyondLimits(
                self.name, begin, f"a header within {limits.MAX_READS} reads", f"{self.source.requests} reads"
            )
        got = self.source.read(begin, asked) if asked else b""
        if len(got) < asked:
            self.ended = begin + len(got)
        self.data = kept + got
        self.start = self.position
        self.ahead = min(self.ahead * 4, limits.MAX_READ_BYTES)

    def take(self, length: int, expected: str) -> bytes:
        """The next `length` bytes; the position moves past them."""
        at = self.need(length, expected)
        self.position += length
        return self.data[at : at + length]

    def skip(self, length: int, expected: str) -> None:
        """Moves on without reading. Raises HeaderTruncated past the file's end, HeaderBeyondLimits past the limit."""
        if length > self.left():
            if self.size is not None and self.position + length > self.size:
                raise self.truncated(length, expected)
            raise HeaderBeyondLimits(
                self.name, self.position, f"a header of at most {limits.MAX_GGUF_HEADER_BYTES:,} bytes",
                f"{expected} of {length:,} bytes",
            )  # fmt: skip
        self.position += length
        if self.position > self.end:
            self.ahead = min(self.ahead, limits.FIRST_READ_BYTES)  # little may follow

    def truncated(self, length: int, expected: str) -> HeaderTruncated:
        there = max(0, (self.size if self.size is not None else self.end) - self.position)
        return HeaderTruncated(
            self.name, self.position, f"{expected} ({length:,} bytes)", f"the end of the file after {there:,} bytes"
        )

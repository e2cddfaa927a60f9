"""A remote file as a ByteSource, which analysis.formats reads headers from: each read is one HTTP range."""

from __future__ import annotations

from typing import Protocol

from crawler.errors import FileError, RepoError
from crawler.sources.huggingface.response import RangeResponse

MAX_UNREQUESTED_BYTES = 64 << 20
"""Bytes that a server which ignores ranges may send without being asked for, before its file is abandoned."""


class ReadRange(Protocol):
    """Reads a range of one file; see HubClient.read_range."""

    def __call__(self, start: int, length: int, *, signed_url: str | None, size: int | None) -> RangeResponse: ...


class HubFileSource:
    """A ByteSource over one file.

    Nothing is requested before the first read. The signed link to the bytes is kept for further reads, so that a header
    costs one request of the Hub's quota however many ranges it takes; an expired link is renewed. The Hub counts
    reading a weights file as a download, so no file should be read twice.
    """

    def __init__(self, name: str, size: int | None, read_range: ReadRange, signed_url: str | None = None) -> None:
        self.name = name
        self.size = size  # bytes; None until the first response states it
        self.requests = 0
        self.bytes_read = 0
        self._read_range = read_range
        self._signed_url = signed_url
        self._unrequested_bytes = 0

    def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer only at the file's end.

        Raises FileError, which is a SourceError, and what ends a run.
        """
        if length <= 0 or (self.size is not None and start >= self.size):
            return b""
        if self.size is not None:
            length = min(length, self.size - start)
        try:
            response = self._read_range(start, length, signed_url=self._signed_url, size=self.size)
        except RepoError as error:
            raise FileError(self.name, error.reason, error.detail) from error
        self._signed_url = response.signed_url
        self._unrequested_bytes += 0 if response.is_partial else start
        if self._unrequested_bytes > MAX_UNREQUESTED_BYTES:
            raise FileError(self.name, "unreadable", "its server ignores ranges and sends the whole file for each")
        self.requests += 1
        self.bytes_read += len(response.data)
        if self.size is None:
            self.size = response.size
        return response.data

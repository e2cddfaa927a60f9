"""A file on the Hub as a source of bytes: what analysis.formats reads from, over HTTP Range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crawler.errors import FileError, RepoError

if TYPE_CHECKING:
    from crawler.sources.huggingface.client import HubClient


MAX_UNREQUESTED_BYTES = 64 << 20
"""Bytes that a server which ignores Range may send for nothing before its file is given up."""


class HubFileSource:
    """A ByteSource over one file of a repo.

    Nothing is asked before the first read. Where the bytes lie behind a signed link, the link is kept for this source's
    further reads, so that a header costs the Hub's quota one request however many pieces it takes; an expired one is
    renewed. The Hub counts reading a weights file as a download, so nobody should read one twice.
    """

    def __init__(
        self, hub: HubClient, repo_id: str, path: str, revision: str, size: int | None, signed: str | None = None
    ) -> None:
        self._hub = hub
        self._repo_id, self._path, self._revision = repo_id, path, revision
        self._signed = signed
        self.name = path
        self.size = size
        self.requests = 0
        self.bytes_read = 0
        self._wasted = 0

    def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer only at the file's end.

        Raises FileTrouble, which is a SourceError, and what ends a run.
        """
        if length <= 0 or (self.size is not None and start >= self.size):
            return b""
        if self.size is not None:
            length = min(length, self.size - start)
        try:
            piece = self._hub.read_range(
                self._repo_id, self._path, self._revision, start, length, signed=self._signed, size=self.size
            )
        except RepoError as trouble:
            raise FileError(self.name, trouble.reason, trouble.detail) from trouble
        self._signed = piece.signed
        self._wasted += 0 if piece.ranged else start
        if self._wasted > MAX_UNREQUESTED_BYTES:
            raise FileError(self.name, "unreadable", "its server sends all of it for every piece of it")
        self.requests += 1
        self.bytes_read += len(piece.data)
        if self.size is None:
            self.size = piece.size
        return piece.data

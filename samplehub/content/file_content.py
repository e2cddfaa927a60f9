"""What a file holds: small files are kept whole, weights are a head and then zeros that are not stored.

A digest of terabytes cannot be computed, so the sha256 of a large file is the digest of the facts it is made from:
the same facts give the same digest, in any repo, as the same bytes do on the Hub.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cached_property

CHUNK = 1 << 20
ZEROS = bytes(CHUNK)
MAX_KEPT_BYTES = 64 << 10  # bytes of a small file that are kept between two readers


class Content:
    """The bytes of one file: `size`, `head()` (the bytes that are not zero), and where it is large a `digest`."""

    size: int
    large: bool  # kept in LFS: served by the CDN, with a sha256

    def head(self) -> bytes:
        raise AssertionError("each kind of content has its own head")

    @property
    def blob_id(self) -> str:
        """The SHA-1 that git gives the blob: of the file itself, or of the LFS pointer that stands for it."""
        kept = self.pointer() if self.large else self.head()
        return hashlib.sha1(b"blob %d\0" % len(kept) + kept, usedforsecurity=False).hexdigest()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.head()).hexdigest()

    def pointer(self) -> bytes:
        """The LFS pointer file, as git-lfs v1 writes it."""
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.digest}\nsize {self.size}\n"
        return text.encode()

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end) in chunks; zeros are made on the fly."""
        head = self.head() if start < end else b""
        if start < len(head):
            yield head[start : min(end, len(head))]
        at = max(start, len(head))
        while at < end:
            step = min(CHUNK, end - at)
            yield ZEROS if step == CHUNK else ZEROS[:step]
            at += step


class SmallFile(Content):
    """A file in git itself: made when asked for, and kept where it is small indeed."""

    large = False

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._kept: bytes | None = None

    @cached_property
    def size(self) -> int:  # type: ignore[override]
        return len(self.head())

    @cached_property
    def blob_id(self) -> str:
        return super().blob_id

    def head(self) -> bytes:
        if self._kept is not None:
            return self._kept
        made = self._make()
        if len(made) <= MAX_KEPT_BYTES:
            self._kept = made
        return made


class HeadCache:
    """The heads of large files that were read last: a reader takes a header in pieces, and it is made once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[int, tuple[Content, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, content: Content, make: Callable[[], bytes]) -> bytes:
        with self._lock:
            kept = self._kept.get(id(content))
            if kept is not None:
                self._kept.move_to_end(id(content))
                return kept[1]
        made = make()
        with self._lock:
            if id(content) not in self._kept:
                self._kept[id(content)] = content, made
                self._bytes += len(made)
            while self._bytes > self._limit and len(self._kept) > 1:
                _, (_, gone) = self._kept.popitem(last=False)
                self._bytes -= len(gone)
        return made


HEAD_CACHE = HeadCache(48 << 20)


class SparseFile(Content):
    """A file in LFS: a head made when asked for, then zeros up to its size.

    Args:
        facts: what the file is made from; its digest is the file's sha256.
        size: bytes, or a function where only the head can tell.
        head: makes the head; it is not kept, since a thousand heads of a tokenizer's size would not fit.
    """

    large = True

    def __init__(self, facts: str, size: int | Callable[[], int], head: Callable[[], bytes] = bytes) -> None:
        self.facts = facts
        self._size = size
        self._head = head

    @cached_property
    def size(self) -> int:  # type: ignore[override]
        return self._size if isinstance(self._size, int) else self._size()

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.facts.encode()).hexdigest()

    @cached_property
    def blob_id(self) -> str:
        return super().blob_id

    def head(self) -> bytes:
        return HEAD_CACHE.get(self, self._head)


class SafetensorsFile(SparseFile):
    """A safetensors file: the head is 8 bytes of length and the JSON that `header` makes; then data, all zeros."""

    def __init__(self, facts: str, header: Callable[[], bytes], size: int) -> None:
        super().__init__(facts, size, self._framed)
        self._header = header

    def header_json(self) -> bytes:
        """The JSON alone, padded with spaces to a multiple of 8 bytes as the format wants it."""
        text = self._header()
        return text + b" " * (-len(text) % 8)

    def _framed(self) -> bytes:
        text = self.header_json()
        return len(text).to_bytes(8, "little") + text

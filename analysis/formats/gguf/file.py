"""The header of one GGUF file, as it was parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.formats.array_lengths import LargeArray
from analysis.formats.gguf.tensor_sizes import Tensor


@dataclass(frozen=True, slots=True)
class SkippedArray:
    """A value that was skipped, an array or a long string: its type, its bytes, and the elements of an array."""

    kind: int
    size: int | None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The header of one file. `sizes` are the bytes of each tensor's data, None where they are unknown."""

    name: str
    version: int
    big_endian: bool
    keys: Mapping[str, Any]  # text, numbers, lists of them; SkippedArray for the rest
    key_count: int  # as the header states it: skipping may leave keys unread
    tensors: tuple[Tensor, ...]
    sizes: tuple[int | None, ...]
    alignment: int
    data_start: int
    data_end: int | None  # from the file's start, without padding after the last tensor
    end_inferred: bool = False  # from the file's size, which then verifies nothing
    runs: tuple[tuple[LargeArray, ...], ...] = ()  # large arrays that follow each other

    def text(self, key: str) -> str | None:
        """The value of a key, if it is a text."""
        value = self.keys.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """The value of a key, if it is a whole number."""
        value = self.keys.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def file_sizes(self) -> tuple[int, ...]:
        """The sizes that the file may have, if the header is right: without and with padding at its end."""
        if self.data_end is None:
            return ()
        return self.data_end, -(-self.data_end // self.alignment) * self.alignment

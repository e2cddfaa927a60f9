"""GGUF files from facts: the header byte for byte, and the size that follows from it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import NamedTuple

from samplehub.content.file_content import SparseFile
from samplehub.content.quantization_mixes import TYPES
from samplehub.content.tokenizers import Tokenizer, arrays, arrays_length, encode_key, encode_text

ALIGNMENT = 32
VERSION = 3

Value = str | int | float | bool | Sequence[int] | Sequence[bool] | Sequence[str] | Sequence[float]


class Info(NamedTuple):
    """One tensor of a GGUF file; the first dimension is the one that lies together in memory."""

    name: str
    dims: tuple[int, ...]
    type: str

    @property
    def bytes(self) -> int:
        kind = TYPES[self.type]
        return prod(self.dims) // kind.block * kind.bytes


class Tensors:
    """The tensors of a file, listed when the header is read; their sizes are cached."""

    def __init__(
        self, make: Callable[[], Sequence[Info]], measure: Callable[[], tuple[int, int]] | None = None
    ) -> None:
        self.list = make
        self._measure = measure

    @cached_property
    def _measures(self) -> tuple[int, int]:
        if self._measure is not None:
            return self._measure()
        infos = data = 0
        sizes: dict[tuple[tuple[int, ...], str], int] = {}
        for name, dims, kind in self.list():
            size = sizes.get((dims, kind))
            if size is None:
                size = sizes[dims, kind] = aligned(Info(name, dims, kind).bytes)
            data += size
            infos += 24 + len(name.encode()) + 8 * len(dims)
        return infos, data

    @property
    def infos(self) -> int:
        """Bytes of the table of tensors."""
        return self._measures[0]

    @property
    def data(self) -> int:
        """Bytes of the data: where the last tensor ends, padded."""
        return self._measures[1]


@dataclass(eq=False)
class Header:
    """What precedes the data: key-values, the tokenizer's arrays, further key-values, tensors."""

    tensors: Tensors
    before: Mapping[str, Value]
    after: Mapping[str, Value]
    tokenizer: Tokenizer | None = None

    @cached_property
    def _keys(self) -> tuple[bytes, bytes]:
        """The key-values before the tokenizer's arrays, and behind them."""
        before = b"".join(key_value(name, value) for name, value in self.before.items())
        return before, b"".join(key_value(name, value) for name, value in self.after.items())

    @property
    def length(self) -> int:
        """Bytes up to where the data starts; nothing is made whose length is known."""
        return aligned(self.unaligned)

    @property
    def unaligned(self) -> int:
        before, after = self._keys
        between = arrays_length(self.tokenizer) if self.tokenizer is not None else 0
        return 24 + len(before) + between + len(after) + self.tensors.infos

    @property
    def data(self) -> int:
        return self.tensors.data

    @property
    def file_size(self) -> int:
        return self.length + self.data

    def encode(self) -> bytes:
        before, after = self._keys
        count = len(self.before) + len(self.after)
        between = b""
        if self.tokenizer is not None:
            between, more = arrays(self.tokenizer)
            count += more
        tensors = self.tensors.list()
        start = b"GGUF" + struct.pack("<IQQ", VERSION, len(tensors), count)
        whole = b"".join((start, before, between, after, tensor_infos(tensors)))
        return whole + bytes(aligned(len(whole)) - len(whole))


class GgufFile(SparseFile):
    """A GGUF file of the sample Hub; its header is made when it is read."""

    def __init__(self, facts: str, make: Callable[[], Header]) -> None:
        self._make = make
        super().__init__(facts, self._measure, lambda: self.header().encode())

    def header(self) -> Header:
        return self._make()

    def _measure(self) -> int:
        return self.header().file_size


def aligned(length: int) -> int:
    return length + -length % ALIGNMENT


def tensor_infos(tensors: Sequence[Info]) -> bytes:
    parts = []
    offset = 0
    for tensor in tensors:
        rank = len(tensor.dims)
        parts.append(encode_text(tensor.name.encode()))
        parts.append(struct.pack(f"<I{rank}QIQ", rank, *tensor.dims, TYPES[tensor.type].number, offset))
        offset += aligned(tensor.bytes)
    return b"".join(parts)


def key_value(name: str, value: Value) -> bytes:
    """One key-value; whole numbers are u32 where they fit (u16 for split.no and split.count), floats f32."""
    if isinstance(value, bool):
        return encode_key(name, 7) + bytes((value,))
    if isinstance(value, str):
        return encode_key(name, 8) + encode_text(value.encode())
    if isinstance(value, int):
        if name in ("split.no", "split.count"):
            return encode_key(name, 2) + struct.pack("<H", value)
        if name == "split.tensors.count":
            return encode_key(name, 5) + struct.pack("<i", value)
        return (
            encode_key(name, 4) + struct.pack("<I", value)
            if value < 1 << 32
            else encode_key(name, 10) + struct.pack("<Q", value)
        )
    if isinstance(value, float):
        return encode_key(name, 6) + struct.pack("<f", value)
    return encode_key(name, 9) + array_body(list(value))


def array_body(values: Sequence[str | int | float | bool]) -> bytes:
    kind, pack = 5, "i"
    if values and isinstance(values[0], str):
        body = b"".join(encode_text(str(value).encode()) for value in values)
        return struct.pack("<IQ", 8, len(values)) + body
    if values and isinstance(values[0], bool):
        kind, pack = 7, "?"
    elif values and isinstance(values[0], float):
        kind, pack = 6, "f"
    return struct.pack("<IQ", kind, len(values)) + struct.pack(f"<{len(values)}{pack}", *values)


def split(header: Header, largest: int) -> list[Header]:
    """The shards of a file that is too large for one, as llama-gguf-split cuts it.

    All key-values are in the first shard; the others know their number, and no more. `largest` is in bytes of data.
    """
    if header.data <= largest:
        return [header]
    groups: list[list[Info]] = [[]]
    filled = count = 0
    for tensor in header.tensors.list():
        count += 1
        if groups[-1] and filled + tensor.bytes > largest:
            groups.append([])
            filled = 0
        groups[-1].append(tensor)
        filled += aligned(tensor.bytes)
    shards = []
    for number, group in enumerate(groups):
        place = {"split.no": number, "split.count": len(groups), "split.tensors.count": count}
        tensors = Tensors(partial(list, group))
        if number == 0:
            shards.append(Header(tensors, header.before, {**header.after, **place}, header.tokenizer))
        else:
            shards.append(Header(tensors, place, {}))
    return shards

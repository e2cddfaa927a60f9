"""Safetensors files from facts: headers, shards and the index that joins them."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import ClassVar, NamedTuple

from samplehub.content.file_content import Content, SafetensorsFile, SmallFile, SparseFile
from samplehub.content.weight_packing import BYTES, StoredTensor

MAX_SHARD_BYTES = 5 * 10**9  # bytes, transformers' own limit
LARGE_INDEX = 5000  # tensors
MAX_CACHED_MODELS = 3  # models whose tensors stay listed


class Entry(NamedTuple):
    """One tensor under its final name; `about` is the part of its JSON that does not depend on its place."""

    name: str
    bytes: int
    entry_json: str


def make_entry(tensor: StoredTensor, name: str) -> Entry:
    return Entry(name, tensor.bytes, entry_json(tensor.dtype, tensor.shape))


@lru_cache(maxsize=4096)
def entry_json(dtype: str, shape: tuple[int, ...]) -> str:
    return f'":{{"dtype":"{dtype}","shape":[{",".join(map(str, shape))}],"data_offsets":['


def make_entries(tensors: Sequence[StoredTensor]) -> Iterator[Entry]:
    """Every tensor by itself; the tensors of one expert stand together, as writers leave them."""
    at = 0
    while at < len(tensors):
        if not tensors[at].experts:
            yield make_entry(tensors[at], tensors[at].name)
            at += 1
            continue
        end = at
        while end < len(tensors) and tensors[end].experts == tensors[at].experts:
            end += 1
        each = [(tensor.name.split("{e}"), *make_entry(tensor, "")[1:]) for tensor in tensors[at:end]]
        for number in range(tensors[at].experts):
            for (before, after), size, rest in each:
                yield Entry(f"{before}{number}{after}", size, rest)
        at = end


class ShardSize(NamedTuple):
    """What one file measures: its tensors' JSON without the braces, its data, its tensors' names and their number."""

    text: int
    data: int
    names: int
    tensors: int


def entry_lengths(tensors: Sequence[StoredTensor]) -> Iterator[tuple[int, int, int]]:
    """Of each tensor, as `entries` has them, the length of its name, its bytes and the length of what is about it."""
    at = 0
    while at < len(tensors):
        experts = tensors[at].experts
        if not experts:
            one = make_entry(tensors[at], tensors[at].name)
            yield len(one.name), one.bytes, len(one.entry_json)
            at += 1
            continue
        end = at
        while end < len(tensors) and tensors[end].experts == experts:
            end += 1
        each = [(len(t.name) - len("{e}"), t.bytes, len(make_entry(t, "").entry_json)) for t in tensors[at:end]]
        for number in range(experts):
            digits = len(str(number))
            for name, size, rest in each:
                yield name + digits, size, rest
        at = end


def shard_sizes(tensors: Sequence[StoredTensor], largest: int) -> list[ShardSize]:
    """What the files of `shards` measure, computed without listing a tensor."""
    found = []
    text = data = names = count = 0
    digits = 1  # of the offset where the next tensor starts
    for name, size, rest in entry_lengths(tensors):
        if count and data + size > largest:
            found.append(ShardSize(text + count - 1, data, names, count))
            text = data = names = count = 0
            digits = 1
        data += size
        text += name + rest + digits + 4
        digits = len(str(data))
        text += digits
        names += name
        count += 1
    return [*found, ShardSize(text + max(0, count - 1), data, names, count)]


def split_into_shards(tensors: Sequence[Entry], largest: int = MAX_SHARD_BYTES) -> list[list[Entry]]:
    """Tensors by file, none of them larger than it may be unless one tensor is."""
    groups: list[list[Entry]] = [[]]
    filled = 0
    for tensor in tensors:
        if groups[-1] and filled + tensor.bytes > largest:
            groups.append([])
            filled = 0
        groups[-1].append(tensor)
        filled += tensor.bytes
    return groups


def header_json(tensors: Sequence[Entry], metadata: Mapping[str, str]) -> bytes:
    """The header's JSON: tensors one after the other in the data, without gaps."""
    parts = [f'"__metadata__":{json.dumps(dict(metadata), separators=(",", ":"))}'] if metadata else []
    at = 0
    for tensor in tensors:
        end = at + tensor.bytes
        parts.append(f'"{tensor.name}{tensor.entry_json}{at},{end}]}}')
        at = end
    return ("{" + ",".join(parts) + "}").encode()


class Shards:
    """The files of one model. A hundred thousand tensors are listed on demand and not kept.

    Of all models the last few that were asked for are remembered, so that reading every shard lists them once; what
    the files measure is kept.
    """

    _remembered: ClassVar[OrderedDict[int, tuple[Shards, list[list[Entry]]]]] = OrderedDict()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        tensors: Callable[[], Sequence[StoredTensor]],
        largest: int = MAX_SHARD_BYTES,
        total_parameters: int | None = None,
    ) -> None:
        self._tensors = tensors
        self._largest = largest
        self._total_parameters = total_parameters
        self._indices: dict[str, Content] = {}

    def groups(self) -> list[list[Entry]]:
        """The tensors of each file."""
        with self._lock:
            if id(self) in self._remembered:
                self._remembered.move_to_end(id(self))
                return self._remembered[id(self)][1]
        found = split_into_shards(list(make_entries(self._tensors())), self._largest)
        with self._lock:
            self._remembered[id(self)] = self, found
            while len(self._remembered) > MAX_CACHED_MODELS:
                self._remembered.popitem(last=False)
        return found

    @cached_property
    def shard_sizes(self) -> list[ShardSize]:
        return shard_sizes(self._tensors(), self._largest)

    def files(
        self, facts: str, *, stem: str = "model", folder: str = "", metadata: Mapping[str, str] | None = None
    ) -> dict[str, Content]:
        """The files by path: one, or shards and their index. Shard names are transformers' own."""
        named = {"format": "pt"} if metadata is None else metadata
        count = len(self.shard_sizes)
        if count == 1:
            return {f"{folder}{stem}.safetensors": self._file(0, facts, named)}
        names = [f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
        files: dict[str, Content] = {
            folder + name: self._file(number, f"{facts} {number + 1}/{count}", named)
            for number, name in enumerate(names)
        }
        if stem not in self._indices:
            self._indices[stem] = self._index_file(names)
        files[f"{folder}{stem}.safetensors.index.json"] = self._indices[stem]
        return files

    def _file(self, number: int, facts: str, metadata: Mapping[str, str]) -> SafetensorsFile:
        text, data, _, _ = self.shard_sizes[number]
        text += len(header_json((), metadata)) + (1 if text and metadata else 0)
        return SafetensorsFile(facts, lambda: header_json(self.groups()[number], metadata), 8 + text + -text % 8 + data)

    def _index_file(self, names: Sequence[str]) -> Content:
        """The index: in git where it is small; of models with thousands of experts it is kept as weights are."""
        rows = sum(measure.tensors for measure in self.shard_sizes)
        if rows < LARGE_INDEX:
            return SmallFile(lambda: self._index(names))
        each = zip(names, self.shard_sizes, strict=True)
        size = sum(measure.names + measure.tensors * (len(name) + 12) for name, measure in each) - 2
        about = f"{names[0]} {rows} {size} {self.shard_sizes}"
        return SparseFile(about, size + len("".join(self._index_frame())), lambda: self._index(names))

    def _index_frame(self) -> tuple[str, str]:
        about: dict[str, int] = {"total_size": sum(measure.data for measure in self.shard_sizes)}
        if self._total_parameters is not None:
            about["total_parameters"] = self._total_parameters
        return f'{{\n  "metadata": {json.dumps(about)},\n  "weight_map": {{\n', "\n  }\n}\n"

    def _index(self, names: Sequence[str]) -> bytes:
        placed = zip(names, self.groups(), strict=True)
        weight_map = ",\n".join(f'    "{tensor.name}": "{name}"' for name, group in placed for tensor in group)
        start, end = self._index_frame()
        return f"{start}{weight_map}{end}".encode()


MAX_FILLER_TENSORS = 24


def filler_file(facts: str, size: int, dtype: str) -> SafetensorsFile:
    """A file of which only the size is known: equal tensors fill it, and the header's spaces what is left over."""
    width = BYTES[dtype]

    def header() -> bytes:
        room = size - 8 - 160 * MAX_FILLER_TENSORS
        each = max(1, room // MAX_FILLER_TENSORS // width)
        tensors = [StoredTensor(f"layers.{number}.weight", dtype, (each,)) for number in range(MAX_FILLER_TENSORS)]
        rest = size % 8  # the header is a multiple of 8 bytes long
        tensors += [StoredTensor("rest", "U8", (rest,))] if rest else []
        text = header_json(list(make_entries(tensors)), {"format": "pt"})
        return text + b" " * (size - 8 - MAX_FILLER_TENSORS * each * width - rest - len(text))

    return SafetensorsFile(facts, header, size)

"""Safetensors files from facts: headers, shards and the index that joins them."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import ClassVar, NamedTuple

from samplehub.content.file_content import Content, Small, Sparse, Weights
from samplehub.content.weight_packing import BYTES, Stored

SHARD = 5 * 10**9  # bytes, transformers' own limit
LARGE_INDEX = 5000  # tensors
REMEMBERED = 3  # models whose tensors stay listed


class Entry(NamedTuple):
    """One tensor under its final name; `about` is the part of its JSON that does not depend on its place."""

    name: str
    bytes: int
    about: str


def entry(tensor: Stored, name: str) -> Entry:
    return Entry(name, tensor.bytes, about(tensor.dtype, tensor.shape))


@lru_cache(maxsize=4096)
def about(dtype: str, shape: tuple[int, ...]) -> str:
    return f'":{{"dtype":"{dtype}","shape":[{",".join(map(str, shape))}],"data_offsets":['


def entries(tensors: Sequence[Stored]) -> Iterator[Entry]:
    """Every tensor by itself; the tensors of one expert stand together, as writers leave them."""
    at = 0
    while at < len(tensors):
        if not tensors[at].experts:
            yield entry(tensors[at], tensors[at].name)
            at += 1
            continue
        end = at
        while end < len(tensors) and tensors[end].experts == tensors[at].experts:
            end += 1
        each = [(tensor.name.split("{e}"), *entry(tensor, "")[1:]) for tensor in tensors[at:end]]
        for number in range(tensors[at].experts):
            for (before, after), size, rest in each:
                yield Entry(f"{before}{number}{after}", size, rest)
        at = end


class Measure(NamedTuple):
    """What one file measures: its tensors' JSON without the braces, its data, its tensors' names and their number."""

    text: int
    data: int
    names: int
    tensors: int


def lengths(tensors: Sequence[Stored]) -> Iterator[tuple[int, int, int]]:
    """Of each tensor, as `entries` has them, the length of its name, its bytes and the length of what is about it."""
    at = 0
    while at < len(tensors):
        experts = tensors[at].experts
        if not experts:
            one = entry(tensors[at], tensors[at].name)
            yield len(one.name), one.bytes, len(one.about)
            at += 1
            continue
        end = at
        while end < len(tensors) and tensors[end].experts == experts:
            end += 1
        each = [(len(t.name) - len("{e}"), t.bytes, len(entry(t, "").about)) for t in tensors[at:end]]
        for number in range(experts):
            digits = len(str(number))
            for name, size, rest in each:
                yield name + digits, size, rest
        at = end


def measures(tensors: Sequence[Stored], largest: int) -> list[Measure]:
    """What the files of `shards` measure, reckoned without listing a tensor."""
    found = []
    text = data = names = count = 0
    digits = 1  # of the offset where the next tensor starts
    for name, size, rest in lengths(tensors):
        if count and data + size > largest:
            found.append(Measure(text + count - 1, data, names, count))
            text = data = names = count = 0
            digits = 1
        data += size
        text += name + rest + digits + 4
        digits = len(str(data))
        text += digits
        names += name
        count += 1
    return [*found, Measure(text + max(0, count - 1), data, names, count)]


def shards(tensors: Sequence[Entry], largest: int = SHARD) -> list[list[Entry]]:
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
        parts.append(f'"{tensor.name}{tensor.about}{at},{end}]}}')
        at = end
    return ("{" + ",".join(parts) + "}").encode()


class Shards:
    """The files of one model. A hundred thousand tensors are listed when somebody asks, and then forgotten again.

    Of all models the last few that were asked for are remembered, so that reading every shard lists them once; what
    the files measure is kept.
    """

    _remembered: ClassVar[OrderedDict[int, tuple[Shards, list[list[Entry]]]]] = OrderedDict()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        tensors: Callable[[], Sequence[Stored]],
        largest: int = SHARD,
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
        found = shards(list(entries(self._tensors())), self._largest)
        with self._lock:
            self._remembered[id(self)] = self, found
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    @cached_property
    def measures(self) -> list[Measure]:
        return measures(self._tensors(), self._largest)

    def files(
        self, facts: str, *, stem: str = "model", folder: str = "", metadata: Mapping[str, str] | None = None
    ) -> dict[str, Content]:
        """The files by path: one, or shards and their index. Shard names are transformers' own."""
        named = {"format": "pt"} if metadata is None else metadata
        count = len(self.measures)
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

    def _file(self, number: int, facts: str, metadata: Mapping[str, str]) -> Weights:
        text, data, _, _ = self.measures[number]
        text += len(header_json((), metadata)) + (1 if text and metadata else 0)
        return Weights(facts, lambda: header_json(self.groups()[number], metadata), 8 + text + -text % 8 + data)

    def _index_file(self, names: Sequence[str]) -> Content:
        """The index: in git where it is small; of models with thousands of experts it is kept as weights are."""
        rows = sum(measure.tensors for measure in self.measures)
        if rows < LARGE_INDEX:
            return Small(lambda: self._index(names))
        each = zip(names, self.measures, strict=True)
        size = sum(measure.names + measure.tensors * (len(name) + 12) for name, measure in each) - 2
        about = f"{names[0]} {rows} {size} {self.measures}"
        return Sparse(about, size + len("".join(self._index_frame())), lambda: self._index(names))

    def _index_frame(self) -> tuple[str, str]:
        about: dict[str, int] = {"total_size": sum(measure.data for measure in self.measures)}
        if self._total_parameters is not None:
            about["total_parameters"] = self._total_parameters
        return f'{{\n  "metadata": {json.dumps(about)},\n  "weight_map": {{\n', "\n  }\n}\n"

    def _index(self, names: Sequence[str]) -> bytes:
        placed = zip(names, self.groups(), strict=True)
        weight_map = ",\n".join(f'    "{tensor.name}": "{name}"' for name, group in placed for tensor in group)
        start, end = self._index_frame()
        return f"{start}{weight_map}{end}".encode()


FILLERS = 24


def filler(facts: str, size: int, dtype: str) -> Weights:
    """A file of which only the size is known: equal tensors fill it, and the header's spaces what is left over."""
    width = BYTES[dtype]

    def header() -> bytes:
        room = size - 8 - 160 * FILLERS
        each = max(1, room // FILLERS // width)
        tensors = [Stored(f"layers.{number}.weight", dtype, (each,)) for number in range(FILLERS)]
        rest = size % 8  # the header is a multiple of 8 bytes long
        tensors += [Stored("rest", "U8", (rest,))] if rest else []
        text = header_json(list(entries(tensors)), {"format": "pt"})
        return text + b" " * (size - 8 - FILLERS * each * width - rest - len(text))

    return Weights(facts, header, size)

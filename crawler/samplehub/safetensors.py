"""Safetensors files from facts: headers, shards and the index that joins them."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import ClassVar, NamedTuple

from crawler.samplehub.content import Content, Small, Weights
from crawler.samplehub.packing import Stored

SHARD = 5 * 10**9  # bytes, transformers' own limit
REMEMBERED = 3  # models whose tensors stay listed


class Entry(NamedTuple):
    """One tensor under its final name; `about` is the part of its JSON that does not depend on its place."""

    name: str
    bytes: int
    about: str


def entry(tensor: Stored, name: str) -> Entry:
    shape = ",".join(map(str, tensor.shape))
    return Entry(name, tensor.bytes, f'":{{"dtype":"{tensor.dtype}","shape":[{shape}],"data_offsets":[')


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
            for (before, after), size, about in each:
                yield Entry(f"{before}{number}{after}", size, about)
        at = end


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


def data_bytes(tensors: Sequence[Entry]) -> int:
    return sum(tensor.bytes for tensor in tensors)


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
        self._indices: dict[str, Small] = {}

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
    def sizes(self) -> list[tuple[int, int]]:
        """Of each file the bytes of its tensors' JSON, without metadata and braces, and those of its data."""
        return [(len(header_json(group, {})) - 2, data_bytes(group)) for group in self.groups()]

    def files(
        self, facts: str, *, stem: str = "model", folder: str = "", metadata: Mapping[str, str] | None = None
    ) -> dict[str, Content]:
        """The files by path: one, or shards and their index. Shard names are transformers' own."""
        named = {"format": "pt"} if metadata is None else metadata
        count = len(self.sizes)
        if count == 1:
            return {f"{folder}{stem}.safetensors": self._file(0, facts, named)}
        names = [f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
        files: dict[str, Content] = {
            folder + name: self._file(number, f"{facts} {number + 1}/{count}", named)
            for number, name in enumerate(names)
        }
        if stem not in self._indices:
            self._indices[stem] = Small(lambda: self._index(names))
        files[f"{folder}{stem}.safetensors.index.json"] = self._indices[stem]
        return files

    def _file(self, number: int, facts: str, metadata: Mapping[str, str]) -> Weights:
        text, data = self.sizes[number]
        text += len(header_json((), metadata)) + (1 if text and metadata else 0)
        return Weights(facts, lambda: header_json(self.groups()[number], metadata), 8 + text + -text % 8 + data)

    def _index(self, names: Sequence[str]) -> bytes:
        groups = self.groups()
        about: dict[str, int] = {"total_size": sum(map(data_bytes, groups))}
        if self._total_parameters is not None:
            about["total_parameters"] = self._total_parameters
        placed = zip(names, groups, strict=True)
        weight_map = ",\n".join(f'    "{tensor.name}": "{name}"' for name, group in placed for tensor in group)
        return f'{{\n  "metadata": {json.dumps(about)},\n  "weight_map": {{\n{weight_map}\n  }}\n}}\n'.encode()

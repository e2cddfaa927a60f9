"""Safetensors files from facts: headers, shards and the index that joins them."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
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


def weights_file(facts: str, tensors: Sequence[Entry], metadata: Mapping[str, str]) -> Weights:
    data = sum(tensor.bytes for tensor in tensors)
    return Weights(facts, lambda: header_json(tensors, metadata), data)


class Shards:
    """The files of one model. A hundred thousand tensors are listed when somebody asks, and then forgotten again.

    Of all models the last few that were asked for are remembered, so that reading every shard lists them once.
    """

    _remembered: ClassVar[OrderedDict[int, list[list[Entry]]]] = OrderedDict()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, tensors: Callable[[], Sequence[Stored]], largest: int) -> None:
        self._tensors = tensors
        self._largest = largest

    def groups(self) -> list[list[Entry]]:
        with self._lock:
            if id(self) in self._remembered:
                self._remembered.move_to_end(id(self))
                return self._remembered[id(self)]
        found = shards(list(entries(self._tensors())), self._largest)
        with self._lock:
            self._remembered[id(self)] = found
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return found

    def file(self, number: int, facts: str, metadata: Mapping[str, str]) -> Weights:
        data = sum(tensor.bytes for tensor in self.groups()[number])
        return Weights(facts, lambda: header_json(self.groups()[number], metadata), data)

    def index(self, names: Sequence[str], total_parameters: int | None) -> bytes:
        groups = self.groups()
        about: dict[str, int] = {"total_size": sum(tensor.bytes for group in groups for tensor in group)}
        if total_parameters is not None:
            about["total_parameters"] = total_parameters
        placed = zip(names, groups, strict=True)
        weight_map = ",\n".join(f'    "{tensor.name}": "{name}"' for name, group in placed for tensor in group)
        return f'{{\n  "metadata": {json.dumps(about)},\n  "weight_map": {{\n{weight_map}\n  }}\n}}\n'.encode()


def model_files(
    facts: str,
    tensors: Callable[[], Sequence[Stored]],
    *,
    stem: str = "model",
    folder: str = "",
    metadata: Mapping[str, str] | None = None,
    total_parameters: int | None = None,
    largest: int = SHARD,
) -> dict[str, Content]:
    """The weights of a model: one file, or shards and their index. Shard names are transformers' own."""
    named = {"format": "pt"} if metadata is None else metadata
    model = Shards(tensors, largest)
    count = len(model.groups())
    if count == 1:
        return {f"{folder}{stem}.safetensors": model.file(0, facts, named)}
    names = [f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]
    files: dict[str, Content] = {
        folder + name: model.file(number, f"{facts} {number + 1}/{count}", named) for number, name in enumerate(names)
    }
    files[f"{folder}{stem}.safetensors.index.json"] = Small(lambda: model.index(names, total_parameters))
    return files

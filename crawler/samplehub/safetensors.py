"""Safetensors files from facts: headers, shards and the index that joins them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from crawler.samplehub.content import Content, Small, Weights
from crawler.samplehub.packing import BYTES, Stored

SHARD = 5 * 10**9  # bytes, transformers' own limit


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor under its final name."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return prod(self.shape) * BYTES[self.dtype]


def entries(tensors: Sequence[Stored]) -> Iterator[Entry]:
    """Every tensor by itself; the tensors of one expert stand together, as writers leave them."""
    at = 0
    while at < len(tensors):
        if not tensors[at].experts:
            yield Entry(tensors[at].name, tensors[at].dtype, tensors[at].shape)
            at += 1
            continue
        end = at
        while end < len(tensors) and tensors[end].experts == tensors[at].experts:
            end += 1
        for number in range(tensors[at].experts):
            text = str(number)
            for tensor in tensors[at:end]:
                yield Entry(tensor.name.replace("{e}", text), tensor.dtype, tensor.shape)
        at = end


def shards(tensors: Sequence[Entry], largest: int = SHARD) -> list[list[Entry]]:
    """Tensors by file, none of them larger than it may be unless one tensor is."""
    groups: list[list[Entry]] = [[]]
    filled = 0
    for tensor in tensors:
        size = tensor.bytes
        if groups[-1] and filled + size > largest:
            groups.append([])
            filled = 0
        groups[-1].append(tensor)
        filled += size
    return groups


def header_json(tensors: Sequence[Entry], metadata: Mapping[str, str]) -> bytes:
    """The header's JSON: tensors one after the other in the data, without gaps."""
    parts = [f'"__metadata__":{json.dumps(dict(metadata), separators=(",", ":"))}'] if metadata else []
    at = 0
    for tensor in tensors:
        end = at + tensor.bytes
        shape = ",".join(map(str, tensor.shape))
        parts.append(
            f'{json.dumps(tensor.name)}:{{"dtype":"{tensor.dtype}","shape":[{shape}],"data_offsets":[{at},{end}]}}'
        )
        at = end
    return ("{" + ",".join(parts) + "}").encode()


def weights_file(facts: str, tensors: Sequence[Entry], metadata: Mapping[str, str]) -> Weights:
    data = sum(tensor.bytes for tensor in tensors)
    return Weights(facts, lambda: header_json(tensors, metadata), data)


def model_files(
    facts: str,
    tensors: Sequence[Stored],
    *,
    stem: str = "model",
    folder: str = "",
    metadata: Mapping[str, str] | None = None,
    total_parameters: int | None = None,
    largest: int = SHARD,
) -> dict[str, Content]:
    """The weights of a model: one file, or shards and their index. Shard names are transformers' own."""
    named = {"format": "pt"} if metadata is None else metadata
    groups = shards(list(entries(tensors)), largest)
    files: dict[str, Content] = {}
    if len(groups) == 1:
        files[f"{folder}{stem}.safetensors"] = weights_file(facts, groups[0], named)
        return files
    weight_map: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        shard = f"{stem}-{number:05d}-of-{len(groups):05d}.safetensors"
        files[folder + shard] = weights_file(f"{facts} {number}/{len(groups)}", group, named)
        weight_map.update((tensor.name, shard) for tensor in group)
    about: dict[str, int] = {"total_size": sum(tensor.bytes for group in groups for tensor in group)}
    if total_parameters is not None:
        about["total_parameters"] = total_parameters
    index = {"metadata": about, "weight_map": weight_map}
    files[f"{folder}{stem}.safetensors.index.json"] = Small(lambda: json.dumps(index, indent=2).encode())
    return files

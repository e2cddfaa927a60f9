"""safetensors headers built for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any

from analysis.formats.safetensors.reader import read_safetensors
from analysis.formats.safetensors.tensors import BITS
from analysis.formats.source import BytesSource
from db.record_base import Json
from db.records import ArtifactRecord, Header

Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Tensor -> dtype and shape."""


def entries(tensors: Shapes, metadata: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON of a header whose tensors follow each other."""
    found: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = -(-prod(shape) * BITS[dtype] // 8)
        found[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    return found


def framed(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


def written(tensors: Shapes, metadata: Mapping[str, str] | None = None) -> tuple[bytes, int]:
    """The first bytes of a file, and the size that the whole file would have."""
    found = entries(tensors, metadata)
    head = framed(json.dumps(found).encode())
    return head, len(head) + max((t["data_offsets"][1] for k, t in found.items() if k != "__metadata__"), default=0)


def artifact(*paths: str, role: Any = "weights") -> ArtifactRecord:
    return ArtifactRecord(paths[0], role, "safetensors", paths, None, "c0ffee")


def header(
    tensors: Shapes, config: Json | None = None, metadata: Mapping[str, str] | None = None, **more: Any
) -> Header:
    """The header of one file with these tensors."""
    head, size = written(tensors, metadata)
    return read_safetensors(
        artifact("model.safetensors"), {"model.safetensors": size}, lambda path: BytesSource(head, path, size),
        config=config or {}, **more,
    )  # fmt: skip

"""Digests of the tensors that a header describes: what stays when a file is written again with other metadata."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

Described = tuple[str, tuple[int, ...], str]
"""A tensor's name, shape and type."""


class TensorDigests(NamedTuple):
    """`layout`: of names, shapes and types; `shapes`: of names and shapes, which other quantizations share.

    Signed 64-bit numbers, as both engines keep integers; None for a file without tensors.
    """

    layout: int | None
    shapes: int | None


def digest_tensors(tensors: Iterable[Described]) -> TensorDigests:
    """The digests of all tensors of an artifact, whatever their order in its files."""
    layout, shapes = blake2b(digest_size=8), blake2b(digest_size=8)
    found = sorted(tensors)
    for name, shape, type_ in found:
        line = f"{name}\0{shape}\0".encode("utf-8", "surrogatepass")
        shapes.update(line)
        layout.update(line + type_.encode("utf-8", "surrogatepass") + b"\0")
    if not found:
        return TensorDigests(None, None)
    return TensorDigests(_signed(layout.digest()), _signed(shapes.digest()))


def _signed(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)

"""Digests of the tensors that a header describes: what stays when a file is written again with other metadata."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain, islice, repeat
from operator import add
from typing import NamedTuple

Described = tuple[str, tuple[int, ...], str]
"""A tensor's name, shape and type."""

_TENSORS_AT_ONCE = 10_000


class TensorDigests(NamedTuple):
    """`layout`: of names, shapes and types; `shapes`: of names and shapes, which other quantizations share.

    Signed 64-bit numbers, as both engines keep integers; None for a file without tensors.
    """

    layout: int | None
    shapes: int | None


def digest_tensors(tensors: Iterable[Described]) -> TensorDigests:
    """The digests of all tensors of an artifact, whatever their order in its files."""
    layout, shapes = blake2b(digest_size=8), blake2b(digest_size=8)
    found = iter(sorted(tensors))
    empty = True
    while several := list(islice(found, _TENSORS_AT_ONCE)):
        empty = False
        names, lengths, types = zip(*several, strict=True)
        texts = {shape: f"\0{shape}\0" for shape in set(lengths)}
        lines = list(map(add, names, map(texts.__getitem__, lengths)))
        shapes.update("".join(lines).encode("utf-8", "surrogatepass"))
        typed = chain.from_iterable(zip(lines, types, repeat("\0"), strict=False))
        layout.update("".join(typed).encode("utf-8", "surrogatepass"))
    if empty:
        return TensorDigests(None, None)
    return TensorDigests(_signed(layout.digest()), _signed(shapes.digest()))


def _signed(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)

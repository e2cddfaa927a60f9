"""Digests of the tensors that a header describes: what stays when a file is written again with other metadata."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    ordered = sorted(tensors)
    return digest_ordered(*zip(*ordered, strict=True)) if ordered else TensorDigests(None, None)


def digest_ordered(names: Sequence[str], shapes: Iterable[tuple[int, ...]], types: Iterable[str]) -> TensorDigests:
    """The digests of tensors in the order of their names, which are all different."""
    layout, named = blake2b(digest_size=8), blake2b(digest_size=8)
    texts, rest_of_shapes, rest_of_types = _ShapeTexts(), iter(shapes), iter(types)
    for start in range(0, len(names), _TENSORS_AT_ONCE):
        several = names[start : start + _TENSORS_AT_ONCE]
        lines = list(map(add, several, map(texts.__getitem__, islice(rest_of_shapes, len(several)))))
        named.update("".join(lines).encode("utf-8", "surrogatepass"))
        typed = chain.from_iterable(zip(lines, islice(rest_of_types, len(several)), repeat("\0"), strict=False))
        layout.update("".join(typed).encode("utf-8", "surrogatepass"))
    return TensorDigests(_signed(layout.digest()), _signed(named.digest())) if names else TensorDigests(None, None)


class _ShapeTexts(dict[tuple[int, ...], str]):
    """The text of each shape that is digested, made when it is first asked for."""

    def __missing__(self, shape: tuple[int, ...]) -> str:
        made = self[shape] = f"\0{shape}\0"
        return made


def _signed(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)

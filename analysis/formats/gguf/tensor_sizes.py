"""Tensors of a GGUF file, and how many bytes the data of each takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from analysis.errors import HeaderMalformed
from analysis.schemes import tensor_types as ggml


class Tensor(NamedTuple):
    """A tensor as the header describes it. `shape[0]` is the length of a row."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int  # bytes from the start of the tensor data
    elements: int


def tensor_sizes(
    name: str, tensors: Sequence[Tensor], data_start: int, alignment: int, whole: int | None
) -> tuple[tuple[int | None, ...], bool]:
    """Bytes of each tensor's data, and whether the last one's were inferred from the file's size (`whole`).

    The table of types gives them, and the next tensor must not begin before a tensor's end. For a type that is not in
    the table, or whose number forks use for another type, the offsets give them: a tensor ends where the next one
    begins, up to padding. Raises HeaderMalformed where tensors overlap.
    """
    sizes: list[int | None] = [None] * len(tensors)
    weights: dict[int, float] = {}  # bytes an element, of the types whose bytes the offsets gave
    order = sorted(range(len(tensors)), key=lambda at: tensors[at].offset)
    for place, at in enumerate(order):
        tensor = tensors[at]
        last = place == len(order) - 1
        end = (whole - data_start if whole is not None else None) if last else tensors[order[place + 1]].offset
        room = None if end is None or end < tensor.offset else end - tensor.offset
        known = ggml.tensor_type(tensor.type)
        size = -(-tensor.elements // known.block) * known.size if known else None
        if size is not None and ggml.is_unambiguous(tensor.type):
            if not last and room is not None and size > room:
                raise HeaderMalformed(
                    name, data_start + tensor.offset, f"{size:,} bytes of {tensor.name!r}",
                    f"the next tensor after {room:,}",
                )  # fmt: skip
        elif tensor.type in weights:  # the table was wrong for this type before
            size = round(tensor.elements * weights[tensor.type]) if last else room
        elif size is None or (room is not None and not last and room not in (size, -(-size // alignment) * alignment)):
            if room is None or room > 8 * tensor.elements:  # no type takes more than 64 bits
                continue
            size, weights[tensor.type] = room, room / max(1, tensor.elements)
            if last:
                sizes[at] = size
                return tuple(sizes), True
        sizes[at] = size
    return tuple(sizes), False

"""The kinds of layers by what they keep of a text, and checked numbers for each layer of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.errors import AnalysisError

MAX_LAYERS = 10_000
MAX_HEAD_LENGTH = 65_536
"""Elements of a head's key or value, and heads of a layer."""


class UnknownGeometry(AnalysisError):
    """What a model keeps for a text can't be computed; `reason` says why."""

    hint = "the weights are measured all the same; see the model's card for the memory of its context"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LayerKind:
    """What a layer keeps."""

    context: bool = False
    """Keys and values of every token."""
    window: bool = False
    """Keys and values of the last tokens only."""
    state: bool = False
    """A state of fixed size."""
    indexer: bool = False
    """A key of the sparse attention's indexer, for every token or, under `compression`, for every cell."""
    image: bool = False
    """Keys and values of an image or of the encoder's output, which do not grow with the text."""
    compression: int = 0
    """Tokens that share one further cell; 0 where there is none."""


LAYER_KINDS: Mapping[str, LayerKind] = {
    "F": LayerKind(context=True),
    "W": LayerKind(window=True),
    "S": LayerKind(state=True),
    "N": LayerKind(),
    "B": LayerKind(context=True, state=True),
    "V": LayerKind(window=True, state=True),
    "I": LayerKind(context=True, indexer=True),
    "X": LayerKind(image=True),
    "D": LayerKind(context=True, image=True),
    "C": LayerKind(window=True, indexer=True, compression=4),
    "H": LayerKind(window=True, compression=128),
}
"""Letters of `layer_kinds`, one a layer. C and H are the two compressions of DeepSeek-V4 (llama-kv-cache-dsv4.cpp)."""


def bounded_int(value: Any, most: int) -> int | None:
    """The value as an int if it is a number between 1 and `most`, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return int(value) if 1 <= value <= most else None


def per_layer(value: Any, layers: int, most: int = MAX_HEAD_LENGTH) -> tuple[int, ...] | None:
    """A count per layer from one number or a list of numbers, whose last one holds for further layers; else None."""
    if is_list(value) and value:
        counts = tuple(int(item) if is_number(item) and 0 <= item <= most else 0 for item in value[:layers])
        return counts + (counts[-1],) * (layers - len(counts))
    count = bounded_int(value, most)
    return None if count is None else (count,) * layers


def is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and value == value

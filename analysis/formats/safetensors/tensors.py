"""Tensors as a safetensors header describes them, and the width of their elements."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits of one element, for every dtype of safetensors 0.8. Shapes of the narrow ones count logical elements."""

FLOATS = frozenset({"F64", "F32", "F16", "BF16", "C64"})
EIGHT = frozenset({"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
BYTES = frozenset({"U8", "I8"})
SCALES = frozenset({"U8", "F8_E8M0"})
"""Dtypes of scales that are powers of two, as the MX formats have them."""


class Tensor(NamedTuple):
    """One tensor: its dtype, its shape, and where its data begins and ends, from the end of the header on."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes of its data."""
        return self.end - self.begin

    @property
    def last(self) -> int:
        """Length of a row; 1 for a scalar."""
        return self.shape[-1] if self.shape else 1

"""Tensors as a safetensors header describes them, and the width of their elements."""

from __future__ import annotations

from math import prod

BITS = {
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


class Tensor:
    """The dtype, shape and bytes of a tensor: one object for all tensors of a header that have the same.

    So the hundred thousand experts of a model need a few of them, and what is found out about one holds for all.
    Compared by identity.
    """

    __slots__ = ("dtype", "elements", "last", "shape", "size")

    def __init__(self, dtype: str, shape: tuple[int, ...], size: int) -> None:
        self.dtype = dtype
        self.shape = shape
        self.size = size
        """Bytes of its data."""
        self.elements = prod(shape)
        self.last = shape[-1] if shape else 1
        """Length of a row; 1 for a scalar."""

    def __repr__(self) -> str:
        return f"Tensor({self.dtype!r}, {self.shape}, {self.size})"


class TensorKinds(dict[tuple[str, tuple[int, ...], int], Tensor]):
    """The one Tensor of each dtype, shape and number of bytes, made when it is first asked for."""

    def __missing__(self, key: tuple[str, tuple[int, ...], int]) -> Tensor:
        made = self[key] = Tensor(*key)
        return made

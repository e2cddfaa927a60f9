"""The tensor types and file types of ggml, llama.cpp's tensor library (ggml.h, llama.h), by their numbers in files.

How a type packs its weights is in schemes.toml. An id that is not here is kept as a number: what it takes follows from
the tensors' offsets. Forks number types of their own, and two of them use an id of llama.cpp for something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from analysis.schemes.schemes import find_scheme


class GgmlType(NamedTuple):
    """A tensor type: its name, the elements of a block and the bytes that a block takes."""

    name: str
    block: int
    size: int

    @property
    def bits(self) -> float:
        """Bits per element."""
        return 8 * self.size / self.block


_INTEGERS: Mapping[str, int] = {"I8": 1, "I16": 2, "I32": 4, "I64": 8}
"""Types of indices, and the bytes of one: no scheme of weights."""

_IDS: Mapping[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 4: "Q4_2", 5: "Q4_3", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10:
    "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
    19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64",
    28: "F64", 29: "IQ1_M", 30: "BF16", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0",
    36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0", 42: "Q2_0",
}  # fmt: skip
"""llama.cpp's own types. 4 and 5 were removed in 2023, 31 to 33 and 36 to 38 in 2024."""

FORK_TYPES: Mapping[int, str] = {
    97: "Q8_0_R8_X4", 98: "Q8_0_X4", 99: "Q8_1_X4", 133: "Q6_0", 134: "IQ1_BN", 135: "IQ2_BN", 136: "Q8_K64",
    137: "IQ2_K", 138: "IQ3_K", 139: "IQ4_K", 140: "IQ5_K", 141: "IQ6_K", 142: "IQ2_TN", 143: "IQ1_TN", 144: "IQ4_KS",
    145: "IQ2_KS", 146: "IQ4_KSS", 147: "Q8_K16", 148: "Q8_K32", 149: "Q8_KR8", 150: "Q8_K128", 151: "Q8_KV",
    152: "IQ5_KS", 153: "IQ2_KT", 154: "IQ3_KT", 155: "IQ4_KT", 156: "IQ3_KS", 157: "IQ2_KL", 158: "IQ1_KT",
    202: "Q4_0_R8", 206: "Q5_0_R4", 208: "Q8_0_R8", 210: "Q2_K_R4", 211: "Q3_K_R4", 212: "Q4_K_R4", 213: "Q5_K_R4",
    214: "Q6_K_R4", 216: "IQ2_XXS_R4", 217: "IQ2_XS_R4", 218: "IQ3_XXS_R4", 219: "IQ1_S_R4", 220: "IQ4_NL_R4",
    221: "IQ3_S_R4", 222: "IQ2_S_R4", 223: "IQ4_XS_R8", 229: "IQ1_M_R4", 230: "BF16_R16", 233: "Q6_0_R4",
    335: "IQ2_BN_R4", 337: "IQ2_K_R4", 338: "IQ3_K_R4", 339: "IQ4_K_R4", 340: "IQ5_K_R4", 344: "IQ4_KS_R4",
    352: "IQ5_KS_R4", 398: "Q8_KV_R8", 399: "Q8_K_R8",
}  # fmt: skip
"""Types of ik_llama.cpp."""

_OTHER_BLOCKS = frozenset({"Q8_K_R8"})
"""Interleaved types whose blocks are not those of the type that they are named after."""

REUSED: Mapping[int, str] = {36: "I2_S"}
"""Ids that a fork uses for another type: taken where the bytes are not those of llama.cpp's type."""

AMBIGUOUS_IDS = frozenset({4, 5, 36, 37, 38, 40, 41, 42})
"""Ids that forks or old versions use differently, as they may every id above 42: where the offsets contradict the
table, the offsets are right."""

FILE_TYPES: Mapping[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 4: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS",
    20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
    28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 33: "Q4_0_4_4", 34: "Q4_0_4_8", 35: "Q4_0_8_8",
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
"""`general.file_type` (llama_ftype): the mix that the quantizer was asked for, whatever came of it."""

GUESSED = 1024
"""The bit of a file type that llama.cpp sets where it guessed it."""


def _ggml_type(name: str) -> GgmlType | None:
    """A type with the block of its scheme. None where rows hold more than blocks: the offsets tell what they take."""
    if name in _INTEGERS:
        return GgmlType(name, 1, _INTEGERS[name])
    scheme = find_scheme(name)
    if scheme is None or scheme.block is None or scheme.row_scale or name in _OTHER_BLOCKS:
        return None
    return GgmlType(name, scheme.block.weights, scheme.block.bytes)


TYPES: Mapping[int, GgmlType] = {number: known for number, name in _IDS.items() if (known := _ggml_type(name))}
"""llama.cpp's own types by id."""

NAMES = frozenset((*_IDS.values(), *FORK_TYPES.values(), *REUSED.values()))


def tensor_type(number: int) -> GgmlType | None:
    """A tensor type by its number, None where its size per block is not known."""
    if number in TYPES:
        return TYPES[number]
    return _ggml_type(FORK_TYPES[number]) if number in FORK_TYPES else None


def is_unambiguous(number: int) -> bool:
    """Whether a number means the same in llama.cpp, its old versions and its forks."""
    return number in TYPES and number not in AMBIGUOUS_IDS


def type_name(number: int) -> str:
    """The name of a tensor type, its number where it has no known name."""
    known = TYPES.get(number)
    return known.name if known else FORK_TYPES.get(number, str(number))


def main_types(scheme: str) -> tuple[str, ...]:
    """The tensor types that a GGUF scheme is mainly made of: Q4_K for Q4_K_M, IQ3_S for IQ3_M; empty for others."""
    found = find_scheme(scheme)
    if found is not None:
        return found.tensor_types
    return (scheme,) if scheme in NAMES else ()


def file_type_name(number: int | None) -> str | None:
    """The scheme that a file type stands for, None for an unknown one."""
    return None if number is None else FILE_TYPES.get(number & ~GUESSED)

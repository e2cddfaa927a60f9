"""The tensor types and file types of ggml, llama.cpp's tensor library (ggml.h, ggml-common.h, llama.h).

A type packs a block of elements into so many bytes. An id that is not here is kept as a number: what it weighs follows
from the tensors' offsets. Forks number types of their own, and two of them use an id of llama.cpp for something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class GgmlType(NamedTuple):
    """A tensor type: its name, the elements of a block and the bytes that a block takes."""

    name: str
    block: int
    size: int

    @property
    def bits(self) -> float:
        """Bits a weight."""
        return 8 * self.size / self.block


TYPES: Mapping[int, GgmlType] = {
    0: GgmlType("F32", 1, 4), 1: GgmlType("F16", 1, 2), 2: GgmlType("Q4_0", 32, 18), 3: GgmlType("Q4_1", 32, 20),
    4: GgmlType("Q4_2", 16, 10), 5: GgmlType("Q4_3", 16, 12),  # gone since 2023
    6: GgmlType("Q5_0", 32, 22), 7: GgmlType("Q5_1", 32, 24), 8: GgmlType("Q8_0", 32, 34), 9: GgmlType("Q8_1", 32, 36),
    10: GgmlType("Q2_K", 256, 84), 11: GgmlType("Q3_K", 256, 110), 12: GgmlType("Q4_K", 256, 144),
    13: GgmlType("Q5_K", 256, 176), 14: GgmlType("Q6_K", 256, 210), 15: GgmlType("Q8_K", 256, 292),
    16: GgmlType("IQ2_XXS", 256, 66), 17: GgmlType("IQ2_XS", 256, 74), 18: GgmlType("IQ3_XXS", 256, 98),
    19: GgmlType("IQ1_S", 256, 50), 20: GgmlType("IQ4_NL", 32, 18), 21: GgmlType("IQ3_S", 256, 110),
    22: GgmlType("IQ2_S", 256, 82), 23: GgmlType("IQ4_XS", 256, 136),
    24: GgmlType("I8", 1, 1), 25: GgmlType("I16", 1, 2), 26: GgmlType("I32", 1, 4), 27: GgmlType("I64", 1, 8),
    28: GgmlType("F64", 1, 8), 29: GgmlType("IQ1_M", 256, 56), 30: GgmlType("BF16", 1, 2),
    31: GgmlType("Q4_0_4_4", 32, 18), 32: GgmlType("Q4_0_4_8", 32, 18), 33: GgmlType("Q4_0_8_8", 32, 18),
    34: GgmlType("TQ1_0", 256, 54), 35: GgmlType("TQ2_0", 256, 66),
    36: GgmlType("IQ4_NL_4_4", 32, 18), 37: GgmlType("IQ4_NL_4_8", 32, 18), 38: GgmlType("IQ4_NL_8_8", 32, 18),
    39: GgmlType("MXFP4", 32, 17), 40: GgmlType("NVFP4", 64, 36), 41: GgmlType("Q1_0", 128, 18),
    42: GgmlType("Q2_0", 64, 18),
}  # fmt: skip
"""llama.cpp's own types by id."""

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
"""Types of ik_llama.cpp, by name."""

FORK_BLOCKS: Mapping[int, tuple[int, int]] = {
    133: (32, 26), 137: (256, 76), 138: (256, 110), 139: (256, 144), 140: (256, 176), 141: (256, 212),
}  # fmt: skip
"""Elements and bytes of a block of those that keep nothing else in a row. A type whose rows are interleaved by four or
eight (its number is 200 higher) weighs what its plain one does; what the others weigh is read from the offsets."""

REUSED: Mapping[int, str] = {36: "I2_S"}
"""Ids that a fork uses for another type: taken where the bytes are not those of llama.cpp's type."""

UNSURE = frozenset({4, 5, 36, 37, 38, 40, 41, 42})
"""Ids that forks or old versions use differently, as they may every id above 42: where the offsets contradict the
table, the offsets are right."""

FILE_TYPES: Mapping[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 4: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS",
    20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
    28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 33: "Q4_0_4_4", 34: "Q4_0_4_8", 35: "Q4_0_8_8",
    36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
"""`general.file_type` (llama_ftype): the recipe that the quantizer was asked for, whatever came of it."""

GUESSED = 1024
"""The bit of a file type that llama.cpp sets where it guessed it."""

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""Full precision: these say that a file is not quantized."""

RECIPES: Mapping[str, tuple[str, ...]] = {
    "IQ1_M": ("IQ1_M", "IQ1_S"), "IQ2_XS": ("IQ2_XS", "IQ2_XXS"), "IQ2_S": ("IQ2_S", "IQ2_XS"), "IQ2_M": ("IQ2_S",),
    "IQ3_XS": ("IQ3_XXS", "IQ3_S"), "IQ3_M": ("IQ3_S",), "Q8_K": ("Q8_0", "Q8_K"), "MXFP4_MOE": ("MXFP4",),
    "Q2_K_S": ("Q2_K", "Q3_K"), "Q3_K_XS": ("Q3_K", "Q2_K"),
}  # fmt: skip
"""Recipes whose main tensor types do not follow from their name (llama-quant.cpp)."""

NAMES = frozenset({known.name for known in TYPES.values()} | set(FORK_TYPES.values()) | set(REUSED.values()))


def tensor_type(number: int) -> GgmlType | None:
    """A tensor type by its number, None where nobody told us what it weighs."""
    if number in TYPES:
        return TYPES[number]
    plain = number - 200 if number > 200 else number
    block = FORK_BLOCKS.get(plain) or (TYPES[plain][1:] if plain in TYPES else None)
    return GgmlType(FORK_TYPES[number], *block) if block and number in FORK_TYPES else None


def sure(number: int) -> bool:
    """Whether a number means the same everywhere."""
    return number in TYPES and number not in UNSURE


def type_name(number: int) -> str:
    """The name of a tensor type, its number where nobody told us a name."""
    known = TYPES.get(number)
    return known.name if known else FORK_TYPES.get(number, str(number))


def main_types(scheme: str) -> tuple[str, ...]:
    """The tensor types that a scheme is mainly made of: Q4_K for Q4_K_M, IQ3_S for IQ3_M."""
    words = scheme.split("_")
    for count in range(len(words), 1, -1):
        name = "_".join(words[:count])
        if name in RECIPES:
            return RECIPES[name]
        if name in NAMES:
            return (name,)
    return (scheme,) if scheme in NAMES else ()


def file_type_name(number: int | None) -> str | None:
    """The scheme that a file type stands for, None for one that nobody told us."""
    return None if number is None else FILE_TYPES.get(number & ~GUESSED)

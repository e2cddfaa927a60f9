"""Which ggml type each tensor of a GGUF quant has: llama.cpp's rules for its file types.

Source: llama_tensor_get_type in llama.cpp's src/llama-quant.cpp. The rules are those that move sizes; a quant made by
them comes within a per cent of the published bits per weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from samplehub.content.geometry import Geometry, Tensor


class Ggml(NamedTuple):
    """A ggml tensor type: its number in files, the elements of a block and the block's bytes."""

    number: int
    block: int
    bytes: int


TYPES: Final[Mapping[str, Ggml]] = {
    name: Ggml(*rest)
    for name, *rest in (
        ("F32", 0, 1, 4),
        ("F16", 1, 1, 2),
        ("Q4_0", 2, 32, 18),
        ("Q4_1", 3, 32, 20),
        ("Q5_0", 6, 32, 22),
        ("Q5_1", 7, 32, 24),
        ("Q8_0", 8, 32, 34),
        ("Q2_K", 10, 256, 84),
        ("Q3_K", 11, 256, 110),
        ("Q4_K", 12, 256, 144),
        ("Q5_K", 13, 256, 176),
        ("Q6_K", 14, 256, 210),
        ("IQ2_XXS", 16, 256, 66),
        ("IQ2_XS", 17, 256, 74),
        ("IQ3_XXS", 18, 256, 98),
        ("IQ1_S", 19, 256, 50),
        ("IQ4_NL", 20, 32, 18),
        ("IQ3_S", 21, 256, 110),
        ("IQ2_S", 22, 256, 82),
        ("IQ4_XS", 23, 256, 136),
        ("I32", 26, 1, 4),
        ("IQ1_M", 29, 256, 56),
        ("BF16", 30, 1, 2),
        ("TQ1_0", 34, 256, 54),
        ("TQ2_0", 35, 256, 66),
        ("MXFP4", 39, 32, 17),
        ("NVFP4", 40, 64, 36),
        ("Q1_0", 41, 128, 18),
        ("Q2_0", 42, 64, 18),
    )
}


@dataclass(frozen=True, slots=True)
class Mix:
    """A GGUF file type: its number in general.file_type and the type that most tensors have."""

    number: int
    main: str


MIXES: Final[Mapping[str, Mix]] = {
    "F32": Mix(0, "F32"),
    "F16": Mix(1, "F16"),
    "BF16": Mix(32, "BF16"),
    "Q4_0": Mix(2, "Q4_0"),
    "Q4_1": Mix(3, "Q4_1"),
    "Q8_0": Mix(7, "Q8_0"),
    "Q5_0": Mix(8, "Q5_0"),
    "Q5_1": Mix(9, "Q5_1"),
    "Q2_K": Mix(10, "Q2_K"),
    "Q3_K_S": Mix(11, "Q3_K"),
    "Q3_K_M": Mix(12, "Q3_K"),
    "Q3_K_L": Mix(13, "Q3_K"),
    "Q4_K_S": Mix(14, "Q4_K"),
    "Q4_K_M": Mix(15, "Q4_K"),
    "Q5_K_S": Mix(16, "Q5_K"),
    "Q5_K_M": Mix(17, "Q5_K"),
    "Q6_K": Mix(18, "Q6_K"),
    "IQ2_XXS": Mix(19, "IQ2_XXS"),
    "IQ2_XS": Mix(20, "IQ2_XS"),
    "Q2_K_S": Mix(21, "Q2_K"),
    "IQ3_XS": Mix(22, "IQ3_S"),
    "IQ3_XXS": Mix(23, "IQ3_XXS"),
    "IQ1_S": Mix(24, "IQ1_S"),
    "IQ4_NL": Mix(25, "IQ4_NL"),
    "IQ3_S": Mix(26, "IQ3_S"),
    "IQ3_M": Mix(27, "IQ3_S"),
    "IQ2_S": Mix(28, "IQ2_XS"),
    "IQ2_M": Mix(29, "IQ2_S"),
    "IQ4_XS": Mix(30, "IQ4_XS"),
    "IQ1_M": Mix(31, "IQ1_M"),
    "TQ1_0": Mix(36, "TQ1_0"),
    "TQ2_0": Mix(37, "TQ2_0"),
    "MXFP4_MOE": Mix(38, "Q8_0"),
    "NVFP4": Mix(39, "NVFP4"),
    "Q1_0": Mix(40, "Q1_0"),
    "Q2_0": Mix(41, "Q2_0"),
}

BIGGER_ENDS: Final[Mapping[str, tuple[str, str]]] = {
    # what publishers add to llama.cpp's file types: the file type below, and the type of embedding and output
    "Q2_K_L": ("Q2_K", "Q8_0"),
    "Q3_K_XL": ("Q3_K_L", "Q8_0"),
    "Q4_K_L": ("Q4_K_M", "Q8_0"),
    "Q5_K_L": ("Q5_K_M", "Q8_0"),
    "Q6_K_L": ("Q6_K", "Q8_0"),
    "MXFP4": ("MXFP4_MOE", "Q8_0"),
}

DYNAMIC: Final[Mapping[str, str]] = {
    # unsloth's dynamic quants (UD-): the file type that lies below; attention and shared experts are kept better
    "IQ1_S": "IQ1_S",
    "IQ1_M": "IQ1_M",
    "TQ1_0": "IQ1_S",
    "IQ2_XXS": "IQ2_XXS",
    "IQ2_M": "IQ2_M",
    "Q2_K_XL": "Q2_K",
    "IQ3_XXS": "IQ3_XXS",
    "Q3_K_XL": "Q3_K_M",
    "Q4_K_XL": "Q4_K_M",
    "Q5_K_XL": "Q5_K_M",
    "Q6_K_XL": "Q6_K",
    "Q8_K_XL": "Q8_0",
}
NEXT_HIGHER_TYPES = {
    "IQ1": "Q4_K",
    "IQ2": "Q4_K",
    "Q2_": "Q4_K",
    "IQ3": "Q5_K",
    "Q3_": "Q5_K",
    "Q4_": "Q5_K",
    "Q5_": "Q6_K",
}

NARROW_TENSOR_TYPES: Final[Mapping[str, str]] = {
    # rows that 256 does not divide
    **dict.fromkeys(("TQ1_0", "TQ2_0"), "Q4_0"),
    **dict.fromkeys(("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ1_S", "IQ1_M"), "IQ4_NL"),
    **dict.fromkeys(("Q2_K", "Q3_K", "IQ4_XS"), "IQ4_NL"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
    "NVFP4": "Q4_0",
    "Q1_0": "Q4_0",
    "Q2_0": "Q4_0",
}

VERY_SMALL = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})
PLAIN = frozenset({"F32", "F16", "BF16", "Q8_0"})


def file_type(quant: str) -> int:
    """general.file_type of a quant, as a publisher names it."""
    name = quant.removeprefix("UD-")
    if name in MIXES:
        return MIXES[name].number
    below = DYNAMIC.get(name) or BIGGER_ENDS[name][0]
    return MIXES[below].number


def type_of(tensor: Tensor, g: Geometry, quant: str, imatrix: bool = False, layer: int | None = None) -> str:
    """The ggml type of one tensor in a quant that may have a publisher's own name (UD-Q4_K_XL, Q6_K_L).

    `layer` stands for the tensor's own where one tensor speaks for those of other layers.
    """
    at = (tensor.layer or 0) if layer is None else layer
    if len(tensor.shape) < 2 and not tensor.experts:
        return "F32"
    if tensor.role in ("router", "bias", "norm"):
        return "F32"
    if g.gguf == "gpt-oss" and tensor.experts and quant != "F32":
        return "MXFP4"  # as trained; llama-quantize leaves them, whatever it is asked for
    name = quant.removeprefix("UD-")
    ends: str | None = None
    better: str | None = None
    if quant.startswith("UD-"):
        name = DYNAMIC.get(name, name)
        better = NEXT_HIGHER_TYPES.get(name[:3])
    elif name in BIGGER_ENDS:
        name, ends = BIGGER_ENDS[name]
    chosen = type_by_rule(tensor, g, name, imatrix, at)
    if ends and tensor.role in ("embedding", "output"):
        chosen = ends
    elif better and keeps_more_bits(tensor, g, at):
        chosen = better
    elif better and tensor.role == "down" and name in VERY_SMALL:
        chosen = "IQ3_XXS"
    return fitting_type(chosen, tensor)


def keeps_more_bits(tensor: Tensor, g: Geometry, layer: int) -> bool:
    """What unsloth's dynamic quants keep better than the rest."""
    if g.experts and not tensor.experts and tensor.role in ("q", "k", "v", "o", "qkv", "gate", "up", "down"):
        return True
    return tensor.role in ("v", "qkv", "embedding") or (tensor.role == "down" and layer in (0, 1, g.layers - 1))


def fitting_type(chosen: str, tensor: Tensor) -> str:
    """The type itself, or what llama.cpp falls back to where a row is no whole number of blocks."""
    columns = tensor.shape[-1]
    if columns % TYPES[chosen].block == 0:
        return chosen
    narrower = NARROW_TENSOR_TYPES.get(chosen, "F16")
    return narrower if columns % TYPES[narrower].block == 0 else "F16"


def type_by_rule(tensor: Tensor, g: Geometry, name: str, imatrix: bool, layer: int) -> str:
    mix = MIXES[name]
    if name in ("F32", "F16", "BF16", "Q8_0"):
        return mix.main
    if name == "MXFP4_MOE":
        return "MXFP4" if tensor.experts or len(tensor.shape) == 3 else "Q8_0"
    if tensor.role == "output" or (tensor.role == "embedding" and g.tied):
        return "Q5_K" if name in VERY_SMALL | {"IQ3_XXS"} and not g.tied else "Q6_K"
    if tensor.role == "embedding":
        return embedding_type(name, mix.main)
    found: str | None = None
    if tensor.role == "v":
        found = value_type(name, g, layer)
    elif tensor.role == "down":
        found = down_type(name, g, layer, imatrix)
    elif tensor.role == "o":
        found = attention_output_type(name, g)
    elif tensor.role == "qkv":
        found = {"Q3_K_M": "Q4_K", "Q3_K_L": "Q4_K", "IQ3_M": "Q4_K", "Q4_K_M": "Q5_K", "Q5_K_M": "Q6_K"}.get(name)
    elif tensor.role in ("q", "k"):
        found = {"IQ3_XXS": "IQ2_S", "IQ3_XS": "IQ3_XXS"}.get(name)
        if tensor.role == "k" and g.experts == 8:
            found = "Q8_0"
    elif tensor.role in ("gate", "up") and name == "IQ3_XS" and g.layers // 8 <= layer < 7 * g.layers // 8:
        found = "IQ3_XXS"
    return found or mix.main


def embedding_type(name: str, main: str) -> str:
    if name in ("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"):
        return "Q2_K"
    if name in ("IQ2_S", "IQ2_M", "IQ3_XXS"):
        return "IQ3_S"
    return {"TQ1_0": "Q4_K", "TQ2_0": "Q4_K"}.get(name, main)


def layer_gets_more_bits(layer: int, layers: int) -> bool:
    """The first and the last eighth of the layers, and each third between."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def value_type(name: str, g: Geometry, layer: int) -> str | None:
    grouped = g.kv_heads > 0 and g.heads // g.kv_heads >= 4
    if g.experts == 8:
        return "Q8_0"
    if name in VERY_SMALL:
        return "Q4_K" if grouped or g.experts >= 4 else "IQ3_S" if name in ("IQ2_S", "IQ2_M") else "Q2_K"
    if name in ("Q4_K_M", "Q5_K_M"):
        return (
            "Q6_K"
            if layer_gets_more_bits(layer, g.layers)
            else ("Q5_K" if g.layers == 80 and name == "Q4_K_M" else None)
        )
    return {
        "Q2_K": "Q4_K" if grouped else "Q3_K",
        "Q2_K_S": "Q4_K" if grouped else None,
        "IQ3_XXS": "Q4_K" if grouped else "IQ3_S",
        "IQ3_XS": "Q4_K" if grouped else None,
        "IQ3_S": "Q4_K" if grouped else None,
        "IQ3_M": "Q4_K",
        "Q3_K_M": "Q5_K" if layer < 2 else "Q4_K",
        "Q3_K_L": "Q5_K",
        "IQ4_NL": "Q5_K" if grouped else None,
        "IQ4_XS": "Q5_K" if grouped else None,
        "Q4_K_S": "Q5_K" if layer < 4 else None,
    }.get(name)


def down_type(name: str, g: Geometry, layer: int, imatrix: bool) -> str | None:
    first = layer < g.layers // 8
    if name in VERY_SMALL:
        return ("IQ3_S" if name in ("IQ2_S", "IQ2_M") else "Q2_K") if first else None
    if name in ("Q4_K_M", "Q5_K_M"):
        return "Q6_K" if layer_gets_more_bits(layer, g.layers) else None
    if name == "Q3_K_M":
        return "Q5_K" if layer < g.layers // 16 else "Q4_K" if layer_gets_more_bits(layer, g.layers) else None
    found = {
        "Q2_K": "Q3_K",
        "Q2_K_S": "Q4_K" if first else None,
        "IQ3_XXS": None if imatrix else ("Q4_K" if first else "Q3_K"),
        "IQ3_M": "Q4_K" if first or (g.experts == 8 and layer_gets_more_bits(layer, g.layers)) else None,
        "Q3_K_L": "Q5_K",
        "IQ4_NL": "Q5_K" if first and not imatrix else None,
        "IQ4_XS": "Q5_K" if first and not imatrix else None,
        "Q4_K_S": "Q5_K" if first else None,
        "Q5_K_S": None,
        "Q4_0": "Q4_1" if first and imatrix else None,
        "Q5_0": "Q5_1" if first and imatrix else None,
    }
    return found.get(name)


def attention_output_type(name: str, g: Geometry) -> str | None:
    if g.experts == 8:
        return "Q5_K" if name not in ("Q5_K_S", "Q5_K_M", "Q6_K", "Q4_0", "Q4_1", "Q5_0", "Q5_1") else None
    return {
        "Q2_K": "Q3_K",
        "IQ3_XXS": "IQ3_S",
        "Q3_K_M": "Q4_K",
        "Q3_K_L": "Q5_K",
        "IQ3_M": "Q4_K",
        "IQ1_S": "IQ2_XXS",
        "IQ1_M": "IQ2_XXS",
        "IQ2_S": "IQ3_S",
        "IQ2_M": "IQ3_S",
    }.get(name)

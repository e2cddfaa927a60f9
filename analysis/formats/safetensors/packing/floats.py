"""Rules for floats of 4, 6 and 8 bits. N outputs, K inputs."""

from __future__ import annotations

from analysis.formats.safetensors.packing.modules import Count, Leaves
from analysis.formats.safetensors.tensors import EIGHT, SCALES, Tensor
from analysis.schemes.quantization_config import QuantizationConfig


def float4_scheme(weight: Tensor, scales: Tensor | None) -> str:
    """The scheme of 4-bit floats, two a byte [N, K/2]: a scale for 16 of them is NVFP4, one for 32 MXFP4."""
    return "NVFP4" if scales is not None and scales.last * 16 >= weight.last * 2 else "MXFP4"


def count_four_over_six(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """quantized_weight_values U8 [N, K/2]."""
    return Count(
        leaves["quantized_weight_values"].elements * 2, "MXFP4" if "mxfp4" in config.text("dtype") else "NVFP4"
    )


def count_gpt_oss(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """blocks U8 [experts, N, K/32, 16], scales U8 [experts, N, K/32]: two weights a byte."""
    return Count(leaves["_blocks"].elements * 2, "MXFP4")


def count_bitmask(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """A sparse matrix: which elements are there, one bit each [N, K/8]; the others are weights too, of value 0."""
    packed = leaves["compressed"]
    return Count(leaves["bitmask"].elements * 8, "FP8" if packed.dtype in EIGHT else packed.dtype)


def count_float8(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight of 8-bit floats [N, K], whatever its scales: one a matrix, a row, a block; of 32 in a row: MXFP8."""
    weight = leaves["weight"]
    scale = next(
        (leaves[leaf] for leaf in ("weight_scale_inv", "weight_scale", "scale", "weight_scales") if leaf in leaves),
        None,
    )
    mx = scale is not None and scale.dtype in SCALES and scale.last == -(-weight.last // 32) and scale.last > 1
    return Count(weight.elements, "MXFP8" if mx or config.written_method == "mxfp8" else "FP8")


def float_scheme(dtype: str) -> str:
    """The scheme of a tensor that no rule knows as packed: its dtype, or what floats of so few bits are called."""
    if dtype in EIGHT:
        return "FP8"
    return {"F4": "MXFP4", "F6_E2M3": "MXFP6", "F6_E3M2": "MXFP6"}.get(dtype, dtype)


NARROW_DTYPES = frozenset({"F4", "F6_E2M3", "F6_E3M2"})


def count_narrow_floats(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight of 4- or 6-bit floats, whose shape counts them one by one."""
    weight, scale = leaves["weight"], leaves.get("weight_scale") or leaves.get("scale")
    four = "NVFP4" if scale is not None and scale.dtype in EIGHT else "MXFP4"
    return Count(weight.elements, four if weight.dtype == "F4" else "MXFP6")

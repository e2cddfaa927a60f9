"""Rules for packed integers. N outputs, K inputs, g the group size, b the bits of a weight."""

from __future__ import annotations

from math import prod

from analysis.formats.safetensors.packing.floats import float4_scheme
from analysis.formats.safetensors.packing.modules import Count, Leaves
from analysis.formats.safetensors.tensors import BITS, BYTES, EIGHT, SCALES
from analysis.schemes.quantization_config import QuantizationConfig


def count_gptq_or_awq(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """qweight I32: GPTQ packs K [K*b/32, N], AWQ packs N [K, N*b/32], its GEMV form K again [N, K*b/32].

    Zero points [K/g, N*b/32] tell the bits where they are there, g_idx [K] tells K.
    """
    weight = leaves["qweight"]
    width = BITS.get(weight.dtype, 32)
    scales, zeros, order = leaves.get("scales"), leaves.get("qzeros"), leaves.get("g_idx")
    if "wscales" in leaves:  # SVDQuant: qweight I8 [N, K/2]
        return Count(weight.elements * 2, "NVFP4" if leaves["wscales"].dtype in EIGHT else "INT4", "svdquant")
    if weight.dtype == "U8" or "dqweight" in leaves:  # fp_quant: [N, K/2], or values put back into full width
        whole = leaves.get("dqweight")
        return Count(
            weight.elements * 2 or (whole.elements if whole else None), float4_scheme(weight, scales), "fp_quant"
        )
    bits = config.bits_of(module) or 4
    if scales is not None and zeros is not None and scales.last and zeros.dtype == weight.dtype:
        implied = width * zeros.last / scales.last
        bits = implied if implied in (2, 3, 4, 5, 6, 8) else bits
    scheme = config.packing_scheme("GPTQ")
    if scales is not None and len(weight.shape) >= 2:
        if weight.last < scales.last and config.packing_scheme("") != "GPTQ":
            scheme = config.packing_scheme("AWQ")
        if order is not None and weight.last == scales.last:
            stacked = weight.elements // max(1, weight.shape[-1] * weight.shape[-2])
            inner = order.last
            if abs(inner * bits / width - weight.shape[-2]) < 1:  # padded rows would contradict
                return Count(stacked * inner * weight.last, scheme)
    return Count(round(weight.elements * width / bits), scheme, "awq" if scheme == "AWQ" else "")


def count_marlin(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """Marlin's own order: B I32 [K/16, N*16*b/32]."""
    bits = config.bits_of(module) or 4
    return Count(round(leaves["B"].elements * 32 / bits), config.packing_scheme("GPTQ"))


def count_sparse_marlin(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """Marlin 2:4: of each four weights two are stored, and which ones: I16 [K/32, 2*N], for 16 weights each.

    vLLM, gptq_marlin_24.py and compressed_tensors_w4a16_24.py: packed I32 [K/32, N*16*b/32].
    """
    meta = leaves.get("B_meta") or leaves["meta"]
    packed = leaves.get("B_24") or leaves["weight_packed"]
    weights = 16 * meta.elements
    if "B_24" in leaves:
        return Count(weights, config.packing_scheme("GPTQ"))
    bits = 2 * 32 * packed.elements / weights if weights else 4
    return Count(weights, config.integer_scheme(bits))


def count_compressed_tensors(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight_packed I32 [N, K*b/32] with weight_scale [N, K/g]; U8 [N, K/2] for NVFP4 and MXFP4."""
    weight, scale = leaves["weight_packed"], leaves.get("weight_scale")
    if weight.dtype in BYTES:
        nv = "weight_global_scale" in leaves or (scale is not None and scale.dtype in EIGHT)
        return Count(weight.elements * 2, "NVFP4" if nv else "MXFP4")
    bits = config.packed_bits(module, weight.last, scale.last if scale is not None else None)
    return Count(round(weight.elements * BITS.get(weight.dtype, 32) / bits), config.integer_scheme(bits))


def count_bitsandbytes_4_bit(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight of any dtype [bytes, 1]: two weights a byte; the quant_state's name says which of the two types."""
    fp4 = any(leaf.endswith("bitsandbytes__fp4") for leaf in leaves)
    return Count(leaves["weight"].size * 2, "BNB-FP4" if fp4 else "BNB-NF4")


def count_bitsandbytes_8_bit(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    return Count((leaves.get("weight") or leaves.get("CB") or leaves["SCB"]).elements, "BNB-INT8")


def count_hqq(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """W_q [rows packed, g] with scale [K*N/g, 1]: groups x their length; or packed across, then by the bits."""
    weight, scale = leaves["W_q"], leaves.get("scale") or leaves.get("meta.scale")
    scheme = config.packing_scheme("HQQ")
    if scale is not None and len(scale.shape) == len(weight.shape) == 2 and scale.elements > 1 and weight.elements:
        if scale.last == 1 and scale.shape[0] >= weight.shape[0]:  # several rows of groups in one
            return Count(scale.shape[0] * weight.last, scheme)
        size = config.group_size or 0
        if (
            scale.shape[0] == 1 and scale.last == weight.last and size >= weight.shape[0]
        ):  # grouped along the other axis
            return Count(size * weight.last, scheme)
    bits = config.bits_of(module) or 4
    if weight.dtype == "I32" and bits == 3:  # ten 3-bit weights in 32 bits
        return Count(weight.elements * 10, scheme)
    return Count(round(weight.size * 8 / bits), scheme)


def count_quanto(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight._data I8 or F8; weight._data._data U8 [packed rows, g] for 4 and 2 bits, with weight._scale [K*N/g, 1]."""
    packed = leaves.get("weight._data._data") or leaves.get("weight._data")
    if packed is None:
        return Count(None, "QUANTO")
    if packed.dtype in EIGHT:
        return Count(packed.elements, "FP8")
    if packed.dtype == "I8":
        return Count(packed.elements, "QUANTO")
    scale = leaves.get("weight._scale")
    flat = scale is not None and len(scale.shape) == len(packed.shape) == 2 and scale.last == 1
    if scale is not None and flat and scale.shape[0] >= packed.shape[0]:
        return Count(scale.shape[0] * packed.last, "QUANTO")
    return Count(round(packed.size * 8 / (config.bits_of(module) or 4)), "QUANTO")


def count_torchao(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """_weight_qdata: F8 and I8 as they are; packed bytes hold two weights, int32 of tiled layouts eight.

    The metadata of 4-bit tensors tells their shape.
    """
    data = leaves["_weight_qdata"]
    kind, shape = config.tensor_class(module)
    if shape is not None and data.dtype not in EIGHT:
        return Count(prod(shape), _torchao_scheme(kind, leaves))
    if data.dtype in EIGHT:
        scale = leaves.get("_weight_scale")
        mx = "MX" in kind or (scale is not None and scale.dtype in SCALES)
        return Count(data.elements, "MXFP8" if mx else "FP8")
    if data.dtype == "I32":
        return Count(data.elements * 8, "TORCHAO")
    scheme = _torchao_scheme(kind, leaves)
    if scheme != "TORCHAO":
        return Count(data.elements * 2, scheme)
    if data.dtype == "U8" or (data.dtype == "I8" and kind.startswith("Int4")):
        return Count(round(data.elements * 8 / (config.bits_of(module) or 4)), scheme)
    return Count(data.elements, scheme)


def _torchao_scheme(kind: str, leaves: Leaves) -> str:
    if "NVFP4" in kind or "_weight_per_tensor_scale" in leaves:
        return "NVFP4"
    return "MXFP4" if kind.startswith("MX") else "TORCHAO"


def count_mlx(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight U32 [N, K*b/32], scales [N, K/g]: K is groups x their length, whatever the bits."""
    weight, scales = leaves["weight"], leaves["scales"]
    group, bits, mode = config.mlx_packing(module, weight.last, scales.last, scales.dtype)
    scheme = {"mxfp4": "MXFP4", "nvfp4": "NVFP4", "mxfp8": "MXFP8"}.get(mode, f"MLX-{bits}BIT")
    if "qbiases" in leaves or config.method == "metal":
        scheme = f"INT{bits}"
    return Count(scales.elements * group, scheme)


_ZEROS = frozenset({"weight_zero_point", "zero_point", "zeros", "zero"})
SCALE_LEAVES = (
    "weight_sf_rowmajor",
    "weight_scale",
    "scale",
    "weight_scale_inv",
    "weight_scales",
    "w_scale",
    "weight_sf",
)


def count_bytes_with_scales(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight U8 or I8: what its scales' dtype and shape make of it, then what the configuration says.

    NVFP4: scales of 16 weights each, F8_E4M3 [N, K/16]. MXFP4: of 32, powers of two. One of the whole matrix: ternary
    weights, four a byte. One a row of I8: just 8 bits.
    """
    weight = leaves["weight"]
    scale = next((leaves[leaf] for leaf in SCALE_LEAVES if leaf in leaves), None)
    width = BITS.get(weight.dtype, 8)
    if width > 8:  # Quark packs 4 bits in I32
        bits = config.bits_of(module) or 4
        return Count(round(weight.elements * width / bits), config.integer_scheme(bits))
    if scale is not None and scale.last > 1:
        inner = 2 * weight.last
        if (scale.dtype in EIGHT or "weight_sf_rowmajor" in leaves) and scale.last == -(-inner // 16):
            return Count(2 * weight.elements, "NVFP4")
        if scale.dtype in SCALES and scale.last == -(-inner // 32):
            return Count(2 * weight.elements, "MXFP4")
        if scale.dtype in SCALES and scale.last == -(-weight.last // 32):
            return Count(weight.elements, "MXFP8")
    if config.expert_bits and ".experts." in f"{module}." and "shared" not in module:
        return Count(round(weight.elements * 8 / config.expert_bits), "MXFP4" if config.expert_bits == 4 else "FP8")
    narrow = config.bits_of(module)
    if config.method == "bitnet" or (
        weight.dtype == "U8" and scale is not None and scale.elements == 1 and narrow is None
    ):
        return Count(4 * weight.elements, "BITNET")
    if weight.dtype == "I8" and "pre_quant_scale" not in leaves:
        return Count(weight.elements, config.integer_scheme(8))
    if narrow is None and scale is not None and scale.last == 1 and not leaves.keys() & _ZEROS:
        narrow = 4  # a scale a row and no zero point: signed numbers, which are kept as I8 unless they are packed
    if narrow in (1, 2, 4):
        return Count(round(weight.elements * 8 / narrow), config.integer_scheme(narrow))
    return Count(weight.elements, config.integer_scheme(8))


def count_packed_embedding(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """Gemma's embedding_quantized: U8 of two or four weights, I8 of one."""
    table = leaves["embedding_quantized"]
    bits = 8.0 if table.dtype == "I8" else config.bits_of(module) or 4
    return Count(round(table.elements * 8 / bits), config.integer_scheme(bits))


def count_bare_bytes(module: str, leaves: Leaves, config: QuantizationConfig) -> Count:
    """weight U8 or I8 and no scales beside it: as the configuration says, else as it is."""
    weight = leaves["weight"]
    if config.method == "bitnet":
        return Count(4 * weight.elements, "BITNET")
    bits = config.bits_of(module)
    if weight.dtype == "U8" and bits in (1, 2, 4):
        return Count(round(weight.elements * 8 / bits), config.integer_scheme(bits))
    return Count(weight.elements, config.integer_scheme(8))

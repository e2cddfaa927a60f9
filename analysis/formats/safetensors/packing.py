"""Parameters through packing: how many weights a tensor of packed integers stands for, and under which scheme.

A quantized matrix is stored as several tensors with one name and different endings: packed weights, scales, zero
points, permutations. Which ones there are, of which dtypes, tells the format (`RULES`); shapes then give the count, and
only what shapes leave open is asked of the configuration. So a count does not hang on a config.json that lies, is
missing or is newer than this module. N is what a matrix puts out, K what it takes in, g the group size, b the bits.

Sources, beside the libraries' own writers: transformers/quantizers and transformers/integrations (each of its 26
methods), AutoGPTQ, AutoAWQ, compressed-tensors, bitsandbytes, HQQ, optimum-quanto, torchao, MLX, ExLlamaV2 and V3,
AQLM, VPTQ, SpQR, NVIDIA's ModelOpt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import isqrt, log2, prod
from typing import NamedTuple

from analysis.formats.safetensors.tensors import BITS, BYTES, EIGHT, FLOATS, SCALES, Tensor
from analysis.schemes.quantization_config import Quantization

MAX_WEIGHTS_PER_BYTE = 64
"""Weights that a byte stands for at most: an eighth of a bit each. The densest layouts in use need a bit."""

Leaves = Mapping[str, Tensor]
"""The tensors of one module, by what their names add to its own."""


class Count(NamedTuple):
    """What a module's tensors stand for. `parameters` None: its shapes do not tell."""

    parameters: int | None
    scheme: str
    method: str = ""  # where one layout is written by several libraries, which of them this looks like


class Module(NamedTuple):
    """One module of the model: its parameters, their scheme, and its leading dimension where it has three or more."""

    parameters: int
    scheme: str
    stacked: int


@dataclass(slots=True)
class Packed:
    """What all tensors stand for."""

    modules: dict[str, Module] = field(default_factory=dict)
    schemes: Counter[str] = field(default_factory=Counter)  # parameters by scheme
    methods: Counter[str] = field(default_factory=Counter)  # parameters by the library whose layout it is
    stored: Counter[str] = field(default_factory=Counter)  # bytes of packed weights, scales aside, by scheme
    unresolved: list[str] = field(default_factory=list)  # modules whose shapes do not tell
    buffers: int = 0  # elements that are no weights: positions, masks, counters
    buffer_bytes: int = 0

    @property
    def parameters(self) -> int:
        return sum(self.schemes.values())


# ---- Names ----------------------------------------------------------------------------------------------------------

_FUSED = re.compile(
    r"(gate_up_proj|gate_proj|up_proj|down_proj|w13|w1|w2|w3)_"
    r"(blocks|scales|bias|scale|scale_inv|weight|qweight|qzeros|weight_\w+|input_scale|global_scale)"
)
_INSIDE = ("centroids.weight", "res_centroids.weight", "outlier_centroids.weight")
_LEAF = {"scale_inv": "weight_scale_inv", "blocks": "_blocks", "scales": "_scales", "bias": "bias"}


def split(name: str) -> tuple[str, str]:
    """A tensor's name into its module's and what it adds."""
    for inner in (".weight.", ".meta."):
        at = name.rfind(inner)
        if at >= 0:
            return name[:at], name[at + 1 :]
    module, _, leaf = name.rpartition(".")
    if leaf == "weight" and name.endswith(_INSIDE):
        outer, _, inner = module.rpartition(".")
        return outer, f"{inner}.weight"
    if "_" in leaf and (fused := _FUSED.fullmatch(leaf)):  # experts in one tensor: experts.gate_up_proj_blocks
        return f"{module}.{fused[1]}", _LEAF.get(fused[2], fused[2])
    if (
        leaf.startswith(("gate_up_proj", "down_proj", "gate_proj", "up_proj"))
        and "." not in leaf
        and "_proj_" not in leaf
    ):
        return name, "weight"
    return module, leaf


def grouped(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        module, leaf = split(name)
        modules.setdefault(module, {})[leaf] = tensor
    return modules


# ---- What is no weight ----------------------------------------------------------------------------------------------

COMPANIONS = frozenset({
    # GPTQ, AWQ, Marlin, fp_quant, SVDQuant
    "qweight", "qzeros", "scales", "g_idx", "B", "s", "workspace", "dqweight", "forward_hadamard_matrix",
    "backward_hadamard_matrix", "act_global_scale", "weight_global_scale", "wscales", "smooth_factor",
    "smooth_factor_orig", "wtscale", "wcscales", "wzeros", "scaled_zeros",
    # compressed-tensors, FP8, ModelOpt, Quark
    "weight_packed", "weight_scale", "weight_shape", "weight_zero_point", "weight_g_idx", "input_scale",
    "input_zero_point", "input_global_scale", "output_scale", "output_zero_point", "weight_scale_inv",
    "weight_scale_2", "pre_quant_scale", "scale_inv", "scale", "k_scale", "v_scale", "q_scale", "weight_sf",
    "weight_sf_rowmajor", "compressed", "bitmask", "row_offsets", "shape", "meta", "scale_packed", "_blocks",
    "_scales", "input_amax", "weight_amax", "activation_scale", "weight_scale_1", "w_scale", "weight_scale_k",
    "global_scale",
    # bitsandbytes, EETQ
    "SCB", "weight_format", "weight_scales", "CB",
    # MLX, metal
    "biases", "qbiases",
    # HQQ, SINQ
    "W_q", "zero", "zeros", "nbits", "group_size", "axis", "packing", "unpack_view_dtype", "view_as_float", "optimize",
    "channel_wise", "round_zero", "compute_dtype", "quant_zero", "quant_scale", "offload_meta", "stores_quant_config",
    "encoded_state_dict", "scale2", "scale_q", "zero_q", "min_max", "quantized",
    # ExLlama
    "q_weight", "q_scale_max", "q_groups", "q_invperm", "q_perm", "q_group_map", "trellis", "suh", "svh", "su", "sv",
    "mcg", "mul1",
    # AQLM, VPTQ, SpQR, HIGGS, QuIP, torchao
    "codes", "codebooks", "indices", "perm", "weight_bias", "centroids.weight", "res_centroids.weight",
    "outlier_centroids.weight", "outlier_indices", "res_indices", "dense_weights", "col_vals", "in_perm", "tables",
    "tables2", "Qidxs", "SU", "SV", "Wscale", "codebook_id", "tlut", "rcp", "tp_rank", "_weight_qdata",
    "_weight_scale", "_weight_zero_point", "_weight_per_tensor_scale", "_weight_act_per_tensor_scale",
    "_weight_scale_and_zero", "_weight_act_pre_scale", "_weight_qzeros", "_weight_compensation",
    # fouroversix, Gemma
    "quantized_weight_values", "quantized_weight_scale_factors", "quantized_weight_amax", "quantized_weight_metadata",
    "embedding_quantized", "embedding_scale", "input_activation_scale", "output_activation_scale",
})  # fmt: skip
"""Endings that stand beside packed weights and are no weights themselves."""

_NEVER = frozenset(
    {"k_scale", "v_scale", "q_scale", "prob_scale", "input_scale", "output_scale", "input_global_scale", "_amax"}
)
_BUFFER = re.compile(
    r"(?:^|\.)(?:position_ids|inv_freq|original_inv_freq|cos_cached|sin_cached|freqs_cis|num_batches_tracked|"
    r"running_mean|"
    r"running_var|masked_bias|causal_mask|attn_mask|relative_position_index|token_type_ids|e_score_correction_mask)$"
)


_WHOLE = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})


def is_buffer(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is no weight but something kept beside: positions, masks, rotary tables, counters.

    Whole numbers that no rule knows as packed weights are never weights.
    """
    if tensor.dtype in _WHOLE or _BUFFER.search(name):
        return True
    shape = tensor.shape  # a causal mask: GPT-2's attn.bias
    return name.endswith(".bias") and len(shape) == 4 and shape[0] == shape[1] == 1 and shape[2] == shape[3]


# ---- Rules ----------------------------------------------------------------------------------------------------------

Rule = Callable[[str, Leaves, Quantization], Count]


def gptq_or_awq(module: str, leaves: Leaves, told: Quantization) -> Count:
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
        return Count(weight.elements * 2 or (whole.elements if whole else None), floats(weight, scales), "fp_quant")
    bits = told.bits_of(module) or 4
    if scales is not None and zeros is not None and scales.last and zeros.dtype == weight.dtype:
        implied = width * zeros.last / scales.last
        bits = implied if implied in (2, 3, 4, 5, 6, 8) else bits
    scheme = told.scheme("GPTQ")
    if scales is not None and len(weight.shape) >= 2:
        if weight.last < scales.last and told.scheme("") != "GPTQ":
            scheme = told.scheme("AWQ")
        if order is not None and weight.last == scales.last:
            stacked = weight.elements // max(1, weight.shape[-1] * weight.shape[-2])
            inner = order.last
            if abs(inner * bits / width - weight.shape[-2]) < 1:  # padded rows would contradict
                return Count(stacked * inner * weight.last, scheme)
    return Count(round(weight.elements * width / bits), scheme, "awq" if scheme == "AWQ" else "")


def floats(weight: Tensor, scales: Tensor | None) -> str:
    """The scheme of 4-bit floats, two a byte [N, K/2]: a scale for 16 of them is NVFP4, one for 32 MXFP4."""
    return "NVFP4" if scales is not None and scales.last * 16 >= weight.last * 2 else "MXFP4"


def four_over_six(module: str, leaves: Leaves, told: Quantization) -> Count:
    """quantized_weight_values U8 [N, K/2]."""
    return Count(leaves["quantized_weight_values"].elements * 2, "MXFP4" if "mxfp4" in told.text("dtype") else "NVFP4")


def marlin(module: str, leaves: Leaves, told: Quantization) -> Count:
    """Marlin's own order: B I32 [K/16, N*16*b/32]."""
    bits = told.bits_of(module) or 4
    return Count(round(leaves["B"].elements * 32 / bits), told.scheme("GPTQ"))


def compressed_tensors(module: str, leaves: Leaves, told: Quantization) -> Count:
    """weight_packed I32 [N, K*b/32] with weight_scale [N, K/g]; U8 [N, K/2] for NVFP4 and MXFP4."""
    weight, scale = leaves["weight_packed"], leaves.get("weight_scale")
    if weight.dtype in BYTES:
        nv = "weight_global_scale" in leaves or (scale is not None and scale.dtype in EIGHT)
        return Count(weight.elements * 2, "NVFP4" if nv else "MXFP4")
    bits = told.packed_bits(module, weight.last, scale.last if scale is not None else None)
    return Count(round(weight.elements * BITS.get(weight.dtype, 32) / bits), told.integers(bits))


def bitmask(module: str, leaves: Leaves, told: Quantization) -> Count:
    """A sparse matrix: which elements are there, one bit each [N, K/8]; the others are weights too, of value 0."""
    packed = leaves["compressed"]
    return Count(leaves["bitmask"].elements * 8, "FP8" if packed.dtype in EIGHT else packed.dtype)


def bitsandbytes_4(module: str, leaves: Leaves, told: Quantization) -> Count:
    """weight of any dtype [bytes, 1]: two weights a byte; the quant_state's name says which of the two types."""
    fp4 = any(leaf.endswith("bitsandbytes__fp4") for leaf in leaves)
    return Count(leaves["weight"].size * 2, "BNB-FP4" if fp4 else "BNB-NF4")


def bitsandbytes_8(module: str, leaves: Leaves, told: Quantization) -> Count:
    return Count((leaves.get("weight") or leaves.get("CB") or leaves["SCB"]).elements, "BNB-INT8")


def hqq(module: str, leaves: Leaves, told: Quantization) -> Count:
    """W_q [rows packed, g] with scale [K*N/g, 1]: groups x their length; or packed across, then by the bits."""
    weight, scale = leaves["W_q"], leaves.get("scale") or leaves.get("meta.scale")
    scheme = told.scheme("HQQ")
    if scale is not None and len(scale.shape) == len(weight.shape) == 2 and scale.elements > 1 and weight.elements:
        if scale.last == 1 and scale.shape[0] >= weight.shape[0]:  # several rows of groups in one
            return Count(scale.shape[0] * weight.last, scheme)
        size = told.group_size or 0
        if (
            scale.shape[0] == 1 and scale.last == weight.last and size >= weight.shape[0]
        ):  # grouped along the other axis
            return Count(size * weight.last, scheme)
    bits = told.bits_of(module) or 4
    if weight.dtype == "I32" and bits == 3:  # ten 3-bit weights in 32 bits
        return Count(weight.elements * 10, scheme)
    return Count(round(weight.size * 8 / bits), scheme)


def quanto(module: str, leaves: Leaves, told: Quantization) -> Count:
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
    return Count(round(packed.size * 8 / (told.bits_of(module) or 4)), "QUANTO")


def torchao(module: str, leaves: Leaves, told: Quantization) -> Count:
    """_weight_qdata: F8 and I8 as they are; packed bytes hold two weights, int32 of tiled layouts eight.

    The metadata of 4-bit tensors tells their shape.
    """
    data = leaves["_weight_qdata"]
    kind, shape = told.tensor_kind(module)
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
        return Count(round(data.elements * 8 / (told.bits_of(module) or 4)), scheme)
    return Count(data.elements, scheme)


def _torchao_scheme(kind: str, leaves: Leaves) -> str:
    if "NVFP4" in kind or "_weight_per_tensor_scale" in leaves:
        return "NVFP4"
    return "MXFP4" if kind.startswith("MX") else "TORCHAO"


def gpt_oss(module: str, leaves: Leaves, told: Quantization) -> Count:
    """blocks U8 [experts, N, K/32, 16], scales U8 [experts, N, K/32]: two weights a byte."""
    return Count(leaves["_blocks"].elements * 2, "MXFP4")


def exl3(module: str, leaves: Leaves, told: Quantization) -> Count:
    """trellis I16 [K/16, N/16, 16*b]: tiles of 16 x 16 weights."""
    shape = leaves["trellis"].shape
    if len(shape) != 3:
        return quip(module, leaves, told) if "SU" in leaves and "SV" in leaves else Count(None, "EXL3")
    return Count(shape[0] * shape[1] * 256, "EXL3")


def exl2(module: str, leaves: Leaves, told: Quantization) -> Count:
    """q_weight I32 [any, N] of rows in several widths; q_invperm I32 [K]."""
    order = leaves.get("q_invperm") or leaves.get("q_perm")
    return Count(order.elements * leaves["q_weight"].last if order else None, "EXL2")


def aqlm(module: str, leaves: Leaves, told: Quantization) -> Count:
    """codes [N/out, K/in, codebooks] index codebooks [codebooks, 2^b, out, in]."""
    codes, books = leaves["codes"].shape, leaves["codebooks"].shape
    if len(codes) < 2 or len(books) < 4:
        return Count(None, "AQLM")
    return Count(codes[0] * codes[1] * books[2] * books[3], "AQLM")


def quip(module: str, leaves: Leaves, told: Quantization) -> Count:
    """Signs of the incoherence transform on either side: SU [K], SV [N]."""
    return Count(leaves["SU"].elements * leaves["SV"].elements, "QUIP")


def higgs(module: str, leaves: Leaves, told: Quantization) -> Count:
    """weight I16 [N*b/16, K]; scales [N, K/g] tell N, the table [2^b], or [2^(p*b), p], tells b."""
    weight, scales, table = leaves["weight"], leaves.get("scales"), leaves["tables"].shape
    rows = scales.shape[0] if scales is not None and len(scales.shape) == len(weight.shape) == 2 else 0
    if rows and 16 * weight.shape[0] / rows in (2, 3, 4):
        return Count(rows * weight.last, "HIGGS")
    bits = log2(table[0]) / (table[1] if len(table) == 2 else 1) if table and table[0] > 1 and table[-1] else None
    return Count(round(weight.size * 8 / (bits or told.bits_of(module) or 4)), "HIGGS")


def vptq(module: str, leaves: Leaves, told: Quantization) -> Count:
    """K and N stand in config_for_layers alone."""
    shape = told.layer_shape(module)
    return Count(shape[0] * shape[1] if shape else None, "VPTQ")


def spqr(module: str, leaves: Leaves, told: Quantization) -> Count:
    return Count(None, "SPQR")


def mlx(module: str, leaves: Leaves, told: Quantization) -> Count:
    """weight U32 [N, K*b/32], scales [N, K/g]: K is groups x their length, whatever the bits."""
    weight, scales = leaves["weight"], leaves["scales"]
    group, bits, mode = told.mlx(module, weight.last, scales.last, scales.dtype)
    scheme = {"mxfp4": "MXFP4", "nvfp4": "NVFP4", "mxfp8": "MXFP8"}.get(mode, f"MLX-{bits}BIT")
    if "qbiases" in leaves or told.method == "metal":
        scheme = f"INT{bits}"
    return Count(scales.elements * group, scheme)


def int8_rule(module: str, leaves: Leaves, told: Quantization) -> Count:
    """weight of 8-bit floats [N, K], whatever its scales: one a matrix, a row, a block; of 32 in a row: MXFP8."""
    weight = leaves["weight"]
    scale = next(
        (leaves[leaf] for leaf in ("weight_scale_inv", "weight_scale", "scale", "weight_scales") if leaf in leaves),
        None,
    )
    mx = scale is not None and scale.dtype in SCALES and scale.last == -(-weight.last // 32) and scale.last > 1
    return Count(weight.elements, "MXFP8" if mx or told.named == "mxfp8" else "FP8")


NARROW = frozenset({"F4", "F6_E2M3", "F6_E3M2"})


def narrow_floats(module: str, leaves: Leaves, told: Quantization) -> Count:
    """weight of 4- or 6-bit floats, whose shape counts them one by one."""
    weight, scale = leaves["weight"], leaves.get("weight_scale") or leaves.get("scale")
    four = "NVFP4" if scale is not None and scale.dtype in EIGHT else "MXFP4"
    return Count(weight.elements, four if weight.dtype == "F4" else "MXFP6")


_ZEROS = frozenset({"weight_zero_point", "zero_point", "zeros", "zero"})
_SCALE_LEAVES = (
    "weight_sf_rowmajor",
    "weight_scale",
    "scale",
    "weight_scale_inv",
    "weight_scales",
    "w_scale",
    "weight_sf",
)


def bytes_with_scales(module: str, leaves: Leaves, told: Quantization) -> Count:
    """weight U8 or I8: what its scales' dtype and shape make of it, then what the configuration says.

    NVFP4: scales of 16 weights each, F8_E4M3 [N, K/16]. MXFP4: of 32, powers of two. One of the whole matrix: ternary
    weights, four a byte. One a row of I8: just 8 bits.
    """
    weight = leaves["weight"]
    scale = next((leaves[leaf] for leaf in _SCALE_LEAVES if leaf in leaves), None)
    width = BITS.get(weight.dtype, 8)
    if width > 8:  # Quark packs 4 bits in I32
        bits = told.bits_of(module) or 4
        return Count(round(weight.elements * width / bits), told.integers(bits))
    if scale is not None and scale.last > 1:
        inner = 2 * weight.last
        if (scale.dtype in EIGHT or "weight_sf_rowmajor" in leaves) and scale.last == -(-inner // 16):
            return Count(2 * weight.elements, "NVFP4")
        if scale.dtype in SCALES and scale.last == -(-inner // 32):
            return Count(2 * weight.elements, "MXFP4")
        if scale.dtype in SCALES and scale.last == -(-weight.last // 32):
            return Count(weight.elements, "MXFP8")
    if told.expert_bits and ".experts." in f"{module}." and "shared" not in module:
        return Count(round(weight.elements * 8 / told.expert_bits), "MXFP4" if told.expert_bits == 4 else "FP8")
    narrow = told.bits_of(module)
    if told.method == "bitnet" or (
        weight.dtype == "U8" and scale is not None and scale.elements == 1 and narrow is None
    ):
        return Count(4 * weight.elements, "BITNET")
    if weight.dtype == "I8" and "pre_quant_scale" not in leaves:
        return Count(weight.elements, told.integers(8))
    if narrow is None and scale is not None and scale.last == 1 and not leaves.keys() & _ZEROS:
        narrow = 4  # a scale a row and no zero point: signed numbers, which are kept as I8 unless they are packed
    if narrow in (1, 2, 4):
        return Count(round(weight.elements * 8 / narrow), told.integers(narrow))
    return Count(weight.elements, told.integers(8))


def packed_embedding(module: str, leaves: Leaves, told: Quantization) -> Count:
    """Gemma's embedding_quantized: U8 of two or four weights, I8 of one."""
    table = leaves["embedding_quantized"]
    bits = 8.0 if table.dtype == "I8" else told.bits_of(module) or 4
    return Count(round(table.elements * 8 / bits), told.integers(bits))


def bare_bytes(module: str, leaves: Leaves, told: Quantization) -> Count:
    """weight U8 or I8 and no scales beside it: as the configuration says, else as it is."""
    weight = leaves["weight"]
    if told.method == "bitnet":
        return Count(4 * weight.elements, "BITNET")
    bits = told.bits_of(module)
    if weight.dtype == "U8" and bits in (1, 2, 4):
        return Count(round(weight.elements * 8 / bits), told.integers(bits))
    return Count(weight.elements, told.integers(8))


RULES: tuple[tuple[frozenset[str], Rule, str], ...] = (
    (frozenset({"trellis"}), exl3, "exl3"),
    (frozenset({"q_weight"}), exl2, "exl2"),
    (frozenset({"codes", "codebooks"}), aqlm, "aqlm"),
    (frozenset({"indices", "centroids.weight"}), vptq, "vptq"),
    (frozenset({"dense_weights", "row_offsets"}), spqr, "spqr"),
    (frozenset({"SU", "SV"}), quip, "quip"),
    (frozenset({"W_q"}), hqq, "hqq"),
    (frozenset({"qweight"}), gptq_or_awq, "gptq"),
    (frozenset({"quantized_weight_values"}), four_over_six, "fouroversix"),
    (frozenset({"B", "s"}), marlin, "gptq"),
    (frozenset({"weight_packed"}), compressed_tensors, "compressed-tensors"),
    (frozenset({"compressed", "bitmask"}), bitmask, "compressed-tensors"),
    (frozenset({"_blocks", "_scales"}), gpt_oss, "mxfp4"),
    (frozenset({"weight._data"}), quanto, "quanto"),
    (frozenset({"weight._data._data"}), quanto, "quanto"),
    (frozenset({"_weight_qdata"}), torchao, "torchao"),
    (frozenset({"weight", "weight.absmax"}), bitsandbytes_4, "bitsandbytes"),
    (frozenset({"weight", "SCB"}), bitsandbytes_8, "bitsandbytes"),
    (frozenset({"weight", "tables"}), higgs, "higgs"),
)
"""Tensors that must be there, what then reckons, and the method whose layout it is. The first that fits counts."""


@cache
def find_rule(signature: frozenset[tuple[str, str]]) -> tuple[Rule, str] | None:
    """The rule for a module with these endings and dtypes; None for plain weights."""
    leaves = dict(signature)
    for needed, rule, method in RULES:
        if needed <= leaves.keys():
            return rule, method
    kind = leaves.get("weight")
    if kind == "U32" and "scales" in leaves:
        return mlx, "metal" if "qbiases" in leaves else "mlx"
    if "embedding_quantized" in leaves:
        return packed_embedding, "gemma"
    if kind in NARROW:
        return narrow_floats, ""
    if kind in EIGHT:
        return int8_rule, "mxfp8" if leaves.get("weight_scale_inv") in SCALES else "fp8"
    if kind is None or kind in FLOATS or kind == "BOOL":
        return None
    if leaves.keys() & set(_SCALE_LEAVES):
        return bytes_with_scales, _byte_method(leaves)
    return (bare_bytes, "") if kind in BYTES else None


def _byte_method(leaves: Mapping[str, str]) -> str:
    """The library that writes bytes with these scales, where no configuration names it."""
    if "weight_scale_2" in leaves or "pre_quant_scale" in leaves:
        return "modelopt"
    if "weight_sf" in leaves:
        return "nvfp4"
    return "eetq" if "weight_scales" in leaves else ""


# ---- All together ---------------------------------------------------------------------------------------------------


def measure(tensors: Mapping[str, Tensor], told: Quantization) -> Packed:
    """The parameters of a model's tensors, by module and by scheme."""
    packed = Packed()
    for module, leaves in grouped(tensors).items():
        rule = find_rule(frozenset((leaf, tensor.dtype) for leaf, tensor in leaves.items()))
        stacked = max((tensor.shape[0] for tensor in leaves.values() if len(tensor.shape) >= 3), default=0)
        parameters, scheme = 0, ""
        if rule is not None:
            counted, scheme, method = rule[0](module, leaves, told)
            if counted is None or counted > MAX_WEIGHTS_PER_BYTE * sum(tensor.size for tensor in leaves.values()):
                counted = None  # a configuration or a shape that claims more than any packing holds
                packed.unresolved.append(module)
            parameters = counted or 0
            packed.schemes[scheme] += parameters
            packed.methods[told.method or method or rule[1]] += parameters
            packed.stored[scheme] += max(tensor.size for tensor in leaves.values())
        for leaf, tensor in leaves.items():
            if leaf in _NEVER or (
                rule and (leaf in COMPANIONS or leaf.startswith(("weight.", "W_q.", "meta.")) or leaf == "weight")
            ):
                continue
            if is_buffer(f"{module}.{leaf}", tensor):
                packed.buffers += tensor.elements
                packed.buffer_bytes += tensor.size
                continue
            parameters += tensor.elements
            kind = "FP8" if tensor.dtype in EIGHT else tensor.dtype
            packed.schemes[kind] += tensor.elements
            scheme = scheme or kind
        packed.modules[module] = Module(parameters, scheme, stacked)
    return packed


def parameters_from_config(tensors: Mapping[str, Tensor], modules: list[str]) -> int | None:
    """What the shapes of VPTQ and SpQR modules suggest, all padding counted; None where one does not tell."""
    leaves_of = grouped({name: t for name, t in tensors.items() if split(name)[0] in set(modules)})
    total = 0
    for leaves in leaves_of.values():
        if "dense_weights" in leaves and "in_perm" in leaves:
            total += _spqr_shape(leaves)
        elif "indices" in leaves:
            count = _vptq_shape(leaves)
            if count is None:
                return None
            total += count
        else:
            return None
    return total


def _spqr_shape(leaves: Leaves) -> int:
    """in_perm [K]; row_offsets [N + 1], or one for 16 rows; dense_weights has 16 words a tile of 16 x 16 weights."""
    rows, inner = leaves["row_offsets"].elements - 1, leaves["in_perm"].elements
    tiled = leaves["dense_weights"].elements * 16
    return min((rows * inner, 16 * rows * inner), key=lambda count: abs(count - tiled))


def _vptq_shape(leaves: Leaves) -> int | None:
    """indices I32 [codebooks, N/v, packed]: v from the sizes of both codebooks and the bits of an index.

    centroids [codebooks, 2^a * v], res_centroids [codebooks, 2^r * v], an index has a + r bits: their product is
    2^(a + r) * v^2.
    """
    indices, centroids, inner = (
        leaves["indices"],
        leaves["centroids.weight"],
        leaves.get("perm") or leaves.get("weight_scale"),
    )
    if inner is None or len(indices.shape) != 3 or not inner.elements:
        return None
    outliers = leaves["outlier_indices"].last if "outlier_indices" in leaves else 0
    if inner.elements <= outliers:
        return None
    bits = round(indices.last * 32 * indices.shape[0] / (inner.elements - outliers))
    residual = leaves.get("res_centroids.weight")
    product = centroids.last * (residual.last if residual is not None else 1)
    length = product / 2**bits if 0 < bits < 64 else 0
    vector = isqrt(round(length)) if residual is not None else round(length)
    return indices.shape[1] * vector * inner.elements if 1 <= vector <= 64 else None

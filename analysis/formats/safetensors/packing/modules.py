"""The tensors of a model by module: what their names add to the module's, and which of them are no weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from analysis.formats.safetensors.tensors import Tensor
from analysis.schemes.quantization_config import QuantizationConfig

Leaves = Mapping[str, Tensor]
"""The tensors of one module, by what their names add to its own."""


class Count(NamedTuple):
    """What a module's tensors stand for. `parameters` None: its shapes do not tell."""

    parameters: int | None
    scheme: str
    method: str = ""  # where one layout is written by several libraries, which of them this looks like


Rule = Callable[[str, Leaves, QuantizationConfig], Count]
"""Counts the parameters of a module by its name, its tensors and the configuration."""


# ---- Names -----------------------------------------------------------------------------------------------------------

_FUSED = re.compile(
    r"(gate_up_proj|gate_proj|up_proj|down_proj|w13|w1|w2|w3)_"
    r"(blocks|scales|bias|scale|scale_inv|weight|qweight|qzeros|weight_\w+|input_scale|global_scale)"
)
_INSIDE = ("centroids.weight", "res_centroids.weight", "outlier_centroids.weight")
_LEAF = {"scale_inv": "weight_scale_inv", "blocks": "_blocks", "scales": "_scales", "bias": "bias"}


def split_name(name: str) -> tuple[str, str]:
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


# ---- What is no weight -----------------------------------------------------------------------------------------------

COMPANIONS = frozenset({
    # GPTQ, AWQ, Marlin, fp_quant, SVDQuant
    "qweight", "qzeros", "scales", "g_idx", "B", "B_24", "B_meta", "s", "workspace", "dqweight",
    "forward_hadamard_matrix", "backward_hadamard_matrix", "act_global_scale", "weight_global_scale", "wscales",
    "smooth_factor", "smooth_factor_orig", "wtscale", "wcscales", "wzeros", "scaled_zeros",
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

_NEVER_WEIGHT = re.compile(
    r"(?:q|k|v|kv|kv_cache|prob|act|activation|input|output|input_global)_scale(?:_inv|_\d)?|"  # vLLM
    r"scale_(?:weight|input|output)|scaled_fp8|"  # ComfyUI
    r"qscale_(?:weight|act)|"  # Mistral's own files
    r"\w*scaling_factor(?:_\w+)?|"  # TensorRT-LLM
    r"\w*_amax"
)
"""Scales of quantized weights, activations and caches, whatever stands beside them."""
_BUFFERS = frozenset({
    "position_ids", "inv_freq", "original_inv_freq", "cos_cached", "sin_cached", "freqs_cis", "num_batches_tracked",
    "running_mean", "running_var", "masked_bias", "causal_mask", "attn_mask", "relative_position_index",
    "token_type_ids", "e_score_correction_mask",
})  # fmt: skip
_INTEGER_DTYPES = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})


def is_scale(leaf: str, tensor: Tensor) -> bool:
    """Whether a tensor scales others and is no weight: by its name, or because it holds nothing but powers of two."""
    return tensor.dtype == "F8_E8M0" or _NEVER_WEIGHT.fullmatch(leaf) is not None


def is_buffer(leaf: str, tensor: Tensor) -> bool:
    """Whether a tensor is no weight but something kept beside: positions, masks, rotary tables, counters.

    Whole numbers that no rule knows as packed weights are never weights.
    """
    last = leaf.rpartition(".")[2]
    if tensor.dtype in _INTEGER_DTYPES or last in _BUFFERS:
        return True
    shape = tensor.shape  # a causal mask: GPT-2's attn.bias
    return last == "bias" and len(shape) == 4 and shape[0] == shape[1] == 1 and shape[2] == shape[3]

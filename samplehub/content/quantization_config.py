"""What config.json says of a quantization, as each method's writer spells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from samplehub.content.weight_packing import Scheme


def quantization_config(s: Scheme) -> dict[str, Any] | None:
    """`quantization_config`, as each method's writer spells it; None where it writes none."""
    if s.method in CONFIGS:
        return {**CONFIGS[s.method](s), **{k: v for k, v in s.options.items() if k in KNOWN_OPTIONS}}
    if s.method in COMPRESSED:
        return compressed_tensors_config(s)
    return None


KNOWN_OPTIONS = frozenset({"in_group_size", "num_codebooks", "nbits_per_codebook", "linear_class", "quantization_mode"})

CONFIGS: Final[Mapping[str, Callable[[Scheme], dict[str, Any]]]] = {
    "gptq": lambda s: {
        "bits": s.bits,
        "checkpoint_format": "gptq",
        "damp_percent": 0.1,
        "desc_act": bool(s.options.get("desc_act", False)),
        "group_size": s.group,
        "quant_method": "gptq",
        "sym": True,
        "true_sequential": True,
    },
    "auto-round": lambda s: {
        "autoround_version": "0.5.1",
        "bits": s.bits,
        "data_type": "int",
        "group_size": s.group,
        "packing_format": "auto_round:auto_gptq",
        "quant_method": "auto-round",
        "sym": True,
    },
    "awq": lambda s: {
        "bits": s.bits,
        "group_size": s.group,
        "modules_to_not_convert": None,
        "quant_method": "awq",
        "version": "gemm",
        "zero_point": True,
    },
    "bnb-4bit": lambda s: {
        "_load_in_4bit": True,
        "_load_in_8bit": False,
        "bnb_4bit_compute_dtype": "bfloat16",
        "bnb_4bit_quant_storage": "uint8",
        "bnb_4bit_quant_type": s.options.get("bnb_4bit_quant_type", "nf4"),
        "bnb_4bit_use_double_quant": True,
        "load_in_4bit": True,
        "load_in_8bit": False,
        "quant_method": "bitsandbytes",
    },
    "bnb-8bit": lambda s: {
        "_load_in_4bit": False,
        "_load_in_8bit": True,
        "llm_int8_threshold": 6.0,
        "load_in_4bit": False,
        "load_in_8bit": True,
        "quant_method": "bitsandbytes",
    },
    "fp8": lambda s: {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
    },
    "fbgemm_fp8": lambda s: {
        "activation_scale_ub": 1200.0,
        "modules_to_not_convert": ["lm_head"],
        "quant_method": "fbgemm_fp8",
    },
    "modelopt-nvfp4": lambda s: {
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "group_size": 16}}},
        "ignore": ["lm_head"],
        "quant_algo": "NVFP4",
        "quant_method": "modelopt",
    },
    "modelopt-fp8": lambda s: {"ignore": ["lm_head"], "quant_algo": "FP8", "quant_method": "modelopt"},
    "mxfp4": lambda s: {
        "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "lm_head"],
        "quant_method": "mxfp4",
    },
    "mlx": lambda s: {"bits": s.bits, "group_size": s.group, "mode": "affine"},
    "mlx-mxfp4": lambda s: {"bits": s.bits, "group_size": 32, "mode": "mxfp4"},
    "hqq": lambda s: {
        "quant_config": {"weight_quant_params": {"nbits": s.bits, "group_size": s.group, "axis": 1}},
        "quant_method": "hqq",
    },
    "aqlm": lambda s: {
        "linear_weights_not_to_quantize": ["lm_head.weight"],
        "out_group_size": 1,
        "quant_method": "aqlm",
    },
    "exl2": lambda s: {
        "bits": s.options.get("bits", s.bits),
        "calibration": {"dataset": "(default)", "length": 2048, "rows": 115},
        "head_bits": s.options.get("head_bits", 6),
        "quant_method": "exl2",
        "version": "0.2.9",
    },
    "exl3": lambda s: {
        "bits": s.options.get("bits", s.bits),
        "calibration": {"cols": 2048, "rows": 100},
        "head_bits": s.options.get("head_bits", 6),
        "quant_method": "exl3",
        "version": "0.0.6",
    },
    "bitnet": lambda s: {"linear_class": "autobitlinear", "quant_method": "bitnet", "quantization_mode": "offline"},
    "eetq": lambda s: {"modules_to_not_convert": ["lm_head"], "quant_method": "eetq", "weights": "int8"},
    "torchao": lambda s: {
        "modules_to_not_convert": None,
        "quant_method": "torchao",
        "quant_type": {"default": {"_type": s.options.get("type", "Int4WeightOnlyConfig"), "_version": 1}},
    },
    "higgs": lambda s: {"bits": s.bits, "group_size": 256, "hadamard_size": 512, "p": 2, "quant_method": "higgs"},
}

COMPRESSED = frozenset(
    {"pack-quantized", "int-quantized", "float-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized"}
)


def compressed_tensors_config(s: Scheme) -> dict[str, Any]:
    """compressed-tensors, as llm-compressor writes it: one group of settings for all linear layers."""
    floating = s.method not in ("pack-quantized", "int-quantized")
    group = {"nvfp4-pack-quantized": 16, "mxfp4-pack-quantized": 32}.get(s.method, s.group)
    weights: dict[str, Any] = {
        "dynamic": False,
        "group_size": group if s.method not in ("int-quantized", "float-quantized") else None,
        "num_bits": s.bits,
        "strategy": "channel" if s.method in ("int-quantized", "float-quantized") else "group",
        "symmetric": True,
        "type": "float" if floating else "int",
    }
    inputs = None
    if s.method in ("int-quantized", "float-quantized"):
        inputs = {"dynamic": True, "num_bits": s.bits, "strategy": "token", "type": weights["type"]}
    elif s.method == "nvfp4-pack-quantized":
        inputs = {"dynamic": "local", "group_size": 16, "num_bits": 4, "strategy": "tensor_group", "type": "float"}
    group_0 = {"format": s.method, "input_activations": inputs, "targets": ["Linear"], "weights": weights}
    return {
        "config_groups": {"group_0": group_0},
        "format": s.method,
        "ignore": ["lm_head"],
        "kv_cache_scheme": None,
        "quant_method": "compressed-tensors",
        "quantization_status": "compressed",
        "version": "0.10.2",
    }

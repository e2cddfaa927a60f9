"""One reader of `quantization_config`: each block as the method's own software writes it."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.labels.evidence.config import config_evidence
from analysis.schemes.quantization_config import (
    ONLY_WRITTEN_BY,
    QuantizationConfig,
    find_quantization_config,
    read_quantization_config,
)
from analysis.schemes.schemes import find_scheme, scheme_table

Block = dict[str, Any]


def weights(bits: int, kind: str = "int", group_size: int | None = 128, inputs: int | None = None) -> Block:
    """One of compressed-tensors' groups, as QuantizationScheme.model_dump() writes it."""
    return {
        "targets": ["Linear"],
        "weights": {"num_bits": bits, "type": kind, "group_size": group_size, "symmetric": True, "dynamic": False},
        "input_activations": {"num_bits": inputs, "type": kind} if inputs else None,
        "output_activations": None,
    }


def compressed(packing: str, *groups: Block) -> Block:
    return {
        "quant_method": "compressed-tensors", "format": packing, "quantization_status": "compressed",
        "config_groups": {f"group_{at}": group for at, group in enumerate(groups)}, "ignore": ["lm_head"],
    }  # fmt: skip


BLOCKS: dict[str, tuple[Block, tuple[str | None, str | None, float | None, int | None]]] = {
    # name -> block, (method, scheme, bits, group size)
    "gptq, AutoGPTQ's quantize_config.json of 2023, which names no method": (
        {
            "bits": 4, "group_size": 128, "damp_percent": 0.01, "desc_act": True, "static_groups": False, "sym": True,
            "true_sequential": True, "model_name_or_path": None, "model_file_base_name": "model",
        },
        ("gptq", "GPTQ", 4, 128),
    ),
    "gptq, the Hub's summary of such a block": (
        {"bits": 8, "damp_percent": 0.1, "static_groups": False, "sym": True, "true_sequential": True},
        ("gptq", "GPTQ", 8, None),
    ),
    "gptq of GPTQModel, one scale a row": (
        {"quant_method": "gptq", "bits": 4, "group_size": -1, "desc_act": False, "checkpoint_format": "gptq"},
        ("gptq", "GPTQ", 4, None),
    ),
    "awq, AutoAWQ's quant_config.json, which names no method": (
        {"zero_point": True, "q_group_size": 64, "w_bit": 4, "version": "GEMM", "modules_to_not_convert": None},
        ("awq", "AWQ", 4, 64),
    ),
    "awq in config.json": (
        {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"},
        ("awq", "AWQ", 4, 128),
    ),
    "compressed-tensors, 4-bit integers": (
        compressed("pack-quantized", weights(4)), ("compressed-tensors", "W4A16", 4, 128),
    ),
    "compressed-tensors, packed 4-bit integers with 8-bit activations": (
        compressed("pack-quantized", weights(4, inputs=8)), ("compressed-tensors", "W4A8", 4, 128),
    ),
    "compressed-tensors, 8-bit integers": (
        compressed("int-quantized", weights(8, group_size=None, inputs=8)), ("compressed-tensors", "W8A8", 8, None),
    ),
    "compressed-tensors, 8-bit floats": (
        compressed("float-quantized", weights(8, "float", None, 8)), ("compressed-tensors", "FP8", 8, None),
    ),
    "compressed-tensors, NVFP4": (
        compressed("nvfp4-pack-quantized", weights(4, "float", 16, 4)), ("compressed-tensors", "NVFP4", 4, 16),
    ),
    "compressed-tensors, MXFP4": (
        compressed("mxfp4-pack-quantized", weights(4, "float", 32)), ("compressed-tensors", "MXFP4", 4, 32),
    ),
    "compressed-tensors, two groups: the narrower holds most weights": (
        compressed("mixed-precision", weights(8, "float", None, 8), weights(4, "float", 16)),
        ("compressed-tensors", "NVFP4", 4, 16),
    ),
    "bitsandbytes, 4 bits": (
        {
            "quant_method": "bitsandbytes", "_load_in_4bit": True, "_load_in_8bit": False, "load_in_4bit": True,
            "load_in_8bit": False, "bnb_4bit_quant_type": "nf4", "bnb_4bit_quant_storage": "uint8",
            "bnb_4bit_use_double_quant": True, "llm_int8_threshold": 6.0,
        },
        ("bitsandbytes", "BNB-NF4", 4, None),
    ),
    "bitsandbytes, 8 bits: the default type of 4-bit weights is written too": (
        {
            "quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True, "bnb_4bit_quant_type": "fp4",
        },
        ("bitsandbytes", "BNB-INT8", 8, None),
    ),
    "bitsandbytes without a method, as before transformers 4.33": (
        {"load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "fp4"},
        ("bitsandbytes", "BNB-FP4", 4, None),
    ),
    "bitsandbytes, neither width: not quantized by it": (
        {"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": False, "bnb_4bit_quant_type": "fp4"},
        ("bitsandbytes", None, None, None),
    ),
    "fp8, DeepSeek's blocks": (
        {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128]},
        ("fp8", "FP8", 8, None),
    ),
    "fbgemm_fp8": ({"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}, ("fp8", "FP8", 8, None)),
    "mlx": ({"group_size": 64, "bits": 4, "mode": "affine"}, ("mlx", "MLX-4BIT", 4, 64)),
    "mlx, some layers wider": (
        {"group_size": 64, "bits": 4, "model.layers.0.mlp": {"group_size": 64, "bits": 8}, "lm_head.x": False},
        ("mlx", "MLX-4BIT", 4, 64),
    ),
    "mlx, MXFP4": ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, ("mlx", "MXFP4", 4, 32)),
    "mlx, the Hub's summary": ({"bits": 6}, ("mlx", "MLX-6BIT", 6, None)),
    "quanto": (
        {"quant_method": "quanto", "weights": "int4", "activations": None, "modules_to_not_convert": None},
        ("quanto", "QUANTO", 4, None),
    ),
    "quanto, floats": ({"quant_method": "quanto", "weights": "float8"}, ("quanto", "QUANTO", 8, None)),
    "hqq": (
        {
            "quant_method": "hqq", "skip_modules": ["lm_head"],
            "quant_config": {"weight_quant_params": {"nbits": 3, "group_size": 64, "axis": 1}, "offload_meta": False},
        },
        ("hqq", "HQQ", 3, 64),
    ),
    "torchao": (
        {
            "quant_method": "torchao", "include_input_output_embeddings": False, "quant_type_kwargs": {},
            "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_version": 1, "_data": {"group_size": 128}}},
        },
        ("torchao", "TORCHAO", 4, 128),
    ),
    "torchao by a string": (
        {"quant_method": "torchao", "quant_type": "int8_weight_only", "quant_type_kwargs": {}},
        ("torchao", "TORCHAO", 8, None),
    ),
    "modelopt in config.json": (
        {
            "quant_method": "modelopt", "quant_algo": "NVFP4", "producer": {"name": "modelopt", "version": "0.33"},
            "config_groups": {"group_0": weights(4, "float", 16, 4)}, "ignore": ["lm_head"],
        },
        ("modelopt", "NVFP4", 4, 16),
    ),
    "modelopt, hf_quant_config.json": (
        {
            "producer": {"name": "modelopt", "version": "0.27.0"},
            "quantization": {"quant_algo": "W4A16_AWQ", "kv_cache_quant_algo": None, "group_size": 128},
        },
        ("modelopt", "W4A16", 4, 128),
    ),
    "modelopt, block-wise FP8": ({"quant_method": "modelopt", "quant_algo": "FP8_PB_WO"}, ("modelopt", "FP8", 8, None)),
    "mxfp4, as gpt-oss": (
        {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, ("mxfp4", "MXFP4", 4, None),
    ),
    "auto-round": (
        {
            "quant_method": "auto-round", "bits": 4, "group_size": 128, "sym": True, "data_type": "int",
            "packing_format": "auto_round:auto_gptq", "autoround_version": "0.5.1",
        },
        ("autoround", "AUTOROUND", 4, 128),
    ),
    "auto-round, MX floats": (
        {"quant_method": "auto-round", "bits": 4, "group_size": 32, "data_type": "mx_fp"},
        ("autoround", "MXFP4", 4, 32),
    ),
    "aqlm": (
        {
            "quant_method": "aqlm", "in_group_size": 8, "out_group_size": 1, "num_codebooks": 2,
            "nbits_per_codebook": 8, "linear_weights_not_to_quantize": ["lm_head.weight"],
        },
        ("aqlm", "AQLM", 2, None),
    ),
    "fp_quant": (
        {"quant_method": "fp_quant", "forward_dtype": "mxfp4", "hadamard_group_size": 32},
        ("fp_quant", "MXFP4", 4, None),
    ),
    "quark, MXFP4": (
        {
            "quant_method": "quark",
            "global_quant_config": {"weight": {"dtype": "fp4", "group_size": 32, "scale_format": "e8m0"}},
        },
        ("quark", "MXFP4", 4, 32),
    ),
    "bitnet": (
        {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
        ("bitnet", "BITNET", 1.58, None),
    ),
    "exl2": ({"quant_method": "exl2", "bits": 4.65, "head_bits": 6}, ("exl2", "EXL2", 4.65, None)),
    "eetq": ({"quant_method": "eetq", "weights": "int8"}, ("eetq", "EETQ", 8, None)),
    "an unknown method": ({"quant_method": "BrandNew", "bits": 3}, ("brandnew", None, 3, None)),
    "unknown settings": ({"enabled": True, "level": 3}, (None, None, None, None)),
    "nonsense": ({"quant_method": ["gptq"], "bits": "four", "group_size": -1}, (None, None, None, None)),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_read_as_its_software_means_it(name: str) -> None:
    block, expected = BLOCKS[name]
    found = read_quantization_config(block)
    assert (found.method, found.scheme, found.bits, found.group_size) == expected
    if found.scheme and not found.scheme.startswith(("W", "MLX")):
        assert find_scheme(found.scheme) is not None


@pytest.mark.parametrize("name", BLOCKS)
def test_labels_and_headers_read_the_same(name: str) -> None:
    block, (method, scheme, bits, group_size) = BLOCKS[name]
    found = {each.field: each.value for each in config_evidence({"quantization_config": block})}
    assert found["quantized"] == "true"
    assert (found.get("quant_method"), found.get("quant")) == (method, scheme)
    assert found.get("bits") == (f"{bits:g}" if bits else None)
    assert found.get("group_size") == (str(group_size) if group_size else None)
    assert found.get("format") == ("mlx" if method == "mlx" else None)


@pytest.mark.parametrize(
    ("config", "method"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ({"text_config": {"quantization_config": {"quant_method": "awq", "bits": 4}}}, "awq"),
        ({"compression_config": compressed("pack-quantized", weights(4))}, "compressed-tensors"),
        ({"quantization": {"group_size": 64, "bits": 6}}, "mlx"),
        ({"quantization_config": None, "quantization": {"group_size": 64, "bits": 6}}, "mlx"),
        ({"quanto_qmap": {"a.b": {"weights": "qfloat8_e4m3fn"}}}, "quanto"),
    ],
)
def test_a_block_is_found_where_configurations_keep_it(config: Block, method: str) -> None:
    found = find_quantization_config(config)
    assert found is not None and found.method == method and found.bits


@pytest.mark.parametrize("config", [{}, {"quantization_config": "gptq"}, {"quantization_config": {}}])
def test_a_configuration_without_a_block_has_no_quantization(config: Block) -> None:
    assert find_quantization_config(config) is None
    assert config_evidence(config) == ()


def test_settings_of_single_modules_come_first() -> None:
    block = {"group_size": 64, "bits": 4, "model.layers.0.mlp.down_proj": {"group_size": 64, "bits": 8}}
    found = read_quantization_config(block)
    assert found.bits_of("model.layers.0.mlp.down_proj") == 8
    assert found.bits_of("language_model.model.layers.0.mlp.down_proj") == 8, "without the model's prefix"
    assert found.bits_of("model.layers.1.mlp.down_proj") == 4


def test_patterns_of_modules_are_compared_and_never_run() -> None:
    block = {
        "num_bits": 4,
        "module_quant_configs": {r"re:layers\.\d+\.mlp": {"num_bits": 2}, "(a+)+b": {"num_bits": 8}},
    }
    found = read_quantization_config({"quant_method": "gemma", **block})
    assert found.bits_of("model.layers.17.mlp") == 2
    assert found.bits_of("a" * 40) == 4


def test_integers_are_named_after_the_library_where_it_says_what_activations_are() -> None:
    assert QuantizationConfig(method="compressed-tensors", activation_bits=8).integer_scheme(4) == "W4A8"
    assert QuantizationConfig(method="hqq").integer_scheme(4) == "HQQ"
    assert QuantizationConfig().integer_scheme(4) == "INT4"
    assert QuantizationConfig(method="awq").packing_scheme("GPTQ") == "AWQ"


def test_methods_that_keys_tell_are_in_the_table() -> None:
    assert {method for method, _ in ONLY_WRITTEN_BY} <= scheme_table().methods.keys()

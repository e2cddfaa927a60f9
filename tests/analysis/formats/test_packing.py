"""Parameters through packing: one model, written down in every way that quantizers write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from analysis.formats.safetensors.packing.measure import measure
from analysis.formats.safetensors.packing.modules import group_by_module, split_name
from analysis.formats.safetensors.tensors import Tensor
from analysis.schemes.quantization_config import QuantizationConfig
from tests.analysis.formats.safetensors_file import Shapes, header

Shape = tuple[int, ...]
Layout = Callable[[int, int], dict[str, tuple[str, Shape]]]
"""What a matrix that takes in K and puts out N is stored as."""

LLAMA_8B = 8_030_261_248  # as the Hub counts meta-llama/Llama-3.1-8B
MATRICES = {"self_attn.q_proj": (4096, 4096), "self_attn.k_proj": (4096, 1024), "self_attn.v_proj": (4096, 1024),
            "self_attn.o_proj": (4096, 4096), "mlp.gate_proj": (4096, 14336), "mlp.up_proj": (4096, 14336),
            "mlp.down_proj": (14336, 4096)}  # fmt: skip
"""Name -> K, N."""


def llama(layout: Layout, *, embeddings: Layout | None = None) -> Shapes:
    """Llama 3.1 8B with its layers' matrices stored so."""
    made: dict[str, tuple[str, Shape]] = {}
    for module in ("model.embed_tokens", "lm_head"):
        stored = embeddings(4096, 128256) if embeddings else {"weight": ("BF16", (128256, 4096))}
        made |= {f"{module}.{leaf}": tensor for leaf, tensor in stored.items()}
    for layer in range(32):
        for name, (k, n) in MATRICES.items():
            made |= {f"model.layers.{layer}.{name}.{leaf}": tensor for leaf, tensor in layout(k, n).items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            made[f"model.layers.{layer}.{norm}.weight"] = ("BF16", (4096,))
    made["model.norm.weight"] = ("BF16", (4096,))
    return made


def gptq(bits: int, *, order: bool = True, g: int = 128) -> Layout:
    return lambda k, n: {
        "qweight": ("I32", (k * bits // 32, n)), "qzeros": ("I32", (k // g, n * bits // 32)),
        "scales": ("F16", (k // g, n)),
    } | ({"g_idx": ("I32", (k,))} if order else {})  # fmt: skip


def awq(k: int, n: int) -> dict[str, tuple[str, Shape]]:
    return {"qweight": ("I32", (k, n // 8)), "qzeros": ("I32", (k // 128, n // 8)), "scales": ("F16", (k // 128, n))}


def gemv(k: int, n: int) -> dict[str, tuple[str, Shape]]:
    return {"qweight": ("I32", (n, k // 8)), "qzeros": ("I32", (n, k // 1024)), "scales": ("F16", (n, k // 128))}


def bnb(kind: str, storage: str = "U8", width: int = 1) -> Layout:
    return lambda k, n: {
        "weight": (storage, (k * n // 2 // width, 1)), "weight.absmax": ("U8", (k * n // 64,)),
        "weight.quant_map": ("F32", (16,)), "weight.nested_absmax": ("F32", (k * n // 64 // 256,)),
        "weight.nested_quant_map": ("F32", (256,)), f"weight.quant_state.bitsandbytes__{kind}": ("U8", (170,)),
    }  # fmt: skip


def packed(bits: int, g: int = 128) -> Layout:
    return lambda k, n: {
        "weight_packed": ("I32", (n, k * bits // 32)), "weight_scale": ("BF16", (n, k // g)),
        "weight_shape": ("I64", (2,)), "weight_zero_point": ("I32", (n * bits // 32, k // g)),
    }  # fmt: skip


def eight(dtype: str, scale: str, shape: Callable[[int, int], Shape], leaf: str = "weight_scale") -> Layout:
    return lambda k, n: {"weight": (dtype, (n, k)), leaf: (scale, shape(k, n)), "input_scale": ("F32", ())}


def mlx(bits: int, g: int = 64) -> Layout:
    return lambda k, n: {
        "weight": ("U32", (n, k * bits // 32)), "scales": ("BF16", (n, k // g)), "biases": ("BF16", (n, k // g)),
    }  # fmt: skip


def hqq(bits: int, g: int = 64) -> Layout:
    def layout(k: int, n: int) -> dict[str, tuple[str, Shape]]:
        rows = k * n // g
        kept = -(-rows // 10) if bits == 3 else rows * bits // 8
        made: dict[str, tuple[str, Shape]] = {"W_q": ("I32" if bits == 3 else "U8", (kept, g))}
        made |= dict.fromkeys(("scale", "zero"), ("F16", (rows, 1)))
        made |= dict.fromkeys(("nbits", "group_size", "axis", "packing", "optimize", "view_as_float"), ("I32", ()))
        return made | {"shape": ("I64", (2,)), "compute_dtype": ("U8", (7,)), "channel_wise": ("BOOL", ())}

    return layout


def across(k: int, n: int) -> dict[str, tuple[str, Shape]]:
    """HQQ with groups along the other axis."""
    return {"W_q": ("U8", (32, k * n // 64)), "scale": ("F16", (1, k * n // 64)), "zero": ("F16", (1, k * n // 64))}


def config(method: str | None = None, **more: Any) -> dict[str, Any]:
    return {"quantization_config": {**({"quant_method": method} if method else {}), **more}}


def groups(bits: int, kind: str = "int", g: int | None = 128, inputs: int | None = None) -> dict[str, Any]:
    told = {"weights": {"num_bits": bits, "type": kind, "group_size": g}, "targets": ["Linear"]}
    if inputs:
        told["input_activations"] = {"num_bits": inputs}
    return config("compressed-tensors", config_groups={"group_0": told})


def block(k: int, n: int) -> Shape:
    return n // 128, k // 128


LAYOUTS: dict[str, tuple[Layout, dict[str, Any], str, str | None]] = {
    "plain": (lambda k, n: {"weight": ("BF16", (n, k))}, {}, "BF16", None),
    "gptq 4": (gptq(4), config("gptq", bits=4, group_size=128), "GPTQ", "gptq"),
    "gptq 3": (gptq(3), config("gptq", bits=3), "GPTQ", "gptq"),
    "gptq 8, said to be 4": (gptq(8), config("gptq", bits=4), "GPTQ", "gptq"),
    "gptq 2, nothing said": (gptq(2), {}, "GPTQ", "gptq"),
    "auto-round 3": (gptq(3, order=False), config("auto-round", bits=3), "AUTOROUND", "autoround"),
    "awq": (awq, config("awq", bits=4, version="gemm"), "AWQ", "awq"),
    "awq, nothing said": (awq, {}, "AWQ", "awq"),
    "awq gemv": (gemv, {"quantization_config": {"w_bit": 4, "q_group_size": 128, "version": "GEMV"}}, "AWQ", "awq"),
    "marlin": (
        lambda k, n: {"B": ("I32", (k // 16, n * 2)), "s": ("F16", (k // 128, n))},
        config("gptq", bits=4),
        "GPTQ",
        "gptq",
    ),
    "bnb nf4": (bnb("nf4"), config("bitsandbytes", load_in_4bit=True), "BNB-NF4", "bitsandbytes"),
    "bnb fp4": (bnb("fp4"), {}, "BNB-FP4", "bitsandbytes"),
    "bnb nf4 kept as bf16": (bnb("nf4", "BF16", 2), {}, "BNB-NF4", "bitsandbytes"),
    "bnb int8": (
        lambda k, n: {"weight": ("I8", (n, k)), "SCB": ("F32", (n,)), "weight_format": ("U8", ())},
        {},
        "BNB-INT8",
        "bitsandbytes",
    ),
    "w4a16": (packed(4), groups(4), "W4A16", "compressed-tensors"),
    "w4a16 of groups of 32": (packed(4, 32), groups(4, g=32), "W4A16", "compressed-tensors"),
    "w8a16": (packed(8), groups(8), "W8A16", "compressed-tensors"),
    "w8a16, nothing said": (packed(8), {}, "INT8", "compressed-tensors"),
    "w4a8": (packed(4), groups(4, inputs=8), "W4A8", "compressed-tensors"),
    "w8a8": (eight("I8", "BF16", lambda k, n: (n, 1)), groups(8, g=None, inputs=8), "W8A8", "compressed-tensors"),
    "fp8": (eight("F8_E4M3", "BF16", lambda k, n: (n, 1)), groups(8, "float", None), "FP8", "compressed-tensors"),
    "fp8 blocks": (
        eight("F8_E4M3", "F32", block, "weight_scale_inv"),
        config("fp8", weight_block_size=[128, 128]),
        "FP8",
        "fp8",
    ),
    "fp8 blocks, powers of two": (eight("F8_E4M3", "F8_E8M0", block, "scale"), config("fp8"), "FP8", "fp8"),
    "fp8 whole": (eight("F8_E4M3", "F32", lambda k, n: ()), config("modelopt", quant_algo="FP8"), "FP8", "modelopt"),
    "fbgemm": (eight("F8_E4M3", "F32", lambda k, n: (n, 1)), config("fbgemm_fp8"), "FP8", "fp8"),
    "mxfp8": (eight("F8_E4M3", "U8", lambda k, n: (n, k // 32), "weight_scale_inv"), config("mxfp8"), "MXFP8", "mxfp8"),
    "nvfp4": (
        lambda k, n: {
            "weight_packed": ("U8", (n, k // 2)),
            "weight_scale": ("F8_E4M3", (n, k // 16)),
            "weight_global_scale": ("F32", (1,)),
            "input_global_scale": ("F32", (1,)),
        },
        groups(4, "float", 16),
        "NVFP4",
        "compressed-tensors",
    ),
    "nvfp4 modelopt": (
        lambda k, n: {
            "weight": ("U8", (n, k // 2)),
            "weight_scale": ("F8_E4M3", (n, k // 16)),
            "weight_scale_2": ("F32", ()),
            "input_scale": ("F32", ()),
            "k_scale": ("F32", ()),
        },
        config(quant_algo="NVFP4", producer={"name": "modelopt"}),
        "NVFP4",
        "modelopt",
    ),
    "int4 modelopt": (
        lambda k, n: {
            "weight": ("U8", (n // 2, k)),
            "weight_scale": ("F16", (n, k // 128)),
            "pre_quant_scale": ("F16", (k,)),
        },
        config("modelopt", quant_algo="W4A16_AWQ"),
        "W4A16",
        "modelopt",
    ),
    "nvfp4 hf": (
        lambda k, n: {
            "weight": ("U8", (n, k // 2)),
            "weight_sf": ("I32", (n, k // 64)),
            "weight_sf_rowmajor": ("U8", (n, k // 16)),
            "weight_global_scale": ("F32", (1,)),
        },
        config("nvfp4"),
        "NVFP4",
        "nvfp4",
    ),
    "fouroversix": (
        lambda k, n: {
            "quantized_weight_values": ("U8", (n, k // 2)),
            "quantized_weight_scale_factors": ("F8_E4M3", (n * k // 16,)),
            "quantized_weight_amax": ("F32", (1,)),
        },
        config("fouroversix"),
        "NVFP4",
        "fouroversix",
    ),
    "mxfp4": (
        lambda k, n: {"weight_packed": ("U8", (n, k // 2)), "weight_scale": ("U8", (n, k // 32))},
        groups(4, "float", 32),
        "MXFP4",
        "compressed-tensors",
    ),
    "fp_quant mxfp4": (
        lambda k, n: {
            "qweight": ("U8", (n, k // 2)),
            "scales": ("U8", (n, k // 32)),
            "weight_global_scale": ("F32", (1,)),
            "act_global_scale": ("F32", (1,)),
            "forward_hadamard_matrix": ("BF16", (32, 32)),
        },
        config("fp_quant", forward_dtype="mxfp4"),
        "MXFP4",
        "fp_quant",
    ),
    "fp_quant nvfp4": (
        lambda k, n: {"qweight": ("U8", (n, k // 2)), "scales": ("U8", (n, k // 16))},
        config("fp_quant"),
        "NVFP4",
        "fp_quant",
    ),
    "mlx 3": (mlx(3), {"quantization": {"group_size": 64, "bits": 3}}, "MLX-3BIT", "mlx"),
    "mlx 5": (mlx(5), config(group_size=64, bits=5, mode="affine"), "MLX-5BIT", "mlx"),
    "mlx 8 of 32": (mlx(8, 32), config(group_size=32, bits=8), "MLX-8BIT", "mlx"),
    "mlx, nothing said": (mlx(6), {}, "MLX-6BIT", "mlx"),
    "metal": (
        lambda k, n: {
            "weight": ("U32", (n, k // 8)),
            "scales": ("F32", (n, k // 128)),
            "qbiases": ("F32", (n, k // 128)),
        },
        config("metal", bits=4, group_size=128),
        "INT4",
        "metal",
    ),
    "hqq 4": (
        hqq(4),
        config("hqq", quant_config={"weight_quant_params": {"nbits": 4, "group_size": 64}}),
        "HQQ",
        "hqq",
    ),
    "hqq 3, nothing said": (hqq(3), {}, "HQQ", "hqq"),
    "hqq 2": (hqq(2, 16), config("hqq"), "HQQ", "hqq"),
    "hqq across": (
        across,
        config("hqq", quant_config={"weight_quant_params": {"nbits": 4, "group_size": 64}}),
        "HQQ",
        "hqq",
    ),
    "sinq": (lambda k, n: {"W_q": ("U8", (k * n // 128, 64))}, config("sinq", nbits=4), "SINQ", "sinq"),
    "quanto int4": (
        lambda k, n: {
            "weight._data._data": ("U8", (n * k // 256, 128)),
            "weight._scale": ("BF16", (n * k // 128, 1)),
            "weight._shift": ("BF16", (n * k // 128, 1)),
            "input_scale": ("BF16", ()),
            "output_scale": ("BF16", ()),
        },
        {"quanto_qmap": {"model.layers.0.mlp.up_proj": {"weights": "qint4", "activations": "none"}}},
        "QUANTO",
        "quanto",
    ),
    "quanto int2": (
        lambda k, n: {"weight._data._data": ("U8", (n * k // 512, 128))},
        {"quanto_qmap": {"lm": {"weights": "qint2"}}},
        "QUANTO",
        "quanto",
    ),
    "quanto int2, nothing said": (
        lambda k, n: {"weight._data._data": ("U8", (n * k // 512, 128)), "weight._scale": ("BF16", (n * k // 128, 1))},
        {},
        "QUANTO",
        "quanto",
    ),
    "sinq with its meta": (
        lambda k, n: {
            "W_q": ("U8", (k * n // 128, 64)),
            "meta.scale": ("F16", (k * n // 64, 1)),
            "meta.zero": ("F16", (k * n // 64, 1)),
            "meta.scale2": ("F16", (k,)),
        },
        config("sinq"),
        "SINQ",
        "sinq",
    ),
    "bitnet": (
        lambda k, n: {"weight": ("U8", (n // 4, k)), "weight_scale": ("BF16", (1,))},
        config("bitnet"),
        "BITNET",
        "bitnet",
    ),
    "aqlm": (
        lambda k, n: {
            "codes": ("I16", (n, k // 8, 1)),
            "codebooks": ("F16", (1, 65536, 1, 8)),
            "scales": ("F16", (n, 1, 1, 1)),
        },
        config("aqlm", in_group_size=8, out_group_size=1, num_codebooks=1, nbits_per_codebook=16),
        "AQLM",
        "aqlm",
    ),
    "exl2": (
        lambda k, n: {
            "q_weight": ("I32", (k // 8, n)),
            "q_scale": ("I32", (k // 128, n // 8)),
            "q_scale_max": ("F16", (k // 128,)),
            "q_groups": ("I16", (k // 64,)),
            "q_invperm": ("I32", (k,)),
        },
        config("exl2", bits=4.0),
        "EXL2",
        "exl2",
    ),
    "exl3": (
        lambda k, n: {
            "trellis": ("I16", (k // 16, n // 16, 64)),
            "suh": ("F16", (k,)),
            "svh": ("F16", (n,)),
            "mcg": ("I32", ()),
        },
        config("exl3", bits=4.0),
        "EXL3",
        "exl3",
    ),
    "quip": (
        lambda k, n: {"Qidxs": ("I16", (n, k // 8)), "SU": ("F16", (k,)), "SV": ("F16", (n,))},
        config("quip"),
        "QUIP",
        "quip",
    ),
    "higgs": (
        lambda k, n: {
            "weight": ("I16", (n * 4 // 16, k)),
            "scales": ("F16", (n, k // 256)),
            "tables": ("F16", (16,)),
            "tables2": ("F16", (16, 16, 2)),
        },
        config("higgs", bits=3, p=2),
        "HIGGS",
        "higgs",
    ),
    "eetq": (lambda k, n: {"weight": ("I8", (k, n)), "weight_scales": ("F16", (n,))}, config("eetq"), "EETQ", "eetq"),
    "gemma": (
        lambda k, n: {
            "weight": ("U8", (n, k // 4)),
            "weight_scale": ("F32", (n, 1)),
            "input_activation_scale": ("F32", ()),
            "output_activation_scale": ("F32", ()),
        },
        config("gemma", num_bits=4, module_quant_configs={r"layers\.\d+\.": {"num_bits": 2}}),
        "INT2",
        "gemma",
    ),
    "quark int4": (
        lambda k, n: {"weight": ("I32", (k, n // 8)), "weight_scale": ("BF16", (k // 128, n))},
        config("quark", global_quant_config={"weight": {"dtype": "int4"}}),
        "INT4",
        "quark",
    ),
    "quark mxfp4": (
        lambda k, n: {"weight": ("U8", (n, k // 2)), "weight_scale": ("U8", (n, k // 32))},
        config("quark"),
        "MXFP4",
        "quark",
    ),
    "svdquant": (
        lambda k, n: {
            "qweight": ("I8", (n, k // 2)),
            "wscales": ("BF16", (k // 64, n)),
            "smooth_factor": ("BF16", (k,)),
        },
        {},
        "INT4",
        "svdquant",
    ),
    "torchao int4": (
        lambda k, n: {
            "_weight_qdata": ("I8", (n, k // 2)),
            "_weight_scale": ("BF16", (k // 128, n)),
            "_weight_zero_point": ("BF16", (k // 128, n)),
        },
        config("torchao", quant_type={"default": {"_type": "Int4WeightOnlyConfig"}}),
        "TORCHAO",
        "torchao",
    ),
    "torchao int8": (
        lambda k, n: {"_weight_qdata": ("I8", (n, k)), "_weight_scale": ("BF16", (n, 1))},
        config("torchao"),
        "TORCHAO",
        "torchao",
    ),
    "four-bit floats by name": (
        lambda k, n: {"weight": ("F4", (n, k)), "weight_scale": ("F8_E4M3", (n, k // 16))},
        {},
        "NVFP4",
        None,
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_count_is_the_same_however_a_model_is_stored(name: str) -> None:
    layout, told, scheme, method = LAYOUTS[name]
    made = header(llama(layout), told)
    assert made.parameters == LLAMA_8B and not made.inferred
    assert (made.quant, made.quant_method) == (scheme, method)
    assert made.quant_share == pytest.approx(1.0 if scheme == "BF16" else 0.869, abs=0.001)
    assert made.active_parameters == LLAMA_8B


def test_embeddings_are_packed_too_in_mlx() -> None:
    made = header(llama(mlx(4), embeddings=mlx(4)), config(group_size=64, bits=4))
    assert made.parameters == LLAMA_8B and made.bits_per_weight == pytest.approx(4.5, abs=0.01)


def test_bits_a_weight_come_from_bytes() -> None:
    """Unsloth's 4-bit Llama 3.1 8B is 5.70 GB, embeddings of 16 bits and scales included."""
    made = header(llama(bnb("nf4")))
    assert made.size == pytest.approx(5.70e9, rel=0.01)
    assert made.bits_per_weight == pytest.approx(8 * 5.70e9 / LLAMA_8B, rel=0.01)


def vptq(k: int, n: int) -> dict[str, tuple[str, Shape]]:
    """Vectors of 8, two codebooks of 2^16 and 2^8."""
    return {
        "indices": ("I32", (1, n // 8, k * 24 // 32)), "centroids.weight": ("F16", (1, 65536 * 8)),
        "perm": ("I16", (k,)), "res_centroids.weight": ("F16", (1, 256 * 8)), "weight_scale": ("F16", (k,)),
        "weight_bias": ("F16", (k,)),
    }  # fmt: skip


def spqr(k: int, n: int) -> dict[str, tuple[str, Shape]]:
    return {
        "dense_weights": ("I64", (k * n // 16,)), "row_offsets": ("I32", (n // 16 + 1,)), "col_vals": ("I32", (n,)),
        "in_perm": ("I32", (k,)),
    }  # fmt: skip


@pytest.mark.parametrize(("layout", "method"), [(vptq, "vptq"), (spqr, "spqr")])
def test_what_shapes_do_not_tell_is_inferred_and_says_so(layout: Layout, method: str) -> None:
    told = config(method)
    made = header(llama(layout), told, base_parameters=LLAMA_8B)
    assert (made.parameters, made.inferred, made.quant) == (LLAMA_8B, True, method.upper())
    assert made.quant_share == pytest.approx(0.869, abs=0.001)
    guessed = header(llama(layout), told)
    assert guessed.parameters == LLAMA_8B and guessed.inferred


def test_vptq_is_exact_where_the_configuration_tells_its_shapes() -> None:
    shapes = {
        f"model.layers.{layer}.{name}": {"in_features": k, "out_features": n}
        for layer in range(32)
        for name, (k, n) in MATRICES.items()
    }
    made = header(llama(vptq), config("vptq", config_for_layers=shapes))
    assert made.parameters == LLAMA_8B and not made.inferred


# ---- Experts --------------------------------------------------------------------------------------------------------


def test_gpt_oss_20b_has_the_hubs_count() -> None:
    """20,914,757,184: blocks of two weights a byte, the rest BF16; 3.6 billion active, as OpenAI says."""
    tensors: dict[str, tuple[str, Shape]] = {
        "model.embed_tokens.weight": ("BF16", (201088, 2880)), "lm_head.weight": ("BF16", (201088, 2880)),
        "model.norm.weight": ("BF16", (2880,)),
    }  # fmt: skip
    for layer in range(24):
        lead = f"model.layers.{layer}"
        for name, (k, n) in {"q": (2880, 4096), "k": (2880, 512), "v": (2880, 512), "o": (4096, 2880)}.items():
            tensors[f"{lead}.self_attn.{name}_proj.weight"] = ("BF16", (n, k))
            tensors[f"{lead}.self_attn.{name}_proj.bias"] = ("BF16", (n,))
        tensors[f"{lead}.self_attn.sinks"] = ("BF16", (64,))
        tensors[f"{lead}.mlp.router.weight"], tensors[f"{lead}.mlp.router.bias"] = ("BF16", (32, 2880)), ("BF16", (32,))
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{lead}.{norm}.weight"] = ("BF16", (2880,))
        for name, n in {"gate_up_proj": 5760, "down_proj": 2880}.items():
            tensors[f"{lead}.mlp.experts.{name}_blocks"] = ("U8", (32, n, 90, 16))
            tensors[f"{lead}.mlp.experts.{name}_scales"] = ("U8", (32, n, 90))
            tensors[f"{lead}.mlp.experts.{name}_bias"] = ("BF16", (32, n))
    told = {
        "model_type": "gpt_oss", "num_hidden_layers": 24, "hidden_size": 2880, "num_local_experts": 32,
        "num_experts_per_tok": 4, "quantization_config": {"quant_method": "mxfp4"},
    }  # fmt: skip
    made = header(tensors, told)
    assert made.parameters == 20_914_757_184
    assert made.facts["schemes"] == {"MXFP4": 19_110_297_600, "BF16": 1_804_459_584}
    assert made.active_parameters is not None and made.parameters is not None
    assert made.active_parameters - 201088 * 2880 == pytest.approx(3.61e9, rel=0.01)  # the embeddings aside
    assert (made.quant, made.quant_method) == ("MXFP4", "mxfp4") and made.bits_per_weight == pytest.approx(
        5.26, abs=0.02
    )


def qwen3_moe(stacked: bool) -> Iterator[tuple[str, tuple[str, Shape]]]:
    """Qwen3-30B-A3B, experts one by one or in one tensor as MLX keeps them."""
    yield from ((f"{module}.weight", ("BF16", (151936, 2048))) for module in ("model.embed_tokens", "lm_head"))
    yield "model.norm.weight", ("BF16", (2048,))
    for layer in range(48):
        lead = f"model.layers.{layer}"
        for name, (k, n) in {"q": (2048, 4096), "k": (2048, 512), "v": (2048, 512), "o": (4096, 2048)}.items():
            yield f"{lead}.self_attn.{name}_proj.weight", ("BF16", (n, k))
        for norm, width in {"q_norm": 128, "k_norm": 128}.items():
            yield f"{lead}.self_attn.{norm}.weight", ("BF16", (width,))
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield f"{lead}.{norm}.weight", ("BF16", (2048,))
        yield f"{lead}.mlp.gate.weight", ("BF16", (128, 2048))
        for name, (k, n) in {"gate_proj": (2048, 768), "up_proj": (2048, 768), "down_proj": (768, 2048)}.items():
            if stacked:
                yield f"{lead}.mlp.switch_mlp.{name}.weight", ("BF16", (128, n, k))
            else:
                yield from ((f"{lead}.mlp.experts.{at}.{name}.weight", ("BF16", (n, k))) for at in range(128))


@pytest.mark.parametrize("stacked", [False, True])
def test_qwen3_30b_a3b_reckons_as_published(stacked: bool) -> None:
    told = {
        "model_type": "qwen3_moe",
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 48,
        "hidden_size": 2048,
    }
    made = header(dict(qwen3_moe(stacked)), told)
    assert (made.parameters, made.active_parameters) == (30_532_122_624, 3_353_032_704)
    assert made.facts["experts"]["count"] == 128 and "embeddings counted" in made.facts["active_rule"]
    assert header(dict(qwen3_moe(stacked)), {}).active_parameters in (None, 30_532_122_624)


def test_layers_that_predict_further_tokens_are_not_active() -> None:
    tensors: Shapes = {
        "model.embed_tokens.weight": ("BF16", (100, 8)), "model.layers.0.mlp.up_proj.weight": ("BF16", (8, 8)),
        "model.layers.1.mlp.up_proj.weight": ("BF16", (8, 8)), "model.mtp.fc.weight": ("BF16", (8, 16)),
    }  # fmt: skip
    told = {"num_hidden_layers": 1, "hidden_size": 8, "num_nextn_predict_layers": 1}
    made = header(tensors, told)
    assert (made.parameters, made.active_parameters) == (1056, 864)
    assert made.facts["prediction_parameters"] == 192


def test_per_layer_embeddings_are_not_active() -> None:
    """Gemma 3n: of the table a token reads one row a layer, so it may stay in slow memory."""
    made = header({
        "model.language_model.embed_tokens.weight": ("BF16", (100, 8)),
        "model.language_model.embed_tokens_per_layer.weight": ("BF16", (100, 64)),
    })  # fmt: skip
    assert (made.parameters, made.active_parameters) == (7200, 800)


def test_deepseek_v4_keeps_its_experts_narrower_than_the_rest() -> None:
    tensors: Shapes = {
        "layers.0.ffn.experts.0.w1.weight": ("I8", (64, 32)), "layers.0.ffn.experts.0.w1.scale": ("F8_E8M0", (64, 2)),
        "layers.0.ffn.shared_experts.w1.weight": ("F8_E4M3", (128, 128)),
        "layers.0.ffn.shared_experts.w1.scale": ("F8_E8M0", (1, 1)),
    }  # fmt: skip
    made = header(tensors, {**config("fp8"), "expert_dtype": "fp4", "n_routed_experts": 4, "num_experts_per_tok": 1})
    assert made.parameters == 64 * 64 + 128 * 128
    assert made.active_parameters == 64 * 64 // 4 + 128 * 128
    assert made.facts["schemes"] == {"FP8": 128 * 128, "MXFP4": 64 * 64}


# ---- What is no weight, and what is counted once --------------------------------------------------------------------


def test_positions_masks_and_counters_are_no_weights() -> None:
    made = header({
        "embeddings.word_embeddings.weight": ("F32", (100, 8)), "embeddings.position_ids": ("I64", (1, 512)),
        "h.0.attn.bias": ("F32", (1, 1, 64, 64)), "h.0.attn.masked_bias": ("F32", ()),
        "layers.0.self_attn.rotary_emb.inv_freq": ("F32", (64,)), "bn.weight": ("F32", (8,)), "bn.bias": ("F32", (8,)),
        "bn.running_mean": ("F32", (8,)), "bn.running_var": ("F32", (8,)), "bn.num_batches_tracked": ("I64", ()),
    })  # fmt: skip
    assert made.parameters == 100 * 8 + 16
    assert made.facts["buffers"] == 512 + 64 * 64 + 1 + 64 + 16 + 1
    assert sum(made.types.values()) == made.parameters + made.facts["buffers"]
    assert made.bits_per_weight == 32.0


def test_an_output_layer_that_is_the_embeddings_counts_once() -> None:
    tensors: Shapes = {"model.embed_tokens.weight": ("BF16", (100, 8)), "lm_head.weight": ("BF16", (100, 8))}
    tied = header(tensors, {"tie_word_embeddings": True})
    assert (tied.parameters, tied.bits_per_weight, tied.facts["repeated_head"]) == (800, 16.0, 800)
    assert header(tensors, {"tie_word_embeddings": False}).parameters == 1600
    assert (
        header(
            tensors, {"text_config": {"tie_word_embeddings": True, "hidden_size": 8, "num_hidden_layers": 1}}
        ).parameters
        == 800
    )


def test_an_adapter_is_its_own_parameters() -> None:
    tensors: Shapes = {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": ("F32", (16, 256)),
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": ("F32", (256, 16)),
    }  # fmt: skip
    told = {
        "adapter_config": {
            "peft_type": "LORA",
            "r": 16,
            "lora_alpha": 32,
            "base_model_name_or_path": "meta-llama/Llama-3.1-8B",
        }
    }
    made = header(tensors, told)
    assert made.parameters == 8192 and made.facts["role"] == "adapter"
    assert made.facts["adapter"] == {"type": "lora", "rank": 16, "alpha": 32, "base": "meta-llama/Llama-3.1-8B"}
    assert made.facts["base_models"] == [{"repo": "meta-llama/Llama-3.1-8B"}]
    assert header(tensors).facts["adapter"] == {"type": "lora", "rank": 16}


def test_mixed_precision_tells_its_schemes() -> None:
    tensors = dict(llama(eight("F8_E4M3", "F32", block, "weight_scale_inv")))
    for layer in range(4):
        tensors |= {f"model.layers.{layer}.mlp.down_proj.weight": ("BF16", (4096, 14336))}
        tensors.pop(f"model.layers.{layer}.mlp.down_proj.weight_scale_inv")
    made = header(tensors, config("fp8"))
    assert made.parameters == LLAMA_8B and made.quant == "FP8"
    assert made.facts["schemes"]["BF16"] == LLAMA_8B - made.facts["schemes"]["FP8"]
    assert made.quant_share == pytest.approx(made.facts["schemes"]["FP8"] / LLAMA_8B)


def test_one_quantized_layer_does_not_make_a_quantized_model() -> None:
    tensors = dict(llama(lambda k, n: {"weight": ("BF16", (n, k))}))
    tensors["model.layers.0.mlp.down_proj.weight"] = ("F8_E4M3", (4096, 14336))
    assert header(tensors).quant == "BF16"


def test_a_configuration_that_lies_does_not_make_a_count() -> None:
    """Bits of the other kind, groups of a billion: shapes have the last word, or there is none."""
    assert header(llama(gptq(4)), config("gptq", bits=2)).parameters == LLAMA_8B
    assert header(llama(mlx(4)), config(group_size=10**9, bits=4)).parameters == LLAMA_8B
    absurd = config("vptq", config_for_layers={"m.a": {"in_features": 10**6, "out_features": 10**6}})
    tensors: Shapes = {"m.a.indices": ("I32", (1, 2, 2)), "m.a.centroids.weight": ("F16", (1, 8))}
    assert header(tensors, absurd).parameters is None


def tensors_of(shapes: Mapping[str, tuple[str, Shape]]) -> dict[str, Tensor]:
    return {name: Tensor(dtype, shape, 0, 64) for name, (dtype, shape) in shapes.items()}


def test_tensor_names_split_into_module_and_ending() -> None:
    assert split_name("model.layers.0.q_proj.weight.absmax") == ("model.layers.0.q_proj", "weight.absmax")
    assert split_name("m.experts.gate_up_proj_blocks") == ("m.experts.gate_up_proj", "_blocks")
    assert split_name("m.experts.gate_up_proj") == ("m.experts.gate_up_proj", "weight")
    assert split_name("m.q_proj.res_centroids.weight") == ("m.q_proj", "res_centroids.weight")
    assert split_name("sinks") == ("", "sinks")
    fused = tensors_of(
        {"m.experts.down_proj": ("F8_E4M3", (4, 8, 8)), "m.experts.down_proj_scale_inv": ("F32", (4, 1, 1))}
    )
    assert set(group_by_module(fused)) == {"m.experts.down_proj"}
    assert measure(fused, QuantizationConfig()).parameters == 256


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("gptq 3", 3),
        ("gptq 8, said to be 4", 8),
        ("awq", 4),
        ("bnb nf4 kept as bf16", 4),
        ("w8a16, nothing said", 8),
        ("mlx, nothing said", 6),
        ("hqq 3, nothing said", 3),
        ("quanto int2", 2),
        ("fp8", 8),
        ("mxfp4", 4),
        ("bitnet", 1.58),
        ("exl2", 4),
        ("gemma", 2),
        ("plain", None),
    ],
)
def test_bits_of_a_packed_weight_are_measured(name: str, bits: float | None) -> None:
    layout, told, _, _ = LAYOUTS[name]
    assert header(llama(layout), told).facts.get("quantization", {}).get("bits") == bits


def test_torchao_tells_the_shapes_of_its_tensors() -> None:
    """Layouts tiled for a kernel are padded: the metadata has the last word, unless it claims what no bytes hold."""
    tensors: Shapes = {
        "q.weight": ("BF16", (8,)), "a._weight_qdata": ("I32", (16, 8, 32, 4)),
        "a._weight_scale_and_zero": ("BF16", (32, 120, 2)),
    }  # fmt: skip
    kind = '{"_type": "Int4TilePackedTo4dTensor", "_data": {"block_size": [1, 32], "shape": [120, 1024]}}'
    assert header(tensors, metadata={"a.weight": kind}).parameters == 8 + 120 * 1024
    assert header(tensors, metadata={"a.weight": kind.replace("120", "12000000000")}).parameters is None
    assert header(tensors).parameters == 8 + 16 * 8 * 32 * 4 * 8


def test_a_path_on_somebodys_disk_is_no_base_model() -> None:
    tensors: Shapes = {"q.lora_A.weight": ("F32", (16, 256)), "q.lora_B.weight": ("F32", (256, 16))}
    made = header(tensors, {"adapter_config": {"base_model_name_or_path": "/models/llama"}})
    assert "base_models" not in made.facts and made.facts["adapter"]["base"] == "/models/llama"

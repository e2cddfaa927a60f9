"""One model, Llama 3.1 8B, as every quantizer stores it: names, dtypes and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.analysis.formats.safetensors_file import Shapes

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
    group = {"weights": {"num_bits": bits, "type": kind, "group_size": g}, "targets": ["Linear"]}
    if inputs:
        group["input_activations"] = {"num_bits": inputs}
    return config("compressed-tensors", config_groups={"group_0": group})


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

"""Parameters through packing: one model, written down in every way that quantizers write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from analysis.formats.safetensors.packing.grouping import group_by_module
from analysis.formats.safetensors.packing.measure import measure
from analysis.formats.safetensors.packing.modules import split_name
from analysis.formats.safetensors.tensors import Tensor
from analysis.schemes.quantization_config import QuantizationConfig
from tests.analysis.formats.packed_layouts import (
    LAYOUTS,
    LLAMA_8B,
    MATRICES,
    Layout,
    Shape,
    block,
    bnb,
    config,
    eight,
    gptq,
    llama,
    mlx,
)
from tests.analysis.formats.safetensors_file import Shapes, header


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_count_is_the_same_however_a_model_is_stored(name: str) -> None:
    layout, configuration, scheme, method = LAYOUTS[name]
    made = header(llama(layout), configuration)
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
    configuration = config(method)
    made = header(llama(layout), configuration, base_parameters=LLAMA_8B)
    assert (made.parameters, made.inferred, made.quant) == (LLAMA_8B, True, method.upper())
    assert made.quant_share == pytest.approx(0.869, abs=0.001)
    guessed = header(llama(layout), configuration)
    assert guessed.parameters == LLAMA_8B and guessed.inferred


def test_vptq_is_exact_if_the_configuration_states_its_shapes() -> None:
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
    configuration = {
        "model_type": "gpt_oss", "num_hidden_layers": 24, "hidden_size": 2880, "num_local_experts": 32,
        "num_experts_per_tok": 4, "quantization_config": {"quant_method": "mxfp4"},
    }  # fmt: skip
    made = header(tensors, configuration)
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
def test_qwen3_30b_a3b_has_the_published_counts(stacked: bool) -> None:
    configuration = {
        "model_type": "qwen3_moe",
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 48,
        "hidden_size": 2048,
    }
    made = header(dict(qwen3_moe(stacked)), configuration)
    assert (made.parameters, made.active_parameters) == (30_532_122_624, 3_353_032_704)
    assert made.facts["experts"]["count"] == 128 and "embeddings counted" in made.facts["active_rule"]
    assert header(dict(qwen3_moe(stacked)), {}).active_parameters in (None, 30_532_122_624)


def test_layers_that_predict_further_tokens_are_not_active() -> None:
    tensors: Shapes = {
        "model.embed_tokens.weight": ("BF16", (100, 8)), "model.layers.0.mlp.up_proj.weight": ("BF16", (8, 8)),
        "model.layers.1.mlp.up_proj.weight": ("BF16", (8, 8)), "model.mtp.fc.weight": ("BF16", (8, 16)),
    }  # fmt: skip
    configuration = {"num_hidden_layers": 1, "hidden_size": 8, "num_nextn_predict_layers": 1}
    made = header(tensors, configuration)
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


TABLE = ("BF16", (100, 8))
TIED = [
    # copies of one table of 800 weights, under the names of transformers' classes
    ("T5", {"model_type": "t5"}, ["shared", "encoder.embed_tokens", "decoder.embed_tokens", "lm_head"]),
    ("BART", {"model_type": "bart"}, ["model.shared", "model.encoder.embed_tokens", "model.decoder.embed_tokens"]),
    ("Whisper", {"model_type": "whisper"}, ["model.decoder.embed_tokens", "proj_out"]),
    ("Gemma 2's class", {"model_type": "gemma2"}, ["model.embed_tokens", "lm_head"]),
    ("BERT", {"model_type": "bert"}, ["bert.embeddings.word_embeddings", "cls.predictions.decoder"]),
    ("RoBERTa", {"model_type": "roberta"}, ["roberta.embeddings.word_embeddings", "lm_head.decoder"]),
    ("GPT-2", {"model_type": "gpt2"}, ["transformer.wte", "lm_head"]),
]


@pytest.mark.parametrize(("why", "configuration", "names"), TIED, ids=[row[0] for row in TIED])
def test_a_tied_table_counts_once_however_often_it_is_written(
    why: str, configuration: dict[str, str], names: list[str]
) -> None:
    tensors: Shapes = {f"{name}.weight": TABLE for name in names}
    made = header(tensors, configuration)
    assert (made.parameters, made.bits_per_weight) == (800, 16.0)
    other: Shapes = {**tensors, f"{names[-1]}.weight": ("BF16", (100, 9))}
    assert header(other, configuration).parameters == 800 + 900


def test_an_untied_table_counts_twice() -> None:
    qwen: Shapes = {"model.embed_tokens.weight": TABLE, "lm_head.weight": TABLE}
    assert header(qwen, {"model_type": "qwen3"}).parameters == 1600
    t5: Shapes = {f"{name}.weight": TABLE for name in ("shared", "encoder.embed_tokens", "lm_head")}
    assert header(t5, {"model_type": "t5", "tie_word_embeddings": False}).parameters == 1600


SCALES = [
    "act_scale", "input_scale", "kv_scale", "k_scale", "v_scale", "scale_weight", "scale_input",
    "qscale_weight", "qscale_act", "weights_scaling_factor", "activation_scaling_factor", "kv_cache_scaling_factor",
    "prequant_scaling_factor",
]  # fmt: skip


@pytest.mark.parametrize("leaf", SCALES)
def test_scales_are_no_parameters(leaf: str) -> None:
    """Of compressed-tensors, AutoFP8, vLLM, ComfyUI, Mistral and TensorRT-LLM."""
    tensors: Shapes = {"layers.0.q.weight": ("F8_E4M3", (16, 32)), f"layers.0.q.{leaf}": ("F32", ()),
                       f"layers.0.attention.{leaf}": ("F32", (1,)), "layers.0.q.bias": ("F32", (16,))}  # fmt: skip
    assert header(tensors).parameters == 16 * 32 + 16


def test_a_scalar_that_the_model_learned_is_a_parameter() -> None:
    assert header({"logit_scale": ("F32", ()), "layers.0.layer_scale": ("F32", (8,))}).parameters == 9


def test_powers_of_two_are_scales_whatever_they_are_called() -> None:
    tensors: Shapes = {"layers.0.mlp.experts": ("F4", (10, 20)), "layers.0.mlp.anything": ("F8_E8M0", (7, 8))}
    made = header(tensors)
    assert (made.parameters, made.quant) == (200, "MXFP4")


@pytest.mark.parametrize(("bits", "width"), [(4, 512), (8, 1024)])
def test_of_sparse_matrices_the_zeros_count_too(bits: int, width: int) -> None:
    """Marlin 2:4: N 256, K 512; half of the weights are stored, and two bits for each of them tell its place."""
    gptq_layout: Shapes = {"up.B_24": ("I32", (16, width)), "up.B_meta": ("I16", (16, 512)), "up.s": ("F16", (4, 256))}
    made = header(gptq_layout, {"quantization_config": {"quant_method": "gptq", "bits": bits}})
    assert (made.parameters, made.quant) == (256 * 512, "GPTQ")
    other: Shapes = {"up.weight_packed": ("I32", (16, width)), "up.meta": ("I16", (16, 512)),
                     "up.scale_packed": ("F16", (4, 256))}  # fmt: skip
    made = header(other, {"quantization_config": {"quant_method": "compressed-tensors", "format": "marlin-24"}})
    assert (made.parameters, made.quant) == (256 * 512, f"W{bits}A16")


def test_experts_are_recognized_by_their_shape() -> None:
    """JetMoE: 2 of 8 experts, in the feed-forward and in the attention; the router is always used."""
    layer: Shapes = {
        "l.0.mlp.input_linear.weight": ("BF16", (8, 256, 64)), "l.0.mlp.output_linear.weight": ("BF16", (8, 64, 128)),
        "l.0.mlp.router.layer.weight": ("BF16", (8, 64)), "l.0.conv.weight": ("BF16", (8, 1, 4)),
        "l.0.self_attention.experts.input_linear.weight": ("BF16", (8, 64, 64)),
    }  # fmt: skip
    stacked = 8 * (256 * 64 + 64 * 128 + 64 * 64)
    for stated in ({"num_local_experts": 8, "num_experts_per_tok": 2}, {}):  # {}: the class's own
        made = header(layer, {"model_type": "jetmoe", **stated})
        assert made.parameters == stacked + 8 * 64 + 32
        assert made.active_parameters == stacked // 4 + 8 * 64 + 32
        assert (made.facts["experts"]["count"], made.facts["experts"]["used"]) == (8, 2)
    assert header(layer, {"model_type": "llama"}).active_parameters == made.parameters


def test_an_adapter_is_its_own_parameters() -> None:
    tensors: Shapes = {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": ("F32", (16, 256)),
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": ("F32", (256, 16)),
    }  # fmt: skip
    configuration = {
        "adapter_config": {
            "peft_type": "LORA",
            "r": 16,
            "lora_alpha": 32,
            "base_model_name_or_path": "meta-llama/Llama-3.1-8B",
        }
    }
    made = header(tensors, configuration)
    assert made.parameters == 8192 and made.facts["role"] == "adapter"
    assert made.facts["adapter"] == {"type": "lora", "rank": 16, "alpha": 32, "base": "meta-llama/Llama-3.1-8B"}
    assert made.facts["base_models"] == [{"repo": "meta-llama/Llama-3.1-8B"}]
    assert header(tensors).facts["adapter"] == {"type": "lora", "rank": 16}


def test_mixed_precision_lists_its_schemes() -> None:
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
    return {name: Tensor(dtype, shape, 64) for name, (dtype, shape) in shapes.items()}


def test_tensor_names_split_into_module_and_ending() -> None:
    assert split_name("model.layers.0.q_proj.weight.absmax") == ("model.layers.0.q_proj", "weight.absmax")
    assert split_name("m.experts.gate_up_proj_blocks") == ("m.experts.gate_up_proj", "_blocks")
    assert split_name("m.experts.gate_up_proj") == ("m.experts.gate_up_proj", "weight")
    assert split_name("m.q_proj.res_centroids.weight") == ("m.q_proj", "res_centroids.weight")
    assert split_name("sinks") == ("", "sinks")
    fused = tensors_of(
        {"m.experts.down_proj": ("F8_E4M3", (4, 8, 8)), "m.experts.down_proj_scale_inv": ("F32", (4, 1, 1))}
    )
    assert set(group_by_module(fused).modules) == {"m.experts.down_proj"}
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
    layout, configuration, _, _ = LAYOUTS[name]
    assert header(llama(layout), configuration).facts.get("quantization", {}).get("bits") == bits


def test_torchao_states_the_shapes_of_its_tensors() -> None:
    """Layouts tiled for a kernel are padded: the metadata has the last word, unless it claims what no bytes hold."""
    tensors: Shapes = {
        "q.weight": ("BF16", (8,)), "a._weight_qdata": ("I32", (16, 8, 32, 4)),
        "a._weight_scale_and_zero": ("BF16", (32, 120, 2)),
    }  # fmt: skip
    kind = '{"_type": "Int4TilePackedTo4dTensor", "_data": {"block_size": [1, 32], "shape": [120, 1024]}}'
    assert header(tensors, metadata={"a.weight": kind}).parameters == 8 + 120 * 1024
    assert header(tensors, metadata={"a.weight": kind.replace("120", "12000000000")}).parameters is None
    assert header(tensors).parameters == 8 + 16 * 8 * 32 * 4 * 8


def test_a_local_path_is_no_base_model() -> None:
    tensors: Shapes = {"q.lora_A.weight": ("F32", (16, 256)), "q.lora_B.weight": ("F32", (256, 16))}
    made = header(tensors, {"adapter_config": {"base_model_name_or_path": "/models/llama"}})
    assert "base_models" not in made.facts and made.facts["adapter"]["base"] == "/models/llama"

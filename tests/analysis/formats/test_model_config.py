"""Reading the configurations of real models."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.formats.model_config import (
    find_config_files,
    is_tied,
    merge_configs,
    read_adapter,
    read_architecture,
    read_class,
    read_context,
    read_experts,
    read_native_context,
)
from tests.analysis.formats.safetensors_file import artifact

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
    "intermediate_size": 14336, "tie_word_embeddings": False, "rope_scaling": {
        "factor": 8.0, "original_max_position_embeddings": 8192, "rope_type": "llama3",
    },
}  # fmt: skip
LLAMA_70B = {**LLAMA, "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64}
QWEN_7B = {
    "model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
    "vocab_size": 152064, "num_key_value_heads": 4, "max_position_embeddings": 32768, "sliding_window": 131072,
    "use_sliding_window": False,
    "max_window_layers": 28,
}  # fmt: skip
QWEN_30B = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32, "head_dim": 128,
    "num_key_value_heads": 4, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
    "max_position_embeddings": 40960,
}  # fmt: skip
DEEPSEEK = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 256, "num_experts_per_tok": 8,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3, "num_nextn_predict_layers": 1, "max_position_embeddings": 163840,
    "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
}  # fmt: skip
GEMMA_12B = {
    "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": {
        "model_type": "gemma3_text", "hidden_size": 3840, "num_hidden_layers": 48, "num_attention_heads": 16,
        "num_key_value_heads": 8, "head_dim": 256, "sliding_window": 1024, "sliding_window_pattern": 6,
        "max_position_embeddings": 131072, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    }, "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
}  # fmt: skip
GPT_OSS = {
    "model_type": "gpt_oss", "hidden_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64, "head_dim": 64,
    "num_key_value_heads": 8, "num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 12, "max_position_embeddings": 131072,
    "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096},
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "context"),
    [
        (LLAMA, 131_072), (QWEN_7B, 32_768), (DEEPSEEK, 163_840), (GEMMA_12B, 131_072), (GPT_OSS, 131_072),
        ({**QWEN_7B, "rope_scaling": {"type": "yarn", "factor": 4.0}}, 131_072),
        ({"n_positions": 1024, "n_ctx": 1024, "n_layer": 12, "n_embd": 768}, 1024),
        ({"max_position_embeddings": 512, "num_hidden_layers": 12, "hidden_size": 768}, 512),
        ({"seq_length": 131072, "num_layers": 40, "hidden_size": 4096}, 131_072),
        ({"max_seq_len": 8192, "n_layers": 32, "d_model": 4096}, 8192),
        ({"max_target_positions": 448, "max_source_positions": 1500, "d_model": 1280, "decoder_layers": 4}, 448),
        ({"params": {"dim": 5120, "n_layers": 40, "max_seq_len": 131072}}, 131_072),
        ({"max_position_embeddings": 131072, "rope_scaling": {"type": "longrope", "short_factor": [1.0]}}, 131_072),
        ({"max_position_embeddings": 4096, "rope_parameters": {"full_attention": {"rope_type": "default"}}}, 4096),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "yarn", "factor": True}}, 4096),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 8194}, 8192),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34}, 131_072),
        ({"max_position_embeddings": 4096, "max_sequence_length": 16384, "rope_scaling": {"type": "linear"}}, 16_384),
        ({"max_position_embeddings": 16384, "rope_scaling": {"type": "linear", "factor": 4.0}}, 16_384),
        ({"max_position_embeddings": "many"}, None), ({"max_position_embeddings": -1}, None), ({}, None),
    ],
)  # fmt: skip
def test_contexts(config: dict[str, Any], context: int | None) -> None:
    assert read_context(config) == context


@pytest.mark.parametrize(
    ("config", "experts"),
    [
        (QWEN_30B, {"count": 128, "used": 8, "feed_forward": 768}),
        (DEEPSEEK, {"count": 256, "used": 8, "shared": 1, "leading_dense": 3}),
        (GPT_OSS, {"count": 32, "used": 4}),
        ({"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}, {"count": 8, "used": 2}),
        ({"ffn_config": {"moe_num_experts": 16, "moe_top_k": 4}}, {"count": 16, "used": 4}),
        ({"num_experts": 64, "moe_topk": [8, 8], "hidden_size": 8, "num_hidden_layers": 2}, {"count": 64, "used": 8}),
        ({"model_type": "switch_transformers", "num_experts": 128}, {"count": 128, "used": 1}),
        (LLAMA, {}), ({"num_experts": 1}, {}), ({"num_experts": "8"}, {}),
    ],
)  # fmt: skip
def test_experts(config: dict[str, Any], experts: dict[str, int]) -> None:
    assert read_experts(config) == experts


def test_several_files_make_one_configuration() -> None:
    held = {
        "config.json": {"model_type": "llama", "hidden_size": 8},
        "quantize_config.json": {"bits": 4, "group_size": 128, "desc_act": False},
        "adapter_config.json": {"peft_type": "LORA", "r": 8, "base_model_name_or_path": "org/base"},
        "generation_config.json": {"max_length": 4096},
        "broken.json": [1],
    }
    config = merge_configs(held)
    assert config["quantization_config"]["bits"] == 4 and "max_length" not in config
    assert read_adapter(config) == {"type": "lora", "rank": 8, "base": "org/base"}
    own = merge_configs({**held, "config.json": {"quantization_config": {"quant_method": "awq"}}})
    assert own["quantization_config"] == {"quant_method": "awq"}
    assert merge_configs({"config.json": "a text"}) == {}


def test_the_configuration_in_an_artifacts_folder_comes_before_the_repos() -> None:
    paths = {"config.json", "transformer/config.json", "model_index.json", "vae/config.json", "quantize_config.json"}
    part = artifact("transformer/diffusion_pytorch_model.safetensors")
    assert find_config_files(part, paths) == ("transformer/config.json", "quantize_config.json")
    assert find_config_files(artifact("model.safetensors"), paths) == ("config.json", "quantize_config.json")
    assert find_config_files(artifact("consolidated.safetensors"), {"params.json"}) == ("params.json",)
    inner = {
        "transformer/config.json": {"_class_name": "FluxTransformer2DModel"},
        "model_index.json": {"_class_name": "FluxPipeline"},
    }
    assert read_architecture(merge_configs(inner)) == "FluxTransformer2DModel"


@pytest.mark.parametrize(
    ("config", "native"),
    [
        (LLAMA, 8192), (DEEPSEEK, 4096), (QWEN_7B, None),
        ({"max_position_embeddings": 4096, "max_sequence_length": 16384, "rope_scaling": {"type": "linear"}}, 4096),
        ({"max_position_embeddings": 4096, "max_sequence_length": 16384}, None),
    ],
)  # fmt: skip
def test_native_contexts(config: dict[str, Any], native: int | None) -> None:
    assert read_native_context(config) == native


def test_tied_embeddings_are_read_from_the_language_model() -> None:
    assert not is_tied(LLAMA) and not is_tied({})
    assert is_tied({"tie_word_embeddings": True})
    assert is_tied({"model_type": "gemma2"}) and not is_tied({"model_type": "gemma2", "tie_word_embeddings": False})
    assert is_tied({"tie_word_embeddings": False, "text_config": {**LLAMA, "tie_word_embeddings": True}})


def test_untrusted_texts_are_cleaned() -> None:
    assert read_architecture({"model_type": "evil\x1b[31m\nmodel" + "x" * 500}) == f"evil [31m model{'x' * 49}"
    assert read_architecture({"model_type": 7}) is None and read_class({"architectures": [{}]}) is None

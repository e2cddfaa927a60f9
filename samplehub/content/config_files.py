"""What a model's own files say of its geometry: config.json, and the key-values of a GGUF header."""

from __future__ import annotations

from typing import Any

from samplehub.content.geometry import Geometry, Vision
from samplehub.content.gguf import Value
from samplehub.content.repo import Json

TORCH = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}

EXPERT_KEYS: dict[str, tuple[str, str, str]] = {
    # model_type: number of experts, how many are used, width of one
    "mixtral": ("num_local_experts", "num_experts_per_tok", "intermediate_size"),
    "phimoe": ("num_local_experts", "num_experts_per_tok", "intermediate_size"),
    "gpt_oss": ("num_local_experts", "num_experts_per_tok", "intermediate_size"),
    "minimax_m2": ("num_local_experts", "num_experts_per_tok", "intermediate_size"),
    "llama4": ("num_local_experts", "num_experts_per_tok", "intermediate_size"),
    "granitemoe": ("num_local_experts", "num_experts_per_tok", "intermediate_size"),
    "deepseek_v2": ("n_routed_experts", "num_experts_per_tok", "moe_intermediate_size"),
    "deepseek_v3": ("n_routed_experts", "num_experts_per_tok", "moe_intermediate_size"),
    "deepseek_v32": ("n_routed_experts", "num_experts_per_tok", "moe_intermediate_size"),
    "kimi_k2": ("n_routed_experts", "num_experts_per_tok", "moe_intermediate_size"),
    "glm4_moe": ("n_routed_experts", "num_experts_per_tok", "moe_intermediate_size"),
}
QWEN_KEYS = ("num_experts", "num_experts_per_tok", "moe_intermediate_size")
NESTED = frozenset({"gemma3", "gemma3n", "gemma4", "mistral3", "llama4", "qwen3_vl", "qwen2_5_vl", "mllama"})


def config_json(g: Geometry, quantization: Json | None = None) -> Json:
    """config.json as transformers writes it; the text model's part stands by itself where there is a vision tower."""
    config: Json = {"architectures": [g.architecture], "model_type": g.type}
    text = text_config(g)
    if g.vision is not None and g.type in NESTED:
        config |= {"text_config": {"model_type": f"{g.type}_text", **text}, "vision_config": vision_config(g.vision)}
    else:
        config |= text
    config |= {"torch_dtype": TORCH.get(g.dtype, "bfloat16"), "transformers_version": "4.56.0"}
    if quantization is not None:
        config["quantization_config"] = quantization
    return config


def text_config(g: Geometry) -> Json:
    if g.plan not in ("decoder", "encoder"):
        return dict(g.extra)
    config: Json = {
        "hidden_size": g.hidden,
        "intermediate_size": g.ffn,
        "max_position_embeddings": g.context,
        "num_attention_heads": g.heads,
        "num_hidden_layers": g.layers,
        "vocab_size": g.vocab,
    }
    if g.plan == "decoder":
        config |= {
            "num_key_value_heads": g.kv_heads,
            "head_dim": g.head_dim,
            "tie_word_embeddings": g.tied,
            "rope_theta": g.rope_theta,
            "rms_norm_eps": 1e-06,
        }
    if g.sliding_window:
        config["sliding_window"] = g.sliding_window
    if g.sliding_pattern:
        config["sliding_window_pattern"] = g.sliding_pattern
    if g.experts:
        count, used, width = EXPERT_KEYS.get(g.type, QWEN_KEYS)
        config |= {count: g.experts, used: g.experts_used, width: g.expert_ffn}
        if g.dense_layers or g.type.startswith(("deepseek", "kimi")):
            config["first_k_dense_replace"] = g.dense_layers
        if g.shared_ffn:
            shared = "shared_expert_intermediate_size" if g.shared_gate else "n_shared_experts"
            config[shared] = g.shared_ffn if g.shared_gate else max(1, g.shared_ffn // g.expert_ffn)
    if g.kv_lora:
        config |= {
            "kv_lora_rank": g.kv_lora,
            "q_lora_rank": g.q_lora or None,
            "qk_nope_head_dim": g.nope_dim,
            "qk_rope_head_dim": g.rope_dim,
            "v_head_dim": g.v_dim,
        }
    if g.mtp:
        config["num_nextn_predict_layers"] = g.mtp
    return config | dict(g.extra)


def vision_config(v: Vision) -> Json:
    return {
        "hidden_size": v.hidden,
        "image_size": v.image,
        "intermediate_size": v.ffn,
        "model_type": v.type,
        "num_hidden_layers": v.layers,
        "patch_size": v.patch,
    }


def gguf_keys(g: Geometry) -> dict[str, Value]:
    """The `{architecture}.*` key-values, all of which precede the tokenizer."""
    a = g.gguf
    keys: dict[str, Value] = {
        f"{a}.block_count": g.layers,
        f"{a}.context_length": g.context,
        f"{a}.embedding_length": g.hidden,
        f"{a}.feed_forward_length": g.ffn or g.expert_ffn,
        f"{a}.attention.head_count": g.heads,
    }
    if g.plan == "encoder":
        return keys | {f"{a}.attention.layer_norm_epsilon": 1e-12, f"{a}.attention.causal": False}
    if g.plan != "decoder":
        return keys if g.layers else {}
    keys[f"{a}.attention.head_count_kv"] = 1 if g.kv_lora else g.kv_heads
    keys[f"{a}.attention.layer_norm_rms_epsilon"] = 1e-06
    keys[f"{a}.rope.freq_base"] = float(g.rope_theta)
    if g.kv_lora:
        keys |= {
            f"{a}.attention.kv_lora_rank": g.kv_lora,
            f"{a}.attention.key_length": g.kv_lora + g.rope_dim,
            f"{a}.attention.value_length": g.kv_lora,
            f"{a}.attention.key_length_mla": g.nope_dim + g.rope_dim,
            f"{a}.attention.value_length_mla": g.v_dim,
            f"{a}.rope.dimension_count": g.rope_dim,
        }
        if g.q_lora:
            keys[f"{a}.attention.q_lora_rank"] = g.q_lora
    else:
        keys |= {f"{a}.attention.key_length": g.head_dim, f"{a}.attention.value_length": g.head_dim}
    if g.sliding_window:
        keys[f"{a}.attention.sliding_window"] = g.sliding_window
    if g.experts:
        keys |= {
            f"{a}.expert_count": g.experts,
            f"{a}.expert_used_count": g.experts_used,
            f"{a}.expert_feed_forward_length": g.expert_ffn,
        }
        if g.shared_ffn:
            keys[f"{a}.expert_shared_count"] = max(1, g.shared_ffn // g.expert_ffn)
        if g.dense_layers:
            keys[f"{a}.leading_dense_block_count"] = g.dense_layers
    keys[f"{a}.vocab_size"] = g.vocab
    return keys


def clip_keys(v: Vision, projection: int) -> dict[str, Value]:
    """The key-values of an mmproj file."""
    return {
        "clip.has_vision_encoder": True,
        "clip.projector_type": "gemma3" if projection else "mlp",
        "clip.vision.image_size": v.image,
        "clip.vision.patch_size": v.patch,
        "clip.vision.embedding_length": v.hidden,
        "clip.vision.feed_forward_length": v.ffn,
        "clip.vision.block_count": v.layers,
        "clip.vision.projection_dim": projection,
    }


def quantize_config(quantization: dict[str, Any]) -> Json:
    """quantize_config.json, the older place of a GPTQ's or AWQ's settings."""
    return {key: value for key, value in quantization.items() if key != "quant_method"} | {"model_name_or_path": None}

"""What a repo's JSON files say of its model: architecture, context, attention geometry, experts.

One reader for the many names of one thing: `n_layer`, `num_layers` and `num_hidden_layers` are all layers. Models of
several parts keep the language model's figures one level deeper (`text_config`). The files are untrusted: values of
another type and implausible numbers count as absent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from analysis.formats.facts import MAX_COUNT, MAX_COUNTS, clean_text, drop_missing
from analysis.untrusted import MAX_CONTEXT, check_count
from db.record_base import Json
from db.records import ArtifactRecord

# ---- The files, and all of them as one configuration ----------------------------------------------------------------

CONFIG = "config.json"
CONFIG_KEY_BY_FILE: Mapping[str, str] = {
    "quantize_config.json": "quantization_config",  # GPTQ, and HQQ
    "quant_config.json": "quantization_config",  # AWQ
    "hf_quant_config.json": "quantization_config",  # ModelOpt
    "quantization_config.json": "quantization_config",  # auto-round, ExLlamaV3
    "quanto_qmap.json": "quanto_qmap",
    "adapter_config.json": "adapter_config",
    "model_index.json": "model_index",
    "params.json": "params",  # Mistral's and Meta's own releases
}
"""Files beside config.json that are read -> the key under which `merge_configs` puts their content."""
ONLY_WITHOUT_CONFIG = frozenset({"model_index.json", "params.json"})
"""Of these, those that are read only if there is no config.json."""


def find_config_files(artifact: ArtifactRecord, paths: Collection[str]) -> tuple[str, ...]:
    """The JSON files of the repo that describe an artifact: those in its own folder, then those above it."""
    folder = artifact.paths[0].rpartition("/")[0] if artifact.paths else ""
    found, seen = [], set()
    while True:
        lead = f"{folder}/" if folder else ""
        for name in (CONFIG, *CONFIG_KEY_BY_FILE):
            if lead + name in paths and name not in seen and not (name in ONLY_WITHOUT_CONFIG and CONFIG in seen):
                seen.add(name)
                found.append(lead + name)
        if not folder:
            return tuple(found)
        folder = folder.rpartition("/")[0]


def merge_configs(files: Mapping[str, Any]) -> dict[str, Any]:
    """One configuration from the parsed JSON of several files, by path: config.json's keys, and what the others add."""
    config: dict[str, Any] = {}
    for path, value in files.items():
        if path.rpartition("/")[2] == CONFIG and isinstance(value, Mapping):
            config = {**value, **config}
    for path, value in files.items():
        key = CONFIG_KEY_BY_FILE.get(path.rpartition("/")[2])
        if key and isinstance(value, Mapping) and value and not config.get(key):
            config[key] = dict(value)
    return config


# ---- One name for each value ---------------------------------------------------------------------------------------

_NAMES: Mapping[str, tuple[str, ...]] = {
    "layers": (
        "num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers", "num_decoder_layers", "num_block",
        "n_text_layer",
    ),
    "embedding": ("hidden_size", "n_embd", "d_model", "dim", "model_dim", "n_embed", "n_text_state"),
    "heads": ("num_attention_heads", "n_head", "num_heads", "n_heads", "decoder_attention_heads", "num_query_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "n_head_kv", "kv_n_heads"),
    "key_length": ("head_dim", "kv_channels", "attention_head_dim", "d_kv"),
    "value_length": ("v_head_dim",),
    "vocabulary": ("vocab_size", "padded_vocab_size", "n_vocab"),
    "feed_forward": ("intermediate_size", "n_inner", "ffn_hidden_size", "d_ff", "ffn_dim", "hidden_dim"),
    "kv_lora_rank": ("kv_lora_rank",),
    "q_lora_rank": ("q_lora_rank",),
    "rope_dim": ("qk_rope_head_dim",),
    "shared_kv_layers": ("num_kv_shared_layers",),
    "full_attention_interval": ("full_attention_interval",),
    "ssm_state_size": ("mamba_d_state", "ssm_state_size", "state_size", "linear_key_head_dim"),
    "ssm_conv_kernel": ("mamba_d_conv", "conv_kernel", "conv_kernel_size", "linear_conv_kernel_dim"),
    "ssm_group_count": ("mamba_n_groups", "n_groups", "linear_num_key_heads"),
}  # fmt: skip
_CONTEXT = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "seq_length", "max_seq_len",
    "max_seq_length", "model_max_length", "max_target_positions", "seq_len", "max_context_length", "max_len",
    "n_text_ctx", "max_decoder_position_embeddings", "max_position_embedding",
)  # fmt: skip
_EXPERTS: Mapping[str, tuple[str, ...]] = {
    "count": (
        "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts",
        "num_moe_experts", "n_experts", "num_total_experts",
    ),
    "used": (
        "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "top_k_experts", "moe_k",
        "num_selects", "num_selected_experts", "experts_per_token", "router_topk", "n_activated_experts", "top_k",
        "num_experts_per_topk",
    ),
    "shared": ("n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts"),
    "leading_dense": ("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index"),
    "feed_forward": ("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size", "expert_dim"),
}  # fmt: skip
_LANGUAGE_CONFIG_KEYS = (
    "text_config",
    "llm_config",
    "language_config",
    "text_model",
    "decoder",
    "thinker_config",
    "model_config",
    "params",
)
_MAX_LAYERS = 2000


def parse_count(value: Any, most: int = 2**40) -> int | None:
    """A count from 1 to `most`, else None. A list of counts gives the largest: `moe_topk` of some models is a list."""
    if isinstance(value, list) and value:
        counts = [parse_count(item, most) for item in value[:_MAX_LAYERS]]
        return max((count for count in counts if count), default=None)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not 1 <= value <= most:
        return None
    return int(value)


def first_count(config: Mapping[str, Any], names: Iterable[str], most: int = 2**40) -> int | None:
    """The count under the first of several names that has one."""
    return next((count for name in names if (count := parse_count(config.get(name), most)) is not None), None)


def language_config(config: Json) -> Mapping[str, Any]:
    """The part of a configuration that describes the language model: the whole, or an object within it."""
    inner: Mapping[str, Any] = config
    for _ in range(3):
        if first_count(inner, _NAMES["layers"], 10_000) and first_count(inner, _NAMES["embedding"]):
            return inner
        deeper = next((inner[key] for key in _LANGUAGE_CONFIG_KEYS if isinstance(inner.get(key), Mapping)), None)
        if deeper is None:
            return inner if inner is not config and inner else config
        inner = deeper
    return inner


def read_architecture(config: Json) -> str | None:
    """The architecture as transformers names it (`qwen3_moe`), else the name of a class."""
    for key in ("model_type", "_class_name"):
        if isinstance(config.get(key), str) and config[key]:
            return clean_text(config[key], 64)
    classes = config.get("architectures")
    if isinstance(classes, list) and classes and isinstance(classes[0], str):
        return clean_text(classes[0], 64)
    return None


def read_class(config: Json) -> str | None:
    """The name of the model's class (`Qwen3MoeForCausalLM`)."""
    classes = config.get("architectures")
    named = classes[0] if isinstance(classes, list) and classes else config.get("_class_name")
    return clean_text(named, 100) if isinstance(named, str) else None


# ---- Context --------------------------------------------------------------------------------------------------------


def read_context(config: Json) -> int | None:
    """The context length in tokens.

    The stated position embeddings, multiplied where the rotary scaling is YaRN, by its factor times its original length
    (as vLLM's `_get_and_verify_max_len` does). The other kinds (llama3, longrope, dynamic, linear) change nothing:
    their configurations state the extended length already.
    """
    inner = language_config(config)
    stated = first_count(inner, _CONTEXT, MAX_CONTEXT) or first_count(config, _CONTEXT, MAX_CONTEXT)
    scaling = _rope_scaling(inner)
    if scaling.get("rope_type", scaling.get("type")) != "yarn":
        return stated
    factor = scaling.get("factor")
    original = parse_count(scaling.get("original_max_position_embeddings"), MAX_CONTEXT) or stated
    if original is None or isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= 10_000:
        return stated
    return check_count(max(round(original * factor), stated or 0), MAX_CONTEXT)


def read_native_context(config: Json) -> int | None:
    """The context length in tokens before rotary scaling, where the configuration states it."""
    inner = language_config(config)
    for holder in (_rope_scaling(inner), inner, config):  # Phi-3 has the key outside `rope_scaling`
        found = parse_count(holder.get("original_max_position_embeddings"), MAX_CONTEXT)
        if found:
            return found
    return None


def _rope_scaling(config: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("rope_scaling", "rope_parameters"):
        found = config.get(key)
        if isinstance(found, Mapping):
            full = found.get("full_attention")  # transformers 5: one object a kind of layer
            return full if isinstance(full, Mapping) else found
    return {}


# ---- Geometry -------------------------------------------------------------------------------------------------------


def read_config_geometry(config: Json) -> dict[str, Any]:
    """Attention geometry under the names that analysis/fit/memory.py reads."""
    inner = language_config(config)
    nested = inner.get("attn_config")  # MPT, DBRX
    wide = {**nested, **inner} if isinstance(nested, Mapping) else inner
    found: dict[str, Any] = {
        name: first_count(wide, keys, MAX_COUNTS.get(name, MAX_COUNT)) for name, keys in _NAMES.items()
    }
    if not found["layers"]:
        return {}
    found["context"] = read_context(config)
    found["original_context"] = read_native_context(config)
    _read_heads(inner, found)
    _read_layer_kinds(inner, found)
    _read_state_space(inner, found)
    window = parse_count(inner.get("sliding_window"), 10**8) or parse_count(inner.get("attention_chunk_size"), 10**8)
    if inner.get("use_sliding_window") is not False:
        found["sliding_window"] = window
    if not found.get("sliding_window"):
        found.pop("sliding_window_pattern", None)
    return drop_missing(found)


def _read_heads(inner: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Heads and their lengths, where several keys determine them."""
    groups = parse_count(inner.get("multi_query_group_num"), 65_536)
    if inner.get("multi_query_attention") is True and groups:  # ChatGLM
        found["kv_heads"] = groups
    elif (
        inner.get("multi_query") is True and inner.get("new_decoder_architecture") is not True and not found["kv_heads"]
    ):
        found["kv_heads"] = 1  # Falcon 7B, StarCoder
    per_layer = _parse_counts(inner.get("num_key_value_heads_per_layer") or inner.get("num_kv_heads"))
    if per_layer:
        found["kv_heads"] = per_layer
    blocks = inner.get("block_configs")
    if isinstance(blocks, list) and found["heads"]:  # Nemotron NAS: query heads a group, or no attention
        attention = [block.get("attention") if isinstance(block, Mapping) else None for block in blocks[:_MAX_LAYERS]]
        sizes = [
            parse_count(one.get("n_heads_in_group"), 65_536) if isinstance(one, Mapping) else None for one in attention
        ]
        found["kv_heads"] = [found["heads"] // size if size else 0 for size in sizes]
    if found["kv_lora_rank"]:
        rope, plain = found["rope_dim"] or 0, parse_count(inner.get("qk_nope_head_dim"), 65_536) or 0
        found["key_length"] = rope + plain or found["key_length"]
        found["kv_heads"] = 1  # one latent vector stands for all heads, as newer GGUF files say too
    elif found["value_length"] is None:
        found["value_length"] = found["key_length"]
    wide = parse_count(inner.get("global_head_dim"), 65_536)
    if wide and found["key_length"]:  # Gemma 4: heads of the layers with full attention are longer
        found["key_length_swa"] = found["value_length_swa"] = found["key_length"]
        found["key_length"] = found["value_length"] = wide


def _read_layer_kinds(inner: Mapping[str, Any], found: dict[str, Any]) -> None:
    """The kind of each layer: attention over all tokens, over a window, or a state of fixed size."""
    kinds = inner.get("layer_types") or inner.get("layers_block_type") or inner.get("block_types")
    pattern = inner.get("hybrid_override_pattern")
    if isinstance(pattern, str) and 0 < len(pattern) <= _MAX_LAYERS:  # Nemotron-H: M mamba, * attention, - dense
        kinds = [{"M": "mamba", "*": "attention"}.get(letter, "dense") for letter in pattern]
    if isinstance(kinds, list) and kinds and all(isinstance(kind, str) for kind in kinds[:_MAX_LAYERS]):
        kinds = kinds[: found["layers"]] if len(kinds) >= found["layers"] else kinds
        if any(kind in _LOCAL_KINDS for kind in kinds):
            found["sliding_window_pattern"] = [kind in _LOCAL_KINDS for kind in kinds]
        if any(kind in _RECURRENT_KINDS for kind in kinds):
            found["recurrent_layers"] = [kind in _RECURRENT_KINDS for kind in kinds]
            found["full_attention_interval"] = None
        if "dense" in kinds and isinstance(found["kv_heads"], int):
            found["kv_heads"] = [found["kv_heads"] if kind == "attention" else 0 for kind in kinds]
        return
    every = parse_count(inner.get("sliding_window_pattern"), 1000) or parse_count(
        inner.get("_sliding_window_pattern"), 1000
    )
    if every:
        found["sliding_window_pattern"] = every
    period, offset = parse_count(inner.get("attn_layer_period"), 1000), inner.get("attn_layer_offset")
    if period and isinstance(offset, int):  # Jamba
        found["recurrent_layers"] = [at % period != offset for at in range(min(found["layers"], _MAX_LAYERS))]
    indices = inner.get("attn_layer_indices")
    if isinstance(indices, list) and indices:  # Bamba
        attends = {at for at in indices[:_MAX_LAYERS] if isinstance(at, int)}
        found["recurrent_layers"] = [at not in attends for at in range(min(found["layers"], _MAX_LAYERS))]


_LOCAL_KINDS = frozenset({"sliding_attention", "chunked_attention", "local_attention", "sliding", "local"})
_RECURRENT_KINDS = frozenset({"linear_attention", "mamba", "mamba2", "recurrent", "conv", "hybrid_mamba", "rwkv"})


def _read_state_space(inner: Mapping[str, Any], found: dict[str, Any]) -> None:
    """The inner size of a state space: heads x their length, else a multiple of the embedding."""
    if not found["ssm_state_size"]:
        for name in ("ssm_conv_kernel", "ssm_group_count"):
            found[name] = None
        return
    for heads, length in _STATE_SPACE_HEADS:
        many, long = parse_count(inner.get(heads), 10**5), parse_count(inner.get(length), 10**5)
        if many and long:
            found["ssm_inner_size"] = many * long
            return
    expand = parse_count(inner.get("mamba_expand") or inner.get("expand"), 64)
    inner_size = parse_count(inner.get("mamba_d_inner") or inner.get("d_inner"), 10**7)
    found["ssm_inner_size"] = inner_size or (expand * found["embedding"] if expand and found["embedding"] else None)


_STATE_SPACE_HEADS = (
    ("mamba_num_heads", "mamba_head_dim"), ("mamba_n_heads", "mamba_d_head"),
    ("linear_num_value_heads", "linear_value_head_dim"),
)  # fmt: skip
"""Keys of the count and the length of a state space's heads."""


def _parse_counts(value: Any) -> list[int] | None:
    if isinstance(value, list) and value and all(isinstance(item, int) and 0 <= item <= 65_536 for item in value):
        return value[:_MAX_LAYERS]
    return None


# ---- Experts, ties, adapters ----------------------------------------------------------------------------------------


def read_experts(config: Json) -> dict[str, int]:
    """How many experts a layer has and how many a token is sent to; empty for models without."""
    inner = language_config(config)
    nested = inner.get("ffn_config")  # DBRX
    wide = {**nested, **inner} if isinstance(nested, Mapping) else inner
    found = {name: first_count(wide, keys, 100_000) for name, keys in _EXPERTS.items()}
    if not found["count"] or found["count"] < 2:
        return {}
    if not found["used"] and wide.get("model_type") == "switch_transformers":
        found["used"] = 1
    return drop_missing(found)


def is_tied(config: Json) -> bool:
    """Whether the output layer is the embeddings, as the configuration says."""
    return language_config(config).get("tie_word_embeddings", config.get("tie_word_embeddings")) is True


def read_adapter(config: Json) -> dict[str, Any]:
    """Kind, rank and scale of an adapter, and what it adapts."""
    stated = config.get("adapter_config") or config.get("_adapter_config")
    if not isinstance(stated, Mapping):
        stated = config if "peft_type" in config else {}
    kind, base = stated.get("peft_type"), stated.get("base_model_name_or_path")
    alpha = stated.get("lora_alpha")
    return drop_missing({
        "type": clean_text(kind, 32).lower() if isinstance(kind, str) and clean_text(kind, 32) else None,  # type: ignore[union-attr]
        "rank": parse_count(stated.get("r"), 10**6),
        "alpha": alpha if isinstance(alpha, int | float) and not isinstance(alpha, bool) else None,
        "base": clean_text(base, 200) if isinstance(base, str) else None,
    })  # fmt: skip

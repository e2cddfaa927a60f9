"""What a repo's JSON files say of its model: architecture, context, attention geometry, experts.

One reader for the many names of one thing: `n_layer`, `num_layers` and `num_hidden_layers` are all layers. Models of
several parts keep the language model's figures one level deeper (`text_config`). The files are untrusted: values of
another type and implausible numbers count as absent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from analysis.formats.architectures import find_architecture
from analysis.formats.facts import clean_text, drop_missing
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

LAYERS = (
    "num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers", "num_decoder_layers", "num_block",
    "n_text_layer", "num_transformer_layers",
)  # fmt: skip
EMBEDDING = ("hidden_size", "n_embd", "d_model", "dim", "model_dim", "n_embed", "n_text_state")
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


def parse_counts(value: Any) -> list[int] | None:
    """A list of counts, one a layer; None for anything else."""
    if isinstance(value, list) and value and all(type(item) is int and 0 <= item <= 65_536 for item in value):
        return value[:_MAX_LAYERS]
    return None


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
        if first_count(inner, LAYERS, 10_000) and first_count(inner, EMBEDDING):
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
    """The context length in tokens that the configuration states, scaling of the rotary positions included.

    The stated positions, or those of the model's class; without the first ones where a model does not use them
    (RoBERTa). YaRN: its factor times its original length (as vLLM's `_get_and_verify_max_len` does). Linear and dynamic
    scaling: the longest of all stated lengths, for one key may be scaled and another one not (Vicuna 16k), or one alone
    be scaled already (DeepSeek Coder). llama3 and longrope state the extended length.
    """
    inner = language_config(config)
    architecture = find_architecture(config, inner)
    lengths = _stated_lengths(inner) or _stated_lengths(config)
    stated = next(iter(lengths), None) or (architecture.defaults.get("context") if architecture else None)
    if stated and architecture and architecture.offset_positions:
        padding = inner.get("pad_token_id", 1)
        return stated - 1 - padding if type(padding) is int and 0 <= padding < stated - 1 else stated
    scaling = _rope_scaling(inner)
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind in ("linear", "dynamic"):
        return max(lengths, default=stated)
    if kind != "yarn":
        return stated
    factor = scaling.get("factor")
    original = parse_count(scaling.get("original_max_position_embeddings"), MAX_CONTEXT) or stated
    if original is None or isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= 10_000:
        return stated
    return check_count(max(round(original * factor), stated or 0), MAX_CONTEXT)


def _stated_lengths(config: Mapping[str, Any]) -> list[int]:
    """All lengths that a configuration states, in the order of `_CONTEXT`."""
    found = (parse_count(config.get(name), MAX_CONTEXT) for name in _CONTEXT)
    return [length for length in found if length]


def read_native_context(config: Json) -> int | None:
    """The context length in tokens before rotary scaling, where the configuration states it."""
    inner = language_config(config)
    scaling = _rope_scaling(inner)
    for holder in (scaling, inner, config):  # Phi-3 has the key outside `rope_scaling`
        found = parse_count(holder.get("original_max_position_embeddings"), MAX_CONTEXT)
        if found:
            return found
    lengths = _stated_lengths(inner)
    scaled = scaling.get("rope_type", scaling.get("type")) == "linear" and len(set(lengths)) > 1
    return min(lengths) if scaled else None


def _rope_scaling(config: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("rope_scaling", "rope_parameters"):
        found = config.get(key)
        if isinstance(found, Mapping):
            full = found.get("full_attention")  # transformers 5: one object a kind of layer
            return full if isinstance(full, Mapping) else found
    return {}


# ---- Experts, ties, adapters ----------------------------------------------------------------------------------------


def read_experts(config: Json) -> dict[str, int]:
    """How many experts a layer has and how many a token is sent to; empty for models without."""
    inner = language_config(config)
    nested = inner.get("ffn_config")  # DBRX
    wide = {**nested, **inner} if isinstance(nested, Mapping) else inner
    found = {name: first_count(wide, keys, 100_000) for name, keys in _EXPERTS.items()}
    if not found["count"] or found["count"] < 2:
        return {}
    found["used"] = found["used"] or default_experts(config)[1]
    return drop_missing(found)


def default_experts(config: Json) -> tuple[int | None, int | None]:
    """Experts of a layer, and those that a token is sent to, by the model's class."""
    architecture = find_architecture(config, language_config(config))
    defaults = architecture.defaults if architecture else {}
    return defaults.get("experts"), defaults.get("experts_used")


def is_tied(config: Json) -> bool:
    """Whether the output layer is the embeddings, as the configuration says, else the model's class."""
    inner = language_config(config)
    stated = inner.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    architecture = find_architecture(config, inner)
    return stated is True or (stated is None and architecture is not None and architecture.tied is True)


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

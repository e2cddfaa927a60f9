"""The attention geometry of a config.json: sizes, heads and states, under the names that analysis/fit reads.

What a configuration leaves out is what transformers' class says (`architectures.toml`). Which layers keep what is read
by `config_layers`; where it can't be told, `unknown_layers` says why, and no cache is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.fit.layers import MAX_HEAD_LENGTH, MAX_LAYERS, UnknownGeometry
from analysis.formats.architectures import Architecture, find_architecture
from analysis.formats.config_layers import mark_shared_layers, read_layer_kinds
from analysis.formats.facts import MAX_COUNT, MAX_COUNTS, drop_missing
from analysis.formats.model_config import (
    EMBEDDING,
    LAYERS,
    first_count,
    language_config,
    parse_count,
    parse_counts,
    read_architecture,
    read_context,
    read_native_context,
)
from db.record_base import Json

UNKNOWN = Architecture(name="", defaults={})

NAMES: Mapping[str, tuple[str, ...]] = {
    "layers": LAYERS,
    "embedding": EMBEDDING,
    "heads": (
        "num_attention_heads", "n_head", "num_heads", "n_heads", "decoder_attention_heads", "num_query_heads",
        "attention_heads", "decoder_num_attention_heads",
    ),
    "kv_heads": (
        "num_key_value_heads", "num_kv_heads", "n_kv_heads", "n_head_kv", "kv_n_heads", "num_attention_groups",
        "decoder_num_key_value_heads",
    ),
    "key_length": ("head_dim", "kv_channels", "attention_head_dim", "d_kv", "hidden_size_per_head"),
    "value_length": ("v_head_dim",),
    "vocabulary": ("vocab_size", "padded_vocab_size", "n_vocab"),
    "feed_forward": ("intermediate_size", "n_inner", "ffn_hidden_size", "d_ff", "ffn_dim", "hidden_dim"),
    "kv_lora_rank": ("kv_lora_rank",),
    "q_lora_rank": ("q_lora_rank",),
    "rope_dim": ("qk_rope_head_dim",),
    "nope_dim": ("qk_nope_head_dim",),
    "sliding_window": ("sliding_window", "attention_chunk_size", "attention_window_size", "sliding_window_size"),
    "shared_kv_layers": ("num_kv_shared_layers",),
    "indexer_key_length": ("index_head_dim", "indexer_head_dim"),
    "short_conv_length": ("conv_L_cache",),
    "ssm_state_size": ("mamba_d_state", "ssm_state_size", "state_size", "linear_key_head_dim"),
    "ssm_conv_kernel": ("mamba_d_conv", "conv_kernel", "conv_kernel_size", "linear_conv_kernel_dim", "conv1d_width"),
    "ssm_group_count": ("mamba_n_groups", "mamba_ngroups", "n_groups", "linear_num_key_heads"),
}  # fmt: skip
"""Names that analysis/fit reads -> keys that hold them."""

DECODER_LAYERS = ("decoder_layers", "num_decoder_layers", "decoder_num_hidden_layers", *NAMES["layers"])
"""Of models with an encoder, whose `num_hidden_layers` may count the encoder's."""

STATE_SPACE_HEADS = (
    ("mamba_num_heads", "mamba_head_dim"), ("mamba_num_heads", "hidden_size_per_head"),
    ("mamba_n_heads", "mamba_d_head"), ("linear_num_value_heads", "linear_value_head_dim"),
)  # fmt: skip
"""Keys of the count and the length of a state space's heads."""

RWKV = frozenset({"rwkv5", "rwkv6", "rwkv7"})
RWKV_HEAD_SIZE = 64
"""Versions of RWKV whose state is a matrix a head, and the head's length where it is not stated (rwkv's own code)."""

MLLAMA_IMAGE = {"image_size": 448, "patch_size": 14, "max_num_tiles": 4}
"""Defaults of transformers' MllamaVisionConfig."""


def read_config_geometry(config: Json) -> dict[str, Any]:
    """Attention geometry under the names that analysis/fit reads; empty where the layers are not stated."""
    inner = language_config(config)
    architecture = find_architecture(config, inner) or UNKNOWN
    nested = inner.get("attn_config")  # MPT, DBRX
    found = read_sizes({**nested, **inner} if isinstance(nested, Mapping) else inner, architecture)
    if not found["layers"]:
        return {}
    found["layers"] = min(found["layers"], MAX_LAYERS)
    found["context"] = read_context(config)
    found["original_context"] = read_native_context(config)
    read_heads(inner, found, architecture)
    read_state(inner, found, architecture)
    try:
        if architecture is UNKNOWN:
            named = read_architecture(config)
            what = f"the architecture {named!r}" if named else "an architecture that the configuration does not name"
            raise UnknownGeometry(f"what the layers of {what} keep is not known")
        kinds = read_layer_kinds(inner, found, architecture)
        found["layers"] = len(kinds)
        found["layer_kinds"] = mark_shared_layers(kinds, inner, found)
        found["latent"] = found.get("latent") or bool({"C", "H"} & set(kinds)) or None  # DeepSeek-V4 keeps keys alone
        read_local_heads(inner, found)
        read_images(config, inner, found, architecture)
    except UnknownGeometry as unknown:
        found["unknown_layers"] = unknown.reason
    if not found.get("sliding_window") or not {"W", "V", "C", "H"} & set(found.get("layer_kinds", "")):
        found.pop("sliding_window", None)
    return drop_missing(found)


def read_sizes(inner: Mapping[str, Any], architecture: Architecture) -> dict[str, Any]:
    """Every size that a key states; the class's own where no key of it is there."""
    found: dict[str, Any] = {}
    for name, keys in NAMES.items():
        listed = DECODER_LAYERS if name == "layers" and architecture.seq2seq else keys
        found[name] = first_count(inner, listed, MAX_COUNTS.get(name, MAX_COUNT))
        if found[name] is None and not any(key in inner for key in listed):
            found[name] = architecture.defaults.get(name)
    return found


# ---- Heads ----------------------------------------------------------------------------------------------------------


def read_heads(inner: Mapping[str, Any], found: dict[str, Any], architecture: Architecture) -> None:
    """Heads and their lengths, where several keys determine them."""
    groups = parse_count(inner.get("multi_query_group_num"), MAX_HEAD_LENGTH)
    if inner.get("multi_query_attention") is True and groups:  # ChatGLM
        found["kv_heads"] = groups
    elif architecture.multi_query or "multi_query" in inner:
        read_multi_query(inner, found)
    listed = parse_counts(inner.get("num_key_value_heads_per_layer") or inner.get("num_kv_heads"))
    if listed:
        found["kv_heads"] = listed
    read_block_heads(inner, found)
    if found["kv_lora_rank"]:
        read_latent(found, architecture)
    elif found["value_length"] is None:
        found["value_length"] = found["key_length"]


def read_multi_query(inner: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Falcon and StarCoder: one KV head, whatever `num_kv_heads` says, but in Falcon's new decoder architecture.

    transformers, models/falcon/modeling_falcon.py, FalconAttention.
    """
    if inner.get("new_decoder_architecture") is True or parse_count(inner.get("n_head_kv"), MAX_HEAD_LENGTH):
        return
    found["kv_heads"] = 1 if inner.get("multi_query", True) is not False else found["heads"]


def read_block_heads(inner: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Nemotron NAS: query heads a group in each block, or no attention."""
    blocks = inner.get("block_configs")
    if not isinstance(blocks, list) or not found["heads"]:
        return
    attention = [block.get("attention") if isinstance(block, Mapping) else None for block in blocks[:MAX_LAYERS]]
    sizes = [parse_count(one.get("n_heads_in_group")) if isinstance(one, Mapping) else None for one in attention]
    found["kv_heads"] = [found["heads"] // size if size else 0 for size in sizes]


def read_latent(found: dict[str, Any], architecture: Architecture) -> None:
    """Multi-head latent attention: one vector for all heads, as llama.cpp, vLLM and SGLang keep it; or whole heads."""
    rope, plain = found["rope_dim"] or 0, found["nope_dim"] or 0
    if architecture.whole_heads:
        found["key_length"] = rope + plain or found["key_length"]
        found["kv_heads"] = found["heads"]
    else:
        found["key_length"], found["value_length"] = found["kv_lora_rank"] + rope, found["kv_lora_rank"]
        found["kv_heads"], found["latent"] = 1, True


def read_local_heads(inner: Mapping[str, Any], found: dict[str, Any]) -> None:
    """Heads of the layers with a window where they differ from those of the others."""
    other = inner.get("attention_other_setting")  # Step 3.5
    other = other if isinstance(other, Mapping) else {}
    found["key_length_swa"] = first_count(inner, ("swa_head_dim",)) or parse_count(other.get("head_dim"))
    found["value_length_swa"] = first_count(inner, ("swa_v_head_dim", "swa_head_dim")) or found["key_length_swa"]
    local = first_count(inner, ("swa_num_key_value_heads",)) or parse_count(other.get("num_attention_groups"))
    wide = parse_count(inner.get("global_head_dim"), MAX_HEAD_LENGTH)
    if wide and found["key_length"]:  # Gemma 4: heads of the layers with full attention are longer
        found["key_length_swa"] = found["value_length_swa"] = found["key_length"]
        found["key_length"] = found["value_length"] = wide
    whole = parse_count(inner.get("num_global_key_value_heads"), MAX_HEAD_LENGTH)
    heads = found["kv_heads"] or found["heads"]
    if (local or whole) and isinstance(heads, int):
        found["kv_heads"] = [(local or heads) if kind in "WV" else (whole or heads) for kind in found["layer_kinds"]]


# ---- States, images, indexers ---------------------------------------------------------------------------------------


def read_state(inner: Mapping[str, Any], found: dict[str, Any], architecture: Architecture) -> None:
    """The sizes of a state: of delta attention, lightning attention, RG-LRU or a state space."""
    linear = inner.get("linear_attn_config")
    if isinstance(linear, Mapping):  # Kimi Linear
        found["kda_heads"] = parse_count(linear.get("num_heads"), MAX_HEAD_LENGTH)
        found["kda_head_length"] = parse_count(linear.get("head_dim"), MAX_HEAD_LENGTH)
        found["ssm_conv_kernel"] = parse_count(linear.get("short_conv_kernel_size"), 1000)
    if architecture.lightning and found["heads"] and found["embedding"]:
        found["linear_head_length"] = found["key_length"] or found["embedding"] // found["heads"]
    if architecture.name in RWKV:
        found["wkv_head_size"] = first_count(inner, ("head_size", "head_dim"), MAX_HEAD_LENGTH) or RWKV_HEAD_SIZE
    if architecture.name == "xlstm" and found["heads"] and found["embedding"]:
        found["mlstm_key_length"], found["mlstm_value_length"] = read_matrix_memory(inner, found)
    width = parse_count(inner.get("lru_width"), 10**7)
    if width or architecture.name == "recurrent_gemma":
        found["ssm_inner_size"], found["ssm_state_size"] = width or found["embedding"], 1
    elif found["ssm_state_size"]:
        found["ssm_inner_size"] = read_inner_size(inner, found, architecture)
    found["indexer_elements"] = found.pop("indexer_key_length")


def read_matrix_memory(inner: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[int, int]:
    """The lengths of a head's key and value in xLSTM: shares of the embedding, in steps of 64 (models/xlstm)."""
    lengths = []
    for key, usual in (("qk_dim_factor", 0.5), ("v_dim_factor", 1.0)):
        share = inner.get(key)
        valid = isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 16
        lengths.append(-(-int(found["embedding"] * (share if valid else usual)) // 64) * 64 // found["heads"])
    return lengths[0], lengths[1]


def read_inner_size(inner: Mapping[str, Any], found: Mapping[str, Any], architecture: Architecture) -> int | None:
    """The inner size of a state space: stated, or heads x their length, else a multiple of the embedding.

    A model of state spaces alone says it by `intermediate_size`: Falcon Mamba's `expand` is not used
    (transformers, models/falcon_mamba; llama.cpp, conversion/mamba.py).
    """
    alone = ("intermediate_size", "d_inner") if architecture.kinds == "S" and not inner.get("mamba_d_state") else ()
    if stated := first_count(inner, ("mamba_d_ssm", "mamba_d_inner", "d_inner", *alone), 10**7):
        return stated
    for heads, length in STATE_SPACE_HEADS:
        many, long = (parse_count(inner.get(key), 10**5) or architecture.defaults.get(key) for key in (heads, length))
        if many and long:
            return many * long
    if architecture.name == "rwkv":
        return first_count(inner, ("attention_hidden_size",), 10**7) or found["embedding"]
    expand = first_count(inner, ("mamba_expand", "expand"), 64) or 2
    return expand * found["embedding"] if found["embedding"] else None


def read_images(config: Json, inner: Mapping[str, Any], found: dict[str, Any], architecture: Architecture) -> None:
    """Tokens of an image that cross-attention layers keep (Llama 3.2 Vision), or of the encoder's output (Whisper)."""
    if "X" in found["layer_kinds"]:
        vision = config.get("vision_config")
        size, patch, tiles = (
            parse_count(vision.get(key) if isinstance(vision, Mapping) else None, 10**5) or default
            for key, default in MLLAMA_IMAGE.items()
        )
        found["image_tokens"] = tiles * ((size // patch) ** 2 + 1)
    if "D" in found["layer_kinds"]:
        stated = parse_count(inner.get("max_source_positions"), 10**6)
        found["image_tokens"] = stated or architecture.defaults.get("encoder_tokens")

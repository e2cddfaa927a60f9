"""What each layer of a config.json keeps, as letters of analysis/fit/layers.py: by name, number or pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analysis.fit.layers import UnknownGeometry
from analysis.formats.architectures import Architecture
from analysis.formats.model_config import parse_count

KIND_BY_NAME: Mapping[str, str] = {
    "full_attention": "F", "attention": "F", "global_attention": "F", "global": "F", "full": "F", "softmax": "F",
    "sliding_attention": "W", "chunked_attention": "W", "local_attention": "W", "sliding": "W", "local": "W",
    "sliding_window_attention": "W", "reference_sliding_attention": "W",
    "linear_attention": "S", "mamba": "S", "mamba2": "S", "recurrent": "S", "conv": "S", "rwkv": "S", "m": "S",
    "hybrid_mamba": "S", "hybrid": "B", "hybrid_sliding": "V", "moe": "N", "mlp": "N", "dense": "N",
    "indexed_attention": "I", "deepseek_sparse_attention": "I", "qwen_sparse_attention": "I",
    "compressed_sparse_attention": "C", "heavily_compressed_attention": "H", "cross_attention": "X",
}  # fmt: skip
"""Names of layers (transformers, configuration_utils.ALLOWED_LAYER_TYPES and older ones) -> their kind."""

KIND_BY_LETTER: Mapping[str, str] = {"M": "S", "*": "F", "-": "N", "E": "N"}
"""Letters of Nemotron-H's hybrid_override_pattern: Mamba, attention, MLP, experts."""

Reading = Callable[[Mapping[str, Any], Mapping[str, Any], int], str]
"""The configuration, the sizes found, the number of layers -> a kind a layer, or nothing."""


def read_layer_kinds(inner: Mapping[str, Any], found: dict[str, Any], architecture: Architecture) -> str:
    """A kind a layer. Raises UnknownGeometry for names that are not known, and where nothing tells the kinds."""
    layers: int = found["layers"]
    if not architecture.keeps_cache or (architecture.only_as_decoder and inner.get("is_decoder") is not True):
        return "N" * layers
    kinds = next((kinds for read in READINGS if (kinds := read(inner, found, layers))), "")
    if not kinds and architecture.exact and not architecture.kinds_of(layers):
        raise UnknownGeometry(f"the configuration of {architecture.name} does not list the kinds of its layers")
    kinds = kinds or architecture.kinds_of(layers) or plain_kinds(inner, found, architecture)
    if not found.get("sliding_window"):
        kinds = kinds.replace("W", "F").replace("V", "B")
    if architecture.seq2seq:
        kinds = kinds.replace("F", "D")
    if not found.get("indexer_elements"):
        kinds = kinds.replace("I", "F")
    return mark_shared_indexers(kinds, inner) * architecture.sublayers


def plain_kinds(inner: Mapping[str, Any], found: Mapping[str, Any], architecture: Architecture) -> str:
    """Where nothing tells layers apart: all have the window if there is one (transformers, cache_utils).

    Qwen 2 and later have one if `use_sliding_window` says so, above the first layers.
    """
    layers, used = int(found["layers"]), inner.get("use_sliding_window")
    if used is True or not architecture.optional_window:
        dense = parse_count(inner.get("max_window_layers"), 10_000) or architecture.defaults.get("max_window_layers")
        full = min(layers, dense or 0) if used is True else 0
        return "F" * full + ("F" if used is False else "W") * (layers - full)
    return "F" * layers


def mark_shared_indexers(kinds: str, inner: Mapping[str, Any]) -> str:
    """Layers whose indexer is `shared` use the choice of an earlier one and keep no key."""
    types = inner.get("indexer_types")
    if not isinstance(types, list):
        return kinds
    shared = {at for at, kind in enumerate(types[: len(kinds)]) if kind == "shared"}
    return "".join("F" if kind == "I" and at in shared else kind for at, kind in enumerate(kinds))


def mark_shared_layers(kinds: str, inner: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The kinds, with layers that use another one's cache keeping nothing.

    Gemma 3n and 4: the last layers use earlier caches. Hunyuan (cross-layer attention, arXiv 2411.02265, section 2.3):
    of every few neighbours the first one keeps a cache.
    """
    factor = parse_count(inner.get("cla_share_factor"), 1000)
    if inner.get("use_cla") is True and factor:
        kinds = "".join(kind if at % factor == 0 else "N" for at, kind in enumerate(kinds))
    shared = min(found.get("shared_kv_layers") or 0, len(kinds))
    return kinds[: len(kinds) - shared] + "N" * shared


# ---- Ways to tell the kinds -----------------------------------------------------------------------------------------


def read_names(inner: Mapping[str, Any], found: Mapping[str, Any], layers: int) -> str:
    """Lists of names, one a layer; `block_types` is a pattern that repeats."""
    for key in ("layer_types", "layers_block_type", "block_types", "attention_layers"):
        names = inner.get(key)
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            continue
        unknown = [name for name in names if name not in KIND_BY_NAME]
        if unknown:
            raise UnknownGeometry(f"what layers of the kind {unknown[0][:60]!r} keep is not known")
        kinds = "".join(KIND_BY_NAME[name] for name in names[:layers])
        if len(kinds) < layers and key != "block_types":
            raise UnknownGeometry(f"{key} lists {len(names)} layers, not {layers}")
        kinds = (kinds * (layers // len(kinds) + 1))[:layers]
        return kinds.replace("F", "W") if key == "block_types" and found.get("sliding_window") else kinds
    return ""


def read_letters(inner: Mapping[str, Any], found: Mapping[str, Any], layers: int) -> str:
    pattern = inner.get("hybrid_override_pattern")
    if not isinstance(pattern, str) or not pattern:
        return ""
    unknown = set(pattern[:layers]) - KIND_BY_LETTER.keys()
    if unknown or len(pattern) < layers:
        raise UnknownGeometry(f"hybrid_override_pattern does not tell the kinds of {layers} layers")
    return "".join(KIND_BY_LETTER[letter] for letter in pattern[:layers])


def read_numbers(inner: Mapping[str, Any], found: Mapping[str, Any], layers: int) -> str:
    """Lists of numbers, one a layer: MiniMax-01 (1 attends), MiMo (1: window), DeepSeek-V4, Llama 4 (1: chunks)."""
    for key, kind_of in NUMBERED:
        numbers = inner.get(key)
        if isinstance(numbers, list) and len(numbers) >= layers and all(type(number) is int for number in numbers):
            return "".join(kind_of.get(number, kind_of[-1]) for number in numbers[:layers])
    return ""


NUMBERED: tuple[tuple[str, Mapping[int, str]], ...] = (
    ("attn_type_list", {0: "S", -1: "F"}),
    ("hybrid_layer_pattern", {0: "F", -1: "W"}),
    ("compress_ratios", {4: "C", 128: "H", -1: "W"}),
    ("no_rope_layers", {0: "F", -1: "W"}),
    ("sliding_window_layout", {0: "F", -1: "W"}),
)
"""Keys of lists of numbers -> the kind of a layer by its number; -1: of any other number."""


def read_members(inner: Mapping[str, Any], found: Mapping[str, Any], layers: int) -> str:
    """Lists of the layers of one kind; the others are of another."""
    linear = inner.get("linear_attn_config")
    if isinstance(linear, Mapping) and isinstance(linear.get("full_attn_layers"), list):  # counted from 1
        inner = {"full_attn_idxs": [at - 1 for at in linear["full_attn_layers"] if type(at) is int]}
    for key, inside, outside in MEMBERS:
        members = inner.get(key)
        if isinstance(members, list) and members:
            chosen = {at for at in members[: 4 * layers] if type(at) is int}
            return "".join(inside if at in chosen else outside for at in range(layers))
    return ""


MEMBERS = (
    ("full_attn_idxs", "F", "S"),  # LFM2
    ("attn_layer_indices", "F", "S"),  # Bamba
    ("cross_attention_layers", "X", "F"),  # Llama 3.2 Vision
    ("hybrid_layer_ids", "B", "S"),  # Zamba 2
    ("local_layer_ids", "V", "B"),  # Inkling
)
"""Keys of lists of layers -> the kind of those that are listed, and of the others."""


def read_pattern(inner: Mapping[str, Any], found: Mapping[str, Any], layers: int) -> str:
    """A pattern of local and global layers as text, `LLLG` (EXAONE 4)."""
    pattern = inner.get("sliding_window_pattern")
    if not isinstance(pattern, str) or not pattern or set(pattern) - {"L", "G"} or len(pattern) > layers:
        return ""
    return (pattern.replace("L", "W").replace("G", "F") * (layers // len(pattern) + 1))[:layers]


def read_intervals(inner: Mapping[str, Any], found: Mapping[str, Any], layers: int) -> str:
    """One layer of every few is of another kind."""
    for key, other, kind, first in INTERVALS:
        every = parse_count(inner.get(key), layers)
        if every:
            return "".join(kind if at % every == (0 if first else every - 1) else other for at in range(layers))
    if group := parse_count(inner.get("layer_group_size"), layers):  # Ring, Ling: also the layers behind the last group
        whole = layers // group * group
        return "".join("F" if (at + 1) % group == 0 or at >= whole else "S" for at in range(layers))
    if step := parse_count(inner.get("mamba_step"), 1000):  # PLaMo 2 (llama.cpp, conversion/plamo.py)
        return "".join("F" if at % step == step // 2 else "S" for at in range(layers))
    period, offset = parse_count(inner.get("attn_layer_period"), 1000), inner.get("attn_layer_offset")
    if period and type(offset) is int:  # Jamba
        return "".join("F" if at % period == offset else "S" for at in range(layers))
    return ""


INTERVALS = (
    ("sliding_window_pattern", "W", "F", False),
    ("_sliding_window_pattern", "W", "F", False),
    ("global_attn_every_n_layers", "W", "F", True),
    ("full_attention_interval", "S", "F", False),
    ("no_rope_layer_interval", "W", "F", False),
)
"""Keys of an interval, the kind of most layers, that of the last one of every interval, or of the first one (True)."""

READINGS: tuple[Reading, ...] = (read_names, read_letters, read_numbers, read_members, read_pattern, read_intervals)
"""In this order: what is listed takes precedence over what is counted."""

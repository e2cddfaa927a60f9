"""What each layer of a GGUF file keeps under llama.cpp: the rules of `llama_cpp.toml`, applied to a header's facts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from analysis.fit.layers import MAX_LAYERS, UnknownGeometry, bounded_int, is_list, per_layer

MAX_CONTEXT = 10**9
DEEPSEEK_V4_KINDS: Mapping[int, str] = {4: "C", 128: "H"}
"""Compression ratio of a layer -> its kind; layers of any other ratio have their window alone."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which layers of an architecture have a sliding window, and of how many tokens; see llama_cpp.toml."""

    every: int | None = None
    full_first: bool = False
    listed: bool = False
    default: int | None = None
    fixed: int | None = None
    fixed_if_stated: int | None = None
    required: bool = False
    of_layers: int | None = None


@dataclass(frozen=True, slots=True)
class Indexer:
    """Which layers of an architecture keep an indexer's key; see llama_cpp.toml."""

    layers: str
    keys: int = 1
    value: bool = False
    pattern_from_context: int | None = None
    pattern_first: int = 0
    pattern_every: int = 1


@dataclass(frozen=True, slots=True)
class LlamaCppRules:
    """llama_cpp.toml."""

    plain: frozenset[str]
    without_cache: frozenset[str]
    recurrent: frozenset[str]
    state_without_kv_heads: frozenset[str]
    state_without_kv_heads_or_feed_forward: frozenset[str]
    attention_and_state: frozenset[str]
    attention_interval: Mapping[str, int]
    windows: Mapping[str, Window]
    indexers: Mapping[str, Indexer]
    first_layer_without_own_cache: Mapping[str, int]
    known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        parts = (getattr(self, name) for name in self.__slots__ if name != "known")
        object.__setattr__(self, "known", frozenset(name for part in parts for name in part))


@cache
def load_rules() -> LlamaCppRules:
    table = tomllib.loads(files("analysis.fit").joinpath("llama_cpp.toml").read_text(encoding="utf-8"))
    windows = {name: Window(**rule) for name, rule in table.pop("windows").items()}
    indexers = {name: Indexer(layers=rule.pop("in"), **rule) for name, rule in table.pop("indexers").items()}
    sets = {key: frozenset(value) for key, value in table.items() if isinstance(value, list)}
    return LlamaCppRules(**{**table, **sets}, windows=windows, indexers=indexers)


def describe_gguf_layers(facts: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    """The facts that `geometry.build_geometry` reads, from those of a GGUF header: `layer_kinds` and its sizes.

    Raises UnknownGeometry for an architecture that llama.cpp does not have, and where the file lacks what it needs.
    """
    rules = load_rules()
    if architecture not in rules.known:
        raise UnknownGeometry(f"what the layers of the architecture {architecture!r} keep is not known")
    layers = count_layers(facts, architecture)
    heads = per_layer(facts.get("kv_heads"), layers) or per_layer(facts.get("heads"), layers) or (0,) * layers
    found = dict(facts)
    kinds = attention_kinds(facts, architecture, heads, layers)
    window, flags = local_layers(facts, architecture, layers)
    if window:
        kinds = "".join(put_window(kind) if local else kind for kind, local in zip(kinds, flags, strict=True))
    if architecture == "deepseek4":
        kinds = compressed_kinds(facts, layers)
        found["latent"] = True
    kinds = mark_indexers(facts, architecture, kinds, found)
    shared = count_shared_layers(facts, architecture, layers)
    kinds = kinds[: layers - shared] + "N" * shared
    if is_latent(facts, heads):
        found["latent"] = True
    if architecture == "graniteswitch":  # one more layer, of one head, that routes to adapters
        found["router_layer"] = True
    if architecture == "minimax-01":  # lightning attention: a matrix a head (llama_hparams::n_embd_s)
        found["linear_head_length"] = facts.get("key_length")
    return {**found, "layers": layers, "layer_kinds": kinds, "kv_heads": list(heads), "sliding_window": window}


def count_layers(facts: Mapping[str, Any], architecture: str) -> int:
    """Layers that decoding uses: without those that only predict further tokens; a loop's once for each pass."""
    stated = bounded_int(facts.get("layers"), MAX_LAYERS)
    if not stated:
        raise UnknownGeometry("the number of layers is not stated")
    layers = stated - min(stated - 1, bounded_int(facts.get("nextn_layers"), 100) or 0)
    if architecture == "nanbeige":
        layers *= bounded_int(facts.get("loops"), MAX_LAYERS // layers) or 1
    return layers


def attention_kinds(facts: Mapping[str, Any], architecture: str, heads: tuple[int, ...], layers: int) -> str:
    """A kind a layer, windows and indexers aside."""
    rules = load_rules()
    if architecture in rules.without_cache or facts.get("causal") is False:
        return "N" * layers
    if architecture in rules.recurrent:
        return "S" * layers
    if architecture in rules.attention_and_state:
        return "B" * layers
    if architecture in rules.attention_interval:
        return interval_kinds(facts, rules.attention_interval[architecture], layers)
    if architecture in rules.state_without_kv_heads:
        return "".join("F" if count else "S" for count in heads)
    if architecture in rules.state_without_kv_heads_or_feed_forward:
        widths = per_layer(facts.get("feed_forward"), layers, 2**31) or (0,) * layers
        return "".join("N" if width else "F" if count else "S" for count, width in zip(heads, widths, strict=True))
    return "F" * layers


def layer_flags(value: Any, layers: int) -> tuple[bool, ...] | None:
    """A flag a layer, from a list of them or one for all; further layers have none. None for anything else."""
    if is_list(value):
        flags = tuple(bool(flag) for flag in value[:layers])
        return flags + (False,) * (layers - len(flags))
    return (bool(value),) * layers if isinstance(value, int) else None


def interval_kinds(facts: Mapping[str, Any], default: int, layers: int) -> str:
    flags = layer_flags(facts.get("recurrent_layers"), layers)
    if flags is not None:
        return "".join("S" if flag else "F" for flag in flags)
    every = bounded_int(facts.get("full_attention_interval"), MAX_LAYERS) or default
    return "".join("F" if (layer + 1) % every == 0 else "S" for layer in range(layers))


def local_layers(facts: Mapping[str, Any], architecture: str, layers: int) -> tuple[int | None, tuple[bool, ...]]:
    """The window in tokens and whether each layer has it; None where the architecture or the file has no window."""
    rule = load_rules().windows.get(architecture)
    if rule is None or (rule.of_layers and layers != rule.of_layers):
        return None, ()
    stated = facts.get("sliding_window")
    window = bounded_int(stated, MAX_CONTEXT)
    if rule.required and window is None:
        raise UnknownGeometry(f"{architecture} files state attention.sliding_window, this one does not")
    if stated != 0 or window:
        window = rule.fixed or (rule.fixed_if_stated if window else None) or window or rule.default
    if not window:
        return None, ()
    pattern = facts.get("sliding_window_pattern")
    if is_list(pattern):
        return window, layer_flags(pattern, layers) or ()
    if rule.listed:
        raise UnknownGeometry(f"{architecture} files list attention.sliding_window_pattern, this one does not")
    every = (bounded_int(pattern, MAX_LAYERS) if rule.every else None) or rule.every
    return window, tuple(has_window(layer, every or 0, rule.full_first) for layer in range(layers))


def has_window(layer: int, every: int, full_first: bool) -> bool:
    """llama_hparams::set_swa_pattern."""
    return not every or layer % every != (0 if full_first else every - 1)


def put_window(kind: str) -> str:
    """The kind of a layer under a window."""
    return {"F": "W", "B": "V"}.get(kind, kind)


def compressed_kinds(facts: Mapping[str, Any], layers: int) -> str:
    """DeepSeek-V4: every layer has a window, most also a compression of the context (llama-kv-cache-dsv4.cpp)."""
    ratios = per_layer(facts.get("compress_ratios"), layers)
    if ratios is None:
        raise UnknownGeometry("deepseek4 files list attention.compress_ratios, this one does not")
    return "".join(DEEPSEEK_V4_KINDS.get(ratio, "W") for ratio in ratios)


def mark_indexers(facts: Mapping[str, Any], architecture: str, kinds: str, found: dict[str, Any]) -> str:
    """The kinds with those of layers that keep an indexer's key; its elements go into `found`."""
    rule, key = load_rules().indexers.get(architecture), bounded_int(facts.get("indexer_key_length"), 2**16)
    if rule is None or key is None:
        return kinds
    value = (bounded_int(facts.get("value_length"), 2**16) or 0) if rule.value else 0
    found["indexer_elements"] = rule.keys * key + value
    flags = indexer_flags(facts, rule, len(kinds))
    return "".join("I" if kind == "F" and flag else kind for kind, flag in zip(kinds, flags, strict=True))


def indexer_flags(facts: Mapping[str, Any], rule: Indexer, layers: int) -> tuple[bool, ...]:
    if rule.layers == "sparse":
        dense = bounded_int(facts.get("leading_dense"), MAX_LAYERS) or 0
        return tuple(layer >= dense for layer in range(layers))
    listed = layer_flags(facts.get("indexer_layers"), layers) if rule.layers == "listed" else None
    if listed is not None:
        return listed
    start, first, every = rule.pattern_from_context, rule.pattern_first, rule.pattern_every
    if start and (bounded_int(facts.get("context"), MAX_CONTEXT) or 0) >= start:
        return tuple(layer < first or (layer - first) % every == 0 for layer in range(layers))
    return (True,) * layers


def count_shared_layers(facts: Mapping[str, Any], architecture: str, layers: int) -> int:
    """Layers at the end that use the cache of earlier ones."""
    first = load_rules().first_layer_without_own_cache.get(architecture)
    if first is not None:
        return max(0, layers - first)
    return bounded_int(facts.get("shared_kv_layers"), layers) or 0


def is_latent(facts: Mapping[str, Any], kv_heads: tuple[int, ...]) -> bool:
    """Whether one latent vector a token replaces keys and values (llama_hparams::is_mla).

    Files that state the lengths of whole heads beside those of the latent vector, `*_mla`. Files from before April
    2025, and those of MiniCPM3 and PLM, state the latent vector's rank but keep whole heads.
    """
    if facts.get("key_length_mla") and facts.get("value_length_mla"):
        return True
    rank, rope = bounded_int(facts.get("kv_lora_rank"), 2**16), bounded_int(facts.get("rope_dim"), 2**16) or 0
    return rank is not None and max(kv_heads, default=0) == 1 and facts.get("key_length") == rank + rope

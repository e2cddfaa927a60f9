"""The attention geometry of a model, from the facts of its header: how many cells and bytes its KV cache takes.

Follows llama.cpp (src/llama-kv-cache.cpp, src/llama-memory-recurrent.cpp, src/llama-hparams.cpp, llama-model.cpp).
Sizes are bytes, contexts are tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# Bytes per element of the cache: bytes of a block / its elements (ggml-common.h).
KV_BYTES: Mapping[str, float] = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32,
    "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip

UBATCH_TOKENS = 512  # computed at once by llama.cpp (n_ubatch)
CACHE_PADDING_TOKENS = 256  # llama.cpp rounds the cells of a cache up to this

# Which layers use sliding-window attention, if the header states the window but not the pattern (llama-model.cpp):
# of every n layers the last one uses full attention. WINDOW_PATTERN_FIRST: the first one does.
WINDOW_PATTERN: Mapping[str, int] = {
    "gemma2": 2, "gemma3": 6, "gemma4": 6, "gemma3n": 5, "gemma-embedding": 6, "gpt-oss": 2, "gpt_oss": 2, "cohere2": 4,
    "llama4": 4, "exaone4": 4, "olmo2": 4, "afmoe": 4, "gemma4_text": 6, "gemma3_text": 6, "gemma2_text": 2,
}  # fmt: skip
WINDOW_PATTERN_FIRST: Mapping[str, int] = {"modern-bert": 3, "smallthinker": 4}
SHARED_KV: Mapping[str, int] = {"gemma3n": 20}  # from this layer on, layers reuse the cache of earlier ones
NO_CACHE = frozenset({  # encoders, which keep nothing between tokens
    "bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "modern-bert", "modernbert",
    "roberta", "xlm-roberta", "distilbert", "deberta-v2", "clip", "siglip", "vit", "t5encoder", "gemma-embedding",
    "wavtokenizer-dec",
})  # fmt: skip
MAX_LAYERS = 10_000
MAX_HEAD_LENGTH = 65_536  # elements of a head's key or value, and heads of a layer
RECURRENT = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7", "falcon_mamba"})


@dataclass(frozen=True, slots=True)
class Geometry:
    """The attention geometry of a model. `kv_heads` and `local` have one item per layer."""

    kv_heads: tuple[int, ...]  # 0: the layer keeps no cache
    key_length: int  # elements of one head
    value_length: int
    heads: int = 0
    embedding: int = 0
    vocabulary: int = 0
    window: int | None = None  # tokens of a sliding-window (local) layer
    local: tuple[bool, ...] = ()  # empty: no layer is local
    key_length_local: int | None = None
    value_length_local: int | None = None
    latent: int | None = None  # elements per token and layer under multi-head latent attention, instead of heads
    state: int = 0  # bytes of one recurrent layer's state, independent of the context
    recurrent_layers: int = 0
    trained_context: int | None = None

    @property
    def layers(self) -> int:
        return len(self.kv_heads)

    @property
    def kinds(self) -> tuple[tuple[int, bool, int], ...]:
        """The layers that keep a cache, grouped: (heads, local, number of layers)."""
        return group_layers(self.kv_heads, self.local if self.window else ())

    def cells(self, context: int, *, local: bool = False) -> int:
        """Cells of one layer's cache. A local layer holds its window and one batch (llama_kv_cache_iswa), padded."""
        full = pad_tokens(context)
        return min(full, pad_tokens(self.window + UBATCH_TOKENS)) if local and self.window else full

    def cache_bytes(self, context: int, kv_type: str = "f16") -> int:
        """Bytes of the cache at this context, recurrent state included; `kv_type` is a key of KV_BYTES.

        A layer holds heads x (key + value) elements per cell; under MLA one latent vector per token replaces the heads
        (DeepSeek-V2, arXiv 2405.04434, section 2.1: kv_lora_rank + the rotary part).
        """
        element_bytes = KV_BYTES[kv_type]
        total = 0.0
        for heads, local, count in self.kinds:
            if self.latent is not None:
                elements = self.latent
            else:
                key = (self.key_length_local if local else None) or self.key_length
                value = (self.value_length_local if local else None) or self.value_length
                elements = heads * (key + value)
            total += count * elements * element_bytes * self.cells(context, local=local)
        return round(total) + self.recurrent_layers * self.state


@lru_cache(maxsize=4096)
def group_layers(kv_heads: tuple[int, ...], local: tuple[bool, ...]) -> tuple[tuple[int, bool, int], ...]:
    flags = local + (False,) * (len(kv_heads) - len(local))
    counted = Counter((heads, flag) for heads, flag in zip(kv_heads, flags, strict=False) if heads)
    return tuple((heads, flag, count) for (heads, flag), count in counted.items())


def pad_tokens(tokens: int, to: int = CACHE_PADDING_TOKENS) -> int:
    """Rounded up to a multiple of `to`."""
    return -(-tokens // to) * to


def parse_geometry(facts: Mapping[str, Any], architecture: str | None = None) -> Geometry | None:
    """The geometry from a header's facts (analysis.formats); None if they are not sufficient.

    Facts are untrusted: a value that is not a plausible number is treated as absent.
    """
    layers = bounded_int(facts.get("layers"), MAX_LAYERS)
    embedding = bounded_int(facts.get("embedding"), 10**7)
    heads = facts.get("heads")
    head_list = per_layer(heads, layers) if layers else None
    if not layers:
        return None
    # Prediction layers are not used in decoding.
    layers -= min(layers - 1, bounded_int(facts.get("nextn_layers"), 100) or 0)
    architecture = architecture or ""
    most_heads = max(head_list or (0,))
    kv_heads = per_layer(facts.get("kv_heads"), layers) or tuple((head_list or ())[:layers])
    head = embedding // most_heads if embedding and most_heads else None
    key = bounded_int(facts.get("key_length"), MAX_HEAD_LENGTH) or head
    value = bounded_int(facts.get("value_length"), MAX_HEAD_LENGTH) or head
    latent = latent_length(facts, kv_heads)
    if latent is not None:
        kv_heads = kv_heads or (1,) * layers
    recurrent = recurrent_layers(facts, architecture, kv_heads, layers)
    if architecture in NO_CACHE or facts.get("causal") is False:
        kv_heads = (0,) * layers
    if sum(recurrent) < layers and latent is None and not (kv_heads and key and value):
        return None
    cached_heads = tuple(0 if recurrent[at] else heads for at, heads in enumerate(kv_heads or (0,) * layers))
    shared = bounded_int(facts.get("shared_kv_layers"), layers) or (
        max(0, layers - SHARED_KV[architecture]) if architecture in SHARED_KV else 0
    )
    if shared:  # the last layers reuse the cache of earlier ones
        cached_heads = cached_heads[: layers - shared] + (0,) * shared
    window = bounded_int(facts.get("sliding_window"), 10**8)
    return Geometry(
        kv_heads=cached_heads,
        key_length=key or 0,
        value_length=value or 0,
        heads=most_heads,
        embedding=embedding or 0,
        vocabulary=bounded_int(facts.get("vocabulary"), 10**8) or 0,
        window=window,
        local=local_layers(facts, architecture, layers) if window else (),
        key_length_local=bounded_int(facts.get("key_length_swa"), MAX_HEAD_LENGTH),
        value_length_local=bounded_int(facts.get("value_length_swa"), MAX_HEAD_LENGTH),
        latent=latent,
        state=state_bytes(facts, embedding or 0),
        recurrent_layers=sum(recurrent),
        trained_context=bounded_int(facts.get("context"), 10**9),
    )


def latent_length(facts: Mapping[str, Any], kv_heads: Sequence[int]) -> int | None:
    """Elements of the latent vector under multi-head latent attention; None where the cache holds all heads.

    GGUF files from before llama.cpp supported it (April 2025) state the rank but hold all heads, each with its key and
    value length.
    """
    rank = bounded_int(facts.get("kv_lora_rank"), MAX_HEAD_LENGTH)
    if rank is None:
        return None
    if max(kv_heads, default=1) > 1 and facts.get("key_length") and facts.get("value_length"):
        return None
    return rank + (bounded_int(facts.get("rope_dim"), MAX_HEAD_LENGTH) or 64)


def local_layers(facts: Mapping[str, Any], architecture: str, layers: int) -> tuple[bool, ...]:
    """Which layers use a sliding window: by the header's pattern, else the architecture's; none if neither is known.

    llama.cpp (llama_hparams::set_swa_pattern): with a pattern of n, layer i is local unless i % n == n - 1.
    """
    pattern = facts.get("sliding_window_pattern")
    if isinstance(pattern, Sequence) and not isinstance(pattern, str):
        flags = tuple(bool(flag) for flag in pattern[:layers])
        return flags + (False,) * (layers - len(flags))
    every = bounded_int(pattern, layers) or WINDOW_PATTERN.get(architecture)
    if every:
        return tuple(layer % every < every - 1 for layer in range(layers))
    if architecture in WINDOW_PATTERN_FIRST:
        return tuple(layer % WINDOW_PATTERN_FIRST[architecture] != 0 for layer in range(layers))
    return (False,) * layers


def recurrent_layers(
    facts: Mapping[str, Any], architecture: str, kv_heads: tuple[int, ...], layers: int
) -> tuple[bool, ...]:
    """Which layers keep a state of fixed size instead of a cache."""
    if architecture in RECURRENT:
        return (True,) * layers
    listed = facts.get("recurrent_layers")
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        flags = tuple(bool(flag) for flag in listed[:layers])
        return flags + (False,) * (layers - len(flags))
    every = bounded_int(facts.get("full_attention_interval"), layers)
    if every and every > 1:  # Qwen3-Next and its successors: the last of every n layers uses full attention
        return tuple((layer + 1) % every != 0 for layer in range(layers))
    if bounded_int(facts.get("ssm_state_size"), 10**7) and kv_heads:  # Jamba, Granite 4, Nemotron-H: 0 heads
        return tuple(heads == 0 for heads in kv_heads)
    return (False,) * layers


def state_bytes(facts: Mapping[str, Any], embedding: int) -> int:
    """Bytes of one recurrent layer's state, kept in F32 (llama_hparams::n_embd_r, n_embd_s).

    Mamba and gated delta nets: (conv - 1) x (inner + 2 x groups x state) + state x inner. RWKV: token shift x width +
    width x head size.
    """
    head = bounded_int(facts.get("wkv_head_size"), MAX_HEAD_LENGTH)
    if head:
        shift = bounded_int(facts.get("token_shift_count"), 16) or 2
        return 4 * (shift * embedding + embedding * head)
    state = bounded_int(facts.get("ssm_state_size"), 10**6) or 0
    inner = bounded_int(facts.get("ssm_inner_size"), 10**7) or 0
    conv = bounded_int(facts.get("ssm_conv_kernel"), 1000) or 0
    groups = bounded_int(facts.get("ssm_group_count"), 10**4) or 0
    return 4 * (max(0, conv - 1) * (inner + 2 * groups * state) + state * inner)


def bounded_int(value: Any, most: int) -> int | None:
    """The value as an int if it is a number between 1 and `most`, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return int(value) if 1 <= value <= most else None


def per_layer(value: Any, layers: int) -> tuple[int, ...] | None:
    """A count per layer from one number or a list of numbers; None for anything else."""
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        counts = tuple(
            int(item) if isinstance(item, int | float) and 0 <= item <= MAX_HEAD_LENGTH else 0 for item in value
        )
        return counts[:layers] + (counts[-1],) * (layers - len(counts))
    count = bounded_int(value, MAX_HEAD_LENGTH)
    return None if count is None else (count,) * layers

"""The attention geometry of a model, from the facts of its header: how many cells and bytes its KV cache takes.

Follows llama.cpp (src/llama-kv-cache*.cpp, src/llama-memory-recurrent.cpp, src/llama-hparams.cpp). What each layer
keeps is told by the configuration (analysis/formats/config_geometry.py) or, for GGUF files, by the architecture
(analysis/fit/llama_cpp.py). Sizes are bytes, contexts are tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from analysis.fit.layers import LAYER_KINDS, MAX_HEAD_LENGTH, MAX_LAYERS, UnknownGeometry, bounded_int, per_layer
from analysis.fit.llama_cpp import describe_gguf_layers
from analysis.schemes.schemes import find_scheme

KV_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
"""Schemes that llama.cpp can keep the cache in (common/arg.cpp, --cache-type-k)."""

UBATCH_TOKENS = 512  # computed at once by llama.cpp (n_ubatch)
CACHE_PADDING_TOKENS = 256  # llama.cpp rounds the cells of a cache up to this


@dataclass(frozen=True, slots=True)
class Cache:
    """What layers of one kind keep of a text: `elements` of keys and values a cell, in each of `layers` layers."""

    layers: int
    elements: int
    window: int | None = None
    """Tokens that a sliding window sees; None: all."""
    tokens_per_cell: int = 1
    image_tokens: int | None = None
    """Tokens of an image or of the encoder's output, whatever the context is; None: as many as the context."""

    def cells(self, context: int) -> int:
        """Cells of one layer. A window holds its tokens and one batch (llama-kv-cache-iswa.cpp), padded."""
        if self.image_tokens is not None:
            return self.image_tokens
        if self.window is not None:
            return min(pad_tokens(context), pad_tokens(self.window + UBATCH_TOKENS))
        return pad_tokens(-(-context // self.tokens_per_cell))


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a model keeps for a text, and the sizes that its compute buffers depend on."""

    caches: tuple[Cache, ...]
    state_bytes: int = 0
    """Bytes of all states that do not grow with the context."""
    layers: int = 0
    heads: int = 0
    embedding: int = 0
    vocabulary: int = 0
    trained_context: int | None = None

    def cells(self, context: int) -> int:
        """Cells of the layer that keeps most; 0 where none keeps any."""
        return max((cache.cells(context) for cache in self.caches), default=0)

    @property
    def least_elements_per_token(self) -> float:
        """Elements that every token of the context adds to the cache; windows, images and states add none."""
        growing = (cache for cache in self.caches if cache.window is None and cache.image_tokens is None)
        return sum(cache.layers * cache.elements / cache.tokens_per_cell for cache in growing)

    def cache_bytes(self, context: int, kv_type: str = "f16") -> int:
        """Bytes of the cache at this context, states included; `kv_type` is one of KV_TYPES."""
        elements = sum(cache.layers * cache.elements * cache.cells(context) for cache in self.caches)
        return round(elements * kv_element_bytes(kv_type)) + self.state_bytes


@cache
def kv_element_bytes(kv_type: str) -> float:
    """Bytes that an element of the cache takes in a scheme of KV_TYPES."""
    scheme = find_scheme(kv_type.upper())
    assert scheme is not None and scheme.block_bits is not None, kv_type
    return scheme.block_bits / 8


def pad_tokens(tokens: int, to: int = CACHE_PADDING_TOKENS) -> int:
    """Rounded up to a multiple of `to`."""
    return -(-tokens // to) * to


def parse_geometry(facts: Mapping[str, Any], architecture: str | None = None) -> Geometry | None:
    """The geometry from a header's facts (analysis.formats); None if they are not sufficient."""
    try:
        return build_geometry(facts, architecture)
    except UnknownGeometry:
        return None


def build_geometry(facts: Mapping[str, Any], architecture: str | None = None) -> Geometry:
    """The geometry from a header's facts. Raises UnknownGeometry where they are not sufficient, with the reason.

    Facts are untrusted: a value that is not a plausible number is treated as absent. Facts without `layer_kinds` are
    those of a GGUF file of this architecture; without an architecture, of one whose layers all keep the whole context.
    """
    if reason := facts.get("unknown_layers"):
        raise UnknownGeometry(str(reason))
    if not isinstance(facts.get("layer_kinds"), str):
        facts = describe_gguf_layers(facts, architecture or "llama")
    layers = bounded_int(facts.get("layers"), MAX_LAYERS) or 0
    kinds = [kind for kind in facts["layer_kinds"][:MAX_LAYERS] if kind in LAYER_KINDS]
    if not layers or len(kinds) != layers:
        raise UnknownGeometry("the number of layers is not stated")
    heads = max(per_layer(facts.get("heads"), layers) or (0,))
    embedding = bounded_int(facts.get("embedding"), 10**7) or 0
    states, state = sum(LAYER_KINDS[kind].state for kind in kinds), state_bytes(facts, embedding, heads)
    if states and not state:
        raise UnknownGeometry("the size of the state that layers keep is not stated")
    return Geometry(
        caches=build_caches(facts, kinds, embedding // heads if heads else 0),
        state_bytes=states * state + compressor_bytes(facts, kinds),
        layers=layers,
        heads=heads,
        embedding=embedding,
        vocabulary=bounded_int(facts.get("vocabulary"), 10**8) or 0,
        trained_context=bounded_int(facts.get("context"), 10**9),
    )


def build_caches(facts: Mapping[str, Any], kinds: list[str], head_length: int) -> tuple[Cache, ...]:
    """The caches of all layers, equal ones together. `head_length`: of a head whose length is not stated."""
    counted: Counter[Cache] = Counter()
    kv_heads = per_layer(facts.get("kv_heads") or facts.get("heads"), len(kinds)) or (0,) * len(kinds)
    if facts.get("router_layer"):
        kinds, kv_heads = [*kinds, "F"], (*kv_heads, 1)
    whole, local = (head_elements(facts, head_length, ending) for ending in ("", "_swa"))
    window = bounded_int(facts.get("sliding_window"), 10**9)
    indexer = bounded_int(facts.get("indexer_elements"), MAX_HEAD_LENGTH) or 0
    image = bounded_int(facts.get("image_tokens"), 10**7)
    for kind, heads in zip(kinds, kv_heads, strict=True):
        if not heads and any(kv_heads):  # this layer does not attend
            continue
        parts = LAYER_KINDS[kind]
        if parts.context:
            counted[Cache(1, heads * whole + (indexer if parts.indexer else 0))] += 1
        if parts.window:
            counted[Cache(1, heads * local, window)] += 1
        if parts.image and (image or parts.context):  # an encoder of texts may be given as many tokens as a context has
            counted[Cache(1, heads * whole, image_tokens=image)] += 1
        if parts.compression:
            kept = heads * local + (indexer if parts.indexer else 0)
            counted[Cache(1, kept, tokens_per_cell=parts.compression)] += 1
    if any(not cache.elements for cache in counted):
        raise UnknownGeometry("the number and length of the attention's heads are not stated")
    return tuple(
        Cache(count, cache.elements, cache.window, cache.tokens_per_cell, cache.image_tokens)
        for cache, count in counted.items()
    )


def head_elements(facts: Mapping[str, Any], head_length: int, ending: str) -> int:
    """Elements of one head's key and value, in layers with a window where `ending` is `_swa`.

    Under multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1) only a key is kept: the latent vector
    and its rotary part.
    """
    key, value = (
        bounded_int(facts.get(f"{name}{ending}"), MAX_HEAD_LENGTH)
        or bounded_int(facts.get(name), MAX_HEAD_LENGTH)
        or head_length
        for name in ("key_length", "value_length")
    )
    return key if facts.get("latent") else key + value


def state_bytes(facts: Mapping[str, Any], embedding: int, heads: int) -> int:
    """Bytes of one layer's state, kept in F32 (llama_hparams::n_embd_r, n_embd_s).

    Mamba, gated delta nets and RG-LRU: (conv - 1) x (inner + 2 x groups x state) + state x inner. RWKV: token shift x
    width + width x head size. Short convolutions: (conv - 1) x width. Delta attention: three convolutions, and
    heads x head length squared; lightning attention: the latter alone. xLSTM (arXiv 2405.04517, mLSTM): a matrix of
    key x value, a vector of key and a scalar for each head.
    """

    def number(name: str, most: int = 10**7) -> int:
        return bounded_int(facts.get(name), most) or 0

    if head := number("wkv_head_size", MAX_HEAD_LENGTH):
        return 4 * ((number("token_shift_count", 16) or 2) * embedding + embedding * head)
    if kept := number("short_conv_length", 1000):
        return 4 * (kept - 1) * embedding
    if key := number("mlstm_key_length", MAX_HEAD_LENGTH):
        return 4 * heads * (key * number("mlstm_value_length", MAX_HEAD_LENGTH) + key + 1)
    conv = max(0, number("ssm_conv_kernel", 1000) - 1)
    if head := number("kda_head_length", MAX_HEAD_LENGTH):
        many = number("kda_heads", MAX_HEAD_LENGTH) or heads
        return 4 * (3 * (conv or 3) * many * head + many * head * head)
    if head := number("linear_head_length", MAX_HEAD_LENGTH):
        return 4 * head * head * heads
    state, inner = number("ssm_state_size"), number("ssm_inner_size")
    if not state or not inner:
        return 0
    return 4 * (conv * (inner + 2 * number("ssm_group_count", 10**4) * state) + state * inner)


def compressor_bytes(facts: Mapping[str, Any], kinds: list[str]) -> int:
    """Bytes of the states of DeepSeek-V4's compressors: two tensors in F32 (llama_dsv4_comp_state).

    Of 4 tokens a cell: 8 rows of two keys, and of two indexer keys; of 128 tokens a cell: 128 rows of one key.
    """
    key = bounded_int(facts.get("key_length"), MAX_HEAD_LENGTH) or 0
    indexer = bounded_int(facts.get("indexer_elements"), MAX_HEAD_LENGTH) or 0
    return 2 * 4 * (kinds.count("C") * 8 * 2 * (key + indexer) + kinds.count("H") * 128 * key)

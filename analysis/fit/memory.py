"""How much memory a model needs to run, and how fast it can go at most. Pure arithmetic; every formula says its source.

    needed = weights (bytes of the files) + KV cache (attention geometry x context) + compute buffer + runtime

The geometry is that of the file's own header. The formulas follow llama.cpp (src/llama-kv-cache.cpp,
src/llama-memory-recurrent.cpp, src/llama-hparams.cpp), the engine of most who run a model on their own machine; its
predictions were checked against gguf-parser's published footprints (tests/analysis/fit/test_memory.py).

All sizes are bytes, contexts are tokens, speeds are tokens a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# Bytes an element: size of a block over its elements (ggml-common.h).
KV_BYTES: Mapping[str, float] = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32,
    "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip

MIB = 2**20
GIB = 2**30
UBATCH_TOKENS = 512  # tokens that llama.cpp computes at once (n_ubatch)
CACHE_PADDING_TOKENS = 256  # llama.cpp rounds the cells of a cache up to this
RUNTIME_OVERHEAD_BYTES = (
    256 * MIB
)  # program, tokenizer, backend buffers; gguf-parser-go reckons 150 MiB (RAM) and 250 MiB (VRAM)

# Which layers look at a window only, where the header tells the window but not the pattern (llama-model.cpp):
# of every n layers the last sees everything. `first`: the first does.
WINDOW_PATTERN: Mapping[str, int] = {
    "gemma2": 2, "gemma3": 6, "gemma4": 6, "gemma3n": 5, "gemma-embedding": 6, "gpt-oss": 2, "gpt_oss": 2, "cohere2": 4,
    "llama4": 4, "exaone4": 4, "olmo2": 4, "afmoe": 4, "gemma4_text": 6, "gemma3_text": 6, "gemma2_text": 2,
}  # fmt: skip
WINDOW_PATTERN_FIRST: Mapping[str, int] = {"modern-bert": 3, "smallthinker": 4}
SHARED_KV: Mapping[str, int] = {"gemma3n": 20}  # layers from which on the cache of earlier ones is used again
NO_CACHE = frozenset({  # encoders: nothing to keep between tokens
    "bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "modern-bert", "modernbert",
    "roberta", "xlm-roberta", "distilbert", "deberta-v2", "clip", "siglip", "vit", "t5encoder", "gemma-embedding",
    "wavtokenizer-dec",
})  # fmt: skip
RECURRENT = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7", "falcon_mamba"})


@dataclass(frozen=True, slots=True)
class Geometry:
    """The attention geometry of a model: what its cache is made of. One entry a layer."""

    kv_heads: tuple[int, ...]  # 0 where a layer keeps no cache
    key_length: int  # elements of one head's key
    value_length: int
    heads: int = 0
    embedding: int = 0
    vocabulary: int = 0
    window: int | None = None  # tokens that a local layer sees
    local: tuple[bool, ...] = ()  # which layers are local; empty: none
    key_length_local: int | None = None
    value_length_local: int | None = None
    latent: int | None = None  # elements a token and layer keep under multi-head latent attention, instead of heads
    state: int = 0  # bytes of one recurrent layer's state, whatever the context
    recurrent_layers: int = 0
    trained_context: int | None = None

    @property
    def layers(self) -> int:
        return len(self.kv_heads)

    @property
    def kinds(self) -> tuple[tuple[int, bool, int], ...]:
        """Layers that keep a cache, alike ones together: (heads, local, how many)."""
        return kinds_of(self.kv_heads, self.local if self.window else ())

    def cells(self, context: int, *, local: bool = False) -> int:
        """Cells of one layer's cache. A local layer keeps its window and one batch (llama_kv_cache_iswa), padded."""
        full = pad(context)
        return min(full, pad(self.window + UBATCH_TOKENS)) if local and self.window else full

    def cache(self, context: int, kv_type: str = "f16") -> int:
        """Bytes of the cache at this context, recurrent state included.

        A layer keeps (key + value) x heads of keys and values x cells; under MLA one latent vector a token stands for
        all heads (DeepSeek-V2, arXiv 2405.04434, section 2.1: kv_lora_rank + the rotary part).
        """
        width = KV_BYTES[kv_type]
        total = 0.0
        for heads, local, count in self.kinds:
            if self.latent is not None:
                elements = self.latent
            else:
                key = (self.key_length_local if local else None) or self.key_length
                value = (self.value_length_local if local else None) or self.value_length
                elements = heads * (key + value)
            total += count * elements * width * self.cells(context, local=local)
        return round(total) + self.recurrent_layers * self.state


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model needs, by part. `estimated` names the parts that were guessed for want of a header."""

    weights: int
    cache: int
    compute: int
    runtime: int
    context: int
    kv_type: str
    estimated: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.compute + self.runtime


@lru_cache(maxsize=4096)
def kinds_of(kv_heads: tuple[int, ...], local: tuple[bool, ...]) -> tuple[tuple[int, bool, int], ...]:
    flags = local + (False,) * (len(kv_heads) - len(local))
    counted = Counter((heads, flag) for heads, flag in zip(kv_heads, flags, strict=False) if heads)
    return tuple((heads, flag, count) for (heads, flag), count in counted.items())


def pad(tokens: int, to: int = CACHE_PADDING_TOKENS) -> int:
    return -(-tokens // to) * to


def geometry(facts: Mapping[str, Any], architecture: str | None = None) -> Geometry | None:
    """The geometry from a header's facts (analysis.formats), or None where they do not tell enough.

    Facts come from strangers' files: what is no sane number is taken as absent.
    """
    layers = whole(facts.get("layers"), 10_000)
    embedding = whole(facts.get("embedding"), 10**7)
    heads = facts.get("heads")
    head_list = per_layer(heads, layers) if layers else None
    if not layers:
        return None
    layers -= min(layers - 1, whole(facts.get("nextn_layers"), 100) or 0)  # prediction layers stay unused in decoding
    architecture = architecture or ""
    most_heads = max(head_list or (0,))
    kv_heads = per_layer(facts.get("kv_heads"), layers) or tuple((head_list or ())[:layers])
    head = embedding // most_heads if embedding and most_heads else None
    key, value = whole(facts.get("key_length"), 65_536) or head, whole(facts.get("value_length"), 65_536) or head
    latent = latent_length(facts, kv_heads)
    if latent is not None:
        kv_heads = kv_heads or (1,) * layers
    recurrent = recurrent_layers(facts, architecture, kv_heads, layers)
    if architecture in NO_CACHE or facts.get("causal") is False:
        kv_heads = (0,) * layers
    if sum(recurrent) < layers and latent is None and not (kv_heads and key and value):
        return None
    kept = tuple(0 if recurrent[at] else heads for at, heads in enumerate(kv_heads or (0,) * layers))
    shared = whole(facts.get("shared_kv_layers"), layers) or (
        max(0, layers - SHARED_KV[architecture]) if architecture in SHARED_KV else 0
    )
    if shared:  # the last layers use the cache of earlier ones
        kept = kept[: layers - shared] + (0,) * shared
    window = whole(facts.get("sliding_window"), 10**8)
    return Geometry(
        kv_heads=kept,
        key_length=key or 0,
        value_length=value or 0,
        heads=most_heads,
        embedding=embedding or 0,
        vocabulary=whole(facts.get("vocabulary"), 10**8) or 0,
        window=window,
        local=local_layers(facts, architecture, layers) if window else (),
        key_length_local=whole(facts.get("key_length_swa"), 65_536),
        value_length_local=whole(facts.get("value_length_swa"), 65_536),
        latent=latent,
        state=state_bytes(facts, embedding or 0),
        recurrent_layers=sum(recurrent),
        trained_context=whole(facts.get("context"), 10**9),
    )


def latent_length(facts: Mapping[str, Any], kv_heads: Sequence[int]) -> int | None:
    """Elements of the latent vector under multi-head latent attention; None where whole heads are kept.

    GGUF files made before llama.cpp knew it (April 2025) give the rank, but keep all heads: many of them, each with its
    lengths of key and value.
    """
    rank = whole(facts.get("kv_lora_rank"), 65_536)
    if rank is None:
        return None
    if max(kv_heads, default=1) > 1 and facts.get("key_length") and facts.get("value_length"):
        return None
    return rank + (whole(facts.get("rope_dim"), 65_536) or 64)


def local_layers(facts: Mapping[str, Any], architecture: str, layers: int) -> tuple[bool, ...]:
    """Which layers see a window only: the header's pattern, else the architecture's; no pattern known, none.

    llama.cpp (llama_hparams::set_swa_pattern): with a pattern of n, layer i is local unless i % n == n - 1.
    """
    pattern = facts.get("sliding_window_pattern")
    if isinstance(pattern, Sequence) and not isinstance(pattern, str):
        flags = tuple(bool(flag) for flag in pattern[:layers])
        return flags + (False,) * (layers - len(flags))
    every = whole(pattern, layers) or WINDOW_PATTERN.get(architecture)
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
    every = whole(facts.get("full_attention_interval"), layers)
    if every and every > 1:  # Qwen3-Next and its line: the last of every n layers attends
        return tuple((layer + 1) % every != 0 for layer in range(layers))
    if whole(facts.get("ssm_state_size"), 10**7) and kv_heads:  # Jamba, Granite 4, Nemotron-H: 0 heads
        return tuple(heads == 0 for heads in kv_heads)
    return (False,) * layers


def state_bytes(facts: Mapping[str, Any], embedding: int) -> int:
    """Bytes of one recurrent layer's state, kept in F32 (llama_hparams::n_embd_r, n_embd_s).

    Mamba and gated delta nets: (conv - 1) x (inner + 2 x groups x state) + state x inner. RWKV: token shift x width +
    width x head size.
    """
    head = whole(facts.get("wkv_head_size"), 65_536)
    if head:
        shift = whole(facts.get("token_shift_count"), 16) or 2
        return 4 * (shift * embedding + embedding * head)
    state = whole(facts.get("ssm_state_size"), 10**6) or 0
    inner = whole(facts.get("ssm_inner_size"), 10**7) or 0
    conv = whole(facts.get("ssm_conv_kernel"), 1000) or 0
    groups = whole(facts.get("ssm_group_count"), 10**4) or 0
    return 4 * (max(0, conv - 1) * (inner + 2 * groups * state) + state * inner)


def whole(value: Any, most: int) -> int | None:
    """A count between 1 and `most`, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return int(value) if 1 <= value <= most else None


def per_layer(value: Any, layers: int) -> tuple[int, ...] | None:
    """A count a layer, from one number or a list of them; None where it is neither."""
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        counts = tuple(int(item) if isinstance(item, int | float) and 0 <= item <= 65_536 else 0 for item in value)
        return counts[:layers] + (counts[-1],) * (layers - len(counts))
    count = whole(value, 65_536)
    return None if count is None else (count,) * layers


def estimate_cache_without_header(parameters: int, context: int, kv_type: str) -> int:
    """A cache where no header tells the geometry: of 3B to 70B models with grouped-query attention the middle is
    about 12 KiB a token and billion parameters, and above 32B it grows no more (Llama 3.1 8B: 16, 70B: 4.6)."""
    billions = min(parameters / 1e9, 32.0)
    return round(12_288 * billions * pad(context) * KV_BYTES[kv_type] / 2)


def compute_buffer(shape: Geometry | None, context: int, *, flash_attention: bool = True) -> int:
    """Scratch memory of one batch.

    The logits of a batch and its widest activations, in F32, and the mask of what each token may see (F32 and F16);
    without flash attention the scores of all heads too: cells x batch x heads x 4. Llama 3 8B with 512 tokens at once:
    512 x (128,256 + 4,096) x 4 = 266 MiB, of which llama.cpp reports 258.5 as `CUDA0 compute buffer size`.
    """
    if shape is None:
        return 300 * MIB
    cells = max((shape.cells(context, local=local) for _, local, _ in shape.kinds), default=0)
    scores = 0 if flash_attention else cells * UBATCH_TOKENS * shape.heads * 4
    return wide_bytes(shape) + mask_bytes(cells, flash_attention=flash_attention) + scores


def wide_bytes(shape: Geometry) -> int:
    """The logits of a batch and its widest activations, in F32."""
    return UBATCH_TOKENS * (shape.vocabulary + shape.embedding) * 4


def mask_bytes(cells: int, *, flash_attention: bool) -> int:
    """What each token of a batch may see: F32, and a copy in F16 for flash attention (gguf-parser leaves both out)."""
    return cells * UBATCH_TOKENS * (4 + 2 if flash_attention else 4)


def estimate(
    weights: int,
    shape: Geometry | None,
    *,
    context: int,
    kv_type: str = "f16",
    parameters: int | None = None,
    flash_attention: bool = True,
    runtime: int = RUNTIME_OVERHEAD_BYTES,
) -> Estimate:
    """What it takes to run a model: `weights` are the bytes of all files that it loads.

    Without a geometry the cache is guessed from the parameters, and the estimate says so. Quantized caches need flash
    attention (llama.cpp refuses them without).
    """
    if shape is not None:
        cache, guessed = shape.cache(context, kv_type), ()
    else:
        cache = estimate_cache_without_header(parameters or round(weights / 0.6), context, kv_type)
        guessed = ("cache", "compute")  # type: ignore[assignment]
    compute = compute_buffer(shape, context, flash_attention=flash_attention)
    return Estimate(weights, cache, compute, runtime, context, kv_type, guessed)


def largest_context(
    memory: int,
    weights: int,
    shape: Geometry | None,
    *,
    kv_type: str = "f16",
    parameters: int | None = None,
    trained: int | None = None,
) -> int:
    """The longest context, in steps of 256 tokens, whose estimate fits `memory`; 0 where not even 256 fit.

    Never beyond what the model was trained for (`trained`; 131,072 where nobody knows).
    """
    most = (trained or (shape.trained_context if shape else None) or 131_072) // CACHE_PADDING_TOKENS

    def fits(blocks: int) -> bool:
        context = blocks * CACHE_PADDING_TOKENS
        return estimate(weights, shape, context=context, kv_type=kv_type, parameters=parameters).total <= memory

    if most < 1 or not fits(1):
        return 0
    low, high = 1, most
    while low < high:  # the need grows with the context
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low * CACHE_PADDING_TOKENS


def tokens_per_second(weights: int, bandwidth: float, *, active_share: float = 1.0) -> float:
    """The most tokens a second that memory allows: each token reads every active weight once (the roofline of decoding,
    arXiv 2402.16363, section 2). A mixture of experts reads its active share; real engines reach 60 to 90 % of it."""
    return bandwidth / max(1.0, weights * active_share)


def weight_bytes(parameters: float, bits: float) -> int:
    """Bytes of so many parameters at so many bits each: the seed of it all."""
    return round(parameters * bits / 8)


def saving_against(bits: float, against: float = 32.0) -> float:
    """How much smaller, as a share: 4.5 bits against 32 save 0.86."""
    return 1 - bits / against

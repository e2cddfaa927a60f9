"""How much memory a model needs to run, as arithmetic whose every formula names its source.

    needed = weights (bytes of the files) + KV cache (attention geometry x context) + compute buffer + runtime

The geometry is that of the file's own header. The formulas follow llama.cpp (src/llama-kv-cache.cpp,
src/llama-memory-recurrent.cpp, src/llama-hparams.cpp), the most common runtime on users' own machines; the
estimates were checked against gguf-parser's published footprints (tests/analysis/fit/test_memory.py).

All sizes are bytes, contexts are tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.fit.geometry import CACHE_PADDING_TOKENS, KV_BYTES, UBATCH_TOKENS, Geometry, pad_tokens
from analysis.units import GIB as GIB
from analysis.units import MIB

RUNTIME_OVERHEAD_BYTES = 256 * MIB
"""Program, tokenizer and backend buffers; gguf-parser-go assumes 150 MiB (RAM) and 250 MiB (VRAM)."""

COMPUTE_WITHOUT_HEADER_BYTES = 300 * MIB
DEFAULT_TRAINED_CONTEXT = 131_072  # tokens, where the trained context is unknown


@dataclass(frozen=True, slots=True)
class Estimate:
    """The memory that a model needs, by part, in bytes. `estimated` names the parts estimated without a header."""

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


def estimate_cache_without_header(parameters: int, context: int, kv_type: str) -> int:
    """Bytes of the cache where no header gives the geometry.

    The median of 3B to 70B models with grouped-query attention is about 12 KiB per token and billion parameters, and
    above 32B the cache does not grow further (Llama 3.1 8B: 16 KiB, 70B: 4.6 KiB).
    """
    billions = min(parameters / 1e9, 32.0)
    return round(12_288 * billions * pad_tokens(context) * KV_BYTES[kv_type] / 2)


def compute_buffer_bytes(shape: Geometry | None, context: int, *, flash_attention: bool = True) -> int:
    """Bytes of the compute buffer for one batch.

    The logits of a batch and its widest activations in F32, and the attention mask (F32 and F16); without
    flash attention the scores of all heads too: cells x batch x heads x 4. Llama 3 8B with 512 tokens at once:
    512 x (128,256 + 4,096) x 4 = 266 MiB, of which llama.cpp reports 258.5 as `CUDA0 compute buffer size`.
    """
    if shape is None:
        return COMPUTE_WITHOUT_HEADER_BYTES
    cells = shape.cells(context)
    scores = 0 if flash_attention else cells * UBATCH_TOKENS * shape.heads * 4
    return logits_bytes(shape) + mask_bytes(cells, flash_attention=flash_attention) + scores


def logits_bytes(shape: Geometry) -> int:
    """The logits of a batch and its widest activations, in F32."""
    return UBATCH_TOKENS * (shape.vocabulary + shape.embedding) * 4


def mask_bytes(cells: int, *, flash_attention: bool) -> int:
    """The attention mask of a batch: F32, and a copy in F16 for flash attention (gguf-parser counts neither)."""
    return cells * UBATCH_TOKENS * (4 + 2 if flash_attention else 4)


def estimate_memory(
    weights: int,
    shape: Geometry | None,
    *,
    context: int,
    kv_type: str = "f16",
    parameters: int | None = None,
    flash_attention: bool = True,
    runtime: int = RUNTIME_OVERHEAD_BYTES,
) -> Estimate:
    """The memory needed to run a model; `weights` are the bytes of all files that it loads.

    Without a geometry the cache is estimated from the number of parameters, and `estimated` says so. Quantized caches
    need flash attention (llama.cpp refuses them without).
    """
    if shape is not None:
        cache, estimated = shape.cache_bytes(context, kv_type), ()
    else:
        cache = estimate_cache_without_header(parameters or round(weights / 0.6), context, kv_type)
        estimated = ("cache", "compute")  # type: ignore[assignment]
    compute = compute_buffer_bytes(shape, context, flash_attention=flash_attention)
    return Estimate(weights, cache, compute, runtime, context, kv_type, estimated)


def find_largest_context(
    memory: int,
    weights: int,
    shape: Geometry | None,
    *,
    kv_type: str = "f16",
    parameters: int | None = None,
    trained: int | None = None,
) -> int:
    """The longest context, in steps of 256 tokens, whose estimate fits `memory`; 0 where not even 256 fit.

    Never beyond the context that the model was trained for (`trained`; DEFAULT_TRAINED_CONTEXT if unknown).
    """
    most = (trained or (shape.trained_context if shape else None) or DEFAULT_TRAINED_CONTEXT) // CACHE_PADDING_TOKENS

    def fits(blocks: int) -> bool:
        context = blocks * CACHE_PADDING_TOKENS
        return estimate_memory(weights, shape, context=context, kv_type=kv_type, parameters=parameters).total <= memory

    if most < 1 or not fits(1):
        return 0
    low, high = 1, most
    while low < high:  # the need grows with the context
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low * CACHE_PADDING_TOKENS


def weight_bytes(parameters: float, bits: float) -> int:
    """Bytes of weights: parameters x bits / 8."""
    return round(parameters * bits / 8)


def saving_against(bits: float, against: float = 32.0) -> float:
    """The share of memory saved: 4.5 bits against 32 save 0.86."""
    return 1 - bits / against

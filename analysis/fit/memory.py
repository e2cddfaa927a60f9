"""How much memory a model needs to run, as arithmetic whose every formula names its source.

    needed = weights (bytes of the files) + KV cache (attention geometry x context) + compute buffer + runtime

The geometry is that of the file's own header. The formulas follow llama.cpp (src/llama-kv-cache.cpp,
src/llama-memory-recurrent.cpp, src/llama-hparams.cpp), the most common runtime on users' own machines; the
estimates were checked against gguf-parser's published footprints (tests/analysis/fit/test_memory.py).

All sizes are bytes, contexts are tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.fit.geometry import CACHE_PADDING_TOKENS, UBATCH_TOKENS, Geometry, kv_element_bytes, pad_tokens
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


def estimate_cache_without_header(parameters: int, context: int, kv_type: str, active: int | None = None) -> int:
    """Bytes of the cache where no header gives the geometry.

    The median of 3B to 70B models with grouped-query attention is about 12 KiB per token and billion parameters, and
    above 32B the cache does not grow further (Llama 3.1 8B: 16 KiB, 70B: 4.6 KiB). A mixture of experts counts as the
    geometric mean of its active and total parameters (Qwen3 30B-A3B: 9.5B, which gives 114 KiB a token; it has 96).
    """
    return round(elements_without_header(parameters, active) * pad_tokens(context) * kv_element_bytes(kv_type))


def elements_without_header(parameters: int, active: int | None = None) -> float:
    """Elements of keys and values that a token adds to the cache, as `estimate_cache_without_header` takes them."""
    size = (parameters * min(active, parameters)) ** 0.5 if active else parameters
    return 6_144 * min(size / 1e9, 32.0)


def usual_parameters(weights: int) -> int:
    """The parameters of `weights` bytes at 4.8 bits, where they are unknown."""
    return round(weights / 0.6)


def compute_buffer_bytes(
    shape: Geometry | None, context: int, *, flash_attention: bool = True, ubatch: int = UBATCH_TOKENS
) -> int:
    """Bytes of llama.cpp's compute buffers for a batch of `ubatch` tokens, on the device and in RAM.

    What a layer's attention needs is free again when the logits are computed, so the larger of both counts. Llama 3 8B,
    512 tokens at once, as llama.cpp reports it: 258.5 MiB with flash attention (logits); without, 296 MiB at 4,096
    tokens and 560 at 8,192 (attention); in RAM 24 MiB at 8,192.
    """
    if shape is None:
        return COMPUTE_WITHOUT_HEADER_BYTES
    attention = attention_bytes(shape, context, flash_attention=flash_attention, ubatch=ubatch)
    return max(logits_bytes(shape, ubatch), attention) + input_bytes(shape, context, ubatch)


def logits_bytes(shape: Geometry, ubatch: int = UBATCH_TOKENS) -> int:
    """The logits of a batch and its activations, in F32."""
    return ubatch * (shape.vocabulary + shape.embedding) * 4


def attention_bytes(shape: Geometry, context: int, *, flash_attention: bool = True, ubatch: int = UBATCH_TOKENS) -> int:
    """The mask and the activations of one layer's attention, in F32: residual, query, key and value.

    Flash attention has a copy of the mask in F16; without it there are the scores of all heads.
    """
    cells = shape.cells(context)
    scores = cells * ubatch * (2 if flash_attention else 4 * shape.heads)
    return cells * ubatch * 4 + scores + 4 * ubatch * shape.embedding * 4


def input_bytes(shape: Geometry, context: int, ubatch: int = UBATCH_TOKENS) -> int:
    """The inputs of a batch that are kept in RAM: the mask and the embeddings of its tokens, in F32."""
    return ubatch * (shape.cells(context) + shape.embedding) * 4


@dataclass(frozen=True, slots=True)
class Engine:
    """What a runtime needs besides weights and cache.

    `program`: process, libraries, driver's context; `graphs`: captured CUDA graphs; `prefill`: tokens of a prompt that
    are computed at once; `sequences`: for which logits are reserved; `activations`: bytes for each of these tokens,
    where the program does not account for the model's widths; `reserves`: the share of a card that it takes at the
    start, whatever a model needs, so that its cache can hold more (None: what its own rule leaves).
    """

    name: str
    program: int = RUNTIME_OVERHEAD_BYTES
    graphs: int = 0
    prefill: int = UBATCH_TOKENS
    sequences: int = 1
    activations: int | None = None
    reserves: float | None = None


LLAMA_CPP = Engine("llama.cpp")
ENGINES: Mapping[str, Engine] = {
    each.name: each
    for each in (
        LLAMA_CPP,
        Engine("vllm", 600 * MIB, graphs=GIB, prefill=2048, sequences=256, reserves=0.9),
        Engine("sglang", 640 * MIB, graphs=24 * 2 * MIB, prefill=2048, activations=MIB * 3 // 2),
        Engine("transformers", 600 * MIB, prefill=2048),
        Engine("mlx", prefill=2048),
    )
}
"""By name, as the programs' sources have it for one card of less than 35 GiB.

vLLM: vllm/engine/arg_utils.py (`get_batch_defaults`: 2,048 tokens and 256 sequences of the server; 8,192 and 1,024 on
cards from 70 GiB on but the A100), vllm/config/cache.py (`gpu_memory_utilization` 0.9). It measures its own program and
graphs at the start (vllm/v1/worker/gpu_worker.py), so that no source states them: these are typical, not measured here.
SGLang: what python/sglang/srt/server_args.py reserves beside weights and cache: 512 MiB, 1.5 for each token of
`chunked_prefill_size`, 2 for each sequence of `cuda_graph_max_bs` (24; 8 below 20 GiB), 1,024 / 8 for each card.
MLX: mlx_lm/generate.py (`prefill_step_size` 2,048; the logits of a prompt are not computed).
"""

PROJECTOR_BUFFER_SHARE = 1 / 3
"""llama.cpp's log of the mmproj of Qwen3.6 27B in BF16 (888 MiB), warmed up with 1,472 x 1,472 pixels and flash
attention: 273 MiB, 31 %. Of Qwen2.5-VL 3B (806 MiB) and a smaller image: 82 MiB. Without
flash attention it is a multiple."""

LAYER_WIDTHS = 16
"""Activations of one layer, in widths of the embedding: residual, query, key, value, and twice the feed-forward's."""


def find_engine(name: str) -> Engine:
    """The runtime of this name; llama.cpp for programs that run its engine, and for unknown ones."""
    return ENGINES.get(name.lower(), LLAMA_CPP)


def engine_compute_bytes(shape: Geometry | None, engine: Engine) -> int:
    """Activations of a part of the prompt, in 16 bits, and the logits of the sequences, in F32; attention is fused.

    SGLang reserves a fixed amount for each token of the part instead.
    """
    if shape is None:
        return COMPUTE_WITHOUT_HEADER_BYTES
    if engine.activations is not None:
        return engine.prefill * engine.activations
    return engine.prefill * shape.embedding * LAYER_WIDTHS * 2 + engine.sequences * shape.vocabulary * 4


def estimate_memory(
    weights: int,
    shape: Geometry | None,
    *,
    context: int,
    kv_type: str = "f16",
    parameters: int | None = None,
    active: int | None = None,
    flash_attention: bool = True,
    runtime: int | None = None,
    engine: str = "llama.cpp",
    ubatch: int = UBATCH_TOKENS,
    sequences: int = 1,
    projector: int = 0,
) -> Estimate:
    """The memory needed to run a model; `weights` are the bytes of all files that it loads.

    `engine` is the runtime, `ubatch` the tokens that llama.cpp computes at once; `sequences` of `context` tokens each
    are kept. `projector`: bytes of the vision tower's file (mmproj), whose buffers take a third of it. Without a
    geometry the cache is estimated from the number of parameters (`active` of them), and `estimated` says so. Quantized
    caches need flash attention (llama.cpp refuses them without).
    """
    program = find_engine(engine)
    estimated: tuple[str, ...] = ()
    if shape is not None:
        cache = sequences * shape.cache_bytes(context, kv_type)
    else:
        cache = sequences * estimate_cache_without_header(
            parameters or usual_parameters(weights), context, kv_type, active
        )
        estimated = ("cache", "compute")
    if program is LLAMA_CPP:
        compute = compute_buffer_bytes(shape, context, flash_attention=flash_attention, ubatch=ubatch)
    else:
        compute = engine_compute_bytes(shape, program)
        estimated = (*(part for part in estimated if part != "compute"), "compute", "runtime")
    overhead = program.program + program.graphs if runtime is None else runtime
    compute += round(projector * PROJECTOR_BUFFER_SHARE)
    return Estimate(weights + projector, cache, compute, overhead, context, kv_type, estimated)


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

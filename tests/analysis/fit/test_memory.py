"""The memory model against what others published, and against arithmetic that one can follow by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.fit.geometry import KV_TYPES, UBATCH_TOKENS, Cache, Geometry, kv_element_bytes, parse_geometry
from analysis.fit.machines import Machine
from analysis.fit.memory import (
    ENGINES,
    compute_buffer_bytes,
    estimate_memory,
    find_engine,
    find_largest_context,
    input_bytes,
    logits_bytes,
    saving_against,
    weight_bytes,
)
from analysis.fit.speed import tokens_per_second
from analysis.schemes.schemes import scheme_table
from analysis.units import GIB, MIB

LLAMA_8B = {"layers": 32, "embedding": 4096, "heads": 32, "kv_heads": 8, "vocabulary": 128256, "context": 131072}
LLAMA_70B = {"layers": 80, "embedding": 8192, "heads": 64, "kv_heads": 8, "vocabulary": 128256, "context": 131072}
QWEN_7B = {"layers": 28, "embedding": 3584, "heads": 28, "kv_heads": 4, "vocabulary": 152064, "context": 131072}
QWEN_14B = {"layers": 48, "embedding": 5120, "heads": 40, "kv_heads": 8, "vocabulary": 152064, "context": 131072}
QWEN_72B = {"layers": 80, "embedding": 8192, "heads": 64, "kv_heads": 8, "vocabulary": 152064, "context": 32768}
QWEN_MOE = {
    "layers": 48, "embedding": 2048, "heads": 32, "kv_heads": 4, "key_length": 128, "value_length": 128,
    "vocabulary": 151936, "context": 40960,
}  # fmt: skip
GEMMA_4B = {
    "layers": 34, "embedding": 2560, "heads": 8, "kv_heads": 4, "key_length": 256, "value_length": 256,
    "sliding_window": 1024, "vocabulary": 262144, "context": 131072,
}  # fmt: skip


def file_bits(scheme: str) -> float:
    found = scheme_table().schemes[scheme].estimated_bits
    assert found is not None
    return found


def shape_of(facts: dict[str, Any], architecture: str | None = None) -> Geometry:
    shape = parse_geometry(facts, architecture)
    assert shape is not None
    return shape


# ---- weights --------------------------------------------------------------------------------------------------------

PUBLISHED = {  # llama.cpp, tools/quantize/README.md: Llama 3.1 8B, GiB
    "IQ1_S": 1.87, "IQ1_M": 2.01, "IQ2_XXS": 2.23, "IQ2_XS": 2.42, "IQ2_S": 2.56, "IQ2_M": 2.74, "IQ3_XXS": 3.04,
    "IQ3_XS": 3.27, "IQ3_S": 3.42, "IQ3_M": 3.52, "IQ4_XS": 4.17, "IQ4_NL": 4.38, "Q2_K_S": 2.78, "Q2_K": 2.95,
    "Q3_K_S": 3.41, "Q3_K_L": 4.02, "Q4_K_S": 4.36, "Q4_K_M": 4.58, "Q5_K_S": 5.21, "Q5_K_M": 5.33, "Q6_K": 6.14,
    "Q8_0": 7.95, "F16": 14.96,
}  # fmt: skip


@pytest.mark.parametrize("scheme", PUBLISHED)
def test_sizes_of_llama_3_1_8b_match_llama_cpps_table(scheme: str) -> None:
    assert weight_bytes(8_030_261_248, file_bits(scheme)) / GIB == pytest.approx(PUBLISHED[scheme], rel=0.01)


@pytest.mark.parametrize(
    ("parameters", "scheme", "gigabytes"),
    [(8.03e9, "F32", 32.1), (8.03e9, "Q4_K_M", 4.9), (70.55e9, "Q4_K_M", 43.1), (405.85e9, "Q4_K_M", 249.1)],
)
def test_the_bits_of_8b_predict_larger_models(parameters: float, scheme: str, gigabytes: float) -> None:
    """The same README's sizes of the 70B and the 405B, which the widths were not taken from."""
    assert weight_bytes(parameters, file_bits(scheme)) / 1e9 == pytest.approx(gigabytes, rel=0.01)


def test_weight_bytes_and_savings() -> None:
    """A billion parameters at 8 bits are a gigabyte."""
    assert [weight_bytes(4e9, bits) for bits in (32, 16, 8, 4)] == [16e9, 8e9, 4e9, 2e9]
    assert [saving_against(bits) for bits in (32, 16, 8, 4)] == [0, 0.5, 0.75, 0.875]
    assert saving_against(4.5) == pytest.approx(0.86, abs=0.001)


# ---- footprints that gguf-parser published --------------------------------------------------------------------------

FOOTPRINTS = [  # README of gguf-parser-go: weights, context, GiB of VRAM without the weights (UMA) and with them
    ("DeepSeek-R1-Distill-Qwen-7B Q4_K_M", QWEN_7B, 4_677_120_000, 131072, 7.30, 18.89),
    ("Qwen2.5-7B Q8_0", QWEN_7B, 8_091_580_000, 131072, 7.30, 21.82),
    ("Qwen2.5-72B Q4_K_M", QWEN_72B, round(44.15 * GIB), 32768, 10.31, 58.18),
    ("Llama-3.3-70B Q4_K_M", LLAMA_70B, round(39.59 * GIB), 131072, 40.26, 95.86),
    ("Llama-3.3-70B Q4_K_M", LLAMA_70B, round(39.59 * GIB), 2048, 0.91, 40.49),
]


@pytest.mark.parametrize(("name", "facts", "weights", "context", "uma", "whole"), FOOTPRINTS)
def test_footprints_match_gguf_parser(
    name: str, facts: dict[str, Any], weights: int, context: int, uma: float, whole: float
) -> None:
    """With everything on the card and no flash attention, as in its README: within 2.5 %."""
    found = estimate_memory(weights, shape_of(facts), context=context, flash_attention=False)
    assert found.total / GIB == pytest.approx(whole, rel=0.025), name


@pytest.mark.parametrize(("name", "facts", "weights", "context", "uma", "whole"), FOOTPRINTS)
def test_cache_and_compute_buffer_match_gguf_parser_except_for_the_mask(
    name: str, facts: dict[str, Any], weights: int, context: int, uma: float, whole: float
) -> None:
    """It leaves out the mask, which llama.cpp allocates in RAM and on the device. Without both, 3 %."""
    shape = shape_of(facts)
    found = estimate_memory(weights, shape, context=context)
    buffers = min(found.compute - input_bytes(shape, context), logits_bytes(shape))
    assert (found.cache + buffers) / GIB == pytest.approx(uma, rel=0.04), name


@pytest.mark.parametrize(
    ("flash_attention", "context", "mib"),
    [(True, 8192, 258.5), (False, 2048, 258.5), (False, 4096, 296), (False, 8192, 560)],
)
def test_compute_buffers_are_those_that_llama_cpp_reports(flash_attention: bool, context: int, mib: float) -> None:
    """`CUDA0 compute buffer size` of Llama 3 8B; `CUDA_Host compute buffer size` is 24 MiB at 8,192 tokens."""
    shape = shape_of(LLAMA_8B)
    device = compute_buffer_bytes(shape, context, flash_attention=flash_attention) - input_bytes(shape, context)
    assert device / MIB == pytest.approx(mib, rel=0.001)
    assert input_bytes(shape, 8192) == 24 * MIB


LOGGED = [  # llama.cpp's log, MiB: tensors, KV cache, states, compute buffer, host compute buffer
    ("Qwen3.5 9B UD-Q4_K_XL", 5679.25, 256, 50.25, 498, 128.16),
]


@pytest.mark.parametrize(("name", "model", "cache", "states", "compute", "host"), LOGGED)
def test_the_whole_need_matches_llama_cpps_log(
    name: str, model: float, cache: float, states: float, compute: float, host: float
) -> None:
    facts = {
        "layers": 32, "embedding": 4096, "heads": 16, "kv_heads": 4, "key_length": 256, "value_length": 256,
        "vocabulary": 248320, "full_attention_interval": 4, "ssm_conv_kernel": 4, "ssm_inner_size": 4096,
        "ssm_state_size": 128, "ssm_group_count": 16, "ssm_time_step_rank": 32,
    }  # fmt: skip
    found = estimate_memory(round(model * MIB), shape_of(facts, "qwen35"), context=8192)
    assert found.cache / MIB == pytest.approx(cache + states, rel=0.001)
    assert 0.97 <= found.total / MIB / (model + cache + states + compute + host) <= 1.05, name


def test_larger_batches_need_larger_buffers() -> None:
    shape = shape_of(LLAMA_8B)
    assert logits_bytes(shape, 1024) == 2 * logits_bytes(shape, 512) == 2 * 512 * (128256 + 4096) * 4
    small, large = (estimate_memory(10**9, shape, context=8192, ubatch=size) for size in (512, 2048))
    assert large.compute == pytest.approx(4 * small.compute) and large.cache == small.cache


def test_each_sequence_has_a_cache() -> None:
    one, four = (estimate_memory(10**9, shape_of(LLAMA_8B), context=4096, sequences=count) for count in (1, 4))
    assert four.cache == 4 * one.cache == 4 * 512 * MIB


def test_a_projector_needs_its_size_and_the_buffers_that_llama_cpp_logs() -> None:
    """Qwen3.6 27B's in BF16: 887.99 MiB, buffers of 248.10 and 24.93 MiB for 1,472 x 1,472 pixels."""
    without, found = (estimate_memory(10**9, None, context=4096, projector=size) for size in (0, 888 * MIB))
    assert found.weights - without.weights == 888 * MIB
    assert found.compute - without.compute == 296 * MIB == pytest.approx(273 * MIB, rel=0.09)


def test_every_engine_needs_more_than_weights_and_cache_and_says_what_is_not_calibrated() -> None:
    shape = shape_of(LLAMA_8B)
    needs = {name: estimate_memory(5 * 10**9, shape, context=8192, engine=name) for name in ENGINES}
    assert all(each.cache == needs["llama.cpp"].cache and each.compute and each.runtime for each in needs.values())
    assert needs["llama.cpp"].estimated == () and needs["vllm"].estimated == ("compute", "runtime")
    assert needs["vllm"].runtime == 600 * MIB + GIB and needs["mlx"].runtime == needs["llama.cpp"].runtime
    assert needs["vllm"].compute == 2048 * 4096 * 16 * 2 + 256 * 128256 * 4
    assert needs["sglang"].compute + needs["sglang"].runtime == (512 + 2048 * 1.5 + 24 * 2 + 1024 / 8) * MIB
    assert find_engine("Ollama") is find_engine("nonsense") is ENGINES["llama.cpp"]


# ---- cache ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "a_token"), [(LLAMA_8B, 131_072), (LLAMA_70B, 327_680), (QWEN_7B, 57_344), (QWEN_MOE, 98_304)]
)
def test_cache_bytes_per_token_match_published_ones(facts: dict[str, Any], a_token: int) -> None:
    assert shape_of(facts).cache_bytes(256) == 256 * a_token


def test_the_headers_key_length_takes_precedence_over_the_embedding() -> None:
    """Qwen3 30B-A3B: 2,048 / 32 would be 64, and half the cache."""
    assert shape_of(QWEN_MOE).caches == (Cache(layers=48, elements=4 * (128 + 128)),)


def test_minimax_m2_matches_hf_mem() -> None:
    facts = {"layers": 62, "embedding": 3072, "heads": 48, "kv_heads": 8, "key_length": 128, "value_length": 128}
    assert shape_of(facts).cache_bytes(98_304) == 24_964_497_408


def test_a_sliding_window_keeps_its_window_and_one_batch() -> None:
    """Gemma 3 4B at 32,768 tokens: 5 of 34 layers see everything, 29 see 1,024."""
    shape = shape_of(GEMMA_4B, "gemma3")
    assert {cache.window: cache.layers for cache in shape.caches} == {None: 5, 1024: 29}
    a_cell = 4 * (256 + 256) * 2
    assert shape.cache_bytes(32_768) == 5 * a_cell * 32_768 + 29 * a_cell * (1024 + UBATCH_TOKENS)
    without_window = shape_of({**GEMMA_4B, "sliding_window": None}, "gemma3")
    assert shape.cache_bytes(32_768) < 0.2 * without_window.cache_bytes(32_768)


def test_the_last_layer_of_a_group_uses_full_attention() -> None:
    """26 layers in groups of 6 (Gemma 3 1B) have 4 such layers; counting from the first would find 5."""
    caches = shape_of({**GEMMA_4B, "layers": 26}, "gemma3").caches
    assert [cache.layers for cache in caches if cache.window is None] == [4]


def test_the_headers_pattern_takes_precedence_over_the_architectures() -> None:
    pattern = [True, False] * 17
    shape = shape_of({**GEMMA_4B, "sliding_window_pattern": pattern}, "gemma3")
    assert [cache.layers for cache in shape.caches] == [17, 17]


def test_latent_attention_keeps_one_vector_for_all_heads() -> None:
    """DeepSeek V3: 512 + 64 elements, 61 layers, two bytes."""
    facts = {"layers": 61, "embedding": 7168, "heads": 128, "kv_heads": 1, "kv_lora_rank": 512, "rope_dim": 64,
             "key_length": 576, "value_length": 512}  # fmt: skip
    assert shape_of(facts, "deepseek2").cache_bytes(256) == 256 * (512 + 64) * 2 * 61


def test_files_from_before_latent_attention_support_keep_all_heads() -> None:
    facts = {"layers": 61, "embedding": 7168, "heads": 128, "kv_heads": 128, "kv_lora_rank": 512, "rope_dim": 64,
             "key_length": 192, "value_length": 128}  # fmt: skip
    assert shape_of(facts, "deepseek2").cache_bytes(256) == 256 * 128 * (192 + 128) * 2 * 61


def test_a_hybrid_keeps_a_state_in_its_recurrent_layers() -> None:
    """Qwen3-Next 80B-A3B: of 48 layers every fourth attends; 36 keep a state of the same size at any context."""
    facts = {
        "layers": 48, "embedding": 2048, "heads": 16, "kv_heads": 2, "key_length": 256, "value_length": 256,
        "full_attention_interval": 4, "ssm_state_size": 128, "ssm_inner_size": 4096, "ssm_conv_kernel": 4,
        "ssm_group_count": 16,
    }  # fmt: skip
    shape = shape_of(facts, "qwen3next")
    state = 4 * (3 * (4096 + 2 * 16 * 128) + 128 * 4096)
    assert shape.cache_bytes(65_536) == 12 * 2 * 512 * 2 * 65_536 + 36 * state


def test_a_recurrent_models_memory_does_not_grow_with_the_context() -> None:
    facts = {"layers": 64, "embedding": 2560, "ssm_state_size": 16, "ssm_inner_size": 5120, "ssm_conv_kernel": 4}
    shape = shape_of(facts, "mamba")
    assert shape.cache_bytes(1024) == shape.cache_bytes(1_000_000) > 0


def test_an_encoder_has_no_cache() -> None:
    facts = {"layers": 12, "embedding": 768, "heads": 12, "kv_heads": 12, "context": 512}
    assert shape_of(facts, "bert").cache_bytes(512) == 0


def test_layers_that_share_their_cache_count_once() -> None:
    """Gemma 3n: from layer 20 on the cache of earlier layers is used again."""
    facts = {**GEMMA_4B, "layers": 35}
    assert sum(cache.layers for cache in shape_of(facts, "gemma3n").caches) == 20


def test_a_smaller_cache_type_is_smaller_by_its_block() -> None:
    shape = shape_of(LLAMA_8B)
    assert shape.cache_bytes(8192, "q8_0") == shape.cache_bytes(8192, "f16") * (34 / 32) / 2


def test_bytes_of_an_element_in_each_type_of_cache() -> None:
    found = {kv_type: kv_element_bytes(kv_type) for kv_type in KV_TYPES}
    blocks = {"q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32, "q4_0": 18 / 32, "iq4_nl": 18 / 32}
    assert found == {"f32": 4, "f16": 2, "bf16": 2, **blocks}


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"layers": 0},
        {"layers": "many"},
        {"layers": 10**9},
        {"layers": 4, "heads": 0},
        {"layers": 4, "heads": 8, "embedding": float("nan")},
        {"layers": 4, "heads": [None, {}], "kv_heads": "x", "embedding": -5},
        {"layers": True},
    ],
)
def test_invalid_facts_give_no_geometry(facts: dict[str, Any]) -> None:
    assert parse_geometry(facts, "llama") is None


numbers = st.one_of(st.none(), st.booleans(), st.integers(-5, 2**40), st.floats(), st.text(max_size=3))


@given(
    st.dictionaries(st.sampled_from([*QWEN_MOE, "sliding_window", "kv_lora_rank", "recurrent_layers", "heads"]),
                    st.one_of(numbers, st.lists(numbers, max_size=4)), max_size=10)
)  # fmt: skip
def test_any_facts_give_a_geometry_or_none(facts: dict[str, Any]) -> None:
    shape = parse_geometry(facts, "gemma3")
    if shape is not None:
        assert estimate_memory(10**9, shape, context=4096).total >= 10**9


# ---- what fits ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 200_000), st.integers(1, 200_000))
def test_more_context_never_needs_less(one: int, other: int) -> None:
    shape = shape_of(GEMMA_4B, "gemma3")
    less, more = sorted((one, other))
    assert shape.cache_bytes(less) <= shape.cache_bytes(more)


@given(st.integers(3 * 10**9, 40 * 10**9))
def test_the_largest_context_fits_and_the_next_does_not(memory: int) -> None:
    shape = shape_of(LLAMA_8B)
    weights = 4_920_739_232
    found = find_largest_context(memory, weights, shape)
    assert found <= 131_072
    if found:
        assert estimate_memory(weights, shape, context=found).total <= memory
    if found < 131_072:
        assert estimate_memory(weights, shape, context=found + 256).total > memory


def test_16_gb_hold_at_most_fourteen_billion_parameters_at_four_bits() -> None:
    room = Machine(ram=16 * 10**9).ram_for_models

    def needs(parameters: float, facts: dict[str, Any]) -> int:
        return estimate_memory(weight_bytes(parameters, file_bits("Q4_K_M")), shape_of(facts), context=8192).total

    mistral_24b = {**QWEN_14B, "layers": 40, "heads": 32, "key_length": 128, "value_length": 128, "vocabulary": 131072}
    assert needs(14.77e9, QWEN_14B) < room < needs(23.57e9, mistral_24b)
    assert room < estimate_memory(weight_bytes(14.77e9, 8.5), shape_of(QWEN_14B), context=8192).total, "not at 8 bits"


def test_a_missing_header_marks_the_estimate() -> None:
    known, guessed = (estimate_memory(4_920_739_232, shape, context=8192, parameters=8_030_261_248)
                      for shape in (shape_of(LLAMA_8B), None))  # fmt: skip
    assert known.estimated == () and guessed.estimated == ("cache", "compute")
    assert guessed.cache == pytest.approx(known.cache, rel=0.5)


def test_a_mixture_without_a_header_has_a_smaller_cache_than_its_size_says() -> None:
    """Qwen3 30B-A3B keeps 96 KiB a token; 12 KiB for each of the square root of 3 x 30 billion give 114."""
    found = estimate_memory(10**9, None, context=256, parameters=30 * 10**9, active=3 * 10**9)
    assert found.cache / 256 == pytest.approx(12_288 * 90**0.5)
    dense = estimate_memory(10**9, None, context=256, parameters=30 * 10**9)
    assert dense.cache == 256 * 12_288 * 30


def test_speed_is_bandwidth_divided_by_the_bytes_per_token() -> None:
    assert tokens_per_second(5 * 10**9, 100e9) == 20
    assert tokens_per_second(18_556_685_824, 100e9, active_share=3.353 / 30.532) == pytest.approx(49, rel=0.01)

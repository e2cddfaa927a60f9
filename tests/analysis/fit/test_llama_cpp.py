"""What llama.cpp keeps for GGUF files of each architecture, by its sources and by what it printed for real models."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.fit.geometry import Cache, Geometry, build_geometry, parse_geometry
from analysis.fit.layers import UnknownGeometry
from analysis.fit.llama_cpp import load_rules

HEADS = {"embedding": 4096, "heads": 32, "kv_heads": 8, "key_length": 128, "value_length": 128}
A_CELL = 8 * (128 + 128)


def geometry(architecture: str, layers: int, **facts: Any) -> Geometry:
    return build_geometry({"layers": layers, **HEADS, **facts}, architecture)


WINDOWED = [
    # architecture, layers, facts, layers with the whole context, tokens of the window (src/models/ARCHITECTURE.cpp)
    ("gemma2", 4, {}, 2, 4096),
    ("gemma3", 13, {"sliding_window": 1024}, 2, 1024),
    ("gemma3", 6, {}, 6, None),
    ("gemma3", 12, {"sliding_window": 1024, "sliding_window_pattern": 3}, 4, 1024),
    ("llama4", 8, {}, 2, 8192),
    ("llama4", 8, {"sliding_window": 0}, 8, None),
    ("exaone4", 64, {}, 16, 4096),
    ("exaone4", 30, {"sliding_window": 4096}, 30, None),
    ("exaone-moe", 5, {"sliding_window": 128}, 1, 128),
    ("cohere2", 5, {"sliding_window": 4096}, 1, 4096),
    ("cohere2moe", 5, {"sliding_window": 4096}, 2, 4096),
    ("smallthinker", 5, {"sliding_window": 1024}, 2, 4096),
    ("smallthinker", 5, {}, 5, None),
    ("plamo3", 16, {"sliding_window": 2048}, 2, 2048),
    ("gpt-oss", 4, {"sliding_window": 128}, 2, 128),
    ("lfm2", 3, {"kv_heads": [0, 8, 8], "short_conv_length": 3, "sliding_window": 512}, 0, 512),
    ("mimo2", 4, {"sliding_window": 128, "sliding_window_pattern": [False, True, True, True]}, 1, 128),
    ("phi3", 4, {"sliding_window": 2047}, 4, None),
    ("llama", 4, {"sliding_window": 4096}, 4, None),
]


@pytest.mark.parametrize(("architecture", "layers", "facts", "whole", "window"), WINDOWED)
def test_layers_with_a_window(
    architecture: str, layers: int, facts: dict[str, Any], whole: int, window: int | None
) -> None:
    held = {cache.window: cache.layers for cache in geometry(architecture, layers, **facts).caches}
    assert held.get(None, 0) == whole
    assert set(held) - {None} == ({window} if window else set())


RECURRENT = {"ssm_state_size": 16, "ssm_inner_size": 8192, "ssm_conv_kernel": 4}
STATE_BYTES = 4 * (3 * 8192 + 16 * 8192)


@pytest.mark.parametrize(
    ("architecture", "layers", "facts", "attending", "states"),
    [
        ("qwen3next", 8, {}, 2, 6),
        ("qwen3next", 8, {"full_attention_interval": 2}, 4, 4),
        ("qwen35", 9, {"nextn_layers": 1}, 2, 6),
        ("qwen35moe", 4, {"recurrent_layers": [True, False, True, False]}, 2, 2),
        ("jamba", 4, {"kv_heads": [0, 8, 0, 0]}, 1, 3),
        ("falcon-h1", 4, {}, 4, 4),
        ("nemotron_h", 4, {"kv_heads": [0, 8, 0, 0], "feed_forward": [0, 0, 21504, 0]}, 1, 2),
        ("mamba", 4, {}, 0, 4),
    ],
)
def test_layers_that_keep_a_state(
    architecture: str, layers: int, facts: dict[str, Any], attending: int, states: int
) -> None:
    shape = geometry(architecture, layers, **RECURRENT, **facts)
    assert shape.caches == ((Cache(attending, A_CELL),) if attending else ())
    assert shape.state_bytes == states * STATE_BYTES


def test_falcon_h1_as_llama_cpp_printed_it() -> None:
    """Falcon-H1-1.5B: 768.00 MiB at 32,768 cells and 72.98 MiB of states in 24 layers."""
    shape = build_geometry({
        "layers": 24, "embedding": 2048, "heads": 8, "kv_heads": 2, "key_length": 128, "value_length": 128,
        "ssm_conv_kernel": 4, "ssm_state_size": 256, "ssm_group_count": 1, "ssm_inner_size": 3072,
    }, "falcon-h1")  # fmt: skip
    assert shape.cache_bytes(32_768) - shape.state_bytes == 768 * 2**20
    assert shape.state_bytes / 2**20 == pytest.approx(72.98, abs=0.005)


def test_states_of_delta_attention_lightning_attention_and_rwkv() -> None:
    kda = geometry("kimi-linear", 2, kv_heads=[0, 1], kda_head_length=128, ssm_conv_kernel=4)
    assert kda.state_bytes == 4 * (3 * 3 * 32 * 128 + 32 * 128 * 128)
    assert geometry("minimax-01", 8).state_bytes == 7 * 4 * 32 * 128 * 128
    assert geometry("rwkv6", 2, wkv_head_size=64).state_bytes == 2 * 4 * (2 * 4096 + 4096 * 64)
    assert geometry("arwkv7", 2, wkv_head_size=64, token_shift_count=1).state_bytes == 2 * 4 * (4096 + 4096 * 64)


LATENT = {"kv_heads": 1, "key_length": 576, "value_length": 512, "key_length_mla": 192, "value_length_mla": 128}


@pytest.mark.parametrize(
    ("architecture", "facts", "caches"),
    [
        ("deepseek2", LATENT, (Cache(4, 576),)),
        ("deepseek2", {"kv_heads": 128, "key_length": 192, "kv_lora_rank": 512}, (Cache(4, 128 * (192 + 128)),)),
        ("minicpm3", {"kv_heads": 40, "heads": 40, "embedding": 2560, "key_length": 96, "value_length": None,
                      "kv_lora_rank": 256, "rope_dim": 32}, (Cache(4, 40 * (96 + 64)),)),
        ("deepseek32", {**LATENT, "indexer_key_length": 128}, (Cache(4, 576 + 128),)),
        ("glm-dsa", {**LATENT, "indexer_key_length": 128, "indexer_layers": [1, 0, 0, 1]},
         (Cache(2, 576 + 128), Cache(2, 576))),
        ("glm-dsa", {**LATENT, "indexer_key_length": 128, "context": 2**20}, (Cache(3, 576 + 128), Cache(1, 576))),
        ("hy_v4", {**LATENT}, (Cache(4, 576),)),
        ("minimax-m3", {"indexer_key_length": 64, "leading_dense": 1}, (Cache(1, A_CELL), Cache(3, A_CELL + 64 + 128))),
    ],
)  # fmt: skip
def test_latent_vectors_and_indexer_keys(architecture: str, facts: dict[str, Any], caches: tuple[Cache, ...]) -> None:
    assert geometry(architecture, 4, **facts).caches == caches


def test_deepseek_v4_keeps_a_window_and_two_compressions() -> None:
    shape = geometry("deepseek4", 3, kv_heads=1, key_length=512, value_length=512, sliding_window=128,
                     indexer_key_length=128, compress_ratios=[0, 4, 128])  # fmt: skip
    assert shape.cells(65536) == 65536 // 4
    assert {(cache.elements, cache.window, cache.tokens_per_cell) for cache in shape.caches} == {
        (512, 128, 1), (512 + 128, None, 4), (512, None, 128),
    }  # fmt: skip


def test_layers_that_use_another_ones_cache_and_layers_used_more_than_once() -> None:
    assert geometry("gemma4", 6, sliding_window=512, sliding_window_pattern=[False] * 6, shared_kv_layers=2).caches == (
        Cache(4, A_CELL),
    )
    assert geometry("nanbeige", 6, loops=2).caches == (Cache(12, A_CELL),)
    assert geometry("graniteswitch", 6).caches == (Cache(6, A_CELL), Cache(1, 128 + 128))
    assert geometry("deci", 3, kv_heads=[8, 0, 4]).caches == (Cache(1, A_CELL), Cache(1, A_CELL // 2))


@pytest.mark.parametrize("architecture", ["bert", "modern-bert", "t5encoder", "llada", "clip", "gemma4-assistant"])
def test_encoders_and_diffusion_models_keep_nothing(architecture: str) -> None:
    assert geometry(architecture, 4).cache_bytes(4096) == 0


@pytest.mark.parametrize(
    ("architecture", "facts", "reason"),
    [
        ("of-tomorrow", {}, "of-tomorrow"),
        ("gemma3n", {}, "attention.sliding_window,"),
        ("gemma4", {"sliding_window": 512}, "sliding_window_pattern"),
        ("deepseek4", {"sliding_window": 128}, "compress_ratios"),
        ("llama", {"heads": None, "kv_heads": None}, "heads are not stated"),
        ("jamba", {"kv_heads": [0, 8, 0, 0]}, "state"),
    ],
)
def test_what_is_not_known_is_said(architecture: str, facts: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownGeometry, match=reason):
        geometry(architecture, 4, **facts)
    assert parse_geometry({"layers": 4, **HEADS, **facts}, architecture) is None


def test_every_rule_is_for_a_known_architecture_and_none_contradicts_another() -> None:
    rules = load_rules()
    kept = [rules.plain, rules.without_cache, rules.recurrent, rules.state_without_kv_heads, rules.attention_and_state,
            rules.state_without_kv_heads_or_feed_forward, frozenset(rules.attention_interval)]  # fmt: skip
    named = [name for names in kept for name in names]
    assert len(named) == len(set(named))
    assert not rules.windows.keys() & rules.plain and not rules.windows.keys() & rules.recurrent

"""Estimated speeds: the kept table, the range, and arithmetic that one can follow by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.fit.speed import Speed, active_bytes, estimate_speed, find_speed_fit, speed_fits, tokens_per_second
from analysis.units import GB


def estimate(gpu: float, cpu: float = 0.0, **options: Any) -> Speed:
    """On a card of 1,000 GB/s in a computer of 50."""
    return estimate_speed(gpu, cpu, vram_bandwidth=1000 * GB, ram_bandwidth=50 * GB, **options)


def test_speed_is_bandwidth_divided_by_the_bytes_per_token() -> None:
    assert tokens_per_second(5 * 10**9, 100e9) == 20
    assert tokens_per_second(18_556_685_824, 100e9, active_share=3.353 / 30.532) == pytest.approx(49, rel=0.01)


def test_an_estimate_adds_a_time_per_token_to_that_of_reading() -> None:
    """5 GB at 0.82 x 1,000 GB/s, and 2.5 ms: 8.6 ms."""
    found = estimate(5 * GB)
    assert found.expected == pytest.approx(1 / (0.0025 + 5 / 820), rel=1e-9) and round(found.expected) == 116
    assert found.bound == 200 and found.low < found.expected < found.high <= found.bound
    assert "llama.cpp, dense" in found.basis and found.note is None


@pytest.mark.parametrize(
    ("model", "gigabytes", "card", "measured"),
    [  # published runs of llama.cpp: active bytes, GB per second, tokens per second
        ("Nemotron 3 Nano 4B Q4_K_M, RTX 3090", 2.79, 936.2, 171.3),
        ("gemma-4-12b Q8_K_XL, RTX 5090", 13.64, 1792, 87.2),
    ],
)
def test_published_runs_lie_within_the_range(model: str, gigabytes: float, card: float, measured: float) -> None:
    found = estimate_speed(gigabytes * GB, vram_bandwidth=card * GB, ram_bandwidth=50 * GB)
    assert found.low <= measured <= found.high, model


def test_a_mixture_reads_its_active_weights() -> None:
    """Qwen3 30B-A3B on an RTX 4090: published runs of such mixtures reach 165 tokens per second."""
    read = active_bytes(18_556_685_824, parameters=30_532_122_624, active=3_353_032_704)
    assert read == pytest.approx(2.04e9, rel=0.01)
    found = estimate_speed(read, vram_bandwidth=1008 * GB, ram_bandwidth=50 * GB, kind="moe")
    assert found.low < 165 < found.high and found.basis.startswith("llama.cpp, moe")


def test_embeddings_that_are_looked_up_are_not_read() -> None:
    """Gemma 4 E2B: 2.35B of 4.65B parameters are embeddings per layer."""
    assert active_bytes(4.65 * GB, parameters=4_650_000_000, active=None, unread=2_350_000_000) == 2.3 * GB
    assert active_bytes(4.65 * GB, parameters=4_650_000_000, active=2_000_000_000) == 2.0 * GB
    assert active_bytes(4.65 * GB, parameters=None, active=2_000_000_000) == 4.65 * GB, "no total: all is read"


def test_layers_in_ram_slow_the_model_down() -> None:
    whole, split = estimate(10 * GB), estimate(5 * GB, 5 * GB)
    assert split.bound == pytest.approx(1 / (5 / 1000 + 5 / 50)) and split.expected < whole.expected / 5


def test_a_processor_has_a_row_of_its_own() -> None:
    found = estimate(0, 5 * GB)
    fit = find_speed_fit("llama.cpp", "dense", "cpu")
    assert found.expected == pytest.approx(1 / (5 / (fit.efficiency * 50) + fit.seconds)) and found.bound == 10


def test_a_full_context_is_at_the_low_end() -> None:
    empty, full = estimate(5 * GB), estimate(5 * GB, cache_bytes=5 * GB)
    assert (full.expected, full.high) == (empty.expected, empty.high) and full.low < 0.7 * empty.low


def test_drafting_is_named() -> None:
    note = estimate(5 * GB, drafts=True).note
    assert note is not None and "MTP" in note


def test_programs_that_run_llama_cpp_have_its_row() -> None:
    assert find_speed_fit("Ollama", "dense") is find_speed_fit("llama.cpp", "dense")
    assert find_speed_fit("mlx", "dense", "apple").maker == "apple", "no row of its own: llama.cpp's on such chips"
    assert find_speed_fit("vllm", "moe").engine == "vllm"


def test_the_range_is_one_text() -> None:
    assert estimate(5 * GB).text == "56-140"


def test_every_row_of_the_table_is_plausible() -> None:
    for fit in speed_fits():
        assert 0.3 <= fit.efficiency <= 1 and 0 <= fit.seconds <= 0.01, fit
        assert 0 < fit.low < 1 < fit.high < 3 and fit.runs >= 4 and fit.cards >= 1, fit


@given(st.floats(1e6, 1e12), st.floats(0, 1e12), st.floats(1e10, 1e13), st.floats(1e10, 1e12), st.booleans())
def test_the_range_holds_the_estimate(gpu: float, cpu: float, vram: float, ram: float, moe: bool) -> None:
    found = estimate_speed(gpu, cpu, vram_bandwidth=vram, ram_bandwidth=ram, kind="moe" if moe else "dense")
    assert 0 < found.low <= found.expected <= found.high and math.isfinite(found.bound)

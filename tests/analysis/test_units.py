"""Sizes, counts, durations and dates: parsed from the forms that users write, and formatted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.units import (
    count_text,
    iso,
    parse_bandwidth,
    parse_context,
    parse_model_size,
    parse_size,
    parse_span,
    parse_when,
    size_text,
    volume_text,
)

NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("16GB", 16 * 10**9),
        ("16GiB", 16 * 2**30),
        ("16 gb", 16 * 10**9),
        ("16G", 16 * 10**9),
        (".5GB", 5 * 10**8),
        ("7.5e9", 7_500_000_000),
        ("512", 512),
        ("1k", 1000),
    ],
)
def test_sizes(text: str, number: int) -> None:
    assert parse_size(text) == number


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "16XB", "16iB", "16 apples", "0x10", "1e999GB x", "nan"])
def test_an_invalid_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


def test_a_model_size_is_in_parameters_or_bytes() -> None:
    assert parse_model_size("4B") == ("parameters", 4 * 10**9)
    assert parse_model_size("270M") == ("parameters", 270 * 10**6)
    assert parse_model_size("3GB") == ("bytes", 3 * 10**9)


def test_bandwidths_contexts_and_spans() -> None:
    assert parse_bandwidth("100GB/s") == 10**11
    assert parse_context("32k") == 32_768
    assert parse_context("1M") == 1_048_576
    assert parse_span("90s") == timedelta(seconds=90)
    assert parse_span("1w") == timedelta(days=7)


def test_moments() -> None:
    assert parse_when("7d", NOW) == NOW - timedelta(days=7)
    assert parse_when("2026-05-01") == datetime(2026, 5, 1, tzinfo=UTC)
    assert parse_when("2026-05-01T12:00:00+02:00") == datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
    assert iso(NOW) == "2026-06-03T12:00:00.000Z"
    with pytest.raises(ValueError, match="yesterday"):
        parse_when("yesterday")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (999_885_952, "1B"),
        (999_400_000, "999M"),
        (3_880_263_168, "3.88B"),
        (270e6, "270M"),
        (12_345, "12,345"),
        (1.6e12, "1.6T"),
        (None, ""),
    ],
)
def test_counts_are_formatted_with_three_digits(number: float | None, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(3_155_051_328, "3.16 GB"), (150e9, "150 GB"), (290e6, "0.29 GB"), (4_700_000, "4.7 MB"), (12, "12 B"), (0, "0 B"),
     (None, "")],
)  # fmt: skip
def test_bytes_are_formatted_with_three_digits(number: float | None, text: str) -> None:
    assert size_text(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(1.8e15, "1.8 PB"), (34_384_767_890_123, "34.4 TB"), (999e9, "999 GB"), (None, "")]
)
def test_the_bytes_of_a_whole_catalog_have_the_largest_unit(number: float | None, text: str) -> None:
    assert volume_text(number) == text


@given(st.integers(min_value=1, max_value=10**15))
def test_a_formatted_size_parses_to_nearly_the_same_number(number: int) -> None:
    assert parse_size(size_text(number).replace(",", "")) == pytest.approx(number, rel=0.005, abs=0.5)

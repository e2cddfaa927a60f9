"""Results from the catalog of `hf-catalog demo`: no saved query is empty, and the figures agree with published ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import find_fits
from analysis.fit.machines import GB, Machine
from analysis.fit.memory import GIB
from analysis.query.reader import CatalogReader
from analysis.query.saved import SavedQuery, find_saved_query, saved_queries
from tests.analysis.fit.test_memory import PUBLISHED

EMPTY_IN_DEMO = {"broken-files", "half-life", "papers-by-models"}
"""No upload of the demo's Hub is incomplete, its crawls are of one day, and its cards name no paper."""
LAPTOP = Machine(ram=16 * GB)


@pytest.fixture
def reader(demo: Path) -> Iterator[CatalogReader]:
    with CatalogReader(demo) as reader:
        yield reader


@pytest.mark.parametrize("question", saved_queries(), ids=lambda question: question.name)
def test_saved_query_has_rows(question: SavedQuery, reader: CatalogReader) -> None:
    rows = reader.all(question.sql, question.parse_values({}))
    assert bool(rows) is (question.name not in EMPTY_IN_DEMO)


def test_gemma_of_the_tour_fits_16_gb(reader: CatalogReader) -> None:
    """The 4-bit Gemma that fits a 16 GB laptop with 32k tokens: 12B, by Google, QAT."""
    request = FitRequest(context=32_768, families=("gemma",), bits=4, gated=True, every_artifact=True)
    found = find_fits(reader, LAPTOP, request).fits
    assert all(fit.needs <= LAPTOP.ram_for_models for fit in found)
    qat = next(fit for fit in found if fit.repo_id == "google/gemma-3-12b-it-qat-q4_0-gguf")
    assert qat.qat and qat.author == "google" and (qat.largest_context or 0) > 50_000 and not qat.estimated
    assert not any("27b" in fit.repo_id for fit in found)


def test_largest_dense_model_at_4_bits_on_16_gb_is_about_14b(reader: CatalogReader) -> None:
    """Dense models only: gpt-oss 20B, a mixture of experts, was designed for such a machine."""
    four = ("Q4_0", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")
    found = find_fits(reader, LAPTOP, FitRequest(every_artifact=True, quants=four)).fits
    largest = max(fit.parameters or 0 for fit in found if fit.family != "gpt-oss")
    assert 13e9 < largest < 17e9


def test_llama_3_1_8b_files_have_the_sizes_published_by_llama_cpp(reader: CatalogReader) -> None:
    """The sample Hub assigns tensor types as llama-quantize does; the sizes are measured by reading headers."""
    sizes = reader.all(
        "select quant, total_size from artifacts_wide where role = 'weights'"
        " and repo_id = 'bartowski/Meta-Llama-3.1-8B-Instruct-GGUF'"
    )
    known = [row for row in sizes if row["quant"] in PUBLISHED]
    assert len(known) >= 10
    for row in known:
        assert row["total_size"] / GIB == pytest.approx(PUBLISHED[row["quant"]], rel=0.01), row["quant"]


def test_repo_named_4_bit_is_measured_above_6_bits(reader: CatalogReader) -> None:
    (row,) = reader.all("select * from models where repo_id = 'google/gemma-3-4b-it-qat-q4_0-gguf'")
    assert (row["quant"], row["bits"], row["qat"]) == ("Q4_0", 4, True)
    assert row["bits_per_weight"] > 6 and row["parameters_measured"] < row["parameters"]


def test_quantization_loss_from_the_cards_of_both_models(reader: CatalogReader) -> None:
    question = find_saved_query("quant-evaluations")
    rows = reader.all(question.sql, question.parse_values({"model": "meta-llama/Llama-3.1-8B-Instruct"}))
    w4 = {row["dataset"]: row["delta"] for row in rows if row["quant"] == "W4A16"}
    w8 = {row["dataset"]: row["delta"] for row in rows if row["quant"] == "W8A16"}
    shared = w4.keys() & w8.keys()
    assert shared and all(w4[dataset] < w8[dataset] for dataset in shared), "4 bits lose more than 8"

"""`hf-catalog memory`: every scheme has an answer, and the loss goes by the size of the model."""

from __future__ import annotations

import pytest

from analysis.schemes.schemes import scheme_table
from tests.crawler.cli.conftest import Ask


def test_every_scheme_of_the_table_has_an_answer(hf_catalog: Ask) -> None:
    names = list(scheme_table().schemes)
    result = hf_catalog("memory", "8B", "--json", *(word for name in names for word in ("--quant", name)))
    rows = result.json
    assert result.status == 0 and {row["width"] for row in rows} == set(names)
    for row in rows:
        assert row["bytes"] == round(8e9 * row["bits"] / 8) and row["quality_loss"], row


def test_mxfp4_takes_four_and_a_quarter_bits(hf_catalog: Ask) -> None:
    result = hf_catalog("memory", "8B", "--quant", "MXFP4", "-t")
    assert result.status == 0 and "4.25 GB" in result.out and "MXFP4: the bits of packed weights" in result.err


def test_a_stated_width_is_used(hf_catalog: Ask) -> None:
    row = hf_catalog("memory", "70B", "--quant", "exl2-4.65bpw", "--json").json[0]
    assert (row["width"], row["bytes"]) == ("EXL2 4.65", 40_687_500_000)


def test_a_usual_width_is_said_to_be_one(hf_catalog: Ask) -> None:
    answer = hf_catalog("memory", "8B", "--quant", "exl2", "-t")
    assert "EXL2 4: the usual bits of a scheme that exists in several widths" in answer.err


def test_the_loss_goes_by_the_size_of_the_model(hf_catalog: Ask) -> None:
    result = hf_catalog("memory", "8B", "70B", "--quant", "IQ3_XXS", "-t")
    assert "IQ3_XXS 0.26 (heavy) at 8B, 0.11 (noticeable) at 70B" in result.err
    assert "Thireus, GGUF Tool Suite and its contributors" in result.err
    rows = hf_catalog("memory", "8B", "70B", "--quant", "IQ3_XXS", "--json").json
    assert [(row["kl_divergence"], row["quality_loss"]) for row in rows] == [(0.26, "heavy"), (0.108, "noticeable")]


@pytest.mark.parametrize("name", ["Q4KX", "nonsense"])
def test_an_unknown_scheme_is_refused_with_similar_ones(hf_catalog: Ask, name: str) -> None:
    result = hf_catalog("memory", "8B", "--quant", name)
    assert result.status == 2 and f"unknown scheme {name!r}" in result.err
    assert ("perhaps Q4" in result.err) == (name == "Q4KX")

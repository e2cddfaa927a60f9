"""What quantization loses: published figures with their sources, words for them, and estimates where there are none."""

from __future__ import annotations

import pytest

from analysis.schemes.quality import (
    cost_of,
    estimated_divergence,
    find_published,
    loss_sentence,
    loss_text,
    quality_loss,
)
from analysis.schemes.schemes import scheme_table


def test_every_figure_has_a_source_with_a_link_and_a_year() -> None:
    table = scheme_table()
    sources = {scheme.quality.source for scheme in table.schemes.values() if scheme.quality}
    sources |= {finding.source for finding in table.findings} | {table.qat.source}
    assert len(sources) >= 6
    for source in sources:
        assert source.url.startswith("https://") and source.year >= 2020 and source.measured


@pytest.mark.parametrize(
    ("better", "worse"),
    [("Q8_0", "Q6_K"), ("Q6_K", "Q5_K_M"), ("Q5_K_M", "Q4_K_M"), ("Q4_K_M", "Q4_K_S"), ("Q4_K_S", "Q3_K_M"),
     ("Q3_K_M", "Q2_K"), ("IQ4_XS", "IQ3_M"), ("IQ3_M", "IQ2_M"), ("IQ2_M", "IQ1_S")],
)  # fmt: skip
def test_fewer_bits_lose_more(better: str, worse: str) -> None:
    one, other = quality_loss(better, imatrix=True), quality_loss(worse, imatrix=True)
    assert one is not None and other is not None
    assert one.kl_divergence is not None and other.kl_divergence is not None and one.kl_divergence < other.kl_divergence
    assert one.percent is not None and other.percent is not None and one.percent < other.percent


def test_figures_of_llama_cpp_in_percent_and_as_grades() -> None:
    found = quality_loss("q4_k_m")
    assert found is not None and found.percent == pytest.approx(100 * 0.175482 / 6.231633)
    assert (found.text, found.grade) == ("perplexity +2.8 %", "slight")
    assert quality_loss("Q4_K_M", imatrix=True).text == "perplexity +2.4 %"  # type: ignore[union-attr]
    assert quality_loss("IQ2_XS").imatrix is True, "there are no others"  # type: ignore[union-attr]
    grades = [
        found.grade for scheme in ("Q8_0", "Q4_K_M", "Q3_K_M", "Q2_K", "IQ1_S") if (found := quality_loss(scheme))
    ]
    assert grades == ["none", "slight", "noticeable", "heavy", "broken"]


def test_a_scheme_without_figures_does_not_borrow_a_similar_schemes() -> None:
    assert quality_loss("Q4_K_XL") is None and quality_loss("EXL2") is None and quality_loss(None) is None
    assert loss_text("Q4_K_XL") == "not measured"
    assert "no published figures" in loss_sentence("EXL2")
    assert loss_text("BF16") == "nothing" and loss_text("Q4_0", quantized=False) == "nothing"


def test_quantization_aware_training_has_its_own_sentence() -> None:
    assert loss_sentence("Q4_0", qat=True).startswith("trained to be quantized")
    assert "visibly weaker" in loss_sentence("Q4_0", qat=True) and "visibly weaker" in loss_sentence("Q4_0")
    assert not loss_sentence("Q4_0").startswith("trained")


@pytest.mark.parametrize(
    ("dataset", "metric", "cost"),
    [("MMLU", "acc", "accuracy"), ("truthfulqa TruthfulQA", "mc2", "bias"), ("BBQ", "acc", "bias"),
     ("crows-pairs", "pct_stereotype", "bias"), ("ToxiGen", "acc", "bias"), ("WikiText-2", "perplexity", "precision"),
     ("winogrande", "acc", "accuracy")],
)  # fmt: skip
def test_a_published_result_is_about_one_cost(dataset: str, metric: str, cost: str) -> None:
    assert cost_of(dataset, metric) == cost


def test_findings_hold_from_a_width_on() -> None:
    assert "lossless" in find_published("accuracy", 8.5)[0]  # type: ignore[index]
    assert find_published("accuracy", 3.0) is None and find_published("accuracy", None) is None
    assert "BBQ" in find_published("bias", 3.0)[0]  # type: ignore[index]


def test_estimates_follow_the_measured_ones() -> None:
    """Within a factor of two of llama.cpp's figures, but for two schemes that lose more than others of their width."""
    checked = 0
    for scheme in scheme_table().schemes.values():
        measured = quality_loss(scheme.name, imatrix=True)
        width = scheme.file_bits
        if measured and measured.kl_divergence and width and width < 9 and scheme.name not in ("Q3_K_S", "Q4_1"):
            assert 0.5 < estimated_divergence(width) / measured.kl_divergence < 2.0, scheme.name
            checked += 1
    assert checked > 20

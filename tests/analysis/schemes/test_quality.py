"""What quantization loses: published figures with their sources, words for them, and estimates where there are none."""

from __future__ import annotations

import pytest

from analysis.schemes.quality import (
    cost_of,
    estimated_divergence,
    expected_divergence,
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


@pytest.mark.parametrize(
    ("scheme", "small", "large"),
    [("IQ3_XXS", 0.26, 0.108), ("IQ2_XXS", 1.54, 0.434), ("Q4_K", 0.0386, 0.0352), ("Q8_0", 0.00128, 0.00247)],
)
def test_the_loss_depends_on_the_size_of_the_model(scheme: str, small: float, large: float) -> None:
    """Thireus, GGUF Tool Suite and its contributors: medians of 2 models up to 9B and 6 above."""
    found = [expected_divergence(scheme, parameters=size) for size in (8e9, 9e9, 9.1e9, 70e9)]
    assert [(each.value, each.basis) for each in found if each] == [(small, "measured")] * 2 + [(large, "measured")] * 2
    assert all(each and "Thireus" in each.source.title for each in found)


def test_a_mix_is_scaled_by_its_main_type() -> None:
    """Q4_K_M: llama.cpp's figure of an 8B, times what Q4_K loses on large models over what it loses on small ones."""
    found = expected_divergence("Q4_K_M", parameters=70e9)
    assert found is not None and found.basis == "scaled"
    assert found.value == pytest.approx(0.031273 * 0.0352 / 0.0386)
    assert expected_divergence("Q4_K_M", imatrix=True).value == pytest.approx(0.028152)  # type: ignore[union-attr]


def test_other_schemes_are_estimated_by_their_bits() -> None:
    found = expected_divergence("MXFP4", parameters=8e9)
    assert found is not None and found.basis == "estimated"
    assert found.value == pytest.approx(estimated_divergence(4.25))
    assert expected_divergence("EXL2", bits=3.0).value > expected_divergence("EXL2", bits=5.0).value  # type: ignore[union-attr]
    assert expected_divergence(None) is None and expected_divergence("BF16").value == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("parameters", [8e9, 70e9])
def test_fewer_bits_lose_more_at_every_size(parameters: float) -> None:
    order = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q3_K_M", "IQ3_XXS", "Q2_K", "IQ2_XXS", "IQ1_S")
    values = [found.value for name in order if (found := expected_divergence(name, parameters=parameters))]
    assert values == sorted(values) and len(values) == len(order)


def test_a_large_model_has_no_perplexity_of_an_8b() -> None:
    assert loss_text("Q2_K") == loss_text("Q2_K", parameters=8e9) == "perplexity +56 %"
    assert loss_text("Q2_K", parameters=70e9) == "KL divergence 0.21"
    assert loss_text("Q4_0", qat=True, parameters=70e9) == "QAT: under half of KL divergence 0.036"
    assert loss_text("Q4_K_XL", parameters=70e9) == "not measured", "estimates are no published figures"


def test_a_sentence_goes_by_the_size_of_the_model() -> None:
    """IQ2_XXS: 1.54 nats up to 9B, 0.434 above; IQ3_XXS: published as 0.18 for an 8B, 0.108 above."""
    assert "close to unusable" in loss_sentence("IQ2_XXS") and "often wrong" in loss_sentence(
        "IQ2_XXS", parameters=70e9
    )
    assert "often wrong" in loss_sentence("IQ3_XXS") and "visibly weaker" in loss_sentence("IQ3_XXS", parameters=70e9)

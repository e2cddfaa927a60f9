"""Compared models, and the three costs of quantization: measured, published, or not measured."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from analysis.catalog.compare import assess_costs, compare_models
from analysis.errors import UnknownModel
from analysis.query.reader import CatalogReader
from analysis.schemes.quality import (
    cost_of,
    estimated_divergence,
    find_published,
    loss_sentence,
    loss_text,
    quality_loss,
    sources,
    table,
)

MEMORY = 13_333_333_334


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def test_all_models_have_the_same_columns(reader: CatalogReader) -> None:
    original, qat = compare_models(
        reader, ["google/gemma-3-4b-it", "GOOGLE/gemma-3-4b-it-qat-q4_0-gguf"], context=8192, memory=MEMORY
    )
    assert original.costs == () and original.needs is not None and qat.needs is not None
    assert qat.needs < original.needs <= MEMORY and qat.conflicts == 2
    assert original.row().keys() == qat.row().keys(), "the same columns for all"
    assert original.row()["accuracy"] is None and qat.row()["artifact_quant"] == "Q4_0"


def test_a_scheme_or_a_file_selects_an_artifact(reader: CatalogReader) -> None:
    repo = "bartowski/google_gemma-3-4b-it-GGUF"
    ids = [f"{repo}::q2_k", f"{repo}::google_gemma-3-4b-it-Q8_0.gguf", repo]
    sides = compare_models(reader, ids, context=4096, memory=MEMORY)
    quants = [side.artifact and side.artifact["quant"] for side in sides]
    assert quants == ["Q2_K", "Q8_0", "Q4_K_M"], "without a selector the repo's own scheme"
    with pytest.raises(UnknownModel) as caught:
        compare_models(reader, [f"{repo}::Q9_K"], context=4096, memory=MEMORY)
    assert f"{repo}::Q8_0" in caught.value.close


def test_results_that_both_cards_report_are_measured(reader: CatalogReader) -> None:
    (side,) = compare_models(reader, ["RedHatAI/gemma-3-4b-it-quantized.w4a16"], context=8192, memory=MEMORY)
    costs = {cost.cost: cost for cost in side.costs}
    assert costs["accuracy"].measured and "59.6 -> 58.1 (-1.5)" in costs["accuracy"].text
    assert costs["bias"].measured and "truthfulqa" in costs["bias"].text
    assert not costs["precision"].measured
    assert [round(delta.change, 6) for delta in side.deltas] == [-1.5, -0.5]


def test_a_cost_that_was_not_measured_says_so(reader: CatalogReader) -> None:
    (side,) = compare_models(reader, ["bartowski/google_gemma-3-4b-it-GGUF::Q2_K"], context=8192, memory=MEMORY)
    costs = {cost.cost: cost for cost in side.costs}
    assert costs["accuracy"].text == "nobody measured"
    assert "BBQ" in costs["bias"].text and costs["bias"].text.startswith("not measured here")
    assert assess_costs({"quantized": None}) == ()


# ---- figures --------------------------------------------------------------------------------------------------------


def test_every_figure_has_a_source_that_one_can_read() -> None:
    used = {entry["source"] for entry in table()["schemes"].values()}
    used |= {entry["source"] for cost in ("accuracy", "bias") for entry in table()["costs"][cost]}
    assert used <= sources().keys()
    for source in sources().values():
        assert source.url.startswith("https://") and source.year >= 2020 and source.measured


@pytest.mark.parametrize(
    ("better", "worse"),
    [("Q8_0", "Q6_K"), ("Q6_K", "Q5_K_M"), ("Q5_K_M", "Q4_K_M"), ("Q4_K_M", "Q4_K_S"), ("Q4_K_S", "Q3_K_M"),
     ("Q3_K_M", "Q2_K"), ("IQ4_XS", "IQ3_M"), ("IQ3_M", "IQ2_M"), ("IQ2_M", "IQ1_S")],
)  # fmt: skip
def test_fewer_bits_lose_more(better: str, worse: str) -> None:
    one, other = quality_loss(better, imatrix=True), quality_loss(worse, imatrix=True)
    assert one is not None and other is not None
    assert one.kld is not None and other.kld is not None and one.kld < other.kld
    assert one.percent is not None and other.percent is not None and one.percent < other.percent


def test_llama_cpps_figures_in_percent_and_in_words() -> None:
    found = quality_loss("q4_k_m")
    assert found is not None and found.percent == pytest.approx(100 * 0.175482 / 6.231633)
    assert (found.text, found.grade) == ("perplexity +2.8 %", "slight")
    assert quality_loss("Q4_K_M", imatrix=True).text == "perplexity +2.4 %"  # type: ignore[union-attr]
    assert quality_loss("IQ2_XS").imatrix is True, "there are no others"  # type: ignore[union-attr]
    grades = [
        found.grade for scheme in ("Q8_0", "Q4_K_M", "Q3_K_M", "Q2_K", "IQ1_S") if (found := quality_loss(scheme))
    ]
    assert grades == ["none", "slight", "noticeable", "heavy", "broken"]


def test_a_scheme_that_nobody_measured_has_no_neighbours_number() -> None:
    assert quality_loss("Q4_K_XL") is None and quality_loss("EXL2") is None and quality_loss(None) is None
    assert loss_text("Q4_K_XL") == "nobody measured"
    assert "nobody published" in loss_sentence("EXL2")
    assert loss_text("BF16") == "nothing" and loss_text("Q4_0", quantized=False) == "nothing"


def test_quantization_aware_training_is_told_apart() -> None:
    assert loss_sentence("Q4_0", qat=True).startswith("trained to be quantized")
    assert "visibly weaker" in loss_sentence("Q4_0", qat=True) and "visibly weaker" in loss_sentence("Q4_0")
    assert not loss_sentence("Q4_0").startswith("trained")


@pytest.mark.parametrize(
    ("dataset", "metric", "cost"),
    [("MMLU", "acc", "accuracy"), ("truthfulqa TruthfulQA", "mc2", "bias"), ("BBQ", "acc", "bias"),
     ("crows-pairs", "pct_stereotype", "bias"), ("ToxiGen", "acc", "bias"), ("WikiText-2", "perplexity", "precision"),
     ("winogrande", "acc", "accuracy")],
)  # fmt: skip
def test_a_result_is_of_one_cost(dataset: str, metric: str, cost: str) -> None:
    assert cost_of(dataset, metric) == cost


def test_findings_hold_from_a_width_on() -> None:
    assert "lossless" in find_published("accuracy", 8.5)[0]  # type: ignore[index]
    assert find_published("accuracy", 3.0) is None and find_published("accuracy", None) is None
    assert "BBQ" in find_published("bias", 3.0)[0]  # type: ignore[index]


def test_estimates_follow_the_measured_ones() -> None:
    """Within a factor of two of llama.cpp's figures, over four orders of magnitude."""
    from analysis.fit.memory import SCHEME_BITS

    for scheme, width in SCHEME_BITS.items():
        measured = quality_loss(scheme, imatrix=True)
        if measured and measured.kld and width < 9 and scheme != "Q3_K_S":
            assert 0.5 < estimated_divergence(width) / measured.kld < 2.0, scheme

"""Compared models, and the three costs of quantization: measured, published, or not measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.catalog.compare import assess_costs, compare_models
from analysis.catalog.comparison_lines import comparison_lines
from analysis.errors import UnknownModel
from analysis.query.reader import CatalogReader
from tests.analysis.catalog import gaps

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
    with_shard = f"{repo}::google_gemma-3-4b-it-Q8_0-00001-of-00003.gguf"
    assert compare_models(reader, [with_shard], context=4096, memory=MEMORY)[0].artifact == sides[1].artifact
    pasted = [f"hf.co/{repo}:q2k", f"https://huggingface.co/{repo}/blob/main/google_gemma-3-4b-it-Q8_0.gguf"]
    sides = compare_models(reader, [*pasted, f"{repo}::it-q8_0"], context=4096, memory=MEMORY)
    assert [side.artifact and side.artifact["quant"] for side in sides] == ["Q2_K", "Q8_0", "Q8_0"]
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
    assert costs["accuracy"].text == "not measured"
    assert "BBQ" in costs["bias"].text and costs["bias"].text.startswith("not measured here")
    assert assess_costs({"quantized": None}) == ()


def test_a_copy_without_a_header_has_its_base_models_context(tmp_path: Path) -> None:
    with CatalogReader(gaps.build(tmp_path / "gaps.db", gaps.with_files())) as reader:
        sides = compare_models(reader, ["copies/Qwen3-8B-GGUF", "Qwen/Qwen3-8B"], context=8192, memory=MEMORY)
    copy, original = sides
    assert copy.model["context_measured"] == original.model["context_measured"] == 40_960
    assert copy.largest_context == 40_960
    assert copy.row()["sources"]["context_measured"] == "base" and original.row()["sources"] == {}
    shown = dict(comparison_lines(sides, context=8192, machine="16 GB", room=MEMORY))
    assert shown["context"][0].startswith("40,960") and shown["context"][0].endswith("(of its base model)")
    assert shown["context"][1] == "40,960"

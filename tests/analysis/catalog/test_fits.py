"""Which artifacts run on a machine: their order, filters, quality loss, and which parts were estimated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from analysis.catalog.fits import Fit, FitRequest, GeometryLookup, exceeds_max_repos, find_fits, rank_score
from analysis.fit.machines import GB, Machine
from analysis.fit.memory import estimate_memory
from analysis.query.reader import CatalogReader

LAPTOP = Machine(ram=16 * GB)


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def found(reader: CatalogReader, machine: Machine = LAPTOP, **fields: Any) -> list[Fit]:
    return find_fits(reader, machine, FitRequest(**fields))


# ---- what fits ------------------------------------------------------------------------------------------------------


def test_nothing_that_fits_needs_more_memory_than_available(reader: CatalogReader) -> None:
    every = found(reader, every_artifact=True)
    assert every and all(0 <= fit.left == LAPTOP.ram_for_models - fit.needs for fit in every)
    assert all(fit.needs == fit.weights + fit.cache + fit.compute + fit.runtime for fit in every)
    assert "unsloth/Qwen3-30B-A3B-GGUF" not in {fit.repo_id for fit in every}, "18.6 GB of weights"


def test_a_repo_is_listed_once_with_its_best_artifact(reader: CatalogReader) -> None:
    best = found(reader, families=("gemma",))
    ids = [fit.repo_id for fit in best]
    assert len(ids) == len(set(ids))
    bartowski = next(fit for fit in best if fit.author == "bartowski")
    assert bartowski.quant == "Q8_0"
    quants = [fit.quant for fit in found(reader, families=("gemma",), every_artifact=True) if fit.author == "bartowski"]
    assert quants == ["Q8_0", "Q4_K_M", "Q2_K"], "the smallest loss first"


def test_projectors_adapters_and_importance_matrices_are_not_listed(reader: CatalogReader) -> None:
    every = found(reader, every_artifact=True)
    assert not any(word in fit.artifact for fit in every for word in ("mmproj", "adapter", "imatrix"))


def test_the_cache_follows_the_headers_own_geometry(reader: CatalogReader) -> None:
    """29 of Gemma's 34 layers keep a window: 32 times the context needs 5 times the cache."""
    short, long = (
        next(fit for fit in found(reader, families=("gemma",), context=context) if fit.author == "google" and fit.qat)
        for context in (4096, 131_072)
    )
    assert long.cache < 16 * short.cache and long.estimated == ()


def test_an_artifact_without_a_header_uses_its_siblings_geometry(reader: CatalogReader) -> None:
    plain = next(
        fit
        for fit in found(reader, families=("gemma",), every_artifact=True)
        if fit.artifact.endswith("-it-Q4_K_XL.gguf")
    )
    assert plain.estimated == ()


def test_estimated_parts_are_named(reader: CatalogReader) -> None:
    mystery = next(fit for fit in found(reader, authors=("stranger",)))
    assert mystery.estimated == ("cache", "compute")


def test_more_context_than_it_was_trained_for_does_not_fit(reader: CatalogReader) -> None:
    assert found(reader, Machine(ram=64 * GB), families=("qwen",), context=40_960)
    assert not found(reader, Machine(ram=64 * GB), families=("qwen",), context=65_536)


def test_a_smaller_cache_type_leaves_more_memory(reader: CatalogReader) -> None:
    whole, small = (found(reader, families=("gemma",), kv_type=kind, context=131_072)[0] for kind in ("f16", "q8_0"))
    assert small.cache < whole.cache and small.left > whole.left


def test_the_largest_context_is_one_that_fits(reader: CatalogReader) -> None:
    geometries = GeometryLookup(reader)
    for fit in found(reader, families=("gemma",)):
        geometry = geometries.find({"repo_id": fit.repo_id})
        need = estimate_memory(fit.weights, geometry, context=fit.largest_context, parameters=fit.parameters)
        assert need.total <= LAPTOP.ram_for_models and fit.largest_context >= fit.context


# ---- requests -----------------------------------------------------------------------------------------------------


def test_requests_filter(reader: CatalogReader) -> None:
    assert {fit.family for fit in found(reader, families=("GEMMA",))} == {"gemma"}
    assert {fit.format for fit in found(reader, formats=("gguf",))} == {"gguf"}
    assert {fit.quant for fit in found(reader, quants=("q4_k_m",))} == {"Q4_K_M"}
    assert {fit.author for fit in found(reader, bits=4, families=("gemma",))} >= {"google", "bartowski", "unsloth"}
    assert {fit.quant for fit in found(reader, bits=4, every_artifact=True)} <= {"Q4_0", "Q4_K_M", "Q4_K_XL"}
    assert {fit.repo_id for fit in found(reader, task="asr")} == {"openai/whisper-large-v3"}
    assert all("instruct" in fit.artifact or fit.family for fit in found(reader, task="instruct"))
    assert len(found(reader, among=2)) <= 2


def test_only_the_most_downloaded_of_many_repos_are_evaluated(
    reader: CatalogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "select repo_id from models where status <> 'gone' order by downloads desc nulls last, repo_id limit 6"
    most = {row["repo_id"] for row in reader.all(sql)}
    all_repos = {fit.repo_id for fit in found(reader)}
    assert not exceeds_max_repos(reader, FitRequest())
    monkeypatch.setattr("analysis.catalog.fits.MAX_REPOS", 6)
    assert exceeds_max_repos(reader, FitRequest())
    assert {fit.repo_id for fit in found(reader)} == all_repos & most
    assert not exceeds_max_repos(reader, FitRequest(authors=("bartowski",)))
    assert {fit.author for fit in found(reader, authors=("Bartowski",))} == {"bartowski"}, (
        "a narrower request reaches others"
    )


def test_cuda_methods_are_not_listed_without_a_card(reader: CatalogReader) -> None:
    def schemes(machine: Machine, **fields: Any) -> set[str | None]:
        return {fit.quant for fit in found(reader, machine, **fields)}

    assert not {"AWQ", "W4A16"} & schemes(LAPTOP)
    assert {"AWQ", "W4A16"} <= schemes(Machine(vram=24 * GB))
    assert "W4A16" in schemes(LAPTOP, formats=("safetensors",)), "asked for by name, it is shown"


def test_places(reader: CatalogReader) -> None:
    def places(machine: Machine) -> set[str]:
        return {fit.place for fit in found(reader, machine, families=("qwen",))}

    assert places(Machine(vram=24 * GB, ram=16 * GB)) == {"gpu"}
    assert places(Machine(vram=8 * GB, ram=32 * GB)) == {"gpu", "gpu+cpu"}, "8B on the card, 30B on both"
    assert places(Machine(ram=64 * GB)) == {"cpu"}


def test_a_mixture_of_experts_is_as_fast_as_its_active_parameters(reader: CatalogReader) -> None:
    machine = Machine(ram=64 * GB, ram_bandwidth=100 * GB)
    moe = next(fit for fit in found(reader, machine, families=("qwen",)) if fit.active_parameters)
    assert moe.tokens_per_second == pytest.approx(100e9 / (18_556_685_824 * 3_353_032_704 / 30_532_122_624))


# ---- quality loss ---------------------------------------------------------------------------------------------------


def test_qat_has_its_own_loss_text(reader: CatalogReader) -> None:
    by_author = {fit.author: fit for fit in found(reader, families=("gemma",), bits=4)}
    assert by_author["google"].qat and by_author["google"].loss == "QAT: under half of perplexity +7.5 %"
    assert not by_author["bartowski"].qat and by_author["bartowski"].loss == "perplexity +2.4 %"
    assert by_author["unsloth"].loss == "not measured"


def example(**values: Any) -> Fit:
    given: dict[str, Any] = dict.fromkeys(Fit.__slots__)
    given |= {"repo_id": "a/b", "artifact": "b", "total_size": 5 * GB, "qat": False, "parameters": 8 * 10**9}
    return Fit(**{**given, **values})


def test_a_smaller_model_at_four_bits_beats_a_bigger_one_at_two() -> None:
    four = rank_score(example(quant="Q4_K_M", bits=4.0, bits_per_weight=4.9))
    two = rank_score(example(quant="Q2_K", bits=2.0, bits_per_weight=3.2, parameters=14 * 10**9))
    unknown = rank_score(example(quant="Q2_K_L", bits=2.0, bits_per_weight=3.3, parameters=14 * 10**9))
    assert four > two and four > unknown
    assert rank_score(example(quant="Q4_K_M", bits_per_weight=4.9, parameters=14 * 10**9)) > four


def test_training_for_four_bits_does_not_help_at_two() -> None:
    from analysis.schemes.quality import trained_for

    assert trained_for(True, 4) and trained_for(True, 5) and trained_for(True, 1.58) and trained_for(True, None)
    assert not trained_for(True, 2) and not trained_for(True, 3) and not trained_for(False, 4)

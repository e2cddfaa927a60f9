"""Which artifacts run on a machine: their order, filters, quality loss, and which parts were estimated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from analysis.catalog.fit_candidates import Candidate
from analysis.catalog.fit_ranking import Context, score
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import Fit, find_fits
from analysis.catalog.geometries import GeometryLookup
from analysis.fit.machines import GB, Machine
from analysis.fit.memory import estimate_memory
from analysis.query.reader import CatalogReader

LAPTOP = Machine(ram=16 * GB)


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def found(reader: CatalogReader, machine: Machine = LAPTOP, **fields: Any) -> list[Fit]:
    """What fits, gated repos included: most originals of the small catalog are."""
    return list(find_fits(reader, machine, FitRequest(**{"gated": True, **fields})).fits)


# ---- what fits ------------------------------------------------------------------------------------------------------


def test_nothing_that_fits_needs_more_memory_than_available(reader: CatalogReader) -> None:
    every = found(reader, every_artifact=True)
    assert every and all(0 <= fit.left == LAPTOP.ram_for_models - fit.needs for fit in every)
    assert all(fit.needs == fit.weights + fit.cache + fit.compute + fit.runtime for fit in every)
    assert "unsloth/Qwen3-30B-A3B-GGUF" not in {fit.repo_id for fit in every}, "18.6 GB of weights"


def test_a_base_model_is_listed_once_with_its_best_artifact(reader: CatalogReader) -> None:
    best = found(reader, families=("gemma",))
    bases = [fit.base_model for fit in best]
    assert len(bases) == len(set(bases)) and bases
    bartowski = found(reader, authors=("bartowski",))
    assert [fit.quant for fit in bartowski] == ["Q8_0"]
    quants = [fit.quant for fit in found(reader, families=("gemma",), every_artifact=True) if fit.author == "bartowski"]
    assert quants == ["Q8_0", "Q4_K_M", "Q2_K"], "the smallest loss first"


def test_projectors_adapters_and_importance_matrices_are_not_listed(reader: CatalogReader) -> None:
    every = found(reader, every_artifact=True)
    assert not any(word in (fit.artifact or "") for fit in every for word in ("mmproj", "adapter", "imatrix"))


def test_the_cache_follows_the_headers_own_geometry(reader: CatalogReader) -> None:
    """29 of Gemma's 34 layers keep a window: 32 times the context needs 5 times the cache."""
    short, long = (
        next(fit for fit in found(reader, authors=("google",), every_artifact=True, context=context) if fit.qat)
        for context in (4096, 131_072)
    )
    assert long.cache < 16 * short.cache and long.estimated == ()


def test_an_artifact_without_a_header_uses_its_siblings_geometry(reader: CatalogReader) -> None:
    plain = next(
        fit
        for fit in found(reader, families=("gemma",), every_artifact=True)
        if (fit.artifact or "").endswith("-it-Q4_K_XL.gguf")
    )
    assert plain.estimated == ()


def test_more_context_than_it_was_trained_for_does_not_fit(reader: CatalogReader) -> None:
    assert found(reader, Machine(ram=64 * GB), families=("qwen",), context=40_960)
    assert not found(reader, Machine(ram=64 * GB), families=("qwen",), context=65_536)


def test_a_smaller_cache_type_leaves_more_memory(reader: CatalogReader) -> None:
    whole, small = (found(reader, families=("gemma",), kv_type=kind, context=131_072)[0] for kind in ("f16", "q8_0"))
    assert small.cache < whole.cache and small.left > whole.left


def test_the_largest_context_is_one_that_fits(reader: CatalogReader) -> None:
    geometries = GeometryLookup(reader)
    for fit in found(reader, families=("gemma",)):
        geometry = geometries.find({"repo_id": fit.repo_id, "base_model": fit.base_model})
        need = estimate_memory(fit.weights, geometry, context=fit.largest_context or 0, parameters=fit.parameters)
        assert need.total <= LAPTOP.ram_for_models and (fit.largest_context or 0) >= fit.context


# ---- requests -----------------------------------------------------------------------------------------------------


def test_requests_filter(reader: CatalogReader) -> None:
    assert {fit.family for fit in found(reader, families=("GEMMA",))} == {"gemma"}
    assert {fit.format for fit in found(reader, formats=("gguf",))} == {"gguf"}
    assert {fit.quant for fit in found(reader, quants=("q4_k_m",))} == {"Q4_K_M"}
    four = found(reader, bits=4, families=("gemma",), every_artifact=True)
    assert {fit.author for fit in four} >= {"google", "bartowski", "unsloth"}
    assert {fit.quant for fit in found(reader, bits=4, every_artifact=True)} <= {"Q4_0", "Q4_K_M", "Q4_K_XL"}
    assert {fit.repo_id for fit in found(reader, task="asr")} == {"openai/whisper-large-v3"}
    assert found(reader, task="instruct") and not found(reader, task="medical")


def test_only_the_most_downloaded_of_many_repos_are_evaluated(
    reader: CatalogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = find_fits(reader, LAPTOP, FitRequest(every_artifact=True))
    assert not whole.narrowed
    monkeypatch.setattr("analysis.catalog.fit_candidates.MAX_REPOS", 1)
    one = find_fits(reader, LAPTOP, FitRequest(every_artifact=True))
    assert one.narrowed and one.considered == 1
    downloads = {fit.repo_id: fit.downloads or 0 for fit in whole.fits}
    assert {fit.repo_id for fit in one.fits} <= {max(downloads, key=downloads.__getitem__)}
    narrower = find_fits(reader, LAPTOP, FitRequest(authors=("Bartowski",)))
    assert not narrower.narrowed and {fit.author for fit in narrower.fits} == {"bartowski"}


def test_a_common_family_is_found_without_its_index(reader: CatalogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    by_index = found(reader, families=("gemma",), every_artifact=True)
    monkeypatch.setattr("analysis.catalog.fit_candidates.MAX_INDEX_MATCHES", 0)
    assert found(reader, families=("gemma",), every_artifact=True) == by_index


def test_cuda_methods_are_not_listed_without_a_card(reader: CatalogReader) -> None:
    def schemes(machine: Machine, **fields: Any) -> set[str | None]:
        return {fit.quant for fit in found(reader, machine, every_artifact=True, **fields)}

    assert not {"AWQ", "W4A16"} & schemes(LAPTOP)
    assert {"AWQ", "W4A16"} <= schemes(Machine(vram=24 * GB))
    assert "W4A16" in schemes(LAPTOP, formats=("safetensors",)), "asked for by name, it is shown"


def test_places(reader: CatalogReader) -> None:
    def places(machine: Machine) -> set[str]:
        return {fit.place for fit in found(reader, machine, families=("qwen",))}

    assert places(Machine(vram=24 * GB, ram=16 * GB)) == {"gpu"}
    assert places(Machine(vram=8 * GB, ram=32 * GB)) == {"gpu+cpu"}, "30B needs both"
    assert places(Machine(ram=64 * GB)) == {"cpu"}


def test_a_mixture_of_experts_is_as_fast_as_its_active_parameters(reader: CatalogReader) -> None:
    machine = Machine(ram=64 * GB, ram_bandwidth=100 * GB)
    moe = next(fit for fit in found(reader, machine, families=("qwen",)) if fit.active_parameters)
    assert moe.tokens_per_second == pytest.approx(100e9 / (18_556_685_824 * 3_353_032_704 / 30_532_122_624))


# ---- quality loss ---------------------------------------------------------------------------------------------------


def test_qat_has_its_own_loss_text(reader: CatalogReader) -> None:
    by_author = {fit.author: fit for fit in found(reader, families=("gemma",), bits=4, every_artifact=True)}
    assert by_author["google"].qat and by_author["google"].loss == "QAT: under half of perplexity +7.5 %"
    assert not by_author["bartowski"].qat and by_author["bartowski"].loss == "perplexity +2.4 %"
    assert by_author["unsloth"].loss == "not measured"


def test_the_loss_is_that_of_models_of_the_size(reader: CatalogReader) -> None:
    """As `compare` states it: of llama.cpp's perplexity of an 8B nothing is said of models above 9B."""
    fits = found(reader, Machine(ram=64 * GB), every_artifact=True)
    large = {fit.loss for fit in fits if fit.quant == "Q4_K_M" and (fit.parameters or 0) > 10e9}
    small = {fit.loss for fit in fits if fit.quant == "Q4_K_M" and (fit.parameters or 0) < 8e9}
    assert large and all(loss.startswith("KL divergence") for loss in large)
    assert small and all(loss.startswith("perplexity") for loss in small)
    assert all(fit.perplexity_percent is None for fit in fits if (fit.parameters or 0) > 10e9 and fit.qat)


# ---- ranking --------------------------------------------------------------------------------------------------------


def example(**values: Any) -> Candidate:
    given: dict[str, Any] = dict.fromkeys(Candidate.__slots__)
    given |= {"repo_id": "a/b", "artifact": "b", "base_model": "a/b", "total_size": 5 * GB, "parameters": 8 * 10**9}
    given |= {"tuning": (), "downloads": 0, "base_downloads": 0, "mixture": False}
    return Candidate(**{**given, **values})


def points(candidate: Candidate) -> float:
    return score(candidate, Context({}, {})).total


def test_a_smaller_model_at_four_bits_beats_a_bigger_one_at_two() -> None:
    four = points(example(quant="Q4_K_M", bits=4.0, bits_per_weight=4.9))
    two = points(example(quant="Q2_K", bits=2.0, bits_per_weight=3.2, parameters=14 * 10**9))
    unknown = points(example(quant="Q2_K_L", bits=2.0, bits_per_weight=3.3, parameters=14 * 10**9))
    assert four > two and four > unknown
    assert points(example(quant="Q4_K_M", bits_per_weight=4.9, parameters=14 * 10**9)) > four


def test_a_doubling_of_parameters_is_one_point() -> None:
    assert points(example(parameters=16 * 10**9)) - points(example()) == pytest.approx(1)
    mixture = example(parameters=32 * 10**9, active_parameters=2 * 10**9, mixture=True)
    assert score(mixture, Context({}, {})).capability == pytest.approx(3), "the geometric mean of 32 and 2 is 8"
    effective = example(active_parameters=4 * 10**9)
    assert score(effective, Context({}, {})).capability == pytest.approx(2), "embeddings per layer do not count"


def test_a_generation_is_as_old_as_its_first_repo() -> None:
    copied = example(family="gemma", version="3", created_at="2026-11-01T00:00:00.000Z")
    known = Context({("gemma", "3"): 2025 + 2 / 12}, {})
    scored = score(copied, known)
    assert score(replace(copied, version="4"), known).generation == pytest.approx(0.75 * (3 + 10 / 12))
    tuned = replace(copied, family="shieldgemma", version="2", base_family="gemma", base_version="3")
    assert score(tuned, known).generation == scored.generation, "that of the model that it was tuned from"
    nameless = replace(copied, family=None, base_created_at="2025-07-01T00:00:00.000Z")
    assert score(nameless, known).generation == pytest.approx(0.75 * 2.5), "its base model's"
    assert scored.generation == pytest.approx(0.75 * (2 + 2 / 12))
    assert scored.recency == pytest.approx(0.1 * (3 + 10 / 12))
    assert score(example(), Context({}, {})).generation == 0


def test_tuning_and_downloads_count() -> None:
    plain = points(example())
    assert points(example(tuning=("instruct",))) == pytest.approx(plain + 0.5)
    assert points(example(tuning=("base",))) == pytest.approx(plain - 1)
    assert points(example(tuning=("instruct", "abliterated"))) == pytest.approx(plain)
    assert points(example(base_downloads=999)) == pytest.approx(plain + 0.6)
    assert points(example(downloads=999)) == pytest.approx(plain + 0.15)


def test_training_for_four_bits_does_not_help_at_two() -> None:
    from analysis.schemes.quality import trained_for

    assert trained_for(True, 4) and trained_for(True, 5) and trained_for(True, 1.58) and trained_for(True, None)
    assert not trained_for(True, 2) and not trained_for(True, 3) and not trained_for(False, 4)
    trained = points(example(quant="Q4_0", bits=4.0, qat=True))
    assert trained > points(example(quant="Q4_0", bits=4.0))

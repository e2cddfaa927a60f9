"""`fits` on a catalog with gaps: what is taken from the base model, estimated, said to be unknown, or left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.catalog.coverage import Coverage, measure_coverage
from analysis.catalog.fit_candidates import CONTRADICTORY, NOT_TEXT, SHORT_CONTEXT
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import Fit, FitAnswer, explain_fit, find_fits
from analysis.fit.machines import GB, Machine
from analysis.fit.memory import weight_bytes
from analysis.query.reader import CatalogReader
from analysis.schemes.schemes import usual_file_bits
from tests.analysis.catalog import gaps
from tests.analysis.catalog.gaps import COPY
from tests.small_catalog import LLAMA, Model, repo

LAPTOP = Machine(ram=16 * GB, ram_bandwidth=100 * GB)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    return gaps.build(tmp_path_factory.mktemp("gaps") / "catalog.db", [*gaps.with_files(), *gaps.listed_only()])


@pytest.fixture
def reader(catalog: str) -> Iterator[CatalogReader]:
    with CatalogReader(catalog) as reader:
        yield reader


def ask(reader: CatalogReader, machine: Machine = LAPTOP, **fields: Any) -> FitAnswer:
    return find_fits(reader, machine, FitRequest(**{"every_artifact": True, **fields}))


def row(reader: CatalogReader, repo_id: str, **fields: Any) -> Fit:
    return next(fit for fit in ask(reader, **fields).fits if fit.repo_id == repo_id)


def test_a_copy_takes_what_it_lacks_from_its_base_model(reader: CatalogReader) -> None:
    copy = row(reader, "copies/Qwen3-8B-GGUF")
    assert (copy.parameters, copy.license, copy.largest_context) == (8_190_735_360, "apache-2.0", 40_960)
    assert copy.estimated == (), "the cache follows the base model's geometry"
    assert copy.sources == {
        "context": "base", "parameters": "base", "license": "base", "architecture": "base", "cache": "base",
    }  # fmt: skip


def test_a_known_context_below_the_requested_one_does_not_fit(reader: CatalogReader) -> None:
    answer = ask(reader, context=65_536)
    assert "copies/Qwen3-8B-GGUF" not in {fit.repo_id for fit in answer.fits}
    assert answer.left_out[SHORT_CONTEXT] == 3, "two copies with files and one that is only listed"


def test_an_unknown_context_is_assumed_and_said_so(reader: CatalogReader) -> None:
    lost = row(reader, "lost/frobnitz-8b-GGUF", context=65_536)
    assert lost.context == 65_536 and lost.largest_context is None
    assert set(lost.estimated) == {"cache", "compute", "context"}


def test_a_mixture_without_known_active_parameters_has_no_speed(reader: CatalogReader) -> None:
    mixture = row(reader, "mixed/gpt-oss-20b-GGUF", context=512)
    assert mixture.expected_tokens_per_second is None and mixture.tokens_per_second is None
    assert mixture.is_usable is None
    usable = [fit.is_usable for fit in ask(reader, context=512).fits]
    assert usable.index(None) > usable.index(True), "after what is known to be fast enough"


def test_files_that_are_too_small_for_their_claims_are_left_out(reader: CatalogReader) -> None:
    answer = ask(reader)
    assert "tiny/Qwen3-30B-GGUF" not in {fit.repo_id for fit in answer.fits}
    assert answer.left_out[CONTRADICTORY] == 1


def test_gated_repos_are_listed_when_asked_for(reader: CatalogReader) -> None:
    assert "locked/Qwen3-8B-GGUF" not in {fit.repo_id for fit in ask(reader).fits}
    assert "locked/Qwen3-8B-GGUF" in {fit.repo_id for fit in ask(reader, gated=True).fits}


def test_only_models_that_generate_text_are_listed_by_default(reader: CatalogReader) -> None:
    answer = ask(reader)
    assert answer.left_out[NOT_TEXT] == 1, "embeddings; speech recognition is not even loaded"
    assert not {"search/Qwen3-Embedding-8B-GGUF", "sound/whisper-8b-GGUF"} & {fit.repo_id for fit in answer.fits}
    assert [fit.repo_id for fit in ask(reader, task="embedding").fits] == ["search/Qwen3-Embedding-8B-GGUF"]
    recognition = ask(reader, task="automatic-speech-recognition").fits
    assert [fit.repo_id for fit in recognition] == ["sound/whisper-8b-GGUF"]


def test_a_repo_without_files_is_estimated_from_its_claims(reader: CatalogReader) -> None:
    listed = row(reader, "listed/Qwen3-8B-Q4_K_M-GGUF")
    assert listed.artifact is None and listed.estimated == ("weights",)
    assert listed.weights == weight_bytes(8_190_735_360, usual_file_bits("Q4_K_M") or 0)
    assert "listed/unknown-scheme" not in {fit.repo_id for fit in ask(reader).fits}, "nothing says how large it is"


def test_one_row_for_a_base_model_with_its_best_quantization(reader: CatalogReader) -> None:
    answer = ask(reader, every_artifact=False)
    qwen = [fit for fit in answer.fits if fit.base_model == "Qwen/Qwen3-8B"]
    assert [(fit.repo_id, fit.quant) for fit in qwen] == [("others/Qwen3-8B-GGUF", "Q8_0")]
    slow = ask(reader, Machine(ram=16 * GB, ram_bandwidth=30 * GB), every_artifact=False).fits
    best = next(fit for fit in slow if fit.base_model == "Qwen/Qwen3-8B")
    assert best.quant == "Q4_K_M" and best.is_usable, "eight bits would be slower than a user reads"


def test_min_speed_decides_what_is_usable(reader: CatalogReader) -> None:
    assert row(reader, "copies/Qwen3-8B-GGUF").is_usable
    assert row(reader, "copies/Qwen3-8B-GGUF", min_speed=100).is_usable is False


def test_an_explanation_gives_place_parts_or_reason(reader: CatalogReader) -> None:
    request = FitRequest()
    best = explain_fit(reader, LAPTOP, request, "others/Qwen3-8B-GGUF")
    assert best.place == 1 and best.fit is not None
    assert sum(best.fit.score.parts().values()) == pytest.approx(best.fit.score.total, abs=0.05)
    other = explain_fit(reader, LAPTOP, request, "copies/Qwen3-8B-GGUF")
    assert other.place is None and other.best is not None and other.best.repo_id == "others/Qwen3-8B-GGUF"
    assert explain_fit(reader, LAPTOP, request, "tiny/Qwen3-30B-GGUF").reason == CONTRADICTORY
    assert "--gated" in (explain_fit(reader, LAPTOP, request, "locked/Qwen3-8B-GGUF").reason or "")


def test_coverage_counts_what_was_read_and_names_the_command(reader: CatalogReader, tmp_path: Path) -> None:
    coverage = measure_coverage(reader)
    assert (coverage.repos, coverage.files, coverage.headers) == (11, 9, 1)
    assert coverage.text == "11 repos known; files read for 9 and headers for 1 of them"
    assert coverage.command("my.db") == "hf-catalog crawl --depth headers --limit 11 --db my.db"
    listing = gaps.build(tmp_path / "listing.db", gaps.listed_only())
    with CatalogReader(listing) as lister:
        answer = ask(lister)
    assert not answer.coverage.is_complete and (answer.coverage.files, answer.coverage.repos) == (0, 2)
    assert [fit.repo_id for fit in answer.fits] == ["listed/Qwen3-8B-Q4_K_M-GGUF"]
    assert Coverage(100, 90, 44).lacks_headers and not Coverage(100, 90, 45).lacks_headers
    few = Coverage(100, 90, 44)
    assert few.row("c.db", uses_headers=True)["command"] and few.row("c.db")["command"] is None
    assert Coverage(200_000, 150_000, 0).command("c.db") == "hf-catalog crawl --depth headers --db c.db"


def test_limit_says_how_many_more_there_may_be(reader: CatalogReader) -> None:
    every = ask(reader)
    one = ask(reader, limit=1)
    assert one.fits == every.fits[:1] and one.more >= len(every.fits) - 1
    assert every.more == 0


def test_sorting_by_another_column(reader: CatalogReader) -> None:
    sizes = [fit.needs for fit in find_fits(reader, LAPTOP, FitRequest(), sort="memory").fits]
    assert sizes == sorted(sizes) and len(sizes) > 1
    with_limit = find_fits(reader, LAPTOP, FitRequest(limit=1), sort="memory")
    assert with_limit.fits[0].needs == sizes[0] and with_limit.more == len(sizes) - 1


def test_gpu_and_processor_share_the_layers(reader: CatalogReader) -> None:
    split = row(reader, "others/Qwen3-8B-GGUF")
    both = find_fits(
        reader, Machine(vram=6 * GB, ram=16 * GB), FitRequest(authors=("others",), every_artifact=True)
    ).fits[0]
    assert both.place == "gpu+cpu" and both.gpu_layers is not None and 0 < both.gpu_layers < 32
    assert split.gpu_layers is None


def test_published_results_move_a_model_up(tmp_path: Path) -> None:
    models = []
    for number, value in ((1, 40.0), (2, 90.0), (3, 60.0)):
        labels = replace(gaps.COPY, base_model=None, base_model_relation=None, context_measured=8192)
        model = gaps.gguf(f"maker/model-{number}-GGUF", number, labels, gaps.SIZES["Q4_K_M"])
        models.append(gaps.result(model, "MMLU", value))
    with CatalogReader(gaps.build(tmp_path / "results.db", models)) as reader:
        order = [(fit.repo_id, fit.score.evaluations) for fit in ask(reader).fits]
    assert order == [("maker/model-2-GGUF", 0.5), ("maker/model-3-GGUF", 0.0), ("maker/model-1-GGUF", -0.5)]


def test_a_speed_says_that_it_is_without_the_draft(tmp_path: Path) -> None:
    """A draft beside the weights, and layers of the file itself; a count of 0 layers is none."""
    size = gaps.SIZES["Q4_K_M"]
    beside = gaps.gguf("a/beside-GGUF", 1, COPY, size)
    beside.file("mtp-beside.gguf", 9_000_000, "draft", COPY, role="draft")
    models = [beside, gaps.gguf("a/plain-GGUF", 2, COPY, size)]
    for number, layers in ((3, 1), (4, 0)):
        inside = Model(repo(f"a/inside-{layers}-GGUF", number), COPY)
        models.append(inside.file("x-Q4_K_M.gguf", size, f"key {layers}", COPY, {**LLAMA, "nextn_layers": layers}))
    with CatalogReader(gaps.build(tmp_path / "drafts.db", models)) as reader:
        notes = {fit.repo_id: fit.speed_note for fit in ask(reader).fits}
    assert {repo_id for repo_id, note in notes.items() if note} == {"a/beside-GGUF", "a/inside-1-GGUF"}
    assert len(notes) == 4 and "MTP, EAGLE" in (notes["a/beside-GGUF"] or "")

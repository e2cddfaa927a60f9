"""The candidates that SQL finds best first are those that evaluating every artifact finds, in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.catalog import fit_candidates, fit_order, fits
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import Fit, find_fits
from analysis.fit.machines import GB, Machine
from analysis.query.reader import CatalogReader
from db.labels import Labels
from tests.analysis.catalog import gaps
from tests.small_catalog import BILLION, LLAMA, Model, quantized_of, repo

MACHINES = (
    Machine(ram=16 * GB),
    Machine(ram=64 * GB, ram_bandwidth=60 * GB),
    Machine(vram=8 * GB, ram=32 * GB, vram_bandwidth=270 * GB, ram_bandwidth=60 * GB),
    Machine(vram=24 * GB, vram_bandwidth=1000 * GB),
    Machine(ram=16 * GB, ram_bandwidth=120 * GB, unified=True, apple=True, maker="apple"),
    Machine(ram=4 * GB, ram_bandwidth=10 * GB),
)
REQUESTS = (
    FitRequest(),
    FitRequest(every_artifact=True, gated=True, gone=True),
    FitRequest(context=65_536, kv_type="q8_0"),
    FitRequest(min_speed=12, limit=3),
    FitRequest(task="instruct"),
    FitRequest(families=("GEMMA", "qwen"), every_artifact=True),
    FitRequest(authors=("bartowski", "copies"), every_artifact=True),
    FitRequest(quants=("q4_k_m", "W4A16"), every_artifact=True),
    FitRequest(formats=("gguf",), bits=4, every_artifact=True),
    FitRequest(task="embedding", min_speed=0),
)
ASKED = tuple(zip(cycle(MACHINES), REQUESTS, strict=False))


def compare(
    reader: CatalogReader, machine: Machine, request: FitRequest, monkeypatch: pytest.MonkeyPatch, step: int = 2
) -> list[Fit]:
    """The rows of a request by evaluating every artifact, which those in SQL's order, `step` at a time, must be."""
    with monkeypatch.context() as patch:
        whole = find_fits(reader, machine, request)
        for module, name, value in (
            (fits, "MAX_ALL", 0),
            (fit_candidates.RepoConditions, "are_few", False),
            (fit_order, "ROWS_PER_STEP", step),
            (fit_order, "ROWS_OF_ALL_STEPS", step + 1),
            (fit_order, "EVALUATED_TOGETHER", 7),
        ):
            patch.setattr(module, name, value)
        ordered = find_fits(reader, machine, request)
        patch.setattr(fit_candidates.RepoConditions, "are_common", True)
        by_step = find_fits(reader, machine, request)
    assert not whole.narrowed
    assert list(ordered.fits) == list(by_step.fits) == list(whole.fits)
    return list(whole.fits)


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def test_the_order_of_sql_is_that_of_evaluating_all(reader: CatalogReader, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [len(compare(reader, *each, monkeypatch)) for each in ASKED]
    assert sum(found) > 20


def test_so_it_is_of_a_catalog_with_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = gaps.build(tmp_path / "gaps.db", [*gaps.with_files(), *gaps.listed_only()])
    with CatalogReader(db) as reader:
        found = [len(compare(reader, *each, monkeypatch)) for each in ASKED]
    assert sum(found) > 20


def test_so_it_is_of_the_demo(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with CatalogReader(demo) as reader:
        pairs = zip(cycle(MACHINES[:4]), REQUESTS, strict=False)
        found = [len(compare(reader, machine, request, monkeypatch, step=60)) for machine, request in pairs]
    assert sum(found) > 20


def test_headers_of_others_that_are_read_later_move_no_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy without a header of its own needs less as soon as a sibling's header tells of a small cache."""
    small = {**LLAMA, "kv_heads": 1, "context": 131_072}
    tall = replace(gaps.COPY, base_model="lost/original", parameters=8 * BILLION)
    copy = gaps.gguf("copies/original-GGUF", 1, tall, 5_030_000_000)
    sibling = gaps.gguf("others/original-GGUF", 2, replace(tall, quant="Q8_0", bits=8.0), 80_000_000_000)
    db = gaps.build(tmp_path / "later.db", [copy, sibling])
    machine, request = Machine(ram=16 * GB), FitRequest(context=131_072, every_artifact=True, min_speed=0)
    with CatalogReader(db) as reader:
        assert not compare(reader, machine, request, monkeypatch)
    sibling.artifacts.clear()
    gaps.enrich(db, [sibling.file("original-Q8_0.gguf", 80_000_000_000, "read", tall, small)])
    with CatalogReader(db) as reader:
        assert [fit.repo_id for fit in compare(reader, machine, request, monkeypatch)] == ["copies/original-GGUF"]


def test_a_rare_task_is_found_by_what_models_are_for(
    reader: CatalogReader, monkeypatch: pytest.MonkeyPatch, small_on_both: str
) -> None:
    asked: list[str] = []
    rows = CatalogReader.rows

    def record(self: CatalogReader, sql: str, *values: Any, **more: Any) -> Any:
        asked.append(sql)
        return rows(self, sql, *values, **more)

    monkeypatch.setattr(CatalogReader, "rows", record)
    monkeypatch.setattr(fits, "MAX_ALL", 0)
    assert find_fits(reader, MACHINES[1], FitRequest(task="Instruct", min_speed=0)).fits
    assert not [sql for sql in asked if "f.uses like" in sql], "the few that match are looked up, not scanned for"
    asked.clear()
    monkeypatch.setattr(fit_candidates, "MAX_INDEX_MATCHES", 0)
    monkeypatch.setattr(fit_candidates.RepoConditions, "are_few", False)
    assert find_fits(reader, MACHINES[1], FitRequest(task="Instruct", min_speed=0)).fits
    assert [sql for sql in asked if "f.uses like" in sql]


# ---- made catalogs --------------------------------------------------------------------------------------------------

SCHEMES = {"Q2_K": 2.0, "Q4_K_M": 4.0, "Q4_0": 4.0, "Q8_0": 8.0, "F16": 16.0, "IQ9_NEW": 3.0}
BILLIONS = st.sampled_from((0.5, 1.0, 4.0, 8.0, 14.0, 30.0, 70.0))


@st.composite
def models(draw: st.DrawFn) -> list[Model]:
    """Originals, and copies of them, of copies and of models that the catalog lacks, each with gaps of its own."""
    made: list[Model] = []
    for number in range(1, draw(st.integers(2, 12)) + 1):
        above = draw(st.sampled_from([None, "lost/original", *(each.record.repo_id for each in made)]))
        made.append(draw(model(number, above)))
    return made


@st.composite
def model(draw: st.DrawFn, number: int, above: str | None) -> Model:
    size = draw(BILLIONS)
    counted = int(size * BILLION)

    def maybe(values: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | values)

    scheme = draw(st.sampled_from(sorted(SCHEMES)))
    labels = Labels(
        family=maybe(st.sampled_from(("qwen", "gemma"))), version=maybe(st.sampled_from(("2", "3"))),
        parameters=maybe(st.just(counted)), parameters_measured=maybe(st.just(counted + 1234)),
        active_parameters=maybe(st.just(counted // 8)), experts=maybe(st.sampled_from((1, 8))),
        context_measured=maybe(st.sampled_from((2048, 40_960))), tuning=draw(st.sampled_from(((), ("instruct",)))),
        specialty=draw(st.sampled_from(((), ("code",), ("embedding",)))), format="gguf", quantized=True, quant=scheme,
        quant_method="gguf", bits=SCHEMES[scheme], base_model=above,
        base_model_relation=draw(st.sampled_from(("quantized", "finetune"))) if above else None,
    )  # fmt: skip
    record = repo(
        f"owner-{number % 3}/model-{number}", number, downloads=maybe(st.integers(0, 10**7)),
        pipeline_tag=maybe(st.just("text-generation")), gated=maybe(st.just("auto")),
        edges=quantized_of(above) if above else (),
    )  # fmt: skip
    found = Model(record, labels)
    for each in draw(st.lists(st.sampled_from(sorted(SCHEMES)), max_size=3, unique=True)):
        own = replace(labels, quant=each, bits=SCHEMES[each], tuning=(), specialty=())
        size_in_bytes = int(counted * (SCHEMES[each] + 0.5) / 8 * draw(st.sampled_from((0.5, 1.0, 1.1))))
        facts: dict[str, Any] | None = maybe(st.sampled_from(({**LLAMA}, {**LLAMA, "sliding_window": 1024})))
        found.file(f"x-{each}.gguf", size_in_bytes, f"{number} {each}", own, facts)
    if draw(st.booleans()):
        gaps.result(found, "MMLU", draw(st.sampled_from((40.0, 60.0, 80.0))))
    return found


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(made=models(), machine=st.sampled_from(MACHINES), requested=st.sampled_from(REQUESTS))
def test_so_it_is_of_any_catalog(
    made: list[Model], machine: Machine, requested: FitRequest, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    db = gaps.build(tmp_path_factory.mktemp("made") / "made.db", made)
    with CatalogReader(db) as reader:
        for request in (requested, FitRequest(every_artifact=True, gated=True, min_speed=5)):
            compare(reader, machine, request, monkeypatch)

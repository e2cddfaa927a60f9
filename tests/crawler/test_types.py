"""Datasets and spaces beside models: the same crawl, and no answer about models changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from analysis.catalog.coverage import Coverage, measure_coverage
from analysis.publish.export import export_catalog
from analysis.query.reader import CatalogReader
from analysis.query.saved import saved_queries
from db.maintain.check import check
from db.read.search import find
from db.records import RepoFilter, RunRecord
from samplehub import MEMBER, Fault, Kind, SampleHub
from samplehub.content.datasets_and_spaces import BENCHMARK, COUNT, MODELS
from tests.crawler.hubs import make_client, run_crawl, small_catalog
from tests.crawler.test_crawl import rows


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(9)) as sample:
        yield sample


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


def crawl_type(db: Path, sample: SampleHub, kind: str, depth: str = "files", **options: object) -> RunRecord:
    hub = make_client(sample, MEMBER, repo_type=kind)
    return run_crawl(db, sample, hub=hub, depth=depth, scope=RepoFilter(type=kind), **options)  # type: ignore[arg-type]


def test_datasets_are_listed_with_their_files_and_leaderboards(sample: SampleHub, db: Path) -> None:
    run = crawl_type(db, sample, "dataset")
    assert (run.outcome, run.repos_seen, run.repos_enriched, run.repos_skipped) == ("complete", COUNT, COUNT, 0)
    columns = "author, license, file_count, total_size, leaderboard_entries"
    assert rows(db, f"select {columns} from datasets where repo_id = '{BENCHMARK}'") == [("acme", "mit", 2, 52, 2)]
    assert rows(db, "select count(*) from datasets where status = 'gated'") == [(1,)]
    found = "select rank, model, value, verified, source from leaderboard_results order by rank"
    assert rows(db, found) == [(1, MODELS[0], 61.5, 1, "https://hf.co"), (2, MODELS[2], 12.25, 0, None)]
    assert rows(db, "select path, size from other_files where repo_id = 'borealis/translation-de-5' order by path") == [
        ("README.md", 12), ("data/train.parquet", 40),
    ]  # fmt: skip
    assert rows(db, "select count(*) from models") == rows(db, "select count(*) from files") == [(0,)]


def test_spaces_have_a_kit_and_the_models_that_they_use(sample: SampleHub, db: Path) -> None:
    run = crawl_type(db, sample, "space")
    assert (run.outcome, run.repos_seen, run.repos_enriched) == ("complete", COUNT, COUNT)
    assert rows(db, "select sdk, count(*) from spaces group by 1 order by 1") == [
        ("docker", 8),
        ("gradio", 8),
        ("static", 8),
    ]
    links = "select target_type, target, source from links where repo_id = 'corvid/chat-static-5' order by 1, 2"
    assert rows(db, links) == [("dataset", BENCHMARK, "api"), ("model", MODELS[0], "api")]
    assert rows(db, "select models, datasets from spaces where repo_id = 'corvid/chat-static-5'") == [(1, 1)]


def test_models_are_linked_to_the_datasets_that_they_name(sample: SampleHub, db: Path) -> None:
    sample.catalog.modify("acme/Gemma-1-1B-it-0", tags=("gguf", f"dataset:{BENCHMARK}"))
    run_crawl(db, sample, depth="listing")
    assert rows(db, "select repo_id, type, target_type, target, source from links") == [
        ("acme/Gemma-1-1B-it-0", "model", "dataset", BENCHMARK, "tag")
    ]


def test_a_second_crawl_of_each_type_writes_and_enriches_nothing(sample: SampleHub, db: Path) -> None:
    for kind in ("dataset", "space"):
        crawl_type(db, sample, kind)
        sample.requests.clear()
        run = crawl_type(db, sample, kind, full=True)
        assert (run.repos_new, run.repos_changed, run.repos_enriched) == (0, 0, 0)


def test_changes_and_vanished_repos_are_found_for_each_type(sample: SampleHub, db: Path) -> None:
    crawl_type(db, sample, "dataset")
    name = "borealis/translation-de-5"
    sample.datasets.change_files(name, {"new.txt": b"new"}, modified=datetime(2026, 8, 1, tzinfo=UTC))
    sample.datasets.remove("borealis/translation-en-8")
    run = crawl_type(db, sample, "dataset")
    assert run.repos_enriched == 1
    for _ in range(2):
        crawl_type(db, sample, "dataset", full=True)
    events = (
        "select repo_id, type, kind, subject from all_changes where kind <> 'new' and kind <> 'commit' order by 1, 4"
    )
    assert (name, "dataset", "new file", "new.txt") in rows(db, events)
    assert rows(db, "select repo_id from datasets where status = 'gone'") == [("borealis/translation-en-8",)]


def test_a_dataset_and_a_model_of_one_name_are_two_repos(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample, token=MEMBER)
    crawl_type(db, sample, "dataset")
    run_crawl(db, sample, token=MEMBER, full=True)
    both = f"select type, status from repos where repo_id = '{MODELS[0]}' order by type"
    assert rows(db, both) == [("dataset", "available"), ("model", "gated")]
    assert rows(db, "select count(*) from aliases") == [(0,)]
    assert find(db, "gemma 3 1b it", 3).hits[0].repo_id == MODELS[0]
    assert [hit.repo_id for hit in find(db, "gemma 3 1b it", 3, "dataset").hits] == [MODELS[0]]


def test_no_answer_about_models_changes_with_datasets_and_spaces(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    sample.catalog.modify("acme/Gemma-1-1B-it-0", tags=("gguf", f"dataset:{BENCHMARK}"))
    run_crawl(db, sample, token=MEMBER, depth="headers")
    before, coverage = answers(db), read_coverage(db)
    export_catalog(db, tmp_path / "before")
    for kind in ("dataset", "space"):
        crawl_type(db, sample, kind)
    assert (answers(db), read_coverage(db)) == (before, coverage)
    export_catalog(db, tmp_path / "after")
    for path in (tmp_path / "before").glob("*.csv"):
        if path.name != "crawl_runs.csv":
            assert path.read_bytes() == (tmp_path / "after" / path.name).read_bytes(), path.name
    assert [finding for finding in check(db) if finding.ok is False] == []
    export_catalog(db, tmp_path / "more", only=["datasets", "spaces", "links", "leaderboard_results"])
    assert len((tmp_path / "more" / "spaces.csv").read_text().splitlines()) == COUNT + 1


def read_coverage(db: Path) -> Coverage:
    with CatalogReader(db) as reader:
        return measure_coverage(reader)


def answers(db: Path) -> dict[str, object]:
    """The result of every saved query but that of the crawls, by its name."""
    with CatalogReader(db) as reader:
        return {
            query.name: reader.all(query.sql, query.parse_values({}))
            for query in saved_queries()
            if query.name not in ("crawls", "skipped") and all(each.default is not None for each in query.parameters)
        }


def test_faults_and_scopes_of_datasets_are_those_of_models(sample: SampleHub, db: Path) -> None:
    bad = "borealis/translation-de-5"
    sample.faults.add(Fault(Kind.SERVER_ERROR, on="info", match=bad, times=None))
    run = crawl_type(db, sample, "dataset")
    assert (run.outcome, run.repos_enriched, run.repos_skipped) == ("complete", COUNT - 1, 1)
    sample.faults.clear()
    hub = make_client(sample, MEMBER, repo_type="dataset")
    scope = RepoFilter(type="dataset", authors=("acme",))
    assert run_crawl(db.with_name("other.db"), sample, hub=hub, scope=scope).repos_seen == 1

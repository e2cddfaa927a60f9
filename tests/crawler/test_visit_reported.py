"""Reported repos are visited between the pages of a crawl or by themselves, and end as a crawl would leave them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crawler import visit_reported
from crawler.pipeline import crawl
from crawler.settings import CrawlSettings
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.source import HuggingFaceSource
from crawler.sources.pacer import Pacer
from db.records import RepoFilter, RunRecord
from db.reported import ReportedRepos
from db.write.store import Store
from samplehub import Fault, Kind, SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import make_client, plain_repos, run_crawl, small_catalog
from tests.crawler.test_crawl import rows

NAME = "acme/Gemma-1-1B-it-0"
OTHER = "borealis/Gemma-2-2B-it-1"


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(12)) as hub:
        yield hub


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog of that Hub."""
    path = tmp_path_factory.mktemp("crawled") / "catalog.db"
    with SampleHub(catalog=small_catalog(12)) as hub:
        run_crawl(path, hub, depth="headers")
    return path


@pytest.fixture
def db(crawled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(crawled, tmp_path / "catalog.db"))


def report(db: Path, *names: str, type_: str = "model") -> None:
    with ReportedRepos(db.with_name("catalog.db.reports")) as reports:
        for name in names:
            reports.add(type_, name, datetime.now(UTC), datetime.now(UTC))  # type: ignore[arg-type]


def waiting(db: Path) -> list[tuple[str, int]]:
    """Repos that wait to be visited, and how often that was tried."""
    with sqlite3.connect(db.with_name("catalog.db.reports")) as connection:
        return connection.execute("select repo_id, attempts from reported order by 1").fetchall()


def make_due(db: Path) -> None:
    """What was postponed is due."""
    with sqlite3.connect(db.with_name("catalog.db.reports")) as connection:
        connection.execute("update reported set next_visit_at = '2020'")


def visit(db: Path, sample: SampleHub, *, hub: HubClient | None = None, **orders: object) -> list[RunRecord]:
    settings = replace(CrawlSettings(depth="files", workers=2, page=10, reported=True), **orders)  # type: ignore[arg-type]
    source = HuggingFaceSource(hub or make_client(sample))
    with Store.open(db) as store, ReportedRepos(db.with_name("catalog.db.reports")) as reports:
        return crawl(store, source, settings, reports=reports)


def test_new_changed_and_renamed_repos_end_as_a_crawl_would_leave_them(
    sample: SampleHub, db: Path, tmp_path: Path
) -> None:
    plain_repos(sample.catalog, 1, start=12)
    new = next(name for name in sample.catalog.repos if name.endswith("-12"))
    sample.catalog.change_files(NAME, {"README.md": b"---\nlicense: mit\n---\n"})
    sample.catalog.rename(OTHER, "borealis/renamed")
    report(db, new, NAME, OTHER, "borealis/renamed")
    [run] = visit(db, sample)
    assert (run.kind, run.outcome, run.repos_new, run.repos_enriched) == ("repos", "complete", 1, 3)
    assert waiting(db) == []
    run_crawl(tmp_path / "fresh.db", sample, depth="headers")
    found = differences(db, tmp_path / "fresh.db")
    assert [each for each in found if not each.startswith(("aliases:", "events:"))] == [], "but for their history"
    assert rows(db, "select repo_id from aliases") == [(OTHER,)]


def test_a_deleted_repo_is_gone_after_two_requests_some_seconds_apart(sample: SampleHub, db: Path) -> None:
    sample.catalog.remove(NAME)
    report(db, NAME, "acme/never-known")
    visit(db, sample)
    status = f"select status from repos where repo_id = '{NAME}'"
    assert rows(db, status) == [("available",)], "one request that does not find it proves nothing"
    assert waiting(db) == [(NAME, 1)]
    with ReportedRepos(db.with_name("catalog.db.reports")) as reports:
        due = reports.next_due()
    assert due is not None
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(seconds=5)
    make_due(db)
    visit(db, sample)
    assert rows(db, status) == [("gone",)]
    assert waiting(db) == []
    assert rows(db, f"select kind from changes where repo_id = '{NAME}' and kind = 'gone'") == [("gone",)]


def test_a_hub_that_finds_nothing_makes_no_repo_gone(sample: SampleHub, db: Path) -> None:
    report(db, NAME)
    sample.faults.add(Fault(Kind.RESPONSE, on="info", status=404, times=None))
    for _ in range(3):
        make_due(db)
        visit(db, sample)
    assert rows(db, f"select status from repos where repo_id = '{NAME}'") == [("available",)]
    assert [name for name, _ in waiting(db)] == [NAME]


def test_a_repo_that_became_private_is_so_in_the_catalog(sample: SampleHub, db: Path) -> None:
    sample.catalog.modify(NAME, private=True)
    report(db, NAME)
    for _ in range(2):
        make_due(db)
        visit(db, sample)
    assert rows(db, f"select status from repos where repo_id = '{NAME}'") in ([("private",)], [("gone",)])
    assert waiting(db) == []


def test_a_visit_that_fails_for_now_is_repeated(sample: SampleHub, db: Path) -> None:
    sample.catalog.change_files(NAME, {"new.txt": b"x"})
    report(db, NAME)
    sample.faults.add(Fault(Kind.RESPONSE, on="info", match=f"/{NAME}", status=500, times=None))
    visit(db, sample, hub=make_client(sample, tries=1))
    assert waiting(db) == [(NAME, 1)]
    sample.faults.clear()
    assert visit(db, sample) == [], "it is not due at once"
    make_due(db)
    visit(db, sample)
    assert waiting(db) == []
    assert rows(db, f"select repo_id from files where path = 'new.txt' and repo_id = '{NAME}'") == [(NAME,)]


def test_what_is_stopped_before_its_visit_stays_reported(sample: SampleHub, db: Path) -> None:
    report(db, NAME)
    [run] = visit(db, sample, hub=make_client(sample, pacer=Pacer(budget=0)))
    assert (run.outcome, waiting(db)) == ("stopped", [(NAME, 0)])


def test_only_repos_of_the_crawls_type_are_visited(sample: SampleHub, db: Path) -> None:
    report(db, NAME, type_="dataset")
    assert visit(db, sample) == []
    assert waiting(db) == [(NAME, 0)]


@pytest.mark.parametrize("depth", ["listing", "files"])
def test_a_crawl_visits_reported_repos_between_its_pages(
    sample: SampleHub, db: Path, depth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit_reported, "CHECK_SECONDS", 0.0)
    sample.catalog.change_files(NAME, {"new.txt": b"x"})
    report(db, NAME)
    [run] = visit(db, sample, reported=False, full=True, depth=depth)
    assert (run.kind, run.outcome, run.repos_seen) == ("full", "complete", 16)
    visits = "select outcome, scope, repos_enriched from crawl_runs where kind = 'repos'"
    assert rows(db, visits) == [("complete", f"repo={NAME}", 1)]
    assert waiting(db) == []
    assert rows(db, f"select depth from enrichments e join repos r on r.id = e.repo where repo_id = '{NAME}'") == [
        ("headers",)
    ]


def test_many_reports_are_several_runs(sample: SampleHub, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit_reported, "MAX_VISITS", 5)
    report(db, *sample.catalog.repos)
    runs = visit(db, sample, scope=RepoFilter())
    assert [run.repos_enriched for run in runs] == [5, 5, 5, 1]

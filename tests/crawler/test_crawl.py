"""Crawls of a sample Hub over HTTP: complete, repeated, resumed, and after the Hub has changed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.labels.resolve import label_repo
from crawler.sources.pacer import Pacer
from db.records import Labelled, RepoFilter, RepoRecord
from samplehub import MEMBER, READER, Fault, Kind, Quota, SampleHub
from tests.crawler.dump import differences, dump
from tests.crawler.hubs import REAL, make_client, plain_repos, repo_ids, requested_paths, run_crawl, small_catalog


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog()) as hub:
        yield hub


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(db) as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


# ---- complete crawls ------------------------------------------------------------------------------------------------


def test_every_repo_is_listed_labelled_and_enriched(sample: SampleHub, db: Path) -> None:
    run = run_crawl(db, sample, depth="headers", token=MEMBER)
    assert (run.outcome, run.kind) == ("complete", "full")
    assert run.repos_seen == run.repos_new == run.repos_enriched == len(sample.catalog)
    assert [row[0] for row in rows(db, "select repo_id from repos order by repo_id")] == repo_ids(sample)
    assert rows(db, "select count(*) from repo_labels where family = 'gemma'") == [(44,)]
    assert rows(db, "select depth, count(*) from enrichments group by depth") == [("headers", len(sample.catalog))]


def test_headers_are_measured_and_linked(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample, depth="headers", token=MEMBER)
    sql = "select quant_measured, parameters_measured from models where repo_id = '{}'"
    quant, parameters = rows(db, sql.format(REAL[0]))[0]
    assert quant == "Q4_0"
    assert isinstance(parameters, int)
    assert parameters == pytest.approx(1.0e9, rel=0.02), "counted in tensors, not claimed"
    assert rows(db, sql.format(REAL[3]))[0][0] == "BNB-NF4"


def test_each_page_and_each_repo_costs_one_request(sample: SampleHub, db: Path) -> None:
    run = run_crawl(db, sample)
    pages = -(-len(sample.catalog) // 10)
    assert run.api_requests == len(requested_paths(sample)) == pages + 1 + len(sample.catalog), (
        "one checks the end of the listing"
    )
    assert run.resolver_requests == 0
    assert run.bytes_read > 10_000


def test_a_second_crawl_enriches_nothing_and_writes_nothing(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    run_crawl(db, sample, depth="headers", token=MEMBER)
    before, asked_before = dump(db), len(sample.requests)
    for full in (False, True):
        run = run_crawl(db, sample, depth="headers", token=MEMBER, full=full)
        assert run.kind == ("full" if full else "incremental")
        assert (run.repos_new, run.repos_changed, run.repos_enriched) == (0, 0, 0)
        assert run.repos_seen == run.repos_unchanged
    assert dump(db) == before
    assert len(sample.requests) - asked_before <= 3 + -(-len(sample.catalog) // 10)


def test_a_deeper_crawl_adds_to_a_shallower_one(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    for depth in ("listing", "files", "headers"):
        run_crawl(db, sample, depth=depth, token=MEMBER)
    run_crawl(tmp_path / "at-once.db", sample, depth="headers", token=MEMBER)
    assert differences(db, tmp_path / "at-once.db") == []


def test_gated_files_are_skipped_with_a_reason(sample: SampleHub, db: Path) -> None:
    for token in (False, READER):
        run = run_crawl(db, sample, depth="headers", token=token)
        assert run.outcome == "complete"
        left_out = rows(db, "select repo_id, reason from skips order by repo_id")
        assert left_out == [(REAL[1], "gated"), (REAL[0], "gated")]
    assert run.repos_enriched == 0, "it is not requested again and again"


# ---- interrupted crawls ---------------------------------------------------------------------------------------------


def test_a_crawl_stopped_by_its_budget_is_resumed(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    run_crawl(tmp_path / "whole.db", sample)
    outcomes = []
    for _ in range(40):
        before = len(sample.requests)
        run = run_crawl(db, sample, hub=make_client(sample, pacer=Pacer(budget=7)))
        outcomes.append(run.outcome)
        assert len(sample.requests) - before <= 7
        if run.outcome == "complete":
            break
    assert set(outcomes[:-1]) == {"stopped"}
    assert len(outcomes) > 5
    assert differences(db, tmp_path / "whole.db") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_crawl_with_a_message_and_status_0(sample: SampleHub, db: Path, number: int) -> None:
    sample.meter.quota = Quota(api=9, window=300)
    crawl = start_crawl(db, sample, "--limit", "40")
    wait_until(lambda: len(sample.requests) >= 9)
    time.sleep(0.3)
    crawl.send_signal(number)
    _, err = crawl.communicate(timeout=300)
    assert crawl.returncode == 0, err
    assert "The same command resumes it." in err
    assert rows(db, "select outcome from crawl_runs") == [("stopped",)]
    assert rows(db, "select count(*) from crawl_locks") == [(0,)]


def test_a_second_signal_stops_it_at_once_and_loses_nothing(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    run_crawl(tmp_path / "whole.db", sample)
    sample.requests.clear()
    sample.faults.add(Fault(Kind.STALL, on="info", after=3, seconds=60, times=None))
    crawl = start_crawl(db, sample)
    wait_until(lambda: sum(sample.faults.hits.values()) >= 4)
    crawl.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert crawl.poll() is None, "it waits for requests that are under way"
    crawl.send_signal(signal.SIGINT)
    _, err = crawl.communicate(timeout=300)
    assert crawl.returncode == 130, err
    assert "once more to stop now" in err
    sample.faults.clear()
    run_crawl(db, sample)
    assert differences(tmp_path / "whole.db", db) == []


def test_killed_crawls_are_resumed_to_the_same_catalog(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    run_crawl(tmp_path / "whole.db", sample, token=MEMBER, depth="headers", page=1000)
    sample.faults.add(Fault(Kind.STALL, on="info", seconds=0.05, times=None))
    for killed_after in (2, 10, 20, 12):
        sample.requests.clear()
        crawl = start_crawl(db, sample, "--depth", "headers", token=MEMBER)
        wait_until(lambda: len(sample.requests) >= killed_after)  # noqa: B023
        crawl.send_signal(signal.SIGKILL)
        crawl.communicate(timeout=300)
    run = run_crawl(db, sample, token=MEMBER, depth="headers")
    assert run.outcome == "complete"
    assert differences(db, tmp_path / "whole.db") == []
    assert rows(db, "select count(*) from crawl_runs where finished_at is null") == [(0,)]


def start_crawl(db: Path, sample: SampleHub, *words: str, token: str | None = None) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "COV"))}
    env |= {"HF_TOKEN": token} if token else {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    line = [sys.executable, "-m", "crawler.cli", "crawl", "--db", str(db), "--endpoint", sample.endpoint, *words]
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition: object, seconds: float = 300) -> None:
    ends = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends, "the condition was not met in time"
        time.sleep(0.01)


# ---- when the Hub changes -------------------------------------------------------------------------------------------


def test_an_incremental_crawl_finds_new_and_changed_repos(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    now = datetime.now(UTC)
    plain_repos(sample.catalog, 1, start=900)
    sample.catalog.change_files("acme/Gemma-1-1B-it-0", {"more.txt": b"more"}, modified=now)
    sample.catalog.modify("acme/Gemma-1-4B-it-3", downloads=99_999)
    new = next(repo for repo in sample.catalog if repo.id.endswith("-900"))
    sample.catalog.modify(new.id, modified=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    run = run_crawl(db, sample)
    assert run.kind == "incremental"
    assert (run.repos_new, run.repos_changed, run.repos_enriched) == (1, 1, 2)
    assert rows(db, "select path from files where repo_id = 'acme/Gemma-1-1B-it-0' and path like 'more%'") == [
        ("more.txt",)
    ]
    run = run_crawl(db, sample, full=True)
    assert (run.repos_changed, run.repos_enriched) == (1, 0), "counters alone change without a commit"
    assert rows(db, "select downloads from repos where repo_id = 'acme/Gemma-1-4B-it-3'") == [(99_999,)]


def test_a_renamed_repo_keeps_its_hub_id(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    old = "acme/Gemma-1-1B-it-0"
    known = rows(db, f"select hub_id from repos where repo_id = '{old}'")
    sample.catalog.rename(old, "acme/renamed")
    run_crawl(db, sample, full=True)
    assert rows(db, "select hub_id from repos where repo_id = 'acme/renamed'") == known
    assert rows(db, "select repo_id from aliases") == [(old,)]
    assert rows(db, "select kind, before, after from events where kind = 'renamed'") == [
        ("renamed", old, "acme/renamed")
    ]


@pytest.mark.parametrize("full", [True, False])
def test_the_labels_of_a_renamed_repo_are_those_of_its_new_id(sample: SampleHub, db: Path, full: bool) -> None:
    run_crawl(db, sample)
    sample.catalog.rename("acme/Gemma-1-1B-it-0", "acme/Qwen3-8B")
    run_crawl(db, sample, full=full)
    run_crawl(db, sample, full=True)
    new = db.with_name("new.db")
    run_crawl(new, sample)
    for table in ("labels", "evidence", "unclaimed"):
        assert dump(db)[table] == dump(new)[table]
    assert rows(db, "select family from models where repo_id = 'acme/Qwen3-8B'") == [("qwen",)]


@pytest.mark.parametrize("gated", [False, True])
def test_the_headers_of_a_repo_are_read_when_it_is_no_longer_gated(db: Path, gated: bool) -> None:
    with SampleHub(catalog=small_catalog(2)) as hub:
        repo_id = "ggml-org/gemma-3-1b-it-GGUF"
        hub.catalog.modify(repo_id, gated="auto")
        sql = f"select count(*) from artifacts a join repos r on r.id = a.repo where r.repo_id = '{repo_id}'"
        run_crawl(db, hub, depth="headers")
        assert rows(db, f"{sql} and a.header is not null") == [(0,)]
        hub.catalog.modify(repo_id, gated="auto" if gated else False, downloads=5)
        run_crawl(db, hub, full=True, depth="headers")
        (count,) = rows(db, f"{sql} and a.header is not null")
    assert (count[0] > 0) == (not gated)


def test_an_enrichment_finds_a_rename_too(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample, depth="listing")
    sample.catalog.rename("acme/Gemma-1-1B-it-0", "acme/renamed")
    sample.requests.clear()
    run_crawl(db, sample)
    assert rows(db, "select count(*) from files where repo_id = 'acme/renamed'") == [(2,)]
    assert rows(db, "select repo_id from aliases") == [("acme/Gemma-1-1B-it-0",)]


def test_a_renamed_repo_whose_old_id_is_taken_is_found_under_its_owner(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    old = "acme/Gemma-1-1B-it-0"
    known = rows(db, f"select hub_id from repos where repo_id = '{old}'")
    sample.catalog.rename(old, "acme/renamed")
    sample.catalog.add(old, {"config.json": b"{}"}, created=datetime.now(UTC))
    run_crawl(db, sample)
    assert rows(db, "select hub_id, status from repos where repo_id = 'acme/renamed'") == [(known[0][0], "available")]
    assert rows(db, f"select count(*), min(status) from repos where repo_id = '{old}'") == [(1, "available")]
    assert rows(db, "select repo_id from aliases") == [(old,)]


def test_a_repo_created_again_under_its_old_id_is_another_one(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    old = "acme/Gemma-1-1B-it-0"
    sample.catalog.remove(old)
    sample.catalog.add(old, {"config.json": b"{}"}, created=datetime.now(UTC))
    searches = []
    for _ in range(2):
        sample.requests.clear()
        run_crawl(db, sample)
        searches.append(sum("author=acme" in path for path in requested_paths(sample, "/api/models?")))
    assert searches == [2, 0], "its owner's listing is searched, once, and its end confirmed"
    assert rows(db, f"select status from repos where repo_id = '{old}' order by id") == [("gone",), ("available",)]


def test_a_repo_is_gone_when_a_full_crawl_and_requests_of_two_runs_do_not_find_it(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    sample.catalog.remove("acme/Gemma-1-1B-it-0")
    run_crawl(db, sample)
    for full in (True, False):
        assert rows(db, "select status from repos where repo_id = 'acme/Gemma-1-1B-it-0'") == [("available",)]
        sample.requests.clear()
        assert run_crawl(db, sample, full=full).outcome == "complete"
        assert len(requested_paths(sample, "/api/models/acme/Gemma-1-1B-it-0")) == 1
    assert rows(db, "select status from repos where repo_id = 'acme/Gemma-1-1B-it-0'") == [("gone",)]
    assert rows(db, "select kind, after from events where kind = 'gone'") == [("gone", "gone")]
    assert rows(db, "select count(*) from missing_repos") == [(0,)]


def test_a_repo_that_returns_is_available_again(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    repo = sample.catalog.remove("acme/Gemma-1-1B-it-0")
    run_crawl(db, sample, full=True)
    run_crawl(db, sample, full=True)
    sample.catalog.add(repo)
    run_crawl(db, sample, full=True)
    assert rows(db, "select status from repos where repo_id = 'acme/Gemma-1-1B-it-0'") == [("available",)]
    assert [row[0] for row in rows(db, "select kind from events order by id")] == ["gone", "back"]


def test_disabled_and_private_repos_are_not_gone(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample, token=READER)
    sample.catalog.modify("acme/Gemma-1-1B-it-0", disabled=True)
    sample.catalog.modify("acme/Gemma-1-4B-it-3", private=True)
    run_crawl(db, sample, token=READER, full=True)
    sql = "select repo_id, status from repos where status not in ('available', 'gated') order by repo_id"
    assert rows(db, sql) == [("acme/Gemma-1-1B-it-0", "disabled"), ("acme/Gemma-1-4B-it-3", "private")]


def test_private_repos_are_included_on_request_only(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    sample.catalog.modify("acme/Gemma-1-4B-it-3", private=True)
    run = run_crawl(db, sample, token=READER)
    assert run.repos_skipped == 1
    assert rows(db, "select repo_id, reason from skips") == [("acme/Gemma-1-4B-it-3", "private")]
    assert rows(db, "select count(*) from repos where repo_id = 'acme/Gemma-1-4B-it-3'") == [(0,)]
    run_crawl(tmp_path / "all.db", sample, token=READER, include_private=True)
    sql = "select status from repos where repo_id = 'acme/Gemma-1-4B-it-3'"
    assert rows(tmp_path / "all.db", sql) == [("private",)]
    visited = (
        "select e.depth, (select count(*) from repo_files f where f.repo = r.id) > 0 from repos r"
        " join enrichments e on e.repo = r.id where r.repo_id = 'acme/Gemma-1-4B-it-3'"
    )
    assert rows(tmp_path / "all.db", visited) == [("files", 1)], "it is visited as the others are"


# ---- scopes ---------------------------------------------------------------------------------------------------------


def test_authors_search_texts_and_tags_narrow_a_crawl(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    run = run_crawl(db, sample, scope=RepoFilter(authors=("acme",)))
    assert run.repos_seen == run.repos_enriched == 14
    both = run_crawl(tmp_path / "two.db", sample, scope=RepoFilter(authors=("acme", "google")))
    assert rows(tmp_path / "two.db", "select distinct author from repos order by 1") == [("acme",), ("google",)]
    assert both.repos_seen == 2, "one run per author"
    found = run_crawl(tmp_path / "text.db", sample, scope=RepoFilter(search=("gemma", "qat")))
    assert found.repos_seen == 1
    tagged = run_crawl(tmp_path / "tag.db", sample, scope=RepoFilter(tags=("gguf",)))
    assert tagged.repos_seen == 2


def test_a_limit_keeps_the_most_downloaded(sample: SampleHub, db: Path) -> None:
    run = run_crawl(db, sample, scope=RepoFilter(limit=5))
    best = sorted(sample.catalog, key=lambda repo: -repo.downloads)[:5]
    assert run.repos_seen == run.repos_enriched == 5
    assert {row[0] for row in rows(db, "select repo_id from repos")} == {repo.id for repo in best}
    assert len(requested_paths(sample, "/api/models?")) == 1


def test_minimum_downloads_and_a_date_end_a_walk(sample: SampleHub, db: Path, tmp_path: Path) -> None:
    run = run_crawl(db, sample, scope=RepoFilter(min_downloads=500))
    assert run.repos_seen == sum(repo.downloads >= 500 for repo in sample.catalog)
    recent = datetime(2025, 3, 1, 0, 30, tzinfo=UTC)
    run = run_crawl(tmp_path / "since.db", sample, scope=RepoFilter(since=recent))
    assert run.repos_seen == sum(datetime.fromisoformat(repo.modified) >= recent for repo in sample.catalog)


def test_a_partial_walk_marks_nothing_as_gone(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    before = dump(db)["repos"]
    for scope in (RepoFilter(limit=3), RepoFilter(authors=("acme",)), RepoFilter(search=("gemma",))):
        run_crawl(db, sample, scope=scope, full=True)
    assert dump(db)["repos"] == before


def test_only_named_repos_are_requested(sample: SampleHub, db: Path) -> None:
    names = ("acme/Gemma-1-1B-it-0", "nobody/nothing")
    run = run_crawl(db, sample, scope=RepoFilter(repo_ids=names))
    assert (run.kind, run.repos_seen, run.repos_enriched, run.repos_skipped) == ("repos", 1, 1, 1)
    assert rows(db, "select repo_id, reason from skips") == [("nobody/nothing", "gone")]
    assert requested_paths(sample, "/api/models?") == []


# ---- the quota ------------------------------------------------------------------------------------------------------


def test_a_crawl_waits_for_the_quota_and_is_never_refused(db: Path) -> None:
    with SampleHub(catalog=plain_repos(small_catalog(0), 26), quota=Quota(api=12, window=2)) as sample:
        run = run_crawl(db, sample, workers=8)
        assert run.outcome == "complete"
        assert run.repos_enriched == 30
        assert run.seconds_waited > 2
        assert [request.status for request in sample.requests].count(429) == 0


def test_a_spent_quota_is_reported_if_there_is_no_time_to_wait(sample: SampleHub, db: Path) -> None:
    sample.meter.quota = Quota(api=3, window=300)
    run = run_crawl(db, sample, hub=make_client(sample, pacer=Pacer(max_time=5)))
    assert run.outcome == "stopped"
    assert "quota" in str(run.detail)
    assert rows(db, "select count(*) from repos") == [(30,)], "three pages of ten are stored"


def test_an_incremental_crawl_begins_before_the_newest_change(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    seen = [run_crawl(db, sample, lag=lag).repos_seen for lag in (timedelta(0), timedelta(days=4000))]
    assert seen[0] < seen[1] == len(sample.catalog)


def test_a_run_is_stored_as_it_is_returned(sample: SampleHub, db: Path) -> None:
    run = run_crawl(db, sample)
    stored = rows(db, "select repos_seen, repos_new, repos_enriched, api_requests, bytes_read, outcome from crawl_runs")
    assert stored == [(run.repos_seen, run.repos_new, run.repos_enriched, run.api_requests, run.bytes_read, "complete")]
    assert replace(run, detail=None) == run


def test_a_header_read_once_serves_all_repos_with_the_same_bytes(tmp_path: Path) -> None:
    """In any order: a copy that was enriched before the original is measured as well."""
    catalogs = []
    for order in ("copy first", "original first"):
        with SampleHub(catalog=small_catalog(0)) as sample:
            original = sample.catalog[REAL[2]]
            files = {path: content for path, content in original.files.items() if path.endswith(".gguf")}
            fewer = dict(sorted(files.items())[:1])
            most = {"copy first": 99_000_000, "original first": 1}[order]
            sample.catalog.add("acme/copy-GGUF", fewer, tags=("gguf",), created=datetime(2025, 5, 1, tzinfo=UTC))
            db = tmp_path / f"{order}.db"
            run_crawl(db, sample, depth="files", token=MEMBER)
            sample.catalog.modify("acme/copy-GGUF", downloads=most)
            first = "acme/copy-GGUF" if order == "copy first" else original.id
            for names in ((first,), ()):
                run_crawl(db, sample, depth="headers", token=MEMBER, scope=RepoFilter(repo_ids=names))
            sample.catalog.modify("acme/copy-GGUF", downloads=0)
            run_crawl(db, sample, depth="headers", token=MEMBER, full=True)
            catalogs.append(db)
            assert rows(
                db, "select count(*) from artifacts a join headers h on h.content = a.content where a.header is null"
            ) == [(0,)]
    assert differences(*catalogs) == []


def test_a_repo_whose_labels_fail_is_stored_and_labelled_later(
    sample: SampleHub, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trip(repo: RepoRecord) -> Labelled:
        if repo.repo_id == "acme/Gemma-1-1B-it-0":
            raise KeyError("unexpected")
        return label_repo(repo)

    with monkeypatch.context() as patched:
        patched.setattr("crawler.label_pages.label_repo", trip)
        run = run_crawl(db, sample, depth="listing")
    assert (run.outcome, run.repos_new) == ("complete", len(sample.catalog))
    assert "acme/Gemma-1-1B-it-0 has no labels, internal error: KeyError" in str(run.detail)
    family = "select family from models where repo_id = 'acme/Gemma-1-1B-it-0'"
    assert rows(db, family) == [(None,)]
    run_crawl(db, sample, depth="listing", full=True)
    assert rows(db, family) == [("gemma",)]

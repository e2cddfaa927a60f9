"""Listings that fail, lie or leave something out: the catalog is right in the end, or the run says what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import HubUnreachable, InvalidResponse
from crawler.sources.pacer import Pacer
from db.records import RepoFilter, RunRecord
from samplehub import MEMBER, Fault, Kind, SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import make_client, run_crawl, small_catalog
from tests.crawler.test_crawl import rows

COUNT = 60
JSON = (("Content-Type", "application/json"),)
BAD_LINK = ("Link", '<http://[::1>; rel="next"')
HTML = (("Content-Type", "text/html"),)
UNAVAILABLE = b"<html><head><title>503 Service Temporarily Unavailable</title></head></html>"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture
def sample() -> SampleHub:
    return SampleHub(catalog=small_catalog(COUNT))


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    db = tmp_path_factory.mktemp("truth") / "catalog.db"
    with SampleHub(catalog=small_catalog(COUNT)) as sample:
        list_all(db, sample)
    return db


def list_all(db: Path, sample: SampleHub, **options: Any) -> RunRecord:
    return run_crawl(db, sample, token=MEMBER, depth="listing", **options)


def stored_ids(db: Path) -> set[str]:
    return {name for (name,) in rows(db, "select repo_id from repos")}


# ---- pages that fail ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 451, 500, 503])
@pytest.mark.parametrize("times", [1, 5])
def test_a_page_that_fails_some_times_leaves_no_hole(
    sample: SampleHub, db: Path, truth: Path, status: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.sources.pacer.RETRY_DELAYS_AFTER_429_SECONDS", (0.01,))
    fault = Fault(Kind.RESPONSE, on="listing", after=3, status=status, headers=JSON, body=b'{"error":"x"}', times=times)
    sample.faults.add(fault)
    with sample:
        run = list_all(db, sample, hub=make_client(sample, MEMBER, patience=20))
        assert run.outcome == "complete"
    assert differences(truth, db) == []


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_listing_that_ends_in_errors_is_incomplete_and_goes_on_there(
    sample: SampleHub, db: Path, truth: Path, status: int
) -> None:
    fault = Fault(Kind.RESPONSE, on="listing", match="cursor=", after=2, status=status, headers=JSON, times=None)
    sample.faults.add(fault)
    with sample:
        run = list_all(db, sample)
        assert run.outcome == "incomplete"
        assert str(status) in str(run.detail) or "refuses" in str(run.detail)
        assert rows(db, "select outcome, swept_from from crawl_runs") == [("incomplete", None)]
        assert rows(db, "select count(*) from repos")[0][0] >= 30
        sample.faults.clear()
        sample.requests.clear()
        assert list_all(db, sample).outcome == "complete"
        assert "cursor=" in sample.requests[0].query, "it resumes where the listing ended"
    assert differences(truth, db) == []


@pytest.mark.parametrize("status", [400, 500])
def test_a_row_that_breaks_every_page_costs_that_row(sample: SampleHub, db: Path, truth: Path, status: int) -> None:
    bad = "acme/Gemma-1-4B-it-30"
    sample.faults.add(Fault(Kind.POISONED_ROW, on="listing", name=bad, status=status, times=None))
    with sample:
        run = list_all(db, sample)
        assert run.outcome == "complete"
        assert "could be read" in str(run.detail)
        assert stored_ids(db) == stored_ids(truth) - {bad}
        sample.faults.clear()
        list_all(db, sample, full=True)
    assert differences(truth, db) == []


def test_a_known_row_that_breaks_every_page_is_not_gone(sample: SampleHub, db: Path, truth: Path) -> None:
    bad = "acme/Gemma-1-4B-it-30"
    with sample:
        list_all(db, sample)
        sample.faults.add(Fault(Kind.POISONED_ROW, on="listing", name=bad, status=500, times=None))
        for _ in range(2):
            assert list_all(db, sample, full=True).outcome == "complete"
    assert differences(truth, db) == []


def test_an_outage_is_waited_out_and_said(sample: SampleHub, db: Path, truth: Path) -> None:
    fault = Fault(Kind.RESPONSE, on="any", after=3, status=503, headers=HTML, body=UNAVAILABLE, times=9)
    sample.faults.add(fault)
    with sample:
        run = list_all(db, sample, hub=make_client(sample, MEMBER, patience=60, backoff=0.01))
    assert run.outcome == "complete"
    assert differences(truth, db) == []
    assert rows(db, "select waiting_for, waiting_until from crawl_runs") == [(None, None)], "it waits no more"


def test_an_outage_longer_than_the_crawl_may_take_ends_it(sample: SampleHub, db: Path) -> None:
    sample.faults.add(Fault(Kind.UNAVAILABLE, on="any", after=3, times=None))
    with sample:
        hub = make_client(sample, MEMBER, pacer=Pacer(max_time=300.0), patience=600)
        hub.transport.outages.first_pause = 600.0  # longer than the crawl
        with pytest.raises(HubUnreachable, match="503"):
            list_all(db, sample, hub=hub)
    assert rows(db, "select outcome from crawl_runs") == [("failed",)]


@pytest.mark.parametrize("retry_after", ["0", "1", "Sat, 28 Nov 2026 05:00:01 GMT", "-5", "soon"])
def test_retry_after_is_heeded_whatever_it_says(
    sample: SampleHub, db: Path, truth: Path, retry_after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.sources.pacer.RETRY_DELAYS_AFTER_429_SECONDS", (0.01, 0.02, 0.04))
    headers = (("Retry-After", retry_after), ("Date", "Sat, 28 Nov 2026 05:00:00 GMT"))
    sample.faults.add(Fault(Kind.RESPONSE, on="listing", after=2, status=429, headers=headers, times=1))
    with sample:
        assert list_all(db, sample).outcome == "complete"
    assert differences(truth, db) == []


# ---- listings that lie -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.NO_LINK, on="listing", after=2, times=1),
        Fault(Kind.NO_LINK, on="listing", match="limit=10", times=None),
        Fault(Kind.SHORT_PAGE, on="listing", match="limit=10", count=4, times=None),
        Fault(Kind.SHORT_PAGE, on="listing", after=1, count=3, times=1),
        Fault(Kind.REPEATED_PAGE, on="listing", after=2, times=1),
        Fault(Kind.CHANGING_CURSOR, on="listing", after=2, times=2),
        Fault(Kind.CUT_LISTING, on="listing", after=1, count=5, times=1),
        Fault(Kind.IGNORED_PARAMETER, on="listing", name="direction", times=None),
        Fault(Kind.IGNORED_PARAMETER, on="listing", name="expand", times=None),
        Fault(
            Kind.RESPONSE,
            on="listing",
            after=2,
            status=200,
            headers=(*JSON, ("Link", '<http://[::1>; rel="next"')),
            body=b"[]",
        ),
    ],
    ids=lambda fault: f"{fault.kind.name} {fault.name or fault.match}".strip(),
)
def test_a_listing_that_lies_is_read_in_another_way(sample: SampleHub, db: Path, truth: Path, fault: Fault) -> None:
    sample.faults.add(fault)
    with sample:
        run = list_all(db, sample)
        assert run.outcome == "complete", run.detail
    assert stored_ids(db) == stored_ids(truth)


@pytest.mark.parametrize("name", ["cursor", "sort", "limit"])
def test_an_ignored_parameter_leaves_no_silent_hole(sample: SampleHub, db: Path, truth: Path, name: str) -> None:
    sample.faults.add(Fault(Kind.IGNORED_PARAMETER, on="listing", name=name, times=None))
    with sample:
        try:
            run = list_all(db, sample)
        except InvalidResponse:
            assert name == "cursor"
            return
    assert (run.outcome, stored_ids(db) == stored_ids(truth)) in (("complete", True), ("incomplete", False))
    assert len(sample.requests) < 100


def test_cursors_that_change_for_ever_end_the_run(sample: SampleHub, db: Path) -> None:
    sample.faults.add(Fault(Kind.CHANGING_CURSOR, on="listing", times=None))
    with sample:
        run = list_all(db, sample)
    assert run.outcome == "incomplete"
    assert len(sample.requests) < 100


def test_an_ignored_sort_by_modification_loses_no_change(sample: SampleHub, db: Path) -> None:
    ignored = Fault(Kind.IGNORED_PARAMETER, on="listing", match="sort=lastModified", name="sort", times=None)
    with sample:
        list_all(db, sample)
        changed = [repo.id for repo in sample.catalog][7:12]
        for at, name in enumerate(changed):
            modified = datetime(2026, 8, 1, tzinfo=UTC) + timedelta(minutes=at)
            sample.catalog.change_files(name, {"new.txt": b"new"}, modified=modified)
        sample.faults.add(ignored)
        run = list_all(db, sample)
    assert (run.kind, run.outcome, run.repos_changed) == ("full", "complete", 5)
    assert "does not sort its listing by lastModified" in str(run.detail)


def test_most_downloaded_repos_are_found_where_the_sort_is_ignored(sample: SampleHub, db: Path) -> None:
    ignored = Fault(Kind.IGNORED_PARAMETER, on="listing", match="sort=downloads", name="sort", times=None)
    sample.faults.add(ignored)
    with sample:
        run = list_all(db, sample, scope=RepoFilter(limit=7))
        wanted = sorted(sample.catalog, key=lambda repo: -(repo.downloads or 0))[:7]
    assert run.outcome == "complete"
    assert stored_ids(db) == {repo.id for repo in wanted}


def test_since_limit_and_downloads_each_do_what_they_say(sample: SampleHub, db: Path) -> None:
    since = datetime(2026, 8, 1, tzinfo=UTC)
    with sample:
        changed = [repo.id for repo in sample.catalog][:20]
        for at, name in enumerate(changed):
            modified = since + timedelta(minutes=at * 7 % 20)
            sample.catalog.change_files(name, {"new.txt": b"new"}, modified=modified)
        within = [repo for repo in sample.catalog if repo.id in changed and (repo.downloads or 0) >= 100]
        list_all(db, sample, scope=RepoFilter(since=since, min_downloads=100, limit=5))
    wanted = sorted(within, key=lambda repo: -(repo.downloads or 0))[:5]
    assert stored_ids(db) == {repo.id for repo in wanted}


@pytest.mark.parametrize("body", [b"[]", b"[1, 2, null]", b'[{"id": 4}]'])
def test_a_listing_without_repos_is_never_complete(sample: SampleHub, db: Path, body: bytes) -> None:
    sample.faults.add(Fault(Kind.RESPONSE, on="listing", status=200, headers=JSON, body=body, times=None))
    with sample, pytest.raises(InvalidResponse, match=r"is empty|is a repo"):
        list_all(db, sample)
    assert rows(db, "select outcome, swept_from from crawl_runs") == [("failed", None)]


def test_an_author_without_repos_is_no_fault_of_the_hub(sample: SampleHub, db: Path) -> None:
    with sample:
        run = list_all(db, sample, scope=RepoFilter(authors=("nobody-here",)))
    assert (run.outcome, run.repos_seen) == ("complete", 0)


def test_a_hub_that_sends_small_pages_only_loses_no_details(sample: SampleHub, db: Path, truth: Path) -> None:
    plain = Fault(Kind.GATEWAY_TIMEOUT, on="listing", match="limit=1000", times=None)
    sample.faults.add(plain, Fault(Kind.GATEWAY_TIMEOUT, on="listing", match="limit=250", times=None))
    with sample:
        run = list_all(db, sample, page=1000)
    assert (run.outcome, run.detail) == ("complete", None)
    assert differences(truth, db) == []


def test_repos_listed_without_details_get_them_one_by_one(sample: SampleHub, db: Path, truth: Path) -> None:
    sample.faults.add(Fault(Kind.GATEWAY_TIMEOUT, on="listing", match="expand=cardData", times=None))
    with sample:
        run = list_all(db, sample)
        assert run.outcome == "complete"
        assert f"{len(sample.catalog)} repos were listed without their details" in str(run.detail)
    assert differences(truth, db) == []
    assert rows(db, "select count(*) from partial_repos") == [(0,)]


def test_repos_without_details_never_overwrite_those_with(sample: SampleHub, db: Path, truth: Path) -> None:
    with sample:
        list_all(db, sample)
        sample.faults.add(Fault(Kind.GATEWAY_TIMEOUT, on="listing", match="expand=cardData", times=None))
        sample.faults.add(Fault(Kind.GATEWAY_TIMEOUT, on="info", times=None))
        list_all(db, sample, full=True)
    assert differences(truth, db) == []

"""Faults of the Hub: the catalog is correct in the end, or says exactly what was skipped."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.errors import HubUnreachable, InvalidResponse, Offline, QuotaSpent, TokenRefused
from crawler.sources.pacer import Pacer
from samplehub import MEMBER, Fault, Kind, SampleHub
from tests.crawler.dump import differences, dump
from tests.crawler.hubs import REAL, make_client, run_crawl, small_catalog
from tests.crawler.test_crawl import rows


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog of a crawl without faults."""
    db = tmp_path_factory.mktemp("truth") / "catalog.db"
    with SampleHub(catalog=small_catalog(24)) as sample:
        assert run_crawl(db, sample, depth="headers", token=MEMBER).outcome == "complete"
    return db


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(24)) as hub:
        yield hub


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


TEMPORARY = [
    Fault(Kind.TOO_MANY, on="listing", seconds=1),
    Fault(Kind.TOO_MANY, on="info", after=3, seconds=1),
    Fault(Kind.TOO_MANY, on="resolve", after=2, seconds=1),
    Fault(Kind.TOO_MANY_RETRY_AFTER, on="info", after=5, seconds=1),
    Fault(Kind.SERVER_ERROR, on="api", every=4, times=6),
    Fault(Kind.BAD_GATEWAY, on="listing", times=2),
    Fault(Kind.BAD_GATEWAY, on="resolve", every=3, times=4),
    Fault(Kind.UNAVAILABLE, on="info", every=5, times=5),
    Fault(Kind.GATEWAY_TIMEOUT, on="listing", match="limit=10", times=2),
    Fault(Kind.HTML, on="listing", after=1),
    Fault(Kind.HTML, on="info", every=6, times=4),
    Fault(Kind.ERROR_OBJECT, on="listing", after=1, times=2),
    Fault(Kind.ERROR_OBJECT, on="info", every=6, times=4),
    Fault(Kind.RESET, on="api", every=5, times=6),
    Fault(Kind.RESET, on="listing", after=1, bytes=400, times=2),
    Fault(Kind.RESET, on="cdn", every=2, bytes=100, times=3),
    Fault(Kind.SHORT_BODY, on="any", every=6, times=8),
    Fault(Kind.STALL, on="info", after=2, seconds=9, times=1),
    Fault(Kind.DRIP, on="listing", after=1, bytes=64, seconds=0.2),
    Fault(Kind.TRUNCATED_JSON, on="listing", after=1, times=2),
    Fault(Kind.TRUNCATED_JSON, on="info", every=6, times=4),
    Fault(Kind.REPEATED_PAGE, on="listing"),
    Fault(Kind.REPEATED_PAGE, on="listing", after=1),
    Fault(Kind.SHIFTED_PAGE, on="listing", after=1, count=3, times=2),
    Fault(Kind.IGNORED_RANGE, on="cdn", times=None),
    Fault(Kind.LYING_RANGE, on="cdn", every=2, times=3),
    Fault(Kind.EXPIRED_LINK, on="resolve", every=2, times=3),
    Fault(Kind.EXPIRED_LINK, on="cdn", every=2, times=3),
    Fault(Kind.FOREIGN_HOST, on="listing"),
    Fault(Kind.FOREIGN_HOST, on="info", every=6, times=4),
    Fault(Kind.FOREIGN_HOST, on="resolve", every=2, times=4),
]


def name(fault: Fault) -> str:
    return f"{fault.kind.name.lower()}-{fault.on}-{fault.after}"


@pytest.mark.parametrize("fault", TEMPORARY, ids=name)
def test_a_temporary_fault_leaves_no_trace(fault: Fault, sample: SampleHub, db: Path, truth: Path) -> None:
    sample.faults.add(fault)
    hub = make_client(sample, MEMBER, timeout=0.5)
    run = run_crawl(db, sample, hub=hub, depth="headers")
    assert run.outcome == "complete"
    assert sample.faults.hits[fault] > 0, "a fault that never happened proves nothing"
    assert differences(truth, db) == []
    assert run.repos_skipped == 0
    assert not any(request.token == MEMBER for request in sample.foreign_requests), "the token was sent to another host"
    assert not any(request.token for request in sample.requests if request.path.startswith("/repos")), "and not to CDNs"


def test_a_429_without_a_rate_limit_is_waited_out(sample: SampleHub, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.sources.pacer.RETRY_DELAYS_AFTER_429_SECONDS", (0.2, 0.3, 0.4))
    sample.faults.add(Fault(Kind.TOO_MANY_BARE, on="api", after=2, every=8, times=4))
    assert run_crawl(db, sample).outcome == "complete"
    assert sum(sample.faults.hits.values()) >= 3


# ---- lasting faults -------------------------------------------------------------------------------------------------


def test_malformed_rows_are_skipped_one_by_one(sample: SampleHub, db: Path) -> None:
    sample.faults.add(Fault(Kind.WRONG_TYPES, on="listing", after=1))
    run = run_crawl(db, sample)
    assert run.outcome == "complete"
    details = rows(db, "select repo_id, reason, detail from skips order by detail")
    assert len(details) == 6
    assert {row[:2] for row in details} == {("?", "malformed")}
    assert run.repos_seen == len(sample.catalog)
    assert run.wrong_fields == {"createdAt": 1, "downloads": 1, "likes": 1, "tags": 1}
    assert json.loads(rows(db, "select wrong_fields from crawl_runs")[0][0]) == run.wrong_fields


def test_wrong_types_of_a_repo_cost_the_values_alone(sample: SampleHub, db: Path, truth: Path) -> None:
    sample.faults.add(Fault(Kind.WRONG_TYPES, on="info", match="acme/Gemma-1-1B-it-0", times=None))
    run = run_crawl(db, sample, token=MEMBER, depth="headers")
    assert (run.outcome, run.repos_skipped, run.repos_enriched) == ("complete", 0, len(sample.catalog))
    assert run.wrong_fields == {"downloads": 1, "sha": 1, "siblings": 1, "tags": 1}
    files = "select path, size from files where repo_id = 'acme/Gemma-1-1B-it-0' order by path"
    assert rows(db, files) == rows(truth, files), "its file tree is requested instead"
    sample.faults.clear()
    assert run_crawl(db, sample, token=MEMBER, depth="headers").repos_enriched == 0, "it is not tried again at once"
    with sqlite3.connect(db) as connection:
        connection.execute("update enrichments set visited_at = '2020-01-01T00:00:00.000Z'")
    connection.close()
    assert run_crawl(db, sample, token=MEMBER, depth="headers").repos_enriched == 1
    assert differences(truth, db) == [], "what was unknown is filled in"


def test_a_malformed_repo_is_skipped_and_tried_again_later(sample: SampleHub, db: Path) -> None:
    altered = Fault(Kind.ALTERED_FIELD, on="info", match="acme/Gemma-1-1B-it-0", times=None, name="_id", body=b'"x"')
    sample.faults.add(altered)
    run = run_crawl(db, sample)
    assert (run.outcome, run.repos_skipped, run.repos_enriched) == ("complete", 1, len(sample.catalog) - 1)
    assert rows(db, "select repo_id, reason from skips") == [("acme/Gemma-1-1B-it-0", "malformed")]
    assert rows(db, "select failures from enrichments where depth is null") == [(1,)]


def test_a_repo_that_always_fails_is_one_skip(sample: SampleHub, db: Path) -> None:
    sample.faults.add(Fault(Kind.SERVER_ERROR, on="info", match="acme/Gemma-1-1B-it-0", times=None))
    run = run_crawl(db, sample)
    assert (run.outcome, run.repos_enriched) == ("complete", len(sample.catalog) - 1)
    assert rows(db, "select repo_id, reason from skips") == [("acme/Gemma-1-1B-it-0", "failed")]
    assert run_crawl(db, sample).repos_enriched == 0, "it is not tried again at once"


def test_repos_that_the_listing_lacks_are_found_by_probes(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    before = dump(db)
    sample.faults.add(Fault(Kind.SKIPPED_ROWS, on="listing", after=1, count=3, times=2))
    run = run_crawl(db, sample, full=True)
    assert "3 repos that the listing did not show" in str(run.detail)
    assert dump(db) == before, "nothing is gone and no detail is lost"


def test_a_listing_that_repeats_itself_is_reported(sample: SampleHub, db: Path) -> None:
    sample.faults.add(Fault(Kind.REPEATED_PAGE, on="listing", times=None))
    with pytest.raises(InvalidResponse, match="the same page"):
        run_crawl(db, sample)
    assert rows(db, "select outcome from crawl_runs") == [("failed",)]
    sample.faults.clear()
    assert run_crawl(db, sample).outcome == "complete"


def test_a_hub_that_keeps_failing_is_reported_and_nothing_is_lost(sample: SampleHub, db: Path, truth: Path) -> None:
    sample.faults.add(Fault(Kind.UNAVAILABLE, on="listing", after=2, times=None))
    with pytest.raises(HubUnreachable, match="status 503"):
        run_crawl(db, sample, token=MEMBER, depth="headers")
    kept = rows(db, "select count(*) from repos")[0][0]
    assert kept == 20
    sample.faults.clear()
    run_crawl(db, sample, token=MEMBER, depth="headers")
    assert differences(truth, db) == []


def test_a_failing_hub_is_asked_for_less_and_stored_details_stay(sample: SampleHub, db: Path, truth: Path) -> None:
    run_crawl(db, sample, token=MEMBER, depth="headers")
    sample.requests.clear()
    sample.faults.add(Fault(Kind.GATEWAY_TIMEOUT, on="listing", match="expand=cardData", times=5))
    run = run_crawl(db, sample, token=MEMBER, depth="headers", full=True, page=1000)
    assert run.repos_changed == 0
    assert differences(truth, db) == []
    sizes = [request.query.partition("limit=")[2].partition("&")[0] for request in sample.requests]
    assert [size for size in sizes if size != "3"][:6] == [*["1000"] * 4, "250", "250"], "3 rows show that it is well"
    assert run.outcome == "complete"


def test_a_hub_that_fails_for_every_repo_counts_as_unreachable(sample: SampleHub, db: Path) -> None:
    sample.faults.add(Fault(Kind.SERVER_ERROR, on="info", times=None))
    with pytest.raises(HubUnreachable, match=r"single repos: .*status 500"):
        run_crawl(db, sample, hub=make_client(sample, tries=2))
    assert rows(db, "select count(*) from repos") == [(28,)]


# ---- the network, the token, the quota ------------------------------------------------------------------------------


def test_no_network_is_one_error(db: Path) -> None:
    with SampleHub(catalog=small_catalog(0)) as sample:
        hub = make_client(sample)
    with pytest.raises(HubUnreachable, match=r"can't be reached: .*refused"):
        run_crawl(db, sample, hub=hub)
    assert rows(db, "select outcome, detail is not null from crawl_runs") == [("failed", 1)]


def test_offline_mode_sends_no_request(sample: SampleHub, db: Path) -> None:
    with pytest.raises(Offline):
        run_crawl(db, sample, hub=make_client(sample, offline=True))
    assert len(sample.requests) == 0


def test_a_refused_token_ends_the_run_and_marks_nothing_as_gone(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample, token=MEMBER)
    before = dump(db)
    with pytest.raises(TokenRefused):
        run_crawl(db, sample, token="hf_of_nobody", full=True)
    assert dump(db) == before
    stored = rows(db, "select detail from crawl_runs order by id desc limit 1")
    assert "hf_of_nobody" not in str(stored)


def test_a_token_that_expires_before_the_probes_marks_nothing_as_gone(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample, token=MEMBER)
    hidden = sample.catalog.remove("acme/Gemma-1-1B-it-0")
    hub = make_client(sample, MEMBER)
    listing = hub.list_page

    def page(params: object, cursor: str | None = None, **more: object) -> object:
        found = listing(params, cursor, **more)  # type: ignore[arg-type]
        if found.next_cursor is None:
            sample.tokens.clear()
        return found

    hub.list_page = page  # type: ignore[method-assign,assignment]
    with pytest.raises(TokenRefused):
        run_crawl(db, sample, hub=hub, full=True)
    assert rows(db, f"select status from repos where repo_id = '{hidden.id}'") == [("available",)]


def test_repeated_429s_are_a_spent_quota(sample: SampleHub, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.sources.pacer.RETRY_DELAYS_AFTER_429_SECONDS", (0.05, 0.1))
    monkeypatch.setattr("crawler.sources.pacer.PATIENCE_AFTER_429_SECONDS", 0.5)
    sample.faults.add(Fault(Kind.TOO_MANY_BARE, on="listing", times=None))
    with pytest.raises(QuotaSpent):
        run_crawl(db, sample)
    assert 4 < len(sample.requests) < 12, "with growing pauses"


def test_a_wait_longer_than_the_crawl_may_take_is_a_spent_quota(sample: SampleHub, db: Path) -> None:
    sample.faults.add(Fault(Kind.TOO_MANY, on="listing", seconds=200))
    with pytest.raises(QuotaSpent, match="allowed in 20"):
        run_crawl(db, sample, hub=make_client(sample, pacer=Pacer(max_time=10)))


def test_a_header_that_the_catalog_holds_is_not_requested_again(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample, depth="headers", token=MEMBER)
    copy = sample.catalog[REAL[2]]
    files = {path: content for path, content in copy.files.items() if path.endswith(".gguf")}
    sample.catalog.add("acme/reupload-GGUF", files, tags=("gguf",), downloads=3)
    sample.requests.clear()
    run = run_crawl(db, sample, depth="headers", token=MEMBER, full=True)
    assert (run.repos_new, run.repos_enriched, run.resolver_requests) == (1, 1, 0)
    measured = "select count(quant_measured) from artifacts_wide where repo_id = 'acme/reupload-GGUF'"
    assert rows(db, measured)[0][0] >= 1

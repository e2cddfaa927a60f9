"""What goes wrong with one repo is a skip of that repo: the others are right, and the crawl is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.errors import HubUnreachable, TokenNeeded
from db.record_base import Depth
from db.records import RepoFilter
from db.write.store import Store
from samplehub import MEMBER, Fault, Kind, SampleHub
from tests.crawler.dump import dump
from tests.crawler.hubs import REAL, make_client, run_crawl, small_catalog
from tests.crawler.test_crawl import rows

BAD = "acme/Gemma-1-1B-it-0"
JSON = (("Content-Type", "application/json"),)
HTML = (("Content-Type", "text/html"),)
HUB_ERROR = (("X-Error-Code", "SomeError"), ("X-Error-Message", "no"), *JSON)
CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crawl_undisturbed(tmp_path_factory.mktemp("truth") / "catalog.db", "headers")


@pytest.fixture(scope="module")
def truth_of_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crawl_undisturbed(tmp_path_factory.mktemp("truth") / "catalog.db", "files")


def crawl_undisturbed(db: Path, depth: Depth) -> Path:
    with SampleHub(catalog=small_catalog(12)) as sample:
        run_crawl(db, sample, depth=depth, token=MEMBER)
    return db


@pytest.fixture
def sample() -> SampleHub:
    return SampleHub(catalog=small_catalog(12))


def response(status: int, body: bytes = b"", headers: tuple[tuple[str, str], ...] = JSON) -> dict[str, object]:
    return {"kind": Kind.RESPONSE, "status": status, "body": body, "headers": headers}


RESPONSES = {
    "400": response(400, b'{"error":"bad"}'),
    "400 of many brackets": response(400, b"[" * 100_000),
    "404 without a body": response(404, headers=()),
    "405": response(405, headers=HUB_ERROR),
    "410": response(410, headers=HUB_ERROR),
    "413": response(413, headers=HUB_ERROR),
    "422": response(422, b'{"detail":[{"msg":"no"}]}'),
    "451": response(451, headers=HUB_ERROR),
    "500 for ever": response(500, b'{"error":"boom"}'),
    "502 with a web page": response(502, b"<html>bad gateway</html>", HTML),
    "deeply nested JSON": response(200, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "truncated JSON": response(200, b'{"_id": "6'),
    "a list": response(200, b"[]"),
    "text": response(200, b"hello", (("Content-Type", "text/plain"),)),
    "an empty body": response(200),
    "a redirect to itself": response(307, headers=(("Location", f"/api/models/{BAD}"),)),
    "a redirect to what is no URL": response(302, headers=(("Location", "http://[::1"),)),
    "a redirect to another scheme": response(302, headers=(("Location", "ftp://x/y"),)),
    "a redirect to nothing": response(302, headers=(("Location", ""),)),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_repo_with_an_impossible_response_is_one_skip(
    sample: SampleHub, db: Path, truth_of_files: Path, name: str
) -> None:
    sample.faults.add(Fault(on="info", match=f"/{BAD}", times=None, **RESPONSES[name]))  # type: ignore[arg-type]
    with sample:
        run = run_crawl(db, sample, token=MEMBER, hub=make_client(sample, MEMBER, tries=2))
        assert (run.outcome, run.repos_enriched) == ("complete", len(sample.catalog) - 1)
        assert [name for (name,) in rows(db, "select distinct repo_id from skips")] == [BAD]
        assert rows(db, f"select status from repos where repo_id = '{BAD}'") == [("available",)]
        others = f"select repo_id, quant, total_size from models where repo_id <> '{BAD}' order by 1"
        assert rows(db, others) == rows(truth_of_files, others)
        sample.requests.clear()
        run_crawl(db, sample, token=MEMBER)
        assert not any(BAD in request.path for request in sample.requests), "it is not tried again at once"


@pytest.mark.parametrize("place", ["tree", "resolve", "cdn"])
@pytest.mark.parametrize("status", [400, 404, 405, 413, 422, 451, 500])
def test_files_and_headers_that_fail_are_skips(
    sample: SampleHub, db: Path, truth: Path, place: str, status: int
) -> None:
    headers = () if place == "cdn" else HUB_ERROR
    faults = [Fault(Kind.RESPONSE, on=place, status=status, headers=headers, body=b"[" * 99, times=None)]  # type: ignore[arg-type]
    if place == "tree":
        faults.append(Fault(Kind.ALTERED_FIELD, on="info", match=f"/{BAD}", name="siblings", body=b'"x"', times=None))
    sample.faults.add(*faults)
    with sample:
        run = run_crawl(db, sample, depth="headers", token=MEMBER, hub=make_client(sample, MEMBER, tries=2))
    assert run.outcome == "complete"
    assert rows(db, "select count(*) from repos") == rows(truth, "select count(*) from repos")
    assert sum(sample.faults.hits.values()) > 0
    if place == "tree":
        assert [name for (name,) in rows(db, "select distinct repo_id from skips")] == [BAD]


def test_every_repo_behind_a_challenge_is_an_unreachable_hub_and_not_private(sample: SampleHub, db: Path) -> None:
    sample.faults.add(Fault(Kind.RESPONSE, on="info", status=403, headers=HTML, body=CHALLENGE, times=None))
    with sample, pytest.raises(HubUnreachable, match=r"single repos: .*status 403.*Just a moment"):
        run_crawl(db, sample, hub=make_client(sample, tries=2))
    assert rows(db, "select distinct status from repos where gated is null") == [("available",)]


def test_a_rate_limiters_403_is_waited_out(sample: SampleHub, db: Path) -> None:
    body = b'{"message":"API rate limit exceeded"}'
    sample.faults.add(Fault(Kind.RESPONSE, on="info", status=403, headers=JSON, body=body, times=9))
    with sample:
        run = run_crawl(db, sample, hub=make_client(sample, tries=2, patience=60))
        assert (run.outcome, run.repos_enriched) == ("complete", len(sample.catalog))
    assert rows(db, "select count(*) from skips") == [(0,)]


def test_a_hub_that_shows_no_repo_without_a_token_says_so(sample: SampleHub, db: Path) -> None:
    body = b'{"error":"Invalid username or password."}'
    sample.faults.add(Fault(Kind.RESPONSE, on="info", status=401, headers=JSON, body=body, times=None))
    with sample, pytest.raises(TokenNeeded, match="single repos only with a token") as caught:
        run_crawl(db, sample)
    assert "HF_TOKEN" in caught.value.hint
    assert rows(db, "select distinct status from repos where gated is null") == [("available",)]


def test_refusals_of_one_repo_take_nothing_from_others(sample: SampleHub, db: Path, truth: Path) -> None:
    """A single 400 once put the whole process into requests without base models, licences and configs."""
    sample.faults.add(Fault(Kind.RESPONSE, on="info", match=f"/{BAD}", status=400, headers=JSON))
    with sample:
        for _ in range(2):
            run_crawl(db, sample, depth="headers", token=MEMBER, workers=1)
        run_crawl(db, sample, depth="headers", token=MEMBER)
    edges = "select repo_id, base_model, license from models order by repo_id"
    assert rows(db, edges) == rows(truth, edges)


@pytest.mark.parametrize(
    "message", ["unknown expand gguf", "bad request", "x" * 70_000], ids=["named", "silent", "long"]
)
@pytest.mark.parametrize("place", ["listing", "info", "api"])
def test_a_key_that_the_hub_does_not_know_costs_that_key_alone(
    sample: SampleHub, db: Path, truth: Path, message: str, place: str
) -> None:
    body = b'{"error":"' + message.encode() + b'"}'
    refused = Fault(Kind.RESPONSE, on=place, match="expand=gguf", status=400, headers=JSON, body=body, times=None)  # type: ignore[arg-type]
    sample.faults.add(refused)
    with sample:
        run = run_crawl(db, sample, depth="headers", token=MEMBER)
        assert (run.outcome, run.repos_enriched) == ("complete", len(sample.catalog))
    found = "select repo_id, base_model, license, quant from models order by repo_id"
    assert rows(db, found) == rows(truth, found)
    assert sum(sample.faults.hits.values()) < 40


def test_sizes_that_a_repo_does_not_state_come_from_its_tree(sample: SampleHub, db: Path, truth: Path) -> None:
    siblings = b'[{"rfilename":"README.md","size":null},{"rfilename":"config.json","size":3},null,{"size":4}]'
    altered = Fault(Kind.ALTERED_FIELD, on="info", match=f"/{BAD}", name="siblings", body=siblings, times=None)
    sample.faults.add(altered)
    with sample:
        run = run_crawl(db, sample, depth="headers", token=MEMBER)
    assert run.outcome == "complete"
    assert dump(db)["files"] == dump(truth)["files"]


@pytest.mark.parametrize("field", ["NaN", "Infinity", "-1e999", '"\\ud800"', "9" * 5000, '"\udcff"'])
def test_values_that_no_hub_sends_cost_themselves_alone(sample: SampleHub, db: Path, field: str) -> None:
    raw = field.encode("utf-8", "surrogateescape")
    sample.faults.add(Fault(Kind.ALTERED_FIELD, on="listing", name="downloads", body=raw, times=None))
    with sample:
        run = run_crawl(db, sample, depth="listing", page=5)
        assert (run.outcome, run.repos_seen) == ("complete", len(sample.catalog))
    assert run.wrong_fields["downloads"] >= 3
    assert rows(db, "select count(*) from repos where downloads is null")[0][0] == run.wrong_fields["downloads"]


def test_a_repo_that_ended_the_process_is_not_the_first_of_the_next_run(sample: SampleHub, db: Path) -> None:
    with sample:
        run_crawl(db, sample, depth="listing")
        sample.catalog.modify(REAL[1], downloads=10**9)
        run_crawl(db, sample, depth="listing", full=True)

        with Store.open(db) as store:
            first = store.claim(1, "headers")[0]
            assert first.repo_id == REAL[1]
        with Store.open(db) as store, store.crawling():  # the process that claimed it has ended
            assert store.claim(1, "headers")[0].repo_id != REAL[1]


def test_a_header_is_not_read_without_its_configuration(sample: SampleHub, db: Path, truth: Path) -> None:
    """Headers are read once for their bytes: one that was read without the configuration would stay so for good."""
    name = REAL[3]
    sample.faults.add(Fault(Kind.RESPONSE, on="resolve", match="config.json", status=500, times=None))
    header = f"select a.header is null from artifacts a join repos r on r.id = a.repo where repo_id = '{name}'"
    with sample:
        run_crawl(db, sample, depth="headers", token=MEMBER)
        assert (1,) in rows(db, header)
        sample.faults.clear()
        run_crawl(db, sample, depth="headers", token=MEMBER, scope=RepoFilter(repo_ids=(name,)))
    for table in ("labels", "evidence", "conflicts", "facts"):
        known, wanted = ({row for row in dump(each)[table] if row[0] == name} for each in (db, truth))
        assert known == wanted

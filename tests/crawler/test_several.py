"""Two crawls at a time into one PostgreSQL catalog, one of them killed; started by the command line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from db.maintain.copy import copy
from db.write.store import Store
from samplehub import MEMBER, Fault, Kind, SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import run_crawl, small_catalog
from tests.servers import PostgreSQL

INFO = re.compile(r"/api/models/([^/?]+/[^/?]+)\?")


@pytest.mark.timeout(300)
def test_two_crawls_one_of_them_killed_enrich_no_repo_twice(postgresql: PostgreSQL, tmp_path: Path) -> None:
    url = postgresql.create("catalog_template")
    database = re.search(r"@/(\w+)", url)[1]  # type: ignore[index]

    def rows(sql: str) -> list[Any]:
        return list(postgresql.execute(sql, database))

    with SampleHub(catalog=small_catalog(70)) as sample:
        run_crawl(tmp_path / "alone.db", sample, depth="headers", token=MEMBER)
        run_crawl(url, sample, depth="listing", token=MEMBER)  # type: ignore[arg-type]
        sample.requests.clear()
        sample.faults.add(Fault(Kind.STALL, on="info", seconds=2, times=None))  # so that neither ends before both run
        doomed, survivor = start_crawl(url, sample), start_crawl(url, sample)
        wait_until(lambda: rows(BOTH) == [(2,)], doomed, survivor)
        doomed.send_signal(signal.SIGKILL)
        doomed.communicate(timeout=300)
        sample.faults.clear()
        _, err = survivor.communicate(timeout=300)
        assert survivor.returncode == 0, err
        assert rows(LEFT) == [], "the survivor visited what the dead one held"
        again = {name for (name,) in rows("select repo_id from repos where id in (select repo from enrichments"
                                          " where lease > 1)")}  # fmt: skip
        assert again, "it was killed with leased repos"
        requested = count_requests(sample)
        assert {name for name, times in requested.items() if times > 1} <= again
        assert max(requested.values()) <= 2
        run = run_crawl(url, sample, depth="headers", token=MEMBER)  # type: ignore[arg-type]
        assert (run.outcome, run.repos_enriched) == ("complete", 0)
    assert rows("select count(*) from crawl_locks") == [(0,)]
    assert rows("select sum(repos_enriched) from crawl_runs")[0][0] <= len(sample.catalog)
    copy(url, tmp_path / "together.db")
    assert differences(tmp_path / "alone.db", tmp_path / "together.db") == []


@pytest.mark.parametrize(("held", "said"), [(1, "1 repo is"), (5, "5 repos are")])
def test_a_crawl_is_not_complete_while_another_one_visits_repos(held: int, said: str, postgresql: PostgreSQL) -> None:
    url: Any = postgresql.create("catalog_template")
    with SampleHub(catalog=small_catalog(12)) as sample, Store.open(url) as other:
        run_crawl(url, sample, depth="listing", token=MEMBER)
        with other.crawling():
            leased = other.claim(held, "files")
            run = run_crawl(url, sample, depth="files", token=MEMBER)
            assert (run.outcome, run.detail) == ("incomplete", f"{said} being visited by another crawler")
            other.release(leased)
        run = run_crawl(url, sample, depth="files", token=MEMBER)
        assert (run.kind, run.outcome, run.repos_enriched) == ("incremental", "complete", held)


BOTH = "select count(*) from crawl_runs where repos_enriched > 0 and finished_at is null"
LEFT = (
    "select r.repo_id from repos r left join enrichments v on v.repo = r.id"
    " where coalesce(v.depth, '') <> 'headers' and r.status in ('available', 'gated') or v.leased_until is not null"
)


def count_requests(sample: SampleHub) -> Counter[str]:
    """Requests for each repo."""
    found = (INFO.match(request.target) for request in list(sample.requests))
    return Counter(match[1] for match in found if match)


def start_crawl(db: str, sample: SampleHub) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "COV"))} | {"HF_TOKEN": MEMBER}
    words = ["--db", db, "--endpoint", sample.endpoint, "--depth", "headers", "--workers", "2"]
    line = [sys.executable, "-m", "crawler.cli", "crawl", *words]
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition: Any, *processes: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < ends, "the condition was not met in time"
        assert all(process.poll() is None for process in processes), "a crawl ended too early"
        time.sleep(0.02)

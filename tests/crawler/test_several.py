"""Several crawls at once on one catalog of a PostgreSQL server, one of them killed: the whole way, by the command."""

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

from db.maintain.copy import copy
from samplehub import MEMBER, Fault, Kind, SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import crawled, small_catalog
from tests.servers import PostgreSQL

INFO = re.compile(r"/api/models/([^/?]+/[^/?]+)\?")


def test_two_crawls_one_of_them_killed_enrich_no_repo_twice(postgresql: PostgreSQL, tmp_path: Path) -> None:
    url = postgresql.create("catalog_template")
    database = re.search(r"@/(\w+)", url)[1]  # type: ignore[index]

    def rows(sql: str) -> list[Any]:
        return list(postgresql.execute(sql, database))

    with SampleHub(catalog=small_catalog(70)) as sample:
        crawled(tmp_path / "alone.db", sample, depth="headers", token=MEMBER)
        crawled(url, sample, depth="listing", token=MEMBER)  # type: ignore[arg-type]
        sample.requests.clear()
        sample.faults.add(Fault(Kind.STALL, on="info", seconds=0.25, times=None))
        doomed, survivor = started(url, sample), started(url, sample)
        until(lambda: rows(BOTH) == [(2,)], doomed, survivor)
        doomed.send_signal(signal.SIGKILL)
        doomed.communicate(timeout=20)
        _, err = survivor.communicate(timeout=60)
        assert survivor.returncode == 0, err
        held = {name for (name,) in rows(LEFT)}
        assert held, "it died with repos in its hands"
        assert rows(LEFT.replace("is not null", "is null")) == [], "all others are done"
        assert max(visited(sample).values()) == 1
        assert rows("select max(lease) from enrichments") == [(1,)], "each was handed out once"

        postgresql.execute("update enrichments set leased_until = now() - interval '1 second'"
                           " where leased_until is not null", database)  # fmt: skip  # a quarter of an hour later
        run = crawled(url, sample, depth="headers", token=MEMBER)  # type: ignore[arg-type]
        assert (run.outcome, run.repos_enriched) == ("complete", len(held))
        twice = {name for name, times in visited(sample).items() if times > 1}
        assert twice <= held, "only what was lost is looked at again"
    assert rows("select count(*) from crawl_locks") == [(0,)]
    assert rows("select sum(repos_enriched) from crawl_runs")[0][0] <= len(sample.catalog)
    copy(url, tmp_path / "together.db")
    assert differences(tmp_path / "alone.db", tmp_path / "together.db") == []


BOTH = "select count(*) from crawl_runs where repos_enriched > 0 and finished_at is null"
LEFT = (
    "select r.repo_id from repos r left join enrichments v on v.repo = r.id"
    " where coalesce(v.depth, '') <> 'headers' and v.leased_until is not null"
)


def visited(sample: SampleHub) -> Counter[str]:
    """How often each repo was looked at."""
    found = (INFO.match(request.target) for request in list(sample.requests))
    return Counter(match[1] for match in found if match)


def started(db: str, sample: SampleHub) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "COV"))} | {"HF_TOKEN": MEMBER}
    words = ["--db", db, "--endpoint", sample.endpoint, "--depth", "headers", "--workers", "2"]
    line = [sys.executable, "-m", "crawler.cli", "crawl", *words]
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(so: Any, *processes: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 40
    while not so():
        assert time.monotonic() < ends, "it did not come so far"
        assert all(process.poll() is None for process in processes), "a crawl ended before its time"
        time.sleep(0.02)

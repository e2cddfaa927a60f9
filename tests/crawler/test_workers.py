"""Visits by a Dask cluster: processes of their own, one quota, the same catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.hub import Counters
from crawler.samplehub import Quota, SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import crawled, hub_of, small_catalog


def test_what_a_thread_asks_is_counted_for_itself_and_for_all() -> None:
    counters = Counters()
    counters.asked("list")
    with SampleHub(catalog=small_catalog(1)) as sample:
        hub = hub_of(sample)
        with hub.counted() as usage:
            hub.greet()
        hub.greet()
        assert (usage.api_requests, hub.counters.api_requests) == (1, 2)
        assert usage.bytes_read * 2 == hub.counters.bytes_read
        counters.add(usage)
    assert counters.api_requests == 2


def test_a_cluster_makes_the_same_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    with SampleHub(catalog=small_catalog(30)) as sample:
        crawled(tmp_path / "threads.db", sample, depth="headers")
    with SampleHub(catalog=small_catalog(30), quota=Quota(api=20, window=2)) as sample:
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster:
            run = crawled(tmp_path / "cluster.db", sample, depth="headers", cluster=cluster.scheduler_address)
        assert run.outcome == "complete"
        assert run.api_requests >= 4 + 34, "what the workers asked is counted"
        assert [request.status for request in sample.requests].count(429) == 0
    assert differences(tmp_path / "threads.db", tmp_path / "cluster.db") == []

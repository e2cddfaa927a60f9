"""Visits and labels by the workers of a Dask cluster: processes of their own, one quota, the same catalog."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.vocabulary.vocabulary import vocabulary
from crawler.cli.relabel import relabel_batches
from crawler.errors import ClusterError
from crawler.execute import executor as hands
from crawler.execute.executor import DaskExecutor, open_executor, parse_cluster_address
from crawler.sources.pacer import Pacer
from db.write.store import Store
from samplehub import MEMBER, READER, Fault, Kind, Quota, SampleHub
from tests.crawler.dump import differences, dump
from tests.crawler.hubs import crawled, hub_of, small_catalog

distributed: Any = pytest.importorskip("distributed", reason="pip install 'hf-catalog[cluster]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler with two workers, each with a member's token in its environment."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50,
        env={"HF_TOKEN": MEMBER},
    ) as started:  # fmt: skip
        yield started


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(30)) as hub:
        yield hub


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog that threads make."""
    path = tmp_path_factory.mktemp("threads") / "catalog.db"
    with SampleHub(catalog=small_catalog(30)) as hub:
        crawled(path, hub, depth="headers", token=MEMBER)
    return path


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(db) as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def when(so: Callable[[], bool], do: Callable[[], object]) -> threading.Thread:
    """Does something as soon as it is so, beside what the test does."""

    def watch() -> None:
        ends = time.monotonic() + 30
        while not so() and time.monotonic() < ends:
            time.sleep(0.01)
        do()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


# ---- the same catalog -----------------------------------------------------------------------------------------------


def test_a_cluster_makes_the_catalog_of_threads_within_one_quota(
    cluster: Any, sample: SampleHub, whole: Path, tmp_path: Path
) -> None:
    sample.meter.quota = Quota(api=25, window=2)
    db = tmp_path / "catalog.db"
    run = crawled(db, sample, depth="headers", token=MEMBER, cluster=cluster.scheduler_address)
    assert run.outcome == "complete"
    assert differences(whole, db) == []
    assert [request.status for request in sample.requests].count(429) == 0
    assert run.seconds_waited > 1, "three windows of twenty-five are needed"
    before = rows(whole, "select api_requests, resolver_requests from crawl_runs")
    assert rows(db, "select api_requests, resolver_requests from crawl_runs") == before, "what workers ask is counted"
    assert run.bytes_read > 10_000


def test_processes_of_this_machine_by_one_word_and_no_talk_of_theirs(
    sample: SampleHub, whole: Path, tmp_path: Path
) -> None:
    db = tmp_path / "catalog.db"
    process = started(db, sample, "--depth", "headers", "--cluster", "local:2", "--workers", "4", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["outcome"] == "complete"
    assert err == ""
    assert differences(whole, db) == []


def test_a_budget_holds_for_all_workers_together(cluster: Any, sample: SampleHub, tmp_path: Path) -> None:
    hub = hub_of(sample, MEMBER, pacer=Pacer(budget=14))
    run = crawled(tmp_path / "catalog.db", sample, hub=hub, cluster=cluster.scheduler_address)
    assert run.outcome == "stopped"
    assert (run.api_requests, len(sample.requests)) == (14, 14)
    assert rows(tmp_path / "catalog.db", "select count(*) from enrichments where leased_until is not null") == [(0,)]


def test_labels_made_anew_by_a_cluster_are_those_made_here(cluster: Any, whole: Path, tmp_path: Path) -> None:
    digest, told = vocabulary().digest, []
    for name in ("here", "there"):
        db = tmp_path / name
        db.write_bytes(whole.read_bytes())
        with sqlite3.connect(db) as connection:
            connection.execute("update vocabularies set digest = 'of last year'")
            connection.execute("update repo_labels set family = 'nonsense'")
            connection.execute("update artifacts set quant = 'nonsense' where quant is not null")
        connection.close()
        with Store.open(db) as store:
            if name == "here":
                told.append(list(relabel_batches(store, digest)))
            else:
                with open_executor(1, cluster.scheduler_address) as executor:
                    told.append(list(relabel_batches(store, digest, executor)))
    assert told[0] == told[1]
    assert sum(counts.fields["family"] for counts in told[1]) > 30
    assert dump(tmp_path / "there") == dump(tmp_path / "here")
    assert dump(tmp_path / "there")["labels"] == dump(whole)["labels"]


# ---- when something ends before its time ----------------------------------------------------------------------------


def test_a_worker_that_dies_loses_nothing(cluster: Any, sample: SampleHub, whole: Path, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    sample.faults.add(Fault(Kind.STALL, on="info", seconds=0.1, times=None))
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
    killing = when(lambda: len(sample.requests) >= 15, lambda: os.kill(victim, signal.SIGKILL))
    run = crawled(db, sample, depth="headers", token=MEMBER, cluster=cluster.scheduler_address)
    killing.join()
    assert run.outcome == "complete"
    assert run.repos_enriched == len(sample.catalog)
    assert differences(whole, db) == []


def test_a_signal_ends_a_crawl_by_a_cluster_as_it_ends_one_by_threads(
    cluster: Any, sample: SampleHub, whole: Path, tmp_path: Path
) -> None:
    db = tmp_path / "catalog.db"
    sample.meter.quota = Quota(api=12, window=300)
    process = started(db, sample, "--depth", "headers", "--cluster", cluster.scheduler_address)
    watch = when(lambda: len(sample.requests) >= 12, lambda: time.sleep(0.3))
    watch.join()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "goes on where this one ended" in err
    assert rows(db, "select outcome, api_requests from crawl_runs") == [("stopped", 11)], "one asked who is there"
    assert rows(db, "select count(*) from enrichments where leased_until is not null") == [(0,)]
    sample.meter.quota = Quota()
    crawled(db, sample, depth="headers", token=MEMBER, cluster=cluster.scheduler_address)
    assert differences(whole, db) == []


@pytest.mark.parametrize(
    ("leave", "why"),
    [(lambda own: own.scale(0), "no workers for"), (lambda own: own.close(timeout=5), "connection to its scheduler")],
)
def test_work_that_nobody_is_left_for_is_given_up(
    sample: SampleHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave: Callable[[Any], object], why: str
) -> None:
    monkeypatch.setattr(hands, "DESERTED", 1.0)
    monkeypatch.setattr(hands, "ROUND", 0.2)
    sample.faults.add(Fault(Kind.STALL, on="info", seconds=0.2, times=None))
    with distributed.LocalCluster(
        n_workers=1, processes=False, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as own:
        leaving = when(lambda: len(sample.requests) >= 8, lambda: leave(own))
        with pytest.raises(ClusterError, match=why):
            crawled(tmp_path / "catalog.db", sample, cluster=own.scheduler_address)
        leaving.join()
    assert rows(tmp_path / "catalog.db", "select outcome from crawl_runs") == [("failed",)]
    assert rows(tmp_path / "catalog.db", "select count(*) from enrichments where leased_until is not null") == [(0,)]


def started(db: Path, sample: SampleHub, *words: str) -> subprocess.Popen[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "COV"))} | {"HF_TOKEN": MEMBER}
    line = [sys.executable, "-m", "crawler.cli", "crawl", "--db", str(db), "--endpoint", sample.endpoint, *words]
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# ---- which clusters, which workers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:8786", "tls://scheduler.example:8786", "local:2", " local:16 "])
def test_addresses(text: str) -> None:
    assert parse_cluster_address(text) == text.strip()


@pytest.mark.parametrize("text", ["", "local", "local:0", "scheduler:8786", "tcp://host", "tcp://me:secret@host:1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        parse_cluster_address(text)


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "CONNECTING", 0.5)
    with (
        pytest.raises(ClusterError, match=r"tcp://127.0.0.1:9: no Dask scheduler"),
        open_executor(2, "tcp://127.0.0.1:9"),
    ):
        raise AssertionError


def test_a_worker_with_another_token_is_refused(cluster: Any, sample: SampleHub, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="has another token than this crawl") as refused:
        crawled(tmp_path / "catalog.db", sample, token=READER, cluster=cluster.scheduler_address)
    assert MEMBER not in str(refused.value) and READER not in str(refused.value)


def test_no_token_is_sent(cluster: Any, sample: SampleHub) -> None:
    hub, sent = hub_of(sample, MEMBER), []
    with (
        distributed.Client(cluster.scheduler_address, set_as_default=False) as client,
        DaskExecutor(client, cluster.scheduler_address, hub) as executor,
    ):
        executor._inner = Sending(sent, executor._inner)
        assert executor.submit(same_token, hub, hub.fingerprint("salt")).result(timeout=20)
    assert MEMBER.encode() not in pickle.dumps(sent)
    assert MEMBER not in repr(sent)


class Sending:
    """Keeps what goes to the workers."""

    def __init__(self, sent: list[Any], inner: Any) -> None:
        self.sent, self.inner = sent, inner

    def submit(self, *task: Any) -> Any:
        self.sent.append(task)
        return self.inner.submit(*task)

    def shutdown(self, wait: bool = True) -> None:
        self.inner.shutdown(wait)


def same_token(hub: Any, fingerprint: str) -> bool:
    return bool(hub.fingerprint("salt") == fingerprint)

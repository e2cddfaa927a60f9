"""No server holds a request, or the end of a crawl, longer than its deadlines allow."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crawler.errors import CrawlStopped, HubUnreachable
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.deadline import DeadlineBackend
from crawler.sources.pacer import Pacer
from samplehub import Fault, Kind, SampleHub
from tests.crawler.hubs import make_client, small_catalog
from tests.crawler.test_crawl import rows
from tests.environment import user_environment

MAX_SECONDS = 30.0
"""Of a request whose deadline is a tenth of it: a loaded machine takes longer, a server without a deadline for ever."""


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(12)) as sample:
        yield sample


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


ENDLESS = {
    "informational responses": Fault(Kind.INFORMATIONAL, seconds=0.05, times=None),
    "a head byte by byte": Fault(Kind.SLOW_HEAD, seconds=0.1, times=None),
    "a body byte by byte": Fault(Kind.DRIP, bytes=1, seconds=0.1, times=None),
    "silence": Fault(Kind.STALL, seconds=3600, times=None),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_response_ends_at_its_deadline(sample: SampleHub, name: str) -> None:
    sample.faults.add(ENDLESS[name])
    hub = make_client(sample, timeout=0.4, tries=1, patience=0.0)
    with within(MAX_SECONDS), pytest.raises(HubUnreachable, match=r"in time|too slowly|no response"):
        hub.list_page([("limit", "5")])


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_response_ends_with_the_crawls_time(sample: SampleHub, name: str) -> None:
    sample.faults.add(ENDLESS[name])
    hub = make_client(sample, timeout=3600.0, pacer=Pacer(max_time=0.5))
    with within(MAX_SECONDS), pytest.raises((CrawlStopped, HubUnreachable)):
        hub.list_page([("limit", "5")])


def test_a_tls_handshake_that_stalls_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"https://127.0.0.1:{silent.getsockname()[1]}"
        hub = HubClient(endpoint, False, timeout=0.3, tries=1, backoff=0.01, offline=False)
        with within(MAX_SECONDS), pytest.raises(HubUnreachable):
            hub.check_connection()


def test_the_session_of_huggingface_hub_has_deadlines(sample: SampleHub) -> None:
    hub = make_client(sample)
    hub.check_connection()
    pool = hub.transport._session()._transport._pool  # type: ignore[attr-defined]
    assert isinstance(pool._network_backend, DeadlineBackend)


def crawl_command(db: Path, sample: SampleHub, *more: str) -> list[str]:
    return [sys.executable, "-m", "crawler.cli", "crawl", "--db", str(db), "--endpoint", sample.endpoint, *more]


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("place", ["listing", "info"])
def test_max_time_ends_the_process_whatever_the_hub_does(
    sample: SampleHub, tmp_path: Path, name: str, place: str
) -> None:
    endless = ENDLESS[name]
    sample.faults.add(Fault(endless.kind, on=place, after=1, seconds=endless.seconds, bytes=1, times=None))  # type: ignore[arg-type]
    db = tmp_path / "catalog.db"
    ended = subprocess.run(
        crawl_command(db, sample, "--max-time", "3s", "--workers", "2"),
        capture_output=True, text=True, env=user_environment(), timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode in (0, 4), ended.stderr
    assert "Traceback" not in ended.stderr
    assert rows(db, "select outcome from crawl_runs")[0][0] in ("stopped", "failed")


def test_sigterm_ends_the_process_though_a_response_does_not_end(sample: SampleHub, tmp_path: Path) -> None:
    sample.faults.add(Fault(Kind.STALL, on="info", seconds=3600, times=None))
    db = tmp_path / "catalog.db"
    with subprocess.Popen(
        crawl_command(db, sample), stderr=subprocess.PIPE, text=True, env=user_environment()
    ) as crawl:
        until = time.monotonic() + 60
        while not any("/api/models/" in request.path for request in sample.requests) and time.monotonic() < until:
            if sum(sample.faults.hits.values()):
                break
            time.sleep(0.05)
        crawl.send_signal(signal.SIGTERM)
        started = time.monotonic()
        _, err = crawl.communicate(timeout=60)
    assert time.monotonic() - started < 10 + MAX_SECONDS
    assert crawl.returncode == 0, err
    assert rows(db, "select outcome from crawl_runs") == [("stopped",)]
    assert rows(db, "select count(*) from crawl_locks") == [(0,)]


def test_a_worker_that_is_stuck_does_not_keep_the_process(sample: SampleHub, tmp_path: Path) -> None:
    """A call that no deadline reaches: a thread that waits for ever. The first such call asks the crawl to end."""
    db = tmp_path / "catalog.db"
    program = (
        "import signal, sys, threading\n"
        "from crawler.sources.huggingface import fetch\n"
        "signals = [signal.SIGTERM]\n"
        "def wait(*_):\n"
        "    if signals:\n"
        "        signal.raise_signal(signals.pop())\n"
        "    threading.Event().wait()\n"
        "fetch.group_artifacts = wait\n"
        "from crawler.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", program, *crawl_command(db, sample)[3:]]
    ended = subprocess.run(command, capture_output=True, text=True, env=user_environment(), timeout=90, check=False)
    assert ended.returncode == 0, ended.stderr
    assert rows(db, "select outcome from crawl_runs") == [("stopped",)]
    assert rows(db, "select count(*) from enrichments where attempts > 0")[0][0] > 0, "they are last in the next run"

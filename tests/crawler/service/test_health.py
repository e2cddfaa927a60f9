"""The health server: what monitors and Prometheus get over HTTP, and what it refuses."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.units import iso
from crawler.errors import PortUnavailable
from crawler.service import http_server
from crawler.service.config import read_config
from crawler.service.health import health_routes
from crawler.service.health_server import HealthServer, Route
from crawler.service.http_server import json_answer
from crawler.service.metrics import Metric, format_metrics
from crawler.service.scheduler import Service
from crawler.service.state import JobState, State
from db.write.store import Store
from tests.small_catalog import build

NOW = datetime.now(UTC)
ALIVE = State(
    7,
    started_at=iso(NOW),
    alive_at=iso(NOW),
    jobs={"crawl": JobState(runs=3, last_outcome="done", last_success=iso(NOW), last_status=0)},
)


@contextmanager
def serving(state: State, db: str | Path = "none.db") -> Iterator[HealthServer]:
    assert state.alive_at is not None
    age = NOW - datetime.fromisoformat(state.alive_at)  # when this file was imported, perhaps minutes ago
    state = replace(state, alive_at=iso(datetime.now(UTC) - age))
    with HealthServer(0, health_routes(lambda: state, str(db))) as server:
        yield server


def get(
    server: HealthServer, path: str, *, method: str = "GET", host: str | None = None
) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        connection.request(method, path, headers={"Host": host} if host is not None else {})
        response = connection.getresponse()
        return response.status, response.read().decode(), dict(response.headers)
    finally:
        connection.close()


def read_health(server: HealthServer) -> tuple[int, dict[str, Any]]:
    status, text, _ = get(server, "/health")
    return status, json.loads(text)


def read_metrics(server: HealthServer) -> dict[str, float]:
    status, text, headers = get(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def with_job(**changes: Any) -> State:
    return replace(ALIVE, jobs={"crawl": replace(ALIVE.jobs["crawl"], **changes)})


@pytest.mark.parametrize(
    ("state", "status", "word"),
    [
        (ALIVE, 200, "ok"),
        (with_job(errors=1, failures=4, last_outcome="failed", detail="no network"), 503, "failing"),
        (replace(ALIVE, alive_at=iso(NOW - timedelta(minutes=5))), 503, "stalled"),
        (replace(ALIVE, alive_at=iso(NOW + timedelta(days=5))), 503, "stalled"),
    ],
)
def test_the_status_says_whether_all_is_well(state: State, status: int, word: str) -> None:
    with serving(state) as server:
        found = read_health(server)
    assert found[0] == status
    assert found[1]["status"] == word
    assert found[1]["alive"] == (word != "stalled")
    assert found[1]["failing_jobs"] == (["crawl"] if word == "failing" else [])
    assert found[1]["jobs"]["crawl"]["detail"] == state.jobs["crawl"].detail


def test_what_a_crawl_waits_for_is_in_health_and_metrics(tmp_path: Path) -> None:
    db, until = tmp_path / "catalog.db", NOW + timedelta(minutes=4)
    with Store.open(db, create=True) as store:
        run = store.start_run("full", "", "http://127.0.0.1:1")
        store.update_run(replace(run, waiting_for="the quota of api requests", waiting_until=until))
        with serving(ALIVE, db) as server:
            _, health = read_health(server)
            metrics = read_metrics(server)
        store.finish_run(replace(run, outcome="stopped", finished_at=NOW))
        with serving(ALIVE, db) as server:
            assert read_health(server)[1]["waiting"] is None
            assert read_metrics(server)["hf_catalog_crawl_waiting"] == 0
    assert health["waiting"] == {"for": "the quota of api requests", "until": iso(until)}
    assert metrics["hf_catalog_crawl_waiting"] == 1
    shown = metrics["hf_catalog_crawl_waiting_until_timestamp_seconds"]
    assert shown == pytest.approx(until.timestamp(), abs=0.002)


def test_metrics_are_those_of_the_jobs_and_the_catalog(tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    with Store.open(db, create=True) as store:
        for _ in range(2):
            run = store.start_run("full", "", "http://127.0.0.1:1")
            run = replace(run, repos_seen=5, repos_new=4, repos_changed=3, repos_skipped=2, repos_enriched=1)
            run = replace(run, api_requests=10, resolver_requests=20, bytes_read=300, seconds_waited=1.5)
            store.finish_run(replace(run, outcome="incomplete", finished_at=NOW))
    quota = {"api": {"left": 7, "of": 500}}
    with serving(with_job(failures=2, errors=1, last_status=4, quota=quota), db) as server:
        metrics = read_metrics(server)
    expected = {
        'job_runs_total{name="crawl"}': 3,
        'job_errors_total{name="crawl"}': 2,
        'job_consecutive_errors{name="crawl"}': 1,
        'job_last_exit_status{name="crawl"}': 4,
        'quota_left_requests{bucket="api"}': 7,
        'quota_limit_requests{bucket="api"}': 500,
        "catalog_readable": 1,
        'requests_total{kind="api"}': 20,
        'requests_total{kind="resolver"}': 40,
        "received_bytes_total": 600,
        "wait_seconds_total": 3.0,
        'repos_processed_total{result="seen"}': 10,
        'repos_processed_total{result="new"}': 8,
        'repos_processed_total{result="changed"}': 6,
        'repos_processed_total{result="skipped"}': 4,
        'repos_processed_total{result="enriched"}': 2,
        'crawls_total{outcome="incomplete"}': 2,
        'crawls_total{outcome="complete"}': 0,
        'last_crawl_outcome{outcome="incomplete"}': 1,
        'last_crawl_outcome{outcome="complete"}': 0,
        'backlog_repos{depth="files"}': 0,
    }
    assert {name: metrics[f"hf_catalog_{name}"] for name in expected} == expected
    assert metrics["hf_catalog_last_crawl_end_timestamp_seconds"] == pytest.approx(NOW.timestamp(), abs=0.002)


def test_repos_and_the_backlog_are_counted(tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    build(db)
    with serving(ALIVE, db) as server:
        metrics = read_metrics(server)
    by_status = [value for name, value in metrics.items() if name.startswith("hf_catalog_repos{")]
    assert sum(by_status) > 0
    assert (
        0 <= metrics['hf_catalog_backlog_repos{depth="files"}'] <= metrics['hf_catalog_backlog_repos{depth="headers"}']
    )


def test_the_format_is_that_of_prometheus(tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    Store.open(db, create=True).close()
    with serving(ALIVE, db) as server:
        text = get(server, "/metrics")[1]
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            kinds[line.split()[2]] = line.split()[3]
        elif not line.startswith("# HELP "):
            assert re.fullmatch(r'[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.e+-]+', line), line
            name = line.partition("{")[0].partition(" ")[0]
            assert (kinds[name] == "counter") == name.endswith("_total"), name
            assert f"# HELP {name} " in text
    assert text.endswith("\n")


def test_labels_are_escaped() -> None:
    text = format_metrics([Metric("jobs", "gauge", "Jobs.", [({"name": 'a"b\\c\nd'}, 1), ({"name": "none"}, None)])])
    assert text.splitlines()[2:] == [r'hf_catalog_jobs{name="a\"b\\c\nd"} 1']


def test_without_a_catalog_there_are_the_metrics_of_the_jobs(tmp_path: Path) -> None:
    with serving(ALIVE, tmp_path / "none.db") as server:
        metrics = read_metrics(server)
        assert read_health(server)[0] == 200
    assert metrics["hf_catalog_catalog_readable"] == 0
    assert metrics['hf_catalog_job_runs_total{name="crawl"}'] == 3
    assert not any(name.startswith("hf_catalog_requests_total") for name in metrics)


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("127.0.0.1:99", 200), ("LOCALHOST:8787", 200), ("evil.example", 421), ("", 421),
     ("127.0.0.1.evil.example", 421), ("localhost@evil.example", 421)],
)  # fmt: skip
def test_only_loopback_is_a_valid_host(host: str, status: int) -> None:
    with serving(ALIVE) as server:
        assert get(server, "/health", host=host)[0] == status


def test_only_get_and_head_of_known_paths() -> None:
    with serving(ALIVE) as server:
        assert get(server, "/health?verbose=1")[0] == 200
        assert get(server, "/state.json")[0] == 404
        assert get(server, "/health", method="POST")[0] == 501
        status, body, headers = get(server, "/health", method="HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 0
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_an_answer_is_kept_for_its_time() -> None:
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        return json_answer(200, len(made))

    with HealthServer(0, {"/kept": Route(make, 3600.0), "/new": Route(make, 0.0)}) as server:
        assert [get(server, path)[1].strip() for path in ("/kept", "/kept", "/new", "/new", "/kept")] == list("11231")


def test_a_connection_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "CONNECTION_SECONDS", 0.2)
    with serving(ALIVE) as server, socket.create_connection(("127.0.0.1", server.server_port)) as client:
        client.settimeout(30)
        client.sendall(b"GET /health HT")
        assert client.recv(100) == b""


def test_connections_beyond_the_limit_are_closed() -> None:
    release = threading.Event()

    def wait() -> Any:
        release.wait(30)
        return json_answer(200, "late")

    with HealthServer(0, {"/slow": Route(wait, 3600.0)}) as server:
        clients = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(9)]
        for client in clients:
            client.settimeout(30)
        try:
            assert clients[-1].recv(100) == b"", "the ninth"
            release.set()
            for client in clients[:-1]:
                client.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.0 200")
        finally:
            release.set()
            for client in clients:
                client.close()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with serving(ALIVE) as server:
        config = f'[health]\nport = {server.server_port}\n[jobs.a]\nevery = "1h"\nrun = ["label", "x"]\n'
        (tmp_path / "catalog.toml").write_text(config, encoding="utf-8")
        with pytest.raises(PortUnavailable, match=f"port {server.server_port}"):
            Service(read_config(tmp_path / "catalog.toml")).run()

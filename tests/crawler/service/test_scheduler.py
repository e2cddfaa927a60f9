"""The service runs real commands, one at a time, catches up once, tells its hooks, and stops when told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import ServiceAlreadyRunning
from crawler.service.config import Job, State, read_config, read_state, utc_now_iso, write_state
from crawler.service.scheduler import Service, first_run_time, make_trigger

NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)  # a Wednesday


def timetable(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("job", "last", "first"),
    [
        (Job("a", ("crawl",), every=timedelta(hours=1)), None, NOW),
        (Job("a", ("crawl",), every=timedelta(hours=1)), NOW - timedelta(minutes=20), NOW + timedelta(minutes=40)),
        (Job("a", ("crawl",), every=timedelta(hours=1)), NOW - timedelta(days=9), NOW),
        (
            Job("a", ("crawl",), cron="0 3 * * sun"),
            datetime(2026, 5, 31, 3, 0, tzinfo=UTC),
            datetime(2026, 6, 7, 3, 0, tzinfo=UTC),
        ),
        (Job("a", ("crawl",), cron="0 3 * * sun"), datetime(2026, 5, 30, 3, 0, tzinfo=UTC), NOW),
    ],
    ids=["never ran", "not yet due", "missed often, runs once", "cron not yet due", "cron missed"],
)
def test_what_was_missed_is_caught_up(job: Job, last: datetime | None, first: datetime) -> None:
    trigger = make_trigger(job)
    assert trigger is not None
    assert first_run_time(job, trigger, last, NOW) == first


def test_a_job_runs_its_followers_and_the_state_tells(tmp_path: Path) -> None:
    text = """
    [jobs.name]
    every = "1h"
    run = ["label", "gemma-3-4b", "--json"]
    [jobs.next]
    after = ["name"]
    run = ["label", "qwen3-8b", "--json"]
    [jobs.bad]
    every = "1h"
    run = ["query", "select 1", "--db", "none.db"]
    [jobs.never]
    after = ["bad"]
    run = ["label", "x"]
    """
    path = timetable(tmp_path, text)
    Service(read_config(path)).run(once=True)
    jobs = read_state(tmp_path / "catalog.state.json").jobs
    assert (jobs["name"].last_outcome, jobs["next"].last_outcome) == ("done", "done")
    assert (jobs["bad"].last_outcome, jobs["bad"].last_status, jobs["bad"].errors) == ("failed", 3, 1)
    assert "none.db" in (jobs["bad"].detail or "")
    assert jobs["never"].runs == 0, "what follows a failure does not run"
    Service(read_config(path)).run(once=True)
    again = read_state(tmp_path / "catalog.state.json").jobs
    assert again["name"].runs == 1, "it is not due again"
    assert (again["bad"].runs, again["bad"].errors) == (2, 2), "a failed job is due until it succeeds"


class Listener(HTTPServer):
    heard: list[dict[str, Any]]


class Hear(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Listener)
        self.server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener(("127.0.0.1", 0), Hear)
    server.heard = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_hooks_are_told_and_never_get_the_token(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    script = "import os, sys; open('told.json', 'w').write(sys.stdin.read() + str(os.environ))"
    text = f"""
    [jobs.name]
    every = "1h"
    run = ["label", "gemma-3-4b", "--json"]
    [[hooks]]
    after = ["name"]
    command = [{json.dumps(sys.executable)}, "-c", {json.dumps(script)}]
    [[hooks]]
    after = ["name"]
    webhook = "http://127.0.0.1:{listener.server_port}/hook"
    [[hooks]]
    after = ["name"]
    webhook = "http://127.0.0.1:9/nobody"
    """
    monkeypatch.chdir(tmp_path)
    Service(read_config(timetable(tmp_path, text))).run(once=True)
    told = (tmp_path / "told.json").read_text(encoding="utf-8")
    assert '"outcome": "done"' in told
    assert "hf_secret" not in told
    assert [hook["job"] for hook in listener.heard] == ["name"]
    assert listener.heard[0]["answer"]["family"] == "gemma"


def test_only_one_service_a_timetable(tmp_path: Path) -> None:
    path = timetable(tmp_path, '[jobs.a]\nevery = "1h"\nrun = ["label", "x"]\n')
    write_state(tmp_path / "catalog.state.json", State(os.getppid(), alive_at=utc_now_iso()))
    with pytest.raises(ServiceAlreadyRunning):
        Service(read_config(path)).run(once=True)


def test_a_signal_ends_the_service_and_its_job(tmp_path: Path) -> None:
    """The job is a service of its own (`sample-hub`), which ends on the signal that is passed on to it."""
    path = timetable(tmp_path, '[jobs.long]\nevery = "1h"\nrun = ["sample-hub", "--port", "0"]\n')
    command = [sys.executable, "-m", "crawler.cli", "schedule", "--config", str(path), "--log-format", "json"]
    service = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})
    try:
        deadline = time.monotonic() + 20
        while not read_state(tmp_path / "catalog.state.json").jobs.get("long") and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(2)
        service.send_signal(signal.SIGTERM)
        _, err = service.communicate(timeout=30)
    finally:
        service.kill()
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert service.returncode == 0, err
    assert events == ["started", "job started", "job ended", "stopped"]
    assert read_state(tmp_path / "catalog.state.json").jobs["long"].last_outcome == "stopped"

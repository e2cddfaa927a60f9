"""The service runs real commands one at a time, catches up once, runs hooks, and stops on a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from analysis.units import iso
from crawler.errors import ServiceAlreadyRunning
from crawler.service.clock import ClockWatch
from crawler.service.config import Job, read_config
from crawler.service.scheduler import Service, first_run_time, make_trigger, serve
from crawler.service.state import JobState, State, read_state, utc_now_iso, write_state

NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)  # a Wednesday


def write_config(folder: Path, text: str) -> Path:
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
        (Job("a", ("crawl",), every=timedelta(hours=1)), NOW + timedelta(days=400), NOW),
        (Job("a", ("crawl",), cron="0 3 * * sun"), NOW + timedelta(days=400), NOW),
    ],
    ids=[
        "never ran",
        "not yet due",
        "missed several times",
        "cron not yet due",
        "cron missed",
        "clock was ahead",
        "cron, clock was ahead",
    ],
)
def test_a_missed_job_runs_at_once_and_others_when_due(job: Job, last: datetime | None, first: datetime) -> None:
    trigger = make_trigger(job)
    assert trigger is not None
    assert first_run_time(job, trigger, last, NOW) == first


def test_a_job_runs_its_followers_and_the_state_records_it(tmp_path: Path) -> None:
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
    path = write_config(tmp_path, text)
    assert Service(read_config(path)).run(once=True) == 3, "the status of the job that failed, for cron"
    state = read_state(tmp_path / "catalog.state.json")
    jobs = state.jobs
    assert state.once
    assert (jobs["name"].last_outcome, jobs["next"].last_outcome) == ("done", "done")
    assert (jobs["bad"].last_outcome, jobs["bad"].last_status, jobs["bad"].errors) == ("failed", 3, 1)
    assert "none.db" in (jobs["bad"].detail or "")
    assert jobs["never"].runs == 0, "what follows a failure does not run"
    Service(read_config(path)).run(once=True)
    again = read_state(tmp_path / "catalog.state.json").jobs
    assert again["name"].runs == 1, "it is not due again"
    assert (again["bad"].runs, again["bad"].errors) == (2, 2), "a failed job is due until it succeeds"


def test_a_time_of_a_clock_that_was_ahead_hides_no_other(tmp_path: Path) -> None:
    """The state's time is of the future; the catalog's is not, and by it the crawl is not due."""
    path = write_config(tmp_path, '[jobs.a]\nevery = "1h"\nrun = ["crawl"]\n')
    ahead = {"a": JobState(last_success=iso(datetime.now(UTC) + timedelta(days=400)))}
    write_state(tmp_path / "catalog.state.json", State(jobs=ahead))
    recent = datetime.now(UTC) - timedelta(minutes=1)
    assert Service(read_config(path), last_crawls={"incremental": recent}).run(once=True) == 0, "nothing is due"
    assert read_state(tmp_path / "catalog.state.json").jobs["a"].runs == 0


def test_a_clock_that_is_set_back_silences_no_job(tmp_path: Path) -> None:
    """The jobs are due in an hour; the clock goes back by a day, and they stay due in an hour, or at the next time."""
    text = """
    [jobs.hourly]
    every = "1h"
    run = ["label", "gemma"]
    [jobs.daily]
    cron = "0 3 * * *"
    run = ["label", "gemma"]
    """
    now = datetime.now(UTC)
    done = JobState(last_success=iso(now))
    write_state(tmp_path / "catalog.state.json", State(jobs={"hourly": done, "daily": done}))
    jumps = iter([timedelta(0), timedelta(days=-1)])
    seen: list[tuple[datetime, datetime]] = []

    class Clock(ClockWatch):
        def measure_jump(self) -> timedelta:
            jobs = read_state(tmp_path / "catalog.state.json").jobs
            times = [jobs[name].next_run for name in ("hourly", "daily")]
            if all(times):
                hourly, daily = (datetime.fromisoformat(at) for at in times if at)
                seen.append((hourly, daily))
            if len(seen) == 3:
                service.stop()
            return next(jumps, timedelta(0)) if seen else timedelta(0)

    service = Service(read_config(write_config(tmp_path, text)), clock=Clock(), heartbeat_interval=0.01)
    service.run()
    first, *_, last = seen
    assert last[0] == max(first[0] - timedelta(days=1), last[0]) <= now + timedelta(hours=1)
    assert last[1] == first[1], "a cron job waits for its next time by the clock as it is now"


class WebhookServer(HTTPServer):
    received: list[dict[str, Any]]


class WebhookHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, WebhookServer)
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook_server() -> Iterator[WebhookServer]:
    server = WebhookServer(("127.0.0.1", 0), WebhookHandler)
    server.received = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_hooks_get_the_result_and_never_the_token(
    tmp_path: Path, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    script = "import os, sys; open('hook.json', 'w').write(sys.stdin.read() + str(os.environ))"
    text = f"""
    [jobs.name]
    every = "1h"
    run = ["label", "gemma-3-4b", "--json"]
    [[hooks]]
    after = ["name"]
    command = [{json.dumps(sys.executable)}, "-c", {json.dumps(script)}]
    [[hooks]]
    after = ["name"]
    webhook = "http://127.0.0.1:{webhook_server.server_port}/hook"
    [[hooks]]
    after = ["name"]
    webhook = "http://127.0.0.1:9/no-server"
    [[hooks]]
    after = ["name"]
    webhook = "slack+http://127.0.0.1:{webhook_server.server_port}/chat"
    """
    monkeypatch.chdir(tmp_path)
    Service(read_config(write_config(tmp_path, text))).run(once=True)
    seen = (tmp_path / "hook.json").read_text(encoding="utf-8")
    assert '"outcome": "done"' in seen
    assert "hf_secret" not in seen
    assert [hook.get("job") for hook in webhook_server.received] == ["name", None]
    heading, answer = webhook_server.received[1]["text"].splitlines()
    assert heading == "*name: done*" and answer.startswith("\u2022 input gemma-3-4b, ") and "family gemma, " in answer
    assert webhook_server.received[0]["answer"]["family"] == "gemma"


def test_a_second_service_of_a_configuration_is_refused(tmp_path: Path) -> None:
    path = write_config(tmp_path, '[jobs.a]\nevery = "1h"\nrun = ["label", "x"]\n')
    write_state(tmp_path / "catalog.state.json", State(os.getppid(), alive_at=utc_now_iso()))
    with pytest.raises(ServiceAlreadyRunning):
        Service(read_config(path)).run(once=True)
    assert serve(Service(read_config(path)), once=True) == 0, "cron started it while the last run is in progress"
    with pytest.raises(ServiceAlreadyRunning):
        serve(Service(read_config(path)))


def test_a_run_by_cron_gives_signs_of_life(tmp_path: Path) -> None:
    """Else the next one would take a long crawl for a dead one, and start another."""
    path = write_config(tmp_path, '[jobs.a]\nevery = "1h"\nrun = ["sample-hub", "--port", "0"]\n')
    service = Service(read_config(path), heartbeat_interval=0.01)
    thread = threading.Thread(target=service.run, kwargs={"once": True})
    thread.start()
    file = tmp_path / "catalog.state.json"
    seen: set[str | None] = set()
    while len(seen) < 4:
        seen.add(read_state(file).alive_at)
    service.stop()
    thread.join()
    assert read_state(file).jobs["a"].last_outcome == "stopped"


def test_a_signal_stops_the_service_and_its_job(tmp_path: Path) -> None:
    """The job is `sample-hub`, which runs until it gets the signal that the service passes on."""
    path = write_config(tmp_path, '[jobs.long]\nevery = "1h"\nrun = ["sample-hub", "--port", "0"]\n')
    command = [sys.executable, "-m", "crawler.cli", "schedule", "--config", str(path), "--log-format", "json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}) as service:
        assert service.stderr is not None
        events = []
        for line in service.stderr:
            events.append(json.loads(line)["event"])
            if events[-1] == "job started":
                service.send_signal(signal.SIGTERM)
    assert service.returncode == 0
    assert events == ["started", "job started", "job ended", "stopped"]
    assert read_state(tmp_path / "catalog.state.json").jobs["long"].last_outcome == "stopped"


def test_a_job_imports_nothing_from_its_working_directory(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the working directory')", encoding="utf-8")
    path = write_config(tmp_path, '[jobs.name]\nevery = "1h"\nrun = ["label", "gemma-3-4b", "--json"]\n')
    Service(read_config(path)).run(once=True)
    assert read_state(tmp_path / "catalog.state.json").jobs["name"].last_outcome == "done"


# ---- cron -----------------------------------------------------------------------------------------------------------


def test_a_cron_job_is_due_at_each_of_its_times_once() -> None:
    trigger = make_trigger(Job("a", ("crawl",), cron="*/30 * * * *"))
    assert trigger is not None
    first = trigger.get_next_fire_time(None, NOW)
    second = trigger.get_next_fire_time(first, NOW)
    assert (first, second) == (NOW, NOW + timedelta(minutes=30))


def test_jitter_makes_a_cron_job_later_and_never_earlier() -> None:
    trigger = make_trigger(Job("a", ("crawl",), cron="0 * * * *", jitter=timedelta(minutes=5)))
    assert trigger is not None
    times = [trigger.get_next_fire_time(NOW, NOW) for _ in range(50)]
    due = NOW + timedelta(hours=1)
    assert all(due <= at <= due + timedelta(minutes=5) for at in times)
    assert len(set(times)) > 1

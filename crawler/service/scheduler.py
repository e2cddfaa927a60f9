"""The service: runs the timetable's jobs when they are due, one at a time, and catches up after a pause.

Each job is a process of its own: a crawl that dies takes nothing with it, its memory goes back to the system, and being
told to stop is the signal that any crawl understands. All jobs share one thread, so nothing ever runs twice at once,
and a job that comes due while another runs waits for it. A job that was missed (the machine slept, the service was
down) is run once on return, however often it was missed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job as Scheduled
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from analysis.units import iso
from crawler.errors import ServiceAlreadyRunning
from crawler.execute.environment import without_token
from crawler.service.config import (
    Job,
    JobHook,
    JobState,
    Outcome,
    ServiceConfig,
    State,
    read_state,
    utc_now_iso,
    write_state,
)
from db.processes import is_running, start_time

HEARTBEAT_INTERVAL = 30.0  # seconds between two signs of life in the health file
HOOK_TIMEOUT = 60.0  # a hook that takes longer is ended
TERMINATE_TIMEOUT = 120.0  # a job that was told to stop and does not is killed
MAX_OUTPUT_CHARS = 2000  # characters of a job's output that are kept

log = logging.getLogger("hf-catalog.schedule")


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one run of a job ended. `answer` is the JSON object that it printed, if it did."""

    job: str
    outcome: Outcome
    status: int
    started_at: str
    finished_at: str
    answer: Mapping[str, Any] = field(default_factory=dict)
    detail: str | None = None

    def told(self) -> dict[str, Any]:
        return asdict(self)


def make_trigger(job: Job) -> BaseTrigger | None:
    """When a job starts by itself; None for one that follows others."""
    jitter = int(job.jitter.total_seconds()) or None
    if job.every is not None:
        return IntervalTrigger(seconds=int(job.every.total_seconds()), jitter=jitter, timezone=UTC)
    if job.cron is not None:
        trigger = CronTrigger.from_crontab(job.cron, timezone=UTC)
        trigger.jitter = jitter
        return trigger
    return None


def first_run_time(job: Job, trigger: BaseTrigger, last: datetime | None, now: datetime) -> datetime:
    """When a job runs first after a start: at once if it never ran or was missed, else as it would have."""
    if last is None:
        return now
    due: datetime | None = (
        last + job.every if job.every is not None else trigger.get_next_fire_time(None, last + timedelta(seconds=1))
    )
    return now if due is None or due <= now else due


class Service:
    """The timetable at work. `run` blocks until `stop`, which a signal calls."""

    def __init__(self, timetable: ServiceConfig, *, last_crawls: Mapping[str, datetime] | None = None) -> None:
        self.timetable = timetable
        self.last_crawls = last_crawls or {}  # last complete crawls by kind, whoever ran them
        self._state = read_state(timetable.state)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._scheduler = BlockingScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1), "pulse": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def run(self, *, once: bool = False) -> None:
        """Works until told to stop; `once` runs every job that is due now and returns. Raises ServiceRuns."""
        if self._state.alive() and self._state.pid != os.getpid() and is_running(self._state.pid, self._state.born):
            raise ServiceAlreadyRunning(str(self.timetable.state), self._state.pid)
        now = datetime.now(UTC)
        known = {name: replace(self._state.jobs.get(name, JobState()), running=False) for name in self.timetable.jobs}
        born = State(os.getpid(), start_time(os.getpid()), iso(now), iso(now), self.timetable.db, known)
        self._update_state(lambda _: born)
        firsts = {name: self._first(job, now) for name, job in self.timetable.jobs.items()}
        if once:
            for name, moment in firsts.items():
                if moment is not None and moment <= now and not self._stopping.is_set():
                    self.start(self.timetable.jobs[name])
            return
        for name, moment in firsts.items():
            if moment is not None:
                job = self.timetable.jobs[name]
                self._scheduler.add_job(self.start, make_trigger(job), [job], id=name, next_run_time=moment)
        self._scheduler.add_job(self._heartbeat, "interval", seconds=HEARTBEAT_INTERVAL, id="pulse", executor="pulse")
        log.info("started", extra={"facts": {"jobs": list(self.timetable.jobs), "db": self.timetable.db}})
        if not self._stopping.is_set():
            self._scheduler.start()
        self._heartbeat()
        log.info("stopped")

    def stop(self, *_: object) -> None:
        """Tells the running job to finish its page, and the service to end with it; a second time: now."""
        again = self._stopping.is_set()
        self._stopping.set()
        child = self._child
        if child is not None:
            child.send_signal(signal.SIGKILL if again else signal.SIGTERM)
        if self._scheduler.running and not again:
            # From a thread of its own: a signal may arrive while the scheduler's lock is held by this very thread.
            threading.Thread(target=self._scheduler.shutdown, kwargs={"wait": True}, daemon=True).start()

    def start(self, job: Job) -> None:
        """Runs one job, tells the hooks, then runs what follows it."""
        if self._stopping.is_set():
            return
        done = self._run(job)
        for hook in self.timetable.hooks:
            if job.name in hook.after:
                run_hook(hook, done)
        if done.outcome == "done":
            for follower in self.timetable.jobs.values():
                if job.name in follower.after:
                    self.start(follower)

    def _first(self, job: Job, now: datetime) -> datetime | None:
        trigger = make_trigger(job)
        if trigger is None:
            return None
        said = self._state.jobs.get(job.name, JobState()).last_success
        moments = [datetime.fromisoformat(said)] if said else []
        if job.is_crawl:
            kind = "full" if "--full" in job.run else "incremental"
            moments += [self.last_crawls[kind]] if kind in self.last_crawls else []
        return first_run_time(job, trigger, max(moments, default=None), now)

    def _run(self, job: Job) -> JobResult:
        started = utc_now_iso()
        before = self._state.jobs.get(job.name, JobState())
        begun = {"running": True, "last_start": started, "runs": before.runs + 1}
        self._update_state(lambda state: state.with_job(job.name, **begun))
        log.info("job started", extra={"facts": {"job": job.name, "run": " ".join(job.run)}})
        status, out, err = self._process(job)
        outcome: Outcome = "stopped" if self._stopping.is_set() else "done" if status == 0 else "failed"
        detail = None if outcome == "done" else last_error_lines(err)
        done = JobResult(job.name, outcome, status, started, utc_now_iso(), parse_json_object(out), detail)
        facts: dict[str, Any] = {"running": False, "last_end": done.finished_at, "last_outcome": outcome}
        facts |= {"last_status": status, "detail": detail, "errors": before.errors + 1 if outcome == "failed" else 0}
        if outcome == "done":
            facts["last_success"] = started
        if isinstance(done.answer.get("quota"), dict):
            facts["quota"] = done.answer["quota"]
        self._update_state(lambda state: state.with_job(job.name, **facts))
        log.log(logging.INFO if outcome != "failed" else logging.ERROR, "job ended", extra={"facts": done.told()})
        return done

    def _process(self, job: Job) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "crawler.cli", *job.run]
        env = {**os.environ, "HF_CATALOG_DB": self.timetable.db}
        folder = self.timetable.state.parent  # paths in the timetable are relative to it
        try:
            # A session of its own: Ctrl-C in the service's terminal reaches the service alone, which passes it on once.
            child = subprocess.Popen(
                command,
                env=env,
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            return 127, "", str(error)
        self._child = child
        if self._stopping.is_set():
            child.send_signal(signal.SIGTERM)
        try:
            return self._wait(child, job.max_time)
        finally:
            self._child = None

    def _wait(self, child: subprocess.Popen[str], most: timedelta | None) -> tuple[int, str, str]:
        try:
            out, err = child.communicate(timeout=most.total_seconds() if most else None)
        except subprocess.TimeoutExpired:
            child.terminate()
            try:
                out, err = child.communicate(timeout=TERMINATE_TIMEOUT)
            except subprocess.TimeoutExpired:
                child.kill()
                out, err = child.communicate()
        return child.returncode, out, err

    def _update_state(self, change: Callable[[State], State]) -> None:
        """Changes the state and its file; the pulse and the jobs do so from threads of their own."""
        with self._lock:
            self._state = change(self._state)
            try:
                write_state(self.timetable.state, self._state)
            except OSError as error:
                log.error("the health file can't be written", extra={"facts": {"error": str(error)}})

    def _heartbeat(self) -> None:
        found: Sequence[Scheduled] = self._scheduler.get_jobs() if self._scheduler.running else ()
        due = {scheduled.id: scheduled.next_run_time for scheduled in found}

        def alive(state: State) -> State:
            jobs = {
                name: replace(job, next_run=iso(due[name]) if due[name] else None) if name in due else job
                for name, job in state.jobs.items()
            }
            return replace(state, alive_at=utc_now_iso(), jobs=jobs)

        self._update_state(alive)


def last_error_lines(text: str) -> str:
    """What a job said last on stderr: its error, as two lines."""
    lines = [line for line in text[-MAX_OUTPUT_CHARS:].splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(("Error:", "Hint:"))]
    return " ".join(said or lines[-2:]) or "it said nothing"


def parse_json_object(text: str) -> Mapping[str, Any]:
    """The JSON object that a job printed; empty where it printed something else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def run_hook(hook: JobHook, done: JobResult) -> None:
    """Tells one hook. What goes wrong there is logged and stops nothing; the Hub's token is never handed on."""
    text = json.dumps(done.told())
    try:
        if hook.webhook is not None:
            headers = {"Content-Type": "application/json", "User-Agent": "hf-catalog"}
            request = urllib.request.Request(hook.webhook, text.encode(), headers, method="POST")
            with urllib.request.urlopen(request, timeout=HOOK_TIMEOUT) as answer:
                answer.read(MAX_OUTPUT_CHARS)
        else:
            env = {**without_token(), "HF_CATALOG_JOB": done.job, "HF_CATALOG_OUTCOME": done.outcome}
            ran = subprocess.run(
                hook.command, input=text, text=True, env=env, timeout=HOOK_TIMEOUT, capture_output=True
            )
            if ran.returncode:
                raise OSError(f"exit status {ran.returncode}: {last_error_lines(ran.stderr)}")
    except (OSError, ValueError, subprocess.SubprocessError, urllib.error.URLError) as error:
        name = hook.webhook or hook.command[0]
        log.error(
            "hook failed", extra={"facts": {"hook": name, "job": done.job, "error": str(error)[:MAX_OUTPUT_CHARS]}}
        )


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, event, and the event's own facts."""

    def format(self, record: logging.LogRecord) -> str:
        moment = iso(datetime.fromtimestamp(record.created, UTC))
        facts = getattr(record, "facts", {})
        return json.dumps(
            {"time": moment, "level": record.levelname.lower(), "event": record.getMessage(), **facts}, default=str
        )


class TextFormatter(logging.Formatter):
    """The same for people: facts as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        moment = f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%d %H:%M:%S}"
        facts = getattr(record, "facts", {})
        words = [f"{key}={value}" for key, value in facts.items() if value not in (None, {}, "")]
        return " ".join([moment, record.levelname.lower(), record.getMessage(), *words])


def serve(service: Service, *, once: bool = False, json_lines: bool = False) -> None:
    """Runs a service with its signals and its log on stderr. Raises ServiceRuns."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if json_lines else TextFormatter())
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    before: list[tuple[signal.Signals, Callable[[int, FrameType | None], Any] | int | None]] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        before.append((number, signal.signal(number, service.stop)))
    try:
        service.run(once=once)
    finally:
        for number, handled in before:
            signal.signal(number, handled)

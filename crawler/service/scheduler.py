"""The service: runs the configured jobs when they are due, one at a time, and catches up after a pause.

Each job is a process of its own: a crawl that crashes does not take the service with it, its memory returns to the
system, and SIGTERM stops it as it stops any crawl. All jobs share one thread, so two never run at once, and a job that
becomes due while another runs waits for it. Visits of repos that the Hub's webhook reported have a thread of their own
(crawler.service.visits). A job that was missed (the machine slept, the service was down) runs once
on return, however often it was missed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job as ScheduledJob
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger
from cronsim import CronSim

from analysis.units import iso
from crawler.errors import ServiceAlreadyRunning
from crawler.service.clock import ClockWatch
from crawler.service.config import VISITS, Job, ServiceConfig
from crawler.service.health import health_routes
from crawler.service.health_server import HealthServer
from crawler.service.hooks import JobResult, last_error_lines, run_hook
from crawler.service.logging import configure_log, log
from crawler.service.run_process import Processes
from crawler.service.state import JobState, Outcome, State, read_state, utc_now_iso, write_state
from crawler.service.visits import Visits
from crawler.service.watches import has_watches
from crawler.service.webhook import PATH, WebhookServer, read_secret
from db.processes import is_running, start_time
from db.reported import reports_file
from db.secret_url import reveal
from db.sqlite_file import sqlite_path

HEARTBEAT_INTERVAL_SECONDS = 30.0
"""Time between two signs of life in the health file."""

WRITERS = frozenset(("crawl", "db", "relabel"))
"""Commands that write the catalog, and on SQLite must do it alone."""

JOB_STATUSES = (1, 2, 3, 4)
"""Exit statuses of this program's commands that fail; others are those of signals."""

WATCHES_TIMEOUT = timedelta(minutes=30)
"""How long the watches may take after a crawl."""


class CronTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """The times of a cron expression (crawler.service.config.parse_cron) in UTC, each up to `jitter` seconds later."""

    def __init__(self, expression: str, jitter: int | None = None) -> None:
        self.expression, self.jitter = expression, jitter

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        after = previous_fire_time or now - timedelta(microseconds=1)  # CronSim gives times after, and now is one too
        found: datetime | None = self._apply_jitter(next(CronSim(self.expression, after), None), self.jitter, now)
        return found


def make_trigger(job: Job) -> BaseTrigger | None:
    """When a job starts by itself; None for one that follows other jobs."""
    jitter = int(job.jitter.total_seconds()) or None
    if job.every is not None:
        return IntervalTrigger(seconds=int(job.every.total_seconds()), jitter=jitter, timezone=UTC)
    return CronTrigger(job.cron, jitter) if job.cron is not None else None


def first_run_time(job: Job, trigger: BaseTrigger, last: datetime | None, now: datetime) -> datetime:
    """When a job runs first after the service starts: at once if it never ran or was missed, otherwise when due.

    `last` is when the job's last success began. One in the future is from a time when the clock was ahead (or it is
    behind now) and says nothing: the job must not wait until then.
    """
    if last is None or last > now:
        return now
    due: datetime | None = (
        last + job.every if job.every is not None else trigger.get_next_fire_time(None, last + timedelta(seconds=1))
    )
    return now if due is None or due <= now else due


class Service:
    """Runs the jobs of a configuration. `run` blocks until `stop`, which a signal calls.

    Args:
        config: the jobs, their hooks and the catalog.
        last_crawls: when the last complete crawl of each kind began, started by the service or by a user.
        clock: notices that the machine's clock was set.
        heartbeat_interval: seconds between two signs of life.
    """

    def __init__(
        self,
        config: ServiceConfig,
        *,
        last_crawls: Mapping[str, datetime] | None = None,
        clock: ClockWatch | None = None,
        heartbeat_interval: float = HEARTBEAT_INTERVAL_SECONDS,
    ) -> None:
        self.config = config
        self.last_crawls = last_crawls or {}
        self._clock = clock or ClockWatch()
        self._heartbeat_interval = heartbeat_interval
        self._state = read_state(config.state)
        self._lock = threading.Lock()
        self._processes = Processes(config.db, config.state.parent)
        self._failures: list[int] = []  # exit statuses of what failed, in order
        self._has_ended = threading.Event()  # no sign of life is given any longer
        self._writing = (
            threading.Lock() if sqlite_path(config.db) is not None else None
        )  # held by who writes the catalog
        self._visits = (
            None
            if config.webhook is None
            else Visits(
                reports_file(config.db),
                self._run_with_hooks,
                self._writing,
                include_private=config.webhook.include_private,
            )
        )
        self._stopping = threading.Event()
        self._scheduler = BlockingScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def run(self, *, once: bool = False) -> int:
        """Runs jobs until it is stopped; `once` runs each job that is due now and returns the exit status of the first
        that failed (1 where that is none of this program's), 0 where all succeeded or none was due.

        Raises ServiceAlreadyRunning where another process runs the same configuration, and PortUnavailable.
        """
        if self._state.is_alive() and self._state.pid != os.getpid() and is_running(self._state.pid, self._state.born):
            raise ServiceAlreadyRunning(str(self.config.state), self._state.pid)
        now = datetime.now(UTC)
        names = [*self.config.jobs, *([VISITS] if self._visits else [])]
        jobs = {name: replace(self._state.jobs.get(name, JobState()), running=False) for name in names}
        initial = State(os.getpid(), start_time(os.getpid()), iso(now), iso(now), self.config.db, jobs, once=once)
        self._update_state(lambda _: initial)
        first_times = {name: self._first_time(job, now) for name, job in self.config.jobs.items()}
        if once:
            return self._run_due([self.config.jobs[name] for name, at in first_times.items() if at and at <= now])
        for name, at in first_times.items():
            if at is not None:
                job = self.config.jobs[name]
                self._scheduler.add_job(self.run_job, make_trigger(job), [job], id=name, next_run_time=at)
        with self._open_health_server() as health, self._open_webhook() as webhook:
            urls = {"health": health and health.url, "webhook": webhook and webhook.url + PATH}
            log.info("started", extra={"facts": {"jobs": list(self.config.jobs), "db": self.config.db, **urls}})
            self._start_heartbeats()
            if self._visits is not None:
                threading.Thread(target=self._visits.run_until_stopped, name="visits", daemon=True).start()
            if not self._stopping.is_set():
                self._scheduler.start()
            self._processes.wait_idle()  # the scheduler may return while it still waits for the job that it runs
            self._heartbeat()
        log.info("stopped")
        return 0

    def _run_due(self, jobs: Sequence[Job]) -> int:
        """Runs jobs one after the other, with signs of life: another run that begins meanwhile sees them."""
        self._start_heartbeats()
        for job in jobs:
            self.run_job(job)
        if self._visits is not None and not self._stopping.is_set():
            self._visits.visit_due()
        self._has_ended.set()
        if not self._failures:
            return 0
        return self._failures[0] if self._failures[0] in JOB_STATUSES else 1

    def _start_heartbeats(self) -> None:
        # A thread, not a job of the scheduler: that one sleeps until a time of a clock which may be set.
        threading.Thread(target=self._send_heartbeats, name="heartbeat", daemon=True).start()

    def stop(self, *_: object) -> None:
        """Stops the service: the running job gets SIGTERM and finishes its page. A second call kills the job."""
        is_second_call = self._stopping.is_set()
        self._stopping.set()
        if self._visits is not None:
            self._visits.stop()
        self._has_ended.set()
        self._processes.signal_all(signal.SIGKILL if is_second_call else signal.SIGTERM)
        if self._scheduler.running and not is_second_call:
            # In another thread: a signal may arrive while this very thread holds the scheduler's lock.
            threading.Thread(target=self._scheduler.shutdown, kwargs={"wait": True}, daemon=True).start()

    def run_job(self, job: Job) -> None:
        """Runs one job, its hooks, and after a success the jobs that follow it."""
        if self._stopping.is_set():
            return
        with self._writing if self._writing is not None and job.run[0] in WRITERS else nullcontext():
            if self._stopping.is_set():
                return
            result = self._run_with_hooks(job)
        if result.outcome == "done":
            for follower in self.config.jobs.values():
                if job.name in follower.after:
                    self.run_job(follower)

    def _run_with_hooks(self, job: Job) -> JobResult:
        """Runs one job and its hooks, and after a crawl the watches."""
        result = self._run_and_record(job)
        for hook in self.config.hooks:
            if job.name in hook.after:
                run_hook(hook, result)
        if job.is_crawl and result.outcome != "stopped":
            self._run_watches()
        return result

    def _run_watches(self) -> None:
        """Lets the watches look at what a crawl has found, in a process of its own; an error is logged."""
        try:
            if self._stopping.is_set() or not has_watches(reveal(self.config.db)):
                return
        except sqlite3.DatabaseError as error:
            log.error("watches can't be read", extra={"facts": {"error": str(error)}})
            return
        job = Job("watches", ("watch", "run", "--json"), max_time=WATCHES_TIMEOUT)
        with self._processes.working():
            status, _, err = self._processes.run(job)
        if status:
            self._failures.append(status)
            log.error("watches failed", extra={"facts": {"status": status, "error": last_error_lines(err)}})

    def _first_time(self, job: Job, now: datetime) -> datetime | None:
        trigger = make_trigger(job)
        if trigger is None:
            return None
        last_success = self._state.jobs.get(job.name, JobState()).last_success
        times = [datetime.fromisoformat(last_success)] if last_success else []
        if job.is_crawl:
            kind = "full" if "--full" in job.run else "incremental"
            times += [self.last_crawls[kind]] if kind in self.last_crawls else []
        past = [at for at in times if at <= now]  # the others are from when the clock was ahead
        return first_run_time(job, trigger, max(past, default=None), now)

    def _run_and_record(self, job: Job) -> JobResult:
        with self._processes.working():
            return self._record_run(job)

    def _record_run(self, job: Job) -> JobResult:
        started_at = utc_now_iso()
        before = self._state.jobs.get(job.name, JobState())
        start = {"running": True, "last_start": started_at, "runs": before.runs + 1}
        self._update_state(lambda state: state.with_job(job.name, **start))
        log.info("job started", extra={"facts": {"job": job.name, "run": job.command_line}})
        status, out, err = self._processes.run(job)
        outcome: Outcome = "stopped" if self._stopping.is_set() else "done" if status == 0 else "failed"
        detail = None if outcome == "done" else last_error_lines(err)
        result = JobResult(job.name, outcome, status, started_at, utc_now_iso(), parse_answer(out), detail)
        end: dict[str, Any] = {"running": False, "last_end": result.finished_at, "last_outcome": outcome}
        end |= {"last_status": status, "detail": detail, "errors": before.errors + 1 if outcome == "failed" else 0}
        if outcome == "done":
            end["last_success"] = started_at
        elif outcome == "failed":
            self._failures.append(status)
            end |= {"failures": before.failures + 1, "last_failure": result.finished_at}
        if isinstance(result.answer, dict) and isinstance(result.answer.get("quota"), dict):
            end["quota"] = result.answer["quota"]
        self._update_state(lambda state: state.with_job(job.name, **end))
        level = logging.INFO if outcome != "failed" else logging.ERROR
        log.log(level, "job ended", extra={"facts": result.as_dict()})
        return result

    def _update_state(self, change: Callable[[State], State]) -> None:
        """Changes the state and writes the health file; the heartbeat and the jobs call it from different threads."""
        with self._lock:
            self._state = change(self._state)
            try:
                write_state(self.config.state, self._state)
            except OSError as error:
                log.error("the health file can't be written", extra={"facts": {"error": str(error)}})

    def _send_heartbeats(self) -> None:
        while not self._stopping.is_set() and not self._has_ended.wait(self._heartbeat_interval):
            self._heartbeat()

    def _heartbeat(self) -> None:
        jump = self._clock.measure_jump()
        if jump:
            log.warning("the clock was set", extra={"facts": {"seconds": round(jump.total_seconds(), 3)}})
            if jump < timedelta(0):
                self._move_next_runs(jump)
        self._update_state(lambda state: replace(self._with_next_runs(state), alive_at=utc_now_iso()))
        if self._scheduler.running:
            self._scheduler.wakeup()  # it sleeps until a time of the clock before it was set

    def _move_next_runs(self, jump: timedelta) -> None:
        """After the clock was set back, a job waits as long as it would have waited; a cron job for its next time."""
        now = datetime.now(UTC)
        for scheduled in self._scheduled_jobs():
            if scheduled.next_run_time is None:
                continue
            is_cron = isinstance(scheduled.trigger, CronTrigger)
            at = scheduled.trigger.get_next_fire_time(None, now) if is_cron else scheduled.next_run_time + jump
            scheduled.modify(next_run_time=max(at, now))

    def _scheduled_jobs(self) -> Sequence[ScheduledJob]:
        found: Sequence[ScheduledJob] = self._scheduler.get_jobs() if self._scheduler.running else ()
        return found

    def _with_next_runs(self, state: State) -> State:
        """The state with the times at which jobs run next."""
        jobs = dict(state.jobs)
        for scheduled in self._scheduled_jobs():
            at = scheduled.next_run_time
            jobs[scheduled.id] = replace(jobs[scheduled.id], next_run=iso(at) if at else None)
        return replace(state, jobs=jobs)

    def _open_webhook(self) -> AbstractContextManager[WebhookServer | None]:
        """Raises SecretMissing, and PortUnavailable."""
        if self.config.webhook is None or self._visits is None:
            return nullcontext()
        secret = read_secret(self.config.webhook)
        return WebhookServer(self.config.webhook, secret, reports_file(self.config.db), self._visits.wake)

    def _open_health_server(self) -> AbstractContextManager[HealthServer | None]:
        if self.config.health_port is None:
            return nullcontext()
        routes = health_routes(lambda: self._with_next_runs(self._state), self.config.db)
        return HealthServer(self.config.health_port, routes)


def parse_answer(text: str) -> dict[str, Any] | list[Any]:
    """The JSON object or list that a job printed; an empty object where it printed something else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict | list) else {}


def serve(service: Service, *, once: bool = False, json_lines: bool = False) -> int:
    """Runs a service that SIGINT and SIGTERM stop, with its log on stderr; its exit status.

    Raises ServiceAlreadyRunning; with `once` a run in progress is no error, which the log states.
    """
    configure_log(json_lines=json_lines)
    before: list[tuple[signal.Signals, Callable[[int, FrameType | None], Any] | int | None]] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        before.append((number, signal.signal(number, service.stop)))
    try:
        return service.run(once=once)
    except ServiceAlreadyRunning as error:
        if not once:
            raise
        log.info("nothing done", extra={"facts": {"reason": str(error)}})
        return 0
    finally:
        for number, handler in before:
            signal.signal(number, handler)

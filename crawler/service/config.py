"""The timetable of the service: which commands run when, what follows them, and what is known of their last runs.

    db = "catalog.db"
    [jobs.incremental]            # one table a job
    every = "1h"                  # or cron = "17 3 * * sun", or after = ["another job"]
    jitter = "5m"                 # starts up to so much later, so that not everybody comes at once
    run = ["crawl", "--depth", "listing"]
    [[hooks]]                     # told after each of these jobs, as JSON
    after = ["incremental"]
    webhook = "https://example.org/hook"     # or command = ["./tell.sh"]

What happened is kept in a small JSON file, replaced as a whole, which is at once the service's health file and its
memory over a restart.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from analysis.units import iso, parse_span
from crawler.errors import ConfigError

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
JOB_KEYS = frozenset(("every", "cron", "after", "jitter", "run", "max_time"))
HOOK_KEYS = frozenset(("after", "command", "webhook"))
TOP_KEYS = frozenset(("db", "state", "jobs", "hooks"))

Outcome = Literal["done", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Job:
    """One command of this program and when it runs. Exactly one of `every`, `cron` and `after` is set."""

    name: str
    run: tuple[str, ...]  # hf-catalog's own arguments
    every: timedelta | None = None
    cron: str | None = None  # five fields; weekdays as names or as cron numbers them (0 and 7 are Sunday)
    after: tuple[str, ...] = ()
    jitter: timedelta = timedelta(0)
    max_time: timedelta | None = None  # the command is told to stop after this

    @property
    def is_crawl(self) -> bool:
        return self.run[0] == "crawl"

    @property
    def when(self) -> str:
        """When it runs, in words."""
        if self.every is not None:
            return f"every {self.every}"
        return f"cron {self.cron}" if self.cron is not None else f"after {', '.join(self.after)}"


@dataclass(frozen=True, slots=True)
class JobHook:
    """Somebody to tell: a command that reads JSON from stdin, or an address that gets it by POST."""

    after: tuple[str, ...]
    command: tuple[str, ...] = ()
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """All jobs and hooks, and the catalog that they are about."""

    db: str
    state: Path
    jobs: Mapping[str, Job]
    hooks: tuple[JobHook, ...] = ()


def read_config(path: Path) -> ServiceConfig:
    """The timetable of a TOML file; paths in it are relative to its folder. Raises BadTimetable, naming the place."""
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "", str(error)) from None
    return parse_config(data, path)


def parse_config(data: Mapping[str, Any], path: Path) -> ServiceConfig:
    """Checks a timetable's data. Raises BadTimetable."""
    _keys(data, TOP_KEYS, path, "")
    rows = data.get("jobs")
    if not isinstance(rows, dict) or not rows:
        raise ConfigError(str(path), "jobs", "there must be at least one table like [jobs.incremental]")
    jobs = {name: _job(name, row, path) for name, row in rows.items()}
    for job in jobs.values():
        _known(job.after, jobs, path, f"jobs.{job.name}")
    hooks = tuple(_hook(place, row, path) for place, row in enumerate(data.get("hooks", [])))
    for place, hook in enumerate(hooks):
        _known(hook.after, jobs, path, f"hooks[{place}]")
    _refuse_cycles(jobs, path)
    folder = path.absolute().parent
    db = data.get("db", "catalog.db")
    if not isinstance(db, str) or not db:
        raise ConfigError(str(path), "db", "must be a path or a URL")
    state = folder / str(data.get("state", f"{path.stem}.state.json"))
    return ServiceConfig(db if "://" in db else str(folder / db), state, jobs, hooks)


def _job(name: str, row: Any, path: Path) -> Job:
    place = f"jobs.{name}"
    _keys(row, JOB_KEYS, path, place)
    if sum(key in row for key in ("every", "cron", "after")) != 1:
        raise ConfigError(str(path), place, "needs one of every, cron and after")
    run = _words(row.get("run"), path, f"{place}.run")
    cron = None
    if "cron" in row:
        cron = cron_text(row["cron"]) if isinstance(row["cron"], str) else None
        if cron is None:
            raise ConfigError(
                str(path), f"{place}.cron", f"{row['cron']!r} is no line of five fields like '17 3 * * sun'"
            )
    every = _span(row, "every", path, place)
    if every is not None and every < timedelta(seconds=1):
        raise ConfigError(str(path), f"{place}.every", "must be a second at least")
    after = _words(row["after"], path, f"{place}.after") if "after" in row else ()
    jitter = _span(row, "jitter", path, place) or timedelta(0)
    return Job(name, run, every, cron, after, jitter, _span(row, "max_time", path, place))


def _hook(number: int, row: Any, path: Path) -> JobHook:
    place = f"hooks[{number}]"
    _keys(row, HOOK_KEYS, path, place)
    if ("command" in row) == ("webhook" in row):
        raise ConfigError(str(path), place, "needs one of command and webhook")
    webhook = row.get("webhook")
    if webhook is not None and not (isinstance(webhook, str) and re.match(r"https?://[^\s/]+", webhook)):
        raise ConfigError(str(path), f"{place}.webhook", f"{webhook!r} is no http address")
    command = _words(row["command"], path, f"{place}.command") if "command" in row else ()
    return JobHook(_words(row.get("after"), path, f"{place}.after"), command, webhook)


def _keys(row: Any, known: frozenset[str], path: Path, place: str) -> None:
    if not isinstance(row, dict):
        raise ConfigError(str(path), place, "must be a table")
    unknown = sorted(set(row) - known)
    if unknown:
        raise ConfigError(str(path), place, f"{unknown[0]!r} is not known here; there are {', '.join(sorted(known))}")


def _words(value: Any, path: Path, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
        raise ConfigError(str(path), place, 'must be a list of words like ["crawl", "--full"]')
    return tuple(value)


def _span(row: Mapping[str, Any], key: str, path: Path, place: str) -> timedelta | None:
    if key not in row:
        return None
    try:
        return parse_span(row[key])
    except (ValueError, AttributeError, OverflowError):
        raise ConfigError(str(path), f"{place}.{key}", f"{row[key]!r} is no span of time like 30m, 2h or 7d") from None


def _known(names: tuple[str, ...], jobs: Mapping[str, Job], path: Path, place: str) -> None:
    for name in names:
        if name not in jobs:
            raise ConfigError(str(path), f"{place}.after", f"no job is named {name!r}; there are {', '.join(jobs)}")


def _refuse_cycles(jobs: Mapping[str, Job], path: Path) -> None:
    """A job that follows itself, over however many others, would never rest."""
    for start in jobs:
        seen, open_names = set[str](), list(jobs[start].after)
        while open_names:
            name = open_names.pop()
            if name == start:
                raise ConfigError(str(path), f"jobs.{start}.after", "the job would follow itself for ever")
            if name not in seen:
                seen.add(name)
                open_names += jobs[name].after


def cron_text(text: str) -> str | None:
    """Five cron fields with weekdays as names; None for anything else.

    Cron counts weekdays from Sunday, the scheduler underneath from Monday: numbers would silently mean the day before.
    """
    fields = text.lower().split()
    if len(fields) != 5:
        return None
    days = re.sub(r"(?<![/\d])\d+", lambda day: WEEKDAYS[int(day[0])] if int(day[0]) < 8 else day[0], fields[4])
    return " ".join([*fields[:4], days])


# ---- what is known of the runs --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobState:
    """What is known of one job. Times are ISO 8601 in UTC."""

    running: bool = False
    last_start: str | None = None
    last_end: str | None = None
    last_outcome: Outcome | None = None
    last_status: int | None = None  # exit status
    last_success: str | None = None
    next_run: str | None = None
    runs: int = 0
    errors: int = 0  # in a row
    detail: str | None = None  # the last error's own words
    quota: Mapping[str, Any] | None = None  # {bucket: {"left", "of"}} as the Hub told the last crawl that said so


@dataclass(frozen=True, slots=True)
class State:
    """The health file: the service is alive where `alive_at` is of the last two minutes."""

    pid: int = 0
    born: str = ""  # what tells this process from a later one of its number
    started_at: str | None = None
    alive_at: str | None = None
    db: str = ""
    jobs: Mapping[str, JobState] = field(default_factory=dict)

    def with_job(self, name: str, **facts: Any) -> State:
        return replace(self, jobs={**self.jobs, name: replace(self.jobs.get(name, JobState()), **facts)})

    def alive(self, now: datetime | None = None) -> bool:
        if self.alive_at is None:
            return False
        return (now or datetime.now(UTC)) - datetime.fromisoformat(self.alive_at) < timedelta(minutes=2)


def read_state(path: Path) -> State:
    """The health file as it was last written; an empty state where there is none or it can't be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        jobs = {name: JobState(**row) for name, row in data.pop("jobs").items()}
        state = State(**data, jobs=jobs)
        state.alive()
        return state
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return State()


def write_state(path: Path, state: State) -> None:
    """Replaces the health file as a whole: a reader sees the old one or the new one."""
    text = json.dumps(asdict(state), indent=1)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def utc_now_iso() -> str:
    return iso(datetime.now(UTC))

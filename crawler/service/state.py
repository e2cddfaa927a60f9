"""What is known of the service's jobs: a small JSON file that is replaced as a whole.

It is the service's health file, and its memory over a restart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from analysis.units import iso
from crawler.errors import StateDamaged
from db.new_file import new_file

MAX_SILENCE = timedelta(minutes=2)
"""How old the last sign of life of a running service may be; it writes one every 30 seconds."""

OWNER_ONLY = 0o600
"""Mode of the health file: its details hold what commands print."""

MAX_STATE_BYTES = 10_000_000
"""Size of a health file; a job takes about 3 kB."""

Outcome = Literal["done", "failed", "stopped"]


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
    errors: int = 0  # failures in a row
    failures: int = 0  # failures in all
    last_failure: str | None = None
    detail: str | None = None  # the last error message
    quota: Mapping[str, Any] | None = None  # {bucket: {"left", "of"}} as the Hub reported it to the last crawl


@dataclass(frozen=True, slots=True)
class State:
    """The contents of the health file."""

    pid: int = 0
    born: str = ""  # when that process started (db.processes.start_time): process ids are used again
    started_at: str | None = None
    alive_at: str | None = None
    db: str = ""
    jobs: Mapping[str, JobState] = field(default_factory=dict)
    once: bool = False  # `--once`: it ends, and another one is started by cron

    def with_job(self, name: str, **changes: Any) -> State:
        """This state with changed fields of one job."""
        return replace(self, jobs={**self.jobs, name: replace(self.jobs.get(name, JobState()), **changes)})

    def is_alive(self, now: datetime | None = None) -> bool:
        """Whether the service gave a sign of life in the last two minutes. One of the future, from before the clock
        was set back, counts as none."""
        if self.alive_at is None:
            return False
        return abs((now or datetime.now(UTC)) - datetime.fromisoformat(self.alive_at)) < MAX_SILENCE


def read_state(path: Path) -> State:
    """The health file as it was last written; an empty state where there is none. Raises StateDamaged."""
    if path.exists() and not path.is_file():  # a pipe would never end
        raise StateDamaged(str(path), "it is no file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_STATE_BYTES + 1)
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise StateDamaged(str(path), error.strerror or str(error)) from None
    if len(data) > MAX_STATE_BYTES:
        raise StateDamaged(str(path), f"it has more than {MAX_STATE_BYTES:,} bytes")
    try:
        return parse_state(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise StateDamaged(str(path), str(error)) from None


def parse_state(data: Any) -> State:
    """The state that `write_state` wrote. Raises ValueError, naming the place, for anything else."""
    rows = data.get("jobs") if isinstance(data, dict) else None
    if not isinstance(rows, dict):
        raise ValueError("it has no table of jobs")
    for name, row in rows.items():
        check_values(row, JOB_CHECKS, f"jobs.{name}")
    check_values({key: value for key, value in data.items() if key != "jobs"}, STATE_CHECKS, "the service")
    return State(**{**data, "jobs": {name: JobState(**row) for name, row in rows.items()}})


def check_values(row: Any, checks: Mapping[str, Callable[[Any], bool]], place: str) -> None:
    """Raises ValueError for an unknown key, and for a value that its check does not accept."""
    if not isinstance(row, dict):
        raise ValueError(f"{place} is not a table")
    for key, value in row.items():
        if key not in checks or not checks[key](value):
            raise ValueError(f"{place}.{key} is not what this version writes")


def is_time(value: Any) -> bool:
    """Whether it is None, or a time in ISO 8601 with its zone."""
    try:
        return value is None or datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def is_text(value: Any) -> bool:
    return isinstance(value, str)


STATE_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "pid": is_count, "born": is_text, "started_at": is_time, "alive_at": is_time, "db": is_text,
    "once": lambda value: isinstance(value, bool),
}  # fmt: skip
JOB_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "running": lambda value: isinstance(value, bool),
    "last_start": is_time,
    "last_end": is_time,
    "last_outcome": lambda value: value is None or value in get_args(Outcome),
    "last_status": lambda value: value is None or type(value) is int,  # negative: the number of a signal
    "last_success": is_time,
    "next_run": is_time,
    "runs": is_count,
    "errors": is_count,
    "failures": is_count,
    "last_failure": is_time,
    "detail": lambda value: value is None or is_text(value),
    "quota": lambda value: value is None or isinstance(value, dict),
}
"""What each key of the file may hold."""


def write_state(path: Path, state: State) -> None:
    """Replaces the health file as a whole: a reader sees the old one or the new one. Raises OSError."""
    with new_file(path) as draft:
        draft.touch(OWNER_ONLY)
        draft.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")


def utc_now_iso() -> str:
    return iso(datetime.now(UTC))

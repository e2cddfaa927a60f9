"""What is known of the service's jobs: a small JSON file that is replaced as a whole.

It is the service's health file, and its memory over a restart.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from analysis.units import iso

MAX_SILENCE = timedelta(minutes=2)
"""How old the last sign of life of a running service may be; it writes one every 30 seconds."""

OWNER_ONLY = 0o600
"""Mode of the health file: its details hold what commands print."""

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
    """The health file as it was last written; an empty state where it is missing or can't be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        jobs = {name: JobState(**row) for name, row in data.pop("jobs").items()}
        state = State(**data, jobs=jobs)
        state.is_alive()  # raises where alive_at is not a time
        return state
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return State()


def write_state(path: Path, state: State) -> None:
    """Replaces the health file as a whole: a reader sees the old one or the new one. Raises OSError."""
    text = json.dumps(asdict(state), indent=1)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(
        os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY), "w", encoding="utf-8"
    ) as file:
        os.fchmod(file.fileno(), OWNER_ONLY)  # the mode above is not that of a file that exists
        file.write(text)
    temporary.replace(path)


def utc_now_iso() -> str:
    return iso(datetime.now(UTC))

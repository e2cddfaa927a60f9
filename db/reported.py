"""Repos that the Hub's webhook reported as changed, until they have been visited.

A SQLite file of its own beside the catalog, so that a report is stored at once, whatever holds the catalog. A report is
on the disk before the Hub gets its answer, and stays until its visit is stored: a process that is killed loses none.
Reports of one repo are one row: whatever happened to it, it is visited once.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from db.beside import file_beside
from db.record_base import RepoType

BUSY_SECONDS = 5.0

MAX_REPORTS = 100_000
"""Repos that wait to be visited; reports of further ones are refused. A row takes about 150 bytes."""

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)

SCHEMA = """
create table if not exists reported (
    type text not null, repo_id text not null, token text not null, received_at text not null,
    attempts integer not null default 0, next_visit_at text not null,
    primary key (type, repo_id)
) strict, without rowid;
"""


@dataclass(frozen=True, slots=True)
class Report:
    """A repo that is to be visited. `token` is new with each report of it; `attempts` are visits that failed."""

    type: RepoType
    repo_id: str
    token: str
    attempts: int


def reports_file(db: str) -> Path:
    """The file of the reports of a catalog."""
    return file_beside(db, "reports")


class ReportedRepos:
    """The file of reports; a context manager for one thread. Raises sqlite3.DatabaseError where it can't be used."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        self._connection.execute("pragma synchronous = full")
        self._connection.executescript(SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def add(self, type_: RepoType, repo_id: str, now: datetime, due: datetime) -> bool:
        """Stores a report, to be visited at `due`; on the disk when this returns. False where there are too many."""
        sql = (
            "insert into reported (type, repo_id, token, received_at, next_visit_at) values (?, ?, ?, ?, ?)"
            " on conflict (type, repo_id) do update set token = excluded.token, received_at = excluded.received_at,"
            " attempts = 0, next_visit_at = min(next_visit_at, excluded.next_visit_at)"
        )
        if self.count() >= MAX_REPORTS:
            return False
        self._connection.execute(sql, (type_, repo_id, secrets.token_hex(8), iso(now), iso(due)))
        return True

    def due(self, type_: RepoType, now: datetime, limit: int) -> list[Report]:
        """Reports of this type whose time has come, the oldest first."""
        sql = (
            "select type, repo_id, token, attempts from reported where type = ? and next_visit_at <= ?"
            " order by received_at, repo_id limit ?"
        )
        return [Report(*row) for row in self._connection.execute(sql, (type_, iso(now), limit))]

    def due_types(self, now: datetime) -> list[RepoType]:
        """Types of which a report is due."""
        sql = "select distinct type from reported where next_visit_at <= ? order by type desc"
        return [type_ for (type_,) in self._connection.execute(sql, (iso(now),))]

    def next_due(self) -> datetime | None:
        """When the first report is due; None without any."""
        found = self._connection.execute("select min(next_visit_at) from reported").fetchone()
        first: str | None = found[0]
        return None if first is None else datetime.fromisoformat(first)

    def count(self) -> int:
        found = self._connection.execute("select count(*) from reported").fetchone()
        return int(found[0])

    def remove(self, report: Report) -> None:
        """Forgets a report whose visit is stored, unless the repo was reported again meanwhile."""
        sql = "delete from reported where type = ? and repo_id = ? and token = ?"
        self._connection.execute(sql, (report.type, report.repo_id, report.token))

    def postpone(self, report: Report, due: datetime) -> None:
        """The repo is visited again at `due`, unless it was reported again meanwhile."""
        sql = (
            "update reported set attempts = attempts + 1, next_visit_at = ? where type = ? and repo_id = ?"
            " and token = ?"
        )
        self._connection.execute(sql, (iso(due), report.type, report.repo_id, report.token))


def retry_time(report: Report, now: datetime) -> datetime:
    """When a repo is visited again whose visit failed: each time twice as late, at most LONGEST_RETRY."""
    return now + min(FIRST_RETRY * (1 << min(report.attempts, 16)), LONGEST_RETRY)


def iso(moment: datetime) -> str:
    """A time in UTC with microseconds, which sorts as time does."""
    return moment.isoformat(timespec="microseconds")

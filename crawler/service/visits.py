"""When the repos that the Hub's webhook reported are visited: as soon as they are due and the catalog is free.

A crawl that runs visits them itself between its pages (crawler.visit_reported). On SQLite one process writes a catalog;
so a visit waits for a job that does, and such a job for a visit. On PostgreSQL they run side by side.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crawler.service.config import VISITS, Job
from crawler.service.hooks import JobResult
from crawler.service.logging import log
from db.record_base import RepoType
from db.reported import ReportedRepos

MAX_IDLE_SECONDS = 30.0
"""How long nothing is looked at where nothing was reported."""

BUSY_SECONDS = 1.0
"""Until the next look, where the catalog is in use."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0
"""Until the next try after visits failed as a whole: the Hub is away, or another process holds the catalog."""

VISITS_TIMEOUT = timedelta(minutes=30)


class Visits:
    """The thread that visits reported repos.

    Args:
        file: of the reports.
        run: runs a job with its hooks, and says how it ended.
        writing: held by the writer of the catalog; None where several may.
        include_private: also private repos that the token can read.
    """

    def __init__(
        self, file: Path, run: Callable[[Job], JobResult], writing: threading.Lock | None, *, include_private: bool
    ) -> None:
        self._file, self._run, self._writing = file, run, writing
        self._options = ("--include-private",) if include_private else ()
        self._reported, self._stopped = threading.Event(), threading.Event()

    def wake(self) -> None:
        """Says that a repo was reported."""
        self._reported.set()

    def stop(self) -> None:
        self._stopped.set()
        self._reported.set()

    def run_until_stopped(self) -> None:
        pause, failures = 0.0, 0
        while True:
            self._reported.wait(pause)
            if self._stopped.is_set():
                return
            self._reported.clear()
            try:
                results = self.visit_due()
                pause = self._seconds_to_next()
            except sqlite3.DatabaseError as error:
                log.error("reports can't be read", extra={"facts": {"error": str(error)}})
                results, pause = [], LONGEST_PAUSE_SECONDS
            if any(each.outcome == "failed" for each in results):
                failures += 1
                self._stopped.wait(min(FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 10), LONGEST_PAUSE_SECONDS))
            elif results:
                failures = 0

    def visit_due(self) -> list[JobResult]:
        """Visits what is due, a process for each type; nothing where the catalog is in use."""
        if not self._file.is_file():
            return []
        with ReportedRepos(self._file) as reports:
            types = reports.due_types(datetime.now(UTC))
        if not types or (self._writing is not None and not self._writing.acquire(blocking=False)):
            return []
        try:
            return [self._run(self._job(type_)) for type_ in types if not self._stopped.is_set()]
        finally:
            if self._writing is not None:
                self._writing.release()

    def _job(self, type_: RepoType) -> Job:
        command = ("crawl", "--reported", "--type", type_, *self._options, "--json")
        return Job(VISITS, command, max_time=VISITS_TIMEOUT)

    def _seconds_to_next(self) -> float:
        """Until a report is due, BUSY_SECONDS at least; MAX_IDLE_SECONDS at most."""
        if not self._file.is_file():
            return MAX_IDLE_SECONDS
        with ReportedRepos(self._file) as reports:
            due = reports.next_due()
        left = MAX_IDLE_SECONDS if due is None else (due - datetime.now(UTC)).total_seconds()
        return min(max(left, BUSY_SECONDS), MAX_IDLE_SECONDS)

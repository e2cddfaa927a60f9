"""Jobs as processes: started with the service's catalog, ended by a signal or after their time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from crawler.child_process import WEBHOOK_SECRET
from crawler.service.config import Job
from db.secret_url import reveal

TERMINATE_TIMEOUT_SECONDS = 120.0
"""How long a job may take to end after SIGTERM before it is killed."""


class Processes:
    """The jobs that run now. `signal_all` and `wait_idle` may be called from any thread.

    Args:
        db: the catalog of the jobs.
        folder: where they run; paths in the configuration are relative to it.
    """

    def __init__(self, db: str, folder: Path) -> None:
        self._db, self._folder = db, folder
        self._children: set[subprocess.Popen[str]] = set()
        self._stopping = False
        self._working = 0
        self._changed = threading.Condition()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work that `wait_idle` waits for."""
        with self._changed:
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def wait_idle(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._working == 0)

    def signal_all(self, number: signal.Signals) -> None:
        """Sends a signal to all that run, and SIGTERM to what is started later. Takes no lock: a signal's handler may
        call it."""
        self._stopping = True
        for child in list(self._children):
            with suppress(OSError):
                child.send_signal(number)

    def run(self, job: Job) -> tuple[int, str, str]:
        """Runs a job's command; its exit status, stdout and stderr."""
        # -P: the working directory is the user's, and nothing in it is to be imported.
        command = [sys.executable, "-P", "-m", "crawler.cli", *job.run]
        environment = {name: value for name, value in os.environ.items() if name != WEBHOOK_SECRET}
        try:
            # A session of its own: Ctrl-C in the terminal reaches the service alone, which passes it on once.
            child = subprocess.Popen(
                command,
                env={**environment, "HF_CATALOG_DB": reveal(self._db)},
                cwd=self._folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            return 127, "", str(error)
        self._children.add(child)
        if self._stopping:
            child.send_signal(signal.SIGTERM)
        try:
            return wait(child, job.max_time)
        finally:
            self._children.discard(child)


def wait(child: subprocess.Popen[str], max_time: timedelta | None) -> tuple[int, str, str]:
    """Waits for a process; after `max_time` it gets SIGTERM, and is killed if that does not end it."""
    try:
        out, err = child.communicate(timeout=max_time.total_seconds() if max_time else None)
    except subprocess.TimeoutExpired:
        child.terminate()
        try:
            out, err = child.communicate(timeout=TERMINATE_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
    return child.returncode, out, err

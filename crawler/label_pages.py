"""Labels for the pages of a listing, made elsewhere while this process stores the page before.

Labels are a third of a listing's work, and one Python uses one core. So a long listing is labelled by a second
process, or by the workers of a cluster where there is one. Without either, or if the process dies, they are made here.

The process is this module, run by itself with one end of a pipe (crawler/child_process.py).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from analysis.labels.resolve import label_repo, label_repo_and_artifacts
from crawler.child_process import start_python
from crawler.execute.gc_tuning import tuned_gc
from db.derive.record import derived
from db.labels import Labels
from db.records import DerivedValues, Labelled, ListingPosition, Page, RepoRecord, Skipped

if TYPE_CHECKING:
    from db.read.load import Relabelled, StoredRepo

MIN_REPOS_FOR_PROCESS = 1_000
"""Repos of a listing after which the process is started: it takes longer to start than to label fewer."""

READY_POLL_SECONDS = 0.0
"""How long a page waits for a process that is still starting, before it is labelled here."""

MAX_ERROR_CHARS = 200

NO_LABELS = Labelled(Labels(), ())
"""Of a dataset or a space: labels are of models."""


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """For each repo of a page its labels and the values that are stored beside it.

    `bugs` are messages about repos whose labels could not be made; such a repo is stored without any.
    """

    labels: tuple[Labelled, ...]
    derived: tuple[DerivedValues, ...]
    bugs: tuple[str, ...]


def label_repos(repos: Sequence[RepoRecord]) -> LabelledPage:
    """Labels each repo by what the listing says of it. An error in one repo does not end a listing of millions."""
    labels, bugs = [], []
    for repo in repos:
        try:
            labels.append(label_repo(repo) if repo.type == "model" else NO_LABELS)
        except Exception as error:
            labels.append(NO_LABELS)
            message = f"{repo.repo_id} has no labels, internal error: {type(error).__name__}: {error}"
            bugs.append(message[:MAX_ERROR_CHARS])
    more = tuple(derived(repo, labelled.labels) for repo, labelled in zip(repos, labels, strict=True))
    return LabelledPage(tuple(labels), more, tuple(bugs))


def build_page(
    repos: Sequence[RepoRecord],
    labelled: LabelledPage,
    skipped: tuple[Skipped, ...] = (),
    position: ListingPosition | None = None,
    *,
    thin: bool = False,
    known: tuple[RepoRecord, ...] = (),
) -> Page:
    """A page that is ready to be stored."""
    return Page(tuple(zip(repos, labelled.labels, strict=True)), skipped, position, thin, labelled.derived, known)


def relabel_repo(stored: StoredRepo) -> Relabelled:
    """A stored repo with new labels, from what the catalog holds of it."""
    from db.read.load import Relabelled  # here, since the labelling process needs no database

    return Relabelled(stored, *label_repo_and_artifacts(stored.record, stored.artifacts, stored.headers))


class PageLabeller:
    """Labels pages one after the other; the result of each must be taken before the next is submitted.

    Args:
        executor: labels all pages; None for a process that is started when the listing has become long.
    """

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor
        self._repos = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._is_ready = False
        self._failed = (os.cpu_count() or 1) < 2  # no process, or not any more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end_process()

    def submit(self, repos: Sequence[RepoRecord]) -> Callable[[], LabelledPage]:
        """Starts to label a page; the function that is returned waits for the labels."""
        if not repos:
            return lambda: LabelledPage((), (), ())
        if self._executor is not None:
            return self._executor.submit(label_repos, repos).result
        self._repos += len(repos)
        if self._process is None and not self._failed and self._repos >= MIN_REPOS_FOR_PROCESS:
            self._start_process()
        try:
            if self._connection is not None and self._process_is_ready(self._connection):
                send(self._connection, repos)
                return lambda: self._receive_labels(repos)
        except (EOFError, OSError):
            self._end_process()
        return lambda: label_repos(repos)

    def _start_process(self) -> None:
        try:
            self._process, self._connection = start_python(["-m", "crawler.label_pages"])
        except (OSError, ValueError):
            self._failed = True

    def _process_is_ready(self, connection: Connection[Any, Any]) -> bool:
        """Whether the process has sent its first message. Raises EOFError and OSError where it has died."""
        if not self._is_ready and connection.poll(READY_POLL_SECONDS):
            connection.recv_bytes()
            self._is_ready = True
        return self._is_ready

    def _receive_labels(self, repos: Sequence[RepoRecord]) -> LabelledPage:
        try:
            assert self._connection is not None
            page = receive(self._connection)
            if isinstance(page, LabelledPage):
                return page
        except Exception:  # it died while it sent, of which pickle tells in many ways
            pass
        self._end_process()
        return label_repos(repos)

    def _end_process(self) -> None:
        """Ends the process for good: one that died is not started again."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process, self._connection, self._failed = None, None, True


def send(connection: Connection[Any, Any], value: object) -> None:
    """Sends a value. Connection.send does the same with a pickler that is slower for many small objects."""
    connection.send_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def receive(connection: Connection[Any, Any]) -> Any:
    """Receives what `send` sent. Raises EOFError where the other end is closed."""
    return pickle.loads(connection.recv_bytes())  # noqa: S301  # from a process of our own


def label_received_pages(connection: Connection[Any, Any]) -> None:
    """Labels each page that arrives and sends the labels back, until the other end is closed."""
    with tuned_gc(), suppress(EOFError, OSError):
        connection.send_bytes(b"ready")
        while True:
            send(connection, label_repos(receive(connection)))


if __name__ == "__main__":
    from crawler import label_pages  # not __main__: its classes must be those that the other process unpickles

    label_pages.label_received_pages(Connection(int(sys.argv[1])))

"""Labels for the pages of a long listing, made by a process of their own while this one stores the page before.

They are a third of a listing's work, and one Python uses one core. The process is this module run by itself: pages come
in by its standard input, their labels, and what else is worked out of a repo before it is stored, go out by its
standard output. It ends when its input does, so that none outlives a crawl that is killed. Where it can't be had, or
dies, labels are made here.
"""

from __future__ import annotations

import os
import pickle
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from analysis.labels.resolve import label_repo, label_repo_and_artifacts
from crawler.execute.environment import without_token
from db.derive.record import derived
from db.labels import Labels
from db.records import DerivedValues, Labelled, Page, RepoRecord, Skipped

if TYPE_CHECKING:
    from db.read.load import Relabelled, StoredRepo

MIN_REPOS_FOR_PROCESS = 1_000
"""Repos of a walk after which the process is started: a short walk needs none."""

READY = b"ready\n"
"""The first word of the process."""

READY_POLL_SECONDS = 0.0
"""Seconds that a page waits for that word."""


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """Of each repo of a page its labels and what else its rows hold; `bugs` tells of those that got no labels."""

    labels: tuple[Labelled, ...]
    derived: tuple[DerivedValues, ...]
    bugs: tuple[str, ...]


def label_repos(repos: Sequence[RepoRecord]) -> LabelledPage:
    """The labels that a listing tells. A repo that trips them must not end a walk of millions."""
    labels, bugs = [], []
    for repo in repos:
        try:
            labels.append(label_repo(repo))
        except Exception as error:
            labels.append(Labelled(Labels(), ()))
            bugs.append(f"{repo.repo_id} has no labels, by a bug: {type(error).__name__}: {error}"[:200])
    more = tuple(derived(repo, labelled.labels) for repo, labelled in zip(repos, labels, strict=True))
    return LabelledPage(tuple(labels), more, tuple(bugs))


def build_page(
    repos: Sequence[RepoRecord],
    labelled: LabelledPage,
    skipped: tuple[Skipped, ...] = (),
    cursor: str | None = None,
    *,
    thin: bool = False,
) -> Page:
    """A page that is ready to be stored."""
    return Page(tuple(zip(repos, labelled.labels, strict=True)), skipped, cursor, thin, labelled.derived)


def relabel_repo(stored: StoredRepo) -> Relabelled:
    """A stored repo with new labels, from what the catalog holds of it."""
    from db.read.load import Relabelled  # here, since the labelling process needs no database

    return Relabelled(stored, *label_repo_and_artifacts(stored.record, stored.artifacts, stored.headers))


class PageLabeller:
    """Labels pages one after the other; each is to be taken before the next is begun."""

    def __init__(self) -> None:
        self._repos = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = False
        self._alone = (os.cpu_count() or 1) < 2

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end()

    def submit(self, repos: Sequence[RepoRecord]) -> Callable[[], LabelledPage]:
        """Begins to label a page; what it returns waits for the labels."""
        self._repos += len(repos)
        if self._process is None and not self._alone and self._repos >= MIN_REPOS_FOR_PROCESS:
            self._start()
        if not self._ready() or not self._send(repos):
            return lambda: label_repos(repos)
        return lambda: self._taken(repos)

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crawler.label_pages"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the crawl, which ends it
                env=without_token(),
            )
        except OSError:
            self._alone = True

    def _ready(self) -> bool:
        """Whether the process has said that it is there: until it does, nothing waits for it."""
        if self._process is None or self._heard:
            return self._heard
        with suppress(OSError):  # of systems that look at no pipe: they wait
            if not select.select([self._output], [], [], READY_POLL_SECONDS)[0]:
                return False
        self._heard = self._output.read(len(READY)) == READY
        if not self._heard:
            self._end()
        return self._heard

    def _send(self, repos: Sequence[RepoRecord]) -> bool:
        try:
            pickle.dump(repos, self._input, pickle.HIGHEST_PROTOCOL)
            self._input.flush()
        except OSError:
            self._end()
            return False
        return True

    def _taken(self, repos: Sequence[RepoRecord]) -> LabelledPage:
        try:
            return LabelledPage(*pickle.load(self._output))  # noqa: S301  # from our own process
        except Exception:  # it died in the middle of a word: pickle tells of that in many ways
            self._end()
            return label_repos(repos)

    @property
    def _input(self) -> IO[bytes]:
        assert self._process is not None and self._process.stdin is not None
        return self._process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout

    def _end(self) -> None:
        """For good: what died once is not started again."""
        if self._process is not None:
            self._process.kill()
            with suppress(OSError):
                self._input.close()
            self._output.close()
            self._process.wait()
        self._process, self._heard, self._alone = None, False, True


def main() -> None:
    """Labels the pages that come in until there are no more."""
    from crawler.execute.gc_tuning import tuned_gc

    # Not sys.stdout.buffer: PYTHONUNBUFFERED takes the buffer away, which sees to it that a write that a signal or a
    # machine's sleep cuts short is gone on with.
    taken, given = sys.stdin.buffer, open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115
    with tuned_gc(), suppress(EOFError, BrokenPipeError):
        given.write(READY)
        given.flush()
        while True:
            made = label_repos(pickle.load(taken))  # noqa: S301  # from the crawl
            pickle.dump((made.labels, made.derived, made.bugs), given, pickle.HIGHEST_PROTOCOL)
            given.flush()


if __name__ == "__main__":
    main()

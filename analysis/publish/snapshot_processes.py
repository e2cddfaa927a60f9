"""Processes that write the tables and views of a snapshot together, all of the same moment of a SQLite catalog.

Each reads in a transaction of its own. They show the same moment because nothing was committed between the start of
the first and of the last one, which `pragma data_version` of one more connection tells; else they start again.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from analysis.publish.arrow_reader import ArrowReader
from analysis.publish.snapshot_files import Written
from analysis.publish.snapshot_rows import Reader
from analysis.publish.snapshot_writer import SnapshotWriter
from analysis.query.reader import CatalogReader
from analysis.units import MIB
from db.processes import end_with_parent
from db.sqlite_file import connect

MIN_BYTES = 64 * MIB
"""A smaller catalog is written before another process has started."""

MAX_PROCESSES = 4
"""More would only wait for the longest table."""

MAX_STARTS = 50
"""How often a moment is sought in which nothing is committed, between two pages of a crawl."""


def processes_for(path: Path | None) -> int:
    """How many processes write a snapshot of the SQLite catalog at `path`; one for a catalog on PostgreSQL."""
    if path is None or path.stat().st_size < MIN_BYTES:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_PROCESSES)


@dataclass(slots=True, eq=False)
class Helper:
    """A process that answers `begin`, and then writes the tables and views that it is asked for."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, path: Path, draft: Path, earlier: Path) -> Helper:
        """Raises OSError where the system can start none."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the process that started it
            env={name: value for name, value in os.environ.items() if "TOKEN" not in name},
        )
        helper = cls(process)
        helper.ask((str(path), str(draft), str(earlier)))
        return helper

    def ask(self, question: Any) -> Any:
        """The answer of the process; None where it failed or has ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            pickle.dump(question, self.process.stdin)
            self.process.stdin.flush()
            return pickle.load(self.process.stdout)  # noqa: S301  # of our own process
        except (OSError, EOFError, pickle.UnpicklingError):
            return None

    def end(self) -> None:
        """Kills the process: it has nothing to lose."""
        self.process.kill()
        self.process.communicate()


@dataclass(slots=True)
class Work:
    """The names that nobody writes yet, those where a helper failed, and the results, with a None of each helper that
    has ended."""

    names: deque[str]
    failed: deque[str] = field(default_factory=deque)
    done: SimpleQueue[Written | None] = field(default_factory=SimpleQueue)

    def take(self) -> str | None:
        """The next name; None where there is none."""
        try:
            return self.names.popleft()
        except IndexError:
            return None

    def let(self, helper: Helper) -> None:
        """Has a helper write until nothing is left or it fails."""
        written: Written | None = None
        while (name := self.take()) is not None:
            written = helper.ask(name)
            if written is None:
                self.failed.append(name)
                break
            self.done.put(written)
        self.done.put(None)


def write_together(
    writer: SnapshotWriter, helpers: Sequence[Helper], discard: Callable[[str], None]
) -> Iterator[Written]:
    """Writes every table and view in the helpers; what they could not write, and all without any, is written here.

    `discard` removes what there is of a table. Raises what writing raises here.
    """
    work = Work(deque(writer.names()))
    threads = [threading.Thread(target=work.let, args=(helper,), daemon=True) for helper in helpers]
    for thread in threads:
        thread.start()
    running = len(threads)
    while running:
        written = work.done.get()
        if written is None:
            running -= 1
        else:
            yield written
    for name in work.failed:
        discard(name)
        yield writer.write(name)
    while (left := work.take()) is not None:
        yield writer.write(left)


@contextmanager
def open_writers(
    db: str | Path, path: Path | None, draft: Path, earlier: Path, processes: int
) -> Iterator[tuple[SnapshotWriter, Sequence[Helper]]]:
    """A writer and its helpers, who all see the same moment; `path` is the catalog's file on SQLite.

    Without helpers where the catalog is written so often that no such moment is found. Raises CatalogError.
    """
    helpers = (
        [] if path is None else [Helper.start(path, draft, earlier) for _ in range(processes if processes > 1 else 0)]
    )
    try:
        with CatalogReader(db, timeout=None, snapshot=True) as reader:
            writer = SnapshotWriter(reader, draft, earlier)
            for _ in range(MAX_STARTS if helpers and path else 0):
                assert path is not None
                if started_together(path, writer, helpers):
                    yield writer, helpers
                    return
            yield writer, ()
    finally:
        for helper in helpers:
            helper.end()


def started_together(path: Path, writer: SnapshotWriter, helpers: Sequence[Helper]) -> bool:
    """Has all begin to read; whether nothing was committed meanwhile."""
    observer = connect(path, read_only=True)
    try:
        version = observer.execute("pragma data_version").fetchone()
        writer.begin()
        if not all(helper.ask("begin") for helper in helpers):
            return False
        return bool(observer.execute("pragma data_version").fetchone() == version)
    finally:
        observer.close()


def open_reader(path: Path) -> Reader:
    """What reads fastest; the file must not be open in this process."""
    try:
        return ArrowReader(path)
    except ModuleNotFoundError:
        return CatalogReader(path, timeout=None, snapshot=True)


def main() -> None:
    """What a helper does: its first question is (catalog, draft, earlier), then `begin`, then names of tables."""
    threading.Thread(target=end_with_parent, args=(int(sys.argv[1]),), daemon=True).start()
    questions, answers = sys.stdin.buffer, sys.stdout.buffer

    def answer(value: Any) -> None:
        pickle.dump(value, answers)
        answers.flush()

    db, draft, earlier = pickle.load(questions)  # noqa: S301  # of the process that started this one
    with open_reader(Path(db)) as reader:
        writer = SnapshotWriter(reader, Path(draft), Path(earlier))
        answer(True)
        while True:
            try:
                name = pickle.load(questions)  # noqa: S301
            except EOFError:
                return
            if name == "begin":
                writer.begin()
                answer(True)
            else:
                answer(writer.write(name))


if __name__ == "__main__":
    main()

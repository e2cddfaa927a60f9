"""A user's SQL on a SQLite catalog, run by a process that is killed where it can't be interrupted.

analysis/query/process.py is what the process runs. This process forks it while it has one thread, which takes two
milliseconds, else it starts another Python, because a fork copies no other thread but the locks that they hold.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from analysis.query.channel import Channel
from analysis.query.process import ProcessLimits, QueryRequest, answer_requests, arguments_of
from analysis.query.stream import RowStream
from analysis.query.values import unique_names
from db.errors import QueryError, QueryRefused, QueryTimeout, QueryTooCostly
from db.sqlite_file import to_catalog_error

KILL_SECONDS = 1.0
"""How long after its deadline a process that does not answer is killed. SQLite itself ends most statements in time."""

STANDARD_LIMITS = ProcessLimits()


class Killable(Protocol):
    """A process: forked, or started by `subprocess`."""

    def kill(self) -> None: ...
    def wait(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ForkedProcess:
    """The process of this id, which is a child of this one."""

    pid: int

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """The exit status, or the negative number of the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def run_guarded(path: Path, request: QueryRequest, limits: ProcessLimits = STANDARD_LIMITS) -> GuardedResult:
    """The result of a statement that has a process of its own. Raises what QueryProcess.run does."""
    process = QueryProcess.start(path, limits)
    try:
        result = process.run(request)
    except BaseException:
        process.end()
        raise
    result.owns_process = True
    return result


@dataclass(slots=True, eq=False)
class QueryProcess:
    """A process that runs statements on the catalog at `path`, one after the other."""

    path: Path
    process: Killable
    channel: Channel
    is_ended: bool = field(default=False, init=False)

    @classmethod
    def start(cls, path: Path, limits: ProcessLimits) -> Self:
        """A process for one statement. Raises OSError where the system can start none."""
        if hasattr(os, "fork") and threading.active_count() == 1:
            return cls.fork(path, limits)
        return cls.spawn(path, limits)

    @classmethod
    def fork(cls, path: Path, limits: ProcessLimits) -> Self:
        request_out, request_in = os.pipe()
        answer_out, answer_in = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(request_in)
                os.close(answer_out)
                become_query_process(Channel(request_out, answer_in), path, limits, parent)
            finally:
                os._exit(1)  # never into the code of the process that was forked
        os.close(request_out)
        os.close(answer_in)
        return cls(path, ForkedProcess(pid), Channel(answer_out, request_in))

    @classmethod
    def spawn(
        cls,
        path: Path,
        limits: ProcessLimits,
        *,
        module: str = "analysis.query.process",
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """A new Python that runs `module`, which calls `process.main`."""
        import subprocess

        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments_of(path, limits)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the process that started it
            env=environment,
        )
        assert process.stdin is not None and process.stdout is not None
        channel = Channel(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))
        process.stdout.close()
        process.stdin.close()
        return cls(path, process, channel)

    def run(self, request: QueryRequest) -> GuardedResult:
        """The result of a statement, whose rows must be read to the end before the next one.

        Raises QueryRefused, QueryTimeout, QueryTooCostly, QueryError; CatalogError where the file is damaged.
        """
        deadline = None if request.seconds is None else time.monotonic() + request.seconds + KILL_SECONDS
        try:
            self.channel.send(request.to_message())
        except BrokenPipeError:
            raise self.gone(request.sql) from None
        result = GuardedResult(self, request, deadline)
        result.start()
        return result

    def gone(self, sql: str) -> QueryError:
        """The error for a process that has ended, or was ended by the system."""
        self.channel.close()
        self.is_ended = True
        return QueryTooCostly(sql, f"the process that ran it ended (status {self.process.wait()})")

    def end(self) -> None:
        """Kill the process, whatever it does: it has nothing to lose."""
        if not self.is_ended:
            self.is_ended = True
            self.channel.close()
            self.process.kill()
            self.process.wait()


def become_query_process(channel: Channel, path: Path, limits: ProcessLimits, parent: int) -> None:
    """What a forked process does: it leaves the terminal to the other one and answers requests. Does not return."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    answer_requests(channel, path, limits, parent)
    os._exit(0)


class GuardedResult(RowStream):
    """The rows that a process sends. `close` ends the process if rows are left unread, or if `owns_process`."""

    def __init__(self, process: QueryProcess, request: QueryRequest, deadline: float | None) -> None:
        self.owns_process = False
        self._process = process
        self._request = request
        self._deadline = deadline
        self._is_complete = False

    def start(self) -> None:
        """Waits for the names of the columns. Raises what the statement ends in."""
        _, names = self._receive()
        self.columns = unique_names(names)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        try:
            while not self._is_complete:
                kind, content = self._receive()
                if kind == "rows":
                    yield from map(marshal.loads, content)
                else:
                    self.truncated = content
                    self._is_complete = True
        finally:
            self.close()

    def close(self) -> None:
        if self.owns_process or not self._is_complete:
            self._process.end()

    def _receive(self) -> tuple[str, Any]:
        sql = self._request.sql
        try:
            kind, *content = self._process.channel.receive(self._deadline)
        except TimeoutError:
            self._process.end()
            raise QueryTimeout(sql, self._request.seconds or 0.0) from None
        except EOFError:
            raise self._process.gone(sql) from None
        if kind == "error":
            self._is_complete = True
            raise self._to_error(*content)
        return kind, content[0]

    def _to_error(self, kind: str, text: str) -> Exception:
        sql = self._request.sql
        match kind:
            case "timeout":
                return QueryTimeout(sql, self._request.seconds or 0.0)
            case "refused":
                return QueryRefused(sql, text)
            case "cost":
                return QueryTooCostly(sql, text)
            case "file":
                return to_catalog_error(RuntimeError(text), str(self._process.path))
            case _:
                return QueryError(sql, text)

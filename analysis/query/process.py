"""The process that runs a user's SQL on a SQLite catalog: it has limits of memory and files, and can be killed.

SQLite looks at a deadline between two steps of its virtual machine, and one step may take hours: `instr`, `like` or
`replace` of long values. Python can't end a thread, so the process that wants the rows (analysis/query/guarded.py)
kills this one. It ends by itself when the other is gone.
"""

from __future__ import annotations

import marshal
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from analysis.query.bloom_filters import refuse_wrong_plan
from analysis.query.channel import Channel
from analysis.query.guard import DEADLINE_CHECK_STEPS, FILE_ERRORS, QueryLimits, limit_connection, make_authorizer
from analysis.units import MIB
from db import sqlite_file
from db.errors import QueryRefused, QueryTimeout, QueryTooCostly
from db.processes import data_bytes, end_with_parent, limit_memory

MESSAGE_BYTES = 64 * 1024
MESSAGE_SECONDS = 0.1
"""Rows are sent when they have this size, or the first of them this age."""

Prepare = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What a process may use, in bytes; the system holds it to the last two where it can (macOS ignores `memory`)."""

    heap: int = 192 * MIB
    """What SQLite may allocate: its cache, sorters before they go to files, values while they are computed."""
    memory: int = 640 * MIB
    """All that the process may allocate beyond what it has at its start, which a fork has from the process that was
    forked: SQLite's memory and the rows on their way."""
    temporary_file: int = 16 * 1024 * MIB
    """Size of a temporary file: a sort of what is larger than memory."""


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """One statement, its values by name or by position, and its limits: seconds, rows and bytes of the result."""

    sql: str
    values: Mapping[str, Any] | Sequence[Any]
    seconds: float | None = None
    max_rows: int | None = None
    max_bytes: int | None = None

    def to_message(self) -> tuple[Any, ...]:
        return (self.sql, self.values, self.seconds, self.max_rows, self.max_bytes)


def answer_requests(
    channel: Channel, path: Path, limits: ProcessLimits, parent: int, prepare: Prepare | None = None
) -> None:
    """Runs the statement of each QueryRequest that arrives, until the other end of the channel is closed.

    The answer is `("columns", names)`, any number of `("rows", [marshalled row])` and `("end", truncated)`, or at any
    point `("error", kind, text)`, where `kind` is refused, timeout, cost, file or query. `prepare` adds functions
    to the connection. `parent` is the id of the process that started this one.
    """
    threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
    connection = sqlite_file.connect(path, read_only=True)
    connection.execute(f"pragma hard_heap_limit={limits.heap}")
    connection.execute(f"pragma soft_heap_limit={limits.heap * 3 // 4}")
    limit_process(limits)
    limit_connection(connection)
    if prepare is not None:
        prepare(connection)
    with suppress(EOFError, BrokenPipeError):
        while True:
            answer_request(channel, connection, QueryRequest(*channel.receive()))


def answer_request(channel: Channel, connection: sqlite3.Connection, request: QueryRequest) -> None:
    limits = QueryLimits(request.sql, request.seconds)
    connection.set_authorizer(make_authorizer(limits))
    connection.set_progress_handler(lambda: int(limits.is_expired()), DEADLINE_CHECK_STEPS)
    try:
        refuse_wrong_plan(connection, request.sql, request.values)
        cursor = connection.execute(request.sql, request.values)
        if cursor.description is None:
            raise QueryRefused(request.sql, "it returns no rows")
        channel.send(("columns", [entry[0] for entry in cursor.description]))
        channel.send(("end", send_rows(channel, cursor, request)))
        cursor.close()
    except BrokenPipeError:
        raise
    except Exception as error:
        channel.send(("error", *describe_error(error, limits)))


def send_rows(channel: Channel, cursor: sqlite3.Cursor, request: QueryRequest) -> bool:
    """Sends the rows; whether there were more than the request wants. Raises QueryTooCostly, and what SQLite raises."""
    rows: list[bytes] = []
    size = total = 0
    start = time.monotonic()
    for count, row in enumerate(cursor):
        if count == request.max_rows:
            channel.send(("rows", rows))
            return True
        data = marshal.dumps(row)
        rows.append(data)
        size += len(data)
        total += len(data)
        if request.max_bytes is not None and total > request.max_bytes:
            raise QueryTooCostly(request.sql, f"its result has more than {request.max_bytes // MIB} MiB")
        if size >= MESSAGE_BYTES or time.monotonic() - start >= MESSAGE_SECONDS:
            channel.send(("rows", rows))
            rows, size, start = [], 0, time.monotonic()
    channel.send(("rows", rows))
    return False


def describe_error(error: Exception, limits: QueryLimits) -> tuple[str, str]:
    """The kind and the text of an error, for the message."""
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in FILE_ERRORS:
        if error.sqlite_errorcode == sqlite3.SQLITE_IOERR_WRITE:  # nothing but a temporary file is written
            return "cost", "it needs more space for temporary files than it may use"
        return "file", str(error)
    known = limits.to_query_error(error)
    kinds = {QueryRefused: "refused", QueryTimeout: "timeout", QueryTooCostly: "cost"}
    return kinds.get(type(known), "query"), str(known)


def limit_process(limits: ProcessLimits) -> None:
    """Limits the memory and the files of this process, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.temporary_file, limits.temporary_file))
    limit_memory(data_bytes() + limits.memory)


def arguments_of(path: Path, limits: ProcessLimits) -> list[str]:
    """The arguments of `main` in a process that this one starts."""
    return [str(path.absolute()), str(os.getpid()), *map(str, astuple(limits))]


def main(prepare: Prepare | None = None) -> None:
    """Answers requests that arrive on stdin, on stdout."""
    path, parent, *limits = sys.argv[1:]
    answer_requests(Channel(0, 1), Path(path), ProcessLimits(*map(int, limits)), int(parent), prepare)


if __name__ == "__main__":
    main()

"""What one query may do and how long it may take: SQLite's authorizer and limits, the deadline on both engines."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any

from analysis.units import KIB, MIB
from db.errors import QueryError, QueryRefused, QueryTimeout, QueryTooCostly

MAX_VALUE_BYTES = 4 * MIB
"""Size of one value, and of one row of a table: a list of 100,000 repos fits; no row of a catalog comes near."""

SQLITE_LIMITS: Mapping[int, int] = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 256 * KIB,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""Limits of a connection that runs a query (https://sqlite.org/limits.html); SQLite's own are larger."""

FILE_ERRORS = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
"""Result codes of SQLite that tell of the file, whatever the statement (https://sqlite.org/rescode.html)."""

DEADLINE_CHECK_STEPS = 20_000
"""Steps of SQLite's virtual machine between two checks of the deadline, about a millisecond."""


class QueryLimits:
    """The deadline of one query, and the reason for which the authorizer refused it (`refused`), if it did."""

    def __init__(self, sql: str, timeout: float | None) -> None:
        """`timeout` in seconds; None for no limit."""
        self.sql = sql
        self.timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.refused: str | None = None

    def is_expired(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def to_query_error(self, error: Exception) -> Exception:
        """An engine's error as QueryRefused, QueryTimeout or QueryError; any other error unchanged."""
        if type(error).__module__.startswith("db."):
            return error
        message = str(getattr(error, "orig", None) or error).strip()
        if self.refused or "one statement at a time" in message or "read-only transaction" in message:
            return QueryRefused(self.sql, self.refused or message.splitlines()[0])
        if "interrupted" in message or "statement timeout" in message:
            return QueryTimeout(self.sql, self.timeout or 0.0)
        if isinstance(error, MemoryError):
            return QueryTooCostly(self.sql, "it needs more memory than a query may use")
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_TOOBIG:
            return QueryTooCostly(self.sql, f"it makes a value of more than {MAX_VALUE_BYTES // MIB} MiB")
        if isinstance(error, sqlite3.Error | ValueError) or type(error).__module__.startswith(
            ("sqlalchemy", "psycopg")
        ):
            return QueryError(self.sql, message.splitlines()[0] if message else type(error).__name__)
        return error


def limit_connection(connection: sqlite3.Connection) -> None:
    """Sets the limits of a connection that runs a query."""
    for limit, most in SQLITE_LIMITS.items():
        connection.setlimit(limit, most)


READ_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
READ_PRAGMAS = {
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
    "function_list", "collation_list", "compile_options", "data_version", "user_version",
    "schema_version", "page_count", "page_size", "freelist_count", "encoding",
}  # fmt: skip
"""Without database_list, which shows the path of the file."""

READ_PRAGMAS_WITHOUT_ARGUMENT = {
    "data_version", "user_version", "schema_version", "page_count", "page_size", "freelist_count", "encoding",
}  # fmt: skip
"""Pragmas that set something when they are given an argument."""

REFUSED_FUNCTIONS = {"load_extension", "fts3_tokenizer", "edit", "readfile", "writefile", "zeroblob", "randomblob"}
REFUSED_ACTIONS = {
    sqlite3.SQLITE_ATTACH: "attach another database",
    sqlite3.SQLITE_DETACH: "detach a database",
    sqlite3.SQLITE_PRAGMA: "a pragma that sets something",
    sqlite3.SQLITE_FUNCTION: "a function that reads or writes files or fills memory",
    sqlite3.SQLITE_INSERT: "insert",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DELETE: "delete",
    sqlite3.SQLITE_TRANSACTION: "begin or end a transaction",
}
"""What the error message calls an action; any other refused action is called a write."""

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def make_authorizer(limits: QueryLimits) -> Authorizer:
    """A callback that lets SQLite read the catalog and nothing else (https://sqlite.org/c3ref/set_authorizer.html).

    The first refusal is noted in `limits.refused`.
    """

    def authorize(action: int, first: str | None, second: str | None, _database: Any, _trigger: Any) -> int:
        if action in READ_ACTIONS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in REFUSED_FUNCTIONS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
            return sqlite3.SQLITE_OK  # a full-text table declares its columns so; the schema itself can't be updated
        pragma = (first or "").lower()
        if (
            action == sqlite3.SQLITE_PRAGMA
            and pragma in READ_PRAGMAS
            and not (second and pragma in READ_PRAGMAS_WITHOUT_ARGUMENT)
        ):
            return sqlite3.SQLITE_OK
        limits.refused = limits.refused or f"it would do more than read ({REFUSED_ACTIONS.get(action, 'write')})"
        return sqlite3.SQLITE_DENY

    return authorize

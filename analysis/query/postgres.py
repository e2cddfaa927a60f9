"""A user's SQL on PostgreSQL: one statement that only reads, ended at its deadline, its rows one at a time.

What holds it, from the outside to the inside: the role of the connection may do no more than read (db/reader_role.py;
a superuser that is allowed nevertheless becomes one that may not), the transaction is read-only, the statement is sent
by the extended protocol as the query of a cursor, which takes one query only and nothing that writes, functions with
side effects are refused (analysis/query/calls.py), and another connection cancels it at the deadline
(analysis/query/watch.py). Rows arrive singly, and the server sends none of more than MAX_ROW_BYTES, so that memory
holds one of at most that size.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from analysis.query.calls import CURSOR_STATEMENTS, read_statement, refuse_side_effects
from analysis.query.guard import QueryLimits
from analysis.query.received import MAX_RECEIVED_BYTES, TooMuchReceived, limit_received
from analysis.query.statement import to_psycopg
from analysis.query.stream import RowStream
from analysis.query.tokens import tokens
from analysis.query.values import to_number, unique_names
from analysis.query.watch import DeadlineWatch
from analysis.units import MIB
from db.errors import (
    CatalogUnreachable,
    PrivilegedRole,
    QueryError,
    QueryRefused,
    QueryTimeout,
    QueryTooCostly,
)
from db.reader_role import MIN_RESTRICTED_VERSION, RESTRICTED_ROLE, SUPERUSER, rights_beyond_reading

if TYPE_CHECKING:
    from psycopg import Connection

MARGIN_SECONDS = 2.0
"""How much later than our own deadline the server's limits end a statement or an idle transaction."""

MAX_FETCH_ROWS = 500
"""Rows of one FETCH: the server computes all of them before it sends the first, so that the first FETCH wants one."""

ALIVE_CHECK_SECONDS = 1
"""How often the server looks whether this process is still there while it computes."""

MAX_ROW_BYTES = 16 * MIB
"""One row, in the server's memory and as text. The driver receives a row as a whole, in four times its size at most."""

ROW_TOO_LARGE = "a row takes bytes: "
"""What the server says before the size of a row that it does not send."""

BOUNDED_ROWS = """
    select r.*, case
        when pg_catalog.pg_column_size((r.*)) operator(pg_catalog.>) {limit}
        then pg_catalog.concat('{marker}', pg_catalog.pg_column_size((r.*)))::pg_catalog.int4
        when pg_catalog.octet_length((r.*)::pg_catalog.text) operator(pg_catalog.>) {limit}
        then pg_catalog.concat('{marker}', pg_catalog.octet_length((r.*)::pg_catalog.text))::pg_catalog.int4
    end
    from (select * from (
{sql}
    ) s offset 0) r
"""
"""A query with one more column, whose conversion fails at a row that is too large, on the server. `offset 0` keeps
PostgreSQL from merging the two queries and computing each value twice. The size in memory is looked at first, since to
write a value of 1 GB takes the server a minute; it may be compressed there, and numbers may be longer as text."""

WRITES = re.compile(r'"(insert|update|delete|merge)"|data-modifying', re.IGNORECASE)
"""How the server says that the query of a cursor is none."""

SESSION_SETTINGS = """
    select pg_catalog.set_config(s.name, s.value, true)
    from (values ('search_path', (select string_agg(quote_ident(s), ', ') from unnest(current_schemas(false)) s)),
                 ('standard_conforming_strings', 'on'), ('cursor_tuple_fraction', '1'), ('client_encoding', 'UTF8'),
                 ('statement_timeout', %(limit)s), ('idle_in_transaction_session_timeout', %(limit)s),
                 ('client_connection_check_interval', %(check)s)) as s (name, value)
    where s.name <> 'client_connection_check_interval'
       or current_setting('server_version_num')::int >= 140000 and version() like '%%linux%%'
"""
"""Settings of the transaction. All rows of a cursor are read, so it is planned for all of them."""


class PostgresResult(RowStream):
    """The rows of a statement, which has a connection of its own."""

    def __init__(
        self, connection: Connection, begin: str, catalog: str, limits: QueryLimits, max_rows: int | None
    ) -> None:
        """`begin` are the statements that a transaction begins with, `catalog` is the catalog's name for messages;
        `limits` has the statement and the deadline of all of it."""
        self._connection = connection
        self._begin = begin
        self._catalog = catalog
        self._limits = limits
        self._max_rows = max_rows
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self._watch = DeadlineWatch(connection, limits.deadline)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        try:
            for count, row in enumerate(self._rows):
                if count == self._max_rows:
                    self.truncated = True
                    break
                if self._limits.is_expired():
                    raise QueryTimeout(self._limits.sql, self._limits.timeout or 0.0)
                yield tuple(map(to_number, row))
        except Exception as error:
            raise self._to_error(error) from error
        finally:
            self.close()

    def execute(self, values: Mapping[str, Any], *, any_role: bool) -> Self:
        """Run the statement. Raises what `run_on_postgres` does."""
        sql = self._limits.sql
        try:
            statement = read_statement(sql)
            with self._connection.cursor() as cursor:
                self._prepare_transaction(cursor, any_role=any_role)
                refuse_side_effects(cursor, sql, statement)
            self._send(*to_psycopg(sql, values), declares_cursor=statement.first_word in CURSOR_STATEMENTS)
        except Exception as error:
            self.close()
            raise self._to_error(error) from error
        return self

    def _prepare_transaction(self, cursor: Any, *, any_role: bool) -> None:
        deadline = self._limits.deadline
        seconds = 0.0 if deadline is None else max(deadline - time.monotonic(), 0.0) + MARGIN_SECONDS
        times = {"limit": str(int(seconds * 1000)), "check": str(ALIVE_CHECK_SECONDS * 1000)}
        cursor.execute(self._begin)
        cursor.execute(SESSION_SETTINGS, times)
        rights = rights_beyond_reading(cursor)
        if rights and not any_role:
            raise PrivilegedRole(self._catalog, self._connection.info.user, rights[0])
        if self._connection.info.parameter_status("is_superuser") == "on":
            if self._connection.info.server_version < MIN_RESTRICTED_VERSION:
                raise PrivilegedRole(self._catalog, self._connection.info.user, SUPERUSER)
            cursor.execute(f"set local role {RESTRICTED_ROLE}")

    def _send(self, statement: str, values: Mapping[str, Any], *, declares_cursor: bool) -> None:
        query: Any = statement
        cursor: Any
        if declares_cursor:
            with self._connection.cursor(name="statement") as cursor:
                cursor.execute(query, values)  # what is a whole query is one in parentheses too
                names = [column.name for column in cursor.description or ()]
            query = BOUNDED_ROWS.format(sql=strip_end(statement), limit=MAX_ROW_BYTES, marker=ROW_TOO_LARGE)
            self._connection.cursor(name="rows").execute(query, values)
            self._rows = (row[:-1] for row in self._fetch())
        else:
            limit_received(self._connection)  # a plan may have constants of any size
            cursor = self._connection.cursor()
            rows = cursor.stream(query, values)  # always by the extended protocol
            first = next(rows, None)
            names = [column.name for column in cursor.description]
            self._rows = chain(() if first is None else (first,), rows)
        self.columns = unique_names(names)

    def _fetch(self) -> Iterator[tuple[Any, ...]]:
        """The rows of the cursor `rows`, and one more than are wanted, which tells that there are more."""
        wanted = math.inf if self._max_rows is None else self._max_rows + 1
        size = 1
        while wanted > 0:
            size, fetched = int(min(size, wanted)), 0
            for row in self._connection.cursor().stream(f"fetch {size} from rows"):
                fetched += 1
                yield row
            if fetched < size:
                return
            wanted -= fetched
            size = min(size * 8, MAX_FETCH_ROWS)

    def _to_error(self, error: Exception) -> Exception:
        """An error of psycopg as one of the query or of the catalog; any other unchanged."""
        from psycopg import Error, errors

        sql = self._limits.sql
        if isinstance(error, TooMuchReceived):
            return QueryTooCostly(sql, f"a row takes more than {MAX_RECEIVED_BYTES // MIB} MiB")
        if not isinstance(error, Error):
            return error
        message = error.diag.message_primary or str(error).strip().partition("\n")[0] or type(error).__name__
        if self._limits.is_expired():
            return QueryTimeout(sql, self._limits.timeout or 0.0)
        if isinstance(error, errors.InvalidTextRepresentation) and ROW_TOO_LARGE in message:
            size = int("".join(filter(str.isdigit, message)))
            return QueryTooCostly(sql, f"a row has {size // MIB} MiB; at most {MAX_ROW_BYTES // MIB} are received")
        if isinstance(error, errors.ProgramLimitExceeded | errors.OutOfMemory):
            return QueryTooCostly(sql, message)
        if isinstance(error, errors.ReadOnlySqlTransaction | errors.InsufficientPrivilege):
            return QueryRefused(sql, message)
        if isinstance(error, errors.SyntaxError) and "multiple commands" in message:
            return QueryRefused(sql, "it is more than one statement")
        if isinstance(error, errors.SyntaxError | errors.FeatureNotSupported) and WRITES.search(message):
            return QueryRefused(sql, "it writes after or in its with clause")
        lost = error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
        if lost and not isinstance(error, errors.ProtocolViolation):  # that is `select $1`: no value was given
            return CatalogUnreachable(self._catalog, message)
        return QueryError(sql, message)

    def close(self) -> None:
        """End the statement if it still runs, and the connection."""
        connection = self._connection
        if not connection.closed:
            if connection.info.transaction_status.name == "ACTIVE":
                with suppress(Exception):
                    connection.cancel_safe(timeout=MARGIN_SECONDS)
            connection.close()
        self._watch.stop()


def strip_end(sql: str) -> str:
    """A statement without the semicolon, spaces and comments at its end."""
    parts = list(tokens(sql))
    while parts and (parts[-1].kind in ("space", "comment") or parts[-1].text == ";"):
        parts.pop()
    return "".join(part.text for part in parts)


def run_on_postgres(
    db: str | Path, limits: QueryLimits, values: Mapping[str, Any], max_rows: int | None, *, any_role: bool
) -> PostgresResult:
    """The result of `limits.sql`, at most `max_rows` of its rows.

    Raises PrivilegedRole where the role may do more than read and `any_role` does not allow that; QueryRefused,
    QueryTimeout, QueryError, BadParameter, CatalogError.
    """
    from db.engine import begin_statements, catalog_name, open_engine

    engine = open_engine(db, read_only=True)
    name, begin = catalog_name(engine), begin_statements(engine)
    pooled = engine.raw_connection()
    connection: Any = pooled.driver_connection
    pooled.detach()
    engine.dispose()
    connection.read_only = True
    return PostgresResult(connection, begin, name, limits, max_rows).execute(values, any_role=any_role)

"""Read-only queries on a catalog: the program's own SQL, saved queries by name, and ad-hoc SQL.

The engine itself enforces that a statement only reads. SQLite opens the file with `mode=ro`; an authorizer
(analysis/query/guard.py) refuses everything but reading, values are limited in size, and a progress handler ends what
takes too long; SQL that a user gives runs in a process that can be killed (analysis/query/guarded.py). On PostgreSQL
the program's own SQL runs in a READ ONLY transaction with a statement_timeout, a user's as analysis/query/postgres.py
says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from analysis.errors import BadParameter
from analysis.query.guard import QueryLimits
from analysis.query.guarded import STANDARD_LIMITS, run_guarded
from analysis.query.process import ProcessLimits, QueryRequest
from analysis.query.public import HAS_PRIVATE, hide_private
from analysis.query.saved import find_saved_query, is_query_name
from analysis.query.sqlite_result import SqliteCatalog, to_sqlite_values
from analysis.query.statement import Dialect, can_stream, parameter_names, to_psycopg
from analysis.query.stream import RowStream
from analysis.query.values import normalize_rows, parse_parameter_value, unique_names
from db.errors import CatalogDamaged, QueryRefused
from db.sqlite_file import check_catalog, sqlite_path

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine

DEFAULT_TIMEOUT_SECONDS = 300.0

MISSING_NAME = re.compile(r"(relation|column) .+ does not exist")
"""How PostgreSQL says that a table, view or column is missing."""


class QueryResult(RowStream):
    """A streamed result of the program's own SQL on PostgreSQL, which holds a connection of an engine.

    Where a table or column of it is missing, the catalog is wrong.
    """

    def __init__(
        self,
        engine: Engine,
        limits: QueryLimits,
        max_rows: int | None,
        *,
        held: Connection | None = None,
    ) -> None:
        """`held` is the connection of a snapshot, which stays open."""
        self._engine = engine
        self._limits = limits
        self._max_rows = max_rows
        self._held = held
        self._connection: Connection | None = None
        self._result: CursorResult[Any] | None = None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._result is None:
            return
        try:
            for count, row in enumerate(self._result, 1):
                if self._max_rows is not None and count > self._max_rows:
                    self.truncated = True
                    break
                yield tuple(row)
        except Exception as error:
            raise self._to_error(error) from error
        finally:
            self.close()

    def execute(self, sql: str, values: Mapping[str, Any]) -> Self:
        """Run the statement. Raises QueryRefused, QueryTimeout, QueryError; CatalogError where the file is damaged."""
        try:
            self._connection = self._held or self._engine.connect()
            self._result = execute_postgres(
                self._connection, sql, values, self._limits, all_rows=self._max_rows is None
            )
            if not self._result.returns_rows:
                raise QueryRefused(sql, "it returns no rows")
            self.columns = unique_names(list(self._result.keys()))
        except Exception as error:
            self.close()
            raise self._to_error(error) from error
        return self

    def _to_error(self, error: Exception) -> Exception:
        """An error of the catalog's file as a CatalogError, one of the query as a QueryError."""
        from db.engine import catalog_name

        cause = getattr(error, "orig", None) or error
        if MISSING_NAME.search(str(cause)):
            return CatalogDamaged(catalog_name(self._engine), str(cause).splitlines()[0])
        return self._limits.to_query_error(error)

    def close(self) -> None:
        """Release the connection."""
        connection, self._connection = self._connection, None
        if connection is not None and connection is not self._held:
            connection.close()


class PostgresCatalog:
    """The engine of a catalog on PostgreSQL."""

    def __init__(self, url: str | Path, *, snapshot: bool, public_only: bool = False) -> None:
        """`snapshot`: every result shows the same moment. Raises CatalogError."""
        from db.engine import open_engine

        self._engine = open_engine(url, read_only=True)
        self._held = self._engine.connect() if snapshot or public_only else None
        if self._held is not None and public_only:
            hide_private_on_postgres(self._held)
        elif self._held is not None:
            self._held.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def rows(self, sql: str, values: Mapping[str, Any], limits: QueryLimits, max_rows: int | None) -> QueryResult:
        """At most `max_rows` rows, as a stream. Raises as `QueryResult.execute` does."""
        return QueryResult(self._engine, limits, max_rows, held=self._held).execute(sql, values)

    def close(self) -> None:
        if self._held is not None:
            self._held.close()
        self._engine.dispose()


def hide_private_on_postgres(connection: Connection) -> None:
    """Hides private repos, if there are any, in the transaction that begins here; its end undoes it.

    Not for the session: behind a pooler the next one of another program would have it.
    """
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ WRITE")
    if connection.exec_driver_sql(HAS_PRIVATE).first() is not None:
        schema = connection.exec_driver_sql("select quote_ident(current_schema())").scalar_one()
        from db.schema.views import POSTGRESQL_NAMES

        def execute(sql: str, values: Sequence[Any] = ()) -> Any:
            sql = sql.replace("%", "%%")
            return connection.exec_driver_sql(sql.replace("?", "%s") if values else sql, tuple(values) or None)

        hide_private(execute, f"{schema}.", POSTGRESQL_NAMES)
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")


class CatalogReader:
    """A catalog opened for several queries; a context manager.

    For the program's own SQL, whose values have their types already: `all` gives normalized rows. With `snapshot` every
    result shows the same moment, whatever a crawl writes meanwhile; the results must then be read one after the other.
    """

    def __init__(
        self,
        db: str | Path,
        *,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
        snapshot: bool = False,
        public_only: bool = False,
        mapped: int | None = None,
    ) -> None:
        """`timeout` in seconds for each query, None for no limit; `public_only`: as if there were no private repos.

        `mapped`: bytes of a SQLite file that are read through the system's memory (SQLite takes 2 GiB at most).
        """
        self.timeout = timeout
        path = sqlite_path(db)
        self.dialect: Dialect = "postgresql" if path is None else "sqlite"
        self._catalog = (
            PostgresCatalog(db, snapshot=snapshot, public_only=public_only)
            if path is None
            else SqliteCatalog(path, snapshot=snapshot, public_only=public_only, mapped=mapped)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._catalog.close()

    def begin_again(self) -> None:
        """Has a snapshot of a SQLite file show the moment of the next statement; no result may be open."""
        if isinstance(self._catalog, SqliteCatalog):
            self._catalog.begin_again()

    def rows(self, sql: str, values: Mapping[str, Any] | None = None, *, limit: int | None = None) -> RowStream:
        """At most `limit` rows of the result, as a stream.

        Raises QueryRefused, QueryTimeout, QueryError; CatalogError where the catalog is damaged or lacks what is read.
        """
        return self._catalog.rows(sql, values or {}, QueryLimits(sql, self.timeout), limit)

    def all(self, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Every row as a normalized mapping (`normalize_row`). Raises QueryRefused, QueryTimeout, QueryError."""
        found = self.rows(sql, values)
        return list(normalize_rows(found.columns, found))


def execute_postgres(
    connection: Connection, sql: str, values: Mapping[str, Any], limits: QueryLimits, *, all_rows: bool
) -> CursorResult[Any]:
    """A statement on a connection that only reads. `all_rows` has it planned for all of its rows: PostgreSQL plans a
    cursor for a tenth of them, which may be the slowest way to get all."""
    settings = f"SET LOCAL statement_timeout = {int((limits.timeout or 0) * 1000)}"
    settings += f"; SET LOCAL cursor_tuple_fraction = {1 if all_rows else 0.1}"
    connection.exec_driver_sql(settings)
    statement, used = to_psycopg(sql, values)
    return connection.exec_driver_sql(statement, used, execution_options={"stream_results": can_stream(sql)})


def run_query(
    db: str | Path,
    sql_or_name: str,
    parameters: Mapping[str, str] | None = None,
    *,
    limit: int | None = None,
    timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    any_role: bool = False,
    process: ProcessLimits = STANDARD_LIMITS,
) -> RowStream:
    """Query the catalog: a saved query by name, or SQL that only reads; parameters are texts as the user wrote them.

    On SQLite the statement runs in a process that can be killed, with the limits `process` (analysis/query/guarded.py).
    On PostgreSQL the role of the connection must be one that may only read, unless `any_role`
    (analysis/query/postgres.py).
    Raises UnknownSavedQuery, BadParameter; QueryRefused, QueryTimeout (seconds), QueryTooCostly, QueryError;
    CatalogError, among them PrivilegedRole.
    """
    path = sqlite_path(db)
    sql, values = parse_query(sql_or_name, parameters or {}, "sqlite" if path else "postgresql")
    if path is not None:
        check_catalog(path)
        return run_guarded(path, QueryRequest(sql, to_sqlite_values(values), timeout, limit), process)
    from analysis.query.postgres import run_on_postgres

    return run_on_postgres(db, QueryLimits(sql, timeout), values, limit, any_role=any_role)


def parse_query(sql_or_name: str, texts: Mapping[str, str], dialect: Dialect) -> tuple[str, dict[str, Any]]:
    """The SQL and its values. Raises UnknownSavedQuery, BadParameter."""
    if is_query_name(sql_or_name):
        query = find_saved_query(sql_or_name)
        return query.sql, query.parse_values(texts)
    sql = sql_or_name.strip().rstrip(";")
    values = {name: parse_parameter_value(text) for name, text in texts.items()}
    for name in parameter_names(sql, dialect):
        if name not in values:
            raise BadParameter(name, None, None)
    return sql, values

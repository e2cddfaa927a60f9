"""The program's own SQL on a SQLite catalog, in this process and without SQLAlchemy, whose import takes longer."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis.query.guard import DEADLINE_CHECK_STEPS, FILE_ERRORS, QueryLimits, limit_connection, make_authorizer
from analysis.query.public import HAS_PRIVATE, hide_private
from analysis.query.stream import RowStream
from analysis.query.values import unique_names
from analysis.units import iso
from db.errors import CatalogDamaged, QueryError, QueryRefused
from db.sqlite_file import check_catalog, connect, to_catalog_error

SNAPSHOT_CACHE_KIB = 16_384
"""SQLite's page cache while whole tables are read, each page once: a larger one would only cost memory."""

MISSING_NAME = re.compile(r"no such (table|column)")
"""How SQLite says that a table, view or column is missing."""


class SqliteCatalog:
    """The connections on a catalog's file: one for each result that is being read, kept for the next."""

    def __init__(self, path: Path, *, snapshot: bool, public_only: bool = False, mapped: int | None = None) -> None:
        """`snapshot`: every result shows the same moment and is read on one connection; `mapped`: bytes of the file
        that SQLite reads through mapped memory. Raises CatalogError."""
        check_catalog(path)
        self.path = path
        self._public_only = public_only
        self._mapped = mapped
        self._idle: list[sqlite3.Connection] = []
        self._is_snapshot = snapshot
        if snapshot:
            connection = self._connect()
            connection.execute(f"pragma cache_size=-{SNAPSHOT_CACHE_KIB}")
            connection.execute("begin")
            self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self.path, read_only=True)
        if self._mapped is not None:
            connection.execute(f"pragma mmap_size={self._mapped}")
        try:
            if self._public_only and connection.execute(HAS_PRIVATE).fetchone():
                connection.execute("pragma query_only=off")  # of temporary views: the file is opened for reading alone
                hide_private(connection.execute, "main.")
                connection.execute("pragma query_only=on")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise CatalogDamaged(str(self.path), str(error)) from error
        limit_connection(connection)
        return connection

    def begin_again(self) -> None:
        """Ends the transaction of a snapshot, and begins another one with the next statement."""
        (connection,) = self._idle
        connection.execute("rollback")
        connection.execute("begin")

    def rows(self, sql: str, values: Mapping[str, Any], limits: QueryLimits, max_rows: int | None) -> SqliteResult:
        """At most `max_rows` rows, as a stream.

        Raises QueryRefused, QueryTimeout, QueryError; CatalogError where the file is damaged or lacks what is read.
        """
        if self._is_snapshot and not self._idle:
            raise RuntimeError("the results of a snapshot are read one after the other")
        return SqliteResult(self, self._idle.pop() if self._idle else self._connect(), sql, values, limits, max_rows)

    def give_back(self, connection: sqlite3.Connection) -> None:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)
        self._idle.append(connection)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class SqliteResult(RowStream):
    """A streamed result, which holds a connection."""

    def __init__(
        self,
        catalog: SqliteCatalog,
        connection: sqlite3.Connection,
        sql: str,
        values: Mapping[str, Any],
        limits: QueryLimits,
        max_rows: int | None,
    ) -> None:
        self._catalog = catalog
        self._connection: sqlite3.Connection | None = connection
        self._limits = limits
        self._max_rows = max_rows
        connection.set_authorizer(make_authorizer(limits))
        connection.set_progress_handler(lambda: int(limits.is_expired()), DEADLINE_CHECK_STEPS)
        self._cursor = connection.cursor()
        try:
            self._cursor.execute(sql, to_sqlite_values(values))
            if self._cursor.description is None:
                raise QueryRefused(sql, "it returns no rows")
            self.columns = unique_names([entry[0] for entry in self._cursor.description])
        except Exception as error:
            self.close()
            raise self._to_error(error) from error

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._connection is None:
            return
        try:
            for count, row in enumerate(self._cursor):
                if count == self._max_rows:
                    self.truncated = True
                    break
                yield row
        except Exception as error:
            raise self._to_error(error) from error
        finally:
            self.close()

    def batches(self, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """As of any stream; without a step of Python's for each row where no limit counts them."""
        if self._max_rows is not None or self._connection is None:
            yield from super().batches(size)
            return
        try:
            while rows := self._cursor.fetchmany(size):
                yield rows
        except Exception as error:
            raise self._to_error(error) from error
        finally:
            self.close()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._cursor.close()
            self._catalog.give_back(connection)

    def _to_error(self, error: Exception) -> Exception:
        """An error of the catalog's file as a CatalogError, one of the query as a QueryError."""
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in FILE_ERRORS:
            return to_catalog_error(error, str(self._catalog.path))
        if MISSING_NAME.search(str(error)):
            return CatalogDamaged(str(self._catalog.path), str(error).splitlines()[0])
        found = self._limits.to_query_error(error)
        if isinstance(error, sqlite3.Error) and type(found) is QueryError:  # the program's SQL suits the program's rows
            return CatalogDamaged(str(self._catalog.path), str(found))
        return found


def to_sqlite_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as SQLite stores them: times are texts."""
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in values.items()}

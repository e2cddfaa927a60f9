"""The catalog as Datasette's database: statements run in processes of the pool, nothing is written, no path is told.

Datasette runs what it reads about the schema (columns, keys) on a connection of its own threads: that is its own SQL,
not a visitor's.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from datasette.app import Datasette
from datasette.database import AttachedDatabase, Database, QueryInterrupted, Results
from datasette.utils import escape_sqlite
from datasette.utils.asgi import Forbidden

from analysis.query.process import QueryRequest
from crawler.web.pool import Page, QueryPool
from db import sqlite_file
from db.errors import CatalogError, QueryError, QueryTimeout, QueryTooCostly

UNREADABLE = "the catalog's file can't be read"

COUNT_MILLISECONDS = 300
"""How long the rows of a table or view are counted: a page shows its rows without their number."""

LOG = logging.getLogger(__name__)


class CatalogDatabase(Database):  # type: ignore[misc]
    """A Database without `path`, which pages and JSON would show."""

    def __init__(self, site: Datasette, file: Path, pool: QueryPool) -> None:
        super().__init__(site, path=None, is_mutable=True)
        self._file = file
        self._pool = pool

    async def execute(
        self,
        sql: str,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        truncate: bool = False,
        custom_time_limit: int | None = None,
        page_size: int | None = None,
        log_sql_errors: bool = True,
    ) -> Results:
        """As Database.execute. Raises QueryInterrupted, sqlite3.OperationalError, ServerBusy."""
        if custom_time_limit is None and sql.startswith("select count(*) from "):
            custom_time_limit = COUNT_MILLISECONDS
        seconds = self._pool.limits.query_seconds
        if custom_time_limit is not None:
            seconds = min(seconds, custom_time_limit / 1000)
        max_rows = None
        if truncate:
            max_rows = self.ds.max_returned_rows
            max_rows += max_rows == (page_size or self.ds.page_size)  # a page looks whether there is a next one
        values = dict(params) if isinstance(params, Mapping) else list(params or ())
        request = QueryRequest(sql, values, seconds, max_rows, self._pool.limits.result_bytes)
        try:
            return to_results(await self._pool.run(request))
        except QueryTimeout as error:
            raise QueryInterrupted(error, sql, params) from None
        except QueryTooCostly as error:
            self._check_file()  # without it the process that ran the query could not start
            if custom_time_limit is not None:  # of a part that a page can do without, such as a facet
                raise QueryInterrupted(error, sql, params) from None
            raise sqlite3.OperationalError(str(error)) from None
        except QueryError as error:
            raise sqlite3.OperationalError(str(error)) from None
        except CatalogError as error:
            LOG.error("%s", error)  # it names the path
            raise sqlite3.OperationalError(UNREADABLE) from None

    def _check_file(self) -> None:
        try:
            sqlite_file.check_file(self._file, create=False)
        except CatalogError as error:
            LOG.error("%s", error)
            raise sqlite3.OperationalError(UNREADABLE) from None

    async def table_counts(self, limit: int = 10) -> dict[str, int | None]:
        """The number of rows of the tables that the list shows; None for the hidden ones."""
        hidden = set(await self.hidden_table_names())
        counts: dict[str, int | None] = {}
        for name in await self.table_names():
            counts[name] = None if name in hidden else await self._count(name)
        return counts

    async def _count(self, table: str) -> int | None:
        try:
            return int((await self.execute(f"select count(*) from {escape_sqlite(table)}")).rows[0][0])
        except (QueryInterrupted, sqlite3.OperationalError):
            return None

    async def execute_write_fn(self, fn: object, block: bool = True) -> None:
        raise Forbidden("the catalog is read-only")

    async def attached_databases(self) -> list[AttachedDatabase]:
        return []

    def connect(self, write: bool = False) -> sqlite3.Connection:
        connection = sqlite_file.connect(self._file, read_only=True)
        self._all_file_connections.append(connection)
        return connection

    @property
    def size(self) -> int:
        return self._file.stat().st_size

    @property
    def mtime_ns(self) -> int:
        return self._file.stat().st_mtime_ns


def to_results(page: Page) -> Results:
    """The rows as those of sqlite3, which Datasette and its plugins read by name and by position."""
    names = ", ".join('null as "{}"'.format(name.replace('"', '""')) for name in page.columns)
    with closing(sqlite3.connect(":memory:")) as connection:
        cursor = connection.execute(f"select {names}")
        rows = [sqlite3.Row(cursor, row) for row in page.rows]
        return Results(rows, page.truncated, cursor.description)

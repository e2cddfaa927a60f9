"""A SQLite catalog read straight into Arrow arrays by Apache's ADBC driver, without a Python object for each value.

That driver has a SQLite library of its own. Of two libraries that open one file in one process each would drop the
other's locks, as POSIX ties locks to processes (https://sqlite.org/howtocorrupt.html, 2.2.1). So this is only used in
processes that open the catalog by nothing else: the helpers of a snapshot (analysis/publish/snapshot_processes.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from analysis.query.statement import Dialect
from db.sqlite_file import reading_uri

BATCH_ROWS = 10_000

TYPED: Mapping[str, str] = {
    "integer": "0", "boolean": "0", "number": "0.0", "bytes": "x'00'", "text": "''", "list": "''", "time": "''",
    "date": "''",
}  # fmt: skip
"""A value of each kind of column, as SQLite holds it. The driver takes the types of the first rows for those of all,
and where these are null it can't know, so the first row has such values."""

PRAGMAS = ("query_only=on", "trusted_schema=off", "cache_size=-16384")


class ArrowReader:
    """A connection on a catalog's file; all results show the moment of the first one after `begin_again`."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        """Raises ModuleNotFoundError without the driver; its own errors where the file can't be read."""
        from adbc_driver_sqlite import dbapi

        self._connection: Any = dbapi.connect(reading_uri(path))
        for pragma in PRAGMAS:
            self.all(f"pragma {pragma}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def begin_again(self) -> None:
        """Ends the transaction; the next statement begins another one."""
        self._connection.rollback()

    def all(self, sql: str) -> list[dict[str, Any]]:
        """Every row as a mapping."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            found: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
            return found

    def column_names(self, sql: str) -> list[str]:
        """The columns of a result."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"select * from ({sql}) limit 0")
            return [column[0] for column in cursor.description]

    def batches(self, sql: str, kinds: Sequence[str]) -> Iterator[list[Any]]:
        """The columns of a result, one of each of the `kinds`, in lists of arrays of at most `BATCH_ROWS` rows.

        Times, lists and days are texts, booleans are integers. Raises ValueError for a text that is no UTF-8; the
        driver's errors for a value that is no text, integer, number or bytes as the kind says.
        """
        typed = ", ".join(TYPED[kind] for kind in kinds)
        # with the limit, SQLite keeps the order of what it could else take for a subquery whose order doesn't matter
        statement = f"select {typed} union all select * from ({sql} limit -1)"
        with self._connection.cursor(adbc_stmt_kwargs={"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)}) as cursor:
            cursor.execute(statement)
            skipped = 1  # the row of types
            for batch in cursor.fetch_record_batch():
                columns = [column.slice(skipped) for column in batch.columns]
                skipped = 0
                for column, kind in zip(columns, kinds, strict=True):
                    if TYPED[kind] == "''":
                        column.validate(full=True)
                if len(columns[0]):
                    yield columns

"""Counts the totals (db.derive.totals) of a whole catalog: to fill them, and to compare what is kept with what is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from db.derive.totals import TABLES, Counts, TotalTable
from db.engine import catalog_name, open_engine
from db.rows import Row, Rows
from db.schema.tables import metadata
from db.schema.types import utc_text
from db.sqlite_file import to_catalog_error
from db.totals import add_changes, measure_all

ROWS_AT_ONCE = 5_000


def rebuild(rows: Rows) -> None:
    """Counts all totals again, in the caller's transaction."""
    for table in TABLES:
        rows.execute(f"delete from {table.name}")
    for counts in measure_all(rows):
        add_changes(rows, Counts(), counts)


def fill(engine: Engine) -> None:
    """Counts the totals of a catalog that was made before there were any. Raises CatalogError."""
    try:
        with engine.begin() as connection:
            rows = Rows(connection)
            if rows.exists("select 1 from repos") and not rows.exists("select 1 from totals"):
                rebuild(rows)
    except DatabaseError as error:
        raise to_catalog_error(error, catalog_name(engine)) from error


def fill_catalog(db: str) -> None:
    """As `fill`, for a catalog by its path or URL."""
    engine = open_engine(db, read_only=False)
    try:
        fill(engine)
    finally:
        engine.dispose()


def find_wrong(rows: Rows) -> list[str]:
    """What is grouped in the totals that differ from what the catalog holds.

    Both are written to a temporary file, because a large catalog has millions of them.
    """
    with _temporary_tables() as counted:
        for counts in measure_all(rows):
            for group in counts.groups.values():
                group.first, group.last = _text(group.first), _text(group.last)
            add_changes(counted, Counts(), counts)
        wrong = [name for table in TABLES for name in _find_wrong(rows, counted, table)]
    return sorted(set(wrong))


@contextmanager
def _temporary_tables() -> Iterator[Rows]:
    """The tables of totals, empty, in a file of SQLite."""
    with TemporaryDirectory(prefix="hf-catalog-") as folder:
        engine = open_engine(Path(folder) / "counted.db", read_only=False, create=True, check=False)
        try:
            with engine.begin() as connection:
                metadata.create_all(connection, [metadata.tables[table.name] for table in TABLES])
                yield Rows(connection)
        finally:
            engine.dispose()


def _find_wrong(rows: Rows, counted: Rows, table: TotalTable) -> Iterator[str]:
    """The first column of the key, where it names a group, else the table, for each row that only one side has."""
    kept = f"kept_{table.name}"
    names = ", ".join(f'"{name}"' for name in table.columns)
    counted.execute(f"create table {kept} as select * from {table.name} limit 0")
    marks = ", ".join("?" * len(table.columns))
    for some in _stored_rows(rows, f"select {names} from {table.name}"):
        counted.many(f"insert into {kept} ({names}) values ({marks})", some)
    label = "of" if "of" in table.key else f"'{table.name}'"
    for one, other in ((table.name, kept), (kept, table.name)):
        sql = f"select distinct {label} from (select {names} from {one} except select {names} from {other}) x"
        yield from (name for (name,) in counted.select(sql))


def _stored_rows(rows: Rows, sql: str) -> Iterator[list[Row]]:
    result = rows.connection.execution_options(yield_per=ROWS_AT_ONCE).exec_driver_sql(sql)
    for some in result.partitions():
        yield [tuple(map(_text, row)) for row in some]


def _text(value: Any) -> Any:
    """A time as SQLite keeps it, whatever the driver gives; other values as they are."""
    return utc_text(value) if isinstance(value, datetime) else value

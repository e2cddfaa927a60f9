"""Rows into tables, many at a time: the driver's own executemany with SQL that is written once.

SQLAlchemy's Core would build a dictionary a row and look at each value's type again; a page of a thousand repos is
thirty thousand rows, so here each table's columns are compiled once into SQL text and one list of value converters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Dialect, Table

from db.schema.types import binder

Row = tuple[Any, ...]
Convert = Callable[[Any], Any]

MIN_COPIED_ROWS = 10
"""Rows of one insert from which PostgreSQL gets them by COPY."""

CHUNK = 1000
"""How many values one `IN (...)` takes."""

BUNDLES = (400, 32)
"""How many rows one insert into SQLite takes: a statement a row costs twice as much for short rows."""

MOST_VALUES = 4_000
"""Values of one insert: SQLite takes 32,766, but keeps the statement of each table."""


@lru_cache(maxsize=256)
def _converters(table: Table, columns: tuple[str, ...], dialect: Dialect) -> tuple[tuple[int, Convert], ...]:
    """(place, converter) of the columns whose values the driver does not take as they are."""
    found: list[tuple[int, Convert]] = []
    for place, name in enumerate(columns):
        process = binder(table.c[name].type, dialect.name)
        if process is not None:
            found.append((place, process))
    return tuple(found)


class Rows:
    """Writes and reads rows of one connection in its open transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect
        self.mark = "?" if self.dialect.paramstyle == "qmark" else "%s"
        self._differs = "is not" if self.dialect.name == "sqlite" else "is distinct from"

    def insert(self, table: Table, columns: Sequence[str], rows: Iterable[Row], *, ready: bool = False) -> None:
        """`ready` says that the values are the driver's own already (see db.schema.types.binder)."""
        self._put(table, columns, list(rows) if ready else self._converted(table, tuple(columns), rows))

    def insert_new(self, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Leaves rows out that are there already; returns how many were new."""
        return self._put(table, columns, self._converted(table, tuple(columns), rows), "on conflict do nothing")

    def upsert(self, table: Table, key: Sequence[str], columns: Sequence[str], rows: Iterable[Row]) -> None:
        """`columns` starts with `key`; the others replace what is there, where it differs: equal rows write nothing."""
        rest = columns[len(key) :]
        update = ", ".join(f'"{name}" = excluded."{name}"' for name in rest)
        old = ", ".join(f'{table.name}."{name}"' for name in rest)
        new = ", ".join(f'excluded."{name}"' for name in rest)
        action = f"do update set {update} where ({old}) {self._differs} ({new})" if rest else "do nothing"
        values = self._converted(table, tuple(columns), rows)
        self._put(table, columns, values, f"on conflict ({_names(key)}) {action}")

    def merge(self, table: Table, key: Sequence[str], columns: Sequence[str], rows: list[Row], action: str) -> None:
        """Inserts rows of the driver's own values; `action` is what `do update set` does where the key is there."""
        self._put(table, columns, rows, f"on conflict ({_names(key)}) do update set {action}")

    def update(
        self,
        table: Table,
        columns: Sequence[str],
        key: str | Sequence[str],
        rows: Iterable[Row],
        *,
        keep: Collection[str] = (),
        differing: bool = False,
    ) -> int:
        """Each row: the columns' new values, then the key's; returns how many there were.

        An unknown value of a column in `keep` changes nothing. `differing` leaves rows alone that have all the values
        already: for columns with an index, whose entries SQLite otherwise rewrites.
        """
        keys = (key,) if isinstance(key, str) else tuple(key)
        marks = self._numbered(len(columns) + len(keys))
        new = [
            f'coalesce({mark}, "{name}")' if name in keep else mark
            for name, mark in zip(columns, marks[: len(columns)], strict=True)
        ]
        sets = ", ".join(f'"{name}" = {value}' for name, value in zip(columns, new, strict=True))
        where = " and ".join(f'"{name}" = {mark}' for name, mark in zip(keys, marks[len(columns) :], strict=True))
        sql = f"update {table.name} set {sets} where {where}"
        if not differing:
            return self._many(table, (*columns, *keys), rows, sql)
        sql += f" and ({_names(columns)}) {self._differs} ({', '.join(new)})"
        if self.dialect.name == "sqlite":
            return self._many(table, (*columns, *keys), rows, sql)
        width = len(columns)
        return self._many(table, (*columns, *keys, *columns), [(*row, *row[:width]) for row in rows], sql)

    def delete(self, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        where = " and ".join(f'"{name}" = {self.mark}' for name in columns)
        self._many(table, columns, rows, f"delete from {table.name} where {where}")

    def replace(
        self,
        table: Table,
        key: Sequence[str],
        columns: Sequence[str],
        owners: Iterable[Row],
        rows: Iterable[Row],
        *,
        within: str = "",
    ) -> None:
        """Makes `rows` all that the owners have: what is there already stays, so that equal content writes nothing.

        `columns` starts with `key`, which names the owner and starts with `repo`; `within` is a condition that leaves
        out rows of no owner. For tables whose values compare as the driver gives them: text, numbers and booleans.
        """
        wanted = dict.fromkeys(self._converted(table, tuple(columns), rows))
        owned = set(owners)
        sql = f"select {_names(columns)} from {table.name} where repo in ({{}}){within and ' and '}{within}"
        found = self.select_in(sql, {owner[0] for owner in owned})
        stored = set(found) if len(key) == 1 else {row for row in found if row[: len(key)] in owned}
        primary = [column.name for column in table.primary_key]
        places = [columns.index(name) for name in primary]
        over = [tuple([row[place] for place in places]) for row in stored if row not in wanted]
        self.delete(table, primary, over)
        self._put(table, columns, [row for row in wanted if row not in stored])

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        """A statement with `?` marks for each of the rows; values must be the driver's own."""
        if rows:
            self.connection.exec_driver_sql(sql.replace("?", self.mark), list(rows))

    def select(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """Rows of a statement written with `?` marks; values must be the driver's own."""
        return self._fetch(sql.replace("?", self.mark), tuple(values))

    def first(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The first row of a statement written with `?` marks, with the columns as attributes; None without a row."""
        return self.connection.exec_driver_sql(sql.replace("?", self.mark), tuple(values)).first()

    def scalar(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The only value of the first row; None without a row."""
        return self.connection.exec_driver_sql(sql.replace("?", self.mark), tuple(values)).scalar()

    def exists(self, sql: str, values: Sequence[Any] = ()) -> bool:
        """Whether a statement has a row."""
        return self.first(f"{sql} limit 1", values) is not None

    def select_in(self, sql: str, values: Iterable[Any]) -> list[Any]:
        """Rows of a statement whose `{}` is a list of values, however many."""
        pool = list(values)
        found: list[Any] = []
        for start in range(0, len(pool), CHUNK):
            part = pool[start : start + CHUNK]
            found += self._fetch(sql.format(self._marks(len(part))), tuple(part))
        return found

    def _fetch(self, sql: str, values: Row) -> list[Row]:
        """The driver's own tuples: SQLAlchemy's rows cost as much again as the reading."""
        result = self.connection.exec_driver_sql(sql, values)
        try:
            return list(result.cursor.fetchall())
        finally:
            result.close()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return int(self.connection.exec_driver_sql(sql.replace("?", self.mark), tuple(values)).rowcount)

    def next_id(self, table: Table) -> int:
        """The first free number. Safe because writers come one at a time (see db.write.store)."""
        return int(self.connection.exec_driver_sql(f"select coalesce(max(id), 0) + 1 from {table.name}").scalar_one())

    def value(self, table: Table, column: str, value: Any) -> Any:
        """A value as the driver takes it."""
        process = binder(table.c[column].type, self.dialect.name)
        return value if process is None or value is None else process(value)

    def result(self, table: Table, column: str) -> Convert:
        """What turns the driver's value of a column back into Python's."""
        process = table.c[column].type.dialect_impl(self.dialect).result_processor(self.dialect, None)
        return process or (lambda value: value)

    def _numbered(self, count: int) -> list[str]:
        """A mark a value; SQLite's have numbers, so that a statement may name one twice."""
        return [f"?{place}" for place in range(1, count + 1)] if self.mark == "?" else [self.mark] * count

    def _marks(self, count: int) -> str:
        return ", ".join([self.mark] * count)

    def _put(self, table: Table, columns: Sequence[str], values: list[Row], end: str = "") -> int:
        """Inserts rows of the driver's own values; returns how many were written."""
        if not end and self.dialect.name == "postgresql" and len(values) >= MIN_COPIED_ROWS:
            return self._copy_in(table, columns, values)
        start, row = f"insert into {table.name} ({_names(columns)}) values ", f"({self._marks(len(columns))})"
        written, at = 0, 0
        for size in BUNDLES if self.dialect.name == "sqlite" else ():
            size = min(size, MOST_VALUES // len(columns))
            until = at + (len(values) - at) // size * size
            bundles = [tuple(chain.from_iterable(values[n : n + size])) for n in range(at, until, size)]
            written += self._many_converted(f"{start}{', '.join([row] * size)} {end}", bundles)
            at = until
        return written + self._many_converted(f"{start}{row} {end}", values[at:])

    def _copy_in(self, table: Table, columns: Sequence[str], values: list[Row]) -> int:
        """Inserts by COPY, which costs PostgreSQL a fifth of as many statements."""
        driver: Any = self.connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"copy {table.name} ({_names(columns)}) from stdin") as copy:
            for row in values:
                copy.write_row(row)
        return len(values)

    def _many(self, table: Table, columns: Sequence[str], rows: Iterable[Row], sql: str) -> int:
        return self._many_converted(sql, self._converted(table, tuple(columns), rows))

    def _many_converted(self, sql: str, values: list[Row]) -> int:
        return int(self.connection.exec_driver_sql(sql, values).rowcount) if values else 0

    def _converted(self, table: Table, columns: tuple[str, ...], rows: Iterable[Row]) -> list[Row]:
        converters = _converters(table, columns, self.dialect)
        if not converters:
            return list(rows)
        return [_apply(row, converters) for row in rows]


def _apply(row: Row, converters: tuple[tuple[int, Convert], ...]) -> Row:
    values = list(row)
    for place, convert in converters:
        if values[place] is not None:
            values[place] = convert(values[place])
    return tuple(values)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)

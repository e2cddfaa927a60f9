"""A catalog into another one, SQLite or PostgreSQL either way: every table, counted and summed on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.exc import DatabaseError

from db.engine import open_engine
from db.errors import CatalogError
from db.maintain import optimize
from db.maintain.bulk_load import without_keys_and_indexes
from db.new_file import new_file
from db.read import search
from db.rows import Row, Rows
from db.schema.migrate import upgrade_engine
from db.schema.tables import crawl_locks, metadata, repos, request_quotas
from db.sqlite_file import is_url, to_catalog_error

CHUNK = 5000
"""Rows that one statement writes."""

ProgressCallback = Callable[[str, int], None]

TABLES = tuple(table for table in metadata.sorted_tables if table not in (crawl_locks, request_quotas))
"""All that is copied, parents before children. Who is crawling the source is not the copy's business."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One table, as both sides have it. `checksum` is over all its rows, in no order."""

    table: str
    rows: int
    checksum: str


class CopyDiffers(CatalogError):
    """The copy is not what was copied."""

    def __init__(self, db: str, table: str, source: Copied, target: Copied) -> None:
        super().__init__(
            db,
            f"{db}: {table} has {target.rows} rows ({target.checksum}), the source {source.rows} ({source.checksum})",
            "the copy was rolled back; look at the source with: hf-catalog db check",
        )


def copy(source: str | Path, target: str | Path, tell: ProgressCallback = lambda table, rows: None) -> list[Copied]:
    """Copies a catalog into an empty or new one, in one transaction; `tell` hears of each table that is done.

    Raises CatalogError where the target holds a catalog with repos, CopyDiffers where the copy is not equal.
    """
    reader = open_engine(source, read_only=True)
    try:
        if is_url(target) or Path(target).exists():
            return _copy_into(reader, target, str(target), tell)
        with new_file(Path(target)) as draft:
            return _copy_into(reader, draft, str(target), tell)
    finally:
        reader.dispose()


def _copy_into(reader: Engine, target: str | Path, name: str, tell: ProgressCallback) -> list[Copied]:
    """Copies into `target`, which errors call `name`."""
    writer = open_engine(target, read_only=False, create=True, check=False)
    try:
        return _copy(reader, writer, target, name, tell)
    finally:
        writer.dispose()


def _copy(reader: Engine, writer: Engine, target: str | Path, name: str, tell: ProgressCallback) -> list[Copied]:
    try:
        upgrade_engine(writer, target)
        with reader.connect() as origin, writer.begin() as connection:
            if origin.dialect.name == "postgresql":
                origin.exec_driver_sql("set transaction isolation level repeatable read, read only")
            if connection.execute(select(func.count()).select_from(repos)).scalar_one():
                raise CatalogError(name, f"{name} holds a catalog already", "name a new one, or an empty database")
            with without_keys_and_indexes(connection):
                done = [_copy_table(origin, connection, table, tell) for table in TABLES]
            search.rebuild(connection)
            for copied, table in zip(done, TABLES, strict=True):
                found = _summed(connection, table)
                if found != copied:
                    raise CopyDiffers(name, table.name, copied, found)
        optimize.update_statistics(writer)
        return done
    except DatabaseError as error:
        raise to_catalog_error(error, name) from error


def _copy_table(origin: Connection, connection: Connection, table: Table, tell: ProgressCallback) -> Copied:
    columns = tuple(column.name for column in table.columns)
    rows, count, total = Rows(connection), 0, 0
    stream = _stream(origin, table)
    while chunk := list(islice(stream, CHUNK)):
        rows.insert(table, columns, chunk)
        count += len(chunk)
        total += sum(map(_digest, chunk))
    tell(table.name, count)
    return Copied(table.name, count, _shown(total))


def _summed(connection: Connection, table: Table) -> Copied:
    count, total = 0, 0
    for row in _stream(connection, table):
        count += 1
        total += _digest(row)
    return Copied(table.name, count, _shown(total))


def _stream(connection: Connection, table: Table) -> Iterator[Row]:
    """Every row as Python's values, the same from both engines."""
    result = connection.execution_options(yield_per=CHUNK).execute(select(table))
    return (tuple(row) for row in result)


def _digest(row: tuple[Any, ...]) -> int:
    return int.from_bytes(blake2b(repr(row).encode(), digest_size=8).digest(), "big")


def _shown(total: int) -> str:
    return f"{total % 2**64:016x}"

"""How big a catalog is, table by table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from db.engine import catalog_name, open_engine, read_revision
from db.schema.tables import metadata


@dataclass(frozen=True, slots=True)
class TableSize:
    """One table: rows, and bytes with its indexes where the engine tells them."""

    table: str
    rows: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Stats:
    """A catalog in figures; sizes in bytes. `log` is SQLite's write-ahead log, `free` what `db optimize --vacuum` gives
    back."""

    db: str
    engine: str
    revision: str | None
    size: int
    log: int
    free: int
    tables: tuple[TableSize, ...]


def stats(db: str | Path) -> Stats:
    """Counts every table: seconds on a catalog of the whole Hub. Raises CatalogError."""
    engine = open_engine(db, read_only=True)
    try:
        with engine.connect() as connection:
            on_sqlite = connection.dialect.name == "sqlite"
            sizes = _sqlite_sizes(connection) if on_sqlite else _postgresql_sizes(connection)
            tables = [
                TableSize(table.name, _count(connection, table.name), sizes.get(table.name))
                for table in metadata.sorted_tables
            ]
            size, free = _whole(connection)
            return Stats(
                db=catalog_name(engine),
                engine="SQLite" if on_sqlite else "PostgreSQL",
                revision=read_revision(connection),
                size=size,
                log=_log(catalog_name(engine)) if on_sqlite else 0,
                free=free,
                tables=tuple(sorted(tables, key=lambda entry: (-(entry.size or 0), -entry.rows, entry.table))),
            )
    finally:
        engine.dispose()


def _count(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"select count(*) from {name}").scalar_one())


def _whole(connection: Connection) -> tuple[int, int]:
    """Bytes of all of it, and of them unused ones."""
    if connection.dialect.name != "sqlite":
        return int(connection.exec_driver_sql("select pg_database_size(current_database())").scalar_one()), 0
    page, count, free = (
        int(connection.exec_driver_sql(f"pragma {name}").scalar_one())
        for name in ("page_size", "page_count", "freelist_count")
    )
    return page * count, page * free


def _log(path: str) -> int:
    log = Path(f"{path}-wal")
    return log.stat().st_size if log.exists() else 0


def _sqlite_sizes(connection: Connection) -> dict[str, int]:
    """Bytes by table, its indexes with it; empty where this SQLite was built without dbstat."""
    sql = (  # the search index's own tables count with its documents
        "select case when m.tbl_name like 'search\\_index%' escape '\\' then 'search_documents' else m.tbl_name end,"
        " sum(s.pgsize) from dbstat s join sqlite_master m on m.name = s.name where s.aggregate = 1 group by 1"
    )
    try:
        return {name: int(size) for name, size in connection.exec_driver_sql(sql)}
    except DBAPIError:
        return {}


def _postgresql_sizes(connection: Connection) -> dict[str, int]:
    sql = (
        "select relname, pg_total_relation_size(oid) from pg_class"
        " where relkind = 'r' and relnamespace = quote_ident(current_schema())::regnamespace"
    )
    return {name: int(size) for name, size in connection.exec_driver_sql(sql)}

"""Keeping a catalog fast: the planner's statistics, the search index in one piece, the file without holes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from db.engine import catalog_name, open_engine
from db.maintain.totals import rebuild
from db.rows import Rows
from db.schema.search_index import create_search_index
from db.schema.tables import metadata
from db.session_settings import quote_name
from db.sqlite_file import to_catalog_error

SCHEMA = (
    "select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = 'repos'::regclass"
)
"""The schema that holds the catalog."""


def update_statistics(engine: Engine) -> None:
    """After a crawl: fresh statistics for the planner where much has changed; a moment, not minutes."""
    with _free(engine) as run:
        if engine.dialect.name == "sqlite":
            run("pragma analysis_limit=1000")
            run("pragma optimize")
        else:
            run(f"analyze {_our_tables(engine)}")


def optimize(db: str | Path, *, vacuum: bool = False) -> None:
    """All of it: totals counted again, statistics, the search index merged or made, the log folded in.

    `vacuum` also packs the file. Raises CatalogError, CatalogBusy where a crawl is writing for too long.
    """
    engine = open_engine(db, read_only=False)
    try:
        with engine.begin() as connection:
            create_search_index(connection)
            rebuild(Rows(connection))
        with _free(engine) as run:
            if engine.dialect.name == "sqlite":
                run("insert into search_index (search_index) values ('optimize')")
                run("pragma analysis_limit=0")
                run("analyze")
                if vacuum:
                    run("pragma temp_store=file")  # the whole catalog is written there once
                    run("vacuum")
                run("pragma wal_checkpoint(truncate)")
            else:
                run(f"vacuum ({'full, ' if vacuum else ''}analyze) {_our_tables(engine)}")
    except DatabaseError as error:
        raise to_catalog_error(error, catalog_name(engine)) from error
    finally:
        engine.dispose()


def _our_tables(engine: Engine) -> str:
    """The catalog's tables on PostgreSQL, for statements outside of a transaction, where no search path is set."""
    with engine.connect() as connection:
        schema = connection.exec_driver_sql(SCHEMA).scalar_one()
    return ", ".join(f"{quote_name(schema)}.{quote_name(table)}" for table in metadata.tables)


@contextmanager
def _free(engine: Engine) -> Iterator[Any]:
    """Runs statements outside of any transaction, which these must be."""
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
    with engine.connect().execution_options(**options) as connection:
        driver: Any = connection.connection.driver_connection  # goes past SQLAlchemy's own BEGIN
        try:
            yield driver.execute
        except sqlite3.Error as error:
            raise to_catalog_error(error, catalog_name(engine)) from error

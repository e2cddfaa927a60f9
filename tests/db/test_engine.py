"""Opening a catalog: what readers may not do, and the errors when it can't be opened."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from db.engine import catalog_url, masked_url, open_engine
from db.errors import CatalogDamaged, CatalogError, CatalogMissing, CatalogUnreachable
from db.write.store import Store
from tests.db.made import fill, page


def test_readers_can_not_write(db: str) -> None:
    engine = open_engine(db, read_only=True)
    for statement in ("delete from repos", "create table t (x integer)", "drop view models"):
        with engine.connect() as connection, pytest.raises(DBAPIError, match=r"read-?only"):
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_reader_sees_one_moment_while_a_crawl_writes(db: str) -> None:
    engine = open_engine(db, read_only=True)
    with Store.open(db) as store, engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("set transaction isolation level repeatable read")
        count = "select count(*) from repos"
        assert connection.exec_driver_sql(count).scalar() == 0
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([1, 2]))
        assert connection.exec_driver_sql(count).scalar() == 0
        connection.rollback()
        assert connection.exec_driver_sql(count).scalar() == 2
    engine.dispose()


def test_a_catalog_where_nothing_may_be_written_is_still_read(sqlite_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(sqlite_db)
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    opened: list[str] = []

    def remembering(place: str, **options: Any) -> sqlite3.Connection:
        opened.append(place)
        return connect(place, **options)

    monkeypatch.setattr("db.sqlite_file.os.access", lambda path, mode, effective_ids: False)
    monkeypatch.setattr("db.sqlite_file.sqlite3.connect", remembering)
    engine = open_engine(sqlite_db, read_only=True)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from models").scalar() == 3
    engine.dispose()
    assert opened and all("immutable=1" in place for place in opened)


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        ("{}/none.db", CatalogMissing, "no catalog at"),
        ("{}", CatalogDamaged, "is a folder"),
        ("mysql://me:secret@host/db", CatalogError, "only SQLite and PostgreSQL"),
        ("://", CatalogError, "no database URL"),
        ("postgresql://me:secret@/catalog?host={}", CatalogUnreachable, "does not answer"),
    ],
)
def test_what_can_not_be_opened_is_named_without_its_password(
    tmp_path: Path, place: str, error: type[CatalogError], words: str
) -> None:
    if place.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(error, match=words) as caught:
        open_engine(place.format(tmp_path), read_only=True)
    assert caught.value.hint and "secret" not in str(caught.value)


def test_a_path_and_its_url_are_one_catalog(sqlite_db: str) -> None:
    assert masked_url(f"sqlite:///{sqlite_db}") == sqlite_db
    assert catalog_url("postgres://me@host/db").drivername == "postgresql+psycopg"
    open_engine(f"sqlite:///{sqlite_db}", read_only=True).dispose()


def test_a_full_disk_is_said_so_and_loses_nothing(sqlite_db: str) -> None:
    with Store.open(sqlite_db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1]))
        with store._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            pages = driver.execute("pragma page_count").fetchone()[0]
            driver.execute(f"pragma max_page_count={pages}")
        with pytest.raises(CatalogError, match="can't grow"):
            store.save_page(run, "", page(range(2, 900)))
        with store._engine.connect() as connection:
            driver = connection.connection.driver_connection
            driver.execute("pragma max_page_count=1000000")
        assert store.save_page(run, "", page([2, 3])).new == 2


def test_naming_errors_needs_no_database_toolkit() -> None:
    """`hf-catalog label` pays for none of it."""
    code = "import db.records, db.errors, sys; print(sorted({'sqlalchemy', 'alembic', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

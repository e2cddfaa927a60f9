"""The server of a catalog goes away in the middle of a crawl, refuses it, or is not fit for one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crawler.cli.doctor import check_catalog
from crawler.cli.errors import explain
from crawler.pipeline import wait_for_server
from crawler.sources.pacer import Pacer
from db.engine import open_engine
from db.errors import CatalogBusy, CatalogDamaged, CatalogError, CatalogUnreachable
from db.maintain.check import check
from db.maintain.copy import copy
from db.maintain.optimize import optimize
from db.postgres_errors import is_server_error
from db.revisions import head
from db.schema.migrate import migrate_engine
from db.schema.search_index import NO_INDEX_REMEDY
from db.sqlite_file import to_catalog_error
from db.write.store import Store
from samplehub import MEMBER, Fault, Kind, SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import run_crawl, small_catalog
from tests.crawler.test_several import start_crawl, wait_until
from tests.servers import PostgreSQL, database_of, running_postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A server of its own, which may be stopped."""
    with running_postgresql() as server:
        yield server


@pytest.mark.timeout(300)
def test_a_crawl_waits_for_its_server_and_ends_as_if_nothing_had_happened(server: PostgreSQL, tmp_path: Path) -> None:
    url: Any = server.create()
    with SampleHub(catalog=small_catalog(40)) as sample:
        run_crawl(tmp_path / "alone.db", sample, depth="headers", token=MEMBER)
        sample.faults.add(Fault(Kind.STALL, on="info", seconds=0.5, times=None))  # so that it is in the middle
        crawl = start_crawl(url, sample)
        wait_until(lambda: visited(server, url), crawl)
        server.control("stop")
        waiting = crawl.stderr.readline() if crawl.stderr else ""
        while waiting and "Waiting" not in waiting:
            waiting = crawl.stderr.readline()  # type: ignore[union-attr]
        sample.faults.clear()
        server.control("start")
        _, err = crawl.communicate(timeout=200)
        assert crawl.returncode == 0, err
        assert "the server of the catalog" in waiting
        assert all(word not in waiting + err for word in ("psycopg", "Traceback", "sqlalche"))
    assert [finding for finding in check(url) if not finding.ok] == []
    copy(url, tmp_path / "together.db")
    assert differences(tmp_path / "alone.db", tmp_path / "together.db") == []


def visited(server: PostgreSQL, url: str) -> bool:
    sql = "select coalesce(max(repos_enriched), 0) from crawl_runs where finished_at is null"
    try:
        return bool(server.execute(sql, database_of(url)).fetchone()[0])
    except Exception:  # no tables yet
        return False


@pytest.mark.timeout(120)
def test_a_crawl_that_is_to_end_does_not_wait_for_its_server(server: PostgreSQL) -> None:
    url: Any = server.create()
    with SampleHub(catalog=small_catalog(40)) as sample:
        sample.faults.add(Fault(Kind.STALL, on="info", seconds=0.5, times=None))
        crawl = start_crawl(url, sample)
        try:
            wait_until(lambda: visited(server, url), crawl)
            server.control("stop")
            crawl.send_signal(signal.SIGTERM)
            _, err = crawl.communicate(timeout=100)
        finally:
            server.control("start")
    assert crawl.returncode == 3
    assert "Error: postgresql" in err
    assert "does not answer" in err


def test_a_server_is_waited_for_until_the_time_of_the_crawl_is_over() -> None:
    now = 0.0
    pacer = Pacer(max_time=5.0, clock=lambda: now)
    assert wait_for_server(pacer, 0.0)
    now = 5.0
    assert not wait_for_server(pacer, 3.0)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_with_another_encoding_is_refused_before_anything_is_made(
    encoding: str, postgresql: PostgreSQL
) -> None:
    name = f"encoded_{encoding.lower()}"
    postgresql.execute(f"create database {name} template template0 encoding '{encoding}' locale 'C'")
    error = refused(f"{postgresql.url(name)}&schema=cats")
    assert f"has the encoding {encoding}" in str(error)
    assert "--encoding=UTF8" in error.hint
    assert postgresql.execute("select 1 from pg_namespace where nspname = 'cats'", name).fetchall() == []


def test_a_role_that_may_not_create_is_told_so(postgresql: PostgreSQL) -> None:
    url = postgresql.create()
    postgresql.execute("revoke create on schema public from public; create role guest login", database_of(url))
    error = refused(url.replace("//postgres@", "//guest@"))
    assert "the role lacks a right: permission denied for schema public" in str(error)
    assert "?schema=NAME" in error.hint


def test_a_server_that_accepts_no_writes_is_named_as_what_it_is(postgresql: PostgreSQL) -> None:
    url = postgresql.create()
    postgresql.execute("create role standby superuser login", database_of(url))
    postgresql.execute("alter role standby set default_transaction_read_only = on", database_of(url))
    error = refused(url.replace("//postgres@", "//standby@"))
    assert "the server accepts no writes" in str(error)
    assert "primary" in error.hint


def refused(url: str) -> CatalogError:
    with pytest.raises(CatalogError) as raised:
        Store.open(url, create=True)
    explained = explain(raised.value)
    assert explained is not None
    assert explained[2] == 3
    assert "db restore" not in raised.value.hint
    return raised.value


@pytest.mark.parametrize(
    ("state", "kind", "says"),
    [
        (None, CatalogUnreachable, "does not answer: Connection refused"),
        ("08006", CatalogUnreachable, "does not answer"),
        ("57P01", CatalogUnreachable, "does not answer"),
        ("53300", CatalogUnreachable, "does not answer"),
        ("53100", CatalogError, "its server's disk is full"),
        ("53200", CatalogError, "its server lacks resources"),
        ("58030", CatalogError, "read or write its files"),
        ("22021", CatalogError, "does not fit its encoding"),
        ("40P01", CatalogBusy, "is busy"),
        ("55P03", CatalogBusy, "is busy"),
        ("42P01", CatalogDamaged, "is not a readable catalog"),
        ("XX001", CatalogDamaged, "is not a readable catalog"),
    ],
)
def test_each_trouble_of_a_server_is_an_error_of_the_catalog_without_remedies_for_files(
    state: str | None, kind: type[CatalogError], says: str
) -> None:
    class ServerError(Exception):
        sqlstate = state
        diag = SimpleNamespace(message_primary="the reason")

    error = to_catalog_error(ServerError("connection to server failed: Connection refused\n\tIs it running?"), "the db")
    assert type(error) is kind
    assert says in str(error)
    assert "\n" not in str(error)
    assert "db restore" not in error.hint
    assert is_server_error(ServerError())


def test_a_wrong_statement_is_no_trouble_of_the_server() -> None:
    class ServerError(Exception):
        sqlstate = "23505"

    assert not is_server_error(ServerError())
    assert not is_server_error(ValueError())


def test_a_migration_lets_readers_pass_while_a_long_query_is_in_its_way(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.schema.migrate.LOCK_TIMEOUT_SECONDS", 0.2)
    url = postgresql.create("catalog_template")
    pauses: list[float] = []
    report, reader, writer = (open_engine(url, read_only=flag) for flag in (True, True, False))
    with report.connect() as long_query:
        long_query.exec_driver_sql("select * from models")

        def end_the_query(seconds: float) -> None:
            pauses.append(seconds)
            with reader.connect() as connection:
                assert connection.exec_driver_sql("select count(*) from models").scalar() == 0
            if len(pauses) == 2:
                long_query.rollback()

        monkeypatch.setattr("db.schema.migrate.time.sleep", end_the_query)
        migrate_engine(writer, head())
    assert pauses == [3.0, 3.0]
    for engine in (report, reader, writer):
        engine.dispose()


def test_a_search_index_that_could_not_be_made_is_made_later(postgresql: PostgreSQL) -> None:
    url = postgresql.create("catalog_template")
    postgresql.execute("drop index search_index", database_of(url))

    def state() -> str:
        return next(finding.detail for finding in check(url) if finding.check == "search index")

    assert "pg_trgm" in state()
    noted = [finding for finding in check_catalog(url) if finding.check == "search"]
    assert [finding.fix for finding in noted] == [NO_INDEX_REMEDY]
    optimize(url)
    assert state() == ""
    assert [finding for finding in check_catalog(url) if finding.check == "search"] == []

"""A catalog behind pgbouncer in transaction mode, which is configured for nothing of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from analysis.query.reader import CatalogReader, run_query
from db.engine import open_engine
from db.errors import QueryRefused, QueryTimeout
from db.maintain.check import check
from db.maintain.optimize import optimize
from db.schema.migrate import upgrade
from db.session_settings import session_settings
from db.write.store import Store
from samplehub import MEMBER, SampleHub
from tests.crawler.hubs import run_crawl, small_catalog
from tests.servers import PostgreSQL, database_of, running_pgbouncer


@pytest.fixture(scope="module")
def pooler(postgresql: PostgreSQL) -> Iterator[PostgreSQL]:
    with running_pgbouncer(postgresql) as pooler:
        yield pooler


@pytest.mark.parametrize("schema", ["", "&schema=cats"])
def test_a_catalog_is_made_crawled_and_read_through_a_pooler(
    schema: str, postgresql: PostgreSQL, pooler: PostgreSQL
) -> None:
    url = pooler.url(database_of(postgresql.create())) + schema
    upgrade(url, create=True)
    with SampleHub(catalog=small_catalog(12)) as sample, Store.open(url) as other:
        run = run_crawl(url, sample, depth="headers", token=MEMBER)  # type: ignore[arg-type]
        assert (run.outcome, run.repos_seen) == ("complete", len(sample.catalog))
        assert other.backlog("headers") == 0  # beside it, by the other connection
        repos = len(sample.catalog)
    optimize(url)
    assert [finding for finding in check(url) if not finding.ok] == []
    with CatalogReader(url, snapshot=True) as reader:
        assert [len(reader.all("select * from models")) for _ in range(10)] == [repos] * 10


def test_a_persons_sql_through_a_pooler_is_guarded(postgresql: PostgreSQL, pooler: PostgreSQL) -> None:
    url = pooler.url(database_of(postgresql.create("catalog_template")))
    for _ in range(12):  # more often than psycopg prepares a statement
        assert list(run_query(url, "select count(*) from models", any_role=True)) == [(0,)]
        assert list(run_query(url, "show timezone", any_role=True)) == [("UTC",)]
    with pytest.raises(QueryRefused):
        list(run_query(url, "show timezone; drop table repos", any_role=True))
    with pytest.raises(QueryTimeout):
        list(run_query(url, "select count(*) from generate_series(1, 1000000000)", timeout=0.2, any_role=True))


def test_statements_are_not_prepared_where_the_next_transaction_may_have_another_connection(
    postgresql: PostgreSQL, pooler: PostgreSQL
) -> None:
    engine = open_engine(pooler.url(database_of(postgresql.create("catalog_template"))), read_only=True)
    with engine.connect() as one, engine.connect() as other:
        for _ in range(12):
            one.exec_driver_sql("select count(*) from repos")
            one.commit()
        other.exec_driver_sql("select count(*) from repos")  # holds the connection that the first one had
        assert one.exec_driver_sql("select count(*) from repos").scalar() == 0
    engine.dispose()


@pytest.mark.parametrize(
    ("options", "schema", "statements", "rest"),
    [
        ("", None, (), ""),
        ("-csearch_path=cats", None, ('set local "search_path" to "cats"',), ""),
        ("-c search_path=Cats,public", None, ('set local "search_path" to "cats", "public"',), ""),
        ("--search-path=a\\ b", None, ('set local "search_path" to "a", "b"',), ""),
        ('-csearch_path="a\\ ""b",$user', None, ('set local "search_path" to "a ""b", "$user"',), ""),
        ("-csearch_path=cats", "dogs", ('set local "search_path" to "dogs", "public"',), ""),
        ("-c work_mem=64MB -B 5", None, ("set local \"work_mem\" to '64MB'",), "-B 5"),
        ("-c my.name=it's", None, ("set local \"my\".\"name\" to 'it''s'",), ""),
    ],
)
def test_options_of_a_url_are_set_in_the_transaction(
    options: str, schema: str | None, statements: tuple[str, ...], rest: str
) -> None:
    url = make_url("postgresql+psycopg:///test").update_query_pairs([("options", options)] if options else [])
    settings = session_settings(url, schema)
    assert settings.statements == ("set local \"timezone\" to 'UTC'", "set local \"jit\" to 'off'", *statements)
    assert settings.startup_options == rest

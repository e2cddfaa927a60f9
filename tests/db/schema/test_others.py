"""Other people's objects in the database of a catalog are kept, and never taken for the catalog's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from analysis.query.reader import CatalogReader
from db.engine import open_engine
from db.errors import CatalogError, CatalogMissing
from db.revisions import head
from db.schema.migrate import migrate_engine, upgrade
from tests.servers import PostgreSQL, database_of


@pytest.fixture
def engine(db: str) -> Iterator[Engine]:
    engine = open_engine(db, read_only=False)
    yield engine
    engine.dispose()


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def value(engine: Engine, sql: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(sql).scalar()


def test_an_upgrade_keeps_the_views_of_others(engine: Engine) -> None:
    execute(
        engine, "create view adults as select 18 as age", "create view report2 as select age + 1 as age from adults"
    )
    migrate_engine(engine, head())
    assert value(engine, "select age from report2") == 19
    assert value(engine, "select count(*) from models") == 0


def test_views_of_others_over_the_catalog_outlive_an_upgrade_or_are_named(engine: Engine) -> None:
    execute(engine, "create view mine as select count(*) as n from models", "create view growth as select 1 as one")
    if engine.dialect.name == "sqlite":
        migrate_engine(engine, head())
    else:
        with pytest.raises(CatalogError, match="can't be upgraded: view mine depends on view models") as refused:
            migrate_engine(engine, head())
        assert "create it again" in refused.value.hint
        assert value(engine, "select one from growth") == 1  # all of it was rolled back
    assert value(engine, "select n from mine") == 0


def test_a_view_of_an_earlier_version_is_dropped(engine: Engine) -> None:
    execute(engine, "create view growth as select 1 as one")
    migrate_engine(engine, head())
    views = "sqlite_master" if engine.dialect.name == "sqlite" else "(select viewname as name from pg_views) as v"
    assert value(engine, f"select count(*) from {views} where name = 'growth'") == 0


def test_a_catalog_is_made_beside_the_views_of_an_extension(postgresql: PostgreSQL) -> None:
    url = postgresql.create()
    postgresql.execute("create extension pg_stat_statements", database_of(url))
    upgrade(url, create=True)
    views = "select count(*) from pg_views where viewname = 'pg_stat_statements'"
    assert postgresql.execute(views, database_of(url)).fetchone() == (1,)


@pytest.mark.parametrize("relation", ["table models (x int)", "view tags as select 1 as x"])
def test_a_schema_with_relations_of_our_names_is_refused(relation: str, postgresql: PostgreSQL) -> None:
    url = postgresql.create()
    postgresql.execute(f"create {relation}", database_of(url))
    with pytest.raises(CatalogError, match=f"the schema public has {relation.split()[1]} of another") as refused:
        upgrade(url, create=True)
    assert "schema=" in refused.value.hint
    relations = "select relname from pg_class where relnamespace = 'public'::regnamespace"
    assert postgresql.execute(relations, database_of(url)).fetchall() == [(relation.split()[1],)]


@pytest.mark.parametrize("schema", ["cats", 'the "first" \\ one'])
def test_a_schema_holds_a_catalog_beside_another_one(schema: str, postgresql: PostgreSQL) -> None:
    from urllib.parse import quote

    first = postgresql.create("catalog_template")
    postgresql.execute("insert into tags (id, tag) values (1, 'public')", database_of(first))
    url = f"{first}&schema={quote(schema)}"
    with pytest.raises(CatalogMissing):
        open_engine(url, read_only=True)
    upgrade(url, create=True)
    with CatalogReader(url) as reader, CatalogReader(first) as other:
        assert (reader.all("select * from tags"), len(other.all("select * from tags"))) == ([], 1)
    indexed = "select count(*) from pg_indexes where indexname = 'search_index'"
    assert postgresql.execute(indexed, database_of(first)).fetchone() == (2,)  # pg_trgm is in public


def test_the_search_path_of_a_url_decides_where_the_catalog_is(postgresql: PostgreSQL) -> None:
    url = postgresql.create()
    postgresql.execute("create schema cats", database_of(url))
    upgrade(f"{url}&options=-csearch_path%3Dcats", create=True)
    placed = "select distinct schemaname from pg_tables where tablename in ('repos', 'alembic_version')"
    assert postgresql.execute(placed, database_of(url)).fetchall() == [("cats",)]

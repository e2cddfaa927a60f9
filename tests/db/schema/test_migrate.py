"""Migrations: forward and back with rows in every table, views rebuilt, foreign and newer databases not changed."""

from __future__ import annotations

import ast
import json
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from sqlalchemy import Connection, Engine, func, select

from db import revisions
from db.engine import open_engine
from db.errors import CatalogDamaged, CatalogNewer, CatalogOutdated
from db.maintain.check import check
from db.packed_text import DEFLATED, PLAIN
from db.schema import migrate
from db.schema.query_indexes import QUERY_INDEXES
from db.schema.tables import metadata
from db.write.store import Store
from tests.db.made import NOON, fill

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "9999_next"
down_revision = "HEAD"


def upgrade() -> None:
    with op.batch_alter_table("repos", recreate="auto", table_kwargs={"sqlite_strict": True}) as batch:
        batch.add_column(sa.Column("stars", sa.Integer(), nullable=False, server_default="0"))
        batch.alter_column("library_name", new_column_name="library")
        FAIL


def downgrade() -> None:
    with op.batch_alter_table("repos", recreate="auto", table_kwargs={"sqlite_strict": True}) as batch:
        batch.alter_column("library", new_column_name="library_name")
        batch.drop_column("stars")
"""


HEAD = revisions.head()


def next_migration(last: str) -> str:
    """A migration after the latest one; `last` is the statement that its upgrade ends with."""
    return NEXT.replace("HEAD", HEAD).replace("FAIL", last)


@pytest.fixture
def engine(db: str) -> Iterator[Engine]:
    fill(db)
    engine = open_engine(db, read_only=False)
    yield engine
    engine.dispose()


LATER_TABLES = (
    "endpoints", "former_files", "leaderboards", "partial_repos", "repo_links", "request_quotas", "fit_candidates",
    "fit_sources", "fit_uses", "generations", "result_scales", "totals", "total_members", "author_totals",
    "author_schemes", "evidence_totals", "repo_revisions", "repo_revision_files", "model_cards", "card_texts",
    "account_kinds",
)  # fmt: skip
"""Tables that the first release did not have."""


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


def test_every_table_has_rows_to_lose(engine: Engine) -> None:
    assert [name for name, count in counts(engine).items() if count == 0] == []


def test_a_new_catalog_is_what_all_migrations_make(db: str) -> None:
    """Tables, columns with types and defaults, constraints, indexes and views; only the order of columns differs."""
    engine = open_engine(db, read_only=False)
    new = describe(engine)
    migrate.downgrade(db, "base")
    migrate.migrate_engine(engine, revisions.known_revisions()[0])
    assert describe(engine) != new
    migrate.upgrade(db)
    assert describe(engine) == new
    engine.dispose()


def describe(engine: Engine) -> list[tuple[str, ...]]:
    """Every object of a catalog, sorted: on SQLite the parts of its statement, on PostgreSQL its definition."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql("select type, name, tbl_name, coalesce(sql, '') from sqlite_master").all()
            return sorted((*row[:3], *statement_parts(row[3])) for row in rows)
        return sorted(tuple(map(str, row)) for sql in DEFINITIONS for row in connection.exec_driver_sql(sql))


def statement_parts(sql: str) -> list[str]:
    return sorted(" ".join(part.split()) for part in re.split(r"[,()]", sql.replace('"', "")))


DEFINITIONS = (
    "select table_name, column_name, data_type, is_nullable, column_default, is_identity"
    " from information_schema.columns where table_schema = current_schema()",
    "select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint"
    " where connamespace = current_schema()::regnamespace",
    "select tablename, indexname, indexdef from pg_indexes where schemaname = current_schema()",
    "select relname, obj_description(oid) from pg_class where relnamespace = current_schema()::regnamespace"
    " and relkind in ('r', 'v')",
    "select viewname, definition from pg_views where schemaname = current_schema()",
    "select sequencename, data_type from pg_sequences where schemaname = current_schema()",
)
"""Columns, constraints, indexes, comments, views and sequences of a schema."""


@pytest.mark.parametrize("name", revisions.known_revisions())
def test_a_migration_needs_nothing_of_the_program(name: str) -> None:
    """What it imported could be renamed or changed later, and with it the schema that old catalogs are brought to."""
    source = (Path(migrate.__file__).parents[1] / "migrations" / "versions" / f"{name}.py").read_text("utf-8")
    imported = {
        module
        for node in ast.walk(ast.parse(source))
        for module in ([node.module or "."] if isinstance(node, ast.ImportFrom) else imported_by(node))
    }
    assert {module.partition(".")[0] for module in imported} <= {"sqlalchemy", "alembic", *sys.stdlib_module_names}


def imported_by(node: ast.AST) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_each_migration_follows_the_one_before_it() -> None:
    """In the order of their names, without two that follow the same one."""
    known = revisions.known_revisions()
    folder = Path(migrate.__file__).parents[1] / "migrations" / "versions"
    for before, name in zip((None, *known), known, strict=False):
        text = (folder / f"{name}.py").read_text(encoding="utf-8")
        wanted = "None" if before is None else f'"{before}"'
        assert f'\nrevision = "{name}"\ndown_revision = {wanted}\n' in text, name


def test_every_index_is_there_even_after_a_table_was_rebuilt(engine: Engine, db: str) -> None:
    wanted = {index.name for table in metadata.sorted_tables for index in table.indexes}
    named = "sqlite_master where type = 'index'" if engine.dialect.name == "sqlite" else "pg_indexes"
    column = "name" if engine.dialect.name == "sqlite" else "indexname"
    with engine.begin() as connection:
        assert wanted <= {row[0] for row in connection.exec_driver_sql(f"select {column} from {named}")}
        connection.exec_driver_sql("drop index ix_repos_lower")
        migrate.create_indexes(connection)
        assert wanted <= {row[0] for row in connection.exec_driver_sql(f"select {column} from {named}")}


def test_indexes_of_queries_are_made_last_and_in_the_order_of_their_declarations(sqlite_template: Path) -> None:
    """SQLite's choice among equally good ones depends on it: it would be another one in each catalog."""
    with closing(sqlite3.connect(sqlite_template)) as connection:
        rows = connection.execute("select name from sqlite_master where type = 'index' and sql is not null")
        names = [name for (name,) in rows if not name.startswith("search_")]
    declared = [str(index.name) for index in QUERY_INDEXES]
    assert names[-len(declared) :] == declared
    assert names[: -len(declared)] == sorted(names[: -len(declared)])


def test_back_to_nothing_and_forward_again(engine: Engine, db: str) -> None:
    migrate.downgrade(db, "base")
    with engine.connect() as connection:
        assert tables(connection) - {"alembic_version"} == set()
    migrate.upgrade(db)
    assert set(counts(engine).values()) == {0}
    assert [finding for finding in check(db) if not finding.ok] == []


def test_the_standard_names_are_taken_back_and_given_again_with_every_row(engine: Engine, db: str) -> None:
    before = counts(engine)
    migrate.downgrade(db, "0001_catalog")
    with engine.connect() as connection:
        assert {"visits", "layouts", "sweep_pages", "absences"} <= tables(connection)
        assert constraints(connection, "visits") == {"pk_visits", "fk_visits_repo"}
    migrate.upgrade(db, backup=False)
    assert counts(engine) == {**before, **dict.fromkeys(LATER_TABLES, 0)}
    with engine.connect() as connection:
        assert constraints(connection, "enrichments") == {"pk_enrichments", "fk_enrichments_repo"}
        assert constraints(connection, "missing_repos") == {"pk_missing_repos", "fk_missing_repos_repo"}
        assert constraints(connection, "listing_pages") == {"pk_listing_pages"}
        assert constraints(connection, "header_layouts") == {"pk_header_layouts"}


def test_former_contents_are_taken_from_the_changes_that_were_recorded(engine: Engine, db: str) -> None:
    old, new = ({"size": size, "blob_id": None, "sha256": text * 64} for size, text in ((5, "a"), (6, "b")))
    git = {"size": 5, "blob_id": "c" * 40, "sha256": None}
    changes = [
        ("changed file", old, new),  # counts
        ("changed file", new, {**new, "blob_id": "d" * 40}),  # the same content
        ("changed file", git, {**git, "size": 7}),  # a small file of git
        ("removed file", new, None),  # counts
        ("new file", None, old),
    ]
    values = [
        {"id": 100 + at, "repo": 1, "at": NOON, "kind": kind, "subject": "m.gguf", "before": before, "after": after}
        for at, (kind, *texts) in enumerate(changes)
        for before, after in [[text and json.dumps(text) for text in texts]]
    ]
    with engine.begin() as connection:
        connection.execute(metadata.tables["events"].insert(), values)
    migrate.downgrade(db, "0009_lease_holders")
    migrate.upgrade(db, backup=False)
    with engine.connect() as connection:
        rows = connection.execute(select(metadata.tables["former_files"])).all()
    assert {(row.repo, row.path, row.sha256, row.size, row.until) for row in rows} == {
        (1, "m.gguf", "a" * 64, 5, NOON),
        (1, "m.gguf", "b" * 64, 6, NOON),
    }


def test_evidence_is_packed_and_unpacked_row_by_row(engine: Engine, db: str) -> None:
    """Two artifacts share a piece, which one of them resolves otherwise; the third repo has a piece of its own."""
    links = {(1, 0, 1, True), (1, 0, 2, False), (1, 7, 1, True), (1, 9, 1, False), (1, 9, 2, False), (3, 0, 2, True)}
    migrate.downgrade(db, "0011_security_and_licences")
    engine.dispose()  # a connection of SQLite that is open takes the table for the view that it was
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from label_evidence")
        for link in links:
            connection.exec_driver_sql(f"insert into label_evidence values {link}")
    migrate.upgrade(db, backup=False)
    with engine.begin() as connection:
        packed = connection.exec_driver_sql("select * from repo_evidence order by repo, first_artifact").all()
        assert packed == [(1, 0, "[[[0],[3,4]]]"), (1, 7, "[[[2],[2,4]],[[0],[3]]]"), (3, 0, "[[[0],[5]]]")]
        assert set(connection.exec_driver_sql("select * from label_evidence").all()) == links
    migrate.downgrade(db, "0011_security_and_licences")
    with engine.begin() as connection:
        assert set(connection.exec_driver_sql("select * from label_evidence").all()) == links


def test_facts_are_packed_and_written_out_again(engine: Engine, db: str) -> None:
    facts = metadata.tables["repo_facts"]
    with engine.connect() as connection:
        stored = connection.execute(select(facts).order_by(facts.c.repo)).all()
    migrate.downgrade(db, "0026_metrics_index")
    engine.dispose()
    with engine.connect() as connection:
        found = {row.repo: row.facts for row in connection.exec_driver_sql("select repo, facts from repo_facts")}
    assert found == {row.repo: row.facts for row in stored}
    assert all(isinstance(json.loads(text), dict) for text in found.values())
    migrate.upgrade(db, backup=False)
    engine.dispose()
    with engine.connect() as connection:
        assert connection.execute(select(facts).order_by(facts.c.repo)).all() == stored
        raw = connection.exec_driver_sql("select facts from repo_facts").scalars().all()
        assert all(bytes(packed)[:1] in (PLAIN, DEFLATED) for packed in raw)
        assert constraints(connection, "repo_facts") == {"pk_repo_facts", "fk_repo_facts_repo"}


def test_git_s_hash_is_taken_from_files_in_lfs_alone(engine: Engine, db: str) -> None:
    """Of all repos, which the migration takes some thousand at a time."""
    repos, files, branches = (metadata.tables[each] for each in ("repos", "repo_files", "repo_revision_files"))
    both = [{"path": "in-git", "blob_id": "a" * 40, "sha256": None}]
    both += [{"path": "in-lfs", "blob_id": "a" * 40, "sha256": "b" * 64}]
    with engine.begin() as connection:
        first = connection.execute(select(repos).where(repos.c.id == 1)).mappings().one()
        connection.execute(repos.insert(), [{**first, "id": 6000, "hub_id": "another"}])
        connection.execute(files.insert(), [{"repo": repo, **each} for repo in (1, 6000) for each in both])
        connection.execute(branches.insert(), [{"repo": 2, "sha": "c", **each} for each in both])
    migrate.downgrade(db, "0027_packed_facts")
    migrate.upgrade(db, backup=False)
    engine.dispose()
    with engine.connect() as connection:
        for table, repo in ((files, 1), (files, 6000), (branches, 2)):
            asked = select(table.c.path, table.c.blob_id, table.c.sha256).where(table.c.repo == repo)
            found = {tuple(row) for row in connection.execute(asked)}
            assert {("in-git", "a" * 40, None), ("in-lfs", None, "b" * 64)} <= found


def constraints(connection: Connection, table: str) -> set[str | None]:
    """Names of a table's primary and foreign keys."""
    from sqlalchemy import inspect

    seen = inspect(connection)
    return {seen.get_pk_constraint(table)["name"], *(key["name"] for key in seen.get_foreign_keys(table))}


def tables(connection: Connection) -> set[str]:
    from sqlalchemy import inspect

    return set(inspect(connection).get_table_names()) | set(inspect(connection).get_view_names())


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version of the program that knows one migration more: it rebuilds the table that all others hang on."""
    folder = tmp_path / "versions"
    folder.mkdir()
    (folder / "9999_next.py").write_text(next_migration("pass"))
    shipped = Path(migrate.__file__).parents[1] / "migrations" / "versions"
    known = revisions.known_revisions()
    config_of = migrate.alembic_config

    def with_next(connection: Connection) -> Config:
        config = config_of(connection)
        config.set_main_option("version_locations", os.pathsep.join((str(shipped), str(folder))))
        return config

    monkeypatch.setattr(migrate, "alembic_config", with_next)
    monkeypatch.setattr(revisions, "known_revisions", lambda: (*known, "9999_next"))
    monkeypatch.setattr(migrate, "create_views", lambda connection: None)  # today's views know today's columns
    monkeypatch.setattr(migrate, "write_comments", lambda connection: None)
    return folder


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_a_table_is_rebuilt_with_its_rows_and_its_childrens(engine: Engine, db: str, next_version: Path) -> None:
    before = counts(engine)
    saved = migrate.upgrade(db)
    with engine.connect() as connection:
        assert (
            connection.exec_driver_sql("select count(*) from repos where library = 'gguf' and stars = 0").scalar() == 3
        )
    migrate.downgrade(db, HEAD)
    assert counts(engine) == before
    if engine.dialect.name == "sqlite":
        assert saved is not None and migrate.current(saved) == HEAD  # the copy that was made first
        with engine.connect() as connection:
            made = connection.exec_driver_sql("select sql from sqlite_master where name = 'repos'").scalar_one()
        assert "STRICT" in made


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_a_migration_that_fails_leaves_the_catalog_as_it_was(engine: Engine, db: str, next_version: Path) -> None:
    (next_version / "9999_next.py").write_text(next_migration("op.execute('select no_such_function()')"))
    before = counts(engine)
    with pytest.raises(Exception, match="no_such_function"):
        migrate.upgrade(db, backup=False)
    assert migrate.current(db) == HEAD
    assert counts(engine) == before
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from models").scalar() == 3


def test_readers_of_an_older_catalog_get_the_hint_to_upgrade(engine: Engine, db: str, next_version: Path) -> None:
    with pytest.raises(CatalogOutdated, match=f"{HEAD}; this version needs 9999_next") as error:
        open_engine(db, read_only=True)
    assert "hf-catalog db upgrade" in error.value.hint


def test_a_newer_catalog_is_refused(engine: Engine, db: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '0099_future'")
    for attempt in (lambda: open_engine(db, read_only=True), lambda: Store.open(db), lambda: migrate.upgrade(db)):
        with pytest.raises(CatalogNewer, match="0099_future"):
            attempt()


def test_a_foreign_database_is_never_made_into_a_catalog(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table photos (id integer primary key)")
    connection.close()
    with pytest.raises(CatalogDamaged, match="not a catalog"):
        Store.open(path, create=True)
    with pytest.raises(CatalogDamaged, match="not a catalog"):
        open_engine(path, read_only=True)


@pytest.mark.parametrize("bytes_", [b"PK\x03\x04 a zip file", b"SQLite format 3\0" + bytes(4000)], ids=["zip", "zeros"])
def test_a_file_that_is_no_database(tmp_path: Path, bytes_: bytes) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(bytes_)
    with pytest.raises(CatalogDamaged):
        open_engine(path, read_only=True)
    assert path.read_bytes() == bytes_


def test_postgresql_knows_what_every_column_means(postgresql: Any) -> None:
    engine = open_engine(postgresql.create("catalog_template"), read_only=True)
    with engine.connect() as connection:
        sql = "select col_description('repos'::regclass, ordinal_position) from information_schema.columns"
        said = connection.exec_driver_sql(f"{sql} where table_name = 'repos' and column_name = 'downloads'").scalar()
    engine.dispose()
    assert said == metadata.tables["repos"].c.downloads.comment


def test_postgresql_has_downloads_in_the_order_in_which_models_are_listed(postgresql: Any) -> None:
    url = postgresql.create()
    migrate.upgrade(url, create=True)
    engine = open_engine(url, read_only=False)

    def index() -> str:
        with engine.connect() as connection:
            sql = "select indexdef from pg_indexes where indexname = 'ix_repos_downloads'"
            return str(connection.exec_driver_sql(sql).scalar_one())

    assert "(downloads DESC NULLS LAST, likes, status, type)" in index()
    migrate.downgrade(url, "0029_state_totals")
    assert "(downloads, likes, status, type)" in index()
    migrate.upgrade(url)
    assert "(downloads DESC NULLS LAST, likes, status, type)" in index()
    engine.dispose()

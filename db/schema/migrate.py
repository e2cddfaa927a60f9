"""Bringing a catalog to this version's schema, and back.

Tables are migrated (Alembic, `db/migrations/versions`), views are rebuilt: dropped before the first migration and
made anew after the last, from `db/views/*.sql`. All of it is one transaction: a migration that fails leaves the
catalog as it was. A SQLite catalog of an older schema is copied beside itself first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, SetColumnComment, SetTableComment

from db.engine import (
    APPLICATION_ID,
    catalog_name,
    catalog_url,
    has_tables,
    open_engine,
    raw,
    read_revision,
    revision,
    to_catalog_error,
)
from db.errors import CatalogDamaged, CatalogNewer
from db.schema.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config


@cache
def known_revisions() -> tuple[str, ...]:
    """Every schema that this version knows, oldest first: the names of the migrations, numbered in order."""
    names = (item.name for item in files("db.migrations.versions").iterdir())
    return tuple(sorted(name[:-3] for name in names if name.endswith(".py") and name[0].isdigit()))


def head() -> str:
    """The schema that this version needs."""
    return known_revisions()[-1]


def current(db: str | Path) -> str | None:
    """The schema that the catalog has; None if it has none. Raises CatalogMissing, CatalogDamaged."""
    engine = open_engine(db, read_only=True, check=False)
    try:
        return revision(engine)
    finally:
        engine.dispose()


def upgrade(db: str | Path, *, create: bool = False, backup: bool = True) -> Path | None:
    """Brings the catalog to `head()`; returns the backup's path if one was made.

    Raises CatalogMissing (unless `create`), CatalogNewer, CatalogDamaged, CatalogBusy.
    """
    engine = open_engine(db, read_only=False, create=create, check=False)
    try:
        return upgrade_engine(engine, db, backup=backup)
    finally:
        engine.dispose()


def upgrade_engine(engine: Engine, db: str | Path, *, backup: bool = True) -> Path | None:
    found = revision(engine)
    if found == head():
        return None
    if found is not None and found not in known_revisions():
        raise CatalogNewer(catalog_name(engine), found, head())
    saved = _save(db, found) if backup and found is not None and engine.dialect.name == "sqlite" else None
    migrate_engine(engine, head())
    return saved


def downgrade(db: str | Path, target: str) -> None:
    """Takes the catalog back to an earlier schema (`base` takes all of it away)."""
    engine = open_engine(db, read_only=False, check=False)
    try:
        migrate_engine(engine, target, forward=False)
    finally:
        engine.dispose()


def migrate_engine(engine: Engine, target: str, *, forward: bool = True) -> None:
    """Runs the migrations to `target` with the views out of the way, in one transaction."""
    from alembic import command

    try:
        with engine.connect() as connection, _rebuilding(connection), connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext('hf-catalog migrate'))")
            _refuse_foreign_database(connection)
            drop_views(connection)
            (command.upgrade if forward else command.downgrade)(alembic_config(connection), target)
            if target == head():
                create_indexes(connection)
                create_views(connection)
                write_comments(connection)
            _check_foreign_keys(connection)
    except DBAPIError as error:
        raise to_catalog_error(error, catalog_name(engine)) from error


def alembic_config(connection: Connection) -> Config:
    """Alembic's settings without its file, so that an installed package finds its migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "db:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _rebuilding(connection: Connection) -> Iterator[None]:
    """SQLite rebuilds a table by dropping the old one: with foreign keys on, its children's rows would go with it.

    The switch only works outside a transaction, so it is thrown past SQLAlchemy's own BEGIN.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.execute(f"pragma application_id={APPLICATION_ID}")
    driver.execute("pragma foreign_keys=off")
    try:
        yield
    finally:
        driver.execute("pragma foreign_keys=on")


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("pragma foreign_key_check").first()
        if broken is not None:
            raise CatalogDamaged(catalog_name(connection), f"a row of {broken[0]} belongs to nothing")


def _refuse_foreign_database(connection: Connection) -> None:
    """A database with tables of somebody else is never made into a catalog."""
    if connection.dialect.name != "sqlite" or read_revision(connection) is not None:
        return
    if has_tables(connection):
        raise CatalogDamaged(catalog_name(connection), "it is a database, but no catalog")


def _save(db: str | Path, found: str) -> Path:
    path = Path(str(catalog_url(db).database))
    copy = path.with_name(f"{path.name}.{found}.{datetime.now(UTC):%Y%m%dT%H%M%S}.backup")
    with raw(path) as connection:
        connection.execute("vacuum into ?", (str(copy),))
    return copy


# ---- views ----------------------------------------------------------------------------------------------------------


def view_sources() -> Iterator[tuple[str, str]]:
    """(name, SQL) of every view in the order of their making; `-- needs: NAME ...` names the views that one uses."""
    folder = files("db.views")
    texts = {item.name[:-4]: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".sql")}
    done: list[str] = []
    while len(done) < len(texts):
        ready = sorted(name for name in texts if name not in done and view_dependencies(texts[name]) <= set(done))
        if not ready:
            raise ValueError(f"views that need each other: {sorted(set(texts) - set(done))}")
        done += ready
    return ((name, texts[name]) for name in done)


def view_dependencies(text: str) -> set[str]:
    lines = (line for line in text.splitlines() if line.startswith("-- needs:"))
    return {name for line in lines for name in line.removeprefix("-- needs:").split()}


def drop_views(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("select name from sqlite_master where type = 'view'")
        for (name,) in rows.all():
            connection.exec_driver_sql(f'drop view "{name}"')
    else:
        rows = connection.exec_driver_sql(
            "select table_name from information_schema.views where table_schema = current_schema()"
        )
        for (name,) in rows.all():
            connection.exec_driver_sql(f'drop view if exists "{name}" cascade')


FUNCTIONS = (
    "create or replace function hex(bytea) returns text language sql immutable strict parallel safe"
    " as $$ select upper(encode($1, 'hex')) $$",
    "create or replace function instr(text, text) returns integer language sql immutable strict parallel safe"
    " as $$ select strpos($1, $2) $$",
)
"""What SQLite has by itself and the views use: one text of a view serves both engines."""


def create_views(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        for function in FUNCTIONS:
            connection.exec_driver_sql(function)
    for name, text in view_sources():
        connection.exec_driver_sql(
            f"create view {name} as\n{text}".replace("%", "%%")
            if _escapes(connection)
            else f"create view {name} as\n{text}"
        )


def create_indexes(connection: Connection) -> None:
    """Those that are not there: SQLite's rebuilding of a table forgets the ones over expressions."""
    for table in metadata.sorted_tables:
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=True))


def write_comments(connection: Connection) -> None:
    """What db.schema.tables says of tables and columns, where the engine keeps it."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        connection.execute(SetTableComment(table))
        for column in table.columns:
            connection.execute(SetColumnComment(column))


def _escapes(connection: Connection) -> bool:
    """psycopg reads % as a placeholder's start."""
    return connection.dialect.paramstyle in ("format", "pyformat")

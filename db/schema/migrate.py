"""Upgrades a catalog to the schema of this version, and downgrades it to an earlier one.

Tables are migrated by Alembic (`db/migrations/versions`). Views are dropped before the first migration and created
again after the last one (`db/views/*.sql`). All of it is one transaction: a migration that fails leaves the catalog
unchanged. A SQLite catalog of an older schema is copied to a backup file next to it first. An empty database gets the
tables of this version at once, which takes a quarter of the time of all migrations.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Engine, MetaData, PrimaryKeyConstraint, String, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable, SetColumnComment, SetTableComment

from db import revisions
from db.engine import (
    APPLICATION_ID,
    catalog_name,
    catalog_url,
    has_tables,
    open_engine,
    raw,
    read_revision,
    revision,
)
from db.errors import CatalogBusy, CatalogDamaged, CatalogError, CatalogNewer
from db.schema.query_indexes import QUERY_INDEXES
from db.schema.search_index import create_search_index
from db.schema.tables import metadata
from db.schema.views import create_views, drop_views, view_names
from db.sqlite_file import to_catalog_error

if TYPE_CHECKING:
    from alembic.config import Config


def current(db: str | Path) -> str | None:
    """The revision of the catalog's schema; None for an empty database. Raises CatalogMissing, CatalogDamaged."""
    engine = open_engine(db, read_only=True, check=False)
    try:
        return revision(engine)
    finally:
        engine.dispose()


def upgrade(db: str | Path, *, create: bool = False, backup: bool = True) -> Path | None:
    """Upgrades the catalog to `db.revisions.head()`; returns the path of the backup if one was written.

    Raises CatalogMissing (unless `create`), CatalogNewer, CatalogDamaged, CatalogBusy.
    """
    engine = open_engine(db, read_only=False, create=create, check=False)
    try:
        return upgrade_engine(engine, db, backup=backup)
    finally:
        engine.dispose()


def upgrade_engine(engine: Engine, db: str | Path, *, backup: bool = True) -> Path | None:
    """As `upgrade`, for a catalog that is open: `engine` must allow writing, `db` names the file to back up."""
    found = revision(engine)
    if found == revisions.head():
        return None
    if found is not None and found not in revisions.known_revisions():
        raise CatalogNewer(catalog_name(engine), found, revisions.head())
    saved = _back_up(db, found) if backup and found is not None and engine.dialect.name == "sqlite" else None
    migrate_engine(engine, revisions.head())
    return saved


def downgrade(db: str | Path, target: str) -> None:
    """Downgrades the catalog to an earlier revision; `base` drops all tables."""
    engine = open_engine(db, read_only=False, check=False)
    try:
        migrate_engine(engine, target, forward=False)
    finally:
        engine.dispose()


DEPENDENT_OBJECTS = "2BP01"
"""PostgreSQL's code for what can't be dropped, because others depend on it."""


LOCK_TIMEOUT_SECONDS = 2
"""How long a migration waits for locks on PostgreSQL. Whoever wants to read queues behind it meanwhile."""

LOCK_ATTEMPTS = 20

LOCK_PAUSE_SECONDS = 3.0
"""Between two attempts, so that the readers that queued are served."""


def migrate_engine(engine: Engine, target: str, *, forward: bool = True) -> None:
    """Runs the migrations up or down to the revision `target`, without views meanwhile, in one transaction.

    Where a long query on PostgreSQL holds what is to be changed it tries again for about a minute and a half.
    Raises CatalogBusy if that query still runs then, and what `upgrade` does.
    """
    for attempt in range(LOCK_ATTEMPTS):
        try:
            return _migrate(engine, target, forward=forward)
        except CatalogBusy:
            if engine.dialect.name == "sqlite" or attempt == LOCK_ATTEMPTS - 1:
                raise
            time.sleep(LOCK_PAUSE_SECONDS)


def _migrate(engine: Engine, target: str, *, forward: bool) -> None:
    try:
        with engine.connect() as connection, _without_foreign_keys(connection), connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"set local lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
                connection.exec_driver_sql("select pg_advisory_xact_lock(hashtext('hf-catalog migrate'))")
            _refuse_foreign_database(connection)
            others = drop_views(connection)
            if target == revisions.head() and read_revision(connection) is None:
                create_tables(connection)
            else:
                run_migrations(connection, target, forward=forward)
            if target == revisions.head():
                create_indexes(connection)
                create_views(connection)
                write_comments(connection)
            for view in others:
                connection.exec_driver_sql(view)
            _check_foreign_keys(connection)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == DEPENDENT_OBJECTS:
            raise _dependent_objects(error.orig, catalog_name(engine)) from None
        raise to_catalog_error(error, catalog_name(engine)) from error


def _dependent_objects(error: Any, catalog: str) -> CatalogError:
    """Which views of others are in the way of an upgrade that recreates ours."""
    details = (error.diag.message_detail or error.diag.message_primary or "").splitlines()
    hint = "keep its definition (pg_dump --schema-only), drop it, upgrade, and create it again"
    return CatalogError(catalog, f"{catalog} can't be upgraded: {'; '.join(details)}", hint)


def run_migrations(connection: Connection, target: str, *, forward: bool) -> None:
    from alembic import command

    (command.upgrade if forward else command.downgrade)(alembic_config(connection), target)


ALEMBIC_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""The table in which Alembic keeps the revision of a schema, as it makes it."""


def create_tables(connection: Connection) -> None:
    """Creates the tables of this version in an empty database, and states its revision as Alembic does.

    Their indexes follow in one order (create_indexes): `metadata.create_all` makes those of a table in any.
    """
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table))
    create_search_index(connection)
    connection.execute(CreateTable(ALEMBIC_VERSION, if_not_exists=True))
    connection.execute(ALEMBIC_VERSION.insert().values(version_num=revisions.head()))


def alembic_config(connection: Connection) -> Config:
    """Alembic's settings without alembic.ini, so that an installed package finds its migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "db:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Turns SQLite's foreign keys off: where a migration rebuilds a table, dropping the old one would delete rows that
    refer to it.

    The pragma has no effect inside a transaction, so the driver runs it before SQLAlchemy's BEGIN.
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
            raise CatalogDamaged(
                catalog_name(connection), f"a row of {broken.table} refers to a row that does not exist"
            )


def _refuse_foreign_database(connection: Connection) -> None:
    """Never adds a catalog's tables to what another program made. Raises CatalogDamaged, CatalogError."""
    if read_revision(connection) is not None:
        return
    if connection.dialect.name == "sqlite":
        if has_tables(connection):
            raise CatalogDamaged(catalog_name(connection), "it is a database, but not a catalog")
        return
    sql = (
        "select relname, current_schema() from pg_class where relname = any(%s)"
        " and relnamespace = quote_ident(current_schema())::regnamespace order by relname"
    )
    found = connection.exec_driver_sql(sql, (sorted(view_names() | set(metadata.tables)),)).all()
    if found:
        name, names = catalog_name(connection), ", ".join(relation for relation, _ in found[:5])
        hint = "keep the catalog in a schema of its own: --db 'postgresql://.../DATABASE?schema=catalog'"
        raise CatalogError(name, f"the schema {found[0][1]} has {names} of another program", hint)


def _back_up(db: str | Path, found: str) -> Path:
    path = Path(str(catalog_url(db).database))
    copy = path.with_name(f"{path.name}.{found}.{datetime.now(UTC):%Y%m%dT%H%M%S}.backup")
    with raw(path) as connection:
        connection.execute("vacuum into ?", (str(copy),))
    return copy


def create_indexes(connection: Connection) -> None:
    """Creates the indexes that are missing: rebuilding a table on SQLite drops those over expressions.

    An index whose `info` has the SQL of this engine is created by it. Those of queries come last, in the order in which
    they are declared: of two that look equally good SQLite takes the later one.
    """
    own = {index for table in metadata.sorted_tables for index in table.indexes}.difference(QUERY_INDEXES)
    for index in (*sorted(own, key=lambda index: str(index.name)), *QUERY_INDEXES):
        sql = index.info.get(connection.dialect.name)
        connection.execute(CreateIndex(index, if_not_exists=True) if sql is None else text(sql))


def write_comments(connection: Connection) -> None:
    """Writes the comments of db.schema.tables to PostgreSQL; SQLite has no comments."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        connection.execute(SetTableComment(table))
        for column in table.columns:
            connection.execute(SetColumnComment(column))

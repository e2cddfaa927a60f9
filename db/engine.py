"""Opening a catalog: a file of SQLite, or a database of PostgreSQL by URL.

SQLite runs in WAL mode, so that readers never wait for the crawl nor see half a page of it. Writers begin with BEGIN
IMMEDIATE: a transaction that will write takes its place in the queue at once and can't fail half-way. Readers open the
file read-only and forbid writing once more by `query_only`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from db import sqlite_file
from db.errors import CatalogError, CatalogMissing
from db.extras import install_command
from db.secret_url import mask_database_url, reveal
from db.session_settings import quote_name, session_settings
from db.sqlite_file import is_url, to_catalog_error

APPLICATION_ID = 0x68666361  # "hfca": `file catalog.db` and we know ours


def catalog_url(db: str | Path) -> URL:
    """The catalog's URL. A bare path is a SQLite file; `postgresql://` means psycopg."""
    if not is_url(db):
        return URL.create("sqlite", database=str(db))
    text = reveal(str(db) if isinstance(db, Path) else db)
    name = mask_database_url(text)
    if text.count("@") > 1:  # a part of a password would be taken for the host, and shown
        hint = "write @ / ? # in a user, a password or a parameter as %40 %2F %3F %23"
        raise CatalogError(name, f"{name} is no database URL: it has more than one @", hint)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise CatalogError(name, f"{name} is no database URL", "give a path or postgresql://...") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise CatalogError(
            masked_url(url),
            f"{masked_url(url)}: only SQLite and PostgreSQL hold a catalog",
            "give a path or postgresql://...",
        )
    return url


def masked_url(url: URL | str | Path) -> str:
    """The catalog's name for messages: the path, or the URL without its password."""
    url = url if isinstance(url, URL) else catalog_url(url)
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return mask_database_url(url.render_as_string(hide_password=False))


def open_engine(db: str | Path, *, read_only: bool, create: bool = False, check: bool = True) -> Engine:
    """An engine on the catalog. Readers (`read_only`) find it at this version's schema, or get a clear error.

    Writers open through `Store.open`, which migrates first. `create` allows a file that does not exist yet; `check`
    False leaves the schema's version unlooked at (migrations, `db check`).
    Raises CatalogMissing, CatalogDamaged, CatalogNewer, CatalogOutdated, CatalogUnreachable.
    """
    url = catalog_url(db)
    if url.get_backend_name() == "sqlite":
        engine = _sqlite(url, read_only=read_only, create=create)
    else:
        engine = _postgresql(url, read_only=read_only, create=create)
    if check:
        try:
            _check_revision(engine)
        except BaseException:
            engine.dispose()
            raise
    return engine


def _sqlite(url: URL, *, read_only: bool, create: bool) -> Engine:
    path = Path(url.database or "")
    sqlite_file.check_file(path, create=create and not read_only)

    def connect() -> sqlite3.Connection:
        return sqlite_file.connect(path, read_only=read_only, create=create)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    engine = engine.execution_options(catalog=str(path), read_only=read_only)
    event.listen(engine, "begin", _begin_read if read_only else _begin_write)
    return engine


def _begin_write(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("begin" if reading else "begin immediate")


def _begin_read(connection: Connection) -> None:
    connection.exec_driver_sql("begin")


def _postgresql(url: URL, *, read_only: bool, create: bool) -> Engine:
    name = masked_url(url)
    schema = _one_value(url, "schema")
    settings = session_settings(url, schema)
    arguments: dict[str, Any] = {"connect_timeout": 10, "client_encoding": "utf8"}
    if settings.startup_options:
        arguments["options"] = settings.startup_options
    try:
        server = url.difference_update_query(["schema", "options"])
        engine = create_engine(server, connect_args=arguments, pool_pre_ping=True)
    except (ModuleNotFoundError, NoSuchModuleError):
        hint = f"install it with: {install_command('postgres')}"
        raise CatalogError(name, f"{name} needs the PostgreSQL driver", hint) from None
    begin = "; ".join([*settings.statements, *(["set transaction read only"] if read_only else [])])
    engine = engine.execution_options(catalog=name, read_only=read_only, begin=begin)
    event.listen(engine, "connect", _plain_numbers)
    event.listen(engine, "connect", _adapt_to_pooler)
    event.listen(engine, "begin", _begin_postgresql)
    try:
        with engine.begin() as connection:
            if not read_only:
                _require_utf8(connection, name)
            if schema is not None:
                _require_schema(connection, name, schema, create=create and not read_only)
    except DBAPIError as error:
        engine.dispose()
        raise to_catalog_error(error, name) from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def begin_statements(engine: Engine) -> str:
    """What a transaction on PostgreSQL begins with, for connections that are used without SQLAlchemy."""
    return str(engine.get_execution_options()["begin"])


def _begin_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(begin_statements(connection.engine))


def _adapt_to_pooler(connection: Any, _: Any) -> None:
    """Behind pgbouncer each transaction may have another connection to the server, which does not know the statements
    that were prepared on the last one. A pooler invents the process number that it reports.
    """
    (pid,) = connection.execute("select pg_catalog.pg_backend_pid()").fetchone()
    connection.rollback()
    if pid != connection.info.backend_pid:
        connection.prepare_threshold = None


def _one_value(url: URL, parameter: str) -> str | None:
    value = url.query.get(parameter)
    return value if value is None or isinstance(value, str) else value[-1]


def _require_utf8(connection: Connection, name: str) -> None:
    """Raises CatalogError where texts of the Hub, of any language, can't be stored."""
    encoding = connection.exec_driver_sql("show server_encoding").scalar_one()
    if encoding != "UTF8":
        hint = "make a database with: createdb --encoding=UTF8 --template=template0 NAME"
        raise CatalogError(name, f"the database {name} has the encoding {encoding}; a catalog needs UTF8", hint)


def _require_schema(connection: Connection, name: str, schema: str, *, create: bool) -> None:
    """Raises CatalogMissing where the schema that holds the catalog does not exist, unless it is to be created."""
    if connection.exec_driver_sql("select 1 from pg_namespace where nspname = %s", (schema,)).first():
        return
    if not create:
        raise CatalogMissing(name)
    connection.exec_driver_sql(f"create schema if not exists {quote_name(schema).replace('%', '%%')}")


def _plain_numbers(connection: Any, _: Any) -> None:
    """Sums and averages come as int and float, as they do on SQLite, instead of Decimal."""
    from psycopg.adapt import Loader

    class Number(Loader):
        def load(self, data: Any) -> int | float:
            text = bytes(data).decode()
            return int(text) if text.lstrip("-").isdigit() else float(text)

    connection.adapters.register_loader("numeric", Number)


def catalog_name(engine: Engine | Connection) -> str:
    return str(engine.get_execution_options().get("catalog", "the catalog"))


def revision(engine: Engine) -> str | None:
    """The schema's revision, None if there is none. Raises CatalogDamaged for a file that is no database."""
    try:
        with engine.connect() as connection:
            return read_revision(connection)
    except DBAPIError as error:
        raise to_catalog_error(error, catalog_name(engine)) from None


def read_revision(connection: Connection) -> str | None:
    where = (
        "sqlite_master where type = 'table' and name"
        if connection.dialect.name == "sqlite"
        else ("information_schema.tables where table_schema = current_schema() and table_name")
    )
    if not connection.exec_driver_sql(f"select 1 from {where} = 'alembic_version'").first():
        return None
    row = connection.exec_driver_sql("select version_num from alembic_version").first()
    return str(row[0]) if row else None


def _check_revision(engine: Engine) -> None:
    found = revision(engine)
    sqlite_file.check_revision(catalog_name(engine), found, is_foreign=found is None and _is_foreign(engine))


def _is_foreign(engine: Engine) -> bool:
    """Another program's SQLite database: tables, but none of ours."""
    if engine.dialect.name != "sqlite":
        return False
    with engine.connect() as connection:
        return has_tables(connection)


def has_tables(connection: Connection) -> bool:
    """Whether a SQLite database holds anything, a catalog that was taken back to nothing aside."""
    return connection.exec_driver_sql(sqlite_file.FOREIGN_TABLES).first() is not None


def raw(path: str | Path, *, timeout: float = sqlite_file.BUSY_SECONDS) -> closing[sqlite3.Connection]:
    """A plain SQLite connection, for copying files and the pragmas that look at them; closes at the end of `with`."""
    return closing(sqlite3.connect(str(path), timeout=timeout, isolation_level=None))

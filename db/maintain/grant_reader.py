"""A role of PostgreSQL that may read a catalog and nothing else, for `query` and for users of other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from db.engine import catalog_name, open_engine
from db.errors import CatalogError, PrivilegedRole
from db.reader_role import rights_beyond_reading
from db.schema.tables import metadata
from db.schema.views import view_sources
from db.session_settings import quote_name

MAX_CONNECTIONS = 20
"""Connections that the role may have at once, so that readers leave some to the crawlers."""

MAX_TEMPORARY_GB = 10
"""Temporary files of one of its sessions: without a limit, a sort may fill the server's disk until its deadline. Only a
superuser sets it, or a role that one allowed to (since PostgreSQL 15, `grant set on parameter`)."""

PARAMETER_GRANTS_VERSION = 150_000
"""The first version of PostgreSQL in which a superuser lets others set such a parameter."""


@dataclass(frozen=True, slots=True)
class ReaderGrant:
    """The statements that make the role `role`, in their order; whether they were executed.

    `for_administrator`: what is left to a superuser, because the connection's role may not do it.
    """

    role: str
    statements: tuple[str, ...]
    for_administrator: tuple[str, ...]
    applied: bool


def grant_reader(db: str | Path, role: str, *, apply: bool) -> ReaderGrant:
    """The statements for a role that reads this catalog; `apply` executes them, in one transaction.

    Raises CatalogError for a catalog without roles, a name that can't be one, or where the connection's role may not
    grant; PrivilegedRole where the role exists and may do more than read, which is never taken from it.
    """
    engine = open_engine(db, read_only=not apply)
    try:
        if engine.dialect.name != "postgresql":
            hint = "the permissions of its file decide who reads it; queries open it read-only anyway"
            raise CatalogError(catalog_name(engine), f"{catalog_name(engine)} is a file: it has no roles", hint)
        check_role_name(catalog_name(engine), role)
        with engine.begin() as connection:
            limit = limit_temporary_files(connection, role)
            may_limit = limit is not None and may_set_temporary_files(connection)
            statements = (*grant_statements(connection, role), *([limit] if limit and may_limit else []))
            if apply:
                for statement in statements:
                    connection.exec_driver_sql(statement.replace("%", "%%"))  # psycopg takes % as a placeholder
                refuse_privileged(connection, role)
        return ReaderGrant(role, statements, (limit,) if limit and not may_limit else (), apply)
    except DBAPIError as error:
        why = str(error.orig).strip().partition("\n")[0]
        hint = "print the statements without --apply and have an administrator run them with psql"
        raise CatalogError(catalog_name(engine), f"the role {role} was not made: {why}", hint) from None
    finally:
        engine.dispose()


def check_role_name(catalog: str, role: str) -> None:
    """Raises CatalogError for a name that PostgreSQL would cut or refuse."""
    if not role.isprintable() or not 0 < len(role.encode()) <= 63 or role.startswith("pg_"):
        hint = "a name has 1 to 63 bytes of printable characters and does not begin with pg_"
        raise CatalogError(catalog, f"{role!r} can't be the name of a role", hint)


def grant_statements(connection: Connection, role: str) -> list[str]:
    """What makes the role, or what it lacks where it exists: connect, read our tables and views, now and later.

    The catalog's owner recreates the views at each upgrade, which its default privileges provide for.
    """
    found = connection.exec_driver_sql(
        "select current_database(), n.nspname, c.relowner::regrole::text,"
        " exists (select from pg_roles where rolname = %s)"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = 'alembic_version'::regclass",
        (role,),
    ).one()
    database, schema, owner, exists = found
    name, place = quote_name(role), quote_name(schema)
    relations = sorted(["alembic_version", *metadata.tables, *(view for view, _ in view_sources())])
    selected = ", ".join(f"{place}.{quote_name(relation)}" for relation in relations)
    return [
        *([] if exists else [f"create role {name} login connection limit {MAX_CONNECTIONS}"]),
        f"alter role {name} set default_transaction_read_only = on",
        f"alter role {name} set statement_timeout = '15min'",
        f"alter role {name} set idle_in_transaction_session_timeout = '15min'",
        f"grant connect on database {quote_name(database)} to {name}",
        f"grant usage on schema {place} to {name}",
        f"grant select on {selected} to {name}",
        f"alter default privileges for role {owner} in schema {place} grant select on tables to {name}",
    ]


def limit_temporary_files(connection: Connection, role: str) -> str | None:
    """The statement that limits the role's temporary files; None where it has a limit."""
    sql = (
        "select 'temp_file_limit' = any(select split_part(unnest(rolconfig), '=', 1)) from pg_roles where rolname = %s"
    )
    if connection.exec_driver_sql(sql, (role,)).scalar():
        return None
    return f"alter role {quote_name(role)} set temp_file_limit = '{MAX_TEMPORARY_GB}GB'"


def may_set_temporary_files(connection: Connection) -> bool:
    """Whether the connection's role may set temp_file_limit for other roles."""
    is_superuser, version = connection.exec_driver_sql(
        "select current_setting('is_superuser') = 'on', current_setting('server_version_num')::int"
    ).one()
    if is_superuser or version < PARAMETER_GRANTS_VERSION:
        return bool(is_superuser)
    sql = "select pg_catalog.has_parameter_privilege(current_user, 'temp_file_limit', 'set')"
    return bool(connection.exec_driver_sql(sql).scalar())


def refuse_privileged(connection: Connection, role: str) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        rights = rights_beyond_reading(cursor, role)
    if rights:
        raise PrivilegedRole(catalog_name(connection), role, rights[0])

"""Whether tables, indexes, views and functions are defined as this version defines them, and nothing runs on writing.

Objects of other names are their owner's own business, apart from triggers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine, ForeignKeyConstraint, Table, UniqueConstraint, inspect
from sqlalchemy.exc import DBAPIError

from db.engine import open_engine
from db.schema.migrate import upgrade_engine
from db.schema.tables import metadata
from db.schema.views import POSTGRESQL_FUNCTIONS, create_view, execute_as_written, view_names, view_sources

MAY_NOT_CREATE = frozenset({"42501", "25006"})
"""What PostgreSQL answers a role without the right to make temporary views, and one in a read-only transaction."""

_SCHEMA = "quote_ident(current_schema())::regnamespace"


def find_other_definitions(engine: Engine) -> str | None:
    """What is not defined as in this version; None where everything is."""
    if engine.dialect.name == "sqlite":
        foreign, differing = _compare_sqlite(engine)
    else:
        foreign, differing = _compare_postgresql(engine)
    problems = [f"triggers that are not the catalog's: {', '.join(foreign)}"] if foreign else []
    problems += [f"not defined as in this version: {', '.join(differing)}"] if differing else []
    return "; ".join(problems) or None


# ---- SQLite ----------------------------------------------------------------------------------------------------------


def _compare_sqlite(engine: Engine) -> tuple[list[str], list[str]]:
    """Triggers of others, and objects whose SQL is another than in a catalog that is made now."""
    wanted, present = _sql_of_this_version(), _sql_of_objects(engine)
    foreign = sorted(name for kind, name in present if kind == "trigger" and (kind, name) not in wanted)
    differing = sorted(name for kind, name in wanted if present.get((kind, name)) != wanted[kind, name])
    return foreign, differing


@cache
def _sql_of_this_version() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """The SQL that defines each object of a catalog that is made now, found out once per process."""
    with TemporaryDirectory() as folder:
        fresh = open_engine(Path(folder) / "fresh.db", read_only=False, create=True, check=False)
        try:
            upgrade_engine(fresh, Path(folder) / "fresh.db", backup=False)
            return _sql_of_objects(fresh)
        finally:
            fresh.dispose()


def _sql_of_objects(engine: Engine) -> dict[tuple[str, str], tuple[str, ...]]:
    """The SQL that defines each object of a SQLite database, by its kind and name."""
    sql = "select type, name, coalesce(sql, '') from sqlite_master where name not like 'sqlite_%'"
    with engine.connect() as connection:
        return {(kind, name): _definition(kind, text) for kind, name, text in connection.exec_driver_sql(sql)}


def _definition(kind: str, sql: str) -> tuple[str, ...]:
    """What is to be compared: of a table its columns and constraints, sorted, since migrations append columns."""
    if kind != "table":
        return (" ".join(sql.split()),)
    return tuple(sorted(" ".join(part.split()) for part in re.split(r"[,()]", sql.replace('"', ""))))


# ---- PostgreSQL ------------------------------------------------------------------------------------------------------


def _compare_postgresql(engine: Engine) -> tuple[list[str], list[str]]:
    """Triggers of others; indexes, tables' keys and checks, functions and views that are other ones here."""
    triggers = (
        "select t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid"
        f" where not t.tgisinternal and c.relnamespace = {_SCHEMA} order by 1"
    )
    with engine.connect() as connection:
        foreign = list(connection.exec_driver_sql(triggers).scalars())
        tables = {*_other_keys(connection), *_other_constraints(connection)}
        differing = [*_other_indexes(connection), *tables, *_other_functions(connection)]
        present = _view_definitions(connection, _SCHEMA)
    wanted = _wanted_views(engine)
    differing += (name for name in sorted(wanted) if present.get(name) not in wanted[name])
    return foreign, sorted(differing)


def _other_indexes(connection: Connection) -> Iterator[str]:
    """Indexes of this version that are missing here, or that PostgreSQL marked as invalid."""
    sql = (
        "select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid"
        f" where i.indisvalid and c.relnamespace = {_SCHEMA}"
    )
    present = set(connection.exec_driver_sql(sql).scalars())
    for table in metadata.sorted_tables:
        yield from (str(index.name) for index in table.indexes if index.name not in present)


def _other_keys(connection: Connection) -> Iterator[str]:
    """Tables with another primary key."""
    keys = inspect(connection).get_multi_pk_constraint()
    found = {name: set(key["constrained_columns"]) for (_, name), key in keys.items() if key}
    for table in metadata.sorted_tables:
        if found.get(table.name, set()) != {column.name for column in table.primary_key.columns}:
            yield table.name


def _other_constraints(connection: Connection) -> Iterator[str]:
    """Tables with other foreign keys, uniqueness or checks, of which this version has none.

    Compared as PostgreSQL writes them: one that is not validated, deferred, or does something on deletion is another.
    """
    sql = (
        "select c.relname, replace(pg_get_constraintdef(k.oid), '\"', '') from pg_constraint k"
        f" join pg_class c on c.oid = k.conrelid where k.contype in ('f', 'u', 'c') and c.relnamespace = {_SCHEMA}"
    )
    present: dict[str, set[str]] = {}
    for table_name, text in connection.exec_driver_sql(sql):
        present.setdefault(table_name, set()).add(text)
    for table in metadata.sorted_tables:
        if present.get(table.name, set()) != set(_wanted_constraints(table)):
            yield table.name


def _wanted_constraints(table: Table) -> Iterator[str]:
    """The foreign keys and unique constraints of a table of this version, as PostgreSQL writes them."""
    for each in table.constraints:
        names = ", ".join(column.name for column in getattr(each, "columns", ()))
        if isinstance(each, ForeignKeyConstraint):
            referred = ", ".join(element.column.name for element in each.elements)
            yield f"FOREIGN KEY ({names}) REFERENCES {each.referred_table.name}({referred})"
        elif isinstance(each, UniqueConstraint):
            yield f"UNIQUE ({names})"


def _other_functions(connection: Connection) -> Iterator[str]:
    """Functions that views call and that have another body here."""
    sql = f"select btrim(prosrc), proname from pg_proc where pronamespace = {_SCHEMA}"
    present = {(body, name) for body, name in connection.exec_driver_sql(sql)}
    for text in POSTGRESQL_FUNCTIONS:
        name = text.removeprefix("create or replace function ").partition("(")[0]
        if (text.split("$$")[1].strip(), name) not in present:
            yield name


def _wanted_views(engine: Engine) -> dict[str, set[str]]:
    """The definitions as PostgreSQL writes them of this version's views, which are made for it and rolled back.

    Two of each: of the view as this version makes it, and of one made from that definition, as pg_restore does. Empty
    where the role may make none, or the server is a standby.
    """
    with engine.connect() as connection:
        if connection.exec_driver_sql("select pg_is_in_recovery()").scalar():
            return {}
        connection.rollback()  # the mode of a transaction is set before its first query
        try:
            connection.exec_driver_sql("set transaction read write")
            for name, text in view_sources():
                create_view(connection, name, text, temporary=True)
            made = _view_definitions(connection, "pg_my_temp_schema()")
            quote = connection.dialect.identifier_preparer.quote
            for name, text in made.items():
                execute_as_written(connection, f"create temporary view {quote(f'{name} restored')} as {text}")
            restored = _view_definitions(connection, "pg_my_temp_schema()", " restored")
            return {name: {text, restored[name]} for name, text in made.items()}
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in MAY_NOT_CREATE:
                raise
            return {}
        finally:
            connection.rollback()


def _view_definitions(connection: Connection, schema: str, suffix: str = "") -> dict[str, str]:
    """The definitions of this version's views in a schema, by their names; of those with a suffix to their names."""
    sql = f"select relname, pg_get_viewdef(oid) from pg_class where relkind = 'v' and relnamespace = {schema}"
    ours = view_names()
    found = {row.relname: row.pg_get_viewdef for row in connection.exec_driver_sql(sql)}
    return {name: found[name + suffix] for name in ours if name + suffix in found}

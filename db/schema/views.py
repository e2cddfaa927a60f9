"""The views of the catalog: one file of SQL each in db/views, dropped before a migration and created again after it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING

from db.labels import ARTIFACT_LABEL_NAMES, LABEL_NAMES
from db.session_settings import quote_name

if TYPE_CHECKING:
    from sqlalchemy import Connection

POSTGRESQL_FUNCTIONS = (
    "create or replace function hex(bytea) returns text language sql immutable strict parallel safe"
    " as $$ select upper(encode($1, 'hex')) $$",
    "create or replace function instr(text, text) returns integer language sql immutable strict parallel safe"
    " as $$ select strpos($1, $2) $$",
    "create or replace function json_elements(text) returns table (value text) language sql immutable strict"
    " parallel safe rows 8 as $$ select json_array_elements_text($1::json) $$",
    "create or replace function json_elements(text, path text) returns table (value text) language sql immutable strict"
    " parallel safe rows 8 as $$"
    " select json_array_elements_text($1::json -> cast(trim(both '$[]' from $2) as integer)) $$",
)
"""Functions of SQLite that views call, so that the same SQL defines a view on both engines."""

POSTGRESQL_NAMES = {"json_each": "json_elements"}
"""Those that have another name on PostgreSQL, where a function of SQLite's name does something else."""


def view_sources() -> Iterator[tuple[str, str]]:
    """(name, SQL) of every view, each after the views that its line `-- needs: NAME ...` names; labels are written out.

    Raises ValueError for views that need each other.
    """
    texts = {
        item.name.removesuffix(".sql"): expand_labels(item.read_text("utf-8"))
        for item in files("db.views").iterdir()
        if item.name.endswith(".sql")
    }
    ordered: list[str] = []
    while len(ordered) < len(texts):
        ready = sorted(name for name in texts if name not in ordered and view_dependencies(texts[name]) <= set(ordered))
        if not ready:
            raise ValueError(f"views that need each other: {sorted(set(texts) - set(ordered))}")
        ordered += ready
    return ((name, texts[name]) for name in ordered)


_ALL_LABELS = re.compile(r"^( *)(\w+)\.\{(repo_labels|artifact_labels)\},\n", re.MULTILINE)


def expand_labels(text: str) -> str:
    """A view's SQL with its line `l.{repo_labels},` or `a.{artifact_labels},` written out.

    One line for each label of a repo or an artifact that the view does not name itself, in the order of their
    declarations (`db.labels`).
    """

    def columns(found: re.Match[str]) -> str:
        indent, alias, which = found.groups()
        names = LABEL_NAMES if which == "repo_labels" else ARTIFACT_LABEL_NAMES
        others = (name for name in names if not re.search(rf"\b{alias}\.{name}\b", text))
        return "".join(f"{indent}{alias}.{name},\n" for name in others)

    return _ALL_LABELS.sub(columns, text)


def view_dependencies(text: str) -> set[str]:
    """The views that a view's SQL selects from, as its lines `-- needs: NAME ...` list them."""
    lines = (line for line in text.splitlines() if line.startswith("-- needs:"))
    return {name for line in lines for name in line.removeprefix("-- needs:").split()}


FORMER_VIEWS = frozenset({"growth"})
"""Views of earlier versions that this one does not have."""


def view_names() -> frozenset[str]:
    """Names of this version's views."""
    return frozenset(name for name, _ in view_sources())


def drop_views(connection: Connection) -> list[str]:
    """Drops the catalog's views, whatever version created them, and no others.

    Returns the statements that create the other views of a SQLite file again: they are set aside, because SQLite
    refuses to rename a table while a view refers to what is missing. On PostgreSQL a view that depends on one of the
    catalog's stays in its way (the driver's DependentObjectsStillExist).
    """
    ours = view_names() | FORMER_VIEWS
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("select name, sql from sqlite_master where type = 'view'").all()
        for name, _ in found:
            connection.exec_driver_sql(f"drop view {quote_name(name)}")
        return [sql for name, sql in found if name not in ours]
    names = connection.exec_driver_sql(
        "select table_name from information_schema.views where table_schema = current_schema()"
    )
    dropped = sorted(ours & set(names.scalars()))
    if dropped:
        connection.exec_driver_sql(f"drop view {', '.join(dropped)}")  # at once, because they need each other
    return []


def create_views(connection: Connection) -> None:
    """Creates every view, on PostgreSQL after the functions that they call."""
    if connection.dialect.name == "postgresql":
        for function in POSTGRESQL_FUNCTIONS:
            connection.exec_driver_sql(function)
    for name, text in view_sources():
        create_view(connection, name, text)


def create_view(connection: Connection, name: str, text: str, *, temporary: bool = False) -> None:
    """Creates one view."""
    sql = f"create {'temporary ' if temporary else ''}view {name} as\n{text}"
    if connection.dialect.name == "postgresql":
        for function, other in POSTGRESQL_NAMES.items():
            sql = sql.replace(f"{function}(", f"{other}(")
    execute_as_written(connection, sql)


def execute_as_written(connection: Connection, sql: str) -> None:
    """Executes SQL without parameters, in which % means what it means in SQL."""
    connection.exec_driver_sql(sql.replace("%", "%%") if _has_percent_placeholders(connection) else sql)


def _has_percent_placeholders(connection: Connection) -> bool:
    """Whether the driver takes % as the start of a placeholder, as psycopg does."""
    return connection.dialect.paramstyle in ("format", "pyformat")

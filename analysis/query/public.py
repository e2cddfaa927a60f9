"""What is published of a catalog: everything but private repos, by temporary views that hide them.

A connection that publishes has a temporary view of each table without the rows of private repos, and of each view
again, so that every statement of the program sees the public part alone. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

PRIVATE = (
    "select id from {schema}repos where status = 'private' or (status = 'gone' and id in"
    " (select repo from {schema}events where kind = 'gone' and before = 'private'))"
)
"""Numbers of the private repos, and of those that were private until they vanished."""

PUBLIC_ROWS: Mapping[str, str] = {
    "repos": "id not in ({private})",
    "skips": "reason <> 'private' and repo_id not in (select repo_id from {schema}repos where id in ({private}))",
    "tags": "id in (select tag from {schema}repo_tags where repo not in ({private}))",
    "account_kinds": "author in (select author from {schema}repos where id not in ({private}))",
    "headers": "id in (select header from {schema}artifacts where repo not in ({private}))",
}
"""Conditions by table; others with a column `repo` have one on that. Totals: analysis/query/public_totals.py."""

MASKED: Mapping[str, str] = {
    "scope": "case when scope like '%repo=%' then 'named repos' else scope end",
    "detail": "cast(null as varchar)",
}
"""Columns of `crawl_runs` that may name private repos."""


HAS_PRIVATE = f"{PRIVATE.format(schema='')} union all select 1 from skips where reason = 'private' limit 1"
"""A row where there is anything to hide: a repo that was skipped because it is private is named as well."""


def private_repos(schema: str = "") -> str:
    """The select of the numbers of private repos; `schema` is that of the tables, with its dot."""
    return PRIVATE.format(schema=schema)


def public_condition(table: str, has_repo: bool, schema: str = "") -> str | None:
    """Which rows of a table are public; None where all are."""
    condition = PUBLIC_ROWS.get(table, "repo not in ({private})" if has_repo else None)
    return condition and condition.format(schema=schema, private=private_repos(schema))


def public_views(schema: str) -> Iterator[str]:
    """The statements that make the temporary views of a connection."""
    from db.schema.tables import metadata
    from db.schema.views import view_sources

    for table in metadata.sorted_tables:
        condition = public_condition(table.name, "repo" in table.c, schema)
        if condition is not None:
            yield f"create temp view {table.name} as select * from {schema}{table.name} where {condition}"
    columns = mask_columns([column.name for column in metadata.tables["crawl_runs"].columns])
    yield f"create temp view crawl_runs as select {columns} from {schema}crawl_runs"
    for name, text in view_sources():
        yield f"create temp view {name} as {text}"


def mask_columns(names: Sequence[str]) -> str:
    """The columns of `crawl_runs` for a select, without names of repos."""
    return ", ".join(f"{MASKED[name]} as {name}" if name in MASKED else name for name in names)


def hide_private(execute: Callable[..., Iterable[Any]], schema: str, names: Mapping[str, str] | None = None) -> None:
    """Makes the temporary views by `execute`, which runs a statement with `?` marks and its values on the connection.

    `schema` is that of the tables, with its dot; `names` are those of functions that the engine has another name for.
    """
    from analysis.query.public_totals import subtract_private  # here: few catalogs hold private repos

    subtract_private(execute, private_repos(schema), schema)
    for statement in public_views(schema):
        for function, other in (names or {}).items():
            statement = statement.replace(f"{function}(", f"{other}(")
        execute(statement)

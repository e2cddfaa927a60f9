"""The totals of public repos alone, for a connection that publishes: what is kept, less what private repos add.

Temporary tables hold what the private repos add, of which there are few; temporary views subtract it. A least or
greatest value that may be a private repo's is found again among the public repos of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from db.derive.totals import (
    ARTIFACTS_SQL,
    EVIDENCE_SQL,
    EXTREMES,
    GROUPS,
    MEMBERSHIP,
    MODELS_SQL,
    PIECES_SQL,
    TABLES,
    TAGS_SQL,
    Group,
    Key,
    Model,
    TotalTable,
    count,
    count_evidence,
)
from db.totals import REPOS_OF_GROUP, combine

Row = tuple[Any, ...]
Execute = Callable[..., Iterable[Any]]
"""Runs a statement with `?` marks and its values on a connection: (sql, values)."""


def subtract_private(execute: Execute, private: str, schema: str) -> None:
    """Makes the temporary views of totals.

    Args:
        private: the select of the numbers of private repos.
        schema: that of the tables, with its dot; before any view hides them.
    """
    models = [Model(*row) for row in execute(MODELS_SQL.format(private))]
    lost = count(models, list(execute(ARTIFACTS_SQL.format(private))), list(execute(TAGS_SQL.format(private))))
    documents = list(execute(EVIDENCE_SQL.format(private)))
    count_evidence(lost, documents, lambda numbers: execute(PIECES_SQL.format(", ".join(map(str, numbers)) or "null")))
    for table in TABLES:
        kept = f"private_{table.name}"
        execute(f"create temp table {kept} as select * from {schema}{table.name} where 1 = 0")
        names = ", ".join(f'"{name}"' for name in table.columns)
        marks = ", ".join("?" * len(table.columns))
        for key, value in lost.of(table).items():
            sums = table.values(value)[: len(table.sums)]
            extremes = public_extremes(execute, key, value, private) if table is GROUPS else ()
            execute(f"insert into {kept} ({names}) values ({marks})", (*key, *sums, *extremes))
        execute(f"create temp view {table.name} as {difference_sql(table, schema, kept)}")


def difference_sql(table: TotalTable, schema: str, kept: str) -> str:
    """The rows of a table of totals less those of private repos; rows of which nothing is left are left out."""
    columns = [f't."{name}"' for name in table.key]
    columns += [f't."{name}" - coalesce(p."{name}", 0) as "{name}"' for name in table.sums]
    first = f'p."{table.key[0]}"'
    columns += [f'case when {first} is null then t."{name}" else p."{name}" end as "{name}"' for name in table.extremes]
    same = " and ".join(f'p."{name}" = t."{name}"' for name in table.key)
    left = " or ".join(f't."{name}" > p."{name}"' for name in MEMBERSHIP if name in table.sums)
    return (
        f"select {', '.join(columns)} from {schema}{table.name} t left join {kept} p on {same}"
        f" where {first} is null or {left}"
    )


def public_extremes(execute: Execute, key: Key, lost: Group, private: str) -> Row:
    """The least and greatest values of a group without those of private repos."""
    was = [getattr(lost, name) for name in EXTREMES]
    if key[0] not in REPOS_OF_GROUP or all(value is None for value in was):
        return (None,) * len(EXTREMES)
    names = ", ".join(f'"{name}"' for name in EXTREMES)
    where = " and ".join(f'"{name}" = ?' for name in GROUPS.key)
    stored: Sequence[Any] = next(iter(execute(f"select {names} from totals where {where}", key)), was)
    if not any(
        value is not None and old is not None and combine(name, value, old) == old
        for name, value, old in zip(EXTREMES, stored, was, strict=True)
    ):
        return tuple(stored)
    repos = f"select repo from ({REPOS_OF_GROUP[key[0]]}) x where repo not in ({private})"
    models = [Model(*row) for row in execute(MODELS_SQL.format(repos), (key[1],))]
    artifacts, tags = (list(execute(sql.format(repos), (key[1],))) for sql in (ARTIFACTS_SQL, TAGS_SQL))
    found = count(models, artifacts, tags).groups
    return tuple(getattr(found[key], name) for name in EXTREMES) if key in found else (None,) * len(EXTREMES)

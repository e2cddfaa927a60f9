"""Keeps the totals (db.derive.totals) by what writing some repos changes: their counts after it less those before.

    before = measure(rows, known)
    ...                                  # writes the repos
    add_changes(rows, before, measure(rows, written))

All of it in the transaction of the write. Counts of other repos are not read, so that it costs the same in a catalog of
any size; only a group that may have lost its least or greatest value is counted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from operator import sub
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
    Counts,
    Key,
    Model,
    TotalTable,
    count,
    count_evidence,
)
from db.rows import Row, Rows
from db.schema.tables import metadata

REPOS_AT_ONCE = 5_000
"""Repos that are counted at once where all are."""


def measure(rows: Rows, repos: Iterable[int], *, with_artifacts: bool = True, with_evidence: bool = True) -> Counts:
    """What these repos add to the totals now; without artifacts, of repos that have none.

    Without evidence, before and after a write that leaves it as it is.
    """
    numbers = sorted(set(repos))
    artifacts = rows.select_in(ARTIFACTS_SQL, numbers) if with_artifacts else ()
    tags = rows.select_in(TAGS_SQL, numbers)
    counts = count((Model(*row) for row in rows.select_in(MODELS_SQL, numbers)), artifacts, tags)
    if with_evidence:
        count_evidence(counts, rows.select_in(EVIDENCE_SQL, numbers), partial(rows.select_in, PIECES_SQL))
    return counts


def measure_all(rows: Rows) -> Iterator[Counts]:
    """What all repos add, some thousand at a time."""
    last = rows.scalar("select coalesce(max(id), 0) from repos")
    for first in range(1, last + 1, REPOS_AT_ONCE):
        yield measure(rows, range(first, min(first + REPOS_AT_ONCE, last + 1)))


@contextmanager
def kept_totals(rows: Rows, repos: Sequence[int]) -> Iterator[None]:
    """Keeps the totals over a block that writes these repos, which the catalog holds already."""
    before = measure(rows, repos)
    yield
    add_changes(rows, before, measure(rows, repos))


def add_changes(rows: Rows, before: Counts, after: Counts) -> None:
    """Adds the difference of two measures of the same repos to the totals."""
    lost: dict[Key, Row] = {}
    for table in TABLES:
        lost |= _add(rows, table, before.of(table), after.of(table))
    _count_extremes_again(rows, [key for key, was in lost.items() if _holds_extreme(rows, key, was)])


def _add(rows: Rows, table: TotalTable, before: Mapping[Key, Any], after: Mapping[Key, Any]) -> dict[Key, Row]:
    """Returns the groups in which the repos had a lesser or greater value before, with their extremes of then."""
    nothing, width = table.values(table.kind()), len(table.sums)
    gained, less = [], []
    lost: dict[Key, Row] = {}
    for key in dict.fromkeys((*before, *after)):
        was = table.values(before[key]) if key in before else nothing
        now = table.values(after[key]) if key in after else nothing
        if was == now:
            continue
        differences = tuple(map(sub, now[:width], was[:width])) if key in before else now[:width]
        gained.append((*key, *differences, *now[width:]))
        if key in before:
            less.append(key)
            if _may_lose_extreme(table, was[width:], now[width:]):
                lost[key] = was[width:]
    gained.sort(key=lambda row: row[: len(table.key)])
    rows.merge(metadata.tables[table.name], table.key, table.columns, gained, _merge_sql(table))
    empty = " and ".join(f"{name} = 0" for name in MEMBERSHIP if name in table.sums)
    rows.many(f"delete from {table.name} where {_where(table)} and {empty}", less)
    return lost


def combine(name: str, one: Any, other: Any) -> Any:
    """The lesser or greater of two values of a column of EXTREMES, either of which may be unknown."""
    return other if one is None else one if other is None else EXTREMES[name](one, other)


def _may_lose_extreme(table: TotalTable, was: Row, now: Row) -> bool:
    """Whether the repos had a lesser or greater value before than they have now: it may have been the group's."""
    return any(
        old is not None and combine(name, old, new) != new
        for name, old, new in zip(table.extremes, was, now, strict=True)
    )


def _holds_extreme(rows: Rows, key: Key, was: Row) -> bool:
    """Whether one of the values that the repos had is as extreme as that of the group: others may have a better one."""
    columns = ", ".join(f'"{name}"' for name in EXTREMES)
    for stored in rows.select(f"select {columns} from totals where {_where(GROUPS)}", key):
        return any(
            value is not None and combine(name, value, old) == old
            for name, value, old in zip(EXTREMES, stored, was, strict=True)
            if old is not None
        )
    return False


@lru_cache
def _merge_sql(table: TotalTable) -> str:
    """Adds a row's sums to those of the row that is there, and keeps the lesser or greater of the extremes."""
    sets = [f"{name} = {table.name}.{name} + excluded.{name}" for name in table.sums]
    for name in table.extremes:
        old, new = f'{table.name}."{name}"', f'excluded."{name}"'
        better = "<" if EXTREMES[name] is min else ">"
        sets.append(f'"{name}" = case when {old} is null or {new} {better} {old} then {new} else {old} end')
    return ", ".join(sets)


def _where(table: TotalTable) -> str:
    return " and ".join(f'"{name}" = ?' for name in table.key)


REPOS_OF_GROUP = {
    "family": "select repo from repo_labels where family = ?",
    "day": "select repo from repo_labels where family = ?",
    "qat": "select repo from repo_labels where family = ?",
    "architecture": "select repo from repo_labels where architecture = ?",
    "bits": "select distinct repo from artifacts where quant = ?",
    **{
        of: f"select distinct p.repo from tags t join repo_tags p on p.tag = t.id where t.tag = '{of}:' || ?"
        for of in ("dataset", "arxiv", "doi")
    },
}
"""Group with extremes -> the repos that a value of it can have."""


def _count_extremes_again(rows: Rows, keys: Iterable[Key]) -> None:
    """Sets the least and greatest values of groups by those of all their repos."""
    for key in keys:
        held: list[Any] = [None] * len(EXTREMES)
        numbers = [number for (number,) in rows.select(REPOS_OF_GROUP[key[0]], (key[1],))]
        for start in range(0, len(numbers), REPOS_AT_ONCE):
            groups = measure(rows, numbers[start : start + REPOS_AT_ONCE]).groups
            if key in groups:
                found = [getattr(groups[key], name) for name in EXTREMES]
                held = list(map(combine, EXTREMES, held, found))
        sets = ", ".join(f'"{name}" = ?' for name in EXTREMES)
        rows.many(f"update totals set {sets} where {_where(GROUPS)}", [(*held, *key)])

"""Making a catalog smaller: old history thinned out, what nothing refers to dropped, the file packed.

Metrics are kept day by day for a while, then one row a week: the last, so that every week's end keeps its figures. All
is done in batches, each a transaction, so that it can be interrupted at any moment and what was done stays done.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from sqlalchemy import Table

from db.derive.evidence_document import piece_number
from db.rows import Rows
from db.schema.tables import events, evidence, metrics
from db.schema.types import day_number

STEP = 20_000
"""Repos, pieces or tags of one transaction: readers and a crawl on PostgreSQL wait for no longer."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Rows that were dropped, or would be."""

    metrics: int = 0
    events: int = 0
    evidence: int = 0
    tags: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(
            self.metrics + other.metrics,
            self.events + other.events,
            self.evidence + other.evidence,
            self.tags + other.tags,
        )


def id_ranges(rows: Rows, table: Table) -> list[tuple[int, int]]:
    """Ranges of a table's numbers, each to be pruned in a transaction of its own."""
    last = int(rows.scalar(f"select coalesce(max(id), 0) from {table.name}"))
    return [(first, first + STEP - 1) for first in range(1, last + 1, STEP)]


def prune_repos(rows: Rows, first: int, last: int, *, daily_until: datetime, events_until: datetime | None) -> Pruned:
    """Thins out the history of the repos numbered first to last."""
    return Pruned(
        metrics=_thin_metrics(rows, first, last, daily_until),
        events=0 if events_until is None else _drop_events(rows, first, last, events_until),
    )


def _thin_metrics(rows: Rows, first: int, last: int, until: datetime) -> int:
    """Keeps the last row of each week before `until`.

    The keys are read in their order and compared here: SQL that looks for a later row of each week costs ten times as
    much.
    """
    kept = rows.select(
        "select repo, day from metrics where repo between ? and ? and day < ? order by repo, day",
        (first, last, rows.value(metrics, "day", until.date())),
    )
    gone = [row for row, later in pairwise(kept) if row[0] == later[0] and later[1] <= week_end(row[1])]
    if rows.dialect.name == "sqlite":
        rows.many("delete from metrics where repo = ? and day = ?", gone)
    elif gone:
        columns = tuple(map(list, zip(*gone, strict=True)))
        rows.execute(
            "delete from metrics m using unnest(cast(? as bigint[]), cast(? as integer[])) as g (repo, day)"
            " where m.repo = g.repo and m.day = g.day",
            columns,
        )
    return len(gone)


@lru_cache(maxsize=10_000)
def week_end(day: int) -> int:
    """The Sunday of a day's week, both as the number yyyymmdd."""
    moment = date(day // 10000, day // 100 % 100, day % 100)
    return day_number(moment + timedelta(days=6 - moment.weekday()))


def _drop_events(rows: Rows, first: int, last: int, until: datetime) -> int:
    sql = "delete from events where repo between ? and ? and at < ?"
    return rows.execute(sql, (first, last, rows.value(events, "at", until)))


def is_alone(rows: Rows) -> bool:
    """Whether no other crawl may be about to refer to what nothing refers to now."""
    return int(rows.scalar("select count(*) from crawl_locks")) <= 1


def mark_used_evidence(rows: Rows, first: int, last: int, used: bytearray) -> None:
    """Marks the pieces of evidence, by number, that the repos numbered first to last have."""
    for (pieces,) in rows.select("select pieces from repo_evidence where repo between ? and ?", (first, last)):
        for _, codes in json.loads(pieces):
            for code in codes:
                used[piece_number(code)] = 1


def prune_evidence(rows: Rows, first: int, last: int, used: bytearray) -> Pruned:
    """Drops the pieces numbered first to last that are not marked as used, unless another crawl runs."""
    numbers = rows.select("select id from evidence where id between ? and ?", (first, last)) if is_alone(rows) else ()
    unused = [row for row in numbers if not used[row[0]]]
    rows.delete(evidence, ("id",), unused)
    return Pruned(evidence=len(unused))


def prune_tags(rows: Rows, first: int, last: int) -> Pruned:
    """Drops the tags numbered first to last that no repo has, unless another crawl runs."""
    sql = "delete from tags where id between ? and ? and not exists (select 1 from repo_tags l where l.tag = tags.id)"
    return Pruned(tags=rows.execute(sql, (first, last)) if is_alone(rows) else 0)

"""Making a catalog smaller: old history thinned out, what nothing refers to dropped, the file packed.

Metrics are kept day by day for a while, then one row a week: the last, so that every week's end keeps its figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from db.rows import Rows
from db.schema.tables import events, metrics

STEP = 20_000
"""Repos whose history one transaction thins out: readers and a crawl on PostgreSQL wait for no longer."""


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


def repo_ranges(rows: Rows) -> Iterator[tuple[int, int]]:
    """Ranges of repo numbers, each to be pruned in a transaction of its own."""
    last = int(rows.scalar("select coalesce(max(id), 0) from repos"))
    return ((first, first + STEP - 1) for first in range(1, last + 1, STEP))


def prune_repos(rows: Rows, first: int, last: int, *, daily_until: datetime, events_until: datetime | None) -> Pruned:
    """Thins out the history of the repos numbered first to last."""
    return Pruned(
        metrics=_thin_metrics(rows, first, last, daily_until),
        events=0 if events_until is None else _drop_events(rows, first, last, events_until),
    )


def _thin_metrics(rows: Rows, first: int, last: int, until: datetime) -> int:
    week_end = _week_end(rows.dialect.name)
    sql = (
        "delete from metrics where repo between ? and ? and day < ? and exists ("
        "select 1 from metrics n where n.repo = metrics.repo and n.day > metrics.day and n.day < ?"
        f" and n.day <= {week_end})"
    )
    day = rows.value(metrics, "day", until.date())
    return rows.execute(sql, (first, last, day, day))


def _week_end(dialect: str) -> str:
    """The Sunday of a day's week, both as the number yyyymmdd."""
    if dialect == "sqlite":
        text = "printf('%04d-%02d-%02d', metrics.day / 10000, metrics.day / 100 % 100, metrics.day % 100)"
        return f"cast(strftime('%Y%m%d', {text}, 'weekday 0') as integer)"
    monday = "date_trunc('week', to_date(cast(metrics.day as text), 'YYYYMMDD'))"
    return f"cast(to_char({monday} + interval '6 days', 'YYYYMMDD') as integer)"


def _drop_events(rows: Rows, first: int, last: int, until: datetime) -> int:
    sql = "delete from events where repo between ? and ? and at < ?"
    return rows.execute(sql, (first, last, rows.value(events, "at", until)))


def prune_unused(rows: Rows) -> Pruned:
    """Drops evidence and tags that nothing refers to any more, unless another crawl may be about to."""
    if int(rows.scalar("select count(*) from crawl_locks")) > 1:
        return Pruned()
    return Pruned(
        evidence=rows.execute("delete from evidence where id not in (select evidence from label_evidence)"),
        tags=rows.execute("delete from tags where not exists (select 1 from repo_tags l where l.tag = tags.id)"),
    )

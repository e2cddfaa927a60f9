"""What changed on the Hub since a moment: the view `changes` with filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any

from analysis.catalog.models import WhereClause
from analysis.query.reader import CatalogReader
from analysis.query.values import normalize_row

NEW = "new"
"""The kind of change that a repo itself is; every other kind is an event."""

KINDS = (
    NEW, "renamed", "commit", "licence", "gated", "ungated", "private", "disabled", "gone", "back", "label", "new file",
    "changed file", "removed file", "new artifact", "removed artifact",
)  # fmt: skip

ORDERS = ("e.at desc, e.id desc", "r.first_seen desc, r.id desc")
"""The order of either half of the view in which an index finds its newest rows: events, then repos."""


def list_changes(
    reader: CatalogReader,
    *,
    since: datetime,
    families: Sequence[str] = (),
    quants: Sequence[str] = (),
    kinds: Sequence[str] = (),
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Normalized rows of the view `changes` since a moment, newest first. Empty filters do not limit.

    Where `limit` cuts off rows of the same moment, those that were written last are kept.
    """
    if not limit:
        where = WhereClause()
        where.conditions.append(f"seen_at >= {where.bind(since)}")
        where.add_any_of("lower(family) {}", families)
        where.add_any_of("lower(quant) {}", quants)
        where.add_any_of("kind {}", kinds)
        sql = f"select * from changes{where} order by seen_at desc, repo_id, kind, subject"
        return (normalize_row(row) for row in reader.rows(sql, where.values).dicts())
    events, repos = view_halves()
    parts = []
    if not kinds or set(kinds) != {NEW}:
        where = WhereClause()
        where.conditions.append(f"e.at >= {where.bind(since)}")
        where.add_any_of("e.kind {}", kinds)
        parts.append((events, where, ORDERS[0]))
    if not kinds or NEW in kinds:
        where = WhereClause()
        where.conditions.append(f"r.first_seen >= {where.bind(since)}")
        parts.append((repos, where, ORDERS[1]))
    found = []
    for select, where, order in parts:
        where.add_any_of("lower(l.family) {}", families)
        where.add_any_of("lower(l.quant) {}", quants)
        found.append(reader.all(f"{select}{where} order by {order} limit {int(limit)}", where.values))
    rows = sorted(chain(*found), key=lambda row: (row["repo_id"], row["kind"], row["subject"] or ""))
    rows.sort(key=lambda row: str(row["seen_at"]), reverse=True)
    return iter(rows[:limit])


@cache
def view_halves() -> tuple[str, str]:
    """The selects that the view joins by `union all`: of events, and of repos that are new. Neither has conditions.

    Of the view as a whole the newest rows are found only by sorting all of them.
    """
    from db.schema.views import view_sources

    text = dict(view_sources())["changes"]
    events, repos = text[text.index("select") :].strip().split("\nunion all\n")
    return events, repos

"""What changed on the Hub since a moment: the view `changes` with filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from analysis.catalog.models import WhereClause
from analysis.query.reader import CatalogReader
from analysis.query.values import normalize_row


def list_changes(
    reader: CatalogReader,
    *,
    since: datetime,
    families: Sequence[str] = (),
    quants: Sequence[str] = (),
    kinds: Sequence[str] = (),
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Normalized rows of the view `changes` since a moment, newest first. Empty filters do not limit."""
    where = WhereClause()
    where.conditions.append(f"seen_at >= {where.bind(since)}")
    where.add_any_of("lower(family) {}", families)
    where.add_any_of("lower(quant) {}", quants)
    where.add_any_of("kind {}", kinds)
    sql = f"select * from changes{where} order by seen_at desc, repo_id, kind, subject"
    if limit:
        sql += f" limit {int(limit)}"
    return (normalize_row(row) for row in reader.rows(sql, where.values).dicts())

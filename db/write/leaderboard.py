"""Stores the leaderboards of benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

from db.records import LeaderboardEntry
from db.rows import Rows
from db.schema.tables import leaderboards

_COLUMNS = ("repo", "position", "model", "rank", "value", "verified", "source")


def save_leaderboard(rows: Rows, hub_id: str, entries: Sequence[LeaderboardEntry]) -> None:
    """Makes these all the results of a dataset's leaderboard; nothing for a dataset that the catalog does not hold."""
    repo = rows.scalar("select id from repos where hub_id = ? and type = 'dataset'", (hub_id,))
    if repo is None:
        return
    values = [
        (repo, place, each.model, each.rank, each.value, each.verified, each.source)
        for place, each in enumerate(entries)
    ]
    rows.replace(leaderboards, ("repo",), _COLUMNS, [(repo,)], values)

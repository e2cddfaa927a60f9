"""Rows of skips: what a crawl did not read, and why, until it is read after all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from db.records import RunRecord, Skipped
from db.rows import Rows
from db.schema.tables import skips


def save_skips(rows: Rows, run: RunRecord | None, skipped: Iterable[Skipped]) -> int:
    """Stores what was skipped; what is stored already keeps its first date. Returns how many are new."""
    run_id = None if run is None else run.id
    values = [(each.repo_id, each.reason, each.detail, each.hub_id, each.seen_at, run_id) for each in skipped]
    return rows.insert_new(skips, ("repo_id", "reason", "detail", "hub_id", "seen_at", "run"), values)


def replace_skips(rows: Rows, run: RunRecord, skipped: Mapping[str, Sequence[Skipped]]) -> None:
    """Makes these all that was skipped of the repos, by repo_id."""
    current = {repo_id: {(each.reason, each.detail) for each in found} for repo_id, found in skipped.items()}
    sql = "select repo_id, reason, detail from skips where repo_id in ({})"
    resolved = [
        (repo_id, reason, detail)
        for repo_id, reason, detail in rows.select_in(sql, current)
        if (reason, detail) not in current[repo_id]
    ]
    rows.delete(skips, ("repo_id", "reason", "detail"), resolved)
    save_skips(rows, run, [each for found in skipped.values() for each in found])


def delete_skips(rows: Rows, repo_ids: Sequence[str]) -> None:
    """Deletes all skips of repos that were read."""
    if repo_ids and rows.exists("select 1 from skips"):
        found = {repo_id for (repo_id,) in rows.select_in("select repo_id from skips where repo_id in ({})", repo_ids)}
        rows.delete(skips, ("repo_id",), [(repo_id,) for repo_id in found])

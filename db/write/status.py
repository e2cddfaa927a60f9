"""A repo's id and status: renames, ids that another repo took over, and what a request for the repo itself found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from db.records import RepoRecord, RunRecord
from db.rows import Rows
from db.schema.tables import aliases, missing_repos, repos
from db.totals import kept_totals
from db.write.events import RepoEvent, record_events, status_event
from db.write.repo_rows import RepoUpdate

_ALIAS_COLUMNS = ("repo", "repo_id", "until")


def rename_repos(rows: Rows, updates: Iterable[RepoUpdate], at: datetime) -> None:
    """Gives repos whose id changed the new one, and keeps the old one as an alias."""
    renamed = [each for each in updates if each.stored.repo_id != each.record.repo_id]
    new_ids = [(each.record.repo_id, each.record.author, each.stored.repo) for each in renamed]
    rows.update(repos, ("repo_id", "author"), "id", new_ids)
    old_ids = [(each.stored.repo, each.stored.repo_id, at) for each in renamed]
    rows.upsert(aliases, ("repo", "repo_id"), _ALIAS_COLUMNS, old_ids)


def release_reassigned_ids(
    rows: Rows, run: RunRecord | None, records: Sequence[RepoRecord], listed: Collection[str], at: datetime
) -> None:
    """Marks repos as gone whose id now belongs to one of `records`, until they are listed under another id.

    `listed` are the hub_ids of all repos that are being stored: one of them that lost its id is being renamed.
    """
    if not records:
        return
    owners = {(record.type, record.repo_id): record.hub_id for record in records}
    sql = "select id, hub_id, repo_id, status, type from repos where repo_id in ({})"
    reassigned = [
        (repo, repo_id, status)
        for repo, hub_id, repo_id, status, kind in rows.select_in(sql, {record.repo_id for record in records})
        if hub_id not in listed and owners.get((kind, repo_id), hub_id) != hub_id and status != "gone"
    ]
    record_events(rows, run, at, [RepoEvent(repo, "gone", "status", status, "gone") for repo, _, status in reassigned])
    with kept_totals(rows, [repo for repo, _, _ in reassigned]):
        rows.update(repos, ("status", "last_seen"), "id", [("gone", at, repo) for repo, _, _ in reassigned])
    old_ids = [(repo, repo_id, at) for repo, repo_id, _ in reassigned]
    rows.upsert(aliases, ("repo", "repo_id"), _ALIAS_COLUMNS, old_ids)


def set_status(rows: Rows, run: RunRecord | None, hub_id: str, status: str, at: datetime) -> bool:
    """Stores the status that a request for the repo itself found; False if it is not new or the repo not known."""
    stored = rows.first("select id, status from repos where hub_id = ?", (hub_id,))
    if stored is None or stored.status == status:
        return False
    record_events(rows, run, at, [status_event(stored.id, stored.status, status)])
    with kept_totals(rows, [stored.id]):
        rows.update(repos, ("status", "last_seen"), "id", [(status, at, stored.id)])
    rows.delete(missing_repos, ("repo",), [(stored.id,)])
    return True

"""Stores branches, tags and pinned commits with their files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from db.records import RevisionRecord
from db.rows import Rows
from db.schema.tables import repo_revision_files, repo_revisions

_REVISION = ("repo", "name", "kind", "sha", "seen_at")
_FILE = ("repo", "sha", "path", "size", "blob_id", "sha256")


def save_revisions(rows: Rows, hub_id: str, found: Sequence[RevisionRecord], at: datetime) -> bool:
    """Makes these the branches, tags and pinned commits of a model, which keeps commits that were pinned before.

    False for a repo that the catalog does not hold.
    """
    repo = rows.scalar("select id from repos where hub_id = ? and type = 'model'", (hub_id,))
    if repo is None:
        return False
    rows.execute("delete from repo_revisions where repo = ? and kind <> 'commit'", (repo,))
    new = [(repo, each.name, each.kind, each.sha, at) for each in found]
    rows.upsert(repo_revisions, ("repo", "name"), _REVISION, new)
    listed = {each.sha: each.files for each in found if each.sha is not None and each.files is not None}
    files = [
        (repo, sha, file.path, file.size, file.content_blob_id, file.sha256)
        for sha, of in listed.items()
        for file in of
    ]
    rows.delete(repo_revision_files, ("repo", "sha"), [(repo, sha) for sha in listed])
    rows.insert(repo_revision_files, _FILE, files)
    return True

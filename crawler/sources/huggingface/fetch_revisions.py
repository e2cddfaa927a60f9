"""Branches and tags of a repo (GET .../refs) and the files of revisions (GET .../revision/REVISION?blobs=true)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from crawler.errors import RepoError
from crawler.skips import make_skip_by_id
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.fetch import MAX_BRANCH_NAME_LENGTH, hex_digest, parse_files
from crawler.sources.source import FetchedRevisions
from db.record_base import Json
from db.records import RevisionRecord, Skipped

MAX_REFS = 1000
"""Branches and tags of one repo that are kept."""

COMMIT = re.compile(r"[0-9a-f]{7,40}")


def fetch_revisions(client: HubClient, repo_id: str, names: Sequence[str]) -> FetchedRevisions | Skipped:
    """One request for branches and tags, and one for each of the revisions `names`."""
    try:
        found = {each.name: each for each in list_refs(client.list_refs(repo_id))}
        hub_id = ""
        for name in names:
            payload = client.repo_info(repo_id, name)
            repo = client.parse_repo(payload)
            if isinstance(repo, Skipped):
                return repo
            hub_id, sha = repo.hub_id, repo.sha
            known = found.get(name)
            kind = "commit" if known is None else known.kind
            found[name] = RevisionRecord(name, kind, sha, parse_files(payload, client, repo))
        return FetchedRevisions(hub_id, tuple(found[name] for name in sorted(found)))
    except RepoError as error:
        return make_skip_by_id(repo_id, "", error.reason, f"revision {', '.join(names)}: {error.detail}")


def list_refs(payload: Json) -> Iterator[RevisionRecord]:
    """The branches and tags that a Hub lists; malformed ones are left out."""
    left = MAX_REFS
    for key, kind in (("branches", "branch"), ("tags", "tag")):
        entries = payload.get(key)
        for entry in entries if isinstance(entries, list) else ():
            record = parse_ref(entry, kind)
            if record is not None and left > 0:
                left -= 1
                yield record


def parse_ref(entry: Any, kind: str) -> RevisionRecord | None:
    """A branch or tag; None for an entry that is malformed."""
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= MAX_BRANCH_NAME_LENGTH or not name.isprintable():
        return None
    return RevisionRecord(name, kind, hex_digest(entry.get("targetCommit"), 40))

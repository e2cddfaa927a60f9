"""The revisions of repos that were named as owner/name@REVISION: branches, tags, and the files of that revision."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import Executor

from crawler.run_recorder import RunRecorder
from db.records import Skipped


def read_revisions(recorder: RunRecorder, executor: Executor) -> None:
    """Requests the revisions of the settings and stores them beside main. One that is not there is a note."""
    by_repo: dict[str, list[str]] = defaultdict(list)
    for repo_id, name in recorder.settings.revisions:
        by_repo[repo_id].append(name)
    skips: list[Skipped] = []
    for found in executor.map(recorder.source.fetch_revisions, by_repo.keys(), by_repo.values()):
        if isinstance(found, Skipped):
            skips.append(found)
        else:
            recorder.store.save_revisions(found.hub_id, found.revisions)
    recorder.store.save_skips(recorder.run, skips)
    recorder.add_skips(skips)
    recorder.add_notes([f"{skip.repo_id}: {skip.detail}" for skip in skips])

"""Fills in repos of which the listing did not tell all: their details, or the commit that shows what changed."""

from __future__ import annotations

import random
from concurrent.futures import Executor
from dataclasses import replace

from crawler.discover.probe import probe_all
from crawler.run_recorder import RunRecorder
from crawler.save_repo import save_repo
from db.records import LeasedRepo, RepoRecord

MAX_FILLED_PER_RUN = 5000
"""Repos that are requested one by one after one walk; the others wait for the next run, or for their enrichment."""


def fill_partial_repos(recorder: RunRecorder, executor: Executor) -> None:
    """Requests each of the repos that are marked as partial or were listed without a commit, and stores it."""
    partial = {
        leased.hub_id: leased
        for leased in recorder.store.partial_repos(MAX_FILLED_PER_RUN, type_=recorder.settings.scope.type)
    }
    others = [repo for repo in recorder.without_commit if repo.hub_id not in partial]
    room = max(MAX_FILLED_PER_RUN - len(partial), 0)
    chosen = others if len(others) <= room else random.sample(others, room)  # in time each has its turn
    leased = [*partial.values(), *(LeasedRepo(repo.hub_id, repo.repo_id, None, None, 0) for repo in chosen)]
    filled = 0
    for each, result in probe_all(recorder.source, executor, leased):
        if isinstance(result, RepoRecord) and result.hub_id == each.hub_id:
            save_repo(recorder, replace(recorder.run, kind="repos"), result, is_counted=False)  # outside the walk
            filled += 1
    if leased:
        missing = len(partial) + len(others)
        recorder.notes.append(
            f"{missing:,} repos were listed without their details or commit; {filled:,} were requested one by one"
        )

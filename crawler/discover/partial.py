"""Fills in repos that were listed without their details, because the Hub did not list them with these."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import replace

from crawler.discover.probe import probe_all
from crawler.label_pages import save_repo
from crawler.run_recorder import RunRecorder
from db.records import RepoRecord

MAX_FILLED_PER_RUN = 5000
"""Repos that are requested one by one after one walk; the others wait for the next run, or for their enrichment."""


def fill_partial_repos(recorder: RunRecorder, executor: Executor) -> None:
    """Requests each of the repos that are marked as partial, and stores it with its details."""
    marked = recorder.store.partial_repos(MAX_FILLED_PER_RUN)
    filled = 0
    for leased, result in probe_all(recorder.source, executor, marked):
        if isinstance(result, RepoRecord) and result.hub_id == leased.hub_id:
            save_repo(recorder, replace(recorder.run, kind="repos"), result, is_counted=False)  # outside the walk
            filled += 1
    if marked:
        recorder.notes.append(
            f"{len(marked):,} repos were listed without their details; {filled:,} were requested one by one"
        )

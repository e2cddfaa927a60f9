"""Stores a repo that a request for it alone showed."""

from __future__ import annotations

from crawler.label_pages import build_page, label_repos
from crawler.refresh_repo import refresh_repo
from crawler.run_recorder import RunRecorder
from crawler.stored_fields import fill_fields
from db.records import RepoRecord, RunRecord


def save_repo(recorder: RunRecorder, run: RunRecord, repo: RepoRecord, *, is_counted: bool = True) -> None:
    """Labels one repo and stores it in `run` as if a listing had shown it; counted unless one has."""
    [repo] = fill_fields(recorder, [repo])
    labels = label_repos([repo])
    recorder.add_notes(labels.bugs)
    counts = recorder.store.save_page(run, recorder.scope, build_page([repo], labels), refresh_repo)
    if is_counted:
        recorder.add_page(counts)

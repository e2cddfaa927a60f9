"""Visits to repos that the Hub's webhook reported: between the pages of a crawl that runs, or by themselves.

A report says only that a repo changed. What it is now, or that it is gone, comes from requests for the repo itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from crawler.discover.missing import record_not_found
from crawler.enrich.queue import EnrichmentQueue
from crawler.run_recorder import ProgressCallback, RunRecorder, recorded_run
from crawler.settings import CrawlSettings, default_depth
from crawler.skips import TRANSIENT_REASONS
from crawler.sources.source import Source
from db.records import LeasedRepo, RepoFilter, RunRecord, Skipped
from db.reported import Report, ReportedRepos, retry_time
from db.write.store import Store

MAX_VISITS = 100
"""Repos that are visited in one run."""

CHECK_SECONDS = 2.0
"""How often a crawl looks for reports."""

SECOND_LOOK = timedelta(seconds=5)
"""After a request did not find a repo, until the request that decides whether it is gone."""

ABSENT_REASONS = frozenset(("gone", "private", "renamed", "disabled"))


@dataclass(slots=True)
class ReportVisits:
    """The visits of one crawl, which holds the catalog's lock and whose thread calls this."""

    store: Store
    source: Source
    settings: CrawlSettings
    executor: Executor
    reports: ReportedRepos
    callback: ProgressCallback
    _checked_at: float = 0.0  # monotonic

    def between_pages(self) -> None:
        """Visits what is due, at most every CHECK_SECONDS, and not while the crawl waits for the Hub."""
        if time.monotonic() - self._checked_at >= CHECK_SECONDS and self.source.pacer.wait is None:
            self.visit()
            self._checked_at = time.monotonic()

    def visit_all(self) -> list[RunRecord]:
        """The runs that visit all that is due. Raises CrawlError; a run that was stopped is the last."""
        runs: list[RunRecord] = []
        while (run := self.visit()) is not None:
            runs.append(run)
            if run.outcome == "stopped":
                break
        return runs

    def visit(self) -> RunRecord | None:
        """Visits repos of the crawl's type that are due, at most MAX_VISITS, in a run of its own; None without any.

        Raises CrawlError where the run can't continue. A report stays until its visit is stored.
        """
        type_ = self.settings.scope.type
        due = {each.repo_id: each for each in self.reports.due(type_, datetime.now(UTC), MAX_VISITS)}
        if not due:
            return None
        scope = RepoFilter(repo_ids=tuple(due), type=type_)
        settings = replace(self.settings, scope=scope, depth=default_depth(scope), full=False)
        with recorded_run(self.store, self.source, settings, "repos", self.callback) as recorder:
            queue = EnrichmentQueue(recorder, self.executor)
            try:
                queue.run()
            finally:
                self._settle(recorder, due, queue.results)
        return recorder.run

    def _settle(self, recorder: RunRecorder, due: Mapping[str, Report], results: Mapping[str, Skipped | None]) -> None:
        """Forgets the reports whose visit is stored; the others are visited again later."""
        for repo_id, skip in results.items():
            report, now = due[repo_id], datetime.now(UTC)
            if skip is not None and skip.reason in TRANSIENT_REASONS:
                self.reports.postpone(report, retry_time(report, now))
            elif skip is not None and skip.reason in ABSENT_REASONS and not self._is_decided(recorder, repo_id, skip):
                self.reports.postpone(report, now + SECOND_LOOK)
            else:
                self.reports.remove(report)

    def _is_decided(self, recorder: RunRecorder, repo_id: str, skip: Skipped) -> bool:
        """Records that a request did not find a repo; whether no further one is needed to know what became of it."""
        hub_id = self.store.find_reachable(self.settings.scope.type, repo_id)
        if hub_id is None:
            return True
        if self.source.is_healthy():
            record_not_found(recorder, LeasedRepo(hub_id, repo_id, None, None, 0), skip)
        return self.store.find_reachable(self.settings.scope.type, repo_id) is None

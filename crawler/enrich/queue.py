"""The queue of an enrichment: repos are leased from the catalog, worked on by the executor, and stored by this thread.

Each repo goes through the workers twice: `fetch_repo`, one request, then `enrich_repo`, which reads headers and labels
(crawler.enrich.headers). Between the two this thread looks up which headers the catalog holds already, so that no
content is read twice. Results are stored in batches, each with the lease under which its repo was claimed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

from crawler.enrich.headers import LayoutKey, enrich_repo, layout_key
from crawler.errors import CrawlError, CrawlStopped, HubUnreachable, RepoError
from crawler.label_pages import relabel_repo
from crawler.run_recorder import RunRecorder
from crawler.save_repo import save_repo
from crawler.skips import PERMANENT_REASONS, TRANSIENT_REASONS, make_skip, unexpected_error
from crawler.sources.source import FetchedRepo
from crawler.stored_fields import fill_fields
from db.record_base import Depth
from db.records import ArrayLength, Enrichment, LeasedRepo, Skipped

STORE_BATCH = 200
"""Enrichments of one transaction at most: about as many as one second brings."""

MAX_BATCH_AGE_SECONDS = 1.0
"""After this time a smaller batch is stored."""

WAIT_SECONDS = 0.5
"""How long a worker's result is waited for before progress is reported again."""

MAX_CONSECUTIVE_FAILURES = 30
"""Repos in a row whose requests fail before the Hub counts as unreachable."""

REPOS_IN_FLIGHT_PER_WORKER = 2


@dataclass(slots=True)
class EnrichmentQueue:
    """The enrichments of one run, `max_in_flight` repos at a time."""

    recorder: RunRecorder
    executor: Executor
    max_in_flight: int = field(init=False)
    depth: Depth = field(init=False)
    named: Sequence[str] = field(init=False)  # repos that the scope names, instead of the catalog's backlog
    leased: deque[LeasedRepo] = field(default_factory=deque)  # not submitted yet
    fetching: dict[Future[FetchedRepo | Skipped], LeasedRepo] = field(default_factory=dict)
    enriching: dict[Future[Enrichment], FetchedRepo] = field(default_factory=dict)
    finished: list[tuple[Enrichment, LeasedRepo]] = field(default_factory=list)  # not stored yet
    layouts: dict[LayoutKey, ArrayLength] = field(default_factory=dict)
    results: dict[str, Skipped | None] = field(default_factory=dict)  # of named repos: stored, or why not
    to_repeat: set[str] = field(default_factory=set)  # hub_ids of repos of which values were of a wrong type
    exhausted: bool = False  # the catalog has no more repos to lease
    end_cause: CrawlError | CrawlStopped | None = None  # why no more repos are started
    failures: int = 0  # in a row
    done: int = 0
    stored_at: float = 0.0

    def __post_init__(self) -> None:
        settings = self.recorder.settings
        self.max_in_flight = REPOS_IN_FLIGHT_PER_WORKER * settings.workers
        self.depth = settings.depth
        self.named = settings.scope.repo_ids

    def run(self) -> None:
        """Enriches all repos. Raises CrawlStopped and what ends a run, after what was found is stored."""
        store, scope = self.recorder.store, self.recorder.settings.scope
        self.layouts = {layout_key(layout): layout for layout in store.layouts()}
        self.leased.extend(LeasedRepo("", name, None, None, 0) for name in self.named)
        self.exhausted = bool(self.named)
        total = len(self.named) or store.backlog(self.depth, scope)
        self.stored_at = time.monotonic()
        try:
            pacer = self.recorder.source.pacer
            while self._fill() and time.monotonic() < pacer.response_deadline:
                self._collect()
                self.recorder.save_wait()
                self.recorder.report_progress("enrich", self.done, max(total, self.done))
                self.recorder.between_pages()
        finally:
            self._finish()
        self._report_others()
        if self.depth == "headers":
            store.link_headers(self.recorder.run, relabel_repo)
        if self.end_cause is not None:
            raise self.end_cause

    def _report_others(self) -> None:
        """A run is not complete while other crawlers visit repos of its scope: they may end before they have."""
        if self.named or self.end_cause is not None:
            return
        count = self.recorder.store.count_held_by_others(self.depth, self.recorder.settings.scope)
        if count:
            are = "1 repo is" if count == 1 else f"{count:,} repos are"
            self.recorder.missing_parts.append(f"{are} being visited by another crawler")

    def _fill(self) -> bool:
        """Gives the workers more repos, unless the run is to end. False when nothing is in flight any more."""
        reason = self.recorder.source.pacer.stop_reason
        if self.end_cause is None and reason is not None:
            self.end_cause = CrawlStopped(reason)
        while self.end_cause is None and len(self.fetching) + len(self.enriching) < self.max_in_flight:
            if not self.leased and not self.exhausted:
                claimed = self.recorder.store.claim(2 * self.max_in_flight, self.depth, self.recorder.settings.scope)
                self.leased.extend(claimed)
                self.exhausted = not claimed
            if not self.leased:
                break
            leased = self.leased.popleft()
            self.fetching[self.executor.submit(self.recorder.source.fetch_repo, leased)] = leased
        return bool(self.fetching or self.enriching)

    def _collect(self) -> None:
        """Waits for results, submits the fetched repos to be enriched, and stores a batch if there is one."""
        in_flight: list[Future[Any]] = [*self.fetching, *self.enriching]
        done, _ = wait(in_flight, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
        fetched = [self._on_fetched(future) for future in done if future in self.fetching]
        self._submit_headers([repo for repo in fetched if repo is not None])
        for future in done:
            if future in self.enriching:
                self._on_enriched(future)
        is_old = time.monotonic() - self.stored_at > MAX_BATCH_AGE_SECONDS
        if len(self.finished) >= STORE_BATCH or (self.finished and is_old):
            self._store()

    def _on_fetched(self, future: Future[Any]) -> FetchedRepo | None:
        """The repo that is to be enriched, if the result is one."""
        leased = self.fetching.pop(future)
        error = future.exception()
        if isinstance(error, CrawlError | CrawlStopped):
            self._stop(error, leased)
            return None
        fetched = future.result() if error is None else make_skip(leased, unexpected_error(error))
        if isinstance(fetched, Skipped):
            self._skip(leased, fetched)
            return None
        if fetched.repo.private and not self.recorder.settings.include_private:
            self._skip(leased, make_skip(leased, RepoError("private", "visible to this token only")))
            return None
        listed, repo = fill_fields(self.recorder, [fetched.listed, fetched.repo])
        fetched = replace(fetched, listed=listed, repo=repo)
        return self._save_named(fetched) if self.named else fetched

    def _stop(self, error: CrawlError | CrawlStopped, leased: LeasedRepo | None = None) -> None:
        """No more repos are started. Those in flight finish as far as they need no further request."""
        if leased is not None:
            self.leased.append(leased)  # to be released
        if self.end_cause is None or (isinstance(self.end_cause, CrawlStopped) and isinstance(error, CrawlError)):
            self.end_cause = error
        self.recorder.source.pacer.stop(str(error))

    def _save_named(self, fetched: FetchedRepo) -> FetchedRepo | None:
        """Stores a named repo as if the listing had shown it. None if the depth asks for no more."""
        save_repo(self.recorder, self.recorder.run, fetched.listed)
        if self.depth == "listing":
            self.done += 1
            self.results[fetched.leased.repo_id] = None
            return None
        return fetched

    def _submit_headers(self, repos: Sequence[FetchedRepo]) -> None:
        if not repos:
            return
        known = self.recorder.store.headers({content for fetched in repos for content in fetched.contents})
        for fetched in repos:
            own = {content: known[content] for content in fetched.contents if content in known}
            future = self.executor.submit(enrich_repo, self.recorder.source, fetched, self.depth, own, self.layouts)
            self.enriching[future] = fetched

    def _on_enriched(self, future: Future[Enrichment]) -> None:
        fetched = self.enriching.pop(future)
        leased = fetched.leased
        error = future.exception()
        if isinstance(error, CrawlError | CrawlStopped):
            self._stop(error, leased)
        elif error is not None:
            self._skip(leased, make_skip(leased, unexpected_error(error)))
        else:
            enrichment = future.result()
            self.failures = 0
            self.layouts.update((layout_key(layout), layout) for layout in enrichment.layouts)
            self.finished.append((enrichment, leased))
            if fetched.has_wrong_fields:
                self.to_repeat.add(leased.hub_id)

    def _skip(self, leased: LeasedRepo, skip: Skipped) -> None:
        """Records a repo that could not be enriched, to be tried again later if that may help."""
        store, run = self.recorder.store, self.recorder.run
        self.done += 1
        self.recorder.add_skips([skip])
        if not leased.hub_id:
            store.save_skips(run, [skip])
            self.results[leased.repo_id] = skip
            return
        if skip.reason in ("disabled", "private"):
            store.set_status(run, leased.hub_id, "disabled" if skip.reason == "disabled" else "private")
        store.record_failure(leased, [skip], run, settled=self.depth if skip.reason in PERMANENT_REASONS else None)
        self.failures = self.failures + 1 if skip.reason in TRANSIENT_REASONS else 0
        if self.failures >= MAX_CONSECUTIVE_FAILURES:
            why = f"requests for {self.failures} repos in a row failed; the last error: {skip.detail}"
            self._stop(HubUnreachable(self.recorder.source.endpoint, why))

    def _store(self) -> None:
        """Stores the finished enrichments. A repo of which a part failed for now stays in the backlog, for later."""
        batch, self.finished = self.finished, []
        self.stored_at = time.monotonic()
        if not batch:
            return
        store, run = self.recorder.store, self.recorder.run
        items = [(enrichment, leased.lease) for enrichment, leased in batch]
        self.recorder.add_enriched(store.save_enrichments(run, items))
        for enrichment, leased in batch:
            self.recorder.add_skips(enrichment.skipped)
            failed = next((skip for skip in enrichment.skipped if skip.reason in TRANSIENT_REASONS), None)
            if self.named:
                self.results[leased.repo_id] = failed
            if leased.hub_id in self.to_repeat:
                store.record_failure(leased, (), run, settled=None, repeat=True)
            elif leased.hub_id and failed is not None:
                store.record_failure(leased, (), run, settled=None)
        self.done += len(batch)
        self.recorder.save()

    def _finish(self) -> None:
        """At the end, whatever its cause: stores what was found and releases the leases that were not used."""
        in_flight: list[Future[Any]] = [*self.fetching, *self.enriching]
        for future in in_flight:
            future.cancel()
        left = self.recorder.source.pacer.response_deadline - time.monotonic()
        wait(in_flight, None if left == float("inf") else max(left, 0.0))  # a worker that is stuck is left behind
        ended = [future for future in self.enriching if future.done() and not future.cancelled()]
        for enriched in [future for future in ended if future.exception() is None]:
            self._on_enriched(enriched)
        # A repo whose worker is stuck keeps its attempt: it is the last of the next run.
        unused = [leased for future, leased in self.fetching.items() if future.done()]
        unused += [fetched.leased for future, fetched in self.enriching.items() if future.done()]
        unused += self.leased
        self._store()
        self.recorder.store.release([leased for leased in unused if leased.hub_id])

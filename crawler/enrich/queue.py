"""Enrichment against the catalog: the most wanted repos are leased, visited by workers, and stored by this thread.

Each visit goes through the workers twice (see crawler.enrich.headers): between its halves this thread looks up which
headers the catalog holds already, so that no content is read twice. Results are stored a batch a transaction, each
under the lease that it was visited with.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any

from crawler.discover.discover import build_page
from crawler.enrich.headers import (
    TRANSIENT_REASONS,
    FetchedRepo,
    LayoutKey,
    enrich_repo,
    fetch_repo,
    layout_key,
    make_skip,
    relabel_repo,
)
from crawler.errors import CrawlError, CrawlStopped, HubUnreachable, RepoError
from crawler.label_pages import label_repos
from crawler.run_recorder import RunRecorder
from db.record_base import Depth
from db.records import ArrayLength, Enrichment, LeasedRepo, Skipped

STORE_BATCH = 200
"""Visits that are stored in one transaction, at the most: about as many as a second brings."""

MAX_BATCH_AGE = 1.0
"""Seconds after which what there is is stored, though it is no whole batch."""

MAX_CONSECUTIVE_FAILURES = 30
"""Visits that fail in a row before the Hub counts as unreachable."""

PERMANENT_REASONS = ("too large",)
"""Reasons that stay as long as the commit does."""


@dataclass(slots=True)
class EnrichmentQueue:
    """The visits of one crawl, at most `most` of them under way."""

    ledger: RunRecorder
    executor: Executor
    depth: Depth
    most: int
    named: Sequence[str] = ()  # repos to visit instead of those that the frontier wants
    looks: dict[Future[FetchedRepo | Skipped], LeasedRepo] = field(default_factory=dict)
    finishes: dict[Future[Enrichment], FetchedRepo] = field(default_factory=dict)
    ready: list[tuple[Enrichment, LeasedRepo]] = field(default_factory=list)
    queue: deque[LeasedRepo] = field(default_factory=deque)
    layouts: dict[LayoutKey, ArrayLength] = field(default_factory=dict)
    exhausted: bool = False  # the frontier has nothing more to give
    ended: CrawlError | CrawlStopped | None = None  # why no more visits are begun
    strikes: int = 0
    done: int = 0
    stored_at: float = 0.0

    def run(self) -> None:
        """Visits all that is wanted. Raises Stopped and what ends a run, after what was found is stored."""
        store, scope = self.ledger.store, self.ledger.settings.scope
        self.layouts = {layout_key(layout): layout for layout in store.layouts()}
        self.queue.extend(LeasedRepo("", name, None, None, 0) for name in self.named)
        self.exhausted = bool(self.named)
        total = len(self.named) or store.backlog(self.depth, scope)
        self.stored_at = time.monotonic()
        try:
            while self._fill():
                self._collect()
                self.ledger.report_progress("enrich", self.done, max(total, self.done))
        finally:
            self._end()
        if self.depth == "headers":
            store.link_headers(self.ledger.run, relabel_repo)
        if self.ended is not None:
            raise self.ended

    def _fill(self) -> bool:
        """Keeps the workers busy, unless the crawl is to end; False when nothing is under way any more."""
        if self.ended is None and self.ledger.hub.pacer.stopped is not None:
            self.ended = CrawlStopped(self.ledger.hub.pacer.stopped)
        while self.ended is None and len(self.looks) + len(self.finishes) < self.most:
            if not self.queue and not self.exhausted:
                wanted = self.ledger.store.claim(2 * self.most, self.depth, self.ledger.settings.scope)
                self.queue.extend(wanted)
                self.exhausted = not wanted
            if not self.queue:
                break
            wanted_now = self.queue.popleft()
            self.looks[self.executor.submit(fetch_repo, self.ledger.hub, wanted_now)] = wanted_now
        return bool(self.looks or self.finishes)

    def _collect(self) -> None:
        """Waits for visits, sends those that were looked at on to their second half, and stores the whole ones."""
        under_way: list[Future[Any]] = [*self.looks, *self.finishes]
        done, _ = wait(under_way, timeout=0.5, return_when=FIRST_COMPLETED)
        looked = [self._on_fetched(future) for future in done if future in self.looks]
        self._submit_headers([found for found in looked if found is not None])
        for future in done:
            if future in self.finishes:
                self._on_enriched(future)
        if len(self.ready) >= STORE_BATCH or (self.ready and time.monotonic() - self.stored_at > MAX_BATCH_AGE):
            self._store()

    def _on_fetched(self, future: Future[Any]) -> FetchedRepo | None:
        wanted = self.looks.pop(future)
        error = future.exception()
        if isinstance(error, CrawlError | CrawlStopped):
            self._stop(error, wanted)
            return None
        found = future.result() if error is None else make_skip(wanted, unexpected_error(error))
        if isinstance(found, Skipped):
            self._skip(wanted, found)
            return None
        if found.repo.private and not self.ledger.settings.include_private:
            self._skip(wanted, make_skip(wanted, RepoError("private", "only this token sees it")))
            return None
        return self._save_named(found) if self.named else found

    def _stop(self, error: CrawlError | CrawlStopped, wanted: LeasedRepo | None = None) -> None:
        """No visit is begun any more; those under way come to their end, as far as they need nothing of the Hub."""
        if wanted is not None:
            self.queue.append(wanted)  # to be given back
        if self.ended is None or (isinstance(self.ended, CrawlStopped) and isinstance(error, CrawlError)):
            self.ended = error
        self.ledger.hub.pacer.stop(str(error))

    def _save_named(self, found: FetchedRepo) -> FetchedRepo | None:
        """A repo that was named: stored as if the listing had shown it, since nothing else brought it here."""
        page = build_page(self.ledger, [found.repo], label_repos([found.repo]))
        self.ledger.add_page(self.ledger.store.save_page(self.ledger.run, self.ledger.scope, page))
        if self.depth == "listing":
            self.done += 1
            return None
        return found

    def _submit_headers(self, looked: Sequence[FetchedRepo]) -> None:
        if not looked:
            return
        known = self.ledger.store.headers({content for found in looked for content in found.contents})
        for found in looked:
            own = {content: known[content] for content in found.contents if content in known}
            self.finishes[self.executor.submit(enrich_repo, self.ledger.hub, found, self.depth, own, self.layouts)] = (
                found
            )

    def _on_enriched(self, future: Future[Enrichment]) -> None:
        looked = self.finishes.pop(future)
        error = future.exception()
        if isinstance(error, CrawlError | CrawlStopped):
            self._stop(error, looked.wanted)
            return
        if error is not None:
            self._skip(looked.wanted, make_skip(looked.wanted, unexpected_error(error)))
            return
        found = future.result()
        self.strikes = 0
        self.layouts.update((layout_key(layout), layout) for layout in found.layouts)
        self.ready.append((found, looked.wanted))

    def _skip(self, wanted: LeasedRepo, skip: Skipped) -> None:
        """A visit that brought nothing: kept with its reason, to be tried again later unless that is of no use."""
        store, run = self.ledger.store, self.ledger.run
        self.done += 1
        self.ledger.add_skips([skip])
        if not wanted.hub_id:
            store.save_skips(run, [skip])
            return
        if skip.reason in ("disabled", "private"):
            store.set_status(run, wanted.hub_id, "disabled" if skip.reason == "disabled" else "private")
        store.record_failure(wanted, [skip], run, settled=self.depth if skip.reason in PERMANENT_REASONS else None)
        self.strikes = self.strikes + 1 if skip.reason in TRANSIENT_REASONS else 0
        if self.strikes >= MAX_CONSECUTIVE_FAILURES:
            why = f"{self.strikes} repos in a row failed, at last: {skip.detail}"
            self._stop(HubUnreachable(self.ledger.hub.endpoint, why))

    def _store(self) -> None:
        """Stores what is ready. Visits of which a part failed for now are to be made again, later."""
        batch, self.ready = self.ready, []
        self.stored_at = time.monotonic()
        if not batch:
            return
        store, run = self.ledger.store, self.ledger.run
        self.ledger.add_enriched(store.save_enrichments(run, [(found, wanted.lease) for found, wanted in batch]))
        for found, wanted in batch:
            self.ledger.add_skips(found.skipped)
            if wanted.hub_id and any(skip.reason in TRANSIENT_REASONS for skip in found.skipped):
                store.record_failure(wanted, (), run, settled=None)
        self.done += len(batch)
        self.ledger.save()

    def _end(self) -> None:
        """Whatever happened: what was found is stored, what was leased and not used is given back."""
        waiting: list[Future[Any]] = [*self.looks, *self.finishes]
        for future in waiting:
            future.cancel()
        wait(waiting)
        for found in [future for future in self.finishes if not future.cancelled() and future.exception() is None]:
            self._on_enriched(found)
        left = [*self.looks.values(), *(found.wanted for found in self.finishes.values()), *self.queue]
        self._store()
        self.ledger.store.release([wanted for wanted in left if wanted.hub_id])


def unexpected_error(error: BaseException) -> RepoError:
    """One repo that trips the program must not end a crawl of millions."""
    if isinstance(error, RepoError):
        return error  # workers died over it
    return RepoError("failed", f"a bug: {type(error).__name__}: {str(error)[:200]}")

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

from crawler.discover.discover import made_page
from crawler.enrich.headers import PASSING, LayoutKey, Look, finish, layout_key, look, relabelled, skipped
from crawler.errors import CrawlError, HubUnreachable, RepoTrouble, Stopped
from crawler.label_pages import made_of
from crawler.run_recorder import Ledger
from db.records import Depth, Enrichment, Layout, Skipped, Wanted

BATCH = 200
"""Visits that are stored in one transaction, at the most: about as many as a second brings."""

PATIENCE = 1.0
"""Seconds after which what there is is stored, though it is no whole batch."""

STRIKES = 30
"""Visits that fail in a row before the Hub counts as unreachable."""

SETTLED = ("too large",)
"""Reasons that stay as long as the commit does."""


@dataclass(slots=True)
class Visits:
    """The visits of one crawl, at most `most` of them under way."""

    ledger: Ledger
    executor: Executor
    depth: Depth
    most: int
    named: Sequence[str] = ()  # repos to visit instead of those that the frontier wants
    looks: dict[Future[Look | Skipped], Wanted] = field(default_factory=dict)
    finishes: dict[Future[Enrichment], Look] = field(default_factory=dict)
    ready: list[tuple[Enrichment, Wanted]] = field(default_factory=list)
    queue: deque[Wanted] = field(default_factory=deque)
    layouts: dict[LayoutKey, Layout] = field(default_factory=dict)
    exhausted: bool = False  # the frontier has nothing more to give
    ended: CrawlError | Stopped | None = None  # why no more visits are begun
    strikes: int = 0
    done: int = 0
    stored_at: float = 0.0

    def run(self) -> None:
        """Visits all that is wanted. Raises Stopped and what ends a run, after what was found is stored."""
        store, scope = self.ledger.store, self.ledger.settings.scope
        self.layouts = {layout_key(layout): layout for layout in store.layouts()}
        self.queue.extend(Wanted("", name, None, None, 0) for name in self.named)
        self.exhausted = bool(self.named)
        total = len(self.named) or store.backlog(self.depth, scope)
        self.stored_at = time.monotonic()
        try:
            while self._fill():
                self._collect()
                self.ledger.told("enrich", self.done, max(total, self.done))
        finally:
            self._end()
        if self.depth == "headers":
            store.link_headers(self.ledger.run, relabelled)
        if self.ended is not None:
            raise self.ended

    def _fill(self) -> bool:
        """Keeps the workers busy, unless the crawl is to end; False when nothing is under way any more."""
        if self.ended is None and self.ledger.hub.pacer.stopped is not None:
            self.ended = Stopped(self.ledger.hub.pacer.stopped)
        while self.ended is None and len(self.looks) + len(self.finishes) < self.most:
            if not self.queue and not self.exhausted:
                wanted = self.ledger.store.claim(2 * self.most, self.depth, self.ledger.settings.scope)
                self.queue.extend(wanted)
                self.exhausted = not wanted
            if not self.queue:
                break
            wanted_now = self.queue.popleft()
            self.looks[self.executor.submit(look, self.ledger.hub, wanted_now)] = wanted_now
        return bool(self.looks or self.finishes)

    def _collect(self) -> None:
        """Waits for visits, sends those that were looked at on to their second half, and stores the whole ones."""
        under_way: list[Future[Any]] = [*self.looks, *self.finishes]
        done, _ = wait(under_way, timeout=0.5, return_when=FIRST_COMPLETED)
        looked = [self._looked(future) for future in done if future in self.looks]
        self._send_on([found for found in looked if found is not None])
        for future in done:
            if future in self.finishes:
                self._finished(future)
        if len(self.ready) >= BATCH or (self.ready and time.monotonic() - self.stored_at > PATIENCE):
            self._store()

    def _looked(self, future: Future[Any]) -> Look | None:
        wanted = self.looks.pop(future)
        error = future.exception()
        if isinstance(error, CrawlError | Stopped):
            self._end_by(error, wanted)
            return None
        found = future.result() if error is None else skipped(wanted, a_bug(error))
        if isinstance(found, Skipped):
            self._skip(wanted, found)
            return None
        if found.repo.private and not self.ledger.settings.include_private:
            self._skip(wanted, skipped(wanted, RepoTrouble("private", "only this token sees it")))
            return None
        return self._taken_in(found) if self.named else found

    def _end_by(self, error: CrawlError | Stopped, wanted: Wanted | None = None) -> None:
        """No visit is begun any more; those under way come to their end, as far as they need nothing of the Hub."""
        if wanted is not None:
            self.queue.append(wanted)  # to be given back
        if self.ended is None or (isinstance(self.ended, Stopped) and isinstance(error, CrawlError)):
            self.ended = error
        self.ledger.hub.pacer.stop(str(error))

    def _taken_in(self, found: Look) -> Look | None:
        """A repo that was named: stored as if the listing had shown it, since nothing else brought it here."""
        page = made_page(self.ledger, [found.repo], made_of([found.repo]))
        self.ledger.paged(self.ledger.store.save_page(self.ledger.run, self.ledger.scope, page))
        if self.depth == "listing":
            self.done += 1
            return None
        return found

    def _send_on(self, looked: Sequence[Look]) -> None:
        if not looked:
            return
        known = self.ledger.store.headers({content for found in looked for content in found.contents})
        for found in looked:
            own = {content: known[content] for content in found.contents if content in known}
            self.finishes[self.executor.submit(finish, self.ledger.hub, found, self.depth, own, self.layouts)] = found

    def _finished(self, future: Future[Enrichment]) -> None:
        looked = self.finishes.pop(future)
        error = future.exception()
        if isinstance(error, CrawlError | Stopped):
            self._end_by(error, looked.wanted)
            return
        if error is not None:
            self._skip(looked.wanted, skipped(looked.wanted, a_bug(error)))
            return
        found = future.result()
        self.strikes = 0
        self.layouts.update((layout_key(layout), layout) for layout in found.layouts)
        self.ready.append((found, looked.wanted))

    def _skip(self, wanted: Wanted, skip: Skipped) -> None:
        """A visit that brought nothing: kept with its reason, to be tried again later unless that is of no use."""
        store, run = self.ledger.store, self.ledger.run
        self.done += 1
        self.ledger.skipped([skip])
        if not wanted.hub_id:
            store.note_skips(run, [skip])
            return
        if skip.reason in ("disabled", "private"):
            store.set_status(run, wanted.hub_id, "disabled" if skip.reason == "disabled" else "private")
        store.fail_visit(wanted, [skip], run, settled=self.depth if skip.reason in SETTLED else None)
        self.strikes = self.strikes + 1 if skip.reason in PASSING else 0
        if self.strikes >= STRIKES:
            why = f"{self.strikes} repos in a row failed, at last: {skip.detail}"
            self._end_by(HubUnreachable(self.ledger.hub.endpoint, why))

    def _store(self) -> None:
        """Stores what is ready. Visits of which a part failed for now are to be made again, later."""
        batch, self.ready = self.ready, []
        self.stored_at = time.monotonic()
        if not batch:
            return
        store, run = self.ledger.store, self.ledger.run
        self.ledger.enriched(store.save_enrichments(run, [(found, wanted.lease) for found, wanted in batch]))
        for found, wanted in batch:
            self.ledger.skipped(found.skipped)
            if wanted.hub_id and any(skip.reason in PASSING for skip in found.skipped):
                store.fail_visit(wanted, (), run, settled=None)
        self.done += len(batch)
        self.ledger.keep()

    def _end(self) -> None:
        """Whatever happened: what was found is stored, what was leased and not used is given back."""
        waiting: list[Future[Any]] = [*self.looks, *self.finishes]
        for future in waiting:
            future.cancel()
        wait(waiting)
        for found in [future for future in self.finishes if not future.cancelled() and future.exception() is None]:
            self._finished(found)
        left = [*self.looks.values(), *(found.wanted for found in self.finishes.values()), *self.queue]
        self._store()
        self.ledger.store.release([wanted for wanted in left if wanted.hub_id])


def a_bug(error: BaseException) -> RepoTrouble:
    """One repo that trips the program must not end a crawl of millions."""
    if isinstance(error, RepoTrouble):
        return error  # workers died over it
    return RepoTrouble("failed", f"a bug: {type(error).__name__}: {str(error)[:200]}")

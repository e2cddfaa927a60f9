"""A walk through a hub's listing, page by page, that can be interrupted and resumed at any page.

The walk goes by creation date, oldest first: an order that does not change while it runs. A Hub that refuses ascending
order is walked newest first. The next page is requested while the caller labels and stores this one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from crawler.discover.bounds import StopCondition, matching_search
from crawler.errors import HubServerError, InvalidResponse, RequestRefused
from crawler.settings import LISTING_LAG, LISTING_PAGE_SIZE
from crawler.sources.source import ListingQuery, Order, RawPage, Source
from db.records import RepoFilter, RepoRecord, Skipped

MIN_PAGE_SIZE = 50
"""Rows: a Hub that fails is not asked for smaller pages than this."""

PAGES_BEFORE_GROWTH = 4
"""Pages in a row without an error after which more rows are requested again."""

PAGES_REMEMBERED = 8
"""Pages whose rows are recognised when the Hub lists them a second time: repos that are created meanwhile shift rows
from one page to the next."""


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page with its rows parsed."""

    repos: tuple[RepoRecord, ...]
    skipped: tuple[Skipped, ...]  # rows that are malformed
    cursor: str | None  # of the next page; None after the last
    thin: bool = False  # listed without the expensive keys


@dataclass(slots=True)
class ListingWalk:
    """A walk through the listing of a scope (one author at most), to the listing's end or to a stop condition."""

    source: Source
    scope: RepoFilter
    order: Order = "createdAt"
    stop: StopCondition | None = None
    page_size: int = LISTING_PAGE_SIZE
    repeated: int = 0  # rows that came twice
    _query: ListingQuery = field(init=False)
    _pages_since_error: int = 0
    _newest_created: datetime | None = None  # creation date of the last row that was read
    _recent_ids: deque[frozenset[str]] = field(default_factory=lambda: deque(maxlen=PAGES_REMEMBERED))
    _seen_cursors: set[int] = field(default_factory=set)  # hashes
    _next: Future[RawPage] | None = None

    def __post_init__(self) -> None:
        self._query = ListingQuery(self.scope, self.order, self.page_size)

    def pages(self, cursor: str | None = None) -> Iterator[ListingPage]:
        """The pages from a cursor on, or from the first. One page is read ahead.

        Raises RequestRefused for a cursor that the Hub does not take, and other errors that end a run.
        """
        if cursor is None:
            self._query = replace(self._query, ascending=True)
        with ThreadPoolExecutor(1, "listing") as reader:
            self._next = reader.submit(self._read, cursor)
            try:
                while self._next is not None:
                    raw = self._next.result()
                    self._next = None
                    if self.stop is None and raw.next_cursor is not None:
                        self._next = reader.submit(self._read, raw.next_cursor)
                    page = self._parse(raw)
                    if self.stop is not None and page.cursor is not None:
                        self._next = reader.submit(self._read, page.cursor)
                    yield page
            finally:
                if self._next is not None:
                    self._next.cancel()

    def is_next_ready(self, timeout: float) -> bool:
        """Whether the next page arrives within `timeout` seconds."""
        return self._next is not None and bool(wait([self._next], timeout).done)

    def _parse(self, raw: RawPage) -> ListingPage:
        now, cursor = datetime.now(UTC), raw.next_cursor
        repos, skipped, ids = [], [], set()
        recent = frozenset().union(*self._recent_ids)
        for row in raw.rows:
            parsed = self.source.parse_row(row, now)
            if isinstance(parsed, Skipped):
                skipped.append(parsed)
            elif parsed.hub_id in ids or parsed.hub_id in recent:
                self.repeated += 1
            else:
                ids.add(parsed.hub_id)
                repos.append(parsed)
        self._recent_ids.append(frozenset(ids))
        if self.stop is not None:
            accepted = self.stop.accept(repos)
            if accepted < len(repos) or self.stop.done:
                repos, cursor = repos[:accepted], None
        return ListingPage(tuple(matching_search(self.scope, repos)), tuple(skipped), cursor, raw.thin)

    def _read(self, cursor: str | None) -> RawPage:
        """One page. A Hub that fails is asked for half the rows, then without the expensive keys."""
        failures = 0
        while True:
            try:
                page = self._request(cursor)
            except RequestRefused as refused:
                self._query = self.source.adapt_query(self._query, refused)
            except (HubServerError, InvalidResponse) as error:
                failures += 1
                if failures > self.source.tries:
                    raise
                self._ask_for_less(error, failures)
                self.source.pacer.pause(self.source.retry_delay(failures))
            else:
                self._ask_for_more()
                if page.next_cursor is not None:
                    self._seen_cursors.add(hash(page.next_cursor))
                return page

    def _request(self, cursor: str | None) -> RawPage:
        """One page by one request, checked for a listing that repeats itself or ends too early."""
        query = self._query
        page = self.source.list_page(query, cursor)
        if page.next_cursor is not None and hash(page.next_cursor) in self._seen_cursors:
            raise InvalidResponse(self.source.endpoint, "the listing", "it leads back to an earlier page")
        created = self.source.parse_created_at(page.rows[-1]) if page.rows else None
        self._newest_created = max(filter(None, (self._newest_created, created)), default=None)
        is_whole_listing = cursor is None and 0 < len(page.rows) < query.limit
        if page.next_cursor is None and not is_whole_listing:
            page = self._check_end(query, cursor, page)
        return replace(page, thin=query.thin)

    def _ask_for_less(self, error: HubServerError | InvalidResponse, failures: int) -> None:
        self._pages_since_error = 0
        if isinstance(error, HubServerError) or failures > 1:
            # Without the expensive keys too, once smaller pages did not help: one card may be what breaks the JSON.
            thin = self._query.limit < self.page_size or (failures > 2 and isinstance(error, InvalidResponse))
            limit = max(self._query.limit // 2, min(MIN_PAGE_SIZE, self.page_size))
            self._query = replace(self._query, limit=limit, thin=thin)

    def _ask_for_more(self) -> None:
        self._pages_since_error += 1
        if self._pages_since_error >= PAGES_BEFORE_GROWTH:
            self._query = replace(self._query, limit=min(self._query.limit * 2, self.page_size), thin=False)
            self._pages_since_error = 0

    def _check_end(self, query: ListingQuery, cursor: str | None, page: RawPage) -> RawPage:
        """Makes sure that the listing ends here: a response without a next page may be an incomplete one.

        In ascending order the Hub's newest repo must have been read, except those of the last hour, which incremental
        crawls find. In other orders the page is requested a second time. Raises InvalidResponse.
        """
        if query.order != "createdAt" or not query.ascending:
            return self.source.list_page(query, cursor)
        newest = self.source.newest_created(query.scope)
        if newest is not None and (self._newest_created is None or newest > self._newest_created + LISTING_LAG):
            detail = f"it ends before its newest repo, created {newest:%Y-%m-%d %H:%M} UTC"
            raise InvalidResponse(self.source.endpoint, "the listing", detail)
        return page

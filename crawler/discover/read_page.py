"""Reads one page of the listing after the other. A page that can't be read as it was asked for is asked for again, then
with fewer rows, then without the expensive keys; what arrives is checked for a listing that repeats itself or ends too
early."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from crawler.discover.request_size import RequestSize
from crawler.errors import CrawlError, HubServerError, InvalidResponse, RequestRefused
from crawler.settings import LISTING_LAG
from crawler.sources.source import ListingQuery, RawPage, Source

SAME_REQUESTS = 2
"""How often a page is requested in the same way before less is asked for."""

MAX_DELAYS = 3
"""Failures after which the pause before the next attempt at a page grows no more: the Hub is well, the page is not."""

MAX_UNPAGED_ROWS = 100_000
"""Rows that are requested of a Hub that sends its listing as one page."""

MAX_EMPTY_PAGES = 3
"""Empty pages in a row that lead to a next one."""

PAGES_REMEMBERED = 8
"""Pages whose rows are recognised when the Hub lists them a second time: repos that are created meanwhile shift rows
from one page to the next."""


class PageUnreadable(Exception):
    """The Hub responds, but not with this page in any size; `error` is the last error."""

    def __init__(self, error: CrawlError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class PageReader:
    """The pages of one listing in one order. `read` is to be called with each page's cursor in turn."""

    source: Source
    query: ListingQuery
    newest: datetime | None = None  # creation date of the newest repo that was read
    has_read: bool = False  # any page
    size: RequestSize = field(init=False)
    _cursors: set[int] = field(default_factory=set)  # hashes of those of next pages
    _pages: set[int] = field(default_factory=set)  # hashes of the keys of their rows
    _recent_keys: deque[frozenset[str]] = field(default_factory=lambda: deque(maxlen=PAGES_REMEMBERED))
    _empty_pages: int = 0
    _has_short_pages: bool = False  # this Hub's pages may have fewer rows than asked for

    def __post_init__(self) -> None:
        self.size = RequestSize(self.query.limit)
        self.size.rows = min(self.query.limit, self.source.capabilities.max_rows or self.query.limit)

    def read(self, cursor: str | None) -> RawPage:
        """The page at a cursor, or the first.

        Raises PageUnreadable, RequestRefused for a first page that the Hub does not accept, and what ends a run.
        """
        failures = 0
        while True:
            try:
                page = self._request(cursor)
                keys = self._checked_keys(page, is_first=cursor is None)
            except (RequestRefused, HubServerError, InvalidResponse) as error:
                if isinstance(error, RequestRefused) and failures == 0 and self._adapt(error, cursor):
                    continue
                failures += 1
                if failures >= SAME_REQUESTS and not self.size.shrink():
                    raise PageUnreadable(error) from error
                self.source.pacer.pause(self.source.retry_delay(min(failures, MAX_DELAYS)))
            else:
                self._remember(page, keys)
                return page

    def _adapt(self, refused: RequestRefused, cursor: str | None) -> bool:
        """Whether the query can do without what the Hub refused. A cursor belongs to one order, which stays."""
        if self.has_read:
            return False
        adapted = self.source.adapt_query(self.query, refused)
        if adapted is None or (cursor is not None and adapted.ascending != self.query.ascending):
            return False
        self.query = adapted
        return True

    def _request(self, cursor: str | None) -> RawPage:
        """One page, complete. Raises InvalidResponse for one after which the listing can't be over."""
        query = replace(self.query, limit=self.size.rows, thin=self.size.thin)
        page = self.source.list_page(query, cursor)
        if page.next_cursor is not None and 0 < len(page.rows) < query.limit and not self._has_short_pages:
            page = self._complete_page(query, cursor, page)
        if page.next_cursor is None:
            page = self._confirm_end(query, cursor, page)
        return replace(page, thin=query.thin or page.thin)

    def _checked_keys(self, page: RawPage, *, is_first: bool) -> Sequence[str | None]:
        """What identifies the repos of a page. Raises InvalidResponse for a page that can't be right."""
        keys = [self.source.row_key(row) for row in page.rows]
        problem = self._find_problem(page, keys, is_first=is_first)
        if problem is not None:
            raise InvalidResponse(self.source.endpoint, "the listing", problem)
        return keys

    # ---- checks of a page ---------------------------------------------------------------------------------------

    def _complete_page(self, query: ListingQuery, cursor: str | None, page: RawPage) -> RawPage:
        """The page again, asked for with as many rows as it has: its next cursor then follows its last row.

        A page that is shorter than asked for, and yet leads to a next one, may lack the rows between the two.
        """
        again = self.source.list_page(replace(query, limit=len(page.rows)), cursor)
        if len(again.rows) < len(page.rows):
            self._has_short_pages = True  # filtered after it was cut: that is how this Hub makes pages
            return page
        if again.next_cursor == page.next_cursor:
            self.size.most = self.size.rows = len(page.rows)  # the Hub sends no more
            self.source.use_capabilities(replace(self.source.capabilities, max_rows=len(page.rows)))
        return again

    def _confirm_end(self, query: ListingQuery, cursor: str | None, page: RawPage) -> RawPage:
        """Makes sure that the listing ends here: a response without a next page may be incomplete.

        With one row less a full page must lead to a next one. Oldest first, the newest repo must have been read, except
        those of the last hour, which incremental crawls find. Otherwise the page is requested again. Raises
        InvalidResponse.
        """
        has_no_links = self.source.capabilities.has_links is False
        is_full = len(page.rows) == query.limit > 1
        if is_full and (has_no_links or not self._has_link_after(query, cursor, page)):
            page = self._unpaged(query, cursor, page)
        if query.order == "createdAt" and query.ascending:
            newest, seen = self._load_newest(), self._newest_of(page)
            if newest is not None and seen is not None:
                if newest <= seen + LISTING_LAG:
                    return page
                why = f"it ends before its newest repo, created {newest:%Y-%m-%d %H:%M} UTC"
                raise InvalidResponse(self.source.endpoint, "the listing", why)
        if len(page.rows) < query.limit:
            return self.source.list_page(query, cursor)
        return page

    def _has_link_after(self, query: ListingQuery, cursor: str | None, page: RawPage) -> bool:
        """Whether a page of one row less than this one leads to a next page."""
        shorter = self.source.list_page(replace(query, limit=query.limit - 1), cursor)
        return shorter.next_cursor is not None or len(shorter.rows) >= len(page.rows)

    def _unpaged(self, query: ListingQuery, cursor: str | None, page: RawPage) -> RawPage:
        """All rows from a cursor on, of a Hub that has no link to a next page. Raises InvalidResponse if it sends no
        more than a page."""
        whole = self.source.list_page(replace(query, limit=MAX_UNPAGED_ROWS), cursor)
        if len(page.rows) < len(whole.rows) < MAX_UNPAGED_ROWS:
            self.source.use_capabilities(replace(self.source.capabilities, has_links=False))
            return whole
        self.source.use_capabilities(replace(self.source.capabilities, has_links=None))
        why = f"a full page of {len(page.rows):,} rows has no link to the next one"
        raise InvalidResponse(self.source.endpoint, "the listing", why)

    def _load_newest(self) -> datetime | None:
        """When the newest repo was created; None if the Hub does not tell."""
        for _ in range(SAME_REQUESTS):
            try:
                return self.source.newest_created(self.query.scope)
            except (RequestRefused, HubServerError, InvalidResponse):
                continue  # perhaps it is the newest repo that can't be listed
        return None

    def _find_problem(self, page: RawPage, keys: Sequence[str | None], *, is_first: bool) -> str | None:
        """What says that the listing does not continue after this page, or None."""
        scope = self.query.scope
        if is_first and not page.rows and not (scope.authors or scope.search or scope.tags):
            return "it is empty"
        if page.next_cursor is not None and hash(page.next_cursor) in self._cursors:
            return "it leads back to an earlier page"
        if not page.rows:
            is_too_many = page.next_cursor is not None and self._empty_pages >= MAX_EMPTY_PAGES
            return "one empty page leads to the next" if is_too_many else None
        if not any(keys):
            return f"none of {len(keys):,} rows is a repo"
        if page.next_cursor is not None and (hash(tuple(keys)) in self._pages or self._is_repeated(keys)):
            return "it sends the same rows again"
        return None

    def _is_repeated(self, keys: Sequence[str | None]) -> bool:
        recent = frozenset().union(*self._recent_keys)
        return all(key is None or key in recent for key in keys)

    def has_just_read(self, row: object) -> bool:
        """Whether a row was on one of the last pages."""
        key = self.source.row_key(row)
        return key is not None and any(key in keys for keys in self._recent_keys)

    def _newest_of(self, page: RawPage) -> datetime | None:
        dates = (self.source.parse_created_at(row) for row in page.rows)
        return max((date for date in (*dates, self.newest) if date is not None), default=None)

    def _remember(self, page: RawPage, keys: Sequence[str | None]) -> None:
        self.size.on_page()
        self.has_read = True
        self.newest = self._newest_of(page)
        self._empty_pages = 0 if page.rows else self._empty_pages + 1
        self._pages.add(hash(tuple(keys)))
        self._recent_keys.append(frozenset(key for key in keys if key is not None))
        if page.next_cursor is not None:
            self._cursors.add(hash(page.next_cursor))

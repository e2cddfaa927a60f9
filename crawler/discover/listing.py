"""A walk through a hub's listing, page by page, that can be interrupted and resumed at any page.

The walk goes by creation date, oldest first: an order that does not change while it runs. The next page is requested
while the caller labels and stores this one. Where the listing can't be read further, the walk goes round the place:

1. With a cursor that starts at a later moment, if the Hub honours one. So a single row that breaks every page with it
   is passed, and a cursor that has expired is replaced.
2. From the newest repo backwards, down to the repos that were read already.

What can be read in neither way makes the walk incomplete, and the next one resumes there. A Hub that does not list by
creation date, oldest first, is walked in the order that it offers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from crawler.discover.bounds import StopAtDate, StopCondition, matching_search
from crawler.discover.known_rows import KnownRows, parse_rows
from crawler.discover.order import direction_of, is_same_order, is_sorted, values_of
from crawler.discover.pass_row import cursor_past, rows_past
from crawler.discover.read_page import PAGES_REMEMBERED, PageReader, PageUnreadable
from crawler.errors import HubServerError, InvalidResponse, ListingIncomplete, OrderIgnored, RequestRefused
from crawler.settings import LISTING_LAG, LISTING_PAGE_SIZE
from crawler.sources.source import ListingQuery, Order, RawPage, Source
from db.records import ListingPosition, RepoFilter, RepoRecord, Skipped

MAX_DETOURS = 20
"""How often one walk goes round a place that can't be read."""

MAX_REREADS = 2
"""How often a walk continues with a cursor that starts just before the last repo that was read: an expired cursor needs
one, and a listing that can't be read in this order would need them all."""

IDLE_SECONDS = 1.0
"""How often the caller of a walk is called back while the next page has not arrived."""


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page with its rows parsed."""

    repos: tuple[RepoRecord, ...]
    skipped: tuple[Skipped, ...]  # rows that are malformed
    position: ListingPosition | None  # of the next page; None after the last
    thin: bool = False  # listed without the expensive keys
    known: tuple[RepoRecord, ...] = ()  # rows that are as they were: ids, dates and counters alone


@dataclass(slots=True)
class ListingWalk:
    """A walk through the listing of a scope (one author at most), to the listing's end or to a stop condition.

    `on_idle` is called each second that no page arrives, by the thread that reads the pages. Rows that `known_rows`
    knows are not parsed.
    """

    source: Source
    scope: RepoFilter
    order: Order = "createdAt"
    stop: StopCondition | None = None
    page_size: int = LISTING_PAGE_SIZE
    on_idle: Callable[[], None] = lambda: None
    known_rows: KnownRows | None = None
    repeated: int = 0  # rows that came twice
    rows_read: int = 0
    repos_read: int = 0  # rows that were valid
    notes: list[str] = field(default_factory=list)  # what the walk went round, and why
    _reader: PageReader = field(init=False)
    _position: ListingPosition | None = None  # of the page that is read now
    _stop_at: datetime | None = None  # a walk from the newest repo ends at repos created before
    _contiguous_to: datetime | None = None  # creation date of the newest repo, oldest first, before the first gap
    _recent_ids: list[frozenset[str]] = field(default_factory=list)
    _detours: int = 0
    _rereads: int = 0  # detours to repos that had been read
    _next: Future[RawPage] | None = None

    def __post_init__(self) -> None:
        self._reader = self._make_reader(ascending=True)

    def _make_reader(self, *, ascending: bool) -> PageReader:
        return PageReader(self.source, ListingQuery(self.scope, self.order, self.page_size, ascending))

    def pages(self, position: ListingPosition | None = None) -> Iterator[ListingPage]:
        """The pages from a position on, or from the first. One page is read ahead.

        Raises ListingIncomplete where the listing can be read no further, OrderIgnored for a Hub that does not sort,
        RequestRefused for a query that it does not accept, and other errors that end a run.
        """
        self._resume(position)
        with ThreadPoolExecutor(1, "listing") as thread:
            try:
                while True:
                    try:
                        yield from self._read_on(thread)
                    except PageUnreadable as unreadable:
                        self._go_round(unreadable)
                    else:
                        return
            finally:
                if self._next is not None:
                    self._next.cancel()

    def is_next_ready(self, timeout: float) -> bool:
        """Whether the next page arrives within `timeout` seconds."""
        return self._next is not None and bool(wait([self._next], timeout).done)

    def _resume(self, position: ListingPosition | None) -> None:
        self._position = position
        if position is not None:
            self._reader = self._make_reader(ascending=position.ascending)
            self._contiguous_to, self._stop_at = position.created_at, position.stop_at
            self._reader.newest = position.created_at

    # ---- pages in one direction -----------------------------------------------------------------------------------

    def _read_on(self, thread: ThreadPoolExecutor) -> Iterator[ListingPage]:
        """The pages from the present position on, until they end. Raises PageUnreadable."""
        self._next = thread.submit(self._reader.read, None if self._position is None else self._position.cursor)
        while self._next is not None:
            while not self.is_next_ready(IDLE_SECONDS):
                self.on_idle()
            raw, self._next = self._next.result(), None
            is_first = self._position is None
            may_end = is_first or self.stop is not None or self._stop_at is not None
            if raw.next_cursor is not None and not may_end:
                self._next = thread.submit(self._reader.read, raw.next_cursor)
            page = self._parse(raw, is_first=is_first)
            self._position = page.position
            if self._next is None and page.position is not None:
                self._next = thread.submit(self._reader.read, page.position.cursor)
            yield page

    def _parse(self, raw: RawPage, *, is_first: bool) -> ListingPage:
        """The page's rows as records. The first page of a listing shows whether the Hub sorts it as was asked."""
        now = datetime.now(UTC)
        parsed = parse_rows(self.source, raw, now, self.known_rows)
        listed = [repo for repo in parsed if isinstance(repo, RepoRecord)]
        self.rows_read += len(parsed)
        self.repos_read += len(listed)
        if is_first:
            self._check_first_page(raw, listed)
        cursor = raw.next_cursor
        if self._stop_at is not None:
            listed, cursor = self._down_to_read_repos(listed, cursor)
        repos = self._without_repeated(listed)
        if self.stop is not None:
            accepted = self.stop.accept(repos)
            if accepted < len(repos) or self.stop.done:
                repos, cursor = repos[:accepted], None
        if self._reader.query.ascending:
            self._contiguous_to = max((self._contiguous_to, *values_of("createdAt", repos)), key=moment_or_least)
        position = None if cursor is None else self._position_at(cursor)
        kept, skipped = matching_search(self.scope, repos), [row for row in parsed if isinstance(row, Skipped)]
        known = self.known_rows.found if self.known_rows is not None else frozenset()
        new, old = [[each for each in kept if (each.hub_id in known) is wanted] for wanted in (False, True)]
        return ListingPage(tuple(new), tuple(skipped), position, raw.thin, tuple(old))

    def _down_to_read_repos(self, listed: list[RepoRecord], cursor: str | None) -> tuple[list[RepoRecord], str | None]:
        """The rows of a walk from the newest repo on, and the next cursor, without what was read oldest first.

        Raises PageUnreadable for a listing that ends before it comes to those repos.
        """
        assert self._stop_at is not None
        stop = StopAtDate("createdAt", self._stop_at)
        accepted = stop.accept(listed)
        oldest = min(listed, key=lambda repo: moment_or_least(repo.created_at), default=None)
        is_all_read = stop.done or oldest is None or moment_or_least(oldest.created_at) <= self._stop_at + LISTING_LAG
        if cursor is None and not is_all_read:
            raise PageUnreadable(InvalidResponse(self.source.endpoint, "the listing", "it ends too early"))
        return listed[:accepted], None if stop.done else cursor

    def _position_at(self, cursor: str) -> ListingPosition:
        return ListingPosition(cursor, self._reader.query.ascending, self._contiguous_to, self._stop_at)

    def _without_repeated(self, listed: list[RepoRecord]) -> list[RepoRecord]:
        recent = frozenset().union(*self._recent_ids)
        repos = {repo.hub_id: repo for repo in reversed(listed) if repo.hub_id not in recent}
        self.repeated += len(listed) - len(repos)
        self._recent_ids = [*self._recent_ids[1 - PAGES_REMEMBERED :], frozenset(repos)]
        return list(reversed(repos.values()))

    def _check_first_page(self, raw: RawPage, listed: list[RepoRecord]) -> None:
        """Raises OrderIgnored where the walk depends on the order and the Hub does not sort by it.

        A listing by creation date may be in any order; one from the newest repo on is taken for what it is.
        """
        if self.order != "createdAt":
            is_heeded = is_sorted(self.order, listed, is_whole=raw.next_cursor is None)
            if self.stop is not None and not (self._differs_from_default(raw) if is_heeded is None else is_heeded):
                raise OrderIgnored(self.order)
            return
        direction = direction_of(values_of("createdAt", listed))
        if self._stop_at is not None and direction not in ("descending", None):
            error = InvalidResponse(self.source.endpoint, "the listing", "it can't be read from the newest repo on")
            raise ListingIncomplete(str(error))
        if self._reader.query.ascending and direction == "descending":
            self._reader.query = replace(self._reader.query, ascending=False)
            self.notes.append("the Hub lists the newest repos first, though the oldest were asked for")
        elif direction == "none":
            self._reader.query = replace(self._reader.query, ascending=False)
            self.notes.append("the Hub does not list repos by creation date, though that was asked for")

    def _differs_from_default(self, raw: RawPage) -> bool:
        """Whether the Hub lists in another order where it is asked for none, which shows that it heeds this one."""
        query = replace(self._reader.query, order=None, limit=max(len(raw.rows), 1), thin=True)
        try:
            default = self.source.list_page(query, None)
        except (RequestRefused, HubServerError, InvalidResponse):
            return False
        keys, others = ([self.source.row_key(row) for row in page.rows] for page in (raw, default))
        return not is_same_order(keys, others)

    # ---- ways round what can't be read ----------------------------------------------------------------------------

    def _go_round(self, unreadable: PageUnreadable) -> None:
        """Finds another position from which to read on. Raises ListingIncomplete if there is none.

        What fails before any page was read is the Hub's error itself.
        """
        error, position = unreadable.error, self._position
        self._detours += 1
        if position is None and self._stop_at is None:
            raise error
        if position is not None and self._detours <= MAX_DETOURS:
            passage = rows_past(self._reader, position.cursor)
            if passage is not None:
                self.notes.append(f"a row of the listing after row {self.rows_read:,} could not be read: {error}")
                self._position = replace(position, cursor=passage.cursor)
                return
            if self.order == "createdAt" and position.ascending:
                self._leave_ascending(position, error)
                return
            if not self._reader.has_read:
                self.notes.append(f"the cursor of the interrupted walk could not be used ({error}): it started again")
                self._position, self._reader = None, self._make_reader(ascending=self._stop_at is None)
                return
        raise ListingIncomplete(f"the listing can't be read further: {error}") from error

    def _leave_ascending(self, position: ListingPosition, error: Exception) -> None:
        """Continues past the row that can't be read, else from the newest repo."""
        read_to = self._contiguous_to
        if read_to is None:  # the catalog was made before positions had dates: from the start again
            self.notes.append(f"the listing could not be read further ({error}): it was started again")
            self._position, self._reader = None, self._make_reader(ascending=True)
            return
        found = cursor_past(self._reader, position.cursor, read_to, may_reread=self._rereads < MAX_REREADS)
        if found is not None:
            self._rereads += not found.skips_rows
            if found.skips_rows:
                until = "the end" if found.created_at is None else f"{found.created_at:%Y-%m-%d %H:%M:%S} UTC"
                self.notes.append(
                    f"no page with repos created between {read_to:%Y-%m-%d %H:%M:%S} and {until} could be read: {error}"
                )
            self._reader = self._make_reader(ascending=True)
            self._reader.newest = read_to
            self._position = replace(position, cursor=found.cursor)
            return
        self.notes.append(f"the listing could not be read further ({error}): it was read from the newest repo on")
        self._reader = self._make_reader(ascending=False)
        self._position, self._stop_at = None, read_to - LISTING_LAG


def moment_or_least(moment: datetime | None) -> datetime:
    """A key for `max` over moments of which some are unknown."""
    return moment or datetime.min.replace(tzinfo=UTC)

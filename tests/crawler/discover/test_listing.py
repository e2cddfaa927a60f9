"""A walk through a listing, over a source of a few lines instead of a Hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from crawler.discover.bounds import StopAfterTopDownloads
from crawler.discover.listing import ListingWalk
from crawler.errors import HubServerError, InvalidResponse, RequestRefused
from crawler.sources.source import ListingQuery, RawPage, Source
from db.records import RepoFilter, RepoRecord, Skipped

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


class Pauses:
    """A pacer that never waits."""

    def pause(self, seconds: float) -> None:
        pass


class ListedNumbers:
    """A source whose repos are the numbers from 0 to `count`; the cursor is the next number.

    `respond`, if given, sees each request first: it raises, or returns a page or None.
    """

    endpoint = "http://hub"
    tries = 5
    pacer = Pauses()

    def __init__(self, count: int, respond: Callable[[ListingQuery, int], RawPage | None] = lambda *_: None) -> None:
        self.count = count
        self.respond = respond
        self.queries: list[ListingQuery] = []

    def list_page(self, query: ListingQuery, cursor: str | None) -> RawPage:
        self.queries.append(query)
        start = int(cursor or 0)
        page = self.respond(query, start)
        if page is not None:
            return page
        end = min(start + query.limit, self.count)
        return RawPage(list(range(start, end)), str(end) if end < self.count else None)

    def parse_row(self, row: Any, now: datetime) -> RepoRecord | Skipped:
        if not isinstance(row, int):
            return Skipped("?", "malformed", "not a number", now)
        return RepoRecord(f"{row:024x}", f"acme/{row}", downloads=self.count - row)

    def parse_created_at(self, row: Any) -> datetime | None:
        return CREATED + timedelta(days=row) if isinstance(row, int) else None

    def newest_created(self, scope: RepoFilter) -> datetime | None:
        return self.parse_created_at(self.count - 1)

    def adapt_query(self, query: ListingQuery, refused: RequestRefused) -> ListingQuery:
        if not query.ascending:
            raise refused
        return replace(query, ascending=False)

    def retry_delay(self, failures: int) -> float:
        return 0.0


def walk(source: ListedNumbers, **options: Any) -> ListingWalk:
    return ListingWalk(cast(Source, source), RepoFilter(), **{"page_size": 10, **options})


def ids(walk: ListingWalk, cursor: str | None = None) -> Sequence[int]:
    return [int(repo.hub_id, 16) for page in walk.pages(cursor) for repo in page.repos]


def test_every_repo_comes_once_and_in_order() -> None:
    assert ids(walk(ListedNumbers(25))) == list(range(25))


def test_a_walk_resumes_at_a_cursor() -> None:
    assert ids(walk(ListedNumbers(25)), "20") == list(range(20, 25))


def test_malformed_rows_are_skipped_and_repeated_ones_counted() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage([8, 9, "x", *range(10, 18)], "18") if start == 10 else None

    shifted = walk(ListedNumbers(25, respond))
    pages = list(shifted.pages())
    assert [int(repo.hub_id, 16) for page in pages for repo in page.repos] == list(range(25))
    assert [len(page.skipped) for page in pages] == [0, 1, 0]
    assert shifted.repeated == 2


def test_a_stop_condition_ends_the_walk_without_another_request() -> None:
    source = ListedNumbers(1000)
    assert ids(walk(source, order="downloads", stop=StopAfterTopDownloads(left=20))) == list(range(20))
    assert len(source.queries) == 2


def test_a_hub_that_fails_is_asked_for_less_and_later_for_more_again() -> None:
    failures = 0

    def respond(query: ListingQuery, start: int) -> RawPage | None:
        nonlocal failures
        failures += 1
        if failures <= 2:
            raise HubServerError("http://hub", "the listing", 504)
        return None

    source = ListedNumbers(2000, respond)
    pages = list(walk(source, page_size=400).pages())
    assert sum(len(page.repos) for page in pages) == 2000
    assert [(query.limit, query.thin) for query in source.queries[:4]] == [
        (400, False), (200, False), (100, True), (100, True),
    ]  # fmt: skip
    assert pages[0].thin, "the caller knows that the expensive keys are missing"
    assert (source.queries[-1].limit, source.queries[-1].thin) == (400, False)


def test_a_hub_that_keeps_failing_ends_the_walk() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        raise HubServerError("http://hub", "the listing", 504)

    source = ListedNumbers(10, respond)
    with pytest.raises(HubServerError):
        ids(walk(source))
    assert len(source.queries) == source.tries + 1


def test_a_listing_that_leads_back_to_an_earlier_page_is_an_error() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage([20, 21], "10") if start == 20 else None

    with pytest.raises(InvalidResponse, match="back to an earlier page"):
        ids(walk(ListedNumbers(100, respond)))


def test_a_listing_that_ends_before_the_newest_repo_is_an_error() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage([10], None) if start == 10 else None

    with pytest.raises(InvalidResponse, match="ends before its newest repo"):
        ids(walk(ListedNumbers(100, respond)))


def test_an_early_end_is_requested_again_in_other_orders() -> None:
    ends = iter([RawPage([10], None)])

    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return next(ends, None) if start == 10 else None

    source = ListedNumbers(25, respond)
    assert ids(walk(source, order="lastModified")) == list(range(25))


def test_a_refused_order_is_given_up() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if query.ascending:
            raise RequestRefused("/api/models", "direction is not supported")
        return None

    source = ListedNumbers(25, respond)
    assert ids(walk(source)) == list(range(25))
    assert [query.ascending for query in source.queries].count(True) == 1


def test_a_refused_cursor_is_reported() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if start:
            raise RequestRefused("/api/models", "invalid cursor")
        return None

    with pytest.raises(RequestRefused, match="invalid cursor"):
        ids(walk(ListedNumbers(25, respond)), "10")

"""A walk through a listing, over a source of a few lines instead of a Hub."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from crawler.discover.bounds import StopAfterTopDownloads, StopAtDate
from crawler.discover.listing import ListingPage, ListingWalk
from crawler.discover.order import is_same_order
from crawler.errors import HubServerError, InvalidResponse, ListingIncomplete, OrderIgnored, RequestRefused
from crawler.sources.source import Capabilities, ListingQuery, RawPage, Source
from db.records import ListingPosition, RepoFilter, RepoRecord, Skipped

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
HUB = "http://hub"

Respond = Callable[[ListingQuery, int], RawPage | None]


class Pauses:
    """A pacer that never waits."""

    def pause(self, seconds: float) -> None:
        pass

    def raise_if_stopped(self) -> None:
        pass


@dataclass
class ListedNumbers:
    """A source whose repos are the numbers from 0 to `count`, number n created on day n.

    `respond` sees each request first, with the number at which its page starts: it raises, or returns a page or None.
    `cursors`: `opaque` are the next number, which can't be told from an id; `dated` are conditions as the Hub's.
    """

    count: int
    respond: Respond = lambda query, start: None
    cursors: str = "opaque"
    queries: list[ListingQuery] = field(default_factory=list)
    endpoint: str = HUB
    tries: int = 5
    pacer: Pauses = field(default_factory=Pauses)
    capabilities: Capabilities = field(default_factory=Capabilities)

    def use_capabilities(self, known: Capabilities) -> None:
        self.capabilities = known

    def list_page(self, query: ListingQuery, cursor: str | None) -> RawPage:
        self.queries.append(query)
        numbers = list(range(self.count)) if query.ascending else list(reversed(range(self.count)))
        at = 0 if cursor is None else self.read_cursor(cursor, ascending=query.ascending)
        page = self.respond(query, at)
        if page is not None:
            return page
        rows = numbers[at : at + query.limit]
        return RawPage(rows, self.write_cursor(at + len(rows), rows) if at + len(rows) < self.count else None)

    def write_cursor(self, at: int, rows: Sequence[int]) -> str:
        if self.cursors == "opaque":
            return f"c{at}"
        created = (CREATED + timedelta(days=rows[-1])).isoformat().replace("+00:00", ".000Z")
        return base64.b64encode(json.dumps({"createdAt": {"$gt": created}}).encode()).decode()

    def read_cursor(self, cursor: str, *, ascending: bool) -> int:
        if self.cursors == "opaque":
            if not cursor.startswith("c"):
                raise RequestRefused("/api/models", "invalid cursor")
            return int(cursor[1:])
        after = datetime.fromisoformat(json.loads(base64.b64decode(cursor))["createdAt"]["$gt"])
        days = (after - CREATED) / timedelta(days=1)
        return int(days // 1) + 1 if ascending else self.count - int(days)

    def parse_row(self, row: Any, now: datetime) -> RepoRecord | Skipped:
        if not isinstance(row, int):
            return Skipped("?", "malformed", "not a number", now)
        created = self.parse_created_at(row)
        return RepoRecord(f"{row:024x}", f"acme/{row}", created_at=created, downloads=self.count - row)

    def row_key(self, row: Any) -> str | None:
        return str(row) if isinstance(row, int) else None

    def parse_created_at(self, row: Any) -> datetime | None:
        return CREATED + timedelta(days=row) if isinstance(row, int) else None

    def newest_created(self, scope: RepoFilter) -> datetime | None:
        return self.parse_created_at(self.count - 1)

    def adapt_query(self, query: ListingQuery, refused: RequestRefused) -> ListingQuery | None:
        return replace(query, ascending=False) if query.ascending else None

    def retry_delay(self, failures: int) -> float:
        return 0.0


def walk(source: ListedNumbers, **options: Any) -> ListingWalk:
    return ListingWalk(cast(Source, source), RepoFilter(), **{"page_size": 10, **options})


def ids(walk: ListingWalk, position: ListingPosition | None = None) -> list[int]:
    return ids_of(walk.pages(position))


def ids_of(pages: Any) -> list[int]:
    return [int(repo.hub_id, 16) for page in pages for repo in page.repos]


def fails_with(number: int) -> Respond:
    """Each page that contains a number fails, oldest first or newest first."""

    def respond(query: ListingQuery, start: int) -> RawPage | None:
        at = number if query.ascending else 99 - number
        if start <= at < start + query.limit:
            raise HubServerError(HUB, "the listing", 500)
        return None

    return respond


def test_every_repo_comes_once_and_in_order() -> None:
    assert ids(walk(ListedNumbers(25))) == list(range(25))


def test_a_walk_resumes_at_a_position() -> None:
    first = walk(ListedNumbers(25))
    pages = first.pages()
    positions = [next(pages).position, next(pages).position]
    assert positions[1] == ListingPosition("c20", created_at=CREATED + timedelta(days=19))
    assert ids(walk(ListedNumbers(25)), positions[1]) == list(range(20, 25))


def test_malformed_rows_are_skipped_and_repeated_ones_counted() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage([8, 9, "x", *range(10, 18)], "c18") if start == 10 else None

    shifted = walk(ListedNumbers(25, respond))
    pages = list(shifted.pages())
    assert ids_of(pages) == list(range(25))
    assert [len(page.skipped) for page in pages] == [0, 1, 0]
    assert shifted.repeated == 2
    assert (shifted.rows_read, shifted.repos_read) == (28, 27)


def test_a_stop_condition_ends_the_walk_without_another_request() -> None:
    source = ListedNumbers(1000)
    assert ids(walk(source, order="downloads", stop=StopAfterTopDownloads(left=20))) == list(range(20))
    assert len(source.queries) == 2


# ---- pages that can't be read ------------------------------------------------------------------------------------


def test_a_page_that_fails_once_is_requested_again_in_the_same_way() -> None:
    failures = iter([HubServerError(HUB, "the listing", 500)])

    def respond(query: ListingQuery, start: int) -> RawPage | None:
        for error in failures if start == 10 else ():
            raise error
        return None

    source = ListedNumbers(25, respond)
    assert ids(walk(source)) == list(range(25))
    assert {(query.limit, query.thin) for query in source.queries} == {(10, False)}


def test_a_hub_that_can_send_small_pages_only_is_asked_for_these_with_all_keys() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if query.limit > 100:
            raise HubServerError(HUB, "the listing", 504)
        return None

    source = ListedNumbers(20_000, respond)
    assert ids(walk(source, page_size=1000)) == list(range(20_000))
    assert not any(query.thin for query in source.queries), "no key is abandoned"
    assert sum(query.limit > 100 for query in source.queries) < 20, "what failed is tried more and more rarely"


def test_rows_that_can_be_listed_without_the_expensive_keys_only_are_thin() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if start <= 42 < start + query.limit and not query.thin:
            raise InvalidResponse(HUB, "the listing", "the JSON is truncated")
        return None

    pages = list(walk(ListedNumbers(100, respond)).pages())
    assert ids_of(pages) == list(range(100))
    assert ids_of(page for page in pages if page.thin) == [42]


def test_a_row_that_breaks_every_page_is_passed_with_a_cursor_after_it() -> None:
    passing = walk(ListedNumbers(100, fails_with(42), cursors="dated"))
    assert ids(passing) == [number for number in range(100) if number != 42]
    assert "2026-02-11" in passing.notes[0]


def test_two_rows_that_break_every_page_are_passed() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return fails_with(42)(query, start) or fails_with(43)(query, start) or fails_with(71)(query, start)

    passing = walk(ListedNumbers(100, respond, cursors="dated"))
    assert ids(passing) == [number for number in range(100) if number not in (42, 43, 71)]


def test_the_last_row_may_break_its_page() -> None:
    class NewestFails(ListedNumbers):
        def newest_created(self, scope: RepoFilter) -> datetime | None:
            raise HubServerError(HUB, "the listing", 500)

    assert ids(walk(NewestFails(100, fails_with(99), cursors="dated"))) == list(range(99))


def test_with_opaque_cursors_the_rest_is_read_from_the_newest_repo_on() -> None:
    pages: list[ListingPage] = []
    passing = walk(ListedNumbers(100, fails_with(42)))
    with pytest.raises(ListingIncomplete, match="status 500"):
        for page in passing.pages():
            pages.append(page)
    assert set(ids_of(pages)) == set(range(100)) - {42}


def test_an_expired_cursor_is_replaced() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if start == 20 and query.limit == 10 and not expired.done:
            raise RequestRefused("/api/models", "Invalid cursor")
        return None

    @dataclass
    class Expired:
        done: bool = False

    expired = Expired()
    position = ListingPosition("c20", created_at=CREATED + timedelta(days=19))
    source = ListedNumbers(60, respond)
    found = ids(walk(source), position)
    assert set(range(20, 60)) <= set(found)
    assert not set(found) & set(range(18)), "what was read before is not read again"


def test_a_cursor_of_an_earlier_release_that_expired_starts_the_walk_again() -> None:
    restarted = walk(ListedNumbers(25))
    assert ids(restarted, ListingPosition("gone")) == list(range(25))
    assert "started again" in restarted.notes[0]


# ---- listings that lie -------------------------------------------------------------------------------------------


def test_a_listing_that_ends_before_the_newest_repo_is_read_from_its_other_end() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage([10], None) if start == 10 and query.ascending else None

    assert set(ids(walk(ListedNumbers(100, respond)))) == set(range(100))


def test_a_listing_that_leads_back_to_an_earlier_page_is_read_from_its_other_end() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage([20, 21], "c10") if start == 20 and query.ascending else None

    assert set(ids(walk(ListedNumbers(100, respond)))) == set(range(100))


def test_cursors_that_change_for_ever_end_the_walk() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage(list(range(10)), f"c{start + 10}")

    source = ListedNumbers(100, respond)
    with pytest.raises(ListingIncomplete, match=r"same rows again|newest repo on"):
        ids(walk(source))
    assert len(source.queries) < 40


def test_full_pages_without_a_link_are_not_the_end() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage(list(range(min(query.limit, 50))), None)

    with pytest.raises(InvalidResponse, match=r"ends before its newest repo"):
        ids(walk(ListedNumbers(100, respond)))


def test_a_listing_without_links_is_read_as_one_page() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage(list(range(min(query.limit, 100))), None)

    assert ids(walk(ListedNumbers(100, respond))) == list(range(100))


def test_rows_between_a_short_page_and_the_next_are_not_lost() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if query.limit == 10 and start == 20:
            return RawPage([20, 21, 22], "c30")  # 23 to 29 are left out
        return None

    assert ids(walk(ListedNumbers(50, respond))) == list(range(50))


def test_a_hub_that_sends_fewer_rows_than_asked_for_is_asked_for_these() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage(list(range(start, start + 4)), f"c{start + 4}") if query.limit > 4 else None

    source = ListedNumbers(40, respond)
    assert ids(walk(source)) == list(range(40))
    assert len(source.queries) <= 13


def test_an_early_end_is_requested_again_in_other_orders() -> None:
    ends = iter([RawPage([10], None)])

    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return next(ends, None) if start == 10 else None

    assert ids(walk(ListedNumbers(25, respond), order="lastModified")) == list(range(25))


def test_empty_pages_that_lead_on_for_ever_end_the_walk() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage([], f"c{start + 1}") if start >= 20 and query.ascending else None

    assert set(ids(walk(ListedNumbers(60, respond)))) == set(range(60))


# ---- orders ------------------------------------------------------------------------------------------------------


def test_a_refused_order_is_given_up() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if query.ascending:
            raise RequestRefused("/api/models", "direction is not supported")
        return None

    source = ListedNumbers(25, respond)
    assert ids(walk(source)) == list(reversed(range(25)))
    assert [query.ascending for query in source.queries].count(True) == 1


def test_a_direction_that_is_ignored_is_noticed() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        rows = list(reversed(range(25)))[start : start + query.limit]
        return RawPage(rows, f"c{start + 10}" if start + 10 < 25 else None)

    newest_first = walk(ListedNumbers(25, respond))
    assert ids(newest_first) == list(reversed(range(25)))
    assert newest_first.notes == ["the Hub lists the newest repos first, though the oldest were asked for"]


def test_a_sort_by_modification_that_is_ignored_is_not_believed() -> None:
    stop = StopAtDate("lastModified", CREATED)
    with pytest.raises(OrderIgnored, match="lastModified"):
        ids(walk(ListedModified(100), order="lastModified", stop=stop))


class ListedModified(ListedNumbers):
    """Repos that were modified some time after they were created, listed by creation date whatever is asked for."""

    def parse_row(self, row: Any, now: datetime) -> RepoRecord | Skipped:
        found = super().parse_row(row, now)
        assert isinstance(found, RepoRecord)
        return replace(found, last_modified=CREATED + timedelta(days=row * 37 % 100))


def test_errors_of_the_first_page_are_the_hubs() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        raise HubServerError(HUB, "the listing", 504)

    source = ListedNumbers(10, respond)
    with pytest.raises(HubServerError):
        ids(walk(source))
    assert len(source.queries) < 10


# ---- an order by modification that is the order of creation too -----------------------------------------------------


class UnchangedSince(ListedNumbers):
    """Repos that were modified when they were created, in a Hub that lists by `default` where no order is asked for."""

    default = "ascending"

    def parse_row(self, row: Any, now: datetime) -> RepoRecord | Skipped:
        found = super().parse_row(row, now)
        assert isinstance(found, RepoRecord)
        return replace(found, last_modified=found.created_at)

    def list_page(self, query: ListingQuery, cursor: str | None) -> RawPage:
        ascending = self.default == "ascending" if query.order is None else query.order == "createdAt"
        return super().list_page(replace(query, ascending=ascending), cursor)


@pytest.mark.parametrize(("default", "is_heeded"), [("ascending", True), ("descending", False)])
def test_one_request_without_an_order_shows_whether_the_order_is_heeded(default: str, is_heeded: bool) -> None:
    source = UnchangedSince(100)
    source.default = default
    changes = walk(source, order="lastModified", stop=StopAtDate("lastModified", CREATED + timedelta(days=95)))
    if not is_heeded:
        with pytest.raises(OrderIgnored, match="lastModified"):
            ids(changes)
        return
    assert ids(changes) == [99, 98, 97, 96, 95]
    assert len(source.queries) == 2


def test_rows_that_come_or_go_between_two_requests_do_not_matter() -> None:
    page = [str(number) for number in range(20)]
    assert is_same_order(page, ["new", *page[:-1]])
    assert is_same_order(page, [*page[:7], *page[8:]])
    assert not is_same_order(page, list(reversed(page)))
    assert not is_same_order(page, [f"other {number}" for number in range(20)])


# ---- cursors that are numbers of rows -------------------------------------------------------------------------------


class ListedByOffset(ListedNumbers):
    """A Hub whose cursors are numbers of rows and whose rows have no dates."""

    def write_cursor(self, at: int, rows: Sequence[int]) -> str:
        return str(at)

    def read_cursor(self, cursor: str, *, ascending: bool) -> int:
        return int(cursor)

    def parse_created_at(self, row: Any) -> datetime | None:
        return None


def test_a_row_that_breaks_every_page_is_passed_by_its_number() -> None:
    broken = walk(ListedByOffset(100, fails_with(37)))
    assert ids(broken) == [number for number in range(100) if number != 37]
    assert [note.partition(":")[0] for note in broken.notes] == ["a row of the listing after row 37 could not be read"]


def test_neighbours_that_break_every_page_are_passed_together() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if start < 40 and start + query.limit > 37:
            raise HubServerError(HUB, "the listing", 500)
        return None

    assert ids(walk(ListedByOffset(100, respond))) == [*range(37), *range(40, 100)]


class ListedByPage(ListedByOffset):
    """A Hub whose cursors are numbers of pages."""

    def list_page(self, query: ListingQuery, cursor: str | None) -> RawPage:
        page = 0 if cursor is None else int(cursor)
        rows = list(range(self.count))[page * query.limit : (page + 1) * query.limit]
        if 37 in rows:
            raise HubServerError(HUB, "the listing", 500)
        return RawPage(rows, str(page + 1) if (page + 1) * query.limit < self.count else None)


def test_numbers_of_pages_are_not_taken_for_numbers_of_rows() -> None:
    with pytest.raises(ListingIncomplete):
        ids(walk(ListedByPage(100)))


def test_rows_that_can_not_be_passed_make_the_listing_incomplete() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        if start + query.limit > 37:
            raise HubServerError(HUB, "the listing", 500)
        return None

    found: list[int] = []
    with pytest.raises(ListingIncomplete):
        for page in walk(ListedByOffset(100, respond)).pages():
            found += ids_of([page])
    assert found[:37] == list(range(37))


# ---- what is learned of a Hub ---------------------------------------------------------------------------------------


def test_the_largest_page_of_a_hub_is_asked_for_from_then_on() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        rows = list(range(100))[start : start + min(query.limit, 20)]
        return RawPage(rows, f"c{start + len(rows)}" if start + len(rows) < 100 else None)

    source = ListedNumbers(100, respond)
    assert ids(walk(source, page_size=40)) == list(range(100))
    assert source.capabilities.max_rows == 20
    source.queries.clear()
    assert ids(walk(source, page_size=40)) == list(range(100))
    assert [query.limit for query in source.queries[:3]] == [20, 20, 20]


def test_a_hub_without_links_is_known_as_one() -> None:
    def respond(query: ListingQuery, start: int) -> RawPage | None:
        return RawPage(list(range(100))[: query.limit], None)

    source = ListedNumbers(100, respond)
    for requests in (3, 2):
        source.queries.clear()
        assert ids(walk(source)) == list(range(100))
        assert len(source.queries) == requests
    assert source.capabilities.has_links is False

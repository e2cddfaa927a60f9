"""A walk through the listing, page by page, that can be broken off anywhere.

It goes in an order that does not move while one walks: by date of creation, oldest first. The cursor is the Hub's own
and says everything; a Hub that refuses the direction is walked newest first, one that refuses a key is asked without
it. The next page is on its way while this one is labelled and stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from crawler.errors import HubServerError, InvalidResponse, RequestRefused
from crawler.settings import LAG, PAGE
from crawler.sources.huggingface.client import BASIC_EXPAND_KEYS, EXPENSIVE_EXPAND_KEYS, HubClient
from crawler.sources.huggingface.parse import Malformed, parse_repo, parse_time
from db.records import RepoFilter, RepoRecord, Skipped

Order = Literal["createdAt", "lastModified", "downloads"]


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page as it was read: validated rows, those left out, and where to go on (None after the last)."""

    repos: tuple[RepoRecord, ...]
    skipped: tuple[Skipped, ...]
    cursor: str | None
    thin: bool = False  # read without the heavy keys: what the catalog has of them is to be kept


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page as it came."""

    rows: list[Any]
    following: str | None
    thin: bool


class StopCondition(Protocol):
    """Where a walk ends before the listing does."""

    def accept(self, repos: Sequence[RepoRecord]) -> int:
        """How many of the next rows still count; fewer than there are ends the walk, and so may `done`."""
        ...

    @property
    def done(self) -> bool: ...


@dataclass(slots=True)
class ListingWalk:
    """A walk through the listing of a scope (one author at most) in one order, to the listing's end or to a bound."""

    hub: HubClient
    scope: RepoFilter
    order: Order = "createdAt"
    bound: StopCondition | None = None
    page: int = PAGE
    size: int = 0  # rows to ask for now
    thin: bool = False  # ask without the heavy keys
    good: int = 0  # pages that went well since the last that did not
    directed: bool = True  # oldest first
    refused: set[str] = field(default_factory=set)  # keys that this Hub does not know
    repeated: int = 0  # rows that came twice
    latest: datetime | None = None  # the last date of creation that was read
    _recent: deque[frozenset[str]] = field(default_factory=lambda: deque(maxlen=8))
    _cursors: set[int] = field(default_factory=set)
    _next: Future[RawPage] | None = None

    def pages(self, cursor: str | None = None) -> Iterator[ListingPage]:
        """The pages from a cursor on. The next one is read while the caller works on the last."""
        self.size = self.size or self.page
        with ThreadPoolExecutor(1, "listing") as ahead:
            self._next = ahead.submit(self._read, cursor)
            try:
                while self._next is not None:
                    raw = self._next.result()
                    self._next = None
                    if self.bound is None and raw.following is not None:
                        self._next = ahead.submit(self._read, raw.following)
                    listed = self._listed(raw)
                    if self.bound is not None and listed.cursor is not None:
                        self._next = ahead.submit(self._read, listed.cursor)
                    yield listed
            finally:
                if self._next is not None:
                    self._next.cancel()

    def ready(self, patience: float) -> bool:
        """Whether the next page is here within so many seconds, so that asking for it does not wait."""
        return self._next is not None and bool(wait([self._next], patience).done)

    def _listed(self, raw: RawPage) -> ListingPage:
        now, following = datetime.now(UTC), raw.following
        repos, skipped, seen = [], [], set()
        before = frozenset().union(*self._recent)
        for row in raw.rows:
            found = parse_repo(row, now)
            if isinstance(found, Skipped):
                skipped.append(found)
            elif found.hub_id in seen or found.hub_id in before:
                self.repeated += 1
            else:
                seen.add(found.hub_id)
                repos.append(found)
        self._recent.append(frozenset(seen))
        if self.bound is not None:
            accepted = self.bound.accept(repos)
            if accepted < len(repos) or self.bound.done:
                repos, following = repos[:accepted], None
        return ListingPage(tuple(matching_search(self.scope, repos)), tuple(skipped), following, raw.thin)

    def _read(self, cursor: str | None) -> RawPage:
        """One page, asked for in less and less until the Hub manages: half the rows, then without the heavy keys.

        After four good pages it is asked for more again.
        """
        failed = 0
        while True:
            thin = self.thin
            try:
                rows, following = self.hub.list_page(self._params(), cursor)
                if following is not None and hash(following) in self._cursors:
                    raise InvalidResponse(self.hub.endpoint, "/api/models", "the listing runs in a circle")
                self.latest = max(filter(None, (self.latest, created_at_of(rows[-1]) if rows else None)), default=None)
                small = cursor is None and 0 < len(rows) < self.size
                if following is None and not small:
                    rows, following = self._end(cursor, rows)
            except RequestRefused as refused:
                self._adapt_to_refusal(refused)
            except (HubServerError, InvalidResponse) as error:
                failed += 1
                if failed > self.hub.tries:
                    raise
                self.good = 0
                if isinstance(error, HubServerError) or failed > 1:  # one card may be what no reader of JSON bears
                    self.thin = self.size < self.page or (failed > 2 and isinstance(error, InvalidResponse))
                    self.size = max(self.size // 2, min(50, self.page))
                self.hub.pacer.pause(self.hub.pause_before(failed))
            else:
                self.good += 1
                if self.good >= 4:
                    self.size, self.thin, self.good = min(self.size * 2, self.page), False, 0
                if following is not None:
                    self._cursors.add(hash(following))
                return RawPage(rows, following, thin)

    def _end(self, cursor: str | None, rows: list[Any]) -> tuple[list[Any], str | None]:
        """Makes sure that the listing ends here: an answer that names no next page may be one that broke off.

        Oldest first the Hub's newest repo must have been reached, but for those of the last hour, whom incremental
        crawls find. In other orders the page is asked for once more.
        """
        if self.order != "createdAt" or not self.directed:
            return self.hub.list_page(self._params(), cursor)
        newest, _ = self.hub.list_page(
            [("sort", "createdAt"), ("limit", "1"), *self._filter_params(), ("expand", "createdAt")]
        )
        known = created_at_of(newest[0]) if newest else None
        if known is not None and (self.latest is None or known > self.latest + LAG):
            why = f"the listing breaks off before its newest repo, of {known:%Y-%m-%d %H:%M} UTC"
            raise InvalidResponse(self.hub.endpoint, "/api/models", why)
        return rows, None

    def _params(self) -> list[tuple[str, str]]:
        params = [("sort", self.order), ("limit", str(self.size))]
        if self.order == "createdAt" and self.directed:
            params.append(("direction", "1"))
        wanted = BASIC_EXPAND_KEYS if self.thin else (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS)
        return [*params, *self._filter_params(), *(("expand", key) for key in wanted if key not in self.refused)]

    def _filter_params(self) -> list[tuple[str, str]]:
        scope = self.scope
        params = [("author", name) for name in scope.authors[:1]]
        params += [("search", text) for text in scope.search[:1]]
        return [*params, *(("filter", tag) for tag in scope.tags)]

    def _adapt_to_refusal(self, refused: RequestRefused) -> None:
        """Asks for less of what the Hub does not know; raises what it refuses for good."""
        detail = refused.detail.lower()
        wanted = {key for key in (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS) if key not in self.refused}
        named = {key for key in wanted if key.lower() in detail}
        if "direction" not in detail and "ascending" not in detail and 3 < len(named) < len(wanted):
            self.refused |= wanted - named  # its words list what it knows
        elif self.order == "createdAt" and self.directed:
            self.directed = False
        else:
            raise refused


def created_at_of(row: Any) -> datetime | None:
    try:
        return parse_time(row.get("createdAt"), "createdAt") if type(row) is dict else None
    except Malformed:
        return None


def split_by_author(scope: RepoFilter) -> tuple[RepoFilter, ...]:
    """The scopes to walk for this one: the Hub lists one author at a time."""
    return tuple(replace(scope, authors=(name,)) for name in scope.authors) or (scope,)


def matching_search(scope: RepoFilter, repos: Sequence[RepoRecord]) -> Sequence[RepoRecord]:
    """Those that fit the scope, where the Hub can't be asked for all of it: it takes one text to search for."""
    if len(scope.search) < 2:
        return repos
    texts = [text.lower() for text in scope.search]
    return [repo for repo in repos if all(text in repo.repo_id.lower() for text in texts)]


@dataclass(slots=True)
class StopAtModified:
    """The bound of a walk by date of change, newest first."""

    moment: datetime
    done: bool = False

    def accept(self, repos: Sequence[RepoRecord]) -> int:
        old = (
            at for at, repo in enumerate(repos) if repo.last_modified is not None and repo.last_modified < self.moment
        )
        count = next(old, len(repos))
        self.done = count < len(repos)
        return count


@dataclass(slots=True)
class StopAfterTopDownloads:
    """The bound of a walk by downloads, most first: so many repos, and none with fewer downloads than `least`."""

    left: int | None = None
    least: int | None = None
    done: bool = False

    def accept(self, repos: Sequence[RepoRecord]) -> int:
        least = self.least
        low = (at for at, repo in enumerate(repos) if least is not None and (repo.downloads or 0) < least)
        count = next(low, len(repos))
        self.done = count < len(repos)
        if self.left is not None:
            count = min(count, self.left)
            self.left -= count
            self.done = self.done or self.left == 0
        return count

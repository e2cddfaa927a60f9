"""What a crawl needs of a hub, and what the two exchange.

A hub is a package beside `huggingface` with one class that implements `Source`. It does everything that is particular
to the hub: requests and their errors, retries and quotas, query parameters, the form of rows. The stages of a crawl
know nothing but this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from crawler.errors import RequestRefused
from crawler.sources.pacer import Pacer
from db.record_base import AccountKind, Json
from db.records import (
    ArrayLength,
    ArtifactRecord,
    CardRecord,
    CardRequest,
    FileRecord,
    Header,
    LeaderboardEntry,
    LeasedRepo,
    RepoFilter,
    RepoRecord,
    RevisionRecord,
    Skipped,
)

Order = Literal["createdAt", "lastModified", "downloads"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How a hub's API differs from huggingface.co's, as its responses showed; kept in the catalog for later crawls."""

    orders: Mapping[Order, str] = field(default_factory=dict)  # its names of orders, where they differ
    unknown_keys: frozenset[str] = frozenset()  # keys of metadata that it refuses
    has_hub_ids: bool | None = None  # its repos have an `_id`; None until one was seen
    max_rows: int | None = None  # of one page; None: as many as are asked for
    has_links: bool | None = None  # from one page of its listing to the next
    sends_ranges: bool | None = None  # of files, instead of whole ones


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """One request of a listing, apart from its cursor."""

    scope: RepoFilter  # one author and one search text at most are used
    order: Order | None  # None: the hub's own
    limit: int  # rows
    ascending: bool = True  # by creation date; other orders are always descending
    thin: bool = False  # without the keys that are expensive for the hub


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page of a listing as the hub sent it."""

    rows: list[Any]
    next_cursor: str | None  # opaque; None after the last page
    thin: bool = False  # without what the expensive keys stand for


@dataclass(frozen=True, slots=True)
class FetchedRepo:
    """A repo as its hub describes it now, with its files and the artifacts that they form."""

    leased: LeasedRepo
    listed: RepoRecord  # as a listing would show it
    repo: RepoRecord  # with what further requests told
    files: tuple[FileRecord, ...]
    artifacts: tuple[ArtifactRecord, ...]
    has_wrong_fields: bool = False  # values of a wrong type are unknown: to be requested again later

    @property
    def contents(self) -> set[str]:
        """Content digests of the artifacts, by which headers that were read before are found."""
        return {artifact.content for artifact in self.artifacts if artifact.content is not None}


@dataclass(frozen=True, slots=True)
class FetchedConfig:
    """The configuration files of an artifact."""

    values: Json  # merged, as readers of headers need it
    repo: RepoRecord  # the fetched repo with the configuration in it
    skipped: tuple[Skipped, ...]  # files that could not be read


@dataclass(frozen=True, slots=True)
class FetchedRevisions:
    """The branches and tags of a repo, and the revisions that were asked for, with their files."""

    hub_id: str
    revisions: tuple[RevisionRecord, ...]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The results that the hub collects for a benchmark, a dataset."""

    hub_id: str
    entries: tuple[LeaderboardEntry, ...]


class Counters(Protocol):
    """What was requested so far."""

    api_requests: int
    resolver_requests: int
    bytes_read: int
    wrong_fields: Counter[str]  # values of a wrong type in what the hub says of repos, by key


class Source(Protocol):
    """A hub that a crawl reads. Used by several threads at a time.

    Every method may raise CrawlStopped, and a CrawlError that ends the run. An error of one repo is returned as
    Skipped, or raised as RepoError where that is stated.
    """

    @property
    def endpoint(self) -> str: ...

    @property
    def pacer(self) -> Pacer: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def has_token(self) -> bool: ...

    @property
    def account(self) -> str:
        """A digest that is the same for all whose requests count against the same quotas of this hub."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What is known of the hub's API by now."""
        ...

    def use_capabilities(self, known: Capabilities) -> None:
        """Starts with what an earlier crawl found, instead of asking again. What no longer fits is found again."""
        ...

    @property
    def untold_fields(self) -> frozenset[str]:
        """Fields of a RepoRecord that this hub refuses to tell: where they are empty, they are unknown."""
        ...

    @property
    def tries(self) -> int:
        """Attempts of one request before its failure counts."""
        ...

    def retry_delay(self, failures: int) -> float:
        """Seconds to wait before the next attempt."""
        ...

    def list_page(self, query: ListingQuery, cursor: str | None) -> RawPage:
        """One page, by one attempt. Raises RequestRefused, HubServerError and InvalidResponse, for the caller to adapt
        the query."""
        ...

    def adapt_query(self, query: ListingQuery, refused: RequestRefused) -> ListingQuery | None:
        """The query as the hub accepts it, found by further requests. None if it is not the query that the hub
        refuses, but for example the cursor, or if the query can do without nothing more."""
        ...

    def newest_created(self, scope: RepoFilter) -> datetime | None:
        """When the newest repo of a scope was created; None if it has none."""
        ...

    def parse_row(self, row: Any, now: datetime, digest: int | None = None) -> RepoRecord | Skipped:
        """The repo that a row of a page describes, or why the row is skipped.

        With the row's `digest`, the record has it where an equal row says the same at any time.
        """
        ...

    def parse_known_row(self, row: Any, digest: int) -> RepoRecord | None:
        """The ids, dates and counters of a row whose other values are known to be stored; None where a counter is
        malformed."""
        ...

    def row_key(self, row: Any) -> str | None:
        """What identifies the repo of a row; None if the row is none of a repo."""
        ...

    def parse_created_at(self, row: Any) -> datetime | None:
        """When the repo of a row was created, if the row tells."""
        ...

    def is_healthy(self) -> bool:
        """Whether the hub answers for a single repo that it lists itself."""
        ...

    def probe_repo(self, leased: LeasedRepo) -> RepoRecord | Skipped:
        """The repo without its files, to learn whether it still exists."""
        ...

    def fetch_repo(self, leased: LeasedRepo) -> FetchedRepo | Skipped:
        """The repo as it is now, with its files."""
        ...

    def fetch_revisions(self, repo_id: str, names: Sequence[str]) -> FetchedRevisions | Skipped:
        """The branches and tags of a repo, and the files of those revisions (branches, tags, commits) of it."""
        ...

    def fetch_card(self, request: CardRequest) -> CardRecord | Skipped:
        """What the card of a model documents."""
        ...

    def fetch_account_kind(self, name: str) -> AccountKind | None:
        """Whether an account is a user or an organization; None where the hub shows neither. Raises RepoError."""
        ...

    def list_benchmarks(self) -> list[RepoRecord]:
        """The datasets that are benchmarks. Empty for a hub that has none, or does not tell."""
        ...

    def fetch_leaderboard(self, dataset: RepoRecord) -> Leaderboard | Skipped:
        """The leaderboard of a benchmark."""
        ...

    def fetch_config(self, fetched: FetchedRepo, artifact: ArtifactRecord) -> FetchedConfig:
        """The configuration files of an artifact."""
        ...

    def read_header(
        self, fetched: FetchedRepo, artifact: ArtifactRecord, layouts: Sequence[ArrayLength], config: Json
    ) -> tuple[Header, Sequence[ArrayLength]]:
        """An artifact's header, and the array lengths that were learned. Raises HeaderError and RepoError."""
        ...

    def read_pickles(self, fetched: FetchedRepo, artifact: ArtifactRecord) -> Header:
        """What an artifact's pickles would import, as a header without tensors. Raises HeaderError and RepoError."""
        ...

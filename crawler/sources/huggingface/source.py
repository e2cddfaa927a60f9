"""The Hugging Face Hub as a Source of crawls."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from crawler.errors import RequestRefused
from crawler.sources.huggingface import fetch, fetch_cards, fetch_leaderboard, fetch_owner, fetch_revisions, parse
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.listing_query import KOHAKU_SORTS, find_unknown_keys, listing_params
from crawler.sources.huggingface.usage import RequestCounters
from crawler.sources.pacer import Pacer
from crawler.sources.source import (
    Capabilities,
    FetchedConfig,
    FetchedRepo,
    FetchedRevisions,
    Leaderboard,
    ListingQuery,
    RawPage,
)
from db.record_base import AccountKind, Json
from db.records import (
    ArrayLength,
    ArtifactRecord,
    CardRecord,
    CardRequest,
    Header,
    LeasedRepo,
    RepoFilter,
    RepoRecord,
    Skipped,
)


@dataclass(frozen=True, slots=True)
class HuggingFaceSource:
    """Implements crawler.sources.source.Source, which describes the methods."""

    client: HubClient

    @property
    def endpoint(self) -> str:
        return self.client.endpoint

    @property
    def pacer(self) -> Pacer:
        return self.client.pacer

    @property
    def counters(self) -> RequestCounters:
        return self.client.counters

    @property
    def has_token(self) -> bool:
        return self.client.has_token

    @property
    def account(self) -> str:
        return self.client.transport.account

    @property
    def capabilities(self) -> Capabilities:
        return self.client.capabilities

    def use_capabilities(self, known: Capabilities) -> None:
        self.client.use_capabilities(known)

    @property
    def untold_fields(self) -> frozenset[str]:
        keys = self.client.unknown_keys
        return frozenset(name for key in keys for name in parse.FIELDS_OF_KEYS.get(key, ()))

    @property
    def tries(self) -> int:
        return self.client.tries

    def retry_delay(self, failures: int) -> float:
        return self.client.retry_delay(failures)

    def list_page(self, query: ListingQuery, cursor: str | None) -> RawPage:
        page = self.client.list_page(self._params(query), cursor)
        return replace(page, thin=not self.client.lists_details(page.rows))

    def adapt_query(self, query: ListingQuery, refused: RequestRefused) -> ListingQuery | None:
        if self.client.sorts and not self._accepts(query):
            self.client.sorts = {}  # other software than when this was found
            if self._accepts(query):
                return query
        if not self.client.sorts and all(name in refused.detail for name in KOHAKU_SORTS.values()):
            self.client.sorts = KOHAKU_SORTS
            return query
        if self._accepts(query):
            return None  # what was refused is not in the query itself: the cursor, or one page
        if query.order == "createdAt" and query.ascending:
            newest_first = replace(query, ascending=False)
            if self._accepts(newest_first):
                return newest_first
        before = self.client.unknown_keys
        self.client.unknown_keys = find_unknown_keys(
            self.client.api.keys, before, refused.detail, partial(self._accepts_keys, query)
        )
        has_learned = self.client.unknown_keys != before
        return query if has_learned or self._accepts_unsorted(query) else None

    def _accepts_unsorted(self, query: ListingQuery) -> bool:
        """Whether the Hub sends a page where no order is asked for; then none is from now on."""
        known = self.client.sorts
        if query.order is None:
            return False
        self.client.sorts = {**known, query.order: ""}
        if self._accepts(query):
            return True
        self.client.sorts = known
        return False

    def _params(self, query: ListingQuery, unknown_keys: Set[str] = frozenset()) -> Sequence[tuple[str, str]]:
        return listing_params(query, self.client.sorts, unknown_keys | self.client.unknown_keys)

    def _accepts(self, query: ListingQuery, unknown_keys: Set[str] = frozenset()) -> bool:
        """Whether the Hub sends a page for a query, without these keys."""
        try:
            self.client.list_page(self._params(replace(query, limit=1), unknown_keys), tries=self.tries)
        except RequestRefused:
            return False
        return True

    def _accepts_keys(self, query: ListingQuery, keys: Sequence[str]) -> bool:
        return self._accepts(query, frozenset(self.client.api.keys) - frozenset(keys))

    def newest_created(self, scope: RepoFilter) -> datetime | None:
        return self.client.newest_created(scope)

    def parse_row(self, row: Any, now: datetime, digest: int | None = None) -> RepoRecord | Skipped:
        return self.client.parse_repo(row, now, digest=digest)

    def parse_known_row(self, row: Any, digest: int) -> RepoRecord | None:
        return parse.parse_known_row(row, digest, self.client.repo_type)

    def row_key(self, row: Any) -> str | None:
        return parse.row_key(row)

    def parse_created_at(self, row: Any) -> datetime | None:
        return parse.parse_created_at(row)

    def is_healthy(self) -> bool:
        return fetch.hub_is_healthy(self.client)

    def probe_repo(self, leased: LeasedRepo) -> RepoRecord | Skipped:
        return fetch.probe_repo(self.client, leased)

    def fetch_repo(self, leased: LeasedRepo) -> FetchedRepo | Skipped:
        return fetch.fetch_repo(self.client, leased)

    def fetch_revisions(self, repo_id: str, names: Sequence[str]) -> FetchedRevisions | Skipped:
        return fetch_revisions.fetch_revisions(self.client, repo_id, names)

    def fetch_card(self, request: CardRequest) -> CardRecord | Skipped:
        return fetch_cards.fetch_card(self.client, request)

    def fetch_account_kind(self, name: str) -> AccountKind | None:
        return fetch_owner.fetch_account_kind(self.client, name)

    def list_benchmarks(self) -> list[RepoRecord]:
        return fetch_leaderboard.list_benchmarks(self.client)

    def fetch_leaderboard(self, dataset: RepoRecord) -> Leaderboard | Skipped:
        return fetch_leaderboard.fetch_leaderboard(self.client, dataset)

    def fetch_config(self, fetched: FetchedRepo, artifact: ArtifactRecord) -> FetchedConfig:
        return fetch.fetch_config(self.client, fetched, artifact)

    def read_header(
        self, fetched: FetchedRepo, artifact: ArtifactRecord, layouts: Sequence[ArrayLength], config: Json
    ) -> tuple[Header, Sequence[ArrayLength]]:
        return fetch.read_repo_header(self.client, fetched, artifact, layouts, config)

    def read_pickles(self, fetched: FetchedRepo, artifact: ArtifactRecord) -> Header:
        return fetch.read_repo_pickles(self.client, fetched, artifact)

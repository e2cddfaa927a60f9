"""What a page of the listing asks the Hub for: GET /api/models with its query parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from crawler.errors import RequestRefused
from crawler.sources.huggingface.parse import BASIC_EXPAND_KEYS, EXPENSIVE_EXPAND_KEYS
from db.records import RepoFilter

Order = Literal["createdAt", "lastModified", "downloads"]

MIN_KEYS_NAMED = 4
"""A refusal that names at least so many of the requested keys lists the keys that this Hub knows."""


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """One request of the listing, apart from its cursor. The Hub lists one author and one search text at a time."""

    scope: RepoFilter
    order: Order
    limit: int  # rows
    ascending: bool = True  # by creation date; other orders are always descending
    thin: bool = False  # without the expensive keys
    unknown_keys: frozenset[str] = frozenset()  # keys that this Hub does not know

    def params(self) -> list[tuple[str, str]]:
        params = [("sort", self.order), ("limit", str(self.limit))]
        if self.order == "createdAt" and self.ascending:
            params.append(("direction", "1"))
        keys = BASIC_EXPAND_KEYS if self.thin else (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS)
        return [*params, *filter_params(self.scope), *(("expand", key) for key in keys if key not in self.unknown_keys)]

    def adapt_to_refusal(self, refused: RequestRefused) -> ListingQuery:
        """The query without what the Hub refused: keys that it does not know, or ascending order.

        Raises `refused` where the query can do without nothing more.
        """
        detail = refused.detail.lower()
        keys = {key for key in (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS) if key not in self.unknown_keys}
        named = {key for key in keys if key.lower() in detail}
        if "direction" not in detail and "ascending" not in detail and MIN_KEYS_NAMED <= len(named) < len(keys):
            return replace(self, unknown_keys=self.unknown_keys | (keys - named))
        if self.order == "createdAt" and self.ascending:
            return replace(self, ascending=False)
        raise refused


def filter_params(scope: RepoFilter) -> list[tuple[str, str]]:
    """The parameters that narrow a listing to a scope."""
    params = [("author", name) for name in scope.authors[:1]]
    params += [("search", text) for text in scope.search[:1]]
    return [*params, *(("filter", tag) for tag in scope.tags)]

"""The query parameters of the Hub's listing, GET /api/models."""

from __future__ import annotations

from dataclasses import replace

from crawler.errors import RequestRefused
from crawler.sources.huggingface.parse import BASIC_EXPAND_KEYS, EXPENSIVE_EXPAND_KEYS
from crawler.sources.source import ListingQuery
from db.records import RepoFilter

MIN_KEYS_NAMED = 4
"""A refusal that names at least this number of the requested keys lists the keys that this Hub knows."""


def listing_params(query: ListingQuery) -> list[tuple[str, str]]:
    """The parameters of one page, apart from its cursor."""
    params = [("sort", query.order), ("limit", str(query.limit))]
    if query.order == "createdAt" and query.ascending:
        params.append(("direction", "1"))
    keys = BASIC_EXPAND_KEYS if query.thin else (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS)
    return [*params, *filter_params(query.scope), *(("expand", key) for key in keys if key not in query.unknown_keys)]


def filter_params(scope: RepoFilter) -> list[tuple[str, str]]:
    """The parameters that narrow a listing to a scope: one author and one search text at most."""
    params = [("author", name) for name in scope.authors[:1]]
    params += [("search", text) for text in scope.search[:1]]
    return [*params, *(("filter", tag) for tag in scope.tags)]


def adapt_to_refusal(query: ListingQuery, refused: RequestRefused) -> ListingQuery:
    """The query without what the Hub refused: keys that it does not know, or ascending order.

    Raises `refused` if the query can do without nothing more.
    """
    detail = refused.detail.lower()
    keys = {key for key in (*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS) if key not in query.unknown_keys}
    named = {key for key in keys if key.lower() in detail}
    if "direction" not in detail and "ascending" not in detail and MIN_KEYS_NAMED <= len(named) < len(keys):
        return replace(query, unknown_keys=query.unknown_keys | (keys - named))
    if query.order == "createdAt" and query.ascending:
        return replace(query, ascending=False)
    raise refused

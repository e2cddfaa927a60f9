"""The parameters of a listing page, and what a refusal takes from them."""

from __future__ import annotations

import pytest

from crawler.errors import RequestRefused
from crawler.sources.huggingface.listing_query import adapt_to_refusal, listing_params
from crawler.sources.huggingface.parse import BASIC_EXPAND_KEYS, EXPENSIVE_EXPAND_KEYS
from crawler.sources.source import ListingQuery
from db.records import RepoFilter

QUERY = ListingQuery(RepoFilter(), "createdAt", 1000)


def expanded(query: ListingQuery) -> list[str]:
    return [value for name, value in listing_params(query) if name == "expand"]


def test_the_whole_hub_is_listed_oldest_first_with_all_keys() -> None:
    assert listing_params(QUERY)[:3] == [("sort", "createdAt"), ("limit", "1000"), ("direction", "1")]
    assert expanded(QUERY) == [*BASIC_EXPAND_KEYS, *EXPENSIVE_EXPAND_KEYS]


def test_a_scope_narrows_the_listing() -> None:
    scope = RepoFilter(authors=("acme",), search=("gemma", "qat"), tags=("gguf", "license:mit"))
    params = listing_params(ListingQuery(scope, "downloads", 50, thin=True))
    assert params[2:6] == [("author", "acme"), ("search", "gemma"), ("filter", "gguf"), ("filter", "license:mit")]
    assert ("direction", "1") not in params
    assert expanded(ListingQuery(scope, "downloads", 50, thin=True)) == list(BASIC_EXPAND_KEYS)


def test_keys_that_a_refusal_does_not_name_are_left_out() -> None:
    known = ("author", "createdAt", "downloads", "likes", "tags", "cardData")
    detail = f"expand must be one of: {', '.join(known)}"
    adapted = adapt_to_refusal(QUERY, RequestRefused("/api/models", detail))
    assert sorted(expanded(adapted)) == sorted(known)
    assert adapted.ascending, "the order was not refused"


def test_a_refused_order_is_given_up_and_nothing_else() -> None:
    refused = RequestRefused("/api/models", "direction must be -1")
    adapted = adapt_to_refusal(QUERY, refused)
    assert not adapted.ascending
    assert expanded(adapted) == expanded(QUERY)
    with pytest.raises(RequestRefused):
        adapt_to_refusal(adapted, refused)

"""The parameters of a listing page, and what a refusal takes from them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from crawler.sources.huggingface.listing_query import find_unknown_keys, listing_params
from crawler.sources.huggingface.repo_types import TYPE_APIS
from crawler.sources.source import ListingQuery
from db.records import RepoFilter

LISTING_KEYS = TYPE_APIS["model"].keys
QUERY = ListingQuery(RepoFilter(), "createdAt", 1000)


def expanded(query: ListingQuery) -> list[str]:
    return [value for name, value in listing_params(query) if name == "expand"]


def test_the_whole_hub_is_listed_oldest_first_with_all_keys() -> None:
    assert listing_params(QUERY)[:3] == [("sort", "createdAt"), ("limit", "1000"), ("direction", "1")]
    assert expanded(QUERY) == list(LISTING_KEYS)


def test_a_scope_narrows_the_listing() -> None:
    scope = RepoFilter(authors=("acme",), search=("gemma", "qat"), tags=("gguf", "license:mit"))
    params = listing_params(ListingQuery(scope, "downloads", 50, thin=True))
    assert params[2:6] == [("author", "acme"), ("search", "gemma"), ("filter", "gguf"), ("filter", "license:mit")]
    assert ("direction", "1") not in params
    assert expanded(ListingQuery(scope, "downloads", 50, thin=True)) == list(TYPE_APIS["model"].basic_keys)


class RefusingHub:
    """Refuses requests with keys that it does not know, and counts them."""

    def __init__(self, *unknown: str) -> None:
        self.unknown = frozenset(unknown)
        self.requests = 0

    def accepts(self, keys: Sequence[str]) -> bool:
        self.requests += 1
        return not self.unknown.intersection(keys)


@pytest.mark.parametrize(
    "detail",
    [
        "Invalid option: expected one of " + "|".join(key for key in LISTING_KEYS if key != "evalResults"),
        "unknown expand: evalResults",
        "bad request",
        "",
        "x" * 100_000,
        "sort, author and likes are fine",
    ],
)
def test_only_the_unknown_key_is_left_out_whatever_the_refusal_says(detail: str) -> None:
    hub = RefusingHub("evalResults")
    assert find_unknown_keys(LISTING_KEYS, frozenset(), detail, hub.accepts) == {"evalResults"}
    assert hub.requests <= 20


def test_several_unknown_keys_are_found_in_few_requests() -> None:
    hub = RefusingHub("author", "gguf", "safetensors")
    assert find_unknown_keys(LISTING_KEYS, frozenset(), "no", hub.accepts) == {"author", "gguf", "safetensors"}
    assert hub.requests <= 30


def test_keys_that_were_unknown_before_stay_out() -> None:
    hub = RefusingHub("author", "gguf")
    assert find_unknown_keys(LISTING_KEYS, frozenset(["author"]), "no", hub.accepts) == {"author", "gguf"}


def test_a_refusal_that_is_not_about_keys_leaves_all_of_them() -> None:
    assert find_unknown_keys(LISTING_KEYS, frozenset(), "Invalid cursor", lambda keys: True) == frozenset()
    assert find_unknown_keys(LISTING_KEYS, frozenset(), "Invalid cursor", lambda keys: False) == frozenset()

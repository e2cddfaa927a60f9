"""The query parameters of the Hub's listing, GET /api/models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial

from crawler.sources.huggingface.repo_types import TYPE_APIS
from crawler.sources.source import ListingQuery, Order
from db.records import RepoFilter

KOHAKU_SORTS: Mapping[Order, str] = {"createdAt": "recent", "lastModified": "updated", "downloads": "downloads"}
"""Names of orders at KohakuHub, which refuses others: https://github.com/KohakuBlueleaf/KohakuHub"""


def listing_params(
    query: ListingQuery, sorts: Mapping[Order, str] = {}, unknown_keys: Set[str] = frozenset()
) -> list[tuple[str, str]]:
    """The parameters of one page, apart from its cursor.

    `sorts` are this Hub's names of orders where they differ, empty for an order that it does not offer; `unknown_keys`
    are the keys that it does not know.
    """
    sort = None if query.order is None else sorts.get(query.order, query.order)
    params = [("sort", sort)] if sort else []
    params.append(("limit", str(query.limit)))
    if sort and query.order == "createdAt" and query.ascending:
        params.append(("direction", "1"))
    api = TYPE_APIS[query.scope.type]
    keys = api.basic_keys if query.thin else api.keys
    return [*params, *filter_params(query.scope), *(("expand", key) for key in keys if key not in unknown_keys)]


def filter_params(scope: RepoFilter) -> list[tuple[str, str]]:
    """The parameters that narrow a listing to a scope: one author and one search text at most."""
    params = [("author", name) for name in scope.authors[:1]]
    params += [("search", text) for text in scope.search[:1]]
    return [*params, *(("filter", tag) for tag in scope.tags)]


def find_unknown_keys(
    keys: Sequence[str], unknown: frozenset[str], detail: str, accepts: Callable[[Sequence[str]], bool]
) -> frozenset[str]:
    """Those of the keys of `expand` that a Hub does not know, with those that were unknown before.

    `detail` is its refusal, which may list the keys that it knows, name those that it does not, or tell nothing. What
    is read from it is tried: `accepts` sends a request with some keys. If it tells nothing, the keys are halved until
    the unknown ones are found. Returns `unknown` if no key is at fault.
    """
    asked = [key for key in keys if key not in unknown]
    named = {key for key in asked if re.search(rf"\b{re.escape(key)}\b", detail)}
    for guess in (named, set(asked) - named):
        rest = [key for key in asked if key not in guess]
        if guess and rest and accepts(rest):
            suspected = [key for key in asked if key in guess]
            return unknown | frozenset(_refused_keys(suspected, partial(_accepts_with, accepts, rest)))
    if accepts(asked) or not accepts(()):
        return unknown
    return unknown | frozenset(_refused_keys(asked, accepts))


def _accepts_with(accepts: Callable[[Sequence[str]], bool], known: Sequence[str], keys: Sequence[str]) -> bool:
    return accepts([*known, *keys])


def _refused_keys(keys: Sequence[str], accepts: Callable[[Sequence[str]], bool]) -> Iterator[str]:
    """Those of the keys that a Hub refuses, each by itself."""
    if accepts(keys):
        return
    if len(keys) == 1:
        yield keys[0]
        return
    half = len(keys) // 2
    yield from _refused_keys(keys[:half], accepts)
    yield from _refused_keys(keys[half:], accepts)

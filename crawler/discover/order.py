"""Whether rows are in the order that was asked for: some Hubs ignore the sort or its direction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from crawler.sources.source import Order
from db.records import RepoRecord

Direction = Literal["ascending", "descending", "none"]

MAX_EXCEPTIONS = 0.05
"""Share of neighbours that may stand the other way round: repos change while a listing is made."""


def direction_of(values: Sequence[Any]) -> Direction | None:
    """In which direction values are sorted, those that are None apart; None if there are no two different ones."""
    known = [value for value in values if value is not None]
    rising = sum(left < right for left, right in pairwise(known))
    falling = sum(left > right for left, right in pairwise(known))
    if rising + falling == 0:
        return None
    if falling <= MAX_EXCEPTIONS * rising:
        return "ascending"
    return "descending" if rising <= MAX_EXCEPTIONS * falling else "none"


def values_of(order: Order, repos: Sequence[RepoRecord]) -> list[Any]:
    """What repos are sorted by in this order."""
    if order == "createdAt":
        return [repo.created_at for repo in repos]
    if order == "lastModified":
        return [repo.last_modified for repo in repos]
    return [repo.downloads for repo in repos]


def is_sorted(order: Order, repos: Sequence[RepoRecord], *, is_whole: bool) -> bool | None:
    """Whether the first repos of a listing show that it is sorted by this order, from the greatest on; None if they
    can't show it.

    Repos that don't tell count as sorted. Where more repos follow (not `is_whole`), repos that are sorted by creation
    date as well show nothing about an order by modification: a Hub that ignores the sort, and always lists by creation
    date, would send the same.
    """
    direction = direction_of(values_of(order, repos))
    if direction is None or direction != "descending":
        return direction is None
    if is_whole or order != "lastModified":
        return True
    return True if direction_of(values_of("createdAt", repos)) in ("none", None) else None


def is_same_order(keys: Sequence[str | None], others: Sequence[str | None]) -> bool:
    """Whether two pages show the same rows in the same order, apart from rows that came or went between the two."""
    common = set(keys) & set(others)
    if 2 * len(common) < min(len(keys), len(others)):
        return False
    return [key for key in keys if key in common] == [key for key in others if key in common]

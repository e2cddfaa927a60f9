"""Applies a scope's bounds to a walk whose order does not: dates, downloads, and the number of repos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from heapq import heappush, heappushpop

from crawler.discover.listing import ListingPage
from crawler.settings import LISTING_PAGE_SIZE
from db.records import RepoFilter, RepoRecord


def select_repos(pages: Iterator[ListingPage], scope: RepoFilter) -> Iterator[ListingPage]:
    """The pages with only those repos that are within the scope's bounds.

    With a limit, the most downloaded of these follow after the last page; those before hold what was skipped.
    """
    best: list[tuple[int, int, RepoRecord, bool]] = []  # a heap: downloads, order of arrival, repo, thin
    arrived = 0
    for page in pages:
        repos = tuple(repo for repo in page.repos if is_within(scope, repo))
        if scope.limit is None:
            yield replace(page, repos=repos)
            continue
        for repo in repos:
            arrived += 1
            item = (repo.downloads or 0, -arrived, repo, page.thin)
            if len(best) < scope.limit:
                heappush(best, item)
            else:
                heappushpop(best, item)
        yield replace(page, repos=())
    for thin in (False, True):
        ranked = sorted(best, key=lambda item: item[:2], reverse=True)
        chosen = [repo for _, _, repo, is_thin in ranked if is_thin is thin]
        for start in range(0, len(chosen), LISTING_PAGE_SIZE):
            yield ListingPage(tuple(chosen[start : start + LISTING_PAGE_SIZE]), (), None, thin)


def is_within(scope: RepoFilter, repo: RepoRecord) -> bool:
    """Whether a repo is within the scope's bounds of time and downloads; one whose date is unknown is."""
    if scope.min_downloads is not None and (repo.downloads or 0) < scope.min_downloads:
        return False
    return scope.since is None or repo.last_modified is None or repo.last_modified >= scope.since

"""Which listing walk a crawl makes, and how it is made.

full         every repo of the scope, oldest first: until one walk has reached the end, and again with `--full`
incremental  repos modified since the last crawl, newest first, from `lag` before the newest known change
repos        the most downloaded, the recently modified or the named repos: a walk whose end says nothing about
             repos that it did not list
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from crawler.discover.bounds import StopAfterTopDownloads, StopAtDate, StopCondition
from crawler.discover.known_rows import KnownRows
from crawler.discover.listing import ListingWalk
from crawler.run_recorder import RunRecorder
from crawler.settings import CrawlSettings, scope_text
from crawler.sources.source import Order
from db.records import RepoFilter
from db.write.store import Store

RunKind = Literal["full", "incremental", "repos"]


def choose_run_kind(store: Store, settings: CrawlSettings) -> RunKind:
    """The kind of the next run. A walk that was interrupted is resumed."""
    if not settings.is_unbounded:
        return "repos"
    scope = scope_text(settings.scope)
    if (
        settings.full
        or not store.has_full_listing(scope)
        or store.has_unchecked_listing(scope)
        or store.has_rejected_listing(scope)
        or store.position(scope, "full") is not None
    ):
        return "full"
    return "incremental"


def split_by_author(scope: RepoFilter) -> tuple[RepoFilter, ...]:
    """The scopes to walk for this one: the Hub lists one author at a time."""
    return tuple(replace(scope, authors=(name,)) for name in scope.authors) or (scope,)


def make_walk(recorder: RunRecorder) -> ListingWalk:
    """The walk for the run's kind and scope."""
    settings, scope = recorder.settings, recorder.settings.scope
    order: Order = "createdAt"
    stop: StopCondition | None = None
    if recorder.run.kind == "incremental":
        newest = recorder.store.watermark(recorder.scope)
        order = "lastModified"
        stop = StopAtDate("lastModified", newest - settings.lag) if newest is not None else None
    elif scope.since is not None:
        order, stop = "lastModified", StopAtDate("lastModified", scope.since)
    elif recorder.run.kind == "repos":
        order, stop = "downloads", StopAfterTopDownloads(scope.limit, scope.min_downloads)
    is_top = order == "downloads" and scope.limit is not None
    page_size = min(settings.page, scope.limit or settings.page) if is_top else settings.page
    known = None if recorder.run.kind == "repos" else KnownRows(recorder.store.load_row_digests)
    return ListingWalk(recorder.source, scope, order, stop, max(page_size, 1), recorder.save_wait, known)


def make_whole_walk(recorder: RunRecorder) -> ListingWalk:
    """The walk through all repos of the scope's listing, for a Hub that does not list in the order of `make_walk`."""
    return ListingWalk(
        recorder.source, recorder.settings.scope, page_size=recorder.settings.page, on_idle=recorder.save_wait,
        known_rows=KnownRows(recorder.store.load_row_digests),
    )  # fmt: skip

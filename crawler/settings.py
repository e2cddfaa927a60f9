"""The settings of one crawl, and the text form of its scope."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from db.record_base import Depth
from db.records import RepoFilter

DEFAULT_ENDPOINT = "https://huggingface.co"

LISTING_PAGE_SIZE = 1000
"""Rows of one page of the listing: the most that the Hub sends."""

LISTING_LAG = timedelta(hours=1)
"""How far before the newest known change an incremental crawl begins: listings lag behind commits."""


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """What one crawl does. None means no limit."""

    depth: Depth = "files"
    scope: RepoFilter = field(default_factory=RepoFilter)
    full: bool = False  # list everything again, though a full crawl is complete
    workers: int = 8
    budget: int | None = None  # requests of all kinds
    max_time: timedelta | None = None
    include_private: bool = False
    dry_run: bool = False
    reported: bool = False  # only repos that the Hub's webhook reported
    page: int = LISTING_PAGE_SIZE
    lag: timedelta = LISTING_LAG
    cluster: str | None = None  # a Dask scheduler's address, or local:N processes; None: labels are made here
    revisions: tuple[tuple[str, str], ...] = ()  # repo id and revision of those named as owner/name@REVISION
    cards: int = 0  # model cards that are read at most
    keep_card_text: bool = False
    account_kinds: int = 0  # owners that are asked for at most: user or organization
    insecure: bool = False  # the cluster's address need not be encrypted

    @property
    def is_unbounded(self) -> bool:
        """Whether a walk of the scope lists every repo that fits, so that a repo it does not list may be gone."""
        scope = self.scope
        return scope.limit is None and scope.min_downloads is None and scope.since is None and not scope.repo_ids


def default_depth(scope: RepoFilter) -> Depth:
    """How deep a crawl reads that does not say: headers of some models, files of the whole Hub.

    The headers of 2,000 models cost an anonymous account no more time than their files: file requests have a quota of
    their own. Those of the whole Hub would be millions of downloads. Datasets and spaces have no headers.
    """
    is_limited = bool(
        scope.authors or scope.search or scope.tags or scope.repo_ids or scope.limit or scope.min_downloads
    )
    return "headers" if scope.type == "model" and is_limited else "files"


def scope_text(scope: RepoFilter) -> str:
    """The scope in a canonical form, under which its cursors are stored; empty for the whole Hub."""
    words = [] if scope.type == "model" else [f"type={scope.type}"]
    words += [f"author={name}" for name in sorted({name.lower() for name in scope.authors})]
    words += [f"search={text}" for text in sorted({text.lower() for text in scope.search})]
    words += [f"filter={tag}" for tag in sorted(set(scope.tags))]
    if scope.min_downloads is not None:
        words.append(f"min-downloads={scope.min_downloads}")
    if scope.since is not None:
        words.append(f"since={scope.since:%Y-%m-%dT%H:%M:%SZ}")
    if scope.limit is not None:
        words.append(f"limit={scope.limit}")
    words += [f"repo={name}" for name in sorted(scope.repo_ids)]
    return " ".join(words)

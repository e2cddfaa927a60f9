"""What a crawl is asked to do, in one frozen noun; how its scope is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from db.record_base import Depth
from db.records import RepoFilter

HUB = "https://huggingface.co"

PAGE = 1000
"""Rows that a page of the listing asks for: the most that the Hub gives."""

LAG = timedelta(hours=1)
"""How far behind the newest known change an incremental crawl still looks: listings lag behind commits."""


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """One crawl's orders. Sizes of None mean no limit."""

    depth: Depth = "files"
    scope: RepoFilter = field(default_factory=RepoFilter)
    full: bool = False  # walk everything again, though a full crawl has completed
    workers: int = 8
    budget: int | None = None  # requests, of all kinds
    max_time: timedelta | None = None
    include_private: bool = False
    dry_run: bool = False
    page: int = PAGE
    lag: timedelta = LAG
    cluster: str | None = None  # a Dask scheduler's address, or local:N processes; None: labels are made here
    insecure: bool = False  # the cluster's address need not be encrypted

    @property
    def whole(self) -> bool:
        """The scope has no end of its own: a walk of it sees every repo that fits, so that absence means something."""
        scope = self.scope
        return scope.limit is None and scope.min_downloads is None and scope.since is None and not scope.repo_ids


def scope_text(scope: RepoFilter) -> str:
    """The scope in canonical words, under which its cursors are kept; empty for the whole Hub."""
    words = [f"author={name}" for name in sorted({name.lower() for name in scope.authors})]
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

"""Which of the listed repos belong to a walk, and where a walk ends before the listing does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from crawler.discover.order import values_of
from db.records import RepoFilter, RepoRecord


class StopCondition(Protocol):
    """Where a walk ends. It sees the repos of each page in the listing's order."""

    def accept(self, repos: Sequence[RepoRecord]) -> int:
        """How many of the next repos still belong to the walk; fewer than all of them end it."""
        ...

    @property
    def done(self) -> bool:
        """Whether the walk ends after the repos that were accepted last, though all of them were."""
        ...


@dataclass(slots=True)
class StopAtDate:
    """Ends a walk by creation or modification, newest first, at repos whose date in this order is before `since`."""

    order: Literal["createdAt", "lastModified"]
    since: datetime
    done: bool = False

    def accept(self, repos: Sequence[RepoRecord]) -> int:
        dates = values_of(self.order, repos)
        count = next((at for at, date in enumerate(dates) if date is not None and date < self.since), len(repos))
        self.done = count < len(repos)
        return count


@dataclass(slots=True)
class StopAfterTopDownloads:
    """Ends a walk by downloads, most first, after `left` repos and at those with fewer than `min_downloads`."""

    left: int | None = None
    min_downloads: int | None = None
    done: bool = False

    def accept(self, repos: Sequence[RepoRecord]) -> int:
        count = len(repos)
        if self.min_downloads is not None:
            count = next((at for at, repo in enumerate(repos) if (repo.downloads or 0) < self.min_downloads), count)
        self.done = count < len(repos)
        if self.left is not None:
            count = min(count, self.left)
            self.left -= count
            self.done = self.done or self.left == 0
        return count


def matching_search(scope: RepoFilter, repos: Sequence[RepoRecord]) -> Sequence[RepoRecord]:
    """The repos whose ids contain all search texts of the scope: the Hub filters by the first one only."""
    if len(scope.search) < 2:
        return repos
    texts = [text.lower() for text in scope.search]
    return [repo for repo in repos if all(text in repo.repo_id.lower() for text in texts)]

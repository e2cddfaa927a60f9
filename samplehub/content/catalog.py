"""The repos that a sample Hub serves: in order, by name, and open to change while it runs."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from samplehub.content.file_content import Content, SmallFile
from samplehub.content.repo import Repo, RepoParts, hub_time

Key = tuple[Any, str]
"""Where a repo stands in an order: what it is sorted by, then its `_id`."""

ORDERS: dict[str, Callable[[Repo], Any]] = {
    "trendingScore": lambda repo: repo.trending,
    "createdAt": lambda repo: repo.created,
    "lastModified": lambda repo: repo.modified,
    "downloads": lambda repo: repo.downloads,
    "likes": lambda repo: repo.likes,
    "likes30d": lambda repo: repo.likes,
    "id": lambda repo: repo.id,
}


MAX_CACHED_QUERIES = 64


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """What a listing asks for; the order is part of it, the page and the shape of a row are not."""

    sort: str = "trendingScore"
    ascending: bool = False
    search: str = ""
    author: str = ""
    filters: tuple[str, ...] = ()
    pipeline: str = ""
    gated: bool | None = None
    parameters: tuple[int, int] | None = None
    private: bool = False

    def matches(self, repo: Repo) -> bool:
        if (repo.private and not self.private) or repo.disabled:
            return False
        if self.author and (repo.author or "").lower() != self.author.lower():
            return False
        if self.search and self.search.lower() not in repo.id.lower():
            return False
        if self.pipeline and repo.pipeline != self.pipeline:
            return False
        if self.gated is not None and bool(repo.gated) is not self.gated:
            return False
        if self.filters:
            known = {*repo.tags, repo.pipeline, repo.library}
            if not known.issuperset(self.filters):
                return False
        if self.parameters is not None:
            block = repo.safetensors or repo.gguf
            return block is not None and self.parameters[0] <= block["total"] <= self.parameters[1]
        return True


@dataclass(frozen=True, slots=True)
class ListingSlice:
    """One page of repos, and the place of the last one where more follow."""

    repos: Sequence[Repo]
    after: Key | None


def sort_position(repo: Repo, sort: str) -> Key:
    return ORDERS[sort](repo), repo.hub_id


class Listing(Protocol):
    """What the server needs of a catalog, however its repos are kept."""

    version: int

    def page(self, query: ListingQuery, after: Key | None, limit: int, shift: int = 0) -> ListingSlice: ...
    def find(self, repo_id: str) -> Repo | None: ...
    def renamed(self, repo_id: str) -> str | None: ...
    def children(self, repo_id: str) -> Mapping[str, int]: ...
    def __len__(self) -> int: ...


class Catalog:
    """Repos in memory; every method may be called from any thread, and a page is of one moment."""

    def __init__(self, repos: Iterable[Repo] = (), *, moved: Mapping[str, str] | None = None) -> None:
        self.repos: dict[str, Repo] = {repo.id: repo for repo in repos}
        self._folded = {name.lower(): name for name in self.repos}
        self.version = 0  # how often anything has changed
        self._moved: dict[str, str] = {old.lower(): new for old, new in (moved or {}).items()}
        self._lock = threading.RLock()
        self._wanted: dict[ListingQuery, tuple[list[Key], list[Repo]]] = {}
        self._children: dict[str, dict[str, int]] | None = None

    def __len__(self) -> int:
        return len(self.repos)

    def __iter__(self) -> Any:
        with self._lock:
            return iter(list(self.repos.values()))

    def __contains__(self, repo_id: str) -> bool:
        return repo_id in self.repos

    def __getitem__(self, repo_id: str) -> Repo:
        return self.repos[repo_id]

    def find(self, repo_id: str) -> Repo | None:
        """The repo of this name, or else the one whose name differs in capitals alone."""
        return self.repos.get(repo_id) or self.repos.get(self._folded.get(repo_id.lower(), ""))

    def renamed(self, repo_id: str) -> str | None:
        """The present name of a repo that once had this one, over any number of moves."""
        name = self._moved.get(repo_id.lower())
        seen = {repo_id.lower()}
        while name is not None and name.lower() in self._moved and name.lower() not in seen:
            seen.add(name.lower())
            name = self._moved[name.lower()]
        return name

    def children(self, repo_id: str) -> Mapping[str, int]:
        """How many repos name this one as their base, by relation."""
        with self._lock:
            if self._children is None:
                self._children = {}
                for repo in self.repos.values():
                    for base in repo.base:
                        counts = self._children.setdefault(base.lower(), {})
                        counts[repo.relation or "finetune"] = counts.get(repo.relation or "finetune", 0) + 1
            return self._children.get(repo_id.lower(), {})

    def page(self, query: ListingQuery, after: Key | None, limit: int, shift: int = 0) -> ListingSlice:
        """At most `limit` repos that follow the place, in the order of the query; ties stand in the order of `_id`.

        `shift` starts that number of repos later, or earlier where negative: a listing that moved under its reader.
        """
        with self._lock:
            keys, repos = self._in_order(query)
            start = 0
            if after is not None:
                start = bisect_right(keys, (sort_key(after[0], ascending=query.ascending), after[1]))
            found = repos[max(0, start + shift) : start + limit]
            more = bool(found) and start + limit < len(repos)
            return ListingSlice(found, sort_position(found[-1], query.sort) if more else None)

    def _in_order(self, query: ListingQuery) -> tuple[list[Key], list[Repo]]:
        if query not in self._wanted:
            if len(self._wanted) >= MAX_CACHED_QUERIES:
                self._wanted.clear()
            key = ORDERS[query.sort]
            chosen = [repo for repo in self.repos.values() if query.matches(repo)]
            pairs = [(sort_key(key(repo), ascending=query.ascending), repo.hub_id, repo) for repo in chosen]
            pairs.sort(key=lambda pair: pair[:2])
            self._wanted[query] = [pair[:2] for pair in pairs], [pair[2] for pair in pairs]
        return self._wanted[query]

    # ---- the Hub's churn -------------------------------------------------------------------------------------------

    def add(
        self,
        repo: Repo | str,
        files: Mapping[str, bytes | Content] | None = None,
        *,
        created: datetime | None = None,
        **facts: Any,
    ) -> Repo:
        """Adds a repo; given as a name, it is made of `files` and of `facts`, which are fields of Repo."""
        if isinstance(repo, str):
            when = hub_time(created or datetime.now(UTC))
            contents = {path: as_content(content) for path, content in (files or {}).items()}
            facts.setdefault("parts", RepoParts(files=lambda: contents))
            facts.setdefault("modified", when)
            repo = Repo(id=repo, created=when, **facts)
        with self._changing():
            self.repos[repo.id] = repo
            self._folded[repo.id.lower()] = repo.id
            self._moved.pop(repo.id.lower(), None)
        return repo

    def remove(self, repo_id: str) -> Repo:
        """Deletes a repo: it leaves the listing, and its name answers as if it had never been."""
        with self._changing():
            self._folded.pop(repo_id.lower(), None)
            return self.repos.pop(repo_id)

    def rename(self, old: str, new: str) -> Repo:
        """Moves a repo; `_id` stays, and the old name answers with 307."""
        with self._changing():
            repo = self.repos.pop(old)
            self._folded.pop(old.lower(), None)
            repo.id = new
            repo.edition += 1
            self.repos[new] = repo
            self._folded[new.lower()] = new
            self._moved[old.lower()] = new
            self._moved.pop(new.lower(), None)
        return repo

    def modify(self, repo_id: str, **facts: Any) -> Repo:
        """Changes fields of a repo (`downloads=`, `likes=`, `private=`, `gated=`, `tags=` ...); no commit."""
        with self._changing():
            repo = self.repos[repo_id]
            for name, value in facts.items():
                if name not in Repo.__dataclass_fields__:
                    raise TypeError(f"a repo has no field {name!r}")
                setattr(repo, name, value)
            repo.edition += 1
        return repo

    def change_files(
        self,
        repo_id: str,
        files: Mapping[str, bytes | Content | None],
        *,
        modified: datetime | None = None,
    ) -> Repo:
        """Commits to main: files are put or, where None, taken away; sha and lastModified are new."""
        with self._changing():
            repo = self.repos[repo_id]
            after = dict(repo.files)
            for path, content in files.items():
                if content is None:
                    after.pop(path, None)
                else:
                    after[path] = as_content(content)
            repo.with_files(after, modified=hub_time(modified or datetime.now(UTC)))
        return repo

    def _changing(self) -> _Change:
        return _Change(self)

    def _changed(self) -> None:
        self.version += 1
        self._wanted.clear()
        self._children = None


class _Change:
    """Holds the catalog's lock while it is changed, and tells it so at the end."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __enter__(self) -> None:
        self._catalog._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._catalog._changed()
        self._catalog._lock.release()


def as_content(content: bytes | Content) -> Content:
    return SmallFile(lambda: content) if isinstance(content, bytes) else content


def sort_key(value: Any, *, ascending: bool) -> Any:
    """A key that sorts in the requested direction, with `_id` ascending behind it."""
    if ascending:
        return value
    if isinstance(value, str):
        return "".join(chr(0x10FFFF - ord(sign)) if ord(sign) > 0x7F else chr(0x7F - ord(sign)) for sign in value)
    return -value

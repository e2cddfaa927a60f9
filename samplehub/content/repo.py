"""A repo of the sample Hub: facts that change while it runs, and parts that are made when first asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from samplehub.content.file_content import Content

Json = dict[str, Any]
Files = Mapping[str, Content]


def hub_time(moment: datetime) -> str:
    """A time as the Hub writes it: `2025-03-12T10:30:05.000Z`."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def hub_id(repo_id: str, created: str) -> str:
    """24 hex digits as MongoDB makes them: seconds since 1970, then what tells repos of one second apart."""
    seconds = int(datetime.fromisoformat(created).timestamp())
    return f"{max(seconds, 0):08x}{hashlib.sha1(repo_id.encode(), usedforsecurity=False).hexdigest()[:16]}"


def commit_of(*facts: object) -> str:
    """A commit's SHA-1, derived from what makes it differ from others."""
    return hashlib.sha1("\0".join(map(str, facts)).encode(), usedforsecurity=False).hexdigest()


def no_value() -> Any:
    return None


def no_files() -> Files:
    return {}


@dataclass(slots=True, frozen=True)
class RepoParts:
    """What a repo is made of, each a function so that nothing is made before it is needed.

    `files` gives main's files, `branches` those of other branches, `tags` names of them; `safetensors`, `gguf` and
    `config` are the API's blocks of these names, `card` the README's YAML block, `evals` the `evalResults` block,
    `storage` the bytes in LFS where they are known without the files.
    """

    files: Callable[[], Files] = no_files
    branches: Mapping[str, Callable[[], Files]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)  # tag -> the branch that it was made from
    safetensors: Callable[[], Json | None] = no_value
    gguf: Callable[[], Json | None] = no_value
    config: Callable[[], Json | None] = no_value
    card: Callable[[], Json] = dict
    evals: Callable[[], list[Json]] = list
    storage: Callable[[], int] | None = None


@dataclass(eq=False)
class Repo:
    """One repo; the catalog that holds it is the only one that changes it."""

    id: str
    created: str
    modified: str
    downloads: int = 0
    likes: int = 0
    tags: tuple[str, ...] = ()
    pipeline: str | None = None
    library: str | None = None
    gated: str | bool = False
    private: bool = False
    disabled: bool = False
    base: tuple[str, ...] = ()
    relation: str | None = None
    hub_id: str = ""
    sha: str = ""
    parts: RepoParts = RepoParts()
    scans: Mapping[str, Json] = field(default_factory=dict)  # securityFileStatus of files with issues
    revision: int = 0  # how often its files were changed since the Hub started
    edition: int = 0  # how often anything of it was

    def __post_init__(self) -> None:
        self.hub_id = self.hub_id or hub_id(self.id, self.created)
        self.sha = self.sha or commit_of(self.hub_id, self.modified)

    @property
    def author(self) -> str | None:
        return self.id.partition("/")[0] if "/" in self.id else None

    @property
    def trending(self) -> int:
        """What the default order sorts by: likes and downloads weigh in, and it moves with both."""
        return int((self.likes * 40 + self.downloads // 500) ** 0.5)

    @cached_property
    def files(self) -> Files:
        return self.parts.files()

    @cached_property
    def safetensors(self) -> Json | None:
        return self.parts.safetensors()

    @cached_property
    def gguf(self) -> Json | None:
        return self.parts.gguf()

    @cached_property
    def config(self) -> Json | None:
        return self.parts.config()

    @cached_property
    def card(self) -> Json:
        return self.parts.card()

    @cached_property
    def evals(self) -> list[Json]:
        return self.parts.evals()

    @cached_property
    def _branches(self) -> dict[str, tuple[str, Files]]:
        return {name: (commit_of(self.hub_id, name), make()) for name, make in self.parts.branches.items()}

    def branches(self) -> dict[str, str]:
        """Branch names and the commits they point to, main first."""
        return {"main": self.sha} | {name: commit for name, (commit, _) in self._branches.items()}

    def revision_at(self, revision: str) -> tuple[str, Files] | None:
        """The commit and the files of a branch or a commit; None where there is no such revision."""
        if revision in ("main", self.sha, "refs/heads/main"):
            return self.sha, self.files
        for name, (commit, files) in self._branches.items():
            if revision in (name, commit, f"refs/heads/{name}"):
                return commit, files
        branch = self.parts.tags.get(revision.removeprefix("refs/tags/"))
        return None if branch is None else self.revision_at(branch)

    def tags_and_commits(self) -> dict[str, str]:
        """Tags and the commits that they name."""
        found = {tag: self.revision_at(branch) for tag, branch in self.parts.tags.items()}
        return {tag: at[0] for tag, at in found.items() if at is not None}

    def used_storage(self) -> int:
        """Bytes in LFS over all branches; as on the Hub, it may count what main no longer holds."""
        if self.parts.storage is not None and not self.revision:
            return self.parts.storage()
        every = [self.files, *(files for _, files in self._branches.values())]
        return sum({c.digest: c.size for files in every for c in files.values() if c.large}.values())

    def with_files(self, files: Files, *, modified: str) -> None:
        """A new commit on main; the API's blocks stay what they were made from."""
        self.__dict__["files"] = dict(files)
        self.revision += 1
        self.edition += 1
        self.modified = modified
        self.sha = commit_of(self.hub_id, modified, self.revision)

"""What the stages of a crawl exchange with a hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from db.records import ArtifactRecord, FileRecord, LeasedRepo, RepoRecord


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page of a listing as the hub sent it."""

    rows: list[Any]
    next_cursor: str | None  # opaque; None after the last page
    thin: bool = False  # without the keys that are expensive for the hub


@dataclass(frozen=True, slots=True)
class FetchedRepo:
    """A repo as its hub describes it now, with its files and the artifacts that they form."""

    leased: LeasedRepo
    repo: RepoRecord
    files: tuple[FileRecord, ...]
    artifacts: tuple[ArtifactRecord, ...]

    @property
    def contents(self) -> set[str]:
        """Content digests of the artifacts, by which headers that were read before are found."""
        return {artifact.content for artifact in self.artifacts if artifact.content is not None}

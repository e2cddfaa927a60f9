"""Model files of this machine, before anything is looked up: what a store holds, and what it says of the origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from analysis.files.artifacts import digest_content
from db.record_base import Role
from db.records import FileRecord

DigestSource = Literal["stated", "sidecar", "name", "hash"]
"""Where a sha256 is from, the weakest first: a file beside it states it, perhaps of an earlier download; so, and the
file was not written since; the store names the file by it; the content was hashed."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One regular file. `path` is where the bytes are, perhaps a blob; `shown` where a user finds them."""

    path: Path
    shown: Path
    size: int  # bytes
    mtime_ns: int
    device: int
    inode: int
    sha256: str | None = None
    blob_id: str | None = None  # git's sha1, of files that the Hub keeps in git
    digest_source: DigestSource | None = None

    @property
    def identity(self) -> tuple[int, int]:
        """What two names of the same bytes on disk share: hard links, and symbolic links to one blob."""
        return self.device, self.inode


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file was downloaded from. `recorded`: its store wrote that down; otherwise only folder names say so."""

    repo_id: str | None = None
    revision: str | None = None  # commit
    path: str | None = None  # of the file in the repo
    quant: str | None = None  # the tag under which a runtime pulled it
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class LocalArtifact:
    """What a program loads as one thing, its shards joined. `paths` are those of the files in their repo or folder."""

    store: str
    name: str
    role: Role
    format: str | None
    files: tuple[LocalFile, ...]
    paths: tuple[str, ...]
    origin: Origin | None = None
    missing_shards: int = 0

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def path(self) -> Path:
        """Where a user finds its first file."""
        return self.files[0].shown

    @property
    def content(self) -> str | None:
        """What identifies the bytes, as in the catalog: sha256 of the file, or over its shards'; None if one lacks."""
        if self.missing_shards:
            return None
        return digest_content(
            [FileRecord(p, f.size, None, f.sha256) for p, f in zip(self.paths, self.files, strict=True)]
        )

    @property
    def digest_source(self) -> DigestSource | None:
        """The weakest source of its files' sha256; None if one has none."""
        sources = {file.digest_source if file.sha256 else None for file in self.files}
        return next((each for each in (None, *get_args(DigestSource)) if each in sources), None)

    @property
    def identities(self) -> frozenset[tuple[int, int]]:
        """Which bytes on disk it is."""
        return frozenset(file.identity for file in self.files)


@dataclass(frozen=True, slots=True)
class ScanProblem:
    """A path that could not be read, and why."""

    path: Path
    reason: str

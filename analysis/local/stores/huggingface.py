"""The cache of huggingface_hub, which transformers, MLX, vLLM, SGLang and newer llama.cpp share.

    models--OWNER--NAME/blobs/ETAG                   sha256 of LFS files, git's sha1 of the others
    models--OWNER--NAME/refs/main                    the commit that main was at
    models--OWNER--NAME/snapshots/COMMIT/PATH        a link to a blob; on Windows perhaps a copy

Source: huggingface_hub, docs/source/en/guides/manage-cache.md and `_local_folder.py`: `hf download --local-dir` writes
`.cache/huggingface/download/PATH.metadata` with commit, etag and a time in seconds, a line each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from analysis.local.records import LocalArtifact, LocalFile, Origin
from analysis.local.scan import FoundFile, Scan
from analysis.local.stores.group import group_local_files

REPO_FOLDER = re.compile(r"models--(?:(?P<owner>.+?)--)?(?P<name>(?:(?!--).)+)")
SHA256 = re.compile(r"[0-9a-f]{64}")
SHA1 = re.compile(r"[0-9a-f]{40}")
METADATA_FOLDER = Path(".cache", "huggingface", "download")

SIDECAR_TOLERANCE_SECONDS = 1
"""How much later than its metadata a file may have been written, as huggingface_hub allows."""


def is_cached_repo(folder: Path) -> bool:
    """Whether a folder is one repo of such a cache."""
    return REPO_FOLDER.fullmatch(folder.name) is not None and (folder / "snapshots").is_dir()


def read_cached_repo(scan: Scan, folder: Path, store: str) -> Iterator[LocalArtifact]:
    """The artifacts of one repo; of those that several commits share, the one of main or of the newest commit."""
    named = REPO_FOLDER.fullmatch(folder.name)
    if named is None:
        return
    repo_id = f"{named['owner']}/{named['name']}" if named["owner"] else named["name"]
    main = (scan.small_text(folder / "refs" / "main") or "").strip()
    snapshots = scan.subfolders(folder / "snapshots")
    snapshots.sort(key=lambda each: (each.name != main, -modified(each)))
    seen: set[frozenset[tuple[int, int]]] = set()
    for snapshot in snapshots:
        found = [
            FoundFile(path, cached_file(file, folder))
            for path, file in scan.walk(snapshot)
            if scan_allows(file, folder)
        ]

        def origin(path: str, commit: str = snapshot.name) -> Origin:
            return Origin(repo_id, commit if SHA1.fullmatch(commit) else None, path, recorded=True)

        for artifact in group_local_files(store, repo_id, found, origin):
            if artifact.identities not in seen:
                seen.add(artifact.identities)
                yield artifact


def modified(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def scan_allows(file: LocalFile, folder: Path) -> bool:
    """Whether a snapshot's file lies in its own repo's folder: a link elsewhere is none that the cache made."""
    try:
        return file.path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        return False


def cached_file(file: LocalFile, folder: Path) -> LocalFile:
    """The file with the hash that its blob's name states."""
    blob = file.path.resolve()
    if blob.parent != (folder / "blobs").resolve():
        return file
    return named_by_hash(replace(file, path=blob), blob.name)


def named_by_hash(file: LocalFile, digest: str) -> LocalFile:
    """The file with a sha256 or git's sha1 as its store states it."""
    if SHA256.fullmatch(digest):
        return replace(file, sha256=digest, digest_source="name")
    return replace(file, blob_id=digest, digest_source="name") if SHA1.fullmatch(digest) else file


class DownloadFolder:
    """What `hf download --local-dir` recorded of the files of a folder."""

    def __init__(self, scan: Scan, folder: Path) -> None:
        self._scan = scan
        self._folder = folder / METADATA_FOLDER
        self.exists = self._folder.is_dir()

    def describe(self, path: str, file: LocalFile) -> tuple[LocalFile, Origin | None]:
        """A file with the hash that was recorded, unless it was written later, and its commit."""
        if not self.exists:
            return file, None
        lines = (self._scan.small_text(self._folder / f"{path}.metadata") or "").splitlines()
        if len(lines) < 3 or not SHA1.fullmatch(lines[0].strip()):
            return file, None
        origin = Origin(None, lines[0].strip(), path, recorded=True)
        try:
            written = float(lines[2])
        except ValueError:
            return file, origin
        if file.mtime_ns / 1e9 > written + SIDECAR_TOLERANCE_SECONDS:
            return file, origin
        stated = named_by_hash(file, lines[1].strip())
        return replace(stated, digest_source="sidecar" if stated.digest_source else None), origin

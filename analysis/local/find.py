"""Finds the model files of stores, folders and single files. Nothing is written, moved or hashed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from analysis.files.roles import role_of
from analysis.files.shards import part_of
from analysis.formats.formats import format_of_path
from analysis.local.records import LocalArtifact
from analysis.local.roots import LAYOUTS, Layout, Root
from analysis.local.scan import MAX_DEPTH, FoundFile, Scan
from analysis.local.stores.folders import read_folder
from analysis.local.stores.huggingface import is_cached_repo, read_cached_repo
from analysis.local.stores.manifests import is_docker, is_ollama, read_docker, read_ollama


class Place(NamedTuple):
    """A folder that is searched, as part of a store."""

    root: Root

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.root.store]

    def prefix(self, folder: Path) -> str:
        """What precedes paths of files in a folder below the store's, so that they start at the store's."""
        below = folder.resolve().relative_to(self.root.folder.resolve()).as_posix()
        return "" if below == "." else f"{below}/"


def find_place(path: Path, roots: Iterable[Root]) -> Place:
    """The store that a folder, or the folder of a file, lies in; the folder itself where it lies in none."""
    own = path if path.is_dir() else path.absolute().parent
    try:
        where = own.resolve()
        found = [root for root in roots if where.is_relative_to(root.folder.resolve())]
    except (OSError, RuntimeError):
        found = []
    return Place(max(found, key=lambda root: len(root.folder.parts), default=Root("folder", own)))


def find_local_artifacts(scan: Scan, folder: Path, place: Place) -> Iterator[LocalArtifact]:
    """The artifacts below a folder of any layout: folders in it that a store has made are read as that store's."""
    if not scan.enter(folder):
        return
    plain: list[FoundFile] = []
    yield from _find_below(scan, folder, place.prefix(folder), place.root.store, plain, 0)
    yield from read_folder(scan, place.root.folder, place.root.store, place.layout, plain)


def _find_below(
    scan: Scan, folder: Path, prefix: str, store: str, plain: list[FoundFile], depth: int
) -> Iterator[LocalArtifact]:
    """The artifacts of stores' own layouts in a folder that was entered; all other files go to `plain`."""
    if is_cached_repo(folder):
        yield from read_cached_repo(scan, folder, "huggingface" if store == "folder" else store)
    elif is_docker(folder):
        yield from read_docker(scan, folder, "docker" if store == "folder" else store)
    elif is_ollama(folder):
        yield from read_ollama(scan, folder, "ollama" if store == "folder" else store)
    else:
        for found in scan.walk_folder(folder, prefix):
            if isinstance(found, FoundFile):
                plain.append(found)
            elif depth < MAX_DEPTH and scan.enter(found):
                yield from _find_below(scan, found, f"{prefix}{found.name}/", store, plain, depth + 1)


def find_local_artifact(scan: Scan, path: Path, place: Place) -> LocalArtifact | None:
    """The artifact that a file belongs to, with its other shards beside it; None for what is no regular file."""
    file = scan.file(path)
    if file is None:
        return None
    cached = next((folder for folder in path.absolute().parents if is_cached_repo(folder)), None)
    if cached is not None:
        for artifact in read_cached_repo(scan, cached, "huggingface"):
            if file.identity in artifact.identities:
                return artifact
    store, prefix = place.root.store, place.prefix(path.absolute().parent)
    beside = [FoundFile(f"{prefix}{path.name}", file)]
    if part_of(path.name):
        beside = [each for each in scan.walk_folder(path.absolute().parent, prefix) if isinstance(each, FoundFile)]
    for artifact in read_folder(scan, place.root.folder, store, place.layout, beside):
        if file.identity in artifact.identities:
            return artifact
    return LocalArtifact(store, path.name, role_of(path.name), format_of_path(path.name), (file,), (path.name,))

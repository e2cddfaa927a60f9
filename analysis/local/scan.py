"""Walks folders that may hold anything: loops of links, pipes, folders without permission, names of any bytes.

Only regular files are ever opened. Links to folders are followed once for each folder. What can't be read is a
`ScanProblem`, never an end of the scan.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from analysis.local.records import LocalFile, ScanProblem

MAX_DEPTH = 32
"""Folders below each other that are walked."""

MAX_ENTRIES = 2_000_000
"""Files and folders of one scan."""

MAX_SIDECAR_BYTES = 1 << 20
"""A manifest, a metadata file or a list of models."""

SKIPPED_FOLDERS = frozenset({".git", "node_modules", "__pycache__", ".no_exist", ".locks", "$RECYCLE.BIN"})


class FoundFile(NamedTuple):
    """A regular file: its path from the root of the walk, with slashes, and the file."""

    relative: str
    file: LocalFile


@dataclass(slots=True)
class Scan:
    """The state of one scan: which folders were seen, how much, and what could not be read."""

    problems: list[ScanProblem] = field(default_factory=list)
    entries: int = 0
    _folders: set[tuple[int, int]] = field(default_factory=set)

    def note(self, path: Path, error: OSError | str) -> None:
        reason = error if isinstance(error, str) else (error.strerror or "can't be read")
        self.problems.append(ScanProblem(path, reason))

    def enter(self, folder: Path) -> bool:
        """Whether a folder is there and was not walked before."""
        try:
            status = folder.stat()
        except OSError as error:
            self.note(folder, error)
            return False
        key = (status.st_dev, status.st_ino)
        if not stat.S_ISDIR(status.st_mode) or key in self._folders:
            return False
        self._folders.add(key)
        return True

    def entries_of(self, folder: Path) -> list[os.DirEntry[str]]:
        """The entries of a folder by name; empty where it can't be read."""
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.note(folder, error)
            return []
        room = MAX_ENTRIES - self.entries
        if len(entries) > room:
            self.note(folder, f"the scan has more than {MAX_ENTRIES:,} entries: name a smaller folder")
            entries = entries[: max(room, 0)]
        self.entries += len(entries)
        return entries

    def subfolders(self, folder: Path) -> list[Path]:
        """The folders in a folder, by name, without following links."""
        return [Path(entry.path) for entry in self.entries_of(folder) if entry.is_dir(follow_symlinks=False)]

    def file(self, path: Path, shown: Path | None = None) -> LocalFile | None:
        """A regular file, through links; None for anything else, and noted where it can't be looked at."""
        try:
            status = path.stat()
        except OSError as error:
            self.note(shown or path, "a link to nothing" if path.is_symlink() else error)
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return LocalFile(path, shown or path, status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)

    def small_text(self, path: Path) -> str | None:
        """The text of a small regular file; None where there is none or it is not UTF-8 or too large."""
        found = self.file(path) if path.exists() else None
        if found is None or found.size > MAX_SIDECAR_BYTES:
            return None
        try:
            return path.read_bytes()[: MAX_SIDECAR_BYTES + 1].decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def walk_folder(self, folder: Path, prefix: str) -> Iterator[FoundFile | Path]:
        """The regular files of a folder, and the folders in it; paths of files start with `prefix`."""
        folders = []
        for entry in self.entries_of(folder):
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError as error:  # a loop of links
                self.note(Path(entry.path), error)
                continue
            if is_folder and entry.name not in SKIPPED_FOLDERS:
                folders.append(Path(entry.path))
            elif is_file and (file := self.file(Path(entry.path))) is not None:
                yield FoundFile(f"{prefix}{entry.name}", file)
            elif not is_folder and not is_file and entry.is_symlink():
                self.note(Path(entry.path), "a link to nothing or to no regular file")
        yield from folders

    def walk(self, folder: Path, prefix: str = "", depth: int = 0) -> Iterator[FoundFile]:
        """The regular files below a folder, in the order of names, files before folders."""
        for found in self.walk_folder(folder, prefix):
            if isinstance(found, FoundFile):
                yield found
            elif depth < MAX_DEPTH and self.enter(found):
                yield from self.walk(found, f"{prefix}{found.name}/", depth + 1)

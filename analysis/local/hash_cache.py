"""The sha256 of files that were hashed before, in the user's cache folder: by path, size, time of change and inode."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from analysis.local.records import LocalFile

CACHE_VARIABLE = "HF_CATALOG_CACHE"
FILE_NAME = "hashes.db"
BUSY_SECONDS = 10.0

_CREATE = """
create table if not exists hashes (
    path text primary key, size integer not null, mtime_ns integer not null, inode text not null, sha256 text not null
) without rowid
"""


def cache_folder() -> Path:
    """The folder that HF_CATALOG_CACHE names, else hf-catalog in the system's folder for caches."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    if platform.system() == "Darwin":
        return Path.home() / "Library" / "Caches" / "hf-catalog"
    if platform.system() == "Windows" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "hf-catalog" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hf-catalog"


class HashCache:
    """A SQLite file; a context manager. A cache that can't be opened or is damaged is none: files are hashed again."""

    def __init__(self, folder: Path | None = None) -> None:
        self._connection = open_cache(folder or cache_folder())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()

    def find(self, files: Iterable[LocalFile]) -> dict[Path, str]:
        """The sha256 of the files that did not change since they were hashed, by path."""
        if self._connection is None:
            return {}
        found: dict[Path, str] = {}
        sql = "select sha256 from hashes where path = ? and size = ? and mtime_ns = ? and inode = ?"
        try:
            for file in files:
                row = self._connection.execute(sql, cache_key(file)).fetchone()
                if row is not None:
                    found[file.path] = str(row[0])
        except sqlite3.Error:
            return {}
        return found

    def save(self, file: LocalFile, sha256: str) -> None:
        """Stores the hash of a file at once, so that hashing continues after it when it is interrupted."""
        if self._connection is None:
            return
        try:
            with self._connection:
                self._connection.execute(
                    "insert or replace into hashes values (?, ?, ?, ?, ?)", (*cache_key(file), sha256)
                )
        except sqlite3.Error:
            return


def cache_key(file: LocalFile) -> tuple[str, int, int, str]:
    """What a file that did not change keeps. Names that are no UTF-8 are escaped; an inode may exceed 63 bits."""
    path = os.fsencode(file.path.absolute()).decode("utf-8", "backslashreplace")
    return path, file.size, file.mtime_ns, f"{file.device}:{file.inode}"


def open_cache(folder: Path) -> sqlite3.Connection | None:
    """A connection that threads may share; None where the folder can't be written or the file is no cache."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(folder / FILE_NAME, timeout=BUSY_SECONDS, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute(_CREATE)
    except (OSError, sqlite3.Error):
        return None
    return connection

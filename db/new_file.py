"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.processes import is_running

SIDE_FILES = ("-wal", "-shm", "-journal")
"""Ends of the names of files that SQLite keeps beside a database."""


def draft_path(path: Path) -> Path:
    """Where what is to become `path` is written: beside it, under a name that tells the process that writes it."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields the path to write to; once the block has ended well, the file is on the disk and then takes its name.

    After an error nothing is left. What a killed process left is removed by the next one that makes the same file.
    """
    remove_abandoned_drafts(path)
    draft = draft_path(path)
    try:
        yield draft
        sync(draft)
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        remove_draft(draft)


def remove_abandoned_drafts(path: Path) -> None:
    """Removes drafts of this path whose process has ended."""
    name = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.part")
    for found in path.parent.iterdir() if path.parent.is_dir() else ():
        matched = name.fullmatch(found.name)
        if matched and not is_running(int(matched[1])):
            remove_draft(found)


def remove_draft(draft: Path) -> None:
    """Removes a draft, a file or a folder, with the files that SQLite keeps beside it."""
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
        return
    for end in ("", *SIDE_FILES):
        draft.with_name(draft.name + end).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Makes sure that a file's bytes are on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes sure that the names in a folder are on the disk, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Files and folders that appear whole or not at all.

A draft is written in a folder of its own beside its target, which only its owner may enter: in a shared folder such as
/tmp nobody else can put a link in its place, or read it before it has its final mode.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.processes import is_running


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields the path to write to; once the block has ended well, the file is on the disk and then takes its name.

    After an error nothing is left. What a killed process left is removed by the next one that makes a file there.
    A symbolic link at `path` is replaced, its target is not; a device or a pipe is refused. Raises OSError.
    """
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "is no file that can be replaced", str(path))
    with draft_folder(path) as folder:
        draft = folder / path.name
        yield draft
        sync(draft)
        draft.replace(path)
        sync_folder(path.parent)


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """Yields a new folder beside `path` for its draft, of mode 0700. It is removed at the end.

    Its name has the number of this process, by which later processes know what a killed one left, and remove it.
    Raises OSError.
    """
    remove_abandoned_drafts(path.parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".hf-catalog.{os.getpid()}.", suffix=".part", dir=path.parent))
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent)) from None
    _drafts.add(folder.name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _drafts.remove(folder.name)


_drafts: set[str] = set()
"""Names of this process's drafts. Others of its number are of an earlier process: in a container numbers repeat."""


def remove_abandoned_drafts(folder: Path) -> None:
    """Removes drafts in a folder, of whatever file, whose process has ended."""
    for found in folder.glob(".hf-catalog.*.part"):
        matched = re.fullmatch(r"\.hf-catalog\.(\d+)\.\w+\.part", found.name)
        if matched is None or found.name in _drafts or found.is_symlink():
            continue
        if int(matched[1]) == os.getpid() or not is_running(int(matched[1])):
            shutil.rmtree(found, ignore_errors=True)


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

"""Files and folders that appear whole or not at all.

A draft is written in a folder of its own beside its target, which only its owner may enter: in a shared folder such as
/tmp no other user can put a link in its place, or read it before it has its final mode.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
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

EARLIER = "earlier"
"""Folder in a draft's folder for what the draft replaces, under its own name, where two names can't be exchanged."""


def remove_abandoned_drafts(folder: Path) -> None:
    """Removes drafts in a folder, of whatever file, whose process has ended. Raises OSError.

    What such a process had moved away to replace it, and did not replace, gets its name back.
    """
    for found in folder.glob(".hf-catalog.*.part"):
        matched = re.fullmatch(r"\.hf-catalog\.(\d+)\.\w+\.part", found.name)
        if matched is None or found.name in _drafts or found.is_symlink():
            continue
        if int(matched[1]) == os.getpid() or not is_running(int(matched[1])):
            if is_own(found):
                restore_earlier(found, folder)
            shutil.rmtree(found, ignore_errors=True)


def restore_earlier(draft: Path, folder: Path) -> None:
    """Gives what lies in a draft's folder for what is replaced its name in `folder` back, where that is free."""
    for earlier in draft.glob(f"{EARLIER}/*"):
        if not os.path.lexists(folder / earlier.name):
            earlier.rename(folder / earlier.name)
            sync_folder(folder)


def is_own(path: Path) -> bool:
    """Whether this user made it: in a shared folder anybody can make one that is named like a draft."""
    return not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()


def replace_folder(draft: Path, folder: Path) -> None:
    """Gives a complete draft, in the folder of `draft_folder`, the name `folder`. Raises OSError.

    A folder of that name is replaced: at every moment, and after a kill or a loss of power at any moment, the name
    leads to one of the two. Where the system or the file system can't exchange two names in one step (Linux: NFS, among
    others; Windows), a kill between two steps leaves the name free; the earlier folder is then kept beside it, and gets
    its name back from the next process that writes a file or a folder there.
    """
    if not folder.exists():
        draft.rename(folder)
    elif not exchange_names(draft, folder):
        earlier = draft.with_name(EARLIER) / folder.name
        earlier.parent.mkdir()
        folder.rename(earlier)
        try:
            draft.rename(folder)
        except OSError:
            earlier.rename(folder)
            raise
    sync_folder(folder.parent)


def exchange_names(first: Path, second: Path) -> bool:
    """Exchanges two names in one step; whether the system can. Raises OSError.

    By renameat2 with RENAME_EXCHANGE (Linux, renameat(2)) or renamex_np with RENAME_SWAP (macOS, rename(2)).
    """
    import ctypes

    at, swap, names = -100, 2, (os.fsencode(first), os.fsencode(second))
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            failed = library.renamex_np(*names, ctypes.c_uint(swap))
        else:
            failed = library.renameat2(at, names[0], at, names[1], ctypes.c_uint(swap))
    except (AttributeError, TypeError, OSError):  # no such function, or no such library
        return False
    if failed and (code := ctypes.get_errno()) not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        raise OSError(code, os.strerror(code), str(second))
    return not failed


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

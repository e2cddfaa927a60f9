"""Whether a path is on a network drive, where SQLite's locks and its write-ahead log do not work reliably.

SQLite needs shared memory between the processes that use a catalog, which no network file system has
(https://sqlite.org/wal.html, https://sqlite.org/useovernet.html).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path, PurePath, PurePosixPath

NETWORK_FILE_SYSTEMS = frozenset({
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "webdav", "davfs", "9p", "ceph",
    "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "fuse.sshfs", "fuse.davfs", "fuse.s3fs", "fuse.rclone",
    "fuse.glusterfs", "fuse.ceph", "fuse.gcsfuse", "fuse.mount-s3", "macfuse", "osxfuse",
})  # fmt: skip
"""Types of file systems as Linux' mount table and macOS' `mount` name them."""

DRIVE_REMOTE = 4
"""Windows' GetDriveTypeW for a network drive."""

_OCTAL = re.compile(r"\\([0-7]{3})")
_MACOS = re.compile(r"^.+? on (?P<folder>/.*) \((?P<kind>[^,)]+)[^)]*\)$", re.MULTILINE)


def find_network_file_system(path: Path) -> str | None:
    """The type of the network file system that holds a path; None for a local disk and where nothing tells."""
    resolved = path.resolve()
    if sys.platform == "win32":
        return "network drive" if is_windows_network_path(resolved) else None
    kind = file_system_of(PurePosixPath(resolved), read_mounts())
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def file_system_of(path: PurePosixPath, mounts: dict[str, str]) -> str | None:
    """The type of the file system that holds a path, by mounts: folder -> type."""
    for folder in (path, *path.parents):
        if str(folder) in mounts:
            return mounts[str(folder)]
    return None


def read_mounts() -> dict[str, str]:
    """The mounted folders of this machine -> their types; empty where they can't be listed."""
    try:
        if sys.platform == "darwin":
            done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=True, timeout=10)
            return parse_macos_mounts(done.stdout)
        return parse_linux_mounts(Path("/proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, subprocess.SubprocessError):
        return {}


def parse_linux_mounts(text: str) -> dict[str, str]:
    """Lines of /proc/self/mounts: device, folder with octal escapes, type (man 5 proc). A later mount counts."""
    fields = [line.split(" ") for line in text.splitlines()]
    return {_OCTAL.sub(lambda found: chr(int(found[1], 8)), each[1]): each[2] for each in fields if len(each) > 2}


def parse_macos_mounts(text: str) -> dict[str, str]:
    """Lines of macOS' mount: `//user@host/share on /Volumes/share (smbfs, nodev, nosuid)`."""
    return {found["folder"]: found["kind"] for found in _MACOS.finditer(text)}


def is_windows_network_path(path: PurePath) -> bool:
    """Whether a path of Windows is a share's (`\\\\host\\share`) or on a drive that stands for one."""
    if path.drive.startswith("\\\\"):
        return True
    if sys.platform != "win32":
        return False
    import ctypes

    return bool(ctypes.windll.kernel32.GetDriveTypeW(path.anchor) == DRIVE_REMOTE)

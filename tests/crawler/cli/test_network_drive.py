"""Catalogs on network drives, and what `doctor` says of them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from crawler.cli import network_drive
from crawler.cli.doctor import check_disk
from crawler.cli.network_drive import file_system_of, is_windows_network_path, parse_linux_mounts, parse_macos_mounts

LINUX = r"""
overlay / overlay rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /home nfs4 rw,vers=4.2 0 0
/dev/sda1 /home/anna/disk ext4 rw 0 0
//nas/my\040share /mnt/my\040share cifs rw 0 0
"""
MACOS = """
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//anna@nas/models (2) on /Volumes/models (2) (smbfs, nodev, nosuid, mounted by anna)
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/anna/catalog.db", "nfs4"),
        ("/home/anna/disk/catalog.db", "ext4"),
        ("/mnt/my share/a/catalog.db", "cifs"),
        ("/mnt/my share2/catalog.db", "overlay"),
        ("/homework/catalog.db", "overlay"),
    ],
)
def test_the_nearest_mount_decides(path: str, kind: str) -> None:
    assert file_system_of(PurePosixPath(path), parse_linux_mounts(LINUX)) == kind


def test_mounts_of_macos() -> None:
    assert parse_macos_mounts(MACOS) == {"/": "apfs", "/Volumes/models (2)": "smbfs"}
    assert file_system_of(PurePosixPath("/a"), {}) is None


def test_shares_of_windows() -> None:
    assert is_windows_network_path(PureWindowsPath(r"\\nas\models\catalog.db"))
    assert not is_windows_network_path(PureWindowsPath(r"C:\models\catalog.db"))


def test_doctor_advises_against_a_network_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = tmp_path / "catalog.db"
    monkeypatch.setattr(network_drive, "read_mounts", lambda: {"/": "ext4", str(tmp_path.resolve()): "nfs"})
    found = {finding.check: finding for finding in check_disk(str(db))}
    assert found["drive"].verdict == "note" and "nfs" in found["drive"].found and "--db" in found["drive"].fix
    monkeypatch.setattr(network_drive, "read_mounts", lambda: {"/": "ext4"})
    assert "drive" not in {finding.check for finding in check_disk(str(db))}
    assert list(check_disk("postgresql://host/db")) == []

"""Hashing: right, kept between runs, resumed after an interruption, and never of a file that changed meanwhile."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from analysis.local import hash_files as module
from analysis.local.hash_cache import FILE_NAME, HashCache, cache_folder
from analysis.local.hash_files import hash_file, hash_files
from analysis.local.records import LocalFile
from analysis.local.scan import Scan
from tests.local_models import digest, write


def local_file(path: Path, data: bytes) -> LocalFile:
    found = Scan().file(write(path, data))
    assert found is not None
    return found


def test_hashes_are_those_of_the_contents(tmp_path: Path) -> None:
    contents = [b"", b"one", bytes(3_000_001)]
    files = [local_file(tmp_path / str(at), data) for at, data in enumerate(contents)]
    counted: list[int] = []
    with HashCache(tmp_path / "cache") as cache:
        found, problems = hash_files(files, cache, counted.append)
    assert [found[file.identity] for file in files] == [digest(data) for data in contents]
    assert sum(counted) == sum(map(len, contents))
    assert problems == []


def test_a_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = local_file(tmp_path / "m", b"one")
    (tmp_path / "link").hardlink_to(tmp_path / "m")
    linked = Scan().file(tmp_path / "link")
    assert linked is not None
    read = count_reads(monkeypatch)
    for _ in range(2):
        with HashCache(tmp_path / "cache") as cache:
            found, _ = hash_files([file, linked], cache)
        assert list(found.values()) == [digest(b"one")]
    assert len(read) == 1


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_changed_file_is_hashed_again(change: str, tmp_path: Path) -> None:
    path = tmp_path / "m"
    with HashCache(tmp_path / "cache") as cache:
        hash_files([local_file(path, b"one")], cache)
        if change == "inode":
            write(tmp_path / "n", b"two").replace(path)
        else:
            path.write_bytes(b"other" if change == "size" else b"two")
        if change != "time":
            os.utime(path, ns=(1, 1))
        changed = Scan().file(path)
        assert changed is not None
        assert cache.find([changed]) == {}


def test_what_was_done_before_an_interruption_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [local_file(tmp_path / str(at), bytes(10 - at)) for at in range(4)]  # largest first
    read = count_reads(monkeypatch, stop_at=3)
    with HashCache(tmp_path / "cache") as cache:
        with pytest.raises(KeyboardInterrupt):
            hash_files(files, cache, threads=1)
        assert len(cache.find(files)) == 2
        read.clear()
        monkeypatch.undo()
        found, _ = hash_files(files, cache)
    assert len(found) == 4


def count_reads(monkeypatch: pytest.MonkeyPatch, stop_at: int = 0) -> list[Path]:
    """Lists the files that are hashed; the one with this number is interrupted."""
    read: list[Path] = []

    def counted(file: LocalFile, stop: threading.Event, advance: module.Advance) -> str:
        read.append(file.path)
        if len(read) == stop_at:
            raise KeyboardInterrupt
        return hash_file(file, stop, advance)

    monkeypatch.setattr(module, "hash_file", counted)
    return read


def test_a_file_that_can_not_be_read_is_told_and_the_others_are_hashed(tmp_path: Path) -> None:
    gone, kept = local_file(tmp_path / "gone", b"1"), local_file(tmp_path / "kept", b"2")
    (tmp_path / "gone").unlink()
    with HashCache(tmp_path / "cache") as cache:
        found, problems = hash_files([gone, kept], cache)
    assert found == {kept.identity: digest(b"2")}
    assert [(problem.path, problem.reason) for problem in problems] == [
        (tmp_path / "gone", "No such file or directory")
    ]


def test_a_file_that_changes_while_it_is_read_has_no_hash(tmp_path: Path) -> None:
    file = local_file(tmp_path / "m", b"one")
    write(tmp_path / "m", b"longer")
    with pytest.raises(OSError, match="it changed while it was read"):
        hash_file(file, threading.Event(), lambda count: None)


def test_a_file_that_became_a_pipe_does_not_hang(tmp_path: Path) -> None:
    file = local_file(tmp_path / "m", b"one")
    (tmp_path / "m").unlink()
    os.mkfifo(tmp_path / "m")
    with HashCache(tmp_path / "cache") as cache:
        found, problems = hash_files([file], cache)
    assert found == {} and len(problems) == 1


def test_without_a_place_for_the_cache_files_are_hashed_all_the_same(tmp_path: Path) -> None:
    write(tmp_path / "taken", b"no folder")
    write(tmp_path / "damaged" / FILE_NAME, b"no database" * 100)
    file = local_file(tmp_path / "m", b"one")
    for folder in (tmp_path / "taken", tmp_path / "damaged"):
        with HashCache(folder) as cache:
            assert hash_files([file], cache)[0] == {file.identity: digest(b"one")}


def test_the_cache_is_in_the_users_folder_for_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.delenv("HF_CATALOG_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "hf-catalog"
    monkeypatch.setenv("HF_CATALOG_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"

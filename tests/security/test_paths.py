"""Paths that are no files: pipes, devices, folders and links to them, as input and as output of every kind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from db.new_file import new_file
from tests.crawler.cli.conftest import Ask, hf_catalog

__all__ = ["hf_catalog"]


def link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a pipe": link_to_pipe,
    "a link to itself": lambda path: path.symlink_to(path.name),
}
INPUTS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "catalog": (("models", "ls", "--db", "bad"), (3,)),
    "catalog to check": (("db", "check", "--db", "bad"), (1, 3)),
    "catalog to write": (("db", "optimize", "--db", "bad"), (3,)),
    "backup to restore": (("db", "restore", "bad", "--db", "catalog.db"), (3,)),
    "catalog to copy": (("db", "copy", "bad", "copy.db"), (3,)),
    "manifest of a snapshot": (("db", "from-snapshot", ".", "--db", "copy.db"), (3,)),
    "configuration": (("schedule", "--check", "--config", "bad"), (2,)),
    "file with a header": (("header", "./bad"), (1, 2, 4)),  # 4: what does not exist may be a repo's name
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.timeout(120)  # a pipe that is opened never ends
def test_what_is_no_file_is_refused_as_input(
    name: str, kind: str, small: str, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shutil.copy(small, "catalog.db")
    KINDS[kind](tmp_path / "bad")
    (tmp_path / "manifest.json").symlink_to("bad")
    words, statuses = INPUTS[name]
    answer = hf_catalog(*words)
    assert answer.status in statuses, answer
    assert "internal error" not in answer.err
    assert "bad" in answer.err + answer.out or "manifest.json" in answer.err or answer.status == 4
    assert not (tmp_path / "copy.db").exists()


def test_no_history_is_read_from_a_device(small: str, hf_catalog: Ask) -> None:
    answer = hf_catalog("db", "import-history", "/dev/zero", "--db", small)
    assert answer.status == 2 and "it is a device" in answer.err


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device", "a link to a pipe"])
def test_what_is_no_file_is_not_replaced_by_one(kind: str, tmp_path: Path) -> None:
    KINDS[kind](tmp_path / "bad")
    before = os.lstat(tmp_path / "bad").st_ino
    with pytest.raises(FileExistsError, match="no file that can be replaced"), new_file(tmp_path / "bad"):
        pass
    assert os.lstat(tmp_path / "bad").st_ino == before and not list(tmp_path.glob(".*"))

"""Commands that write files, killed while they write: the earlier file or none is there, and the next run removes all
that was left. A file is on the disk before it takes its name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.publish.export import export_catalog
from crawler.service.state import State, write_state
from db.maintain.backup import backup
from db.new_file import draft_folder, new_file, remove_abandoned_drafts, replace_folder
from tests.conftest import BuildOnce
from tests.environment import user_environment

ROOT = Path(__file__).resolve().parents[2]

WRITERS: dict[str, tuple[str, ...]] = {
    "backup": ("db", "backup", "out/new", "--force", "--db", "catalog.db"),
    "copy": ("db", "copy", "catalog.db", "out/new"),
    "restore": ("db", "restore", "catalog.db", "--db", "out/new"),
    "export as CSV": ("export", "out/new", "--only", "models", "--db", "catalog.db"),
    "export as JSON lines": ("export", "out/new", "--only", "models", "--format", "jsonl", "--db", "catalog.db"),
    "export as Parquet": ("export", "out/new", "--only", "models", "--format", "parquet", "--db", "catalog.db"),
    "report": ("report", "--out", "out/new", "--db", "catalog.db"),
    "charts": ("charts", "out", "--db", "catalog.db"),
}
FINAL: dict[str, list[str]] = {"charts": ["families-over-time.png", "families-over-time.svg"]}


Answers = dict[str, dict[str, tuple[int, list[str], list[str]]]]


@pytest.fixture(scope="session")
def killed(build_once: BuildOnce, small: str) -> Answers:
    """What each run of each command left (tests/security/kill_writer.py)."""

    def run(folder: Path) -> None:
        shutil.copy(small, folder / "catalog.db")
        done = subprocess.run(
            [sys.executable, "-m", "tests.security.kill_writer"], input=json.dumps(WRITERS), cwd=folder,
            env=user_environment() | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (folder / "answers.json").write_text(done.stdout, encoding="utf-8")

    path = build_once("killed", run) / "answers.json"
    answers: Answers = json.loads(path.read_text(encoding="utf-8"))
    return answers


@pytest.mark.parametrize("name", WRITERS)
def test_a_killed_writer_leaves_nothing_under_the_final_name_and_nothing_at_all_after_the_next_run(
    name: str, killed: Answers
) -> None:
    final = FINAL.get(name, ["new"])
    for moment, (status, left, *_) in killed[name].items():
        if moment == "never":
            assert (status, left) == (0, final), "what the killed runs left is removed"
            continue
        assert status == -9, moment
        assert not set(left) & set(final), f"{left} after a kill: {moment}"
        assert len(left) == 1, "each run removed what the one before it had left"


def test_an_export_that_replaces_another_one_loses_none_whenever_it_is_killed(killed: Answers) -> None:
    earlier, later = (["datapackage.json", *sorted(["manifest.json", name])] for name in ("models.csv", "files.csv"))
    answers = killed["replaced"]
    assert list(answers.pop("never")) == [0, later, later]
    assert all(status == -9 for status, *_ in answers.values())
    assert {moment: left for moment, (_, *left) in answers.items()} == {
        "the draft is made": [earlier, earlier],
        "the draft is written": [earlier, earlier],
        "before the names are exchanged": [earlier, earlier],
        "after the names are exchanged": [later, later],
        "before the earlier one is moved away": [earlier, earlier],
        "after the earlier one is moved away": [[], earlier],  # where names can't be exchanged
        "after the draft has its name": [later, later],
    }


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_that_can_not_be_replaced_stays(
    exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanges:
        monkeypatch.setattr("db.new_file.exchange_names", lambda *names: False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text("earlier", encoding="utf-8")
    with pytest.raises(FileNotFoundError), draft_folder(tmp_path / "out") as holder:
        replace_folder(holder / "never written", tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "file"]


def test_what_another_user_left_like_a_draft_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f".hf-catalog.{2**22 + 1}.a.part" / "earlier" / "out").mkdir(parents=True)
    monkeypatch.setattr("db.new_file.is_own", lambda path: False)
    remove_abandoned_drafts(tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is synced and renamed, in this order: ("sync" or "rename", the last part of the path)."""
    found: list[tuple[str, str]] = []
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def record_sync(descriptor: int) -> None:
        found.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def record_replace(source: str, target: str) -> None:
        found.append(("rename", Path(target).name))
        replace(source, target)

    def record_rename(source: str, target: str) -> None:
        found.append(("rename", Path(target).name))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_replace)
    monkeypatch.setattr(os, "rename", record_rename)
    return found


def test_a_file_is_on_the_disk_before_it_takes_its_name(
    small: str, tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    backup(small, tmp_path / "copy.db")
    write_state(tmp_path / "state.json", State())
    assert events == [
        ("sync", "copy.db"), ("rename", "copy.db"), ("sync", tmp_path.name),
        ("sync", "state.json"), ("rename", "state.json"), ("sync", tmp_path.name),
    ]  # fmt: skip


def test_every_file_of_an_export_is_on_the_disk_before_the_folder_takes_its_name(
    small: str, tmp_path: Path, events: list[tuple[str, str]]
) -> None:
    export_catalog(small, tmp_path / "out", only=["models", "artifacts"])
    files = sorted(("sync", path.name) for path in (tmp_path / "out").iterdir())
    assert sorted(events[: len(files)]) == files and len(files) == 4
    assert events[len(files) :] == [("sync", "new"), ("rename", "out"), ("sync", tmp_path.name)]
    events.clear()
    export_catalog(small, tmp_path / "out", only=["models"])
    assert events[-2:] == [("sync", "new"), ("sync", tmp_path.name)], "the names are exchanged between the two"


def test_nobody_else_can_reach_a_draft_or_choose_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious", encoding="utf-8")
    (tmp_path / "new").symlink_to(tmp_path / "victim")
    with new_file(tmp_path / "new") as draft:
        assert draft.parent.stat().st_mode & 0o777 == 0o700
        draft.write_text("new", encoding="utf-8")
    assert (tmp_path / "victim").read_text(encoding="utf-8") == "precious"
    assert (tmp_path / "new").read_text(encoding="utf-8") == "new" and not (tmp_path / "new").is_symlink()


def test_a_link_named_like_a_draft_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("precious", encoding="utf-8")
    (tmp_path / f".hf-catalog.{2**22 + 1}.a.part").symlink_to(tmp_path / "victim")
    with new_file(tmp_path / "new") as draft:
        draft.write_text("new", encoding="utf-8")
    assert (tmp_path / "victim" / "file").read_text(encoding="utf-8") == "precious"


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, new_file(tmp_path / "none" / "file"):
        pass
    assert caught.value.filename == str(tmp_path / "none")

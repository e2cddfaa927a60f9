"""Folders that may hold anything: loops, pipes, folders without permission, names of any bytes, huge sidecars."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.local.find import find_local_artifact, find_local_artifacts, find_place
from analysis.local.records import LocalArtifact
from analysis.local.scan import MAX_DEPTH, MAX_SIDECAR_BYTES, Scan
from tests.local_models import write


def find(scan: Scan, folder: Path) -> list[LocalArtifact]:
    return list(find_local_artifacts(scan, folder, find_place(folder, [])))


def names(artifacts: list[LocalArtifact]) -> list[str]:
    return [each.name for each in artifacts]


def test_loops_of_links_end(tmp_path: Path) -> None:
    write(tmp_path / "a" / "m.gguf", b"1")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    scan = Scan()
    assert names(find(scan, tmp_path)) == ["a/m.gguf"]
    assert [problem.path.name for problem in scan.problems] == ["self"]


def test_pipes_and_devices_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "device.gguf").symlink_to("/dev/zero")
    write(tmp_path / "m.gguf", b"1")
    scan = Scan()
    assert names(find(scan, tmp_path)) == ["m.gguf"]
    assert find_local_artifact(scan, tmp_path / "pipe.gguf", find_place(tmp_path / "pipe.gguf", [])) is None


def test_what_can_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "closed" / "m.gguf", b"1")
    write(tmp_path / "open.gguf", b"1")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    scan = Scan()
    assert names(find(scan, tmp_path)) == ["open.gguf"]
    assert [(problem.path, problem.reason) for problem in scan.problems] == [(tmp_path / "closed", "Permission denied")]


def test_names_of_any_bytes_are_files_too(tmp_path: Path) -> None:
    bad = os.fsdecode(b"caf\xe9.gguf")
    for name in (bad, "new\nline.gguf", "-rf.gguf", "x" * 240 + ".gguf"):
        write(tmp_path / name, name.encode("utf-8", "surrogateescape"))
    scan = Scan()
    assert sorted(names(find(scan, tmp_path))) == sorted([bad, "new\nline.gguf", "-rf.gguf", "x" * 240 + ".gguf"])
    assert scan.problems == []


def test_folders_end_at_a_depth(tmp_path: Path) -> None:
    deep = tmp_path
    for at in range(MAX_DEPTH + 3):
        deep = deep / str(at)
        write(deep / "m.gguf", b"1")
    found = find(Scan(), tmp_path)
    assert max(name.count("/") for name in names(found)) == MAX_DEPTH


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"layers": 7}', b'{"layers": [7, null, {"digest": []}]}', b"\xff\xfe"]
)
def test_a_malformed_manifest_holds_nothing(text: bytes, tmp_path: Path) -> None:
    write(tmp_path / "manifests" / "hf.co" / "a" / "b" / "latest", text)
    (tmp_path / "blobs").mkdir()
    assert find(Scan(), tmp_path) == []


def test_a_manifest_names_no_file_outside_of_its_blobs(tmp_path: Path) -> None:
    write(tmp_path / "secret", b"1")
    layer = '{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../secret"}'
    write(tmp_path / "s" / "manifests" / "hf.co" / "a" / "b" / "latest", f'{{"layers": [{layer}]}}'.encode())
    (tmp_path / "s" / "blobs").mkdir()
    assert find(Scan(), tmp_path / "s") == []


def test_a_huge_sidecar_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "huggingface-metadata.txt", b"")
    os.truncate(path, MAX_SIDECAR_BYTES + 1)
    assert Scan().small_text(path) is None


def test_the_other_shards_of_a_named_one_are_found(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path / f"m-0000{number}-of-00003.gguf", bytes(number))
    write(tmp_path / "unrelated.gguf", b"1")
    path = tmp_path / "m-00002-of-00003.gguf"
    found = find_local_artifact(Scan(), path, find_place(path, []))
    assert found is not None and (found.size, len(found.files)) == (6, 3)

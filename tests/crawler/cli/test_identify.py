"""`hf-catalog identify` as its users call it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from analysis.fit.machines import Machine
from samplehub import SampleHub
from samplehub.server.server import read_catalog
from tests.crawler.cli.conftest import Ask
from tests.local_models import FILES, LAYOUTS, digest, make_hub, whole, write

KEYS = {
    "path", "store", "repo_id", "revision", "file", "quant", "size", "sha256", "state", "evidence", "license", "repos",
}  # fmt: skip
"""What each row has at least."""


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without models, whose laptop has 16 GB."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "OLLAMA_MODELS", "LLAMA_CACHE", "MODELS_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.setenv("HF_CATALOG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("crawler.cli.identify.this_machine", lambda: Machine(ram=16 * 10**9))
    monkeypatch.setattr("analysis.local.roots.platform.system", lambda: "Linux")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_file_is_described(hf_catalog: Ask, local_models: str, tmp_path: Path) -> None:
    data = FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q4_K_M.gguf"]
    path = write(tmp_path / "mine.gguf", data)
    [row] = hf_catalog("identify", str(path), "--db", local_models, "--json").json
    assert row.keys() >= KEYS
    assert (row["path"], row["store"], row["size"], row["sha256"]) == (str(path), "folder", len(data), digest(data))
    assert (row["repo_id"], row["file"], row["quant"]) == ("acme/Tiny-1B-GGUF", "Tiny-1B-Q4_K_M.gguf", "Q4_K_M")
    assert (row["state"], row["evidence"], row["license"]) == ("current", "sha256", "apache-2.0")
    assert row["repos"] == ["acme/Tiny-1B-GGUF", "mirror/Tiny-1B-GGUF"]


def test_without_a_path_all_stores_are_searched(hf_catalog: Ask, local_models: str, user: Path) -> None:
    places = {"huggingface": ".cache/huggingface/hub", "ollama": ".ollama/models", "lmstudio": ".lmstudio/models",
              "docker": ".docker/models", "jan": "jan/models", "gpt4all": ".cache/gpt4all"}  # fmt: skip
    placed = {store: LAYOUTS[store](user / folder) for store, folder in places.items()}
    rows = hf_catalog("identify", "--db", local_models, "--json").json
    assert {row["store"] for row in rows} == placed.keys()
    assert {row["state"] for row in rows} == {"current"}
    files = {file["path"] for row in rows for file in row["files"]}
    assert files == {str(each.path) for found in placed.values() for each in found}
    assert sum(row["savable_size"] for row in rows) > 0


def test_a_named_root_replaces_the_usual_one(hf_catalog: Ask, local_models: str, user: Path, tmp_path: Path) -> None:
    LAYOUTS["lmstudio"](user / ".lmstudio" / "models")
    LAYOUTS["lmstudio"](tmp_path / "moved")
    rows = hf_catalog("identify", "--root", f"lmstudio={tmp_path / 'moved'}", "--db", local_models, "--json").json
    assert rows and all(row["path"].startswith(str(tmp_path / "moved")) for row in rows)


def test_a_person_sees_states_copies_and_what_to_do(
    hf_catalog: Ask, local_models: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    write(tmp_path / "m" / "old.gguf", FILES["acme/Fixed-GGUF"]["Fixed-Q4_K_M.gguf"])
    for name in ("a.gguf", "b.gguf"):
        write(tmp_path / "m" / name, FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q6_K.gguf"])
    answer = hf_catalog("identify", str(tmp_path / "m"), "--db", local_models)
    lines = answer.out.splitlines()
    assert answer.status == 0
    assert all(len(line) <= 80 for line in lines[:5])
    assert lines[2].split()[:2] == ["a.gguf", "current"]
    assert lines[4].split()[:2] == ["old.gguf", "outdated"]
    assert "3 artifacts, 2.15 MB: 2 current, 1 outdated" in lines
    assert "Copies of other files take 0.801 MB:" in lines
    assert "  hf download acme/Fixed-GGUF Fixed-Q4_K_M.gguf" in lines


def test_quiet_prints_ids(hf_catalog: Ask, local_models: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.gguf", FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q6_K.gguf"])
    answer = hf_catalog("identify", str(path), "--db", local_models, "-q")
    assert (answer.out, answer.err) == ("acme/Tiny-1B-GGUF\n", "")


def test_nothing_is_hashed_or_opened_without_hashes(
    hf_catalog: Ask, local_models: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "Tiny-1B-Q6_K.gguf", FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q6_K.gguf"])
    monkeypatch.setattr("analysis.local.hash_files.hash_file", None)
    monkeypatch.setattr("analysis.formats.source.FileSource.read", None)
    [row] = hf_catalog("identify", str(path), "--no-hash", "--db", local_models, "--json").json
    assert (row["state"], row["evidence"], row["sha256"]) == ("current", "name", None)


def test_no_file_is_changed(hf_catalog: Ask, local_models: str, tmp_path: Path) -> None:
    LAYOUTS["lmstudio"](tmp_path / "m")
    before = {path: path.stat() for path in (tmp_path / "m").rglob("*")}
    hf_catalog("identify", str(tmp_path / "m"), "--db", local_models)
    after = {path: path.stat() for path in (tmp_path / "m").rglob("*")}
    kept = [(each.st_mtime_ns, each.st_size, each.st_ino) for each in before.values()]
    assert [(each.st_mtime_ns, each.st_size, each.st_ino) for each in after.values()] == kept


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["/no/such/file.gguf"], 1, "/no/such/file.gguf: no such file or folder"),
        (["/dev/null"], 1, "/dev/null: is no regular file"),
        (["--root", "nowhere=/tmp"], 2, "'nowhere=/tmp' is not STORE=PATH with one of the stores huggingface, ollama"),
        (["--root", "ollama=/no/such"], 2, "'/no/such' is no folder"),
    ],
)
def test_wrong_paths_are_refused(
    words: list[str], status: int, message: str, hf_catalog: Ask, local_models: str
) -> None:
    answer = hf_catalog("identify", *words, "--db", local_models)
    assert answer.status == status
    assert message in answer.err


def test_an_empty_folder_is_no_error(hf_catalog: Ask, local_models: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    answer = hf_catalog("identify", str(tmp_path / "empty"), "--db", local_models)
    assert (answer.status, answer.out) == (0, "")
    assert hf_catalog("identify", str(tmp_path / "empty"), "--db", local_models, "--json").json == []


def test_hostile_names_do_not_reach_the_terminal(hf_catalog: Ask, local_models: str, tmp_path: Path) -> None:
    write(tmp_path / "m" / "\x1b[31mred.gguf", b"1")
    answer = hf_catalog("identify", str(tmp_path / "m"), "--db", local_models)
    assert "\x1b" not in answer.out
    assert "red.gguf" in answer.out


def test_names_that_are_no_text_are_no_error(hf_catalog: Ask, local_models: str, tmp_path: Path) -> None:
    bad = os.fsdecode(b"caf\xe9")
    data = FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q6_K.gguf"]
    write(tmp_path / "m" / bad / bad / f"{bad}.gguf", data)
    write(tmp_path / "m" / f"models--{bad}--{bad}" / "snapshots" / bad / "x.gguf", b"unknown")
    answer = hf_catalog("identify", str(tmp_path / "m"), "--db", local_models, "--json")
    assert sorted((row["state"], row["repo_id"]) for row in answer.json if row["repo_id"]) == [
        ("current", "acme/Tiny-1B-GGUF")
    ]
    assert len(answer.json) == 2
    assert hf_catalog("identify", str(tmp_path / "m"), "--db", local_models, "--no-hash").status == 0


def test_the_hub_is_asked_for_what_the_catalog_lacks(
    hf_catalog: Ask, local_models: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"GGUF of a new repo"
    write(tmp_path / "new" / "Model-GGUF" / "Model-Q4_0.gguf", data)
    words = ("identify", "--root", f"lmstudio={tmp_path}", str(tmp_path / "new"), "--db", local_models, "--json")
    with SampleHub(catalog=make_hub()) as sample:
        sample.catalog.add("new/Model-GGUF", {"Model-Q4_0.gguf": whole(data)})
        monkeypatch.setenv("HF_ENDPOINT", sample.endpoint)
        [unknown] = hf_catalog(*words).json
        assert list(sample.requests) == []
        [row] = hf_catalog(*words, "--online").json
        assert [request.target.partition("?")[0] for request in sample.requests] == ["/api/models/new/Model-GGUF"]
    assert (unknown["state"], unknown["repo_id"]) == ("unknown", None)
    assert (row["state"], row["repo_id"], row["quant"]) == ("current", "new/Model-GGUF", "Q4_0")


@pytest.mark.parametrize(
    ("path", "ram", "kind", "text"),
    [
        (
            "Qwen3-8B-Q3_K_S.gguf",
            16,
            "quality",
            "Q8_0 of Qwen/Qwen3-8B-GGUF, 8.71 GB: less quality loss, and it runs on",
        ),
        (
            "Qwen3-8B-Q2_K_L.gguf",
            16,
            "size",
            "IQ2_M of bartowski/Qwen_Qwen3-8B-GGUF, 3.05 GB: no more loss in 0.838 GB",
        ),
        ("Qwen3-8B-BF16.gguf", 8, "fit", "Q4_K_S of unsloth/Qwen3-8B-GGUF, 4.8 GB: the local file does not fit"),
        ("Qwen3-8B-Q4_K_M.gguf", 8, None, ""),
    ],
)
def test_what_would_be_better_on_this_machine_is_named(
    path: str, ram: int, kind: str | None, text: str, hf_catalog: Ask, demo: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("crawler.cli.identify.this_machine", lambda: Machine(ram=ram * 10**9))
    repo = read_catalog(None)["unsloth/Qwen3-8B-GGUF"]
    content = repo.files[path]
    cached = tmp_path / "hub" / "models--unsloth--Qwen3-8B-GGUF"
    blob = write(cached / "blobs" / content.digest, content.head())
    os.truncate(blob, content.size)
    link = cached / "snapshots" / repo.sha / path
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    [row] = hf_catalog("identify", str(tmp_path / "hub"), "--db", str(demo), "--json").json
    advice: dict[str | None, Any] = {each["kind"]: each for each in row["advice"]}
    assert row["state"] == "current"
    if kind is None:
        assert advice == {}
    else:
        assert advice[kind]["text"].startswith(text)
        assert advice[kind]["command"].startswith("hf download ")


def test_hashing_shows_its_progress_on_a_terminal(
    hf_catalog: Ask, local_models: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x.gguf", FILES["acme/Tiny-1B-GGUF"]["Tiny-1B-Q6_K.gguf"])
    monkeypatch.setattr("crawler.cli.printer.Printer.shows_progress", True)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # rich draws as on a terminal
    shown = hf_catalog("identify", str(path), "--db", local_models, "-q").err
    assert "Hashing 1 file " in shown
    assert "801.2/801.2 kB" in shown and "0:00:00" in shown

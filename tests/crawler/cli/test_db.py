"""`hf-catalog db`, `search` and `similar` as people call them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.crawler.cli.conftest import Ask
from tests.small_catalog import build

QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "catalog.db"
    build(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    return path


@pytest.fixture
def small(built: Path, tmp_path: Path) -> str:
    """A small catalog of this test's own."""
    return str(shutil.copy(built, tmp_path / "catalog.db"))


# ---- db -------------------------------------------------------------------------------------------------------------


def test_a_whole_catalog_passes(hf_catalog: Ask, small: str) -> None:
    said = hf_catalog("db", "check", "--db", small)
    assert said.status == 0 and "passed every check" in said.err
    assert all(row["ok"] for row in hf_catalog("db", "check", "--db", small, "--json").json)


def test_a_broken_one_fails_and_says_where(hf_catalog: Ask, small: str) -> None:
    with closing(sqlite3.connect(small)) as connection:
        connection.execute("delete from repos where id = 1")
        connection.commit()
    said = hf_catalog("db", "check", "--db", small)
    assert said.status == 1
    assert "foreign keys" in said.err and "hf-catalog db restore" in said.err
    assert "refer to rows that do not exist" in said.out


@pytest.mark.parametrize("command", ["check", "stats", "current", "backup", "optimize", "prune", "upgrade"])
def test_no_catalog_is_exit_status_3_and_none_is_made(hf_catalog: Ask, tmp_path: Path, command: str) -> None:
    said = hf_catalog("db", command, "--db", str(tmp_path / "none.db"))
    assert said.status == 3 and "no catalog at" in said.err
    assert list(tmp_path.iterdir()) == []


def test_current_and_upgrade(hf_catalog: Ask, small: str) -> None:
    result = hf_catalog("db", "current", "--db", small, "--json").json
    assert (result["state"], result["revision"]) == ("current", result["needed"])
    assert "nothing to do" in hf_catalog("db", "upgrade", "--db", small).out


def test_a_newer_catalog(hf_catalog: Ask, small: str) -> None:
    with closing(sqlite3.connect(small)) as connection:
        connection.execute("update alembic_version set version_num = '0099_future'")
        connection.commit()
    assert hf_catalog("db", "current", "--db", small, "--json").json["state"] == "newer"
    for command in (("db", "upgrade"), ("db", "stats"), ("search", "gemma"), ("similar", QAT)):
        said = hf_catalog(*command, "--db", small)
        assert said.status == 3 and "newer hf-catalog" in said.err


def test_backup_and_restore(hf_catalog: Ask, small: str, tmp_path: Path) -> None:
    copied = str(tmp_path / "saved.db")
    assert hf_catalog("db", "backup", copied, "--db", small, "-q").out.strip() == copied
    again = hf_catalog("db", "backup", copied, "--db", small)
    assert again.status == 3 and "--force" in again.err
    Path(small).write_bytes(b"gone wrong")
    restored = hf_catalog("db", "restore", copied, "--db", small)
    assert restored.status == 0 and "The replaced catalog" in restored.err
    assert hf_catalog("db", "check", "--db", small).status == 0


def test_stats(hf_catalog: Ask, small: str) -> None:
    result = hf_catalog("db", "stats", "--db", small, "--json").json
    assert {entry["table"]: entry["rows"] for entry in result["tables"]}["repos"] == 14
    assert "repos" in hf_catalog("db", "stats", "--db", small).out


def test_prune_and_optimize(hf_catalog: Ask, small: str) -> None:
    rehearsed = hf_catalog("db", "prune", "--db", small, "--daily", "1d", "--events", "0s", "--dry-run", "--json").json
    assert rehearsed["dry_run"] is True
    done = hf_catalog("db", "prune", "--db", small, "--daily", "1d", "--events", "0s", "--json").json
    assert {**done, "dry_run": True} == rehearsed
    assert "file compacted" in hf_catalog("db", "optimize", "--db", small, "--vacuum").out
    assert hf_catalog("db", "check", "--db", small).status == 0


def test_copy(hf_catalog: Ask, small: str, tmp_path: Path) -> None:
    copied = str(tmp_path / "copy.db")
    rows = hf_catalog("db", "copy", small, copied, "--json").json
    assert {row["table"]: row["rows"] for row in rows}["repos"] == 14
    assert hf_catalog("db", "copy", small, copied).status == 3
    assert hf_catalog("db", "check", "--db", copied).status == 0


# ---- search and similar ---------------------------------------------------------------------------------------------


def test_search(hf_catalog: Ask, small: str) -> None:
    rows = hf_catalog("search", "gemma qat 4b", "--db", small, "--json").json["rows"]
    assert [row["repo_id"] for row in rows] == [QAT]
    assert rows[0]["quant"] == "Q4_0" and rows[0]["score"] > 3
    several = hf_catalog("search", "gemma", "4b", "--db", small, "-q").out.split()
    assert QAT in several and len(several) == 5
    assert hf_catalog("search", "gemma", "--db", small, "--limit", "2", "-q").out.count("\n") == 2


def test_search_takes_words_as_people_type_them(hf_catalog: Ask, small: str) -> None:
    rows = hf_catalog("search", "gemma3 4b qat", "--db", small, "--json").json["rows"]
    assert [(row["repo_id"], row["base"]) for row in rows] == [(QAT, "google/gemma-3-4b-it")]
    misspelled = hf_catalog("search", "gema 4b qat", "--db", small)
    assert QAT in misspelled.out and "'gemma' looked for as well" in misspelled.err


def test_search_names_what_is_not_shown(hf_catalog: Ask, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.catalog.search.MAX_COPIES", 1)
    few = hf_catalog("search", "gemma", "--db", small)
    assert few.out.count("gemma-3-4b-it") == 1
    assert "4 more copies of google/gemma-3-4b-it match; --all shows them." in few.err
    assert len(hf_catalog("search", "gemma", "--all", "--db", small, "-q").out.splitlines()) == 5


def test_search_that_finds_nothing_says_why(hf_catalog: Ask, small: str) -> None:
    said = hf_catalog("search", "gemma frobnicate", "--db", small)
    assert (said.status, said.out) == (0, "") and "'frobnicate'" in said.err
    answer = hf_catalog("search", "gemma frobnicate", "--db", small, "--json").json
    assert (answer["rows"], answer["unknown"], answer["corrected"]) == ([], ["frobnicate"], {})
    assert hf_catalog("search", "!!!", "--db", small).status == 2


def test_similar_distinguishes_proof_from_hint(hf_catalog: Ask, small: str) -> None:
    rows = hf_catalog("similar", "unsloth/gemma-3-4b-it-GGUF", "--db", small, "--json").json
    copies = [row for row in rows if row["why"] == "same weights"]
    assert [(row["repo_id"], row["artifact"]) for row in copies] == [
        ("bartowski/google_gemma-3-4b-it-GGUF", "gemma-3-4b-it-Q8_0.gguf")
    ]
    assert copies[0]["shared_size"] == 4_130_402_464 and copies[0]["earlier"] is True
    hints = [row for row in rows if row not in copies]
    assert hints and all(row["why"] in ("like name", "same name") and row["shared_size"] is None for row in hints)
    assert rows[: len(copies)] == copies


def test_similar_to_what_is_not_there(hf_catalog: Ask, small: str) -> None:
    said = hf_catalog("similar", "gogle/gemma-3-4b-it", "--db", small)
    assert said.status == 1 and "google/gemma-3-4b-it" in said.err

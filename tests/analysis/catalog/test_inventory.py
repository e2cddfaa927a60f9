"""The inventory of a list of models: how lists are read, and what is said of each entry, on both engines."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.catalog.inventory import InventoryItem, judge_status, parse_list, take_inventory
from analysis.errors import UnknownColumn
from analysis.query.reader import CatalogReader
from tests.small_catalog import SECOND

GEMMA = "google/gemma-3-4b-it"
GGUF = "bartowski/google_gemma-3-4b-it-GGUF"


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def take(reader: CatalogReader, *entries: str) -> list[InventoryItem]:
    return list(take_inventory(reader, entries))


@pytest.mark.parametrize(
    ("text", "column", "entries"),
    [
        ("a/b\n\n# why\n c/d \na/b\n", None, ["a/b", "c/d"]),
        ("hf.co/a/b, the first\n", None, ["hf.co/a/b, the first"]),
        ("name,repo_id\nx,a/b\ny,c/d\nz,\nshort\n", None, ["a/b", "c/d"]),
        ("Base;n\na/b;1\n", "base", ["a/b"]),
        ('model\tnote\n"a/b"\tx,y\n', None, ["a/b"]),
        ("id\na/b\n", None, ["a/b"]),
        ("", None, []),
    ],
)
def test_lists_are_lines_or_a_column(text: str, column: str | None, entries: list[str]) -> None:
    assert parse_list(text, column) == entries


def test_a_column_that_is_not_there_is_an_error_that_names_the_others() -> None:
    with pytest.raises(UnknownColumn) as caught:
        parse_list("a,b\n1,2\n", "c")
    assert caught.value.hint == "its columns are: a, b"


MODEL = {"repo_id": "new/name", "hub_id": "f" * 24, "status": "available", "gated": None, "sha": "ab" * 20}


@pytest.mark.parametrize(
    ("requested", "revision", "values", "status"),
    [
        ("New/Name", None, {}, "current"),
        ("f" * 24, None, {}, "current"),
        ("new/name", "main", {}, "current"),
        ("new/name", "ABABABA", {}, "current"),
        ("new/name", "ab" * 19 + "ac", {}, "outdated"),
        ("new/name", "4.0bpw", {}, "unknown"),
        ("new/name", "ab" * 20, {"sha": None}, "unknown"),
        ("new/name", None, {"gated": "auto"}, "gated"),
        ("new/name", "0" * 40, {"gated": "auto"}, "outdated"),
        ("old/name", "0" * 40, {}, "renamed"),
        ("old/name", None, {"status": "private"}, "private"),
        ("old/name", None, {"status": "gone"}, "gone"),
    ],
)
def test_the_gravest_that_holds_is_the_status(
    requested: str, revision: str | None, values: dict[str, Any], status: str
) -> None:
    assert judge_status(requested, revision, MODEL | values)[0] == status


def test_an_entry_has_what_the_catalog_knows(reader: CatalogReader) -> None:
    (found,) = take(reader, f"https://huggingface.co/{GGUF}")
    assert found.row() == {
        "input": f"https://huggingface.co/{GGUF}",
        "repo_id": GGUF,
        "status": "current",
        "revision": None,
        "current_revision": f"{3:040x}",
        "license": "gemma",
        "kind": "quantized",
        "base": [GEMMA],
        "size": 4_130_402_464 + 2_489_758_112 + 1_728_912_672 + 4_000_000 + 1200,
        "formats": ["gguf"],
        "last_modified": "2026-10-03T00:00:00.000Z",
        "findings": [],
        "note": None,
    }


def test_the_size_is_that_of_what_is_named(reader: CatalogReader) -> None:
    file, scheme, no_file, no_scheme, unlisted = take(
        reader, f"{GGUF}::google_gemma-3-4b-it-Q2_K.gguf", f"hf.co/{GGUF}:Q4_K_M", f"{GGUF}::no.gguf", f"{GGUF}:Q6_K",
        "someone/plain-writer-1b::model.safetensors",
    )  # fmt: skip
    assert (file.size, scheme.size) == (1_728_912_672, 2_489_758_112)
    assert (no_file.status, no_file.size, no_file.note) == ("missing", None, "it has no file no.gguf")
    assert (no_scheme.status, no_scheme.note) == ("missing", "it has no files of Q6_K")
    assert (unlisted.status, unlisted.size) == ("current", None)


def test_kinds_follow_files_before_declarations(reader: CatalogReader) -> None:
    ids = ("meta-llama/Llama-3.1-8B-Instruct", "somebody/llama-3.1-8b-lora", "someone/plain-writer-1b", GGUF)
    assert [item.kind for item in take(reader, *ids)] == ["original", "adapter", "unknown", "quantized"]


def test_typos_are_missing_with_suggestions(reader: CatalogReader) -> None:
    typo, gone = take(reader, "google/gemma-3-4b-itt", "old/vanished-7b")
    assert (typo.repo_id, typo.status) == (None, "missing") and GEMMA in (typo.note or "")
    assert (gone.repo_id, gone.status) == ("old/vanished-7b", "gone")


def test_only_what_changed_since_and_what_is_absent(reader: CatalogReader) -> None:
    ids = [GEMMA, "someone/plain-writer-1b", "old/vanished-7b", "no/such"]
    late = list(take_inventory(reader, ids, SECOND))
    assert [item.input for item in late] == ids[2:]
    assert late[0].note == "changed: gone"
    modified = list(take_inventory(reader, ids[:2], SECOND - timedelta(days=25)))
    assert [(item.repo_id, item.note) for item in modified] == [(ids[1], "changed: modified")]


def test_renames_are_followed(small: str, tmp_path: Path) -> None:
    db = tmp_path / "renamed.db"
    shutil.copy(small, db)
    with sqlite3.connect(db) as catalog:
        catalog.execute(
            "insert into aliases (repo, repo_id, until) select id, 'google/old-name', first_seen from repos"
            " where repo_id = ?",
            (GEMMA,),
        )
    catalog.close()
    with CatalogReader(str(db)) as reader:
        (found,) = take(reader, "google/old-name")
    assert (found.repo_id, found.status) == (GEMMA, "renamed")
    assert found.note == "renamed from google/old-name; access must be requested"


@pytest.mark.parametrize("status", ["private", "disabled"])
def test_a_missing_file_does_not_hide_that_its_repo_can_not_be_had(small: str, tmp_path: Path, status: str) -> None:
    db = Path(shutil.copy(small, tmp_path / "catalog.db"))
    with sqlite3.connect(db) as connection:
        connection.execute("update repos set status = ? where repo_id = ?", (status, GGUF))
    connection.close()
    with CatalogReader(db) as reader:
        (item,) = take(reader, f"{GGUF}::none.gguf")
    assert (item.status, item.note) == ("missing", f"the repo is {status}; it has no file none.gguf")


def test_a_long_list_takes_a_few_queries_for_each_batch(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not some for each entry, and of many missing ones only the first get suggestions."""
    with CatalogReader(small) as reader:
        ids = [row["repo_id"] for row in reader.all("select repo_id from models order by repo_id")]
        alone = [item for each in ids for item in take(reader, each, f"{each}:Q4_K_M", f"{each}::config.json")]
        asked: list[str] = []
        query = CatalogReader.all

        def count(self: CatalogReader, sql: str, *values: Any) -> list[dict[str, Any]]:
            asked.append(sql)
            return query(self, sql, *values)

        monkeypatch.setattr(CatalogReader, "all", count)
        entries = [text for each in ids for text in (each, f"{each}:Q4_K_M", f"{each}::config.json")]
        assert list(take_inventory(reader, entries)) == alone
        assert len(asked) < 10
        missing = [f"no/such-{at}" for at in range(60)]
        found = list(take_inventory(reader, missing))
    assert [item.status for item in found] == ["missing"] * 60
    assert sum("from repos where type = 'model'" in sql for sql in asked) <= 2 * 10

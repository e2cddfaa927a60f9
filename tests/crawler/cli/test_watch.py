"""`hf-catalog watch`: its commands, what they refuse, and that no secret is kept or printed."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from pathlib import Path

import pytest

from crawler.cli.errors import DONE, NO, USAGE
from db.watches import watch_file
from tests.crawler.cli.conftest import Ask

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


@pytest.fixture
def catalog(small: str, tmp_path: Path) -> str:
    return str(shutil.copy(small, tmp_path / "catalog.db"))


def test_the_commands(catalog: str, hf_catalog: Ask) -> None:
    db = ("--db", catalog)
    assert hf_catalog("watch", "add", "gemma", "--family", "gemma", "--max-size", "8GB", *db).status == DONE
    assert hf_catalog("watch", "add", "gemma", *db).status == USAGE  # there is one
    (row,) = hf_catalog("watch", "ls", "--json", *db).json
    assert row["watch"] == "gemma" and "gemma" in row["condition"] and row["to"] == "print"
    assert hf_catalog("watch", "test", "gemma", "--json", *db).json["matches"] > 0
    assert hf_catalog("watch", "run", "--json", *db).json == []
    missing = hf_catalog("watch", "rm", "gema", *db)
    assert missing.status == NO and "gemma" in missing.err
    assert hf_catalog("watch", "rm", "gemma", *db).status == DONE
    assert hf_catalog("watch", "ls", "-q", *db).out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Bad Name",), "lower-case"),
        (("w", "--family", "gema"), "gemma"),
        (("w", "--sql", "select 1", "--query", "gated"), "choose one"),
        (("w", "--sql", "select 1", "--family", "gemma"), "choose one"),
        (("w", "-p", "a", "b"), "--query"),
        (("w", "--to", "https://example.org/?key=1"), "secret"),
    ],
)
def test_wrong_watches_are_refused(catalog: str, hf_catalog: Ask, arguments: tuple[str, ...], said: str) -> None:
    refused = hf_catalog("watch", "add", *arguments, "--db", catalog)
    assert refused.status == USAGE and said in refused.err
    assert not watch_file(catalog).exists()


def test_sql_that_writes_is_refused(catalog: str, hf_catalog: Ask) -> None:
    assert hf_catalog("watch", "add", "w", "--sql", "delete from repos", "--db", catalog).status == NO


def test_no_secret_is_stored_printed_or_warned_of(
    catalog: str, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM", "http://127.0.0.1:1/geheim")
    monkeypatch.setenv("TEAM_SECRET", SECRET)
    added = hf_catalog("watch", "add", "w", "--sql", "select sha from models", "--to", "env:TEAM", "--db", catalog)
    with sqlite3.connect(catalog) as connection:
        connection.execute("update repos set sha = 'abc' where id = 1")
    failed = hf_catalog("watch", "run", "--db", catalog)
    said = failed.out + failed.err + hf_catalog("watch", "ls", "--json", "--db", catalog).out
    said += hf_catalog("watch", "show", "w", "--json", "--db", catalog).out
    assert added.status == DONE and failed.status == NO and "geheim" not in said and SECRET not in said
    stored = watch_file(catalog).read_bytes()
    assert b"geheim" not in stored and SECRET.encode() not in stored

"""A catalog.db that somebody else made, opened by a user: no command hangs, runs what is in it, or fails internally."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis.text import UNPRINTABLE
from db.maintain.check import check
from tests.crawler.cli.conftest import Answer, Ask, hf_catalog

__all__ = ["hf_catalog"]

QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"
IT = "google/gemma-3-4b-it"
ESCAPES = "\x1b]8;;http://evil.example\x1b\\\x07\r\n\u202e\u200b\x9b31m\ufeff\U000e0041\ud7ff"

MAX_SECONDS = 20.0
"""Seconds of processor time that a command may take on a hostile catalog, on a slow machine that imports pandas."""


def run_sql(path: Path, statements: Sequence[str | tuple[str, tuple[object, ...]]]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for pragma in ("foreign_keys=off", "ignore_check_constraints=on", "legacy_alter_table=on"):
            connection.execute(f"pragma {pragma}")
        for each in statements:
            connection.execute(*((each,) if isinstance(each, str) else each))
        connection.commit()


def make_lax(path: Path) -> None:
    """Makes the tables of a catalog accept values of every type, as a catalog of another program's making may."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma writable_schema=on")
        for option in (",\n STRICT", "STRICT"):
            connection.execute("update sqlite_master set sql = replace(sql, ?, '') where type = 'table'", (option,))
        connection.commit()


def set_all(path: Path, value: object, types: tuple[str, ...]) -> None:
    """Puts a value in every column of some types."""
    make_lax(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma ignore_check_constraints=on")
        tables = "select name from sqlite_master where type = 'table' and name not like 'search%' and name not like "
        for (table,) in connection.execute(f"{tables} 'sqlite%' and name <> 'alembic_version'").fetchall():
            for _, name, kind, _, _, key in connection.execute(f"pragma table_info({table})").fetchall():
                if kind in types and not key and name != "hub_id":
                    try:
                        connection.execute(f'update {table} set "{name}" = ?', (value,))
                    except sqlite3.IntegrityError:
                        continue  # unique
        connection.commit()


HARMS: dict[str, Callable[[Path], None]] = {
    "text in columns of numbers": lambda path: set_all(path, "many", ("INTEGER", "REAL")),
    "negative numbers": lambda path: set_all(path, -(2**63), ("INTEGER", "REAL")),
    "the largest numbers": lambda path: set_all(path, 2**63 - 1, ("INTEGER",)),
    "infinity": lambda path: set_all(path, float("inf"), ("REAL", "INTEGER")),
    "numbers in columns of text": lambda path: set_all(path, 17, ("TEXT",)),
    "bytes in columns of text": lambda path: set_all(path, b"\xff\x00\xfe", ("TEXT",)),
    "terminal escapes": lambda path: set_all(path, ESCAPES.encode("utf-8", "replace").decode(), ("TEXT",)),
    "malformed JSON": lambda path: set_all(path, '{"a":[', ("TEXT",)),
    "JSON of another kind": lambda path: set_all(path, '"text"', ("TEXT",)),
    "JSON that is deep": lambda path: set_all(path, "[" * 20_000, ("TEXT",)),
    "JSON of NUL bytes": lambda path: set_all(path, "\0[]\0", ("TEXT",)),
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "ls": ("models", "ls"),
    "ls as CSV": ("models", "ls", "--csv"),
    "ls as JSON lines": ("models", "ls", "--nl"),
    "info": ("models", "info", QAT),
    "tree": ("models", "tree", IT),
    "search": ("search", "gemma"),
    "similar": ("similar", QAT),
    "compare": ("compare", QAT, IT),
    "fits": ("fits", "--vram", "24GB"),
    "changes": ("changes",),
    "feed": ("changes", "--format", "atom"),
    "status": ("status",),
    "query": ("query", "select * from models", "--csv"),
    "saved query": ("query", "orphans"),
    "export": ("export", "exported", "--only", "models", "--only", "changes"),
    "stats": ("db", "stats"),
    "check": ("db", "check"),
    "doctor": ("doctor", "--offline"),
}


def check_answer(answer: Answer, name: str) -> None:
    """Fails where a command ended in an internal error, or wrote what a terminal would run."""
    assert answer.status in (0, 1, 3), (name, answer)
    assert "internal error" not in answer.err and "Traceback" not in answer.err, (name, answer.err)
    for line in (answer.out + answer.err).replace("\r\n", "\n").split("\n"):
        assert not UNPRINTABLE.search(line.replace("\t", " ")), (name, line)


@pytest.mark.parametrize("harm", HARMS)
def test_values_that_no_column_can_hold_end_no_command_as_a_bug(
    harm: str, small: str, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Path(shutil.copy(small, tmp_path / "catalog.db"))
    HARMS[harm](db)
    monkeypatch.chdir(tmp_path)
    for name, words in COMMANDS.items():
        before = time.process_time()
        answer = hf_catalog(*words, "--db", str(db))
        assert time.process_time() - before < MAX_SECONDS, name
        check_answer(answer, name)
        if name == "feed" and answer.status == 0:
            ElementTree.fromstring(answer.out)
    found = {finding.check: finding for finding in check(db)}
    assert found["definitions"].ok is False, "its tables accept every type"
    assert found["values"].ok is False or harm == "terminal escapes", found

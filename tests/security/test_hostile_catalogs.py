"""A catalog.db that someone else made, opened by a user: no command hangs, runs what is in it, or fails internally."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from analysis.catalog.lineage import lineage_trees
from analysis.query.reader import CatalogReader
from analysis.text import UNPRINTABLE
from db.errors import QueryTimeout
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
    "check": ("db", "check", "--json"),
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
        if name == "check":
            found = {finding["check"]: finding["ok"] for finding in answer.json}
            assert found["definitions"] is False, "its tables accept every type"
            assert found["values"] is False or harm == "terminal escapes", found


# ---- lineage that never ends -----------------------------------------------------------------------------------------


def add_edges(*selects: str) -> Callable[[Path], None]:
    """Adds what these select as edges: of a repo, to a parent."""
    return lambda path: run_sql(
        path, [f"insert or ignore into edges select id, {each}, 'finetune', 'card', 1 from repos" for each in selects]
    )


def add_chain(path: Path, length: int = 10_000) -> None:
    """Adds repos that are copies of the first, each made from the next one."""
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute("pragma table_info(repos)")]
        own = {"id": "1000000 + n.i", "hub_id": "printf('f%023x', n.i)", "repo_id": "'chain/m' || n.i"}
        values = ", ".join(own.get(name, f'r."{name}"') for name in names)
        connection.execute(
            f"with recursive n (i) as (select 1 union all select i + 1 from n where i < {length})"
            f" insert into repos select {values} from n, (select * from repos where repo_id = '{IT}') r"
        )
        connection.execute(
            "insert into edges select id, 'chain/m' || (id - 1000000 + 1), 'finetune', 'card', 1 from repos"
            " where id > 1000000"
        )
        connection.commit()


LINEAGES: dict[str, Callable[[Path], None]] = {
    "a model of itself": add_edges("repo_id"),
    "two models of each other": add_edges(f"case repo_id when '{IT}' then '{QAT}' else '{IT}' end"),
    "every model of every other": lambda path: run_sql(
        path, ["insert or ignore into edges select r.id, o.repo_id, 'merge', 'card', 1 from repos r, repos o"]
    ),
    "a chain of 10,000 models": add_chain,
}
WALKS: dict[str, tuple[str, ...]] = {
    "tree": ("models", "tree", QAT),
    "tree of a chain": ("models", "tree", "chain/m5000"),
    "info": ("models", "info", QAT),
    "compare": ("compare", QAT, IT),
    "ancestors": ("query", "ancestors", "-p", "model", QAT, "--timeout", "5s"),
    "all ancestors": ("query", "select count(*) from lineage", "--timeout", "1s"),
}


@pytest.mark.parametrize("lineage", LINEAGES)
def test_a_lineage_without_end_ends(lineage: str, small: str, tmp_path: Path, hf_catalog: Ask) -> None:
    db = Path(shutil.copy(small, tmp_path / "catalog.db"))
    LINEAGES[lineage](db)
    for name, words in WALKS.items():
        before = time.process_time()
        answer = hf_catalog(*words, "--db", str(db))
        assert time.process_time() - before < MAX_SECONDS, name
        check_answer(answer, name)


def test_the_trees_of_a_report_end_too(small: str, tmp_path: Path) -> None:
    db = Path(shutil.copy(small, tmp_path / "catalog.db"))
    for change in LINEAGES.values():
        change(db)
    with CatalogReader(db) as reader:
        assert all(isinstance(branch.descendants, int) for branch in lineage_trees(reader, "gemma"))


# ---- definitions of another person -----------------------------------------------------------------------------------

ENDLESS_VIEW = (
    "drop view models",
    "create view models as with recursive n (i) as (select 1 union all select i + 1 from n) select i as repo_id from n",
)
PLANTED: dict[str, tuple[str, ...]] = {
    "an endless view": ENDLESS_VIEW,
    "a view that misleads": ("drop view families", "create view families as select 'safe' as family"),
    "a deleting trigger": ("create trigger t after insert on tags begin delete from repos; end",),
    "a trigger instead of a view": ("create trigger t instead of insert on models begin delete from repos; end",),
    "a table without rules": ("drop table evaluations", "create table evaluations (repo, task, value)"),
    "a column with a default that runs": ("alter table crawl_locks add column evil text default (hex(randomblob(9)))",),
    "an index that is not there": ("drop index ix_edges_parent",),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_definition_of_another_person_is_found(planted: str, small: str, tmp_path: Path, hf_catalog: Ask) -> None:
    db = Path(shutil.copy(small, tmp_path / "catalog.db"))
    run_sql(db, PLANTED[planted])
    before = time.process_time()
    answer = hf_catalog("db", "check", "--db", str(db), "--json")
    assert time.process_time() - before < MAX_SECONDS
    assert answer.status == 1, answer
    assert "definitions" in {finding["check"] for finding in answer.json if finding["ok"] is False}


def test_a_view_without_end_ends_at_the_deadline(small: str, tmp_path: Path) -> None:
    db = Path(shutil.copy(small, tmp_path / "catalog.db"))
    run_sql(db, ENDLESS_VIEW)
    with pytest.raises(QueryTimeout), CatalogReader(db, timeout=0.2) as reader:
        reader.all("select count(*) from models")


RUNNING = {
    "a program": "create view v as select load_extension('/tmp/x.so')",
    "a file": "create view v as select readfile('/etc/passwd')",
    "another file": "create view v as select writefile('stolen', 'x')",
    "the tokenizer of the index": "create view v as select fts3_tokenizer('simple')",
    "a view of itself": "create view v as select * from w; create view w as select * from v",
    "settings": "create view v as select * from pragma_database_list",
}


@pytest.mark.parametrize("planted", RUNNING)
def test_a_view_of_another_person_runs_nothing(planted: str, small: str, tmp_path: Path, hf_catalog: Ask) -> None:
    db = Path(shutil.copy(small, tmp_path / "catalog.db"))
    run_sql(db, RUNNING[planted].split("; "))
    answer = hf_catalog("query", "select * from v", "--db", str(db))
    assert answer.status in (1, 3) and "internal error" not in answer.err
    assert "root:" not in answer.out and str(tmp_path) not in answer.out
    assert all(path.name.startswith("catalog.db") for path in tmp_path.iterdir())

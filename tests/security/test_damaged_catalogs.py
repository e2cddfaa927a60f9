"""A catalog that is damaged, or that someone else made: every command that reads it says so and ends with status 3."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from analysis.publish.table_files import write_csv
from crawler.cli.printer import Printer
from tests.crawler.cli.conftest import Ask, hf_catalog
from tests.servers import PostgreSQL, database_of
from tests.small_catalog import build

__all__ = ["hf_catalog"]

PAGE_BYTES = 4096
QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole catalog without a log."""
    path = tmp_path_factory.mktemp("whole") / "catalog.db"
    build(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode=delete")
        assert connection.execute("pragma page_size").fetchone() == (PAGE_BYTES,)
    return path


def zero_page(path: Path, table: str) -> None:
    """Overwrites the first page of a table with zeros."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("select rootpage from sqlite_master where name = ?", (table,)).fetchone()
    with path.open("rb+") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))


def truncate(path: Path, size: int) -> None:
    os.truncate(path, size)


def replace_start(path: Path) -> None:
    """Overwrites the schema's page, its first hundred bytes aside."""
    with path.open("rb+") as file:
        file.seek(100)
        file.write(b"\xa5" * (PAGE_BYTES - 100))


def change_schema(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"pragma legacy_alter_table=on; pragma foreign_keys=off; {sql}")


def replace_database(path: Path) -> None:
    path.unlink()
    change_schema(path, "create table notes (text)")


def damage_log(path: Path) -> None:
    """Leaves a write-ahead log whose frames are zeros, as a loss of power may."""
    log = path.with_name(f"{path.name}-wal")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("update repos set likes = likes + 1")
        connection.commit()
        database, held = path.read_bytes(), log.read_bytes()
    path.write_bytes(database)  # closing wrote the log into it
    log.write_bytes(held[:200] + bytes(len(held) - 200))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a page of zeros": lambda path: zero_page(path, "repos"),
    "an index of zeros": lambda path: zero_page(path, "sqlite_autoindex_repos_1"),
    "half a file": lambda path: truncate(path, path.stat().st_size // 2),
    "less than a page": lambda path: truncate(path, 700),
    "a schema that is overwritten": replace_start,
    "no database": lambda path: path.write_bytes(b"<html>Not found</html>" * 100),
    "another program's database": replace_database,
    "no view of models": lambda path: change_schema(path, "drop view models"),
    "another table of repos": lambda path: change_schema(
        path, "alter table repos rename to old_repos; create table repos (name)"
    ),
}
READING = {
    "export": ("export", "exported"),
    "status": ("status",),
    "list": ("models", "ls"),
    "info": ("models", "info", QAT),
    "report": ("report", "--out", "report.html"),
    "fits": ("fits", "--vram", "24GB"),
}


UNTOUCHED = {
    "a page of zeros": {"status"},
    "an index of zeros": {"export", "status", "list", "report", "fits"},
    "no view of models": {"status", "fits"},
}
"""Commands that read nothing of what is damaged. An index that no query needs is found by `db check`."""


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_reads_a_damaged_catalog_ends_with_status_3(
    damage: str, command: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hf_catalog: Ask
) -> None:
    db = Path(shutil.copy(whole, tmp_path / "catalog.db"))
    DAMAGES[damage](db)
    monkeypatch.chdir(tmp_path)
    if command == "report":  # its data are read, but no charts are drawn, which takes seconds
        monkeypatch.setattr("analysis.publish.charts.Figure.svg", lambda *_, **__: "<svg/>")
    said = hf_catalog(*READING[command], "--db", str(db))
    if command in UNTOUCHED.get(damage, ()):
        assert said.status == 0, said.err
        return
    assert said.status == 3, said.err
    assert len(said.err.splitlines()) == 2 and "catalog.db" in said.err
    left = {each.name for each in tmp_path.iterdir()}
    assert left <= {"catalog.db", "catalog.db-wal", "catalog.db-shm"}, "nothing is left of what was not finished"


@pytest.mark.parametrize("damage", DAMAGES)
def test_db_check_finds_every_damage(damage: str, whole: Path, tmp_path: Path, hf_catalog: Ask) -> None:
    db = Path(shutil.copy(whole, tmp_path / "catalog.db"))
    DAMAGES[damage](db)
    assert hf_catalog("db", "check", "--db", str(db)).status == 1


@pytest.mark.parametrize("command", ["list", "info"])
def test_a_log_without_a_whole_transaction_changes_nothing(
    command: str, whole: Path, tmp_path: Path, hf_catalog: Ask
) -> None:
    """What was not synced before the power was lost is not there; all that was before is."""
    db = Path(shutil.copy(whole, tmp_path / "catalog.db"))
    before = hf_catalog(*READING[command], "--json", "--db", str(whole))
    damage_log(db)
    after = hf_catalog(*READING[command], "--json", "--db", str(db))
    assert (after.status, after.out) == (before.status, before.out) and after.status == 0
    assert hf_catalog("db", "check", "--db", str(db)).status == 0


POSTGRES_DAMAGES = {
    "drop view models cascade": {"status", "fits"},
    "drop table repo_labels cascade": {"status"},
    "drop table artifacts cascade": {"status"},
    "alter table repos drop column likes cascade": {"status", "fits"},
    "drop view models cascade; create view models as select 1 as one": {"status", "fits"},
}
"""Damages, and the commands that read nothing of what is damaged."""


@pytest.mark.parametrize("harm", POSTGRES_DAMAGES)
def test_what_reads_a_damaged_catalog_on_postgresql_ends_with_status_3(
    harm: str, postgresql: PostgreSQL, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.create("catalog_template")
    postgresql.execute(harm, database_of(url))
    monkeypatch.chdir(tmp_path)
    for command, words in {**READING, "charts": ("charts", "pictures")}.items():
        said = hf_catalog(*words, "--db", url)
        if command in POSTGRES_DAMAGES[harm]:
            assert said.status == 0, (command, said)
            continue
        assert said.status == 3, (command, said)
        assert "internal error" not in said.err and len(said.err.splitlines()) == 2
    assert hf_catalog("db", "check", "--db", url).status == 1
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [], "nothing is left of what was not finished"


@pytest.mark.parametrize("sql", ["select * from repos", "select repo_id, likes from models order by likes"])
def test_sql_on_a_page_of_zeros_ends_with_status_3(sql: str, whole: Path, tmp_path: Path, hf_catalog: Ask) -> None:
    db = Path(shutil.copy(whole, tmp_path / "catalog.db"))
    zero_page(db, "repos")
    said = hf_catalog("query", sql, "--db", str(db))
    assert said.status == 3 and "hf-catalog db restore" in said.err


def test_a_mistake_in_a_users_sql_is_not_blamed_on_the_catalog(whole: Path, hf_catalog: Ask) -> None:
    said = hf_catalog("query", "select colour from nothing", "--db", str(whole))
    assert said.status == 1 and "nothing" in said.err


FORMULAS = ["=1+1", "+1", "-1", "@sum", "\tx", "＝1"]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_column_named_like_a_formula_is_text_in_csv(name: str, whole: Path, tmp_path: Path, hf_catalog: Ask) -> None:
    said = hf_catalog("query", f'select 1 as "{name}"', "--csv", "--db", str(whole))
    assert said.status == 0
    (heading,) = next(csv.reader(io.StringIO(said.out)))
    assert heading[0] in "'\\"

    write_csv(tmp_path / "table.csv", [name], [(1,)], raw=False)
    assert (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()[0] == heading


def test_raw_keeps_the_names_of_columns() -> None:
    out = io.StringIO()
    Printer("csv", raw=True, stdout=out).rows([{"=a": 1}])
    assert out.getvalue().startswith("=a\n")

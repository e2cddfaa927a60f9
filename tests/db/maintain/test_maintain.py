"""Care of a catalog: checked, copied, put back, thinned out, moved to another engine."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.query.reader import CatalogReader
from db.derive.digest import evidence_key
from db.errors import CatalogBusy, CatalogDamaged, CatalogError, CatalogMissing
from db.maintain import prune
from db.maintain.backup import backup, restore
from db.maintain.check import check
from db.maintain.copy import TABLES, CopyDiffers, copy
from db.maintain.optimize import optimize
from db.maintain.stats import stats
from db.read.search import find
from db.records import ListingPosition, Page
from db.rows import Rows
from db.schema.tables import metrics
from db.write.store import Store
from tests.db.made import NOON, fill, labelled, page, repo
from tests.servers import PostgreSQL, database_of


def wrong(db: str | Path) -> dict[str, str]:
    return {finding.check: finding.detail for finding in check(db) if not finding.ok}


def change(db: str, *statements: str) -> None:
    """What no program of ours would do to a file."""
    with closing(sqlite3.connect(db)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# ---- check ----------------------------------------------------------------------------------------------------------


def test_a_catalog_with_everything_in_it_is_whole(db: str) -> None:
    fill(db)
    assert wrong(db) == {}


def test_labels_of_an_earlier_vocabulary_are_reported_but_not_an_error(db: str) -> None:
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1]))
        store.save_page(run, "", Page(((repo(2), labelled(vocabulary="v2")),), (), None))
    assert wrong(db) == {}
    assert "labels of 1 repos" in {finding.check: finding.detail for finding in check(db)}["vocabulary"]


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("delete from repos where id = 1", "foreign keys"),
        ("update evidence set value = 'x' where id = 1", "evidence"),
        ("delete from repo_labels where repo = 2", "models without labels"),
        ("delete from search_documents where repo = 1", "repos that search can't find"),
        ("delete from repo_files", "visited repos without their files"),
        ("delete from artifacts", "evidence of artifacts that are no more"),
        ("delete from evidence where id = 1", "evidence that is no more"),
        ("update repo_evidence set pieces = '[' where repo = 1", "evidence that is no more"),
        ("drop view models", "views"),
        ("drop table header_layouts", "tables"),
        ("update alembic_version set version_num = '0000_old'", "schema"),
    ],
)
def test_what_is_wrong_is_found(sqlite_db: str, statement: str, finding: str) -> None:
    fill(sqlite_db)
    change(sqlite_db, statement)
    if finding == "schema":
        with pytest.raises(CatalogError, match="0000_old"):
            check(sqlite_db)
    else:
        assert finding in wrong(sqlite_db)


def test_broken_bytes_are_found(sqlite_db: str) -> None:
    fill(sqlite_db)
    with closing(sqlite3.connect(sqlite_db)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        root = connection.execute("select rootpage from sqlite_master where name = 'ix_repos_author'").fetchone()[0]
    with Path(sqlite_db).open("rb+") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    assert "bytes" in wrong(sqlite_db)


def test_a_file_that_is_no_catalog_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("hello, I am a text")
    assert list(wrong(tmp_path / "x.db")) == ["file"]
    with pytest.raises(CatalogMissing):
        check(tmp_path / "none.db")


# ---- backup and restore ---------------------------------------------------------------------------------------------


def test_a_backup_is_the_catalog_of_that_moment(sqlite_db: str, tmp_path: Path) -> None:
    fill(sqlite_db)
    copied = backup(sqlite_db, tmp_path / "saved.db")
    with Store.open(sqlite_db) as store:
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([50]))
    assert wrong(copied) == {}
    old = restore(copied, sqlite_db)
    assert old is not None and count(str(old), "repos") == 4
    assert count(sqlite_db, "repos") == 3
    assert wrong(sqlite_db) == {}
    assert not list(tmp_path.glob("*.part"))


def count(db: str, table: str) -> int:
    with CatalogReader(db) as reader:
        return int(reader.all(f"select count(*) as n from {table}")[0]["n"])


def test_a_backup_never_replaces_by_accident(sqlite_db: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(CatalogError, match="is there already"):
        backup(sqlite_db, tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "precious"
    backup(sqlite_db, tmp_path / "mine.txt", replace=True)
    assert backup(sqlite_db).parent == tmp_path


@pytest.mark.parametrize("harm", ["text", "torn", "stranger"])
def test_a_bad_backup_never_replaces_a_good_catalog(sqlite_db: str, tmp_path: Path, harm: str) -> None:
    fill(sqlite_db)
    bad = tmp_path / "bad.db"
    if harm == "text":
        bad.write_text("not a database")
    elif harm == "stranger":
        change(str(bad), "create table photos (id integer)")
    else:
        whole = backup(sqlite_db, tmp_path / "whole.db").read_bytes()
        bad.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CatalogDamaged):
        restore(bad, sqlite_db)
    assert count(sqlite_db, "repos") == 3


def test_a_catalog_in_use_is_not_replaced(sqlite_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.maintain.backup.LOCK_TIMEOUT", 0.1)
    saved = backup(sqlite_db, tmp_path / "saved.db")
    with Store.open(sqlite_db) as store, store._writing(), pytest.raises(CatalogBusy):
        restore(saved, sqlite_db)
    with CatalogReader(sqlite_db, snapshot=True) as reader:
        reader.all("select * from models")
        with pytest.raises(CatalogBusy):
            restore(saved, sqlite_db)


def test_a_damaged_catalog_is_replaced_and_kept(sqlite_db: str, tmp_path: Path) -> None:
    fill(sqlite_db)
    saved = backup(sqlite_db, tmp_path / "saved.db")
    Path(sqlite_db).write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    old = restore(saved, sqlite_db)
    assert old is not None and old.read_bytes().startswith(b"SQLite format 3\0\xff")
    assert wrong(sqlite_db) == {}


@pytest.mark.parametrize("damaged", ["x'01ff'", "x'005b5d'", "x'7b7d'"], ids=["no stream", "a list", "not packed"])
def test_packed_facts_that_hold_no_object_are_found(sqlite_db: str, damaged: str) -> None:
    fill(sqlite_db)
    assert wrong(sqlite_db) == {}
    change(sqlite_db, f"update repo_facts set facts = {damaged} where repo = 1")
    assert wrong(sqlite_db) == {"values": "invalid: repo_facts.facts (1)"}


# ---- prune, optimize, stats -----------------------------------------------------------------------------------------


def test_old_metrics_keep_a_row_a_week(db: str) -> None:
    """2026-06-01 is a Monday; ninety days before is 2026-03-03. The last row of each week stays."""
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(151)]
    with Store.open(db, clock=lambda: NOON) as store:
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([1]))
        with store._writing() as rows:
            rows.insert(metrics, ("repo", "day", "downloads"), [(1, day, n) for n, day in enumerate(days)])
        with store.crawling():
            rehearsal = store.prune(daily=timedelta(days=90), dry_run=True)
            assert count(db, "metrics") == 152
            assert store.prune(daily=timedelta(days=90)) == rehearsal
            assert store.prune(daily=timedelta(days=90)).metrics == 0
    with CatalogReader(db) as reader:
        kept = [row["day"] for row in reader.all("select day from metrics_daily order by day")]
    old = [day for day in kept if day < "2026-03-03"]
    assert old == ["2026-01-04", "2026-01-11", "2026-01-18", "2026-01-25", "2026-02-01", "2026-02-08", "2026-02-15",
                   "2026-02-22", "2026-03-01", "2026-03-02"]  # fmt: skip
    assert kept[len(old) :] == [str(day) for day in days if day >= date(2026, 3, 3)] + ["2026-06-01"]


def test_an_interrupted_prune_keeps_what_it_has_done(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(4)]  # of one week
    drop = prune.prune_repos

    def drop_or_stop(rows: Rows, first: int, last: int, **limits: Any) -> prune.Pruned:
        if first == 2:
            raise KeyboardInterrupt
        return drop(rows, first, last, **limits)

    monkeypatch.setattr(prune, "STEP", 1)
    with Store.open(db, clock=lambda: NOON) as store:
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([1, 2]))
        with store._writing() as rows:
            rows.insert(metrics, ("repo", "day"), [(repo, day) for repo in (1, 2) for day in days])
        with monkeypatch.context() as patched, store.crawling(), pytest.raises(KeyboardInterrupt):
            patched.setattr(prune, "prune_repos", drop_or_stop)
            store.prune(daily=timedelta(days=90))
        assert count(db, "metrics") == 2 + 1 + 4
        with store.crawling():
            assert store.prune(daily=timedelta(days=90)).metrics == 3
    assert wrong(db) == {}


def test_old_events_and_unused_evidence_go(db: str) -> None:
    fill(db)
    used, unused = count(db, "evidence"), evidence_key(("bits", "4", "name", "q4", 50))
    later = NOON + timedelta(days=400)
    with Store.open(db, clock=lambda: later) as store:
        with store._writing() as rows:
            rows.execute("delete from crawl_locks")
            rows.execute("insert into tags (id, tag) values (999, 'unused')")
            rows.execute("insert into evidence values (999, ?, 'bits', '4', 'name', 'q4', 50)", (unused,))
        with store.crawling():
            assert store.prune(daily=timedelta(days=90)).events == 0
            gone = store.prune(daily=timedelta(days=90), events=timedelta(days=365))
        assert gone.events > 0 and count(db, "events") == 0
        assert count(db, "evidence") == used
        assert count(db, "tags") == 5
    assert wrong(db) == {}


def test_optimize_leaves_a_whole_catalog_that_answers(db: str) -> None:
    fill(db)
    optimize(db)
    optimize(db, vacuum=True)
    assert wrong(db) == {}
    assert find(db, "gemma").hits


def test_stats_tell_every_table(db: str) -> None:
    fill(db)
    statistics = stats(db)
    rows = {entry.table: entry.rows for entry in statistics.tables}
    assert (rows["repos"], rows["repo_tags"], rows["headers"]) == (3, 9, 1)
    assert statistics.size > 0 and all(entry.size for entry in statistics.tables if entry.table == "repos")


# ---- copy -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite", "sqlite to sqlite"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A full catalog and the place of its copy."""
    source, target = request.param.split(" to ")
    places: dict[str, Callable[[], str]] = {
        "sqlite": lambda: str(tmp_path / "copy.db"),
        "postgresql": lambda: request.getfixturevalue("postgresql").create(),
    }
    origin = request.getfixturevalue("sqlite_db") if source == "sqlite" else places[source]()
    fill(origin)
    if source == "postgresql":  # by a role that may only read, as a backup is made
        origin = request.getfixturevalue("postgresql").reader_url(origin)
    return origin, places[target]()


def test_a_copy_has_every_row_of_every_table(way: tuple[str, str]) -> None:
    source, target = way
    done = copy(source, target)
    assert {copied.table for copied in done} == {table.name for table in TABLES}
    assert all(copied.rows for copied in done)
    assert wrong(target) == {}
    for view in ("models", "artifacts_wide", "files", "labels", "changes", "parents", "metrics_daily"):
        assert contents(source, view) == contents(target, view)
    assert find(target, "gemma").hits == find(source, "gemma").hits
    with Store.open(target) as store:  # and the copy can be written to
        run = store.start_run("full", "", "https://hub.example")
        assert store.position("", "full") == ListingPosition("next")
        assert store.save_page(run, "", page([3, 60])).new == 1


def contents(db: str, view: str) -> list[dict[str, Any]]:
    with CatalogReader(db) as reader:
        return sorted(reader.all(f"select * from {view}"), key=repr)


def test_a_copy_never_goes_into_a_catalog(sqlite_db: str, tmp_path: Path) -> None:
    fill(sqlite_db)
    other = str(tmp_path / "other.db")
    copy(sqlite_db, other)
    with pytest.raises(CatalogError, match="holds a catalog already"):
        copy(sqlite_db, other)


def test_a_copy_that_differs_is_rolled_back(sqlite_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from db.rows import Rows

    fill(sqlite_db)
    insert = Rows.insert

    def losing(self: Rows, table: Any, columns: Any, rows: Any) -> None:
        insert(self, table, columns, list(rows)[:-1] if table.name == "repo_tags" else rows)

    monkeypatch.setattr(Rows, "insert", losing)
    folder = tmp_path / "target"
    folder.mkdir()
    with pytest.raises(CopyDiffers, match=r"copy\.db: repo_tags has 8 rows"):
        copy(sqlite_db, folder / "copy.db")
    assert list(folder.iterdir()) == [], "there is no copy, and no part of one"


def test_what_a_killed_copy_left_is_removed_by_the_next(sqlite_db: str, tmp_path: Path) -> None:
    fill(sqlite_db)
    folder = tmp_path / "target"
    folder.mkdir()
    kept = [folder / name for name in (f".hf-catalog.{os.getppid()}.b_1.part", ".hf-catalog.1.a.b.part", ".part")]
    for path in (*kept, *(folder / f".hf-catalog.{pid}.c.part" for pid in (2**22 + 1, os.getpid()))):
        path.mkdir()
        (path / "other.db").write_bytes(b"part")
    copy(sqlite_db, folder / "copy.db")
    assert sorted(folder.iterdir()) == sorted([*kept, folder / "copy.db"])


def test_foreign_triggers_and_altered_views_are_found(sqlite_db: str) -> None:
    fill(sqlite_db)
    assert all(finding.ok for finding in check(sqlite_db))
    with sqlite3.connect(sqlite_db) as connection:
        connection.execute("create view mine as select 1 as one")
        connection.execute("create trigger evil after insert on repos begin delete from repos; end")
        connection.execute("drop view families")
        connection.execute(
            "create view families as with recursive n(x) as (select 1 union all select x from n) select * from n"
        )
    connection.close()
    found = {finding.check: finding for finding in check(sqlite_db)}["definitions"]
    assert found.ok is False
    assert found.detail == "triggers that are not the catalog's: evil; not defined as in this version: families"


def test_definitions_on_postgresql_are_compared_with_those_of_this_version(postgresql: PostgreSQL) -> None:
    url = postgresql.create("catalog_template")
    database = database_of(url)
    assert all(finding.ok for finding in check(url))
    index = postgresql.execute(
        "select indexname from pg_indexes where tablename = 'repos' and indexname not like '%pkey' order by 1 limit 1",
        database,
    ).fetchone()[0]
    key = postgresql.execute(
        "select conname from pg_constraint where conrelid = 'tags'::regclass and contype = 'p'", database
    ).fetchone()[0]
    for statement in (
        "create view mine as select 1 as one",
        "create function nothing() returns trigger language plpgsql as 'begin return null; end'",
        "create trigger evil before insert on repos for each row execute function nothing()",
        "create or replace function instr(text, text) returns integer language sql immutable as 'select 0'",
        "create or replace view families as select * from (" + postgresql.execute(
            "select rtrim(pg_get_viewdef('families'::regclass), ';')", database
        ).fetchone()[0] + ") f where false",
        f"drop index {index}",
        f"alter table tags drop constraint {key} cascade",  # takes the foreign key of repo_tags along
        "alter table crawl_runs add check (id > 0)",
        "alter table skips add foreign key (run) references crawl_runs (id) on delete cascade",
        "alter table aliases add unique (repo)",
    ):  # fmt: skip
        postgresql.execute(statement, database)
    found = {finding.check: finding for finding in check(url)}["definitions"]
    differing = ", ".join(sorted(["aliases", "crawl_runs", "families", "instr", "repo_tags", "skips", "tags", index]))
    assert (found.ok, found.detail) == (
        False, f"triggers that are not the catalog's: evil; not defined as in this version: {differing}"
    )  # fmt: skip


def test_a_name_of_no_repo_is_not_invented(sqlite_db: str) -> None:
    fill(sqlite_db)
    with CatalogReader(sqlite_db) as reader:
        assert {row["hub_id"] for row in reader.all("select hub_id from models")} == {repo(n).hub_id for n in (1, 2, 3)}

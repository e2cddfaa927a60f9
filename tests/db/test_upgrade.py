"""A catalog that release 0.1.0 made, upgraded to the current schema: complete, and usable by every query."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analysis.query.reader import CatalogReader
from analysis.query.saved import SavedQuery, saved_queries
from crawler.cli import cli
from db import revisions
from db.engine import open_engine
from db.maintain.check import check
from db.maintain.totals import fill_catalog
from db.schema import migrate

RELEASED = Path(__file__).parents[1] / "fixtures" / "catalog-0.1.0.db"
FIRST = "0001_catalog"

ROWS = {
    "absences": 1,
    "aliases": 1,
    "artifacts": 85,
    "conflicts": 1,
    "crawl_locks": 1,
    "crawl_runs": 7,
    "cursors": 1,
    "edges": 100,
    "evaluations": 20,
    "events": 6,
    "evidence": 583,
    "headers": 30,
    "label_evidence": 2289,
    "layouts": 15,
    "metrics": 48,
    "repo_facts": 36,
    "repo_files": 276,
    "repo_labels": 38,
    "repo_tags": 358,
    "repos": 38,
    "search_documents": 38,
    "search_pending": 2,
    "skips": 10,
    "sweep_pages": 3,
    "tags": 113,
    "unclaimed": 3,
    "visits": 38,
    "vocabularies": 1,
    "watermarks": 2,
}
"""How many rows each table of the released catalog has."""

RENAMED = {
    "absences": "missing_repos",
    "layouts": "header_layouts",
    "sweep_pages": "listing_pages",
    "visits": "enrichments",
}
"""Tables that have another name since: the released one -> today's."""

ANSWERED = ("best-under", "crawls", "gated", "qat", "quantizations", "quantized-copies", "skipped", "top-families")
"""Questions that find something in it, whatever day it is."""

TABLES = (
    "select name from sqlite_master where type = 'table' and name <> 'alembic_version' and name not like 'sqlite%'"
    " and name not like 'search_index%'"
)
SCHEMA = "select type, name, tbl_name, sql from sqlite_master where type <> 'view' and name not like 'sqlite_stat%'"


def copied(folder: Path) -> str:
    """A copy of the released catalog as it is."""
    return str(shutil.copy(RELEASED, folder / "catalog.db"))


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The released catalog at today's schema; to be read, never written."""
    db = copied(tmp_path_factory.mktemp("upgraded"))
    migrate.upgrade(db)
    fill_catalog(db)
    return db


def rows(db: str | Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


def counts(db: str) -> dict[str, int]:
    """By the released name of each table."""
    return {table: rows(db, f"select count(*) from {RENAMED.get(table, table)}")[0][0] for table in ROWS}


def hf_catalog(*words: str) -> Any:
    """What a command answers as JSON."""
    done = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_every_table_of_the_release_has_rows_to_lose(tmp_path: Path) -> None:
    assert {name for (name,) in rows(copied(tmp_path), TABLES)} == set(ROWS)
    assert min(ROWS.values()) > 0


def test_the_first_migration_still_makes_the_schema_of_the_release(tmp_path: Path) -> None:
    """A catalog that was made by it and one that comes from the release must be the same to every later migration."""
    fresh = tmp_path / "fresh.db"
    engine = open_engine(fresh, read_only=False, create=True, check=False)
    migrate.migrate_engine(engine, FIRST)
    engine.dispose()
    assert sorted(rows(fresh, SCHEMA), key=repr) == sorted(rows(copied(tmp_path), SCHEMA), key=repr)


def test_it_is_saved_and_brought_to_todays_schema(tmp_path: Path) -> None:
    db = copied(tmp_path)
    assert migrate.current(db) == FIRST
    saved = migrate.upgrade(db)
    assert migrate.current(db) == revisions.head()
    if revisions.head() != FIRST:
        assert saved is not None and migrate.current(saved) == FIRST


def test_it_is_whole_and_no_row_is_lost(upgraded: str) -> None:
    assert [finding for finding in check(upgraded) if not finding.ok] == []
    assert counts(upgraded) == ROWS


@pytest.mark.parametrize("question", saved_queries(), ids=lambda question: question.name)
def test_every_question_can_be_asked(question: SavedQuery, upgraded: str) -> None:
    given = {"since": "2026-10-01"} if question.name == "new-models" else {}
    with CatalogReader(upgraded) as reader:
        found = reader.all(question.sql, question.parse_values(given))
    assert found or question.name not in ANSWERED


def test_its_models_and_crawls_are_listed(upgraded: str) -> None:
    listed = hf_catalog("models", "ls", "--limit", "1000", "--db", upgraded)["rows"]
    (gone,) = rows(upgraded, "select count(*) from models where status = 'gone'")[0]
    assert len(listed) == ROWS["repos"] - gone
    result = hf_catalog("status", "--db", upgraded)
    assert (result["repos"], result["crawls"], result["headers"]) == (
        ROWS["repos"],
        ROWS["crawl_runs"],
        ROWS["headers"],
    )
    assert (result["absent"], result["failed_crawls"], len(result["unfinished"])) == (1, 1, 1)


def test_its_labels_can_be_recomputed(tmp_path: Path) -> None:
    db = copied(tmp_path)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("update vocabularies set digest = 'of the release'")  # else today's may be the same
    migrate.upgrade(db)
    result = hf_catalog("relabel", "--dry-run", "--db", db)
    assert (result["repos"], result["dry_run"]) == (ROWS["repos"], True)
    assert counts(db) == ROWS

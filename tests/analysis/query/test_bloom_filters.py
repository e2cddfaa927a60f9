"""Statements of which SQLite 3.38 to 3.40 would lose rows: no saved query or view is one, and others are refused."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from analysis.query.bloom_filters import has_filter_over_expression, refuse_wrong_plan
from analysis.query.guarded import run_guarded
from analysis.query.process import QueryRequest
from analysis.query.saved import saved_queries
from db.errors import QueryError
from db.schema.tables import metadata
from db.schema.views import view_names

LOWERED = sorted(
    table.name
    for table in metadata.sorted_tables
    if any("lower(" in str(index.expressions[0]) for index in table.indexes)
)
"""Tables with an index over an expression of text."""

BAD_JOIN = (
    "select count(*) from edges e cross join repos r on lower(r.repo_id) = lower(e.parent) where r.status <> 'gone'"
)


def lossy_statements(db: str) -> Iterator[str]:
    """The saved queries and views whose plan has a Bloom filter over an expression."""
    statements = [(query.name, query.sql) for query in saved_queries()]
    statements += [(name, f"select * from {name}") for name in view_names()]
    with closing(sqlite3.connect(db)) as connection:
        for name, sql in statements:
            if has_filter_over_expression(connection, sql, dict.fromkeys(re.findall(r":(\w+)", sql), "1")):
                yield name


def state_rows(db: str, small: str) -> None:
    """Statistics as of a table with two rows, where all others have many."""
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("analyze")
        connection.execute("delete from sqlite_stat1")
        for table in metadata.sorted_tables:
            rows = 2 if table.name == small else 100_000
            same = max(1, rows // 100)
            connection.execute("insert into sqlite_stat1 values (?, null, ?)", (table.name, str(rows)))
            for index in table.indexes:
                stated = " ".join(map(str, [rows, *[same] * len(index.expressions)]))
                connection.execute("insert into sqlite_stat1 values (?, ?, ?)", (table.name, index.name, stated))


def test_none_has_one_in_the_demo(demo: Path) -> None:
    assert not list(lossy_statements(str(demo)))


@pytest.mark.parametrize("small", LOWERED)
def test_no_saved_query_and_no_view_has_such_a_plan(small: str, sqlite_template: Path, tmp_path: Path) -> None:
    db = str(shutil.copy(sqlite_template, tmp_path / "catalog.db"))
    state_rows(db, small)
    assert set(lossy_statements(db)) == set()


@pytest.mark.parametrize(
    ("version", "is_refused"),
    [((3, 37, 2), False), ((3, 38, 0), True), ((3, 40, 1), True), ((3, 41, 0), False)],
)
@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 38), reason="this SQLite has no Bloom filters")
def test_a_statement_with_such_a_plan_is_refused(
    version: tuple[int, int, int], is_refused: bool, sqlite_template: Path, tmp_path: Path
) -> None:
    db = str(shutil.copy(sqlite_template, tmp_path / "catalog.db"))
    state_rows(db, "repos")
    with closing(sqlite3.connect(db)) as connection:
        for sql, is_lossy in ((BAD_JOIN, True), ("select 1", False), ("no statement", False)):
            with pytest.raises(QueryError, match="would lose rows") if is_refused and is_lossy else nullcontext():
                refuse_wrong_plan(connection, sql, {}, version)


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 38), reason="this SQLite has no Bloom filters")
def test_so_it_is_in_the_process_that_runs_sql_of_users(sqlite_template: Path, tmp_path: Path) -> None:
    db = Path(shutil.copy(sqlite_template, tmp_path / "catalog.db"))
    state_rows(str(db), "repos")
    is_lossy = sqlite3.sqlite_version_info < (3, 41)
    with pytest.raises(QueryError, match="would lose rows") if is_lossy else nullcontext():
        run_guarded(db, QueryRequest(BAD_JOIN, {}, 10.0, 10, None)).close()

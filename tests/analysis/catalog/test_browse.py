"""Pages of results on the small catalog, on both engines."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analysis.catalog import browse as module
from analysis.catalog import models
from analysis.catalog.browse import BrowseRequest, browse, browse_all
from analysis.catalog.models import ModelFilter
from analysis.query.reader import CatalogReader
from tests.analysis.catalog.statements import record_statements

GEMMA = "google/gemma-3-4b-it"


def found(db: str, request: BrowseRequest) -> list[str]:
    with CatalogReader(db) as reader:
        return [row["repo_id"] for row in browse(reader, db, request).rows]


def test_words_filters_and_memory_limit_together(small_on_both: str) -> None:
    gguf = ModelFilter(formats=("gguf",))
    assert found(small_on_both, BrowseRequest("gemma", gguf, sort="match"))[0] == "google/gemma-3-4b-it-qat-q4_0-gguf"
    assert len(found(small_on_both, BrowseRequest("gemma", gguf))) == 3
    assert found(small_on_both, BrowseRequest("gemma", gguf, memory=3 * 10**9)) == [
        "bartowski/google_gemma-3-4b-it-GGUF", "unsloth/gemma-3-4b-it-GGUF",
    ]  # fmt: skip
    assert found(small_on_both, BrowseRequest("zzz")) == []


def test_pages_follow_each_other(small_on_both: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE_ROWS", 2)
    for text, sort in (("", "downloads"), ("gemma", "match")):
        pages = [found(small_on_both, BrowseRequest(text, sort=sort, page=page)) for page in (1, 2, 3)]
        with CatalogReader(small_on_both) as reader:
            whole = browse_all(reader, small_on_both, BrowseRequest(text, sort=sort), 5)
            assert browse(reader, small_on_both, BrowseRequest(text, sort=sort)).pages == (3 if text else 7)
        assert [each for page in pages for each in page][:5] == [row["repo_id"] for row in whole]


def test_a_long_result_is_counted_up_to_a_limit(small_on_both: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", 4)
    monkeypatch.setattr(module, "PAGE_ROWS", 5)
    with CatalogReader(small_on_both) as reader:
        pages = [browse(reader, small_on_both, BrowseRequest(page=page)) for page in (1, 2, 3)]
    assert [(page.total, page.is_total, len(page.rows)) for page in pages] == [
        (5, False, 5),
        (10, False, 5),
        (13, True, 3),
    ]
    assert sum(n for _, n in pages[0].facets["author"]) == 4


def test_without_an_index_the_most_downloaded_models_are_counted(
    small_on_both: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EXAMINED", 6)
    monkeypatch.setattr(module, "PAGE_ROWS", 2)
    small = ModelFilter(most=("bytes", 5 * 10**9))
    with CatalogReader(small_on_both) as reader:
        by_family = browse(reader, small_on_both, BrowseRequest(filter=ModelFilter(families=("gemma",))))
        monkeypatch.setattr(models, "MAX_INDEX_MATCHES", 0)
        first, last = (browse(reader, small_on_both, BrowseRequest(filter=small, page=page)) for page in (1, 3))
    assert (first.total, first.is_total) == (2, False), "of five only two are among the six most downloaded"
    assert (last.total, last.is_total, len(last.rows)) == (5, True, 1)
    assert (by_family.total, by_family.is_total) == (5, True), "an index finds all of them"


@pytest.mark.parametrize(
    ("limits", "sort", "index"),
    [
        (ModelFilter(licenses=("gemma",)), "downloads", "ix_repos_downloads"),
        (ModelFilter(tasks=("text-generation",)), "modified", "ix_repos_last_modified"),
        (ModelFilter(least=("parameters", 10**9), most=("parameters", 10**10)), "downloads", "ix_repos_downloads"),
        (ModelFilter(most=("bytes", 10**10)), "trending", "ix_repos_trending_score"),
        (ModelFilter(formats=("gguf",)), "parameters", "ix_repo_labels_parameters"),
    ],
)
def test_a_common_label_is_tested_on_rows_in_the_order_of_the_result(
    limits: ModelFilter, sort: str, index: str, small: str, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finding its models by its own index would read and sort all of them, for one page."""
    few = found(small, BrowseRequest(filter=limits, sort=sort))
    monkeypatch.setattr(models, "MAX_INDEX_MATCHES", 0)
    sent = record_statements(monkeypatch)
    assert found(small, BrowseRequest(filter=limits, sort=sort)) == few and few
    ordered = next((sql, values) for sql, values in sent if " offset 0" in sql)
    with closing(sqlite3.connect(sqlite_template)) as connection:
        plan = [row[3] for row in connection.execute(f"explain query plan {ordered[0]}", ordered[1])]
    assert any(step.startswith("SCAN") and index in step for step in plan), plan
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan and not any("BLOOM" in step for step in plan)


def test_a_rare_size_is_looked_up_by_index(small_on_both: str) -> None:
    """Of the small catalog every size is rare: what the index finds is what a test of each row finds."""
    for limits in (
        ModelFilter(least=("parameters", 4 * 10**9), most=("parameters", 8 * 10**9)),
        ModelFilter(least=("parameters", 4 * 10**9), most=("bytes", 5 * 10**9)),
    ):
        with CatalogReader(small_on_both) as reader:
            where = models.filter_conditions(reader, limits)
            by_index = browse(reader, small_on_both, BrowseRequest(filter=limits))
        assert where.is_indexed and where.conditions[0].startswith("id in (")
        assert by_index.is_total and [row["repo_id"] for row in by_index.rows] == browsed_one_by_one(
            small_on_both, limits
        )


def browsed_one_by_one(db: str, limits: ModelFilter) -> list[str]:
    """The models within the bounds, by their rows."""
    with CatalogReader(db) as reader:
        rows = browse(reader, db, BrowseRequest()).rows

    def is_within(row: dict[str, Any]) -> bool:
        sizes = {"parameters": row["parameters_measured"] or row["parameters"], "bytes": row["total_size"]}
        for bound, sign in ((limits.least, 1), (limits.most, -1)):
            if bound and ((value := sizes[bound[0]]) is None or sign * value < sign * bound[1]):
                return False
        return True

    return [row["repo_id"] for row in rows if is_within(row)]

"""Saved queries that read totals answer what counting the rows answers; `counted` has that SQL of each."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analysis.query.reader import CatalogReader
from analysis.query.saved import find_saved_query, saved_queries

COUNTED = Path(__file__).with_name("counted")


def answer(reader: CatalogReader, sql: str, name: str) -> list[dict[str, Any]]:
    query = find_saved_query(name)
    return reader.all(sql, query.parse_values({}))


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=0.0051)  # a mean is rounded to two places
    return bool(one == other)


@pytest.mark.parametrize("name", sorted(path.stem for path in COUNTED.glob("*.sql")))
def test_totals_answer_what_the_rows_say(name: str, demo: Path) -> None:
    with CatalogReader(demo) as reader:
        kept = answer(reader, find_saved_query(name).sql, name)
        counted = answer(reader, (COUNTED / f"{name}.sql").read_text(encoding="utf-8"), name)
    assert kept or name in ("papers-by-models", "half-life"), "the demo has such models"
    differ = [
        (one, other) for one, other in zip(kept, counted, strict=True) if not all(equal(one[k], other[k]) for k in one)
    ]
    assert differ == []


def test_every_query_of_totals_is_compared() -> None:
    tables = (" totals", "author_", "evidence_totals", " datasets_used", " papers\n")
    reading = {query.name for query in saved_queries() if any(name in query.sql for name in tables)}
    assert reading | {"top-families", "half-life", "trending"} == {path.stem for path in COUNTED.glob("*.sql")}


# ---- plans ----------------------------------------------------------------------------------------------------------

READING_MORE = {"concentration", "half-life", "trending"}
"""Queries that read an index of all models' downloads or of the history of the most downloaded ones."""

MADE_HERE = {"a", "n", "p", "o", "c", "w", "h", "counted"}
"""Totals, and what queries make of them before."""

INDEXES = {
    "concentration": "COVERING INDEX ix_repos_downloads",
    "half-life": "COVERING INDEX ix_metrics_much",
    "license-conflicts": "ix_labels_licences",
    "missing-base-models": "ix_edges_parent",
    "moe": "ix_labels_experts",
    "size-claims": "ix_labels_size_claims",
    "broken-files": "ix_headers_unverified",
    "mislabelled": "ix_artifacts_mislabelled",
    "missing-licenses": "ix_repos_downloads",
    "most-quantized": "ix_repo_labels_quantized",
    "reuploads": "ix_artifacts_contents",
    "security-findings": "ix_repo_files_python",
    "sidecars": "ix_artifacts_sidecars",
    "trending": "COVERING INDEX ix_metrics_much",
    "vanished": "ix_repos_not_available",
}
"""Saved query -> the index by which it finds few rows among many."""


def plan(db: Path, name: str) -> list[str]:
    query = find_saved_query(name)
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute(f"explain query plan {query.sql}", query.parse_values({})).fetchall()
    return [row[3] for row in rows]


@pytest.mark.parametrize("name", sorted(INDEXES))
def test_few_rows_are_found_by_an_index(name: str, sqlite_template: Path) -> None:
    assert any(INDEXES[name] in step for step in plan(sqlite_template, name))


@pytest.mark.parametrize("name", sorted({path.stem for path in COUNTED.glob("*.sql")} - READING_MORE))
def test_queries_of_totals_read_no_table_of_models_from_end_to_end(name: str, sqlite_template: Path) -> None:
    """But for those of READING_MORE; models' parents are read from an index."""
    scans = [step for step in plan(sqlite_template, name) if step.startswith("SCAN")]
    read = {step.split()[1] for step in scans if " COVERING INDEX ix_edges_parent" not in step}
    found = {name for name in read if not name.startswith("(subquery")}
    assert found <= {"day", "CONSTANT", "author_schemes", "author_totals", "evidence_totals", "t", *MADE_HERE}

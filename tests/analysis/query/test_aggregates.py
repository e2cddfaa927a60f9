"""Aggregates count what their names say: artifacts, or repos that hold at least one; unknown is no value of its own."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.publish import charts
from analysis.publish.summaries import python_rows, summarize
from analysis.query.reader import CatalogReader
from analysis.query.saved import find_saved_query

GEMMA = "google/gemma-3-4b-it"


def answer(db: str, name: str) -> list[dict[str, Any]]:
    query = find_saved_query(name)
    with CatalogReader(db) as reader:
        return [dict(row) for row in reader.all(query.sql, query.parse_values({}))]


def test_a_model_is_quantized_in_the_schemes_of_all_artifacts_of_its_copies(small_on_both: str) -> None:
    (gemma,) = [row for row in answer(small_on_both, "most-quantized") if row["base_model"] == GEMMA]
    assert (gemma["copies"], gemma["schemes"], gemma["artifacts"]) == (4, 6, 8)


def test_a_repo_counts_in_each_scheme_that_it_holds(small_on_both: str) -> None:
    rows = {row["quant"]: row for row in answer(small_on_both, "schemes-over-time")}
    assert {quant: (row["repos_with_it"], row["artifacts"]) for quant, row in rows.items()} == {
        "Q8_0": (2, 2), "Q4_K_M": (3, 3), "Q2_K": (1, 1), "Q4_K_XL": (1, 2), "Q4_0": (1, 1), "W4A16": (1, 1),
        "AWQ": (1, 1), "Q5_0": (1, 1),
    }  # fmt: skip
    assert not any(row["unfinished"] for row in rows.values()), "created in 2025, crawled in 2026"


def test_a_family_has_the_schemes_of_its_artifacts(small_on_both: str) -> None:
    with CatalogReader(small_on_both) as reader:
        found = {row["family"]: row["quants"] for row in reader.all("select family, quants from families")}
    assert found == {"gemma": 6, "llama": 1, "qwen": 1, "whisper": 0}


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("family-licenses", "license", "no licence stated"),
        ("tasks", "pipeline_tag", "no task stated"),
        ("frameworks", "library_name", "no library stated"),
    ],
)
def test_a_group_without_a_value_says_so(small_on_both: str, name: str, column: str, words: str) -> None:
    values = [row[column] for row in answer(small_on_both, name)]
    assert words in values and None not in values


def test_downloads_of_a_summary_of_artifacts_are_named_as_what_they_are(small: str) -> None:
    """The Hub counts downloads by repo: those of a repo with three schemes are in three groups."""
    with CatalogReader(small) as reader:
        ((_, frame),) = summarize(reader, ["by_quant"])
    rows = [dict(zip(frame.columns, row, strict=True)) for row in python_rows(frame)]
    assert "downloads" not in rows[0]
    q8 = next(row for row in rows if row["quant"] == "Q8_0")
    assert (q8["repos"], q8["downloads_of_repos"]) == (2, 120_100 + 80_100)


def test_what_nothing_says_is_null_in_sql(small_on_both: str) -> None:
    with CatalogReader(small_on_both) as reader:
        (row,) = reader.all(
            "select tuning, specialty, languages, approximate, qat, imatrix, dynamic from models"
            " where repo_id = 'stranger/frobnitz-GGUF'"
        )
        (known,) = reader.all("select count(*) as n from artifacts_wide where dynamic or imatrix or qat")
    assert set(row.values()) == {None}
    assert known["n"] == 4


def test_quarters_without_a_repo_are_drawn_and_the_last_one_is_marked() -> None:
    assert [charts.quarter_of(f"2025-{month:02}") for month in (1, 3, 4, 12)] == [
        "2025 Q1", "2025 Q1", "2025 Q2", "2025 Q4",
    ]  # fmt: skip
    between = ["2024 Q3", "2024 Q4", "2025 Q1", "2025 Q2"]
    assert list(charts.quarters_between(["2025 Q2", "2024 Q3"])) == between


def test_a_chart_counts_what_it_leaves_out(small: str) -> None:
    with CatalogReader(small) as reader:
        figures = {figure.name: figure for figure in charts.make_figures(reader)}
    assert "2 repos without a known family or date are left out" in figures["families-over-time"].description

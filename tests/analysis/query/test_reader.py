"""Queries on both engines: what the shipped queries find, what a statement may not do, limits and snapshots."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import BadParameter
from analysis.query.reader import CatalogReader, run_query
from analysis.query.saved import SavedQuery, find_saved_query, saved_queries
from db.errors import QueryError, QueryRefused, QueryTimeout
from tests.small_catalog import FIRST, FORMULA

SINCE = {"since": "2026-10-01"}


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def run_saved(reader: CatalogReader, name: str, **texts: str) -> list[dict[str, Any]]:
    query = find_saved_query(name)
    return reader.all(query.sql, query.parse_values(texts))


# ---- every shipped query ------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", saved_queries(), ids=lambda query: query.name)
def test_every_query_finds_rows_in_a_stable_order(query: SavedQuery, reader: CatalogReader) -> None:
    texts = SINCE if query.name == "new-models" else {}
    rows = reader.all(query.sql, query.parse_values(texts))
    assert rows, f"{query.name} finds nothing in a catalog that has a row for each query"
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in rows[0])
    assert rows == reader.all(query.sql, query.parse_values(texts))


@pytest.mark.parametrize("query", saved_queries(), ids=lambda query: query.name)
def test_both_engines_give_the_same_rows(query: SavedQuery, small: str, small_on_both: str) -> None:
    if small == small_on_both:
        return
    texts = SINCE if query.name == "new-models" else {}
    with CatalogReader(small) as one, CatalogReader(small_on_both) as other:
        rows, others = (each.all(query.sql, query.parse_values(texts)) for each in (one, other))

    def plain(row: dict[str, Any]) -> list[tuple[str, Any]]:
        return [(key, round(value, 6) if isinstance(value, float) else value) for key, value in row.items()]

    assert sorted(map(repr, map(plain, rows))) == sorted(map(repr, map(plain, others)))


# ---- results that are known ---------------------------------------------------------------------------------------


def test_quantized_copies_are_those_of_the_model_smallest_first(reader: CatalogReader) -> None:
    rows = run_saved(reader, "quantized-copies", model="Google/Gemma-3-4B-it")
    assert {row["repo_id"] for row in rows} == {
        "google/gemma-3-4b-it-qat-q4_0-gguf",
        "bartowski/google_gemma-3-4b-it-GGUF",
        "unsloth/gemma-3-4b-it-GGUF",
        "RedHatAI/gemma-3-4b-it-quantized.w4a16",
    }
    sizes = [row["total_size"] for row in rows]
    assert sizes == sorted(sizes)
    assert not any("mmproj" in row["artifact"] for row in rows), "a projector is not a copy of the model"


def test_the_best_copy_under_a_size_has_the_most_bits_that_fit(reader: CatalogReader) -> None:
    best = run_saved(reader, "best-under", model="google/gemma-3-4b-it", size="3GB")[0]
    assert (best["quant"], best["repo_id"]) == ("Q4_K_XL", "unsloth/gemma-3-4b-it-GGUF")
    best = run_saved(reader, "best-under", model="google/gemma-3-4b-it", size="5GB")[0]
    assert best["quant"] == "Q8_0" and best["total_size"] <= 5e9
    assert run_saved(reader, "best-under", model="google/gemma-3-4b-it", size="1GB") == []


def test_the_same_bytes_in_two_repos_are_a_re_upload(reader: CatalogReader) -> None:
    (row,) = run_saved(reader, "reuploads")
    assert (row["repos"], row["size"], row["repeated_size"]) == (2, 4_130_402_464, 4_130_402_464)


def test_a_quantized_copy_is_compared_with_its_original_on_the_same_dataset(reader: CatalogReader) -> None:
    rows = {row["dataset"]: row for row in run_saved(reader, "quant-evaluations")}
    assert rows["mmlu"]["delta"] == pytest.approx(58.1 - 59.6)
    assert rows["truthfulqa"]["original_value"] == 50.4


def test_mislabelled_and_broken_files_are_found(reader: CatalogReader) -> None:
    (wrong,) = run_saved(reader, "mislabelled")
    assert (wrong["quant"], wrong["quant_measured"]) == ("Q2_K", "Q3_K_S")
    (broken,) = run_saved(reader, "broken-files")
    assert broken["repo_id"] == "halfway/Qwen3-8B-GGUF" and broken["size_by_header"] > broken["total_size"]


def test_qat_and_post_training_are_counted_apart(reader: CatalogReader) -> None:
    rows = {row["how"]: row for row in run_saved(reader, "qat")}
    assert rows["QAT"]["artifacts"] == 1 and rows["post-training"]["artifacts"] == 7


def test_ancestors_and_descendants(reader: CatalogReader) -> None:
    (step,) = run_saved(reader, "ancestors", model="unsloth/gemma-3-4b-it-GGUF")
    assert (step["parent"], step["relation"], bool(step["missing"])) == ("google/gemma-3-4b-it", "quantized", False)
    assert len(run_saved(reader, "descendants", model="google/gemma-3-4b-it")) == 4


def test_vanished_repos_have_the_time_of_the_crawl_that_missed_them(reader: CatalogReader) -> None:
    (row,) = run_saved(reader, "vanished")
    assert row["repo_id"] == "old/vanished-7b" and str(row["noticed_at"]).startswith("2026-11-02")


def test_downloads_change_between_two_days(reader: CatalogReader) -> None:
    rows = {row["repo_id"]: row for row in run_saved(reader, "trending")}
    assert rows["google/gemma-3-4b-it"]["downloads_change"] == 100
    assert rows["meta-llama/Llama-3.1-8B-Instruct"]["downloads_change"] == 0


@pytest.mark.parametrize(("models", "is_large"), [(20_000, False), (20_001, True)])
def test_of_many_models_only_those_that_ever_had_many_downloads_are_compared(
    models: int, is_large: bool, small: str, tmp_path: Path
) -> None:
    db = tmp_path / "catalog.db"
    shutil.copy(small, db)
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("delete from total_members where of = 'state'")
        sql = "insert into total_members (of, a, b, member, repos) values ('state', ?, 'available', 'listing', ?)"
        connection.executemany(sql, [("model", models), ("dataset", 99_999)])
    with CatalogReader(db) as reader:
        found = [row["repo_id"] for row in run_saved(reader, "trending")]
    assert "google/gemma-3-4b-it" in found
    assert ("stranger/frobnitz-GGUF" in found) is not is_large  # 3 downloads


def test_a_mixture_of_experts_has_its_active_share(reader: CatalogReader) -> None:
    (row,) = run_saved(reader, "moe")
    assert row["percent_active"] == 11.0 and row["experts"] == 128


# ---- running ---------------------------------------------------------------------------------------------------------


def test_run_query_takes_a_name_or_sql(small_on_both: str) -> None:
    with run_query(small_on_both, "best_under", {"size": "3GB"}) as rows:
        assert "repo_id" in rows.columns and len(list(rows)) > 1
    sql = "select repo_id from models where family = :family and downloads > :least order by repo_id"
    with run_query(small_on_both, sql, {"family": "gemma", "least": "100000"}, limit=2) as rows:
        names = [row[0] for row in rows]
        assert names[0] == "bartowski/google_gemma-3-4b-it-GGUF"
        assert rows.truncated


def test_numbers_and_times_are_the_same_on_both_engines(reader: CatalogReader) -> None:
    (row,) = reader.all(
        "select sum(downloads) as downloads, round(cast(avg(likes) as numeric), 2) as likes, min(first_seen) as seen,"
        " max(case when qat then 1 else 0 end) as qat from models"
    )
    assert type(row["downloads"]) is int and type(row["likes"]) is float
    assert row["seen"] == FIRST.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_snapshot_shows_one_moment(db: str) -> None:
    from db.records import Page
    from db.write.store import Store
    from tests.small_catalog import labelled, others

    count = "select count(*) as n from models"
    with CatalogReader(db, snapshot=True) as held:
        before = held.all(count)[0]["n"]
        with Store.open(db) as store:
            run_ = store.start_run("full", "", "https://hub.example")
            store.save_page(
                run_, "", Page(tuple((m.record, labelled(m.labels.labels)) for m in others()[:2]), (), None)
            )
        assert held.all(count)[0]["n"] == before
    with CatalogReader(db) as fresh:
        assert fresh.all(count)[0]["n"] == before + 2


REFUSED = [
    "delete from repos",
    "insert into tags (id, tag) values (99, 'x')",
    "update repos set downloads = 0",
    "drop table repos",
    "create table x (y integer)",
    "with x as (select 1) delete from repos",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_a_statement_that_writes_is_refused(sql: str, small_on_both: str) -> None:
    with pytest.raises(QueryRefused), run_query(small_on_both, sql) as rows:
        list(rows)


@pytest.mark.parametrize(
    "sql",
    [
        "attach database '/etc/passwd' as x",
        "pragma journal_mode=delete",
        "pragma query_only=off",
        "pragma writable_schema=on",
        "update sqlite_master set sql = ''",
        "create virtual table x using fts5(y)",
        "select load_extension('x')",
        "select zeroblob(1000000000)",
        "select 1; select 2",
        "begin immediate",
    ],
)
def test_sqlite_refuses_everything_but_reading(sql: str, small: str) -> None:
    with pytest.raises((QueryRefused, QueryError)), run_query(small, sql) as rows:
        list(rows)


def test_the_full_text_index_can_be_queried(small: str) -> None:
    with run_query(small, "select count(*) from search_index where search_index match 'gem'") as rows:
        assert list(rows) == [(5,)]


def test_a_query_beyond_its_timeout_is_stopped(small_on_both: str) -> None:
    endless = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n"
    with pytest.raises(QueryTimeout), run_query(small_on_both, endless, timeout=0.3) as rows:
        list(rows)


def test_a_value_is_never_executed(reader: CatalogReader) -> None:
    rows = reader.all("select :text as text", {"text": "'; drop table repos; --"})
    assert rows == [{"text": "'; drop table repos; --"}]
    assert reader.all("select license from models where license = :l", {"l": FORMULA}) == [{"license": FORMULA}]


def test_an_error_in_the_sql_names_its_cause(small_on_both: str) -> None:
    with pytest.raises(QueryError, match="nosuchcolumn"):
        run_query(small_on_both, "select nosuchcolumn from models")
    with pytest.raises(BadParameter, match="size"):
        run_query(small_on_both, "select * from models where total_size < :size")


@pytest.mark.parametrize("small_on_both", ["postgresql"], indirect=True)
def test_postgresql_plans_for_all_rows_where_all_are_read(small_on_both: str) -> None:
    sql = "select current_setting('cursor_tuple_fraction') as share, current_setting('statement_timeout') as most"
    with CatalogReader(small_on_both, timeout=7) as reader:
        assert reader.all(sql) == [{"share": "1", "most": "7s"}]
        assert list(reader.rows(sql, limit=1).dicts()) == [{"share": "0.1", "most": "7s"}]

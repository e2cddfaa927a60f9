"""Questions: what their files must say, what they answer on both engines, and what no statement may do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from analysis.errors import BadParameter, InvalidSavedQuery, UnknownSavedQuery
from analysis.query.reader import (
    CatalogReader,
    SavedQuery,
    bound_names,
    find_saved_query,
    is_name,
    normalize_row,
    parse_parameter_value,
    parse_saved_query,
    run_query,
    saved_queries,
)
from db.errors import QueryError, QueryRefused, QueryTimeout
from tests.small_catalog import FIRST, FORMULA

SINCE = {"since": "2026-10-01"}
BY_NAME = {question.name: question for question in saved_queries()}


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def answer(reader: CatalogReader, name: str, **given: str) -> list[dict[str, Any]]:
    question = find_saved_query(name)
    return reader.all(question.sql, question.values(given))


# ---- what comes with the program ------------------------------------------------------------------------------------


def test_there_are_many_questions_and_each_says_what_it_is() -> None:
    assert len(saved_queries()) >= 30
    for question in saved_queries():
        assert question.title[0].isupper() and not question.title.endswith(".")
        assert len(question.description) > 30 and question.description.endswith(".")
        assert all(parameter.description for parameter in question.parameters)
    assert len({question.title for question in saved_queries()}) == len(saved_queries())


def test_no_question_has_the_name_of_a_table(small: str) -> None:
    """Datasette has one address for both."""
    with CatalogReader(small) as reader:
        tables = {row["name"] for row in reader.all("select name from sqlite_master where type in ('table', 'view')")}
    assert not tables & {question.name for question in saved_queries()}


@pytest.mark.parametrize("question", saved_queries(), ids=lambda question: question.name)
def test_every_question_has_an_answer_in_a_stable_order(question: SavedQuery, reader: CatalogReader) -> None:
    given = SINCE if question.name == "new-models" else {}
    rows = reader.all(question.sql, question.values(given))
    assert rows, f"{question.name} finds nothing in a catalog that holds one of each"
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in rows[0])
    assert rows == reader.all(question.sql, question.values(given))
    assert "order by" in question.sql.lower()


@pytest.mark.parametrize("question", saved_queries(), ids=lambda question: question.name)
def test_both_engines_answer_alike(question: SavedQuery, small: str, small_on_both: str) -> None:
    if small == small_on_both:
        return
    given = SINCE if question.name == "new-models" else {}
    with CatalogReader(small) as one, CatalogReader(small_on_both) as other:
        rows, others = (each.all(question.sql, question.values(given)) for each in (one, other))

    def plain(row: dict[str, Any]) -> list[tuple[str, Any]]:
        return [(key, round(value, 6) if isinstance(value, float) else value) for key, value in row.items()]

    assert sorted(map(repr, map(plain, rows))) == sorted(map(repr, map(plain, others)))


# ---- answers that people know ---------------------------------------------------------------------------------------


def test_quantized_copies_are_those_of_the_model_smallest_first(reader: CatalogReader) -> None:
    rows = answer(reader, "quantized-copies", model="Google/Gemma-3-4B-it")
    assert {row["repo_id"] for row in rows} == {
        "google/gemma-3-4b-it-qat-q4_0-gguf",
        "bartowski/google_gemma-3-4b-it-GGUF",
        "unsloth/gemma-3-4b-it-GGUF",
        "RedHatAI/gemma-3-4b-it-quantized.w4a16",
    }
    sizes = [row["total_size"] for row in rows]
    assert sizes == sorted(sizes)
    assert not any("mmproj" in row["artifact"] for row in rows), "a projector is no copy of the model"


def test_the_best_copy_under_a_size_has_the_most_bits_that_fit(reader: CatalogReader) -> None:
    best = answer(reader, "best-under", model="google/gemma-3-4b-it", size="3GB")[0]
    assert (best["quant"], best["repo_id"]) == ("Q4_K_XL", "unsloth/gemma-3-4b-it-GGUF")
    best = answer(reader, "best-under", model="google/gemma-3-4b-it", size="5GB")[0]
    assert best["quant"] == "Q8_0" and best["total_size"] <= 5e9
    assert answer(reader, "best-under", model="google/gemma-3-4b-it", size="1GB") == []


def test_the_same_bytes_in_two_repos_are_a_re_upload(reader: CatalogReader) -> None:
    (row,) = answer(reader, "reuploads")
    assert (row["repos"], row["size"], row["repeated_size"]) == (2, 4_130_402_464, 4_130_402_464)


def test_a_quant_is_measured_against_its_original_on_the_same_dataset(reader: CatalogReader) -> None:
    rows = {row["dataset"]: row for row in answer(reader, "quant-evaluations")}
    assert rows["mmlu"]["delta"] == pytest.approx(58.1 - 59.6)
    assert rows["truthfulqa"]["original_value"] == 50.4


def test_mislabelled_and_broken_files_are_found(reader: CatalogReader) -> None:
    (wrong,) = answer(reader, "mislabelled")
    assert (wrong["quant"], wrong["quant_measured"]) == ("Q2_K", "Q3_K_S")
    (broken,) = answer(reader, "broken-files")
    assert broken["repo_id"] == "halfway/Qwen3-8B-GGUF" and broken["size_by_header"] > broken["total_size"]


def test_qat_stands_beside_post_training(reader: CatalogReader) -> None:
    rows = {row["how"]: row for row in answer(reader, "qat")}
    assert rows["QAT"]["artifacts"] == 1 and rows["post-training"]["artifacts"] == 7


def test_lineage_goes_up_and_descendants_go_down(reader: CatalogReader) -> None:
    (step,) = answer(reader, "ancestors", model="unsloth/gemma-3-4b-it-GGUF")
    assert (step["parent"], step["relation"], bool(step["missing"])) == ("google/gemma-3-4b-it", "quantized", False)
    assert len(answer(reader, "descendants", model="google/gemma-3-4b-it")) == 4


def test_what_vanished_says_when_it_was_noticed(reader: CatalogReader) -> None:
    (row,) = answer(reader, "vanished")
    assert row["repo_id"] == "old/vanished-7b" and str(row["noticed_at"]).startswith("2026-11-02")


def test_downloads_move_between_two_days(reader: CatalogReader) -> None:
    rows = {row["repo_id"]: row for row in answer(reader, "rising")}
    assert rows["google/gemma-3-4b-it"]["downloads_change"] == 100
    assert rows["meta-llama/Llama-3.1-8B-Instruct"]["downloads_change"] == 0


def test_active_parameters_tell_a_mixture_of_experts(reader: CatalogReader) -> None:
    (row,) = answer(reader, "moe")
    assert row["percent_active"] == 11.0 and row["experts"] == 128


# ---- asking ---------------------------------------------------------------------------------------------------------


def test_run_asks_by_name_and_by_sql(small_on_both: str) -> None:
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


def test_a_snapshot_holds_one_moment(db: str) -> None:
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
def test_what_writes_is_refused(sql: str, small_on_both: str) -> None:
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
def test_what_reaches_out_of_sqlite_is_refused(sql: str, small: str) -> None:
    with pytest.raises((QueryRefused, QueryError)), run_query(small, sql) as rows:
        list(rows)


def test_full_text_is_there_to_be_asked(small: str) -> None:
    with run_query(small, "select count(*) from search_index where search_index match 'gem'") as rows:
        assert list(rows) == [(5,)]


def test_a_question_without_end_is_stopped(small_on_both: str) -> None:
    endless = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n"
    with pytest.raises(QueryTimeout), run_query(small_on_both, endless, timeout=0.3) as rows:
        list(rows)


def test_a_value_is_never_sql(reader: CatalogReader) -> None:
    rows = reader.all("select :text as text", {"text": "'; drop table repos; --"})
    assert rows == [{"text": "'; drop table repos; --"}]
    assert reader.all("select license from models where license = :l", {"l": FORMULA}) == [{"license": FORMULA}]


def test_a_mistake_in_sql_is_told_by_its_name(small_on_both: str) -> None:
    with pytest.raises(QueryError, match="nosuchcolumn"):
        run_query(small_on_both, "select nosuchcolumn from models")
    with pytest.raises(BadParameter, match="size"):
        run_query(small_on_both, "select * from models where total_size < :size")


# ---- files of questions ---------------------------------------------------------------------------------------------

WHOLE = """-- title: Big ones
-- description: Models over a size,
--   biggest first.
-- kind: interactive
-- param: size | size | 3GB | how big
-- param: family | text | | which family
select repo_id from models where total_size > :size and family = :family
"""


def test_a_question_is_read_from_its_comments() -> None:
    question = parse_saved_query("big", WHOLE)
    assert question.description == "Models over a size, biggest first."
    assert question.values({}) == {"size": 3_000_000_000, "family": None}
    assert question.values({"size": "1GiB", "family": "gemma"}) == {"size": 2**30, "family": "gemma"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("-- title: Big ones\n", "", "title"),
        ("interactive", "sometimes", "sometimes"),
        (":size and", "3 and", "size"),
        ("3GB", "much", "much"),
        ("| size |", "| weight |", "weight"),
    ],
)
def test_a_question_that_is_not_whole_is_refused(old: str, new: str, problem: str) -> None:
    with pytest.raises((InvalidSavedQuery, BadParameter), match=problem):
        parse_saved_query("big", WHOLE.replace(old, new, 1))


def test_names_that_are_close_are_told() -> None:
    with pytest.raises(UnknownSavedQuery) as caught:
        find_saved_query("quantised-copies")
    assert "quantized-copies" in caught.value.close
    assert find_saved_query("best_under") is BY_NAME["best-under"]


def test_a_parameter_of_the_wrong_kind_names_itself() -> None:
    question = BY_NAME["best-under"]
    with pytest.raises(BadParameter, match="much"):
        question.values({"size": "much"})
    with pytest.raises(BadParameter, match="model, size"):
        question.values({"modle": "x"})


def test_parameters_in_sql_are_told_from_casts_strings_and_comments() -> None:
    sql = "select ':no', x::text, \":no\" from y where z = :yes -- :no\n and w = :also /* :no */"
    assert bound_names(sql) == ["yes", "also"]


@pytest.mark.parametrize(
    ("text", "is_one"), [("top-families", True), ("best-under", True), ("select 1", False), ("", False)]
)
def test_a_name_is_one_word(text: str, is_one: bool) -> None:
    assert is_name(text) is is_one


@pytest.mark.parametrize(("text", "value"), [("4", 4), ("0.5", 0.5), ("3.10", "3.10"), ("007", "007"), ("x", "x")])
def test_a_plain_value_is_a_number_only_if_written_as_one(text: str, value: Any) -> None:
    assert parse_parameter_value(text) == value and type(parse_parameter_value(text)) is type(value)


def test_tidy_rows_know_booleans_and_lists() -> None:
    assert normalize_row({"qat": 1, "tuning": '["instruct"]', "downloads": 1}) == {
        "qat": True, "tuning": ["instruct"], "downloads": 1,
    }  # fmt: skip
    assert normalize_row({"qat": None, "languages": "not json"}) == {"qat": None, "languages": []}

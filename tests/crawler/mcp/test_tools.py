"""Each tool: what it answers, what it refuses, and what it makes of hostile text."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from crawler.mcp import answers
from crawler.mcp.limits import MAX_RESULT_CHARACTERS, MAX_TEXT
from tests.crawler.mcp.conftest import Call

QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"


def test_search_models_finds_by_words_and_by_labels(call: Call) -> None:
    by_label = call("search_models", family=["gemma"], quant=["Q4_0"], sort="name").structure
    assert [row["repo_id"] for row in by_label["models"]] == sorted(
        (row["repo_id"] for row in by_label["models"]), key=str.lower
    )
    assert QAT in [row["repo_id"] for row in by_label["models"]]
    by_words = call("search_models", text="gemma qat q4_0").structure["models"]
    assert by_words[0]["repo_id"] == QAT and by_words[0]["quant"] == "Q4_0"
    assert call("search_models", text="gemma qat", author=["nobody"]).structure["models"] == []


def test_pages_hold_every_model_once(call: Call) -> None:
    whole = [row["repo_id"] for row in call("search_models", limit=100).structure["models"]]
    paged: list[str] = []
    cursor = None
    while True:
        page = call("search_models", limit=4, cursor=cursor).structure
        paged += [row["repo_id"] for row in page["models"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["models"]) == 4
    assert paged == whole and len(set(whole)) == len(whole) > 8


def test_a_cursor_belongs_to_its_arguments(call: Call) -> None:
    cursor = call("search_models", limit=2).structure["next_cursor"]
    for wrong in (call("search_models", limit=2, family=["gemma"], cursor=cursor), call("search_models", cursor="x")):
        assert wrong.is_error and "next_cursor" in wrong.text


def test_get_model_has_labels_with_evidence_files_lineage_and_commands(call: Call) -> None:
    found = call("get_model", repo_id=QAT.upper()).structure
    assert found["model"]["repo_id"] == QAT and found["model"]["license"] == "gemma"
    labels = {each["field"]: each for each in found["labels"]}
    assert labels["family"]["value"] == "gemma" and labels["family"]["source"] == "name"
    assert found["quantizations"][0]["quant"] and found["base_models"][0]["repo_id"].startswith("google/gemma-3-4b")
    assert QAT in found["use"]["llama.cpp"]
    assert found["basis"]["coverage"].startswith("14 repos known")


def test_find_models_that_fit_answers_for_a_machine(call: Call) -> None:
    found = call("find_models_that_fit", ram="16GB", context="4096").structure
    first = found["models"][0]
    assert first["needs"] + first["left"] == 16 * 10**9 - 16 * 10**9 // 6
    assert found["machine"] == "16 GB RAM" and first["repo_id"] in str(found["use"])
    less = call("find_models_that_fit", ram="4GB", context="4096").structure["models"][0]
    assert less["repo_id"] == first["repo_id"] and less["needs"] < first["needs"] and less["quant"] == "Q2_K"


def test_compare_models_keeps_the_order(call: Call) -> None:
    asked = [QAT, "google/gemma-3-4b-it"]
    rows = call("compare_models", repo_ids=asked).structure["models"]
    assert [row["model"]["repo_id"] for row in rows] == asked
    assert rows[0]["precision"] and rows[1]["precision"] is None


def test_decode_name_claims_only(call: Call) -> None:
    found = call("decode_name", name="Qwen3-30B-A3B-Instruct-2507-UD-Q4_K_XL.gguf").structure
    assert found["labels"]["family"] == "qwen" and found["labels"]["active_parameters"] == 3 * 10**9
    assert "third generation" in found["explanation"]


def test_list_changes_since_a_moment(call: Call) -> None:
    changes = call("list_changes", since="2026-10-01", limit=100).structure["changes"]
    times = [change["seen_at"] for change in changes]
    assert times == sorted(times, reverse=True)
    gone = call("list_changes", since="2026-10-01", kind=["gone"]).structure["changes"]
    assert {change["kind"] for change in gone} == {"gone"} and len(gone) < len(changes)


def test_identify_file_by_its_name_and_by_its_content(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_CATALOG_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "model.gguf"
    file.write_bytes(b"no model of the catalog")
    found = call("identify_file", path=str(file), hash=True).structure
    assert found["state"] == "unknown" and found["size"] == 23 and found["repo_id"] is None
    assert found["sha256"] == sha256(file.read_bytes()).hexdigest()
    assert call("identify_file", path=str(file)).structure["sha256"] is None


def test_audit_model_gives_a_result_for_each_check(call: Call) -> None:
    found = call("audit_model", repo_id=QAT.upper()).structure
    assert found["repo_id"] == QAT and found["summary"].startswith(f"{QAT}: ")
    assert {each["result"] for each in found["checks"]} <= {"pass", "warn", "fail", "unknown"}
    assert {"pickle", "age"} <= {each["check"] for each in found["checks"]}
    assert call("audit_model", repo_id="no/model").is_error


def test_query_sql_runs_statements_and_saved_queries(call: Call) -> None:
    statement = "select repo_id from models where family = :family order by repo_id"
    rows = call("query_sql", sql=statement, parameters={"family": "gemma"}, limit=2).structure
    assert rows["columns"] == ["repo_id"] and len(rows["rows"]) == 2 and rows["truncated"]
    copies = call("query_sql", sql="quantized-copies", parameters={"model": "google/gemma-3-4b-it"}).structure
    assert QAT in [cell for row in copies["rows"] for cell in row]


def test_query_sql_reads_only(call: Call, small: str) -> None:
    before = Path(small).read_bytes()
    for statement in ("delete from repos", "attach 'x.db' as x", "select load_extension('x')", "pragma user_version=7"):
        refused = call("query_sql", sql=statement)
        assert refused.is_error, statement
    assert Path(small).read_bytes() == before


def test_query_sql_limits_the_size_of_an_answer(call: Call) -> None:
    wide = ", ".join([f"'{'x' * 900}'"] * 9)
    endless = f"with recursive n(i) as (select 1 union all select i + 1 from n) select {wide} from n"
    found = call("query_sql", sql=endless, limit=100)
    assert len(json.dumps(found.structure)) < 1.2 * MAX_RESULT_CHARACTERS
    assert found.structure["truncated"] and "rows, and more." in found.text
    assert len(found.structure["rows"][0][1]) == MAX_TEXT + 3


def test_query_sql_stops_in_time(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "CALL_SECONDS", 0.2)
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    stopped = call("query_sql", sql=endless)
    assert stopped.is_error and "Narrow it" in stopped.text


def test_describe_schema_explains_columns(call: Call) -> None:
    whole = call("describe_schema").structure
    assert {"models", "artifacts_wide", "changes"} <= {each["name"] for each in whole["relations"]}
    (models,) = call("describe_schema", name="models").structure["relations"]
    meanings = {column["name"]: column["meaning"] for column in models["columns"]}
    assert meanings["repo_id"] and meanings["bits_per_weight"]
    (saved,) = call("describe_schema", name="quantized-copies").structure["saved_queries"]
    assert saved["parameters"][0]["name"] == "model"


@pytest.mark.parametrize(
    ("tool", "arguments", "nearest"),
    [
        ("search_models", {"family": ["gema"]}, "gemma"),
        ("search_models", {"quant": ["Q4KM"]}, "Q4_K_M"),
        ("search_models", {"format": ["ggug"]}, "gguf"),
        ("get_model", {"repo_id": "google/gemma-3-4b-itt"}, "google/gemma-3-4b-it"),
        ("get_model", {"repo_id": "other/gemma-3-4b-it"}, "google/gemma-3-4b-it"),
        ("find_models_that_fit", {"ram": "16"}, "16GB"),
        ("find_models_that_fit", {}, "preset"),
        ("find_models_that_fit", {"preset": "RTX 4099"}, "4090"),
        ("find_models_that_fit", {"ram": "16GB", "task": "embeding"}, "embedding"),
        ("list_changes", {"since": "yesterday"}, "7d"),
        ("identify_file", {"path": "/no/such/model.gguf"}, "absolute path"),
        ("identify_file", {"path": "/dev/zero"}, "absolute path"),
        ("describe_schema", {"name": "modls"}, "models"),
        ("query_sql", {"sql": "select wrong from models"}, ". describe_schema names"),
        ("get_model", {"repo_id": "nobody/zzzzqqqq"}, ". search_models finds"),
        ("query_sql", {"sql": "quantised-copies"}, "quantized-copies"),
    ],
)
def test_unknown_values_give_the_nearest(call: Call, tool: str, arguments: dict[str, Any], nearest: str) -> None:
    refused = call(tool, **arguments)
    assert refused.is_error and nearest in refused.text and "hf-catalog " not in refused.text


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("search_models", {"limit": 0}),
        ("search_models", {"limit": 101}),
        ("search_models", {"text": "x" * (MAX_TEXT + 1)}),
        ("search_models", {"text": "%&/"}),
        ("search_models", {"family": ["x"] * 21}),
        ("search_models", {"min_size": "huge"}),
        ("get_model", {"repo_id": "'; drop table repos; --"}),
        ("get_model", {"repo_id": "\x00"}),
        ("compare_models", {"repo_ids": []}),
        ("decode_name", {"name": "a\x1b[31m"}),
        ("query_sql", {"sql": "select :a"}),
        ("query_sql", {"sql": "x" * 20_000}),
        ("query_sql", {"sql": "select 1", "limit": "many"}),
        ("no_such_tool", {}),
    ],
)
def test_hostile_arguments_are_refused(call: Call, tool: str, arguments: dict[str, Any]) -> None:
    refused = call(tool, **arguments)
    assert refused.is_error and "Traceback" not in refused.text and "\x1b" not in refused.text


def test_texts_of_the_hub_are_cut_and_escaped() -> None:
    assert answers.clean("a\x1b[31m\u202eb") == "a\\x1b[31m\\u202eb"
    assert len(answers.clean("x" * 9999)) == MAX_TEXT + 3
    assert answers.clean({"a\n": ["\x07"]}) == {"a\\n": ["\\x07"]}
    assert answers.clean(b"\x00\xff") == "00ff"

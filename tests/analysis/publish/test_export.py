"""Exports: what is written, that pandas and SQL agree, that a failed export changes nothing, differences of two."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.errors import ExportRefused, UnknownTable
from analysis.publish import manifest as manifests
from analysis.publish import summaries, table_files, workbook
from analysis.publish.columns import meaning_of, table_columns
from analysis.publish.export import export_catalog, exportable_names
from analysis.publish.summaries import python_rows
from analysis.publish.table_files import ColumnKind, write_table
from analysis.publish.workbook import write_workbook
from analysis.query.reader import CatalogReader
from db.records import Page
from db.revisions import head
from db.write.store import Store
from tests.small_catalog import FORMULA, SCRIPT, build, gemmas, labelled

REPOS = """
select coalesce({key}, '{none}'), count(*), sum(case when quantized then 1 else 0 end), sum(downloads), sum(likes),
    sum(total_size)
from models where status <> 'gone' group by 1
"""
SIZE_CLASS = (
    "case when coalesce(parameters_measured, parameters) is null then null"
    " when coalesce(parameters_measured, parameters) < 1e9 then 'under 1B'"
    " when coalesce(parameters_measured, parameters) < 4e9 then '1B to 4B'"
    " when coalesce(parameters_measured, parameters) < 1e10 then '4B to 10B'"
    " when coalesce(parameters_measured, parameters) < 4e10 then '10B to 40B' else 'more' end"
)
ARTIFACTS = """
select {names}, count(*), count(distinct repo_id), sum(case when quantized then 1 else 0 end),
    round(cast(avg(bits_per_weight) as numeric), 4), min(bits_per_weight), max(bits_per_weight),
    (select sum(m.downloads) from models m where m.repo_id in (
        select w.repo_id from artifacts_wide w where w.role = 'weights' and {same})),
    sum(total_size)
from artifacts_wide a where role = 'weights' and status <> 'gone' group by {keys}
"""
QUANT = "coalesce(w.quant, '') = coalesce(a.quant, '') and coalesce(w.quant_method, '') = coalesce(a.quant_method, '')"
IN_SQL = {
    "by_family": REPOS.format(key="family", none="no family known"),
    "by_license": REPOS.format(key="license", none="no licence stated"),
    "by_publisher": REPOS.format(key="author", none="no publisher"),
    "by_size_class": REPOS.format(key=SIZE_CLASS, none="no size known"),
    "by_quant": ARTIFACTS.format(
        names="coalesce(a.quant, 'no scheme known'), coalesce(a.quant_method, 'no method known')",
        keys="a.quant, a.quant_method",
        same=QUANT,
    ),
    "by_format": ARTIFACTS.format(
        names="coalesce(a.format, 'no format known')", keys="a.format", same="w.format = a.format"
    ),
}


DESCRIPTIONS = ("manifest.json", "datapackage.json")


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in DESCRIPTIONS}


# ---- summaries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 50_000])
@pytest.mark.parametrize("name", IN_SQL)
def test_pandas_and_sql_give_equal_sums(name: str, size: int, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows a data frame holds."""
    read_frames = summaries.read_frames
    monkeypatch.setattr(summaries, "read_frames", lambda reader, sql: read_frames(reader, sql, size))
    with CatalogReader(small) as reader:
        ((_, frame),) = summaries.summarize(reader, [name])
        expected = [tuple(row.values()) for row in reader.all(IN_SQL[name])]

    def ordered(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
        plain = [[round(value, 4) if isinstance(value, float) else value for value in row] for row in rows]
        return sorted(plain, key=repr)

    assert ordered(list(python_rows(frame))) == ordered(expected)


def test_a_summary_of_an_empty_catalog_has_its_columns(sqlite_db: str) -> None:
    with CatalogReader(sqlite_db) as reader:
        found = {summary.name: frame for summary, frame in summaries.summarize(reader)}
    assert len(found) == 6 and all(frame.empty for frame in found.values())
    assert list(found["by_family"].columns) == ["family", *summaries.SUMMARY_COLUMNS["repos"]]


@pytest.mark.parametrize(
    ("parameters", "name"),
    [(None, None), (0, None), (999_999_999, "under 1B"), (1_000_000_000, "1B to 4B"), (671e9, "over 150B")],
)
def test_a_size_class_begins_at_its_bound(parameters: float | None, name: str | None) -> None:
    assert summaries.size_class_of(parameters) == name


# ---- files ----------------------------------------------------------------------------------------------------------


def test_the_manifest_lists_rows_sizes_hashes_and_the_catalogs_time(small: str, tmp_path: Path) -> None:
    manifest = export_catalog(small, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    assert (manifest["schema"], manifest["catalog_time"]) == (head(), "2026-11-02T08:00:00.000Z")
    assert {entry["name"] for entry in manifest["files"]} == files_of(tmp_path / "out").keys()
    for entry in manifest["files"]:
        content = (tmp_path / "out" / entry["name"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest() and entry["size"] == len(content)
        rows = read_csv(tmp_path / "out" / entry["name"])
        assert len(rows) == entry["rows"]
        assert all(list(row) == entry["columns"] for row in rows)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_both_engines_write_the_same_bytes(form: Any, small: str, small_on_both: str, tmp_path: Path) -> None:
    export_catalog(small, tmp_path / "one", form=form)
    export_catalog(small_on_both, tmp_path / "other", form=form)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


def test_a_formula_gets_an_apostrophe_unless_raw(small: str, tmp_path: Path) -> None:
    def licences(folder: Path) -> set[str]:
        return {row["license"] for row in read_csv(folder / "models.csv")}

    export_catalog(small, tmp_path / "safe", only=["models"])
    export_catalog(small, tmp_path / "raw", only=["models"], raw=True)
    assert f"'{FORMULA}" in licences(tmp_path / "safe") and FORMULA not in licences(tmp_path / "safe")
    assert FORMULA in licences(tmp_path / "raw")


def test_a_table_of_several_batches_keeps_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "CSV_BATCH_ROWS", 2)
    rows = [(number, text) for number, text in enumerate(["a", "=b", None, "c", "d"])]
    assert write_table(tmp_path / "t.csv", "csv", ["n", "text"], iter(rows), {}) == 5
    assert (tmp_path / "t.csv").read_text("utf-8").splitlines() == ["n,text", "0,a", "1,'=b", "2,", "3,c", "4,d"]


def test_parquet_keeps_types_and_duckdb_reads_it(small: str, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: pip install '.[analytics]'")
    export_catalog(small, tmp_path / "lake", form="parquet", only=["models", "files", "by-quant"])
    models = tmp_path / "lake" / "models.parquet"
    sql = f"select tuning, qat, epoch(created_at), parameters_measured from '{models}' where repo_id = ?"
    (row,) = duckdb.execute(sql, ["google/gemma-3-4b-it"]).fetchall()
    assert row[0] == ["instruct"] and row[1] is None and row[3] == 4_300_079_472
    assert row[2] == datetime(2025, 2, 3, tzinfo=UTC).timestamp()
    total = duckdb.sql(f"select sum(size) from '{tmp_path / 'lake' / 'files.parquet'}'").fetchall()
    assert total[0][0] > 60e9


def test_json_lines_keep_lists_numbers_and_untrusted_text(small: str, tmp_path: Path) -> None:
    export_catalog(small, tmp_path / "out", form="jsonl", only=["models"])
    rows = [json.loads(line) for line in (tmp_path / "out" / "models.jsonl").read_text("utf-8").splitlines()]
    by_id = {row["repo_id"]: row for row in rows}
    assert by_id["google/gemma-3-4b-it"]["tuning"] == ["instruct"]
    assert by_id["stranger/frobnitz-GGUF"]["pipeline_tag"] == SCRIPT


def test_only_takes_names_of_summaries_tables_and_saved_queries(small: str, tmp_path: Path) -> None:
    manifest = export_catalog(small, tmp_path / "out", only=["by-family", "label_conflicts", "best-under", "labels"])
    assert [entry["name"] for entry in manifest["files"]] == [
        "by_family.csv", "label_conflicts.csv", "labels.csv", "best-under.csv",
    ]  # fmt: skip
    with pytest.raises(UnknownTable, match="models"):
        export_catalog(small, tmp_path / "other", only=["modles"])
    assert not (tmp_path / "other").exists()


def test_since_excludes_rows_that_did_not_change(small: str, tmp_path: Path) -> None:
    export_catalog(
        small, tmp_path / "out", since=datetime(2026, 11, 2, tzinfo=UTC), only=["models", "changes", "crawl_runs"]
    )
    assert read_csv(tmp_path / "out" / "models.csv") == []
    assert [row["kind"] for row in read_csv(tmp_path / "out" / "changes.csv")] == ["gone"]
    assert len(read_csv(tmp_path / "out" / "crawl_runs.csv")) == 1


# ---- folders --------------------------------------------------------------------------------------------------------


def test_a_failed_export_keeps_the_earlier_one(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_catalog(small, tmp_path / "out")
    before = files_of(tmp_path / "out")

    def fail_on_models(path: Path, *args: Any, **more: Any) -> int:
        if path.name == "models.csv":
            raise OSError(28, "No space left on device", str(path))
        return write_table(path, *args, **more)

    monkeypatch.setattr(manifests, "write_table", fail_on_models)
    with pytest.raises(OSError, match="No space"):
        export_catalog(small, tmp_path / "out")
    assert files_of(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "the temporary folder is removed"


def test_an_export_replaces_an_export_and_nothing_else(small: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_catalog(small, out)
    export_catalog(small, out, only=["models"])
    assert files_of(out).keys() == {"models.csv"}
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ExportRefused, match=r"notes\.txt"):
        export_catalog(small, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")
    with pytest.raises(ExportRefused, match="thesis"):
        export_catalog(small, tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    export_catalog(small, tmp_path / "empty", only=["skips"])
    assert (tmp_path / "empty" / "skips.csv").exists()


# ---- differences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_the_difference_to_an_earlier_export_lists_every_change(form: Any, small: str, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    shutil.copy(small, db)
    export_catalog(db, tmp_path / "old", form=form)
    google = gemmas()[0]
    new = replace(google.record, hub_id="f" * 24, repo_id="aaa/new-model", sha="e" * 40)
    moved = replace(google.record, license="apache-2.0", downloads=5)
    with Store.open(db) as store:
        run = store.start_run("incremental", "", "https://hub.example")
        labels = labelled(google.labels.labels)
        store.save_page(run, "", Page(((moved, labels), (new, labels)), (), None))
    export_catalog(db, tmp_path / "new", diff=tmp_path / "old")
    found = {
        (row["table"], row["key"], row["change"], row["column"], row["before"], row["after"])
        for row in read_csv(tmp_path / "new" / "differences.csv")
    }
    assert ("models", "aaa/new-model", "added", "", "", "") in found
    assert ("models", "google/gemma-3-4b-it", "changed", "license", "gemma", "apache-2.0") in found
    assert not any(column == "downloads" for _, _, _, column, _, _ in found), "counters have a table of their own"
    again = export_catalog(db, tmp_path / "again", diff=tmp_path / "new")
    assert next(entry for entry in again["files"] if entry["table"] == "differences")["rows"] == 0
    back = export_catalog(small, tmp_path / "back", diff=tmp_path / "new", only=["models"])
    assert back["files"][-1]["rows"] >= 2
    rows = read_csv(tmp_path / "back" / "differences.csv")
    assert ("aaa/new-model", "removed") in {(row["key"], row["change"]) for row in rows}


def test_diff_with_a_folder_that_is_not_an_export_is_refused(small: str, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="not an export"):
        export_catalog(small, tmp_path / "out", diff=tmp_path)
    assert not (tmp_path / "out").exists()


def test_two_catalogs_of_the_same_hub_export_the_same_bytes(small: str, tmp_path: Path) -> None:
    """The same Hub crawled again into another catalog: equal rows in equal order."""
    build(tmp_path / "twin.db")
    export_catalog(small, tmp_path / "one", only=["models", "artifacts", "files"])
    export_catalog(tmp_path / "twin.db", tmp_path / "other", only=["models", "artifacts", "files"])
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


# ---- descriptions and workbooks -------------------------------------------------------------------------------------


def described(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Table -> column -> its field in datapackage.json."""
    package = json.loads((folder / "datapackage.json").read_text("utf-8"))
    return {
        resource["name"]: {field["name"]: field for field in resource["schema"]["fields"]}
        for resource in package["resources"]
    }


def test_datapackage_describes_every_column_of_every_file(small: str, tmp_path: Path) -> None:
    manifest = export_catalog(small, tmp_path / "out", only=exportable_names())
    found = described(tmp_path / "out")
    assert {entry["table"]: entry["columns"] for entry in manifest["files"]} == {
        table: list(columns) for table, columns in found.items()
    }
    assert [name for table in found.values() for name, field in table.items() if not field["description"]] == []
    sizes, day = found["by_quant"]["total_size"], found["metrics_daily"]["day"]
    assert (sizes["type"], sizes["unit"], day["type"]) == ("integer", "bytes", "date")
    assert found["models"]["tuning"]["type"] == "array" and found["files"]["size"]["unit"] == "bytes"
    assert found["trending"]["first_day"]["type"] == "date" and found["vanished"]["noticed_at"]["type"] == "datetime"


def test_the_manifest_says_which_hub_how_much_of_it_and_under_which_licence(small: str, tmp_path: Path) -> None:
    manifest = export_catalog(small, tmp_path / "out", only=["by_family"])
    assert manifest["hubs"] == ["https://hub.example"] and manifest["licence"]["name"] == "facts"
    assert [(each["scope"], each["crawls"]) for each in manifest["scopes"]] == [("whole Hub", 1)] * 2
    assert manifest["coverage"]["text"].startswith("14 repos known")
    package = json.loads((tmp_path / "out" / "datapackage.json").read_text("utf-8"))
    assert package["sources"] == [{"title": "Hub", "path": "https://hub.example"}]
    entry, resource = manifest["files"][0], package["resources"][0]
    assert (resource["hash"], resource["bytes"]) == (f"sha256:{entry['sha256']}", entry["size"])


def test_a_workbook_keeps_versions_as_texts_and_times_as_dates(tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter", reason="xlsxwriter is not installed: pip install '.[spreadsheet]'")
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed: pip install '.[test]'")
    kinds: dict[str, ColumnKind] = {
        "version": "text", "created_at": "time", "day": "date", "quantized": "boolean", "size": "integer",
        "tuning": "list",
    }  # fmt: skip
    columns = table_columns("models", kinds, list(kinds))
    rows: list[list[Any]] = [
        ["0731", "2026-11-01T08:00:00.000Z", "2026-11-01", True, 2**53, ["chat"]],
        ["08-2024", "1012-01-01T00:00:00.000Z", None, False, 2**53 + 1, []],
        ["1.0", None, None, None, None, None],
        ["=1+1", None, None, None, None, None],
        ["x" * 40_000, None, None, None, None, None],
    ]
    assert write_workbook(tmp_path / "one.xlsx", "models", columns, rows) == 5
    write_workbook(tmp_path / "two.xlsx", "models", columns, rows)
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()
    book = openpyxl.load_workbook(tmp_path / "one.xlsx")
    first, second, third, formula, long = list(book["models"].values)[1:]
    assert first == ("0731", datetime(2026, 11, 1, 8), datetime(2026, 11, 1), True, 2**53, '["chat"]')
    assert second == ("08-2024", "1012-01-01T00:00:00.000Z", None, False, str(2**53 + 1), "[]")
    assert third[0] == "1.0" and book["models"]["A5"].data_type == "s" and formula[0] == "=1+1"
    assert long[0].endswith("(40,000 characters)") and len(long[0]) < 32_767
    assert ("size", "integer", "bytes", meaning_of("models", "size")) in list(book["columns"].values)
    assert book.active.title == "models"


def test_a_table_longer_than_a_sheet_goes_on_in_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xlsxwriter", reason="xlsxwriter is not installed: pip install '.[spreadsheet]'")
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed: pip install '.[test]'")
    monkeypatch.setattr(workbook, "MAX_SHEET_ROWS", 3)
    write_workbook(tmp_path / "a.xlsx", "t", table_columns("t", {}, ["a"]), [[str(at)] for at in range(5)])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert {name: [row[0] for row in book[name].values] for name in book.sheetnames[1:]} == {
        "t": ["a", "0", "1"], "t 2": ["a", "2", "3"], "t 3": ["a", "4"],
    }  # fmt: skip


def test_workbooks_are_not_compared(small: str, tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter", reason="xlsxwriter is not installed: pip install '.[spreadsheet]'")
    export_catalog(small, tmp_path / "book", form="xlsx", only=["by_family"])
    with pytest.raises(ExportRefused, match="workbooks"):
        export_catalog(small, tmp_path / "out", diff=tmp_path / "book")
    with pytest.raises(ExportRefused, match="workbooks"):
        export_catalog(small, tmp_path / "out", form="xlsx", diff=tmp_path / "book")


def test_the_docs_describe_each_column_of_the_summaries() -> None:
    text = (Path(__file__).parents[3] / "docs" / "exports.md").read_text("utf-8")
    for summary in summaries.SUMMARIES:
        for name in (*summary.keys, *summaries.SUMMARY_COLUMNS[summary.unit]):
            assert any(
                f"| `{name}` |" in line and line.endswith(f"| {meaning_of(summary.name, name)} |")
                for line in text.splitlines()
            ), f"{summary.name}.{name}"

"""Histories that others recorded: what is read of their files, and that imports never double or replace anything."""

from __future__ import annotations

import gzip
import lzma
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analysis.query.reader import CatalogReader
from crawler.cli import cli
from db.errors import HistoryInvalid
from db.maintain.import_history import BadRow, HistoryRow, read_history
from db.write.store import Store
from tests.db.made import NOON, page, repo

TODAY = date(2026, 6, 1)
FIRST = repo(1).repo_id


def read(path: Path) -> list[HistoryRow | BadRow]:
    return list(read_history(path, TODAY))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_found_by_their_usual_names_and_bad_rows_by_line(tmp_path: Path) -> None:
    text = (
        "date,id,downloads,likes,more\n"
        "2024-05-08,a/b,10,1,x\n"
        "2024-05-09T00:00:00Z,a/b,11.0,,x\n"
        "2024-02-30,a/b,1,1,x\n"
        "2026-06-02,a/b,1,1,x\n"
        "2015-12-31,a/b,1,1,x\n"
        "2024-05-08,a/b,-1,1,x\n"
        "2024-05-08,a/b,1.5,1,x\n"
        '2024-05-08,"two\nlines",1,1,x\n'
        "2024-05-08,a/b,,,x\n"
        "2024-05-08,a/b,1\n"
        "\n"
        "20240510,a/b,,7,x\n"
    )
    rows = read(write(tmp_path / "history.csv", text))
    assert [each for each in rows if isinstance(each, HistoryRow)] == [
        HistoryRow(2, "a/b", date(2024, 5, 8), 10, 1),
        HistoryRow(3, "a/b", date(2024, 5, 9), 11, None),
        HistoryRow(14, "a/b", date(2024, 5, 10), None, 7),
    ]
    assert [(each.line, each.reason) for each in rows if isinstance(each, BadRow)] == [
        (4, "'2024-02-30' is no day from 2016-01-01 to 2026-06-01"),
        (5, "'2026-06-02' is no day from 2016-01-01 to 2026-06-01"),
        (6, "'2015-12-31' is no day from 2016-01-01 to 2026-06-01"),
        (7, "downloads is '-1'"),
        (8, "downloads is '1.5'"),
        (10, "'two\\nlines' is no repo id"),
        (11, "it has neither downloads nor likes"),
        (12, "it has more or fewer cells than the first line"),
    ]


@pytest.mark.parametrize(("name", "opened"), [("h.csv.gz", gzip.open), ("h.csv.xz", lzma.open)])
def test_packed_files_are_read(tmp_path: Path, name: str, opened: Any) -> None:
    with opened(tmp_path / name, "wt") as file:
        file.write("model,day,likes\na/b,2024-05-08,3\n")
    assert read(tmp_path / name) == [HistoryRow(2, "a/b", date(2024, 5, 8), None, 3)]


def test_parquet_is_read_by_row(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    days = pandas.to_datetime(["2024-05-08", "2024-05-09"])
    columns = {"repo_id": ["a/b", "a/c"], "date": days, "downloads": [1.0, float("nan")], "likes": [2, -1]}
    frame = pandas.DataFrame(columns)
    frame.to_parquet(tmp_path / "h.parquet")
    first, second = read(tmp_path / "h.parquet")
    assert first == HistoryRow(1, "a/b", date(2024, 5, 8), 1, 2)
    assert isinstance(second, BadRow) and (second.line, second.reason) == (2, "likes is -1")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("h.csv", "id,downloads\na,1\n", "no column day; its columns are: id, downloads"),
        ("h.csv", "date,downloads\n", "no column repo_id"),
        ("h.csv", "date,id\n", "no column downloads"),
        ("h.parquet", "date,id,likes\n", "no Parquet file"),
        ("h.csv.xz", "date,id,likes\n", "no CSV file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(HistoryInvalid, match=reason):
        read(write(tmp_path / name, text))


def test_an_import_adds_days_keeps_what_crawls_counted_and_doubles_nothing(db: str, tmp_path: Path) -> None:
    with Store.open(db, clock=lambda: NOON) as store:
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([1, 2]))
    counted = days(db)
    assert {row["source"] for row in counted} == {None}
    own = NOON.date().isoformat()
    text = f"date,id,downloads,likes\n2024-05-08,{FIRST.upper()},10,1\n2024-05-09,{FIRST},11,1\n{own},{FIRST},5,5\n"
    file = write(tmp_path / "h.csv", text + "2024-05-08,no/such,1,1\nwhen,a/b,1,1\n")

    def run(path: Path, status: int) -> str:
        words = ["db", "import-history", str(path), "--source", "elsewhere", "--db", db]
        done = CliRunner().invoke(cli, words, standalone_mode=False, catch_exceptions=False)
        assert done.return_value == status
        return done.output

    assert "line 6: 'when' is no day" in (output := run(file, 1))
    assert "2 days are new, 0 changed, 0 unchanged; 1 counted by crawls, 1 of unknown repos, 1 bad." in output
    after = days(db)
    added = [(row["day"], row["downloads"], row["likes"]) for row in after if row["source"] == "elsewhere"]
    assert added == [("2024-05-08", 10, 1), ("2024-05-09", 11, 1)]
    assert [row for row in after if row["source"] is None] == counted
    assert "0 days are new, 0 changed, 2 unchanged" in run(file, 1)
    assert days(db) == after
    assert "0 days are new, 1 changed, 0 unchanged" in run(write(file, f"day,model,likes\n2024-05-08,{FIRST},2\n"), 0)
    assert [(row["downloads"], row["likes"]) for row in days(db) if row["day"] == "2024-05-08"] == [(None, 2)]


def days(db: str) -> list[dict[str, Any]]:
    with CatalogReader(db) as reader:
        return reader.all("select day, downloads, likes, source from metrics_daily order by repo_id, day")

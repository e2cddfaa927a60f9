"""How rows become record batches and parts, and how processes share the work of a snapshot."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.publish import snapshot_files, snapshot_processes
from analysis.publish.arrow_columns import TableColumn, ViewColumn
from analysis.publish.arrow_reader import BATCH_ROWS, ArrowReader
from analysis.publish.evidence_rows import Documents, read_evidence
from analysis.publish.snapshot import write_snapshot
from analysis.publish.snapshot_files import PartFiles, by_month, by_number, by_prefix
from analysis.publish.snapshot_processes import Helper, open_writers
from analysis.publish.snapshot_rows import Columns, read_batches
from db.derive.evidence_document import evidence_code, pack_evidence
from db.schema.tables import metadata

# ---- columns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("text", ("a", None, "ü"), ["a", None, "ü"]),
        ("text", ("a", "\ud800"), ["a", "\\ud800"]),
        ("text", ("a", ["b"]), ["a", '["b"]']),
        ("integer", (1, None, True), [1, None, 1]),
        ("number", (1, None, 0.5), [1.0, None, 0.5]),
        ("number", (2**60 + 1, 0.5), [float(2**60), 0.5]),
        ("boolean", (1, 0, None), [True, False, None]),
        ("boolean", (True, None), [True, None]),
        ("list", ('["a","b"]', None, '["a","b"]', "[]"), [["a", "b"], None, ["a", "b"], []]),
        ("list", (["a", 7], None), [["a", "7"], None]),
    ],
)
def test_values_of_either_engine_become_a_column(kind: Any, values: tuple[Any, ...], expected: list[Any]) -> None:
    assert ViewColumn("it", kind).to_array(pa, values).to_pylist() == expected


def test_values_of_sqlite_become_arrays_without_python(tmp_path: Path) -> None:
    """Also where the first rows are null, in the order asked for, and all of one moment."""
    path = tmp_path / "rows.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table t (id integer primary key, name text, share real, hash blob, day text) strict")
        connection.executemany("insert into t values (?, null, null, null, null)", [(at,) for at in range(BATCH_ROWS)])
        connection.execute("insert into t values (-1, 'ü', 2, x'00ff', '2026-01-02T03:04:05.678Z')")
    columns: Columns = [ViewColumn("id", "integer"), ViewColumn("name", "text"), ViewColumn("share", "number"),
               ViewColumn("day", "time"), TableColumn(metadata.tables["repo_files"], "sha256")]  # fmt: skip
    sql = "select id, name, share, day, hash from t order by id desc"
    with ArrowReader(path) as reader:
        assert reader.column_names("select * from t") == ["id", "name", "share", "hash", "day"]
        rows = [row for batch in read_batches(pa, reader, sql, columns) for row in zip(*batch.to_pydict().values(),
                strict=True)]  # fmt: skip
        assert [row[0] for row in rows] == list(range(BATCH_ROWS - 1, -2, -1))
        assert rows[0][1:] == (None,) * 4
        assert rows[-1][1:3] + rows[-1][4:] == ("ü", 2.0, b"\0\xff")
        assert rows[-1][3].isoformat() == "2026-01-02T03:04:05.678000+00:00"
        with sqlite3.connect(path) as connection:
            connection.execute("update t set name = cast(x'61ff' as text) where id = -1")
        assert reader.all("select name from t where id = -1") == [{"name": "ü"}]
        reader.begin_again()
        with pytest.raises(ValueError, match="UTF8"):
            list(reader.batches("select name from t where id = -1", ["text"]))


@pytest.mark.parametrize("text", ["2T03:04:05.678Z", "2T03:04:05.678901Z", "2T04:04:05.678+01:00"])
def test_a_time_has_milliseconds(text: str) -> None:
    (found,) = ViewColumn("it", "time").to_array(pa, (f"2026-01-0{text}",)).to_pylist()
    assert found.isoformat() == "2026-01-02T03:04:05.678000+00:00"


EVIDENCE = pa.schema(
    [("repo", pa.int64()), ("artifact", pa.int64()), ("evidence", pa.int64()), ("resolved", pa.bool_())]
)


def documents(*rows: tuple[int, int, str]) -> Documents:
    repos, firsts, pieces = zip(*rows, strict=True)
    return Documents(np.array(repos, np.int64), np.array(firsts, np.int64), pa.array(pieces, pa.string()))


def test_documents_of_evidence_are_rows_in_order() -> None:
    """A repo's documents may come in two batches."""
    codes = {
        10: [evidence_code(5, resolved=True), evidence_code(123456789, resolved=False)],
        12: [evidence_code(5, resolved=True)],
    }
    batches = (
        documents((1, *pack_evidence({0: [evidence_code(9, resolved=False)]})), (2, *pack_evidence(codes))),
        documents((2, *pack_evidence({0: [evidence_code(4, resolved=True)]}))),
    )
    rows = pa.Table.from_batches(list(read_evidence(pa, batches, EVIDENCE))).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (1, 0, 9, False), (2, 0, 4, True), (2, 10, 5, True), (2, 10, 123456789, False), (2, 12, 5, True),
    ]  # fmt: skip


CODES = st.dictionaries(st.integers(0, 10**6), st.sets(st.integers(0, 2**40), min_size=1), min_size=1, max_size=4)


@given(st.lists(CODES, min_size=1, max_size=5))
def test_any_documents_give_the_rows_that_json_gives(repos: list[dict[int, set[int]]]) -> None:
    packed = [(at, *pack_evidence(codes)) for at, codes in enumerate(repos)]
    expected = sorted(
        (repo, first + artifact, code >> 1, code & 1 == 1)
        for repo, first, text in packed
        for artifacts, codes in json.loads(text)
        for artifact in artifacts
        for code in codes
    )
    rows = pa.Table.from_batches(list(read_evidence(pa, [documents(*packed)], EVIDENCE))).to_pylist()
    assert [tuple(row.values()) for row in rows] == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "7", "[7]", "[[1]]", '[[["a"],[1]]]', "[[[1],[2]]", "[[[1],[2]]]]", "]][[", "[[[[1]],[2]]]",
        "[[[1]]]", "[[[1],[2],[3]]]", "[[[1],[]]]", "[[[],[1]]]", "[[[-1],[2]]]", "[[[1],[1234567890123456789]]]",
    ],
)  # fmt: skip
def test_a_text_that_is_no_evidence_is_refused(text: str) -> None:
    good = (1, 0, "[[[0],[6]]]")
    for rows in ([(1, 0, text)], [good, (1, 1, text)], [(1, 0, text), good]):
        with pytest.raises(ValueError, match="malformed evidence"):
            list(read_evidence(pa, [documents(*rows)], EVIDENCE))


def test_evidence_without_groups_has_no_rows() -> None:
    (batch,) = read_evidence(pa, [documents((1, 0, "[]"))], EVIDENCE)
    assert batch.num_rows == 0


# ---- parts ----------------------------------------------------------------------------------------------------------


def batches_of(**columns: list[Any]) -> list[Any]:
    """The columns in batches of four rows."""
    return list(pa.table(columns).to_batches(max_chunksize=4))


@pytest.mark.parametrize(
    ("parts", "column", "expected"),
    [
        (by_number("key"), [1, 9, 10, 19, 20, 25], {"part-0": [1, 9], "part-1": [10, 19], "part-2": [20, 25]}),
        (by_prefix("key", 1), ["a/1", "a/2", "b/1", "ü", "ü2"],
         {"part-61": ["a/1", "a/2"], "part-62": ["b/1"], "part-c3bc": ["ü", "ü2"]}),
        (by_month("key"), [20260131, 20260201, 20260101, 20251231, 20260228],
         {"month=2025-12/part-0": [20251231], "month=2026-01/part-0": [20260131, 20260101],
          "month=2026-02/part-0": [20260201, 20260228]}),
    ],
)  # fmt: skip
def test_rows_go_to_their_part(
    parts: Any, column: list[Any], expected: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_files, "KEYS_PER_FILE", 10)
    batches = batches_of(key=column)
    is_ordered = "month" not in next(iter(expected))
    written = PartFiles("table", batches[0].schema, tmp_path, tmp_path / "none", {}).write(
        batches, parts, in_order=is_ordered
    )
    found = {file["name"]: pq.read_table(tmp_path / file["name"])["key"].to_pylist() for file in written.files}
    assert found == {f"table/{name}.parquet": values for name, values in expected.items()}
    assert list(found) == [f"table/{name}.parquet" for name in expected]
    assert [file["rows"] for file in written.files] == [len(values) for values in expected.values()]


def test_rows_added_to_one_part_leave_the_next_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_files, "KEYS_PER_FILE", 100)
    monkeypatch.setattr(snapshot_files, "ROW_GROUP_ROWS", 30)
    hashes = []
    for name, keys in (("before", range(1, 200)), ("after", range(200))):
        batches = batches_of(key=list(keys), text=[f"text {key}" for key in keys])
        files = PartFiles(name, batches[0].schema, tmp_path, tmp_path / "none", {})
        hashes.append([file["sha256"] for file in files.write(batches, by_number("key"), in_order=True).files])
    (first, second), (other, same) = hashes
    assert first != other and second == same
    metadata = pq.ParquetFile(tmp_path / "after" / "part-1.parquet").metadata
    assert [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)] == [30, 30, 30, 10]


# ---- processes ------------------------------------------------------------------------------------------------------


def parts_of(folder: Path) -> dict[str, Any]:
    manifest = json.loads((folder / "manifest.json").read_text())
    return {**manifest["views"], **{f"tables/{name}": part for name, part in manifest["tables"].items()}}


def test_processes_write_the_same_snapshot(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the helper ends in the middle of its first table."""
    answers: list[tuple[Any, Any]] = []
    ask: Callable[[Helper, Any], Any] = Helper.ask

    def listen(helper: Helper, question: Any) -> Any:
        answers.append((question, ask(helper, question)))
        return answers[-1][1]

    def fail(helper: Helper, question: Any) -> Any:
        if question in alone:
            helper.process.kill()
        return listen(helper, question)

    write_snapshot(small, tmp_path / "alone", processes=1)
    alone = parts_of(tmp_path / "alone")
    for how in (listen, fail):
        answers.clear()
        monkeypatch.setattr(Helper, "ask", how)
        write_snapshot(small, tmp_path / "together", processes=2)
        assert parts_of(tmp_path / "together") == alone
        assert [question for question, _ in answers[2:4]] == ["begin", "begin"]
        written = [question for question, answer in answers[4:] if answer is not None]
        assert sorted(written) == (sorted(alone) if how is listen else [])


def test_all_see_the_same_moment(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a crawl commits while they begin, they begin again; where it always does, one process writes alone."""
    path = tmp_path / "written.db"
    shutil.copy(small, path)
    commits = {"left": 1}

    class Committed:
        """A helper that takes so long to begin that a crawl commits meanwhile."""

        @classmethod
        def start(cls, *_: Any) -> Committed:
            return cls()

        def ask(self, question: str) -> bool:
            if commits["left"]:
                commits["left"] -= 1
                with sqlite3.connect(path) as connection:
                    connection.execute("update repos set likes = coalesce(likes, 0) + 1")
            return True

        def end(self) -> None: ...

    monkeypatch.setattr(snapshot_processes, "Helper", Committed)
    likes = "select sum(likes) as n from repos"
    with sqlite3.connect(path) as connection:
        before = connection.execute(likes).fetchone()[0]
        repos = connection.execute("select count(*) from repos").fetchone()[0]
    with open_writers(str(path), path, tmp_path, tmp_path, 2) as (writer, helpers):
        assert len(helpers) == 2 and writer.reader.all(likes) == [{"n": before + repos}]
    commits["left"] = 1000
    with open_writers(str(path), path, tmp_path, tmp_path, 2) as (_, helpers):
        assert helpers == ()

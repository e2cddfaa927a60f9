"""A snapshot: what it holds, what a second one rewrites, and the catalog that is made of it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pyarrow.parquet
import pytest

from analysis.errors import ExportRefused
from analysis.publish.snapshot import write_snapshot
from analysis.publish.snapshot_writer import VIEWS
from analysis.query.reader import CatalogReader
from analysis.query.saved import saved_queries
from db.errors import CatalogError
from db.maintain import from_snapshot
from db.maintain.check import check
from db.maintain.from_snapshot import SnapshotInvalid, restore_snapshot
from db.read.search import find
from db.schema.snapshot_format import CLEARED, LEFT_OUT, snapshot_tables
from db.schema.tables import metadata
from tests.parquet_files import require
from tests.servers import PostgreSQL

QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"


def answers(db: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every saved query with its default parameters."""
    with CatalogReader(db) as reader:
        return {each.name: list(reader.rows(each.sql, each.parse_values({}))) for each in saved_queries()}


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


@pytest.fixture
def snapshot(small: str, tmp_path: Path) -> Path:
    write_snapshot(small, tmp_path / "snapshot")
    return tmp_path / "snapshot"


@pytest.fixture
def writable(small: str, tmp_path: Path) -> str:
    return str(shutil.copy(small, tmp_path / "writable.db"))


def test_the_demo_restored_answers_every_saved_query_alike(demo: Path, demo_snapshot: Path, tmp_path: Path) -> None:
    restored = str(tmp_path / "restored.db")
    done = restore_snapshot(demo_snapshot, restored)
    assert answers(restored) == {**answers(str(demo)), "skipped": []}, "what the demo skipped is a private repo"
    tables = {part: each["rows"] for part, each in manifest_of(demo_snapshot)["tables"].items()}
    assert {each.table: each.rows for each in done} == tables
    assert sum(tables.values()) > 50_000
    assert [finding.ok for finding in check(restored)] == [finding.ok for finding in check(demo)]
    assert find(restored, "gemma qat 4b").hits == find(demo, "gemma qat 4b").hits


def test_either_engine_makes_the_same_snapshot_of_a_catalog(
    snapshot: Path, tmp_path: Path, postgresql: PostgreSQL
) -> None:
    url = postgresql.create("catalog_template")
    restore_snapshot(snapshot, url)
    write_snapshot(url, tmp_path / "other")
    mine, other = manifest_of(snapshot), manifest_of(tmp_path / "other")
    for part in ("tables", "views"):
        assert [name for name in mine[part] if mine[part][name] != other[part][name]] == []


def test_every_table_is_in_it_or_left_out_for_a_reason(snapshot: Path) -> None:
    tables = {"label_evidence" if name == "repo_evidence" else name for name in metadata.tables}
    assert set(manifest_of(snapshot)["tables"]) | LEFT_OUT == tables
    listed = {file["name"] for part in ("views", "tables") for each in manifest_of(snapshot)[part].values()
              for file in each["files"]}  # fmt: skip
    assert {str(path.relative_to(snapshot)) for path in snapshot.rglob("*.parquet")} == listed


def test_columns_about_the_crawling_machine_are_cleared(writable: str, tmp_path: Path) -> None:
    with sqlite3.connect(writable) as connection:
        connection.execute("update crawl_runs set pid = 4711, host = 'secret-host'")
        connection.execute("update enrichments set holder = 'secret-host', leased_until = '2026-11-01T00:00:00.000Z'")
    write_snapshot(writable, tmp_path / "snapshot")
    for (table, column), value in CLEARED.items():
        values = pandas.read_parquet(tmp_path / "snapshot" / "tables" / table)[column].tolist()
        assert all(each == value or (value is None and pandas.isna(each)) for each in values), column
    assert not any(b"secret-host" in path.read_bytes() for path in tmp_path.rglob("snapshot/**/*.parquet"))


def test_duckdb_and_pandas_read_it(small: str, snapshot: Path) -> None:
    with CatalogReader(small) as reader:
        repos = reader.all("select repo_id, tuning, created_at from models order by hub_id")
    models = pandas.read_parquet(snapshot / "models")
    assert models["repo_id"].tolist() == [row["repo_id"] for row in repos]
    assert [list(each) if each is not None else None for each in models["tuning"]] == [row["tuning"] for row in repos]
    ((count, _),) = duckdb.execute(f"select count(*), min(created_at) from '{snapshot}/models/*.parquet'").fetchall()
    assert count == len(repos)
    months = duckdb.execute(
        f"select month, count(*) from read_parquet('{snapshot}/tables/metrics/*/*.parquet', hive_partitioning = true)"
        " group by month"
    ).fetchall()
    assert [month for month, _ in months] == ["2026-11"]


def test_the_card_describes_every_column(snapshot: Path) -> None:
    card = (snapshot / "README.md").read_text()
    assert "| quant | 87 / 87 | 0 | 908 / 908 | 0 |" in card, "how right labels are, as docs/accuracy.md says"
    _, front, body = card.split("---\n", 2)
    assert "- config_name: models\n  data_files: models/*.parquet\n  default: true\n" in front
    for view in VIEWS:
        for column in manifest_of(snapshot)["views"][view.name]["columns"]:
            assert f"\n| {column} | " in body
    assert "14 repos known" in body


def test_the_card_says_how_many_models_have_each_label(small: str, snapshot: Path) -> None:
    with CatalogReader(small) as reader:
        (found,) = reader.all("select count(*) as models, count(family) as family, count(quant) as quant from models")
    card = (snapshot / "README.md").read_text()
    shares = dict(re.findall(r"(\w+) (\d+%)", card.split("## How many models have a label\n")[1].split("##")[0]))
    assert shares["family"] == f"{found['family'] / found['models']:.0%}"
    assert shares["quant"] == f"{found['quant'] / found['models']:.0%}" != shares["family"]


# ---- a second snapshot ----------------------------------------------------------------------------------------------


def files_of(folder: Path) -> dict[str, int]:
    """Each Parquet file and its inode."""
    return {str(path.relative_to(folder)): path.stat().st_ino for path in folder.rglob("*.parquet")}


def test_an_unchanged_catalog_rewrites_no_file(small: str, snapshot: Path) -> None:
    before = files_of(snapshot)
    counts = write_snapshot(small, snapshot)
    assert files_of(snapshot) == before and counts.kept == counts.files == len(before)


def test_a_new_month_of_metrics_is_a_new_file(writable: str, snapshot: Path) -> None:
    before = files_of(snapshot)
    with sqlite3.connect(writable) as connection:
        connection.execute("insert into metrics (repo, day, downloads) select min(id), 20261203, 5 from repos")
    write_snapshot(writable, snapshot)
    after = files_of(snapshot)
    assert after.keys() - before.keys() == {"tables/metrics/month=2026-12/part-0.parquet"}
    assert {name for name in before if before[name] != after[name]} == set()


def test_one_changed_row_leaves_most_pages_as_they_were(small: str, tmp_path: Path) -> None:
    rows = 30_000
    before, after = tmp_path / "before.db", tmp_path / "after.db"
    for path, extra in ((before, 0), (after, 1)):
        shutil.copy(small, path)
        with sqlite3.connect(path) as connection:
            connection.executemany(
                "insert into tags (id, tag) values (?, ?)",
                ((10_000 + at, f"tag number {at * 7919 % 104729}-{at}") for at in range(rows)),
            )
            if extra:
                connection.execute("update tags set tag = 'changed' where id = 25000")
        write_snapshot(path, tmp_path / path.stem)
    old, new = ((tmp_path / name / "tables/tags/part-0.parquet").read_bytes() for name in ("before", "after"))
    chunks = {old[at : at + 64] for at in range(len(old) - 64)}
    same = sum(new[at : at + 64] in chunks for at in range(0, len(new) - 64, 64))
    assert old != new and same > 0.5 * len(new) / 64
    metadata_of = pyarrow.parquet.ParquetFile(tmp_path / "after" / "tables/tags/part-0.parquet").metadata
    assert metadata_of.row_group(0).column(1).compression == "ZSTD"


def test_a_private_repo_leaves_no_trace(writable: str, tmp_path: Path) -> None:
    with sqlite3.connect(writable) as connection:
        (number,) = connection.execute("select id from repos where repo_id = ?", (QAT,)).fetchone()
        connection.execute("update repos set status = 'private' where id = ?", (number,))
        connection.execute("insert into tags (id, tag) values (99999, 'only-of-the-private-one')")
        connection.execute("insert into repo_tags (repo, position, tag) values (?, 77, 99999)", (number,))
    write_snapshot(writable, tmp_path / "snapshot")
    for name in ("models", "artifacts"):
        assert QAT not in pandas.read_parquet(tmp_path / "snapshot" / name)["repo_id"].tolist()
    for table in snapshot_tables():
        frame = pandas.read_parquet(tmp_path / "snapshot" / "tables" / table.name)
        if "repo" in table.c:
            assert number not in frame["repo"].tolist(), table.name
    assert "only-of-the-private-one" not in pandas.read_parquet(tmp_path / "snapshot/tables/tags")["tag"].tolist()
    restore_snapshot(tmp_path / "snapshot", tmp_path / "public.db")


@pytest.mark.parametrize("foreign", ["notes.txt", "manifest.json.bak"])
def test_it_replaces_nothing_but_a_snapshot(small: str, tmp_path: Path, foreign: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / foreign).write_text("mine")
    with pytest.raises(ExportRefused, match=foreign):
        write_snapshot(small, tmp_path / "folder")
    assert (tmp_path / "folder" / foreign).read_text() == "mine"


# ---- snapshots of others --------------------------------------------------------------------------------------------


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = manifest_of(folder)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def first_file(manifest: dict[str, Any], table: str = "repos") -> dict[str, Any]:
    found: dict[str, Any] = manifest["tables"][table]["files"][0]
    return found


def repeat_large(texts: list[str]) -> Any:
    """Three megabytes, which the file holds once and each of its rows has."""
    indices = pyarrow.array([0] * len(texts), pyarrow.int32())
    return pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(["x" * 3_000_000]))


def edit_column(folder: Path, change: Callable[[list[str]], Any]) -> None:
    """Gives the column `author` of repos other values, with a manifest that fits."""
    path = folder / "tables/repos/part-0.parquet"
    table = pyarrow.parquet.read_table(path)
    at = table.schema.get_field_index("author")
    column = change(table.column(at).to_pylist())
    pyarrow.parquet.write_table(table.set_column(at, "author", column), path, compression="zstd")
    edit_file(folder, lambda data: data)


def edit_file(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Gives the file of repos other bytes, with a manifest that fits."""
    path = folder / "tables/repos/part-0.parquet"
    data = change(path.read_bytes())
    path.write_bytes(data)
    facts = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit_manifest(folder, lambda m: first_file(m).update(facts))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "manifest.json").unlink(), "no manifest"),
        (lambda f: (f / "manifest.json").write_text("[" * 100_000), "malformed"),
        (lambda f: edit_manifest(f, lambda m: m.update(format=99)), "format 99"),
        (lambda f: edit_manifest(f, lambda m: m.update(tables=7)), "malformed"),
        (lambda f: edit_manifest(f, lambda m: first_file(m).update(name="../../etc/passwd")), "etc/passwd"),
        (lambda f: edit_manifest(f, lambda m: first_file(m).update(name="tables/repos/../x.parquet")), "x.parquet"),
        (lambda f: edit_manifest(f, lambda m: first_file(m).update(sha256="0" * 64)), "another sha256"),
        (lambda f: edit_manifest(f, lambda m: first_file(m).update(size=5)), "bytes, not 5"),
        (lambda f: edit_manifest(f, lambda m: first_file(m).update(rows=1)), "manifest says 1"),
        (lambda f: edit_manifest(f, lambda m: first_file(m).update(rows=float("inf"))), "malformed"),
        (lambda f: edit_column(f, repeat_large), "too many for"),
        (
            lambda f: edit_column(f, lambda texts: pyarrow.array([[text] for text in texts])),
            "lists in the column author",
        ),
        (lambda f: edit_file(f, lambda data: require(data, "author")), r"part-0.parquet can't be read: "),
        (lambda f: edit_column(f, lambda texts: pyarrow.array([b"\xff"] * len(texts)).view("string")), "UTF8"),
        (lambda f: (f / "tables/repos/part-0.parquet").unlink(), "missing"),
        (lambda f: edit_manifest(f, lambda m: m["tables"].pop("repos")), "contradict each other"),
        (lambda f: edit_manifest(f, lambda m: m["tables"].pop("evidence")), "label_evidence refers to evidence"),
        (lambda f: edit_manifest(f, lambda m: m["tables"].update(repos=m["tables"]["tags"])), "lacks the column"),
    ],
)
def test_a_spoilt_snapshot_makes_no_catalog(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, said: str
) -> None:
    monkeypatch.setattr(from_snapshot, "MAX_ROW_BYTES", 3_000)
    spoil(snapshot)
    target = tmp_path / "new.db"
    with pytest.raises(SnapshotInvalid, match=said):
        restore_snapshot(snapshot, target)
    assert not target.exists()


def test_a_catalog_with_repos_is_not_overwritten(snapshot: Path, writable: str) -> None:
    before = Path(writable).read_bytes()
    with pytest.raises(CatalogError, match="holds a catalog already"):
        restore_snapshot(snapshot, writable)
    assert Path(writable).read_bytes() == before


# ---- the document ---------------------------------------------------------------------------------------------------

DOCUMENT = Path(__file__).parents[3] / "docs" / "snapshot.md"
STATEMENTS = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("statement", STATEMENTS, ids=range(len(STATEMENTS)))
def test_the_statements_of_the_document_answer(
    statement: str, demo_snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo_snapshot.parent)
    assert duckdb.execute(statement).fetchall()

"""The whole catalog as an open data set: Parquet files, a data set card, a manifest (`hf-catalog snapshot`).

`models` and `artifacts` are human-readable views; `tables` are the catalog's own, from which `db from-snapshot` makes a
catalog again. Rows are sorted by keys that never change, and pages are cut where the content says so (content-defined
chunking, https://huggingface.co/blog/parquet-cdc), so that a change rewrites little of a file. A file whose bytes are
those of the earlier snapshot is kept as it is. Private repos are left out.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from analysis.errors import ExportRefused
from analysis.publish.columns import column_kinds
from analysis.publish.export import CONVERTERS, INTERNAL_COLUMNS
from analysis.publish.manifest import file_sha256
from analysis.publish.snapshot_card import make_card
from analysis.publish.table_files import ARROW_VALUES, ColumnKind, arrow_types, import_pyarrow, make_batches
from analysis.query.public import HAS_PRIVATE, mask_columns, private_repos
from analysis.query.reader import CatalogReader
from db.new_file import draft_folder, replace_folder, sync, sync_folder
from db.revisions import head
from db.schema.snapshot_format import (
    CARD,
    CLEARED,
    FORMAT,
    KEYS_PER_FILE,
    LABEL_EVIDENCE,
    MANIFEST,
    MONTHLY,
    TABLES_FOLDER,
    CatalogTable,
    column_kind,
    snapshot_tables,
)

ROW_GROUP_ROWS = 50_000
PRIVATE = private_repos()
PUBLIC_ROWS: Mapping[str, str] = {
    "repos": f"id not in ({PRIVATE})",
    "skips": f"reason <> 'private' and repo_id not in (select repo_id from repos where id in ({PRIVATE}))",
    "tags": f"id in (select tag from repo_tags where repo not in ({PRIVATE}))",
    "headers": f"id in (select header from artifacts where repo not in ({PRIVATE}))",
    "evidence": f"id in (select evidence from label_evidence where repo not in ({PRIVATE}))",
}
"""Conditions by table; other tables with a column `repo` have one on that. Used where there are private repos."""


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """A human-readable view: files hold the rows whose first key begins with the same `prefix` characters."""

    name: str
    source: str
    order: tuple[str, ...]
    prefix: int


VIEWS = (
    SnapshotView("models", "models", ("hub_id",), 2),  # the first two digits of an id are half a year of creation
    SnapshotView("artifacts", "artifacts_wide", ("repo_id", "artifact"), 1),
)


@dataclass(slots=True)
class Written:
    """The files of one table or view. `size` in bytes."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(file["rows"] for file in self.files)


@dataclass(frozen=True, slots=True)
class SnapshotCounts:
    """What a snapshot holds: files, rows, bytes; `kept` of the files were there already."""

    files: int
    rows: int
    bytes: int
    kept: int


def write_snapshot(
    db: str | Path, folder: Path, on_table: Callable[[str, int], None] = lambda name, rows: None
) -> SnapshotCounts:
    """Writes a snapshot into a folder, which is made or, if it is an earlier snapshot, replaced when all is written.

    Raises ExportRefused where the folder holds other things; MissingExtra without pyarrow; CatalogError.
    """
    refuse_foreign_folder(folder)
    import_pyarrow()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft_folder(folder) as holder:
        draft = holder / "new"
        draft.mkdir(mode=0o755)
        with CatalogReader(db, timeout=None, snapshot=True) as reader:
            writer = SnapshotWriter(reader, draft, folder)
            written = []
            for part in writer.write_all():
                on_table(part.name, part.rows)
                written.append(part)
            manifest = make_manifest(reader, written)
            (draft / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            (draft / CARD).write_text(make_card(reader, manifest), encoding="utf-8")
        for path in (draft / MANIFEST, draft / CARD):
            sync(path)
        sync_folder(draft)
        replace_folder(draft, folder)
    files = [file for part in written for file in part.files]
    size = sum(file["size"] for file in files)
    return SnapshotCounts(len(files), sum(part.rows for part in written), size, writer.kept)


def make_manifest(reader: CatalogReader, written: Sequence[Written]) -> dict[str, Any]:
    """What a reader needs to know before it opens a file."""
    runs = reader.all("select max(id) as run, max(finished_at) as at from crawl_runs where outcome = 'complete'")
    digests = reader.all("select digest from vocabularies order by used_since desc, id desc limit 1")
    parts = {
        part.name: {"rows": part.rows, "columns": part.columns, "files": part.files}
        for part in sorted(written, key=lambda part: part.name)
    }
    tables = {name.removeprefix(f"{TABLES_FOLDER}/"): part for name, part in parts.items() if TABLES_FOLDER in name}
    return {
        "format": FORMAT,
        "schema": head(),
        "program": version("hf-catalog"),
        "run": runs[0]["run"],
        "as_of": str(runs[0]["at"]) if runs[0]["at"] else None,
        "vocabulary": digests[0]["digest"] if digests else None,
        "views": {name: part for name, part in parts.items() if TABLES_FOLDER not in name},
        "tables": tables,
    }


class SnapshotWriter:
    """Writes the tables and views of a catalog into `draft`; equal files of the snapshot `earlier` are linked."""

    def __init__(self, reader: CatalogReader, draft: Path, earlier: Path) -> None:
        self.reader, self.draft, self.earlier = reader, draft, earlier
        self.has_private = bool(reader.all(HAS_PRIVATE))
        self.hashes = read_hashes(earlier)
        self.kept = 0

    def write_all(self) -> Iterator[Written]:
        """Each table and view, when its files are complete."""
        for view in VIEWS:
            yield self.write_view(view)
        for table in snapshot_tables():
            yield self.write_table(table)

    def write_view(self, view: SnapshotView) -> Written:
        collate = ' collate "C"' if self.reader.dialect == "postgresql" else ""
        order = ", ".join(f"{name}{collate}" for name in view.order)
        private = f" where hub_id not in (select hub_id from repos where id in ({PRIVATE}))"
        where = private if self.has_private else ""
        with self.reader.rows(f"select * from {view.source}{where} order by {order}") as result:
            places = [(at, name) for at, name in enumerate(result.columns) if name not in INTERNAL_COLUMNS]
            kinds = {name: column_kinds().get(name, "text") for _, name in places}
            key = [name for _, name in places].index(view.order[0])
            rows = ([row[at] for at, _ in places] for row in result)
            columns = [ViewColumn(name, kinds[name]) for _, name in places]
            return self.write_files(view.name, columns, rows, partial(name_prefix, key, view.prefix))

    def write_table(self, table: CatalogTable) -> Written:
        columns = [TableColumn(table, column.name) for column in table.columns]
        keys = [column.name for column in table.primary_key]
        name = f"{TABLES_FOLDER}/{table.name}"
        if table.name == MONTHLY:
            sql = f"select * from {self.source(table)}{self.condition(table)} order by day / 100, repo, day"
            day = [column.name for column in table.columns].index("day")
            part: Callable[[Sequence[Any]], str] = partial(name_month, day)
        else:
            collate = ' collate "C"' if self.reader.dialect == "postgresql" else ""
            texts = {key for key in keys if column_kind(table.c[key]) == "text"}
            order = ", ".join(f'"{key}"{collate if key in texts else ""}' for key in keys)
            if table.name == LABEL_EVIDENCE.name:
                order = keys[0]  # as the documents are stored: all keys would make the database sort every row
            sql = f"select * from {self.source(table)}{self.condition(table)} order by {order}"
            first = [column.name for column in table.columns].index(keys[0])
            part = partial(name_range, first)
        with self.reader.rows(sql) as result:
            places = [result.columns.index(column.name) for column in columns]
            rows: Iterator[list[Any]] = ([row[at] for at in places] for row in result)
            if table.name == LABEL_EVIDENCE.name:
                rows = sort_within_repos(rows)
            return self.write_files(name, columns, rows, part)

    def source(self, table: CatalogTable) -> str:
        """Where the rows of a table come from: what names private repos beside them is left out."""
        if not self.has_private or table.name != "crawl_runs":
            return table.name
        return f"(select {mask_columns([column.name for column in table.columns])} from crawl_runs) runs"

    def condition(self, table: CatalogTable) -> str:
        """Which rows are public."""
        if not self.has_private:
            return ""
        own = f"repo not in ({PRIVATE})" if "repo" in table.c else ""
        found = PUBLIC_ROWS.get(table.name, own)
        return f" where {found}" if found else ""

    def write_files(
        self,
        name: str,
        columns: Sequence[ViewColumn | TableColumn],
        rows: Iterator[list[Any]],
        part_of: Callable[[list[Any]], str],
    ) -> Written:
        """Writes rows, in order, into a file for each part; a table without rows has one file without rows."""
        pa, pq = import_pyarrow()
        written = Written(name, {column.name: column.kind for column in columns})
        schema = pa.schema([(column.name, column.arrow_type(pa)) for column in columns])
        (self.draft / name).mkdir(parents=True)
        part: str | None = None
        writer: Any = None
        count = 0
        for batch in split_batches(rows, part_of):
            if batch.part != part:
                if writer is not None and part is not None:
                    self.close(writer, written, part, count)
                part, count = batch.part, 0
                writer = self.open(pq, name, part, schema)
            arrays = [column.to_array(pa, [row[at] for row in batch.rows]) for at, column in enumerate(columns)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            count += len(batch.rows)
        if writer is None:
            part = "part-0"
            writer = self.open(pq, name, part, schema)
        assert part is not None
        self.close(writer, written, part, count)
        return written

    def open(self, pq: Any, name: str, part: str, schema: Any) -> Any:
        path = self.draft / name / f"{part}.parquet"
        path.parent.mkdir(exist_ok=True)
        return pq.ParquetWriter(
            path, schema, compression="zstd", use_content_defined_chunking=True, write_page_index=True
        )

    def close(self, writer: Any, written: Written, part: str, count: int) -> None:
        """Ends a file, and takes that of the earlier snapshot in its place where both have the same bytes."""
        writer.close()
        relative = f"{written.name}/{part}.parquet"
        path = self.draft / relative
        digest = file_sha256(path)
        if self.hashes.get(relative) == digest and take_earlier(self.earlier / relative, path, digest):
            self.kept += 1
        else:
            sync(path)
        written.files.append({"name": relative, "rows": count, "size": path.stat().st_size, "sha256": digest})


# ---- columns --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view: lists and booleans as such, times with their zone."""

    name: str
    kind: ColumnKind

    def arrow_type(self, pa: Any) -> Any:
        return arrow_types(pa)[self.kind]

    def to_array(self, pa: Any, values: list[Any]) -> Any:
        convert, take = CONVERTERS.get(self.kind), ARROW_VALUES[self.kind]
        if convert is not None:
            values = [convert(value) for value in values]
        return pa.array([take(value) for value in values], self.arrow_type(pa))


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table, as it is stored."""

    table: CatalogTable
    name: str

    @property
    def kind(self) -> str:
        return column_kind(self.table.c[self.name])

    def arrow_type(self, pa: Any) -> Any:
        return {
            "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
            "time": pa.timestamp("ms", tz="UTC"), "bytes": pa.binary(),
        }[self.kind]  # fmt: skip

    def to_array(self, pa: Any, values: list[Any]) -> Any:
        cleared = (self.table.name, self.name)
        if cleared in CLEARED:
            values = [CLEARED[cleared]] * len(values)
        if self.kind == "time" and any(isinstance(value, str) for value in values):
            return pa.array(values, pa.string()).cast(self.arrow_type(pa))
        if self.kind == "boolean":
            values = [None if value is None else bool(value) for value in values]
        if self.kind == "bytes":
            values = [None if value is None else bytes(value) for value in values]
        return pa.array(values, self.arrow_type(pa))


def sort_within_repos(rows: Iterator[list[Any]]) -> Iterator[list[Any]]:
    """Rows that come ordered by their first value, ordered by the others too."""
    for _, own in groupby(rows, itemgetter(0)):
        yield from sorted(own)


# ---- parts ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one part."""

    part: str
    rows: list[list[Any]]


def split_batches(rows: Iterator[list[Any]], part_of: Callable[[list[Any]], str]) -> Iterator[Batch]:
    """Batches of rows that belong to one part each; rows come ordered by their part."""
    for group in make_batches(rows, ROW_GROUP_ROWS):
        start = 0
        parts = [part_of(list(row)) for row in group]
        for at in range(1, len(group) + 1):
            if at == len(group) or parts[at] != parts[start]:
                yield Batch(parts[start], [list(row) for row in group[start:at]])
                start = at


def name_range(place: int, row: Sequence[Any]) -> str:
    """The part of a row by the number at `place`; rows whose key is a text have one part."""
    return f"part-{row[place] // KEYS_PER_FILE}" if isinstance(row[place], int) else "part-0"


def name_month(place: int, row: Sequence[Any]) -> str:
    """The part of a row by its day, the number yyyymmdd."""
    return f"month={row[place] // 10000}-{row[place] // 100 % 100:02}/part-0"


def name_prefix(place: int, length: int, row: Sequence[Any]) -> str:
    """The part of a row by how its key begins: in hexadecimal, so that it is a file name of its own in any case."""
    return f"part-{str(row[place])[:length].encode('utf-8', 'backslashreplace').hex()}"


# ---- folders --------------------------------------------------------------------------------------------------------


def read_hashes(folder: Path) -> dict[str, str]:
    """File -> sha256 of an earlier snapshot; empty where there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        parts = [*manifest["views"].values(), *manifest["tables"].values()]
        return {file["name"]: file["sha256"] for part in parts for file in part["files"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def take_earlier(earlier: Path, path: Path, digest: str) -> bool:
    """Puts the earlier file in place of a new one with the same bytes; whether it was still what it had been."""
    if not earlier.is_file() or earlier.is_symlink() or file_sha256(earlier) != digest:
        return False
    linked = path.with_suffix(".earlier")
    try:
        os.link(earlier, linked)
    except OSError:
        shutil.copy2(earlier, linked)
    linked.replace(path)
    return True


def refuse_foreign_folder(folder: Path) -> None:
    """A snapshot never replaces anything but a snapshot. Raises ExportRefused."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise ExportRefused(str(folder), "it is not a folder")
    own = {TABLES_FOLDER, CARD, MANIFEST, *(view.name for view in VIEWS)}
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in own)
    if foreign or (any(folder.iterdir()) and not (folder / MANIFEST).is_file()):
        raise ExportRefused(str(folder), f"it holds other things than a snapshot: {', '.join(foreign[:3]) or 'files'}")

"""The whole catalog as an open data set: Parquet files, a data set card, a manifest (`hf-catalog snapshot`).

`models` and `artifacts` are human-readable views; `tables` are the catalog's own, from which `db from-snapshot` makes a
catalog again. Rows are sorted by keys that never change, and pages are cut where the content says so (content-defined
chunking, https://huggingface.co/blog/parquet-cdc), so that a change rewrites little of a file. A file whose bytes are
those of the earlier snapshot is kept as it is. Private repos are left out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis.errors import ExportRefused
from analysis.publish.snapshot_card import make_card
from analysis.publish.snapshot_files import Written
from analysis.publish.snapshot_processes import open_writers, processes_for, write_together
from analysis.publish.snapshot_writer import VIEWS
from analysis.publish.table_files import import_pyarrow
from analysis.query.reader import CatalogReader
from db.new_file import draft_folder, replace_folder, sync, sync_folder
from db.revisions import head
from db.schema.snapshot_format import CARD, FORMAT, MANIFEST, TABLES_FOLDER
from db.sqlite_file import check_catalog, sqlite_path


@dataclass(frozen=True, slots=True)
class SnapshotCounts:
    """What a snapshot holds: files, rows, bytes; `kept` of the files were there already."""

    files: int
    rows: int
    bytes: int
    kept: int


def write_snapshot(
    db: str | Path,
    folder: Path,
    on_table: Callable[[str, int], None] = lambda name, rows: None,
    *,
    processes: int | None = None,
) -> SnapshotCounts:
    """Writes a snapshot into a folder, which is made or, if it is an earlier snapshot, replaced when all is written.

    By as many processes as the catalog's size and the machine allow, unless `processes` says how many.
    Raises ExportRefused where the folder holds other things; MissingExtra without pyarrow; CatalogError.
    """
    refuse_foreign_folder(folder)
    import_pyarrow()
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = sqlite_path(db)
    if path is not None:
        check_catalog(path)
    with draft_folder(folder) as holder:
        draft = holder / "new"
        draft.mkdir(mode=0o755)
        written = []
        with open_writers(db, path, draft, folder, processes or processes_for(path)) as (writer, helpers):
            for part in write_together(writer, helpers, lambda name: shutil.rmtree(draft / name, ignore_errors=True)):
                on_table(part.name, part.rows)
                written.append(part)
            assert isinstance(writer.reader, CatalogReader)  # only helpers have another one
            manifest = make_manifest(writer.reader, written)
            (draft / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            known = next(part.known for part in written if part.name == "models")
            (draft / CARD).write_text(make_card(writer.reader, manifest, known), encoding="utf-8")
        for each in (draft / MANIFEST, draft / CARD):
            sync(each)
        sync_folder(draft)
        replace_folder(draft, folder)
    files = [file for part in written for file in part.files]
    return SnapshotCounts(
        len(files),
        sum(part.rows for part in written),
        sum(file["size"] for file in files),
        sum(part.kept for part in written),
    )


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


# ---- folders --------------------------------------------------------------------------------------------------------


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

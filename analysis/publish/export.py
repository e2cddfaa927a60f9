"""The catalog as files: summaries and tables in a folder, with a manifest that describes them.

All files show the same moment. They are streamed from the catalog a row at a time into a temporary folder beside the
requested one, which takes its name when everything is written (db/new_file.py: `replace_folder`): the folder is the
earlier export or the new one, also after a kill at any moment.
Rows and columns have the same order every time, so that two exports can be compared line by line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis.errors import ExportRefused, UnknownTable
from analysis.publish.columns import RELATIONS, result_columns, table_columns
from analysis.publish.datapackage import DATA_PACKAGE, write_data_package
from analysis.publish.manifest import (
    MANIFEST,
    TABLES,
    ExportedFile,
    Table,
    describe_catalog,
    describe_files,
    read_manifest,
    write_file,
    write_manifest,
)
from analysis.publish.table_files import Format
from analysis.query.reader import CatalogReader
from analysis.query.saved import RENAMED_SAVED_QUERIES, SavedQuery, find_saved_query, saved_queries
from analysis.query.stream import RowStream
from analysis.query.values import normalize_row, parse_list
from analysis.units import iso
from db.new_file import draft_folder, replace_folder, sync, sync_folder

BATCH_ROWS = 500

INTERNAL_COLUMNS = frozenset({"header"})  # ids of this catalog, which another catalog of the same Hub does not share
HEX_COLUMNS = frozenset({"content"})  # hashes that the views hold as bytes


def exportable_names() -> list[str]:
    """What `--only` may name: summaries, tables, and every saved query."""
    from analysis.publish.summaries import SUMMARIES

    return [
        *(each.name for each in SUMMARIES),
        *(each.name for each in TABLES),
        *(each.name for each in saved_queries()),
    ]


def export_catalog(
    db: str | Path,
    folder: Path,
    *,
    only: Sequence[str] = (),
    form: Format = "csv",
    since: datetime | None = None,
    diff: Path | None = None,
    raw: bool = False,
    public_only: bool = True,
    on_file: Callable[[ExportedFile], None] = lambda file: None,
) -> dict[str, Any]:
    """Write the catalog into a folder, which is created or, if it is an earlier export, replaced; returns the manifest.

    `only` are `exportable_names`; `since` keeps rows that changed from then on; `diff` is an earlier export to compare
    with; `raw` leaves cells that a spreadsheet would run as formulas; `public_only` leaves out private repos;
    `on_file` is called for each file written.

    Raises UnknownTable; ExportRefused where the folder holds other things; MissingExtra for Parquet without pyarrow.
    """
    selected = select_tables(only)
    refuse_foreign_folder(folder)
    if form == "xlsx" and diff is not None:
        raise ExportRefused(str(folder), "workbooks can't be compared: use --diff with csv, jsonl or parquet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft_folder(folder) as holder:
        draft = holder / "new"
        draft.mkdir(mode=0o700)
        with CatalogReader(db, timeout=None, snapshot=True, public_only=public_only) as reader:
            manifest = {**describe_catalog(reader), "format": form, "raw": raw, "since": iso(since) if since else None}
            manifest["public_only"] = public_only
            files = []
            for file in write_files(reader, draft, selected, form, since, raw):
                on_file(file)
                files.append(file)
        if diff is not None:
            from analysis.publish.export_diff import write_differences

            files.append(write_differences(diff, draft, form, files, raw=raw))
            on_file(files[-1])
        manifest["files"] = describe_files(files)
        write_data_package(draft, manifest, files, describe_rows())
        write_manifest(draft, manifest)
        for path in draft.iterdir():
            sync(path)
        sync_folder(draft)
        draft.chmod(0o777 & ~get_umask())
        replace_folder(draft, folder)
    return manifest


def select_tables(only: Sequence[str]) -> list[str]:
    """Names of what to write, in a fixed order; `-` and `_` are equal. Raises UnknownTable."""
    from analysis.publish.summaries import SUMMARIES

    known = {name.replace("-", "_"): name for name in exportable_names()}
    for name in only:
        if name.replace("-", "_") not in known:
            from difflib import get_close_matches

            renamed = {"growth": "metrics_daily", **RENAMED_SAVED_QUERIES}.get(name.replace("_", "-"))
            if renamed is not None:
                raise UnknownTable(name, (renamed,))
            raise UnknownTable(name, tuple(get_close_matches(name, known.values(), n=3, cutoff=0.4)))
    requested = {known[name.replace("-", "_")] for name in only}
    if requested:
        return [name for name in known.values() if name in requested]
    return [*(each.name for each in SUMMARIES), *(each.name for each in TABLES if not each.only_by_name)]


def write_files(
    reader: CatalogReader, folder: Path, selected: Sequence[str], form: Format, since: datetime | None, raw: bool
) -> Iterator[ExportedFile]:
    """Write summaries, tables and results of saved queries; yields each file when it is complete."""
    from analysis.publish.summaries import python_rows, summarize

    for summary, frame in summarize(reader, selected):
        rows = list(python_rows(frame))
        yield write_file(folder, summary.name, result_columns(summary.name, list(frame.columns), rows), rows, form, raw)
    for table in (each for each in TABLES if each.name in selected):
        yield export_table(reader, folder, table, form, since, raw)
    queries = {each.name for each in saved_queries()}
    for name in selected:
        if name in queries:
            yield export_saved_query(reader, folder, find_saved_query(name), form, raw)


def export_table(
    reader: CatalogReader, folder: Path, table: Table, form: Format, since: datetime | None, raw: bool
) -> ExportedFile:
    """Write a table, streamed a row at a time."""
    values = {"since": since} if since is not None else {}
    with reader.rows(table.sql(reader.dialect, since is not None), values) as result:
        positions = [(at, name) for at, name in enumerate(result.columns) if name not in INTERNAL_COLUMNS]
        columns = [name for _, name in positions]
        kinds = {name: table.kind(name) for name in columns}
        converters = [
            (at, to_hex if name in HEX_COLUMNS else CONVERTERS.get(kinds[name])) for at, name in positions
        ]  # chosen once for each column, not for each row
        rows = convert_rows(result, converters)
        return write_file(folder, table.name, table_columns(table.name, kinds, columns), rows, form, raw)


def convert_rows(
    result: RowStream, converters: Sequence[tuple[int, Callable[[Any], Any] | None]]
) -> Iterator[tuple[Any, ...]]:
    """The columns at these places, converted some rows at a time: texts of lists once each, however often they come."""
    for batch in result.batches(BATCH_ROWS):
        columns = list(zip(*batch, strict=True))
        yield from zip(*(convert_column(columns[at], convert) for at, convert in converters), strict=True)


def convert_column(values: Sequence[Any], convert: Callable[[Any], Any] | None) -> Sequence[Any]:
    """The values converted; equal texts become one object."""
    if convert is None or not any(value is not None for value in values):
        return values
    if convert is to_list:
        lists = {value: to_list(value) for value in values if isinstance(value, str)}
        return [lists[value] if isinstance(value, str) else value for value in values]
    return [convert(value) for value in values]


def export_saved_query(reader: CatalogReader, folder: Path, query: SavedQuery, form: Format, raw: bool) -> ExportedFile:
    """Write the result of a saved query with the defaults of its parameters."""
    with reader.rows(query.sql, query.parse_values({})) as result:
        rows = [tuple(to_plain_row(row).values()) for row in result.dicts()]
        return write_file(folder, query.name, result_columns(query.name, result.columns, rows), rows, form, raw)


def describe_rows() -> dict[str, str]:
    """What a row of each summary, table and saved query is."""
    from analysis.publish.summaries import SUMMARIES
    from db.schema.documentation import describe_relations

    relations = {relation.name: relation.about for relation in describe_relations()}
    summaries = {
        each.name: f"One row per {' and '.join(each.keys)}: sums over {each.unit} that are not gone"
        for each in SUMMARIES
    }
    tables = {each.name: relations.get(RELATIONS.get(each.name, each.name), "") for each in TABLES}
    queries = {each.name: f"{each.title}. {each.description}" for each in saved_queries()}
    differences = {"differences": "What changed since an earlier export: one row per row added or removed, or value."}
    return {**summaries, **tables, **queries, **differences}


# ---- values: the same on both engines -------------------------------------------------------------------------------


def to_boolean(value: Any) -> bool | None:
    """SQLite's 0 and 1 as a boolean."""
    return None if value is None else bool(value)


def to_iso(value: Any) -> str | None:
    """PostgreSQL's times as the text that SQLite holds."""
    return iso(value) if isinstance(value, datetime) else value


def to_hex(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def to_list(value: Any) -> Any:
    """JSON text as a list; any other value unchanged."""
    return parse_list(value) if isinstance(value, str) else value


CONVERTERS: Mapping[str, Callable[[Any], Any]] = {"boolean": to_boolean, "list": to_list, "time": to_iso}
"""By column kind."""


def to_plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A normalized row whose hashes are in hexadecimal."""
    return {name: to_hex(value) if name in HEX_COLUMNS else value for name, value in normalize_row(row).items()}


# ---- folders --------------------------------------------------------------------------------------------------------


def refuse_foreign_folder(folder: Path) -> None:
    """An export never replaces anything but an export. Raises ExportRefused."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise ExportRefused(str(folder), "it is not a folder")
    manifest = read_manifest(folder)
    exported = {MANIFEST, DATA_PACKAGE, *(str(entry.get("name")) for entry in (manifest or {}).get("files", []))}
    foreign = sorted({path.name for path in folder.iterdir()} - exported)
    if foreign and manifest is None:
        raise ExportRefused(str(folder), f"it holds other things than an export: {', '.join(foreign[:3])}")
    if foreign:
        raise ExportRefused(str(folder), f"it holds files that the export did not write: {', '.join(foreign[:3])}")


def get_umask() -> int:
    """The process's umask, which can only be read by setting it. The draft is a folder that only the owner may read."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

"""What changed from one export to the next: a row for each row added or removed and for each value changed.

Both exports are ordered by key, so they are read side by side, one row of each at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from analysis.errors import ExportRefused
from analysis.publish.columns import table_columns
from analysis.publish.manifest import TABLES, ExportedFile, read_manifest, write_file
from analysis.publish.table_files import Format, read_table
from analysis.text import FORMULA_PREFIXES

NAME = "differences"
COLUMNS = ("table", "key", "change", "column", "before", "after")
VOLATILE_COLUMNS = frozenset({"downloads", "downloads_all_time", "likes", "trending_score", "last_seen"})
"""Counters that change every day and are not compared; the table `metrics_daily` has them by day."""
COMPARED_TABLES = frozenset({"models", "artifacts", "files", "parents", "evaluations", "label_conflicts"})

Difference = tuple[str, str, str, str | None, str | None, str | None]
"""One row of the file, in the order of COLUMNS."""


def write_differences(old: Path, new: Path, form: Format, files: Sequence[ExportedFile], *, raw: bool) -> ExportedFile:
    """Compare the tables of an earlier export (folder `old`, of any format) with those just written to `new`.

    Raises ExportRefused where `old` is not an export.
    """
    manifest = read_manifest(old)
    if manifest is None:
        raise ExportRefused(str(old), "it is not an export: it has no manifest.json of this program")
    if manifest["format"] == "xlsx":
        raise ExportRefused(str(old), "workbooks can't be compared: --diff takes csv, jsonl and parquet")
    before = {str(entry["table"]): old / str(entry["name"]) for entry in manifest.get("files", [])}
    rows = (
        row
        for file in files
        if file.table in COMPARED_TABLES and file.table in before
        for row in compare_tables(
            file.table,
            read_table(before[file.table], manifest["format"]),
            read_table(new / file.name, form),
        )
    )
    return write_file(new, NAME, table_columns(NAME, {}, COLUMNS), rows, form, raw)


def compare_tables(
    table: str, before: Iterator[dict[str, str]], after: Iterator[dict[str, str]]
) -> Iterator[Difference]:
    """The differences of one table; both sides are ordered by its key."""
    keys = next(each.key for each in TABLES if each.name == table)
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        old_key, new_key = row_key(old, keys), row_key(new, keys)
        if new_key is None or (old_key is not None and old_key < new_key):
            yield (table, key_text(old, keys), "removed", None, None, None)
            old = next(before, None)
        elif old_key is None or new_key < old_key:
            yield (table, key_text(new, keys), "added", None, None, None)
            new = next(after, None)
        else:
            assert old is not None and new is not None
            yield from compare_rows(table, keys, old, new)
            old, new = next(before, None), next(after, None)


def compare_rows(table: str, keys: Sequence[str], old: dict[str, str], new: dict[str, str]) -> Iterator[Difference]:
    for column, value in new.items():
        if column in old and column not in VOLATILE_COLUMNS and old[column] != value:
            yield (table, key_text(new, keys), "changed", column, old[column] or None, value or None)


def row_key(row: dict[str, str] | None, keys: Sequence[str]) -> tuple[Any, ...] | None:
    """The key by which an export orders a row: positions as numbers, other values as bytes of UTF-8.

    The apostrophe that CSV puts before a formula is not part of the key.
    """
    if row is None:
        return None
    texts = (without_apostrophe(row[key]) for key in keys)
    return tuple(
        int(text) if key == "position" else text.encode("utf-8", "replace")
        for key, text in zip(keys, texts, strict=True)
    )


def without_apostrophe(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_PREFIXES) else text


def key_text(row: dict[str, str] | None, keys: Sequence[str]) -> str:
    return " ".join((row or {}).get(key, "") for key in keys).strip()

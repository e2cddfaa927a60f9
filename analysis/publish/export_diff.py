"""What changed from one export to the next: a row a value that was added, removed or changed.

Both exports are in order, so they are read side by side, a row of each at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from analysis.errors import ExportRefused
from analysis.publish.export import TABLES, Written, read_manifest, write
from analysis.publish.table_files import Format, read_table
from analysis.text import FORMULA

NAME = "differences"
COLUMNS = ("table", "key", "change", "column", "before", "after")
VOLATILE_COLUMNS = frozenset({"downloads", "downloads_all_time", "likes", "trending_score", "last_seen"})
"""Counters that move every day; the table `metrics_daily` has them by day."""
COMPARED = frozenset({"models", "artifacts", "files", "parents", "evaluations", "label_conflicts"})

Difference = tuple[str, str, str, str | None, str | None, str | None]


def write_differences(old: Path, new: Path, form: Format, files: Sequence[Written], *, raw: bool) -> Written:
    """Compare the tables of an earlier export with those just written. Raises ExportRefused where `old` is none."""
    manifest = read_manifest(old)
    if manifest is None:
        raise ExportRefused(str(old), "it is no export: it has no manifest.json of this program")
    before = {str(entry["table"]): old / str(entry["name"]) for entry in manifest.get("files", [])}
    rows = (
        row
        for written in files
        if written.table in COMPARED and written.table in before
        for row in differences(
            written.table,
            read_table(before[written.table], manifest["format"]),
            read_table(new / written.name, form),
        )
    )
    return write(new, NAME, COLUMNS, rows, {}, form, raw)


def differences(table: str, before: Iterator[dict[str, str]], after: Iterator[dict[str, str]]) -> Iterator[Difference]:
    """What changed in one table; both sides are ordered by its key."""
    keys = next(each.key for each in TABLES if each.name == table)
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        here, there = row_key(old, keys), row_key(new, keys)
        if there is None or (here is not None and here < there):
            yield (table, key_text(old, keys), "removed", None, None, None)
            old = next(before, None)
        elif here is None or there < here:
            yield (table, key_text(new, keys), "added", None, None, None)
            new = next(after, None)
        else:
            assert old is not None and new is not None
            yield from changed(table, keys, old, new)
            old, new = next(before, None), next(after, None)


def changed(table: str, keys: Sequence[str], old: dict[str, str], new: dict[str, str]) -> Iterator[Difference]:
    for column, value in new.items():
        if column in old and column not in VOLATILE_COLUMNS and old[column] != value:
            yield (table, key_text(new, keys), "changed", column, old[column] or None, value or None)


def row_key(row: dict[str, str] | None, keys: Sequence[str]) -> tuple[Any, ...] | None:
    """Where a row stands in the order: positions as numbers, all else by bytes, without a spreadsheet's apostrophe."""
    if row is None:
        return None
    texts = (
        row[key][1:] if row[key].startswith("'") and row[key][1:].startswith(FORMULA) else row[key] for key in keys
    )
    return tuple(
        int(text) if key == "position" else text.encode("utf-8", "replace")
        for key, text in zip(keys, texts, strict=True)
    )


def key_text(row: dict[str, str] | None, keys: Sequence[str]) -> str:
    return " ".join((row or {}).get(key, "") for key in keys).strip()

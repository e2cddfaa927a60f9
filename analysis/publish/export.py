"""The catalog as files: summaries and tables in a folder, with a manifest that says what they are.

All of it is of one moment, streamed from the catalog a row at a time, and made in a folder beside the one that was
asked for, which takes its place when everything is written: there is the old export or the new one, never half of one.
Rows and columns come in the same order every time, so that two exports can be compared line by line.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis.errors import ExportRefused, UnknownTable
from analysis.publish.table_files import ColumnKind, Format, guessed_kinds, write_table
from analysis.query.reader import CatalogReader
from analysis.query.saved import RENAMED_SAVED_QUERIES, SavedQuery, find_saved_query, saved_queries
from analysis.query.values import boolean_columns, list_columns, normalize_row, parse_list
from analysis.units import iso

MANIFEST = "manifest.json"
CHANGED = "repo_id in (select r.repo_id from repos r where r.last_modified >= :since or r.first_seen >= :since)"


@dataclass(frozen=True, slots=True)
class Table:
    """One big table: where its rows come from, what tells them apart, which of them are new since a moment."""

    name: str
    source: str  # a view, or a select in parentheses
    key: tuple[str, ...]  # also the order
    since: str = CHANGED
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)  # where a column's name means another kind elsewhere
    asked: bool = False  # only where it is named: greater than all others together

    def sql(self, dialect: str, since: bool) -> str:
        """Ordered by bytes of UTF-8 whatever the database's locale, as SQLite and Python order."""
        collate = ' collate "C"' if dialect == "postgresql" else ""
        order = ", ".join(name + (collate if self.kind(name) == "text" else "") + " nulls first" for name in self.key)
        return f"select * from {self.source} t{f' where {self.since}' if since else ''} order by {order}"

    def kind(self, column: str) -> ColumnKind:
        return self.kinds.get(column) or column_kinds().get(column, "text")


EVALUATIONS = (
    "(select r.repo_id, e.position, e.task, e.dataset, e.metric, e.value, e.source"
    " from evaluations e join repos r on r.id = e.repo)"
)
HEADERS = (
    "(select a.repo_id, a.artifact, h.format, h.version, h.architecture, h.parameters, h.active_parameters,"
    " h.tensor_count, h.quant, h.quant_method, h.quant_share, h.bits_per_weight, h.context, h.size, h.size_verified,"
    " h.inferred, h.types, h.facts, h.read_at from artifacts_wide a join headers h on h.id = a.header)"
)
RUNS = (
    "(select id, kind, scope, started_at, finished_at, outcome, repos_seen, repos_new, repos_changed, repos_unchanged,"
    " repos_skipped, repos_enriched, api_requests, resolver_requests, bytes_read, seconds_waited, detail"
    " from crawl_runs)"
)
TABLES: tuple[Table, ...] = (
    Table("models", "models", ("repo_id",), "last_modified >= :since or first_seen >= :since"),
    Table("artifacts", "artifacts_wide", ("repo_id", "artifact")),
    Table("files", "files", ("repo_id", "path"), kinds={"size": "integer"}),
    Table("parents", "parents", ("repo_id", "parent")),
    Table("evaluations", EVALUATIONS, ("repo_id", "position"), kinds={"value": "number"}),
    Table("headers", HEADERS, ("repo_id", "artifact"), kinds={"version": "integer", "size": "integer"}),
    Table("label_conflicts", "label_conflicts", ("repo_id", "artifact", "field")),
    Table("changes", "changes", ("seen_at", "repo_id", "kind", "subject"), "seen_at >= :since"),
    Table(
        "metrics_daily",
        "metrics_daily",
        ("repo_id", "day"),
        "day >= substr(cast(:since as varchar), 1, 10)",
        {"day": "text"},
    ),
    Table("skips", "skips", ("repo_id", "reason", "detail"), "seen_at >= :since"),
    Table("crawl_runs", RUNS, ("id",), "started_at >= :since"),
    Table("labels", "labels", ("repo_id", "artifact", "field", "value", "source", "rule"), asked=True),
)
INTERNAL = frozenset({"header"})  # the catalog's own numbers, which another catalog of the same Hub does not share
HEX = frozenset({"content"})  # hashes that the views leave in bytes


@dataclass(frozen=True, slots=True)
class Written:
    """One file of an export."""

    name: str
    table: str
    rows: int
    size: int
    sha256: str
    columns: tuple[str, ...]


def names() -> list[str]:
    """What `--only` may name: summaries, tables, and every question."""
    from analysis.publish.summaries import SUMMARIES

    return [
        *(each.name for each in SUMMARIES),
        *(each.name for each in TABLES),
        *(each.name for each in saved_queries()),
    ]


def export(
    db: str | Path,
    folder: Path,
    *,
    only: Sequence[str] = (),
    form: Format = "csv",
    since: datetime | None = None,
    diff: Path | None = None,
    raw: bool = False,
    told: Callable[[Written], None] = lambda written: None,
) -> dict[str, Any]:
    """Write the catalog into a folder, which is made or, if it is an earlier export, replaced; returns the manifest.

    Raises UnknownTable; ExportRefused where the folder holds other things; MissingExtra for Parquet without pyarrow.
    """
    wanted = select_tables(only)
    refuse_foreign_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with CatalogReader(db, timeout=None, snapshot=True) as reader:
            manifest = {**describe_table(reader), "format": form, "raw": raw, "since": iso(since) if since else None}
            files = []
            for written in write_all(reader, draft, wanted, form, since, raw):
                told(written)
                files.append(written)
        if diff is not None:
            from analysis.publish.export_diff import write_differences

            files.append(write_differences(diff, draft, form, files, raw=raw))
            told(files[-1])
        manifest["files"] = [
            {**{name: getattr(each, name) for name in Written.__slots__}, "columns": list(each.columns)}
            for each in files
        ]
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.chmod(0o777 & ~umask())
        replace_folder(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def select_tables(only: Sequence[str]) -> list[str]:
    """Names of what to write, in a fixed order. Raises UnknownTable."""
    from analysis.publish.summaries import SUMMARIES

    known = {name.replace("-", "_"): name for name in names()}
    for name in only:
        if name.replace("-", "_") not in known:
            from difflib import get_close_matches

            renamed = {"growth": "metrics_daily", **RENAMED_SAVED_QUERIES}.get(name.replace("_", "-"))
            if renamed is not None:
                raise UnknownTable(name, (renamed,))
            raise UnknownTable(name, tuple(get_close_matches(name, known.values(), n=3, cutoff=0.4)))
    wanted = {known[name.replace("-", "_")] for name in only}
    usual = [*(each.name for each in SUMMARIES), *(each.name for each in TABLES if not each.asked)]
    return [name for name in known.values() if name in wanted] if wanted else usual


def write_all(
    reader: CatalogReader, folder: Path, wanted: Sequence[str], form: Format, since: datetime | None, raw: bool
) -> Iterator[Written]:
    from analysis.publish.summaries import plain_rows, summaries

    for summary, frame in summaries(reader, wanted):
        rows = list(plain_rows(frame))
        columns = tuple(map(str, frame.columns))
        yield write(folder, summary.name, columns, rows, guessed_kinds(columns, rows), form, raw)
    for table in (each for each in TABLES if each.name in wanted):
        yield write_big(reader, folder, table, form, since, raw)
    for question in (find_saved_query(name) for name in wanted if name in {each.name for each in saved_queries()}):
        yield write_answer(reader, folder, question, form, raw)


def write_big(
    reader: CatalogReader, folder: Path, table: Table, form: Format, since: datetime | None, raw: bool
) -> Written:
    """A table, streamed."""
    values = {"since": since} if since is not None else {}
    with reader.rows(table.sql(reader.dialect, since is not None), values) as found:
        places = [(at, name) for at, name in enumerate(found.columns) if name not in INTERNAL]
        columns = [name for _, name in places]
        kinds = {name: table.kind(name) for name in columns}
        readers = [(at, READERS.get(name) or OF_KIND.get(kinds[name])) for at, name in places]
        rows = ([read(row[at]) if read else row[at] for at, read in readers] for row in found)
        return write(folder, table.name, columns, rows, kinds, form, raw)


def boolean(value: Any) -> bool | None:
    """SQLite's 0 and 1."""
    return None if value is None else bool(value)


def moment(value: Any) -> str | None:
    """PostgreSQL's times as SQLite has them."""
    return iso(value) if isinstance(value, datetime) else value


def hexadecimal(value: Any) -> Any:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value


def listed(value: Any) -> Any:
    """A JSON list as a list; a value that is none, as some views hold, as it is."""
    return parse_list(value) if isinstance(value, str) else value


OF_KIND: Mapping[str, Callable[[Any], Any]] = {"boolean": boolean, "list": listed, "time": moment}
READERS: Mapping[str, Callable[[Any], Any]] = dict.fromkeys(HEX, hexadecimal)
"""What makes a column's values the same on both engines: the columns' kinds decided once, not for each row."""


def write_answer(reader: CatalogReader, folder: Path, question: SavedQuery, form: Format, raw: bool) -> Written:
    """A question's answer with its parameters' defaults."""
    with reader.rows(question.sql, question.parse_values({})) as found:
        rows = [tuple(plain(row).values()) for row in found.dicts()]
        return write(folder, question.name, found.columns, rows, guessed_kinds(found.columns, rows), form, raw)


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A tidy row whose hashes are in hexadecimal."""
    clean = normalize_row(row)
    return {name: hexadecimal(value) if name in HEX else value for name, value in clean.items()}


def write(
    folder: Path,
    name: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    kinds: Mapping[str, ColumnKind],
    form: Format,
    raw: bool,
) -> Written:
    path = folder / f"{name}.{form}"
    count = write_table(path, form, columns, rows, kinds, raw=raw)
    return Written(path.name, name, count, path.stat().st_size, file_sha256(path), tuple(columns))


def file_sha256(path: Path) -> str:
    """The file's sha256, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def column_kinds() -> Mapping[str, ColumnKind]:
    """What kind of value each column of the catalog holds, by its name; labels go before other columns of that name."""
    from db.schema.tables import LABELS, metadata

    words: dict[str, ColumnKind] = {
        "BigInt": "integer", "Integer": "integer", "Real": "number", "Bool": "boolean", "UtcDateTime": "time",
    }  # fmt: skip
    columns = [(column.name, type(column.type)) for table in metadata.tables.values() for column in table.columns]
    columns += [(name, kind if isinstance(kind, type) else type(kind)) for name, kind, _ in LABELS]
    kinds: dict[str, ColumnKind] = {name: words.get(kind.__name__, "text") for name, kind in columns}
    kinds.update(dict.fromkeys(boolean_columns(), "boolean"))
    kinds.update(dict.fromkeys(list_columns(), "list"))
    return {**kinds, **OF_VIEWS}


OF_VIEWS: Mapping[str, ColumnKind] = {  # columns that only views have, or that mean another thing there
    "seen_at": "time", "run_id": "integer", "downloads_change": "integer", "likes_change": "integer",
    "artifact": "text", "header": "integer", "artifact_count": "integer", "parent": "text",
}  # fmt: skip


def describe_table(reader: CatalogReader) -> dict[str, Any]:
    """What the manifest says of the catalog: its schema, the time that it stands for, how much it holds."""
    (schema,) = reader.all("select version_num as revision from alembic_version")
    (crawled,) = reader.all(
        "select max(coalesce(finished_at, started_at)) as last_crawl, count(*) as crawls from crawl_runs"
    )
    (repos,) = reader.all("select count(*) as repos from repos")
    vocabulary = reader.all("select digest from vocabularies order by id desc limit 1")
    return {
        "program": "hf-catalog",
        "version": version("hf-catalog"),
        "made_at": iso(datetime.now(UTC)),
        "schema": schema["revision"],
        "catalog_time": crawled["last_crawl"],
        "crawls": crawled["crawls"],
        "repos": repos["repos"],
        "vocabulary": vocabulary[0]["digest"] if vocabulary else None,
    }


# ---- folders --------------------------------------------------------------------------------------------------------


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an export; None where the folder is none."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("program") == "hf-catalog" else None


def refuse_foreign_folder(folder: Path) -> None:
    """An export never takes the place of anything but an export. Raises ExportRefused."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise ExportRefused(str(folder), "it is no folder")
    manifest = read_manifest(folder)
    ours = {MANIFEST, *(str(entry.get("name")) for entry in (manifest or {}).get("files", []))}
    strangers = sorted({path.name for path in folder.iterdir()} - ours)
    if strangers and manifest is None:
        raise ExportRefused(str(folder), f"it holds other things than an export: {', '.join(strangers[:3])}")
    if strangers:
        raise ExportRefused(str(folder), f"it holds more than the export made: {', '.join(strangers[:3])}")


def replace_folder(draft: Path, folder: Path) -> None:
    """Put a finished folder where it belongs; an earlier one goes when the new one stands."""
    if not folder.exists():
        draft.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    folder.rename(old / "export")
    try:
        draft.rename(folder)
    except OSError:
        (old / "export").rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def umask() -> int:
    """The process's umask, which can only be read by setting it: mkdtemp makes folders for the owner alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

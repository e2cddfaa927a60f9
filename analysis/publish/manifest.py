"""What an export consists of: its tables, and the manifest that lists every file with its rows, size and sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis.catalog.coverage import measure_coverage
from analysis.publish.columns import Column, column_kinds
from analysis.publish.table_files import ColumnKind, Format, write_table
from analysis.query.reader import CatalogReader
from analysis.units import iso

MANIFEST = "manifest.json"
LICENCE = "facts"
LICENCE_NOTE = (
    "The rows are facts about repos, collected through the Hub's public interfaces; the repos themselves have licences"
    " of their own, in the column `license`. Names, tags and card metadata were written by the Hub's users."
)
REPO_CHANGED_SINCE = (
    "repo_id in (select r.repo_id from repos r where r.type = 'model'"
    " and (r.last_modified >= :since or r.first_seen >= :since))"
)


@dataclass(frozen=True, slots=True)
class Table:
    """One table of an export: where its rows come from, what identifies a row, which rows are new since a moment."""

    name: str
    source: str  # a view, or a select in parentheses
    key: tuple[str, ...]  # identifies a row; rows are ordered by it
    since: str = REPO_CHANGED_SINCE
    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)  # where a column's kind differs from `column_kinds`
    only_by_name: bool = False  # not exported unless `--only` names it: larger than all other tables together
    ties: tuple[str, ...] = ()  # columns that order rows of one key: a name may have belonged to two repos

    def sql(self, dialect: str, since: bool) -> str:
        """The select, ordered by bytes of UTF-8 whatever the database's locale, as SQLite and Python order."""
        collate = ' collate "C"' if dialect == "postgresql" else ""
        order = ", ".join(
            name + (collate if self.kind(name) in ("text", "date") else "") + " nulls first"
            for name in (*self.key, *self.ties)
        )
        return f"select * from {self.source} t{f' where {self.since}' if since else ''} order by {order}"

    def kind(self, column: str) -> ColumnKind:
        return self.kinds.get(column) or column_kinds().get(column, "text")


EVALUATIONS = (
    "(select r.repo_id, e.position, e.task, e.dataset, e.metric, e.value, e.source"
    " from evaluations e join repos r on r.id = e.repo and r.type = 'model')"
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
    Table("models", "models", ("repo_id",), "last_modified >= :since or first_seen >= :since", ties=("hub_id",)),
    Table("artifacts", "artifacts_wide", ("repo_id", "artifact"), ties=("hub_id",)),
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
        {"day": "date"},
    ),
    Table("skips", "skips", ("repo_id", "reason", "detail"), "seen_at >= :since"),
    Table("crawl_runs", RUNS, ("id",), "started_at >= :since"),
    *(
        Table(name, name, ("repo_id",), "last_modified >= :since or first_seen >= :since", only_by_name=True)
        for name in ("datasets", "spaces")
    ),
    Table("links", "links", ("repo_id", "type", "target_type", "target"), only_by_name=True),
    Table("leaderboard_results", "leaderboard_results", ("dataset", "rank", "model"), "true", only_by_name=True),
    Table("labels", "labels", ("repo_id", "artifact", "field", "value", "source", "rule"), only_by_name=True),
)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of an export, as the manifest lists it. `size` in bytes."""

    name: str
    table: str
    rows: int
    size: int
    sha256: str
    described: tuple[Column, ...]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.described]


def write_file(
    folder: Path,
    table: str,
    columns: tuple[Column, ...],
    rows: Iterable[Sequence[Any]],
    form: Format,
    raw: bool,
) -> ExportedFile:
    """Write the rows of one table to `folder/TABLE.FORMAT`. Raises MissingExtra where the format needs a package."""
    path = folder / f"{table}.{form}"
    if form == "xlsx":
        from analysis.publish.workbook import write_workbook

        count = write_workbook(path, table, columns, rows)
    else:
        kinds = {column.name: column.kind for column in columns}
        count = write_table(path, form, list(kinds), rows, kinds, raw=raw)
    return ExportedFile(path.name, table, count, path.stat().st_size, file_sha256(path), columns)


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


HUBS = "select distinct endpoint from crawl_runs order by endpoint"
SCOPES = (
    "select case when scope = '' then 'whole Hub' else scope end as scope, kind, count(*) as crawls,"
    " max(coalesce(finished_at, started_at)) as last"
    " from crawl_runs group by scope, kind order by scope, kind"
)


def describe_catalog(reader: CatalogReader) -> dict[str, Any]:
    """The manifest's entries about the catalog: program, schema, Hubs, crawls and their scopes, repos, coverage."""
    (schema,) = reader.all("select version_num as revision from alembic_version")
    (crawled,) = reader.all(
        "select max(coalesce(finished_at, started_at)) as last_crawl, count(*) as crawls from crawl_runs"
    )
    (repos,) = reader.all("select count(*) as repos from repos")
    vocabulary = reader.all("select digest from vocabularies order by id desc limit 1")
    coverage = measure_coverage(reader)
    return {
        "program": "hf-catalog",
        "version": version("hf-catalog"),
        "made_at": iso(datetime.now(UTC)),
        "schema": schema["revision"],
        "catalog_time": crawled["last_crawl"],
        "hubs": [row["endpoint"] for row in reader.all(HUBS)],
        "crawls": crawled["crawls"],
        "scopes": reader.all(SCOPES),
        "repos": repos["repos"],
        "coverage": asdict(coverage) | {"text": coverage.text},
        "vocabulary": vocabulary[0]["digest"] if vocabulary else None,
        "licence": {"name": LICENCE, "note": LICENCE_NOTE},
    }


def describe_files(files: Iterable[ExportedFile]) -> list[dict[str, Any]]:
    """The manifest's `files`."""
    return [
        {name: getattr(each, name) for name in ("name", "table", "rows", "size", "sha256", "columns")} for each in files
    ]


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an export; None where the folder is not an export."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("program") == "hf-catalog" else None

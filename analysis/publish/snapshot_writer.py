"""What the tables and views of a snapshot hold: which rows, in which order, in which parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.publish.arrow_columns import TableColumn, ViewColumn
from analysis.publish.arrow_reader import ArrowReader
from analysis.publish.columns import column_kinds
from analysis.publish.evidence_rows import read_evidence
from analysis.publish.export import INTERNAL_COLUMNS
from analysis.publish.snapshot_files import (
    PartFiles,
    Parts,
    Written,
    by_month,
    by_number,
    by_prefix,
    one_part,
    read_hashes,
)
from analysis.publish.snapshot_rows import Columns, Reader, read_batches, read_documents, schema_of
from analysis.publish.table_files import import_pyarrow
from analysis.query.public import HAS_PRIVATE, mask_columns, private_repos
from db.schema.snapshot_format import (
    LABEL_EVIDENCE,
    MONTHLY,
    TABLES_FOLDER,
    CatalogTable,
    column_kind,
    snapshot_tables,
)

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

LARGEST = ("artifacts", "metrics", "models", "label_evidence", "repo_files", "repo_labels", "repo_tags", "repos")
"""What takes longest to write, the longest first, so that processes that share the work end together."""


class SnapshotWriter:
    """Writes the tables and views of a catalog into `draft`; equal files of the snapshot `earlier` are linked."""

    def __init__(self, reader: Reader, draft: Path, earlier: Path) -> None:
        self.reader, self.draft, self.earlier = reader, draft, earlier
        self.has_private = bool(reader.all(HAS_PRIVATE))
        self.hashes = read_hashes(earlier)
        self.views = {view.name: view for view in VIEWS}
        self.tables = {f"{TABLES_FOLDER}/{table.name}": table for table in snapshot_tables()}

    def begin(self) -> None:
        """Shows the catalog of a SQLite file as it is now."""
        self.reader.begin_again()
        self.has_private = bool(self.reader.all(HAS_PRIVATE))

    def names(self) -> list[str]:
        """The tables and views, those that take longest first."""
        place = {name: at for at, name in enumerate(LARGEST)}

        def rank(name: str) -> tuple[int, bool, str]:
            title = name.removeprefix(f"{TABLES_FOLDER}/")
            return place.get(title, len(place)), name in self.tables, name

        return sorted([*self.views, *self.tables], key=rank)

    def write(self, name: str) -> Written:
        """Writes the files of one of them. Raises CatalogError, OSError."""
        return self.write_view(self.views[name]) if name in self.views else self.write_table(name, self.tables[name])

    def write_view(self, view: SnapshotView) -> Written:
        pa, _ = import_pyarrow()
        names = [name for name in self.column_names(view.source) if name not in INTERNAL_COLUMNS]
        columns = [ViewColumn(name, column_kinds().get(name, "text")) for name in names]
        files = self.files(view.name, columns)
        parts = by_prefix(view.order[0], view.prefix)
        return files.write(
            read_batches(pa, self.reader, self.view_statement(view, names), columns), parts, in_order=True
        )

    def write_table(self, name: str, table: CatalogTable) -> Written:
        pa, _ = import_pyarrow()
        columns = [TableColumn(table, column.name) for column in table.columns]
        files = self.files(name, columns)
        statement = self.statement(table)
        if table.name == LABEL_EVIDENCE.name:
            batches = read_evidence(pa, read_documents(pa, self.reader, statement), schema_of(pa, columns))
        else:
            batches = read_batches(pa, self.reader, statement, columns)
        return files.write(batches, parts_of(table), in_order=table.name != MONTHLY)

    def column_names(self, view: str) -> Sequence[str]:
        sql = f"select * from {view}"
        if isinstance(self.reader, ArrowReader):
            return self.reader.column_names(sql)
        with self.reader.rows(f"{sql} limit 0") as result:
            return result.columns

    def view_statement(self, view: SnapshotView, names: Sequence[str]) -> str:
        """The select of a view's public rows, in order."""
        collate = ' collate "C"' if self.reader.dialect == "postgresql" else ""
        order = ", ".join(f"{name}{collate}" for name in view.order)
        private = f" where hub_id not in (select hub_id from repos where id in ({PRIVATE}))"
        where = private if self.has_private else ""
        return f"select {quoted(names)} from {view.source}{where} order by {order}"

    def files(self, name: str, columns: Columns) -> PartFiles:
        pa, _ = import_pyarrow()
        files = PartFiles(name, schema_of(pa, columns), self.draft, self.earlier, self.hashes)
        files.written.columns.update({column.name: column.kind for column in columns})
        return files

    def statement(self, table: CatalogTable) -> str:
        """The select of a table's public rows, ordered by their key."""
        if table.name == LABEL_EVIDENCE.name:  # not the view, by which the database would write each row and sort them
            return f"select repo, first_artifact, pieces from repo_evidence{self.condition(table)} order by repo"
        collate = ' collate "C"' if self.reader.dialect == "postgresql" else ""
        order = ", ".join(
            f'"{key.name}"{collate if column_kind(key) == "text" else ""}' for key in table.primary_key.columns
        )
        names = quoted([column.name for column in table.columns])
        return f"select {names} from {self.source(table)}{self.condition(table)} order by {order}"

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


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def parts_of(table: CatalogTable) -> Parts:
    """How the rows of a table are split into files."""
    if table.name == MONTHLY:
        return by_month("day")
    first = table.primary_key.columns.values()[0]
    return by_number(first.name) if column_kind(first) == "integer" else one_part

"""What a snapshot holds: Parquet files of the catalog's tables, by which another catalog is made, and a manifest.

analysis/publish/snapshot.py writes it, db/maintain/from_snapshot.py reads it. `FORMAT` grows when an earlier program
could not read it; tables and columns that are added do not change it.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Column, MetaData, Table

from db.schema.tables import metadata, repo_evidence
from db.schema.types import BigInt, Bool, Day, Hash, Packed, Real, UtcDateTime

FORMAT = 1
MANIFEST = "manifest.json"
TABLES_FOLDER = "tables"
CARD = "README.md"

LEFT_OUT = frozenset({
    "crawl_locks", "cursors", "listing_pages", "request_quotas", "search_documents", "search_pending", "fit_candidates",
    "fit_uses", "fit_pending", "fit_sources", "generations", "result_scales",
    "totals", "total_members", "author_totals", "author_schemes", "card_texts",
})  # fmt: skip
"""Texts of others' model cards, tables of crawls under way, the totals, and those by which search and `fits` find
models, which are made again."""

LABEL_EVIDENCE = Table(
    "label_evidence",
    MetaData(),
    Column("repo", BigInt, primary_key=True),
    Column("artifact", BigInt, primary_key=True),
    Column("evidence", BigInt, primary_key=True),
    Column("resolved", Bool, nullable=False),
)
"""The view's rows, which a snapshot has in place of the documents of repo_evidence: other programs read them as well,
and Parquet packs them anyway."""

CLEARED: dict[tuple[str, str], Any] = {
    ("crawl_runs", "pid"): 0,
    ("crawl_runs", "host"): "",
    ("enrichments", "leased_until"): None,
    ("enrichments", "holder"): None,
    ("repos", "row_digest"): None,
}
"""Columns that say who crawled where, or that depend on the program's version, and the values that they have in a
snapshot."""

CatalogTable = Table
"""For annotations where the database toolkit is not imported."""

Kind = Literal["integer", "number", "boolean", "time", "bytes", "text"]

KEYS_PER_FILE = 2**17
"""Numbers of repos, artifacts, events ... that one file holds."""

MONTHLY = "metrics"
"""The table whose files are months: a month that has ended never changes."""


def snapshot_tables() -> list[Table]:
    """The tables of a snapshot, parents before children."""
    kept = [table for table in metadata.sorted_tables if table.name not in LEFT_OUT]
    return [LABEL_EVIDENCE if table is repo_evidence else table for table in kept]


def column_kind(column: Column[Any]) -> Kind:
    """How a column is stored in Parquet; a day is the number yyyymmdd, a packed text is written out."""
    match column.type:
        case Bool():
            return "boolean"
        case Real():
            return "number"
        case UtcDateTime():
            return "time"
        case Packed():
            return "text"
        case Hash():
            return "bytes"
        case BigInt() | Day():
            return "integer"
        case kind:
            return "integer" if "INT" in str(kind) else "text"


def is_packed(column: Column[Any]) -> bool:
    """Whether the database holds the texts of a column as db.packed_text packs them."""
    return isinstance(column.type, Packed)

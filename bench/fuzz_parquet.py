"""Parquet files for bench/fuzz.py: seeds as snapshots and histories have them, their mutations, and what reads them."""

from __future__ import annotations

import io
import random
import shutil
import tempfile
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Table

from db.engine import open_engine
from db.errors import HistoryInvalid
from db.maintain.from_snapshot import SnapshotFile, SnapshotInvalid, read_batches
from db.maintain.import_history import BadRow, read_history
from db.maintain.parquet_process import ParquetReader
from db.schema.snapshot_format import column_kind
from db.schema.tables import metrics, repos

HISTORY_EVERY = 20


class ParquetTarget:
    """Reads a file as one of a snapshot, by a process that is started again where a file ends it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.engine = open_engine(":memory:", read_only=False, create=True, check=False)
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.reader = ParquetReader()
        self.histories = 0

    def read(self, data: bytes) -> None:
        (self.folder / "a.parquet").write_bytes(data)
        file = SnapshotFile("a.parquet", 0, len(data), "")
        try:
            for columns, rows in read_batches(self.reader, self.folder, file, self.table, engine=self.engine):
                assert all(len(row) == len(columns) for row in rows)
        except SnapshotInvalid as error:
            assert "a.parquet" in str(error), "an error without the file's name"

    def read_history(self, data: bytes) -> None:
        """Reads one in HISTORY_EVERY inputs, since each history has a process of its own."""
        self.histories += 1
        if self.histories % HISTORY_EVERY:
            return
        (self.folder / "a.parquet").write_bytes(data)
        try:
            for row in read_history(self.folder / "a.parquet"):
                assert isinstance(row, BadRow) or row.repo_id.isprintable()
        except HistoryInvalid as error:
            assert "a.parquet" in str(error), "an error without the file's name"

    def seeds(self) -> list[bytes]:
        kinds: dict[str, tuple[Any, Any]] = {
            "integer": (7, "int64"),
            "number": (0.5, "float64"),
            "boolean": (True, "bool"),
            "text": ("a/b", "string"),
            "bytes": (b"a", "binary"),
            "time": (datetime(2026, 1, 1, tzinfo=UTC), pa.timestamp("ms", "UTC")),
        }
        columns = {}
        for column in self.table.columns:
            value, kind = kinds[column_kind(column)]
            columns[column.name] = pa.array([value, None if column.nullable else value] * 20, kind)
        return parquet_files(pa.table(columns))


def parquet_files(table: Any) -> list[bytes]:
    """A table as the writer of snapshots and other ones write it."""
    forms: list[dict[str, Any]] = [
        {"compression": "zstd"},
        {"compression": "none", "data_page_version": "2.0", "use_dictionary": False},
        {"compression": "snappy", "row_group_size": 25},
    ]
    found = []
    for form in forms:
        file = io.BytesIO()
        pq.write_table(table, file, **form)
        found.append(file.getvalue())
    return found


def parquet_targets() -> list[tuple[Callable[[bytes], None], list[bytes]]]:
    """What reads files of snapshots and of histories, with the inputs that it starts from."""
    whole, days = ParquetTarget(repos), ParquetTarget(metrics)
    rows = pa.table({"id": ["a/b"] * 20, "date": ["2024-01-01"] * 20, "likes": [1, None] * 10})
    return [(whole.read, whole.seeds()), (days.read, days.seeds()), (days.read_history, parquet_files(rows))]


def mutate_parquet(data: bytes, chance: random.Random) -> bytes:
    """The data with one to three other bytes, about half of them in the metadata: it ends where it says so."""
    raw = bytearray(data)
    start = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    for _ in range(chance.randint(1, 3)):
        at = chance.choice((chance.randrange(4, start), chance.randrange(start, len(raw) - 8)))
        step = chance.choice((1, 2, 16, 255, chance.randrange(256)))  # one more, the next number or type, any
        raw[at] = chance.choice((0, raw[at] ^ 1, (raw[at] + step) & 255))
    return bytes(raw)

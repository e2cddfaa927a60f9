"""The Parquet files of one table or view of a snapshot: rows go to parts, and equal files of an earlier snapshot stay.

Row groups are counted from the start of their part, so that rows added in one part move nothing in another.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from analysis.publish.manifest import file_sha256
from analysis.publish.table_files import import_pyarrow
from db.new_file import sync
from db.schema.snapshot_format import KEYS_PER_FILE, MANIFEST

ROW_GROUP_ROWS = 50_000
WAITING_WRITES = 2
"""Row groups that may wait for the thread that writes."""

Parts = Callable[[Any], Iterator[tuple[str, Any]]]
"""Splits a record batch into (part, rows of it), in order."""


@dataclass(slots=True)
class Written:
    """The files of one table or view, with rows, size in bytes and sha256; `kept` of them were there already.

    `columns` are their kinds, `known` says in how many rows each is not null.
    """

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    kept: int = 0
    known: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        return sum(file["rows"] for file in self.files)


@dataclass(slots=True)
class OpenPart:
    """A part that is being written: batches of its next row group, and the rows that it has got in all."""

    name: str
    writer: Any
    waiting: list[Any] = field(default_factory=list)
    waiting_rows: int = 0
    rows: int = 0


class PartFiles:
    """Writes record batches into a file a part; a thread writes while the caller makes the next batch."""

    def __init__(self, name: str, schema: Any, draft: Path, earlier: Path, hashes: Mapping[str, str]) -> None:
        """`name` of the table or view, a folder in `draft`; `hashes` are those of the snapshot in `earlier`."""
        self.name, self.schema = name, schema
        self.draft, self.earlier, self.hashes = draft, earlier, hashes
        self.open_parts: dict[str, OpenPart] = {}
        self.pending: deque[Future[None]] = deque()
        self.written = Written(name)
        (draft / name).mkdir(parents=True)

    def write(self, batches: Iterable[Any], parts: Parts, *, in_order: bool) -> Written:
        """Writes all batches; a table without rows has one file without rows.

        `in_order`: all rows of a part come before the first of the next one.
        """
        with ThreadPoolExecutor(1) as thread:
            for batch in batches:
                for column, values in zip(batch.schema.names, batch.columns, strict=True):
                    self.written.known[column] += len(values) - values.null_count
                for name, rows in parts(batch):
                    if name not in self.open_parts:
                        if in_order:
                            self.close_parts(thread)
                        self.open_parts[name] = self.open_part(name)
                    self.add(thread, self.open_parts[name], rows)
            if not self.open_parts and not self.pending and not self.written.files:
                self.open_parts["part-0"] = self.open_part("part-0")
            self.close_parts(thread)
            while self.pending:
                self.pending.popleft().result()
        if not in_order:
            self.written.files.sort(key=lambda file: str(file["name"]))
        return self.written

    def open_part(self, name: str) -> OpenPart:
        _, pq = import_pyarrow()
        path = self.path(name)
        path.parent.mkdir(exist_ok=True)
        writer = pq.ParquetWriter(
            path, self.schema, compression="zstd", use_content_defined_chunking=True, write_page_index=True
        )
        return OpenPart(name, writer)

    def path(self, part: str) -> Path:
        return self.draft / self.name / f"{part}.parquet"

    def add(self, thread: ThreadPoolExecutor, part: OpenPart, rows: Any) -> None:
        part.waiting.append(rows)
        part.waiting_rows += rows.num_rows
        part.rows += rows.num_rows
        if part.waiting_rows < ROW_GROUP_ROWS:
            return
        pa, _ = import_pyarrow()
        table = pa.Table.from_batches(part.waiting, self.schema)
        while table.num_rows >= ROW_GROUP_ROWS:
            self.hand_over(thread, partial(write_group, part.writer), table.slice(0, ROW_GROUP_ROWS))
            table = table.slice(ROW_GROUP_ROWS)
        part.waiting, part.waiting_rows = table.to_batches(), table.num_rows

    def close_parts(self, thread: ThreadPoolExecutor) -> None:
        for part in self.open_parts.values():
            self.hand_over(thread, self.close, part)
        self.open_parts = {}

    def hand_over(self, thread: ThreadPoolExecutor, work: Callable[[Any], None], subject: Any) -> None:
        """Gives the thread something to do, and waits while it has much to do. Raises what its work raised."""
        self.pending.append(thread.submit(work, subject))
        while len(self.pending) > WAITING_WRITES:
            self.pending.popleft().result()

    def close(self, part: OpenPart) -> None:
        """Ends a file, and takes that of the earlier snapshot in its place where both have the same bytes."""
        pa, _ = import_pyarrow()
        if part.waiting:
            write_group(part.writer, pa.Table.from_batches(part.waiting, self.schema))
        part.writer.close()
        relative, path = f"{self.name}/{part.name}.parquet", self.path(part.name)
        digest = file_sha256(path)
        if self.hashes.get(relative) == digest and take_earlier(self.earlier / relative, path, digest):
            self.written.kept += 1
        else:
            sync(path)
        size = path.stat().st_size
        self.written.files.append({"name": relative, "rows": part.rows, "size": size, "sha256": digest})


def write_group(writer: Any, table: Any) -> None:
    """Writes a row group in one piece: where batches ended must not be where pages end."""
    writer.write_table(table.combine_chunks())


# ---- parts ----------------------------------------------------------------------------------------------------------


def one_part(batch: Any) -> Iterator[tuple[str, Any]]:
    """A table whose key is a text has one part."""
    yield "part-0", batch


def by_number(key: str) -> Parts:
    """Parts by ranges of the numbers in the column `key`, by which the rows are ordered."""

    def parts(batch: Any) -> Iterator[tuple[str, Any]]:
        numbers = batch.column(key).to_numpy() // KEYS_PER_FILE
        for start, stop in runs_of(numbers):
            yield f"part-{numbers[start]}", batch.slice(start, stop - start)

    return parts


def by_prefix(key: str, length: int) -> Parts:
    """Parts by how the texts in the column `key` begin: in hexadecimal, a file name of its own in any case."""

    def parts(batch: Any) -> Iterator[tuple[str, Any]]:
        import numpy as np

        prefixes = np.array([str(text)[:length] for text in batch.column(key).to_pylist()])
        for start, stop in runs_of(prefixes):
            name = str(prefixes[start]).encode("utf-8", "backslashreplace").hex()
            yield f"part-{name}", batch.slice(start, stop - start)

    return parts


def by_month(day: str) -> Parts:
    """Parts by the month of the column `day`, the number yyyymmdd; a batch has rows of many months."""

    def parts(batch: Any) -> Iterator[tuple[str, Any]]:
        import numpy as np

        months = batch.column(day).to_numpy() // 100
        for month in np.unique(months):
            yield f"month={month // 100}-{month % 100:02}/part-0", batch.take(np.flatnonzero(months == month))

    return parts


def runs_of(values: Any) -> Iterator[tuple[int, int]]:
    """(start, stop) of each run of equal values in a numpy array."""
    import numpy as np

    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return ((start, stop) for start, stop in pairwise(edges) if start < stop)


# ---- an earlier snapshot --------------------------------------------------------------------------------------------


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

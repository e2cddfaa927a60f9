"""One table in one file: CSV for everything, JSON lines for programs, Parquet for analytics. Streamed by row.

CSV is UTF-8 with a header line; a cell that a spreadsheet would run as a formula gets an apostrophe unless `raw`
(analysis/text.py). JSON lines and Parquet keep text unchanged.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from analysis.errors import MissingExtra
from analysis.text import csv_cell, csv_column, to_json

Format = Literal["csv", "parquet", "jsonl", "xlsx"]
Row = Sequence[Any]
ColumnKind = Literal["text", "integer", "number", "boolean", "list", "time", "date"]

ROW_GROUP_ROWS = 10_000  # of Parquet
CSV_BATCH_ROWS = 500  # whose columns are looked at together
MAX_CELL_CHARACTERS = 2**27  # of a CSV cell that is read back


def write_table(
    path: Path,
    form: Format,
    columns: Sequence[str],
    rows: Iterable[Row],
    kinds: Mapping[str, ColumnKind],
    *,
    raw: bool = False,
) -> int:
    """Write rows to a new file; returns their number. `kinds` are for Parquet; a column without one is text.

    `analysis.publish.workbook` writes workbooks. Raises FileExistsError; MissingExtra for Parquet without pyarrow.
    """
    if form == "csv":
        return write_csv(path, columns, rows, raw=raw)
    return write_json_lines(path, columns, rows) if form == "jsonl" else write_parquet(path, columns, rows, kinds)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row], *, raw: bool) -> int:
    count = 0
    with path.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([csv_cell(name, raw=raw) for name in columns])
        for batch in make_batches(rows, CSV_BATCH_ROWS):
            cells = [csv_column(values, raw=raw) for values in zip(*batch, strict=True)]
            writer.writerows(zip(*cells, strict=True))
            count += len(batch)
    return count


def write_json_lines(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> int:
    count = 0
    with path.open("x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        for row in rows:
            file.write(to_json(dict(zip(columns, row, strict=True))) + "\n")
            count += 1
    return count


def write_parquet(path: Path, columns: Sequence[str], rows: Iterable[Row], kinds: Mapping[str, ColumnKind]) -> int:
    """Parquet with zstd. Raises MissingExtra without pyarrow."""
    pa, pq = import_pyarrow()
    types = arrow_types(pa)
    column_kinds = [kinds.get(name, "text") for name in columns]
    schema = pa.schema([(name, types[kind]) for name, kind in zip(columns, column_kinds, strict=True)])
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in make_batches(rows):
            arrays = [
                pa.array([ARROW_VALUES[kind](row[at]) for row in batch], types[kind])
                for at, kind in enumerate(column_kinds)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count


def arrow_types(pa: Any) -> dict[ColumnKind, Any]:
    """Column kind -> pyarrow's type."""
    return {
        "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
        "list": pa.list_(pa.string()), "time": pa.timestamp("ms", tz="UTC"), "date": pa.date32(),
    }  # fmt: skip


def import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("parquet", "pyarrow") from error
    return pyarrow, pyarrow.parquet


def make_batches(rows: Iterable[Row], size: int = ROW_GROUP_ROWS) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def to_datetime(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value)


def to_date(value: Any) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value


def to_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else value.encode("utf-8", "backslashreplace").decode("utf-8")
    return to_json(value)


ARROW_VALUES: Mapping[str, Callable[[Any], Any]] = {
    "text": to_text,
    "integer": lambda value: None if value is None else int(value),
    "number": lambda value: None if value is None else float(value),
    "boolean": lambda value: None if value is None else bool(value),
    "list": lambda value: None if value is None else [str(item) for item in value],
    "time": to_datetime,
    "date": to_date,
}
"""What makes a value of a column kind one that pyarrow takes."""


def infer_kinds(columns: Sequence[str], rows: Sequence[Row]) -> dict[str, ColumnKind]:
    """Kinds of columns by the values that they hold, for results of queries; a column of mixed types is text."""
    kinds: dict[str, ColumnKind] = {}
    for at, name in enumerate(columns):
        found = {type(row[at]) for row in rows if row[at] is not None}
        if found == {bool}:
            kinds[name] = "boolean"
        elif found == {int}:
            kinds[name] = "integer"
        elif found and found <= {int, float}:
            kinds[name] = "number"
        elif found == {list}:
            kinds[name] = "list"
    return kinds


def read_table(path: Path, form: Format) -> Iterator[dict[str, str]]:
    """The rows of a file that `write_table` wrote, every value as its CSV text, so that two formats can be compared."""
    if form == "csv":
        csv.field_size_limit(MAX_CELL_CHARACTERS)
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield {name: str(csv_cell(value)) for name, value in row.items()}
    elif form == "jsonl":
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield {name: str(csv_cell(value)) for name, value in json.loads(line).items()}
    else:
        _, pq = import_pyarrow()
        for batch in pq.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                yield {name: str(csv_cell(value)) for name, value in row.items()}

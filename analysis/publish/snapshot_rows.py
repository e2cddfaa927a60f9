"""Rows and documents of evidence of a catalog, as arrays of Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from analysis.publish.arrow_columns import TableColumn, ViewColumn, make_array
from analysis.publish.arrow_reader import ArrowReader
from analysis.publish.evidence_rows import Documents
from analysis.query.reader import CatalogReader

BATCH_ROWS = 10_000
"""Rows that are Python objects at a time."""

Columns = Sequence[ViewColumn | TableColumn]

DOCUMENT_COLUMNS = (
    ViewColumn("repo", "integer"),
    ViewColumn("first_artifact", "integer"),
    ViewColumn("pieces", "text"),
)

Reader = CatalogReader | ArrowReader


def schema_of(pa: Any, columns: Columns) -> Any:
    """The Arrow schema of columns."""
    return pa.schema([(column.name, column.arrow_type(pa)) for column in columns])


def read_batches(pa: Any, reader: Reader, sql: str, columns: Columns) -> Iterator[Any]:
    """The rows of a statement that selects these columns, as record batches. Raises ArrowException, ValueError."""
    schema = schema_of(pa, columns)
    for values in column_values(reader, sql, columns):
        arrays = [column.to_array(pa, each) for column, each in zip(columns, values, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def column_values(reader: Reader, sql: str, columns: Columns) -> Iterator[Sequence[Any]]:
    """The values of each column, of some rows at a time."""
    if isinstance(reader, ArrowReader):
        yield from reader.batches(sql, [column.stored_kind for column in columns])
        return
    with reader.rows(sql) as result:
        for rows in result.batches(BATCH_ROWS):
            yield list(zip(*rows, strict=True))


def read_documents(pa: Any, reader: Reader, sql: str) -> Iterator[Documents]:
    """Documents of evidence, which a statement selects as (repo, first_artifact, pieces), some at a time."""
    import numpy as np

    for repos, firsts, pieces in column_values(reader, sql, DOCUMENT_COLUMNS):
        yield Documents(np.array(repos, np.int64), np.array(firsts, np.int64), make_array(pa, pieces, pa.string()))

"""Rows of a catalog as Arrow record batches, and the documents of evidence as rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from analysis.publish.arrow_columns import TableColumn, ViewColumn
from analysis.publish.arrow_reader import ArrowReader
from analysis.query.reader import CatalogReader

BATCH_ROWS = 10_000
"""Rows that are Python objects at a time."""

DOCUMENTS = 2_000
"""Documents of evidence that are read at a time; a repo has two, a few hundred rows at most."""

Columns = Sequence[ViewColumn | TableColumn]

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


def read_documents(reader: Reader, sql: str) -> Iterator[Sequence[tuple[int, int, str]]]:
    """Documents of evidence (repo, first_artifact, pieces), some at a time."""
    if isinstance(reader, ArrowReader):
        for repos, firsts, pieces in reader.batches(sql, ("integer", "integer", "text")):
            yield list(zip(repos.to_pylist(), firsts.to_pylist(), pieces.to_pylist(), strict=True))
        return
    with reader.rows(sql) as result:
        yield from result.batches(DOCUMENTS)


def read_evidence(pa: Any, batches: Iterable[Sequence[tuple[Any, ...]]], schema: Any) -> Iterator[Any]:
    """The rows of the view label_evidence as record batches with its columns repo, artifact, evidence and resolved.

    They are ordered by these, though the database is asked for its documents alone: `batches` have repo,
    first_artifact and pieces, ordered by repo. Raises ValueError for a text that is no document
    (db/derive/evidence_document.py).
    """
    held: list[tuple[Any, ...]] = []
    for rows in batches:
        last = rows[-1][0]
        held += rows
        complete = [row for row in held if row[0] != last]
        held = [row for row in held if row[0] == last]
        if complete:
            yield evidence_batch(pa, complete, schema)
    if held:
        yield evidence_batch(pa, held, schema)


def evidence_batch(pa: Any, documents: Sequence[Sequence[Any]], schema: Any) -> Any:
    """One record batch of documents (repo, first_artifact, pieces). Raises ValueError."""
    import numpy as np

    repos, firsts, texts = zip(*documents, strict=True)
    try:
        groups_of = json.loads(f"[{','.join(texts)}]")
        groups = list(chain.from_iterable(groups_of))
        member_counts = np.fromiter((len(group[0]) for group in groups), np.int64, len(groups))
        code_counts = np.fromiter((len(group[1]) for group in groups), np.int64, len(groups))
        members = np.fromiter(chain.from_iterable(group[0] for group in groups), np.int64, int(member_counts.sum()))
        codes = np.fromiter(chain.from_iterable(group[1] for group in groups), np.int64, int(code_counts.sum()))
        group_counts = np.fromiter(map(len, groups_of), np.int64, len(documents))
    except (TypeError, KeyError, IndexError, RecursionError) as error:
        raise ValueError(f"malformed evidence: {error}") from error
    rows = member_counts * code_counts  # of each group: each of its artifacts with each of its pieces
    place = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows, rows)  # within its group
    per_member = np.repeat(code_counts, rows)
    member = np.repeat(np.cumsum(member_counts) - member_counts, rows) + place // per_member
    code = codes[np.repeat(np.cumsum(code_counts) - code_counts, rows) + place % per_member]
    repo = np.repeat(np.repeat(np.array(repos, np.int64), group_counts), rows)
    artifact = np.repeat(np.repeat(np.array(firsts, np.int64), group_counts), rows) + members[member]
    order = np.lexsort((code, artifact, repo))
    code = code[order]
    arrays = [repo[order], artifact[order], code >> 1, code & 1 == 1]
    return pa.RecordBatch.from_arrays([pa.array(each) for each in arrays], schema=schema)

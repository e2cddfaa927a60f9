"""Rows of a catalog as Arrow record batches, and the documents of evidence as rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from analysis.publish.arrow_columns import TableColumn, ViewColumn
from analysis.query.stream import RowStream

BATCH_ROWS = 10_000
"""Rows that are Python objects at a time."""

DOCUMENTS = 2_000
"""Documents of evidence that are read at a time; a repo has two, a few hundred rows at most."""

Columns = Sequence[ViewColumn | TableColumn]


def schema_of(pa: Any, columns: Columns) -> Any:
    """The Arrow schema of columns."""
    return pa.schema([(column.name, column.arrow_type(pa)) for column in columns])


def read_batches(pa: Any, result: RowStream, columns: Columns) -> Iterator[Any]:
    """The rows of a result as record batches with these of its columns. Raises ArrowException, ValueError."""
    schema = schema_of(pa, columns)
    places = [result.columns.index(column.name) for column in columns]
    for rows in result.batches(BATCH_ROWS):
        values = list(zip(*rows, strict=True))
        arrays = [column.to_array(pa, values[at]) for at, column in zip(places, columns, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def read_evidence(pa: Any, result: RowStream, schema: Any) -> Iterator[Any]:
    """The rows of the view label_evidence as record batches with its columns repo, artifact, evidence and resolved.

    They are ordered by these, though the database is asked for its documents alone: `result` has repo, first_artifact
    and pieces, ordered by repo. Raises ValueError for a text that is no document (db/derive/evidence_document.py).
    """
    held: list[tuple[Any, ...]] = []
    for rows in result.batches(DOCUMENTS):
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

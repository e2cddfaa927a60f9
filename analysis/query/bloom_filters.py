"""Plans by which SQLite 3.38 to 3.40 lose rows: a Bloom filter over an index of an expression, as `lower(repo_id)`.

The filter holds another column than the expression (whereConstructBloomFilter of where.c; fixed in SQLite 3.41). SQLite
adds one to a join where statistics say that a table is searched more often than it has rows, and a condition concerns
that table alone. Saved queries and views have no such joins (tests/analysis/query/test_bloom_filters.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from db.errors import QueryError

FIRST_WITH_BLOOM_FILTERS = (3, 38, 0)
FIRST_WITH_RIGHT_FILTERS = (3, 41, 0)


def refuse_wrong_plan(
    connection: sqlite3.Connection,
    sql: str,
    values: Mapping[str, Any] | Sequence[Any],
    version: tuple[int, int, int] = sqlite3.sqlite_version_info,
) -> None:
    """Raises QueryError where this SQLite would lose rows of a statement."""
    if not FIRST_WITH_BLOOM_FILTERS <= version < FIRST_WITH_RIGHT_FILTERS:
        return
    if has_filter_over_expression(connection, sql, values):
        raise QueryError(
            sql,
            f"SQLite {'.'.join(map(str, version))} would lose rows of this join by lower(), a defect that 3.41 fixed",
            "run it with a Python whose SQLite is 3.41 or later, or join without a condition on that table alone",
        )


def has_filter_over_expression(
    connection: sqlite3.Connection, sql: str, values: Mapping[str, Any] | Sequence[Any]
) -> bool:
    """Whether the plan of a statement has a Bloom filter over an expression; False for what can't be planned."""
    with suppress(sqlite3.Error):
        for *_, step in connection.execute(f"explain query plan {sql}", values):
            if step.startswith("BLOOM FILTER") and "<expr>" in step:
                return True
    return False

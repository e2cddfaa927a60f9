"""Saved queries that read totals answer what counting the rows answers; `counted` has that SQL of each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from analysis.query.reader import CatalogReader
from analysis.query.saved import find_saved_query, saved_queries

COUNTED = Path(__file__).with_name("counted")


def answer(reader: CatalogReader, sql: str, name: str) -> list[dict[str, Any]]:
    query = find_saved_query(name)
    return reader.all(sql, query.parse_values({}))


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=0.0051)  # a mean is rounded to two places
    return bool(one == other)


@pytest.mark.parametrize("name", sorted(path.stem for path in COUNTED.glob("*.sql")))
def test_totals_answer_what_the_rows_say(name: str, demo: Path) -> None:
    with CatalogReader(demo) as reader:
        kept = answer(reader, find_saved_query(name).sql, name)
        counted = answer(reader, (COUNTED / f"{name}.sql").read_text(encoding="utf-8"), name)
    assert kept, "the demo has such models"
    differ = [
        (one, other) for one, other in zip(kept, counted, strict=True) if not all(equal(one[k], other[k]) for k in one)
    ]
    assert differ == []


def test_every_query_of_totals_is_compared() -> None:
    reading = {query.name for query in saved_queries() if " totals" in query.sql or "author_" in query.sql}
    assert reading | {"top-families"} == {path.stem for path in COUNTED.glob("*.sql")} | (reading & {"label-sources"})

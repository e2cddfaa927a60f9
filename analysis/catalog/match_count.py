"""How many rows match, counted no further than it matters: by it a query is given the index that suits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.query.reader import CatalogReader
from analysis.query.statement import parameter_names


def count_matches(reader: CatalogReader, select: str, values: Mapping[str, Any], most: int) -> int:
    """How many rows a select has, at most one more than `most`. `values` may hold more than the select names."""
    sql = f"select count(*) as n from (select 1 from ({select}) as matches limit {most + 1}) as counted"
    return int(reader.all(sql, {name: values[name] for name in parameter_names(sql)})[0]["n"])

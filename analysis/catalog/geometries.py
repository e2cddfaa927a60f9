"""Attention geometries of artifacts, from the headers that the catalog holds, loaded as they are needed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.fit.geometry import Geometry, parse_geometry
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values

IDS_PER_QUERY = 500
MAX_SUBSTITUTES = 3
"""Headers that are tried for one artifact whose own was not read: the first may have no geometry."""

MAX_COPIES = 200
"""Headers of the copies of one base model that are looked at."""

HEADERS_OF_REPOS = """
select lower(r.repo_id) as key, a.header from artifacts a join repos r on r.id = a.repo
where r.type = 'model' and lower(r.repo_id) in ({ids}) and a.role = 'weights' and a.header is not null
order by r.repo_id, a.artifact
"""

HEADERS_OF_COPIES = """
select lower(l.base_model) as key, a.header from repo_labels l join artifacts a on a.repo = l.repo
where lower(l.base_model) in ({ids}) and l.base_model_relation = 'quantized' and a.role = 'weights'
    and a.header is not null
order by l.repo, a.artifact
"""


class GeometryLookup:
    """The geometry of each artifact: its own header's, else that of the same model in another artifact.

    Quantization does not change shapes. So an artifact whose header was not read has the geometry of another artifact
    of its repo, of its base model, or of another copy of that.
    """

    def __init__(self, reader: CatalogReader) -> None:
        self._reader = reader
        self._geometries: dict[int, Geometry | None] = {}

    def find(self, row: Mapping[str, Any]) -> Geometry | None:
        """The geometry for an artifact's row with header, repo_id and base_model."""
        return self.find_all([row])[0]

    def find_all(self, rows: Sequence[Mapping[str, Any]]) -> list[Geometry | None]:
        """The geometry for each row, with few queries for all of them."""
        return [geometry for geometry, _ in self.find_with_source(rows)]

    def find_with_source(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Geometry | None, str | None]]:
        """The geometry for each row, and whose header gave it: header, repo or base."""
        self._load({row["header"] for row in rows if row.get("header")})
        own = [self._geometries.get(row.get("header") or 0) for row in rows]
        lacking = [row for row, found in zip(rows, own, strict=True) if found is None]
        repos = self._substitutes(HEADERS_OF_REPOS, names_of(lacking, "repo_id"))
        bases = self._substitutes(HEADERS_OF_REPOS, names_of(lacking, "base_model"))
        copies = self._substitutes(HEADERS_OF_COPIES, names_of(lacking, "base_model"))
        return [
            (found, "header") if found else self._substitute(row, repos, bases, copies)
            for row, found in zip(rows, own, strict=True)
        ]

    def _substitute(
        self, row: Mapping[str, Any], repos: Numbers, bases: Numbers, copies: Numbers
    ) -> tuple[Geometry | None, str | None]:
        base = (row.get("base_model") or "").lower()
        for source, numbers in (
            ("repo", repos.get((row.get("repo_id") or "").lower(), ())),
            ("base", (*bases.get(base, ()), *copies.get(base, ()))),
        ):
            for number in numbers:
                if found := self._geometries[number]:
                    return found, source
        return None, None

    def _substitutes(self, sql: str, ids: Sequence[str]) -> Numbers:
        """Ids of headers by the repo that they may stand for; their geometries are loaded."""
        found: dict[str, list[int]] = defaultdict(list)
        for at in range(0, len(ids), IDS_PER_QUERY):
            listed, values = name_values("id", ids[at : at + IDS_PER_QUERY])
            limit = MAX_COPIES * len(values)
            for row in self._reader.rows(f"{sql.format(ids=listed)} limit {limit}", values).dicts():
                numbers = found[row["key"]]
                if len(numbers) < MAX_SUBSTITUTES and row["header"] not in numbers:
                    numbers.append(row["header"])
        self._load({number for numbers in found.values() for number in numbers})
        return found

    def _load(self, numbers: set[int]) -> None:
        missing = sorted(number for number in numbers if number not in self._geometries)
        for start in range(0, len(missing), IDS_PER_QUERY):
            listed = ", ".join(map(str, map(int, missing[start : start + IDS_PER_QUERY])))
            sql = f"select id, facts, context, architecture from headers where id in ({listed})"
            for row in self._reader.rows(sql).dicts():
                facts = geometry_facts(row["facts"], row["context"])
                self._geometries[row["id"]] = parse_geometry(facts, row["architecture"])
        self._geometries.update((number, None) for number in missing if number not in self._geometries)


Numbers = Mapping[str, Sequence[int]]
"""Ids of headers by the repo id, in lower case, that they may stand for."""


def names_of(rows: Iterable[Mapping[str, Any]], key: str) -> list[str]:
    """The ids of repos in a column, once each, in lower case."""
    return sorted({row[key].lower() for row in rows if row.get(key)})


def geometry_facts(text: str | None, context: int | None) -> dict[str, Any]:
    """The geometry facts of a header, at the top level or under `geometry`."""
    try:
        facts = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(facts, dict):
        return {}
    nested = facts.get("geometry")
    flat = {**facts, **nested} if isinstance(nested, dict) else facts
    return {"context": context, **flat}

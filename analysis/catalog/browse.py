"""Models that match words and filters, a page at a time, with the values that narrow the result further (facets)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.catalog.match_count import count_matches
from analysis.catalog.models import ROWS, ROWS_BY_LABEL, SORTS, ModelFilter, WhereClause, filter_conditions
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values
from analysis.query.values import normalize_row

PAGE_ROWS = 25

MAX_COUNTED = 1000
"""Matches up to which is counted: reading more would take longer than the page itself."""

MAX_EXAMINED = 2_500
"""The most downloaded models, among which matches are counted where no index finds them."""

MOST_DOWNLOADED = "select id from repos where type = 'model' order by downloads desc nulls last limit {limit}"

MAX_RANKED = 400
"""Matches of words that are ranked: as many as the search ranks of a common word."""

MAX_FACET_VALUES = 8

FACETS: Mapping[str, str] = {
    "family": "family",
    "quant": "quant",
    "format": "format",
    "license": "license",
    "task": "pipeline_tag",
    "author": "author",
}
"""Filter -> column of the view `models` whose values it takes."""

RANK = "match"
"""The order of matches of words: the best first."""


@dataclass(frozen=True, slots=True)
class BrowseRequest:
    """What is looked for. `memory`: bytes that the weights of at least one artifact must fit in.

    `sort` is RANK (where there is text) or a key of `analysis.catalog.models.SORTS`; `page` counts from 1.
    """

    text: str = ""
    filter: ModelFilter = field(default_factory=ModelFilter)
    memory: int | None = None
    sort: str = "downloads"
    page: int = 1


@dataclass(frozen=True, slots=True)
class BrowseAnswer:
    """One page of the result, as normalized rows of `models`.

    `total`: the matches that were counted, at most MAX_COUNTED (`is_total`: all that there are); `facets`: values by
    filter with their number among these; `unknown`: words that no model has.
    """

    rows: Sequence[dict[str, Any]]
    total: int
    is_total: bool
    facets: Mapping[str, Sequence[tuple[str, int]]]
    unknown: Sequence[str] = ()

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_ROWS))


def browse(reader: CatalogReader, db: str | Path, request: BrowseRequest) -> BrowseAnswer:
    """The page of the result that the request names."""
    ranked, unknown = rank_words(db, request.text)
    where = match_conditions(reader, request, ranked)
    counted, is_total = count_matching(reader, where)
    first = (request.page - 1) * PAGE_ROWS
    if ranked is not None and request.sort == RANK:
        found = {row["repo_id"] for row in counted}
        rows = load_rows(reader, [repo_id for repo_id in ranked if repo_id in found][first : first + PAGE_ROWS])
    else:
        rows = sorted_rows(reader, where, stored_sort(request), PAGE_ROWS, first)
    total = len(counted)
    if not is_total and len(rows) < PAGE_ROWS and (rows or not first):  # the last page
        total, is_total = first + len(rows), True
        counted = rows if not first else counted
    return BrowseAnswer(rows, max(total, first + len(rows)), is_total, count_facets(counted), unknown)


def count_matching(reader: CatalogReader, where: WhereClause) -> tuple[list[dict[str, Any]], bool]:
    """At most MAX_COUNTED matches with the columns of FACETS, and whether these are all.

    Where no condition finds rows by index, they are those among the MAX_EXAMINED most downloaded models: a rare
    combination would be looked for in all rows.
    """
    columns = ", ".join(("repo_id", *FACETS.values()))
    sql = f"select {columns} from {ROWS}{where}"
    if not where.is_indexed:
        among = MOST_DOWNLOADED.format(limit=MAX_EXAMINED)
        sql += f"{' and' if where.conditions else ' where'} id in ({among})"
    found = reader.all(f"{sql} limit {MAX_COUNTED + 1}", where.values)
    is_total = len(found) <= MAX_COUNTED
    if is_total and not where.is_indexed:
        is_total = count_matches(reader, "select 1 from repo_labels", {}, MAX_EXAMINED) <= MAX_EXAMINED
    return found[:MAX_COUNTED], is_total


def browse_all(reader: CatalogReader, db: str | Path, request: BrowseRequest, limit: int) -> list[dict[str, Any]]:
    """At most `limit` rows of the whole result, in its order."""
    ranked, _ = rank_words(db, request.text)
    where = match_conditions(reader, request, ranked)
    if ranked is None or request.sort != RANK:
        return sorted_rows(reader, where, stored_sort(request), limit, 0)
    found = {row["repo_id"] for row in reader.all(f"select repo_id from {ROWS}{where}", where.values)}
    return load_rows(reader, [repo_id for repo_id in ranked if repo_id in found][:limit])


def stored_sort(request: BrowseRequest) -> str:
    """The order of rows that no words rank: also of a text that has no letter and no digit."""
    return "downloads" if request.sort == RANK else request.sort


def rank_words(db: str | Path, text: str) -> tuple[list[str] | None, Sequence[str]]:
    """The ids of repos that hold the words, the best match first (None where there are none), and the unknown words."""
    from db.read.search import find, search_terms

    if not search_terms(text):
        return None, ()
    found = find(db, text, MAX_RANKED)
    return [hit.repo_id for hit in found.hits], found.unknown


def match_conditions(reader: CatalogReader, request: BrowseRequest, ranked: Sequence[str] | None) -> WhereClause:
    where = filter_conditions(reader, request.filter)
    if request.memory is not None:
        where.conditions.append(
            "exists (select 1 from artifacts as a where a.repo = models.id and a.role = 'weights'"
            f" and a.total_size <= {where.bind(request.memory)})"
        )
    if ranked is not None:
        listed, values = name_values("match", ranked)
        where.conditions.append(f"repo_id in ({listed})" if ranked else "1 = 0")
        where.is_indexed = True
        where.values.update(values)
    return where


def sorted_rows(reader: CatalogReader, where: WhereClause, sort: str, limit: int, offset: int) -> list[dict[str, Any]]:
    """Rows of the view in a stable order. Their ids are selected first: its columns are expensive to compute."""
    is_label = sort == "parameters"  # of which many models have the same number; an index has them by the repo's
    order = f"order by {SORTS[sort]} nulls last, {'id desc' if is_label else 'repo_id'}"
    source = ROWS_BY_LABEL if is_label and not where.is_indexed else ROWS  # few rows are sorted
    sql = f"select repo_id from {source}{where} {order} limit {int(limit)} offset {int(offset)}"
    return load_rows(reader, [row["repo_id"] for row in reader.all(sql, where.values)])


def load_rows(reader: CatalogReader, repo_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of these repos, in this order."""
    if not repo_ids:
        return []
    listed, values = name_values("id", repo_ids)
    found = reader.rows(f"select * from models where repo_id in ({listed})", values).dicts()
    by_id = {row["repo_id"]: normalize_row(row) for row in found}
    return [by_id[repo_id] for repo_id in repo_ids if repo_id in by_id]


def count_facets(matches: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[str, int]]]:
    """The most frequent values of each facet, as (value, number)."""
    facets = {}
    for name, column in FACETS.items():
        counts = Counter(row[column] for row in matches if row[column])
        facets[name] = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:MAX_FACET_VALUES]
    return facets

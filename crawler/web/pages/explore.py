"""`/explore`: the saved queries; `/query/NAME`: one of them as a form, with its rows and a chart."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from analysis.errors import BadParameter
from analysis.publish.drawings import draw_bars
from analysis.publish.pages import model_url
from analysis.query.process import QueryRequest
from analysis.query.saved import SavedQuery, find_saved_query, saved_queries
from analysis.query.sqlite_result import to_sqlite_values
from analysis.query.values import normalize_row
from crawler.web.limits import WEB_LIMITS
from crawler.web.page import Content, Page, Visit
from crawler.web.query import BadRequest

MAX_ROWS = 100
MAX_BARS = 12
REPO_ID_COLUMNS = frozenset(
    {"repo_id", "base_model", "parent", "parent_id", "ancestor", "example", "first_by_name", "last_by_name"}
)
"""Columns of repo ids, which become links."""

LICENSE_COLUMNS = frozenset({"license", "license_spdx", "base_license"})

TYPE_HINTS = {
    "text": "any text",
    "integer": "a whole number",
    "number": "a number",
    "size": "a size such as 16GB",
    "date": "a date such as 2026-11-01, or a time before now such as 7d",
}
KIND_TITLES = {"interactive": "Questions with parameters", "report": "Reports"}


def page_of(kind: str) -> Callable[[str], str]:
    return lambda name: f"/{kind}/{quote(name, safe='')}"


def results_of(filter_name: str) -> Callable[[str], str]:
    return lambda value: f"/search?{urlencode({filter_name: value})}"


LINKS: Mapping[str, Callable[[str], str]] = {
    **dict.fromkeys(REPO_ID_COLUMNS, model_url),
    "family": page_of("family"),
    "author": page_of("publisher"),
    **dict.fromkeys(("quant", "quant_measured"), page_of("quantization")),
    **dict.fromkeys(LICENSE_COLUMNS, results_of("license")),
    "format": results_of("format"),
    "pipeline_tag": results_of("task"),
}
"""Column of a result -> the page of one of its values, or the models that have it."""


NO_ID = re.compile(r"LicenseRef-| ")
"""In licences by which no model is found: names that the catalog gives to texts, and words for an unknown one."""


def link_of(column: str, value: Any) -> str | None:
    """The page of a cell's value or of a bar's label; None where there is none."""
    if column not in LINKS or not isinstance(value, str) or not value:
        return None
    return None if column in LICENSE_COLUMNS and NO_ID.search(value) else LINKS[column](value)


def load_explore(visit: Visit) -> Content:
    groups = [
        (title, [query for query in saved_queries() if query.kind == kind]) for kind, title in KIND_TITLES.items()
    ]
    data = [
        {"name": query.name, "title": query.title, "description": query.description, "kind": query.kind}
        for query in saved_queries()
    ]
    return Content("Explore", {"queries": data}, {"groups": groups})


def load_query(visit: Visit) -> Content:
    """Raises UnknownSavedQuery, BadRequest, and what QueryPool.run does."""
    query = find_saved_query(visit.parts[0])
    texts = {each.name: visit.query.text(each.name) for each in query.parameters if visit.query.text(each.name)}
    values = parse_values(query, texts)
    request = QueryRequest(
        query.sql, to_sqlite_values(values), WEB_LIMITS.query_seconds, MAX_ROWS, WEB_LIMITS.result_bytes
    )
    key = ("query", query.name, tuple(sorted(texts.items())))
    result = visit.answers.get(visit.reader, key, lambda: visit.run_query(request))
    rows = [normalize_row(dict(zip(result.columns, row, strict=True))) for row in result.rows]
    data = {"name": query.name, "rows": rows, "truncated": result.truncated}
    context = {
        "saved": query,
        "texts": texts,
        "hints": TYPE_HINTS,
        "columns": result.columns,
        "rows": rows,
        "truncated": result.truncated,
        "picture": draw_rows(query.title, result.columns, rows),
        "editor": f"/catalog/{query.name}?{urlencode(texts)}",
        "csv": f"/catalog/{query.name}.csv?{urlencode({**texts, '_size': 'max'})}",
        "link_of": link_of,
    }
    return Content(query.title, data, context)


def parse_values(query: SavedQuery, texts: dict[str, str]) -> dict[str, Any]:
    """Raises BadRequest."""
    try:
        return query.parse_values(texts)
    except BadParameter as error:
        kind = next((each.type for each in query.parameters if each.name == error.name), "text")
        raise BadRequest(error.name, texts.get(error.name, ""), TYPE_HINTS[kind]) from None


def draw_rows(title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> Any:
    """Bars of the first column of numbers by the first column of texts; None where the result has not both."""
    shown = rows[:MAX_BARS]
    if len(shown) < 2:
        return None
    label = next((name for name in columns if all(isinstance(row[name], str) for row in shown)), None)
    value = next((name for name in columns if all(is_count(row[name]) for row in shown)), None)
    if label is None or value is None or len({row[label] for row in shown}) < len(shown):
        return None
    rows_of_label = [(row[label], row[value]) for row in shown]
    return draw_bars(
        rows_of_label, title, unit=value.replace("_", " "), link=partial(link_of, label) if label in LINKS else None
    )


def is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


EXPLORE = Page("explore", r"/explore", load_explore)
QUERY = Page("query", r"/query/([^/]+)", load_query)

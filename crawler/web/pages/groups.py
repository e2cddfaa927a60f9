"""`/family/NAME` and `/publisher/NAME`: the models of one family, or of one publisher."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from analysis.catalog.groups import Group, ModelGroup, load_group
from analysis.publish.drawings import draw_bars, draw_columns
from crawler.web.page import Content, Page, Visit
from crawler.web.tables import table_url

FILTERS = {"family": "family", "publisher": "author"}
"""Kind of page -> the filter of the results that selects its models."""


LINKED = {"licence": "license", "publisher": "author", "family": "family", "quantization": "quant"}
"""Column of a table of groups -> the filter of the results that its values are of."""

WITH_PAGES = ("publisher", "family", "quantization")
"""Columns whose values have a page of their own."""


def load_family(visit: Visit) -> Content:
    """Raises UnknownGroup."""
    return load_page(visit, "family")


def load_publisher(visit: Visit) -> Content:
    """Raises UnknownGroup."""
    return load_page(visit, "publisher")


def load_page(visit: Visit, kind: str) -> Content:
    name = visit.parts[0]
    found = visit.answers.get(visit.reader, (kind, name.lower()), lambda: load_group(visit.reader, kind, name))
    results = f"/search?{urlencode({FILTERS[kind]: found.name})}"

    def bars(groups: list[Group], title: str, unit: str, filter_name: str) -> Any:
        rows = [(group.name, group.downloads) for group in groups if group.downloads]

        def link(value: str) -> str:
            if filter_name == "size":  # which the results have no filter of
                return table_url("models", **{FILTERS[kind]: found.name, "size": value})
            return f"{results}&{urlencode({filter_name: value})}"

        return draw_bars(rows, title, unit=unit, link=link) if rows else None

    pictures = [
        ("Models created by month", draw_columns(found.months, "models created") if len(found.months) > 1 else None),
        ("Quantizations by downloads", bars(list(found.quants), "Quantizations", "downloads", "quant")),
    ]
    if kind == "family":
        pictures.append(("Publishers by downloads", bars(list(found.publishers), "Publishers", "downloads", "author")))
        pictures.append(("Sizes by downloads", bars(list(found.sizes), "Sizes", "downloads", "size")))
    else:
        pictures.append(("Families by downloads", bars(list(found.families), "Families", "downloads", "family")))
    context = {"found": found, "results": results, "pictures": [(t, p) for t, p in pictures if p], **links(kind, found)}
    return Content(f"{found.name}: {kind}", found.row(), context)


def links(kind: str, found: ModelGroup) -> dict[str, Any]:
    """Where the numbers of the page come from, and what belongs to it elsewhere."""
    hub = f"https://huggingface.co/{quote(found.name)}" if kind == "publisher" else ""
    column = FILTERS[kind]
    orders = {"table": {}, "oldest": {"_sort": "created_at"}, "newest": {"_sort_desc": "created_at"}}
    tables = {name: table_url("models", **{column: found.name}, **order) for name, order in orders.items()}

    def month_url(month: str) -> str:
        return table_url("models", **{column: found.name, "created_at__startswith": month})

    shared = {"kind": kind, "hub": hub, "filters": LINKED, "pages": WITH_PAGES, "filter": column}
    return {**shared, "month_url": month_url, **tables}


FAMILY = Page("family", r"/family/([^/]+)", load_family)
PUBLISHER = Page("publisher", r"/publisher/([^/]+)", load_publisher)

"""`/search`: models by words and filters, with facets; the same result as CSV and as an Atom feed."""

from __future__ import annotations

import csv
import io
from typing import Any

from analysis.catalog.browse import FACETS, PAGE_ROWS, RANK, BrowseAnswer, BrowseRequest, browse, browse_all
from analysis.catalog.models import ModelFilter
from analysis.fit.machines import Machine
from analysis.fit.memory import RUNTIME_OVERHEAD_BYTES
from analysis.publish.atom import make_models_feed
from analysis.text import csv_cell
from analysis.units import parse_model_size, parse_size
from crawler.web.page import SIZE_HINT, Content, Page, TextFile, Visit

MAX_PAGES = 40
MAX_EXPORTED = 1000

SORTS = {
    RANK: "best match",
    "downloads": "downloads",
    "modified": "updated",
    "size": "size of files",
    "trending": "trend",
    "parameters": "parameters",
    "name": "name",
}
COLUMNS = (
    "repo_id", "author", "family", "version", "size", "parameters", "parameters_measured", "tuning", "format", "quant",
    "bits_per_weight", "context", "license", "gated", "pipeline_tag", "base_model", "total_size", "downloads", "likes",
    "trending_score", "status", "created_at", "last_modified",
)  # fmt: skip
"""Of the JSON and the CSV form."""

MODEL_SIZE_HINT = "4B for parameters, 3GB for bytes of files"


def read_request(visit: Visit) -> BrowseRequest:
    """Raises BadRequest."""
    query = visit.query
    text = query.text("q")
    memory = query.parsed("memory", parse_size, SIZE_HINT)
    room = None if memory is None else max(0, Machine(ram=memory).ram_for_models - RUNTIME_OVERHEAD_BYTES)
    quantized = query.choice("quantized", ("", "yes", "no"), "")
    return BrowseRequest(
        text=text,
        filter=ModelFilter(
            families=query.texts("family"),
            quants=query.texts("quant"),
            formats=query.texts("format"),
            authors=query.texts("author"),
            licenses=query.texts("license"),
            tasks=query.texts("task"),
            least=query.parsed("min_size", parse_model_size, MODEL_SIZE_HINT),
            most=query.parsed("max_size", parse_model_size, MODEL_SIZE_HINT),
            quantized=None if not quantized else quantized == "yes",
        ),
        memory=room,
        sort=read_sort(visit, text),
        page=query.number("page", 1, MAX_PAGES),
    )


def read_sort(visit: Visit, text: str) -> str:
    sort = visit.query.choice("sort", SORTS, RANK if text else "downloads")
    return "downloads" if sort == RANK and not text else sort


def exported_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in COLUMNS}


def load_results(visit: Visit) -> Content:
    request = read_request(visit)
    key = ("results", request)
    answer = visit.answers.get(visit.reader, key, lambda: browse(visit.reader, visit.db, request))
    text = request.text or "Models"
    data = {
        "rows": [exported_row(row) for row in answer.rows],
        "page": request.page,
        "total": answer.total,
        "is_total": answer.is_total,
        "facets": {name: [{"value": value, "n": n} for value, n in values] for name, values in answer.facets.items()},
        "unknown": list(answer.unknown),
    }
    filters = [(name, value) for name in (*FACETS, "min_size", "max_size", "memory", "quantized")
               for value in visit.query.texts(name)]  # fmt: skip
    context = {
        "request": request,
        "answer": answer,
        "sorts": SORTS,
        "filters": filters,
        "last_page": min(answer.pages if answer.is_total else MAX_PAGES, MAX_PAGES),
        "count": count_sentence(answer),
        "page_rows": PAGE_ROWS,
    }
    return Content(f"{text}: search" if request.text else "Models", data, context)


def count_sentence(answer: BrowseAnswer) -> str:
    if answer.unknown:
        return f"No model holds {' or '.join(repr(word) for word in answer.unknown)}."
    if not answer.total:
        return "No model matches. Remove a filter, or use fewer words."
    if not answer.is_total:
        return f"More than {answer.total:,} models; the numbers beside filters count the most downloaded of them."
    return f"{answer.total:,} models" if answer.total > 1 else "1 model"


def results_csv(visit: Visit) -> TextFile:
    rows = browse_all(visit.reader, visit.db, read_request(visit), MAX_EXPORTED)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([csv_cell(row[name]) for name in COLUMNS] for row in rows)
    return TextFile(text.getvalue(), "text/csv", "models.csv")


def results_feed(visit: Visit) -> TextFile:
    rows = browse_all(visit.reader, visit.db, read_request(visit), PAGE_ROWS)
    title = f"Models: {', '.join(value for _, value in visit.query.pairs) or 'all'}"
    key = visit.query.with_values("/search.atom")
    return TextFile(make_models_feed(rows, title=title, key=key), "application/atom+xml", "models.atom")


RESULTS = Page("results", r"/search", load_results, {".csv": results_csv, ".atom": results_feed})

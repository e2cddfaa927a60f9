"""The catalog in a browser, by Datasette (https://docs.datasette.io): read-only, with descriptions of its columns.

Statements run in processes that only read, within limits (crawler/web/database.py, pool.py); requests and responses
pass crawler/web/gate.py. The database is not opened as immutable, so a crawl may write meanwhile. The pages of the
catalog itself are crawler/web/site.py's; the report is built when it is asked for, and built again after a crawl.

Saved queries (`analysis/queries`) are canned queries; `parse_size(:size, '4GB')` stands in place of `:size`
(crawler/web/parameters.py).
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from analysis.errors import MissingExtra
from analysis.publish.pages import model_url
from analysis.query.guard import QueryLimits, limit_connection, make_authorizer
from analysis.query.reader import CatalogReader
from analysis.query.saved import SavedQuery, saved_queries
from analysis.query.statement import parameter_spans
from analysis.text import escape_control_characters
from analysis.units import count_text, size_text
from crawler.web.answers import read_stamp
from crawler.web.gate import NONCE
from crawler.web.limits import WEB_LIMITS, WebLimits
from crawler.web.parameters import parameter_sql
from crawler.web.pool import QueryPool
from crawler.web.tables import other_columns, table_url, with_short_columns

try:
    from datasette import hookimpl
    from datasette.app import Datasette
    from datasette.filters import FilterArguments
    from datasette.plugins import pm
    from datasette.utils.asgi import NotFound, Request, Response
    from jinja2 import Environment
    from markupsafe import Markup, escape
except ImportError as error:
    raise MissingExtra("serve", "datasette") from error

from crawler.web.csv_views import csv_routes  # these need Datasette too
from crawler.web.database import CatalogDatabase
from crawler.web.errors import show_error
from crawler.web.pages.explore import REPO_ID_COLUMNS
from crawler.web.site import HERE, NAVIGATION, Site, page_routes
from crawler.web.templates_of_datasette import RepairedTemplates

DATABASE = "catalog"  # in URLs, whatever the file is called
SETTINGS: Mapping[str, Any] = {
    "facet_time_limit_ms": 2_000,
    "suggest_facets": False,
    "default_facet_size": 6,
    "max_returned_rows": 1_000,
    "default_page_size": 50,
    "num_sql_threads": 3,
    "allow_download": False,
    "allow_csv_stream": True,
    "max_csv_mb": 2_000,
    "truncate_cells_html": 300,
}
SORT_COLUMNS: Mapping[str, str] = {
    "models": "downloads",
    "artifacts_wide": "downloads",
    "quantized_models": "downloads",
}
SHOWN_TABLES = frozenset({"crawl_runs", "skips", "evaluations", "headers", "repos"})  # every view is shown
SIZE_COLUMNS = frozenset(
    {"size", "bytes_read", "used_storage", "least_size", "most_size", "greatest_size", "mean_size"}
)
COUNT_COLUMNS = frozenset({"parameters", "parameters_measured", "active_parameters", "active_parameters_measured",
                    "total_parameters"})  # fmt: skip
WELCOME = (
    "<p>What names claim and what files measure are separate columns; an unknown value is empty. Browse"
    + ", ".join(
        f' <a href="{escape(url)}">{title}</a>'
        for url, title in (
            (table_url("models"), "models"),
            (table_url("artifacts_wide"), "their artifacts"),
            (f"/{DATABASE}/label_conflicts", "conflicts"),
            (f"/{DATABASE}/changes", "changes"),
            (f"/{DATABASE}/families", "families"),
        )
    )
    + ', see <a href="/report">the report</a>, or run one of the saved queries below.</p>'
)
STYLESHEET = "/-/hf-catalog-tables.css"
REPO_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def make_application(
    db: Path,
    report: Callable[[], str] | None = None,
    limits: WebLimits = WEB_LIMITS,
    machine: str | None = None,
) -> Datasette:
    """Datasette on a catalog's file; `report` builds the HTML of the report, `machine` is the preset of forms.

    To be served behind `crawler.web.gate.Gate`; `site.hf_catalog_pool.close()` ends its processes.
    """
    if not pm.has_plugin("hf-catalog"):
        pm.register(Plugin(), "hf-catalog")
        pm.unregister(name="datasette.handle_exception")  # it prints every error with all variables
    milliseconds = {"sql_time_limit_ms": round(limits.query_seconds * 1000)}
    site = Datasette([], metadata=make_metadata(db), settings={**SETTINGS, **milliseconds})
    site.remove_database("_memory")  # an empty database, on which SQL would run in this process
    site.hf_catalog_limits = limits
    site.hf_catalog_pool = QueryPool(db, limits)
    site.hf_catalog_report = ReportPage(db, report) if report else None
    site.hf_catalog_site = Site.of(db, site.hf_catalog_pool, limits, machine)
    site.add_database(CatalogDatabase(site, db, site.hf_catalog_pool), name=DATABASE)
    return site


# ---- metadata -------------------------------------------------------------------------------------------------------


def make_metadata(db: Path) -> dict[str, Any]:
    """Titles, descriptions of columns, facets, and the saved queries as canned queries."""
    return {
        "title": "hf-catalog",
        "description_html": '<p>Models of the Hugging Face Hub in SQL. See <a href="/">the catalog</a>, or browse '
        f'<a href="{escape(table_url("models"))}">models</a> and '
        f'<a href="{escape(table_url("artifacts_wide"))}">their files</a>.</p>',
        "databases": {
            DATABASE: {
                "description_html": WELCOME,
                "tables": {name: table_metadata(name, columns) for name, columns in list_tables(db).items()},
                "queries": {query.name: query_metadata(query) for query in saved_queries()},
            }
        },
    }


def list_tables(db: Path) -> dict[str, list[str]]:
    """The tables and views of the file with the names of their columns."""
    listed = "select name from pragma_table_info(:name)"
    with CatalogReader(db) as reader:
        names = reader.all("select name from sqlite_master where type in ('table', 'view') order by name")
        return {row["name"]: [each["name"] for each in reader.all(listed, row)] for row in names}


def table_metadata(name: str, columns: Sequence[str]) -> dict[str, Any]:
    from db.schema.tables import metadata as schema

    table = schema.tables.get(name)
    views = view_comments()
    own = {column.name: column.comment for column in table.columns} if table is not None else {}
    comments = {column: own.get(column) or column_comments().get(column) for column in columns}
    entry: dict[str, Any] = {
        "hidden": name not in SHOWN_TABLES and name not in views,
        "description": views.get(name) or (table.comment if table is not None else None) or "",
        "columns": {column: text for column, text in comments.items() if text},
    }
    if text := other_columns(name, columns):
        entry["description_html"] = f"{escape(entry['description'])}{text}"
    if name in SORT_COLUMNS:
        entry["sort_desc"] = SORT_COLUMNS[name]
    return entry


@cache
def view_comments() -> Mapping[str, str]:
    """The description of each view: the comment at the beginning of its SQL."""
    from db.schema.views import view_sources

    found = {}
    for name, text in view_sources():
        lines = re.match(r"(?:--[^\n]*\n)*", text)
        comment = [line.removeprefix("--").strip() for line in (lines[0] if lines else "").splitlines()]
        found[name] = " ".join(line for line in comment if not line.startswith("needs:"))
    return found


@cache
def column_comments() -> Mapping[str, str]:
    """The description of a view's column by its name; labels take precedence over other columns of that name."""
    from db.labels import LABEL_NAMES
    from db.schema.tables import metadata as schema

    found = {column.name: column.comment for table in schema.tables.values() for column in table.columns}
    found |= {column.name: column.comment for column in schema.tables["repos"].columns}
    found |= {name: schema.tables["repo_labels"].columns[name].comment for name in LABEL_NAMES}
    found |= {
        "artifact": "path of the file, or the shards' path without their number",
        "artifact_count": "artifacts of the repo: quantized models and sidecars",
        "header": "id of the header that was read, in headers",
        "seen_at": "time of the crawl that noticed it",
        "downloads_change": "difference to the previous day in the catalog",
        "likes_change": "difference to the previous day in the catalog",
    }
    return {name: text for name, text in found.items() if text}


def query_metadata(query: SavedQuery) -> dict[str, Any]:
    """A saved query as a canned query; an empty field of its form means the default."""
    entry = {"title": query.title, "sql": sql_with_defaults(query), "hide_sql": True}
    lines = [f"<p>{escape(query.description)}</p>"]
    if query.parameters:
        items = "".join(
            f"<li><b>{escape(each.name)}</b>: {escape(each.description)}; empty: {escape(each.default or 'any')}</li>"
            for each in query.parameters
        )
        lines.append(f"<ul>{items}</ul>")
    return {**entry, "description_html": "".join(lines), "params": [each.name for each in query.parameters]}


def sql_with_defaults(query: SavedQuery) -> str:
    """The SQL with `parse_size(:size, '4GB')` in place of `:size`."""
    sql, position = query.sql, 0
    spans = parameter_spans(sql)
    by_name = {each.name: each for each in query.parameters}
    parts = []
    for start, end in spans:
        parts += [sql[position:start], parameter_sql(by_name[sql[start + 1 : end]])]
        position = end
    return "".join([*parts, sql[position:]])


# ---- the plugin -----------------------------------------------------------------------------------------------------


class Plugin:
    """The hooks that Datasette calls."""

    __name__ = "hf-catalog"

    @hookimpl
    def prepare_connection(self, conn: sqlite3.Connection, database: str, datasette: Datasette) -> None:
        """Connections of this process, on which Datasette looks at the schema, can only read too."""
        if database == DATABASE:
            limit_connection(conn)
            conn.set_authorizer(make_authorizer(QueryLimits("", None)))

    @hookimpl
    def prepare_jinja2_environment(self, env: Environment, datasette: Datasette) -> None:
        """Scripts of templates may run; one that came with data would lack the nonce."""
        env.globals["csp_nonce"] = NONCE.get
        if env.loader is not None:
            env.loader = RepairedTemplates(env.loader)

    @hookimpl
    def handle_exception(self, datasette: Datasette, request: Request, exception: Exception) -> Any:
        return lambda: show_error(datasette, request, exception)

    @hookimpl
    def register_routes(self, datasette: Datasette) -> list[tuple[str, Any]]:
        own = [(r"^/report$", show_report), (rf"^{STYLESHEET}$", show_stylesheet)]
        return [*own, *page_routes(), *csv_routes(datasette)]

    @hookimpl
    def asgi_wrapper(self, datasette: Datasette) -> Callable[[Any], Any]:
        return with_short_columns

    @hookimpl
    def extra_css_urls(self, datasette: Datasette) -> list[str]:
        return [datasette.urls.path(STYLESHEET)]

    @hookimpl
    def menu_links(self, datasette: Datasette) -> list[dict[str, str]]:
        return [{"href": datasette.urls.path(path), "label": title} for path, title in NAVIGATION]

    @hookimpl
    def render_cell(self, value: Any, column: str, database: str) -> Any:
        """Repo ids link to their pages, sizes and counts are formatted; CSV and JSON keep the exact values."""
        if database != DATABASE:
            return None
        if isinstance(value, str) and column in REPO_ID_COLUMNS and REPO_ID.fullmatch(value):
            return Markup('<a href="{}">{}</a>').format(model_url(value), value)
        if isinstance(value, bytes):  # hashes; Datasette can't link to bytes in a view
            return Markup("<code>{0}</code>").format(value.hex()[:64])
        if isinstance(value, str):
            return escape_control_characters(value) if escape_control_characters(value) != value else None
        if isinstance(value, int) and (column in SIZE_COLUMNS or column.endswith("_size")):
            return Markup('<span title="{1} bytes">{0}</span>').format(size_text(value), f"{value:,}")
        if isinstance(value, int) and column in COUNT_COLUMNS:
            return Markup('<span title="{1}">{0}</span>').format(count_text(value), f"{value:,}")
        return None

    @hookimpl(trylast=True)
    def filters_from_request(
        self, request: Any, database: str, table: str, datasette: Datasette
    ) -> Callable[[], Coroutine[Any, Any, FilterArguments]] | None:
        """Full-text search (`_search`) on every table and view with a `repo_id`, by the catalog's own index."""
        if database != DATABASE:
            return None

        async def search() -> FilterArguments:
            columns = await datasette.get_database(database).table_columns(table)
            if "repo_id" not in columns:
                return FilterArguments([])
            text = request.args.get("_search", "")
            context = {"supports_search": True, "search": text}
            clause, values = search_clause(text)
            descriptions = [f'search matches "{text}"'] if clause else []
            return FilterArguments([clause] if clause else [], values, descriptions, context)

        return search


def search_clause(text: str) -> tuple[str, dict[str, str]]:
    """SQL that keeps rows of repos which contain every term, and its values; empty where there is no term."""
    from db.read.search import index_query, spell_terms

    terms = spell_terms(text)
    if not terms:
        return "", {}
    values, conditions = {"search_index": index_query(terms)}, []
    for at, term in enumerate(terms):
        names = [f"search_{at}_{of_term}" for of_term in range(len(term.pieces))]
        values |= zip(names, term.pieces, strict=True)
        conditions.append("(" + " or ".join(f"instr(d.text, :{name}) > 0" for name in names) + ")")
    contains = " and ".join(conditions)
    clause = (
        "repo_id in (select r.repo_id from search_index as s join search_documents as d on d.repo = s.rowid"
        f" join repos as r on r.id = s.rowid where search_index match :search_index and {contains})"
    )
    return clause, values


# ---- the report ------------------------------------------------------------------------------------------------------


class ReportPage:
    """The report's HTML: built in a thread, kept until a crawl has changed the catalog."""

    def __init__(self, db: Path, build: Callable[[], str]) -> None:
        self.db = db
        self.build = build
        self.page: str | None = None
        self.stamp: Any = None
        self.task: asyncio.Task[None] | None = None

    async def current(self) -> str:
        """The last page built; starts a new build if the catalog has changed, and waits for the first one."""
        stamp = await asyncio.to_thread(self.read_stamp)
        if stamp != self.stamp and self.task is None:
            self.task = asyncio.create_task(self.rebuild(stamp))
        if self.page is None and self.task is not None:
            await asyncio.shield(self.task)
        return self.page or ""

    async def rebuild(self, stamp: Any) -> None:
        try:
            self.page, self.stamp = await asyncio.to_thread(self.build), stamp
        finally:
            self.task = None

    def read_stamp(self) -> Any:
        with CatalogReader(self.db) as reader:
            return read_stamp(reader)


async def show_report(request: Any, datasette: Datasette) -> Response:
    """The report; the first request waits until it is built."""
    report: ReportPage | None = datasette.hf_catalog_report
    if report is None:
        raise NotFound("this server makes no report")
    browse = Markup('<nav aria-label="Catalog"><ul><li><a href="/">The catalog</a></li></ul></nav>')
    return Response.html((await report.current()).replace("<header>", f"<header>\n{browse}", 1))


async def show_stylesheet() -> Response:
    style = (HERE / "static" / "tables.css").read_text(encoding="utf-8")
    return Response(style, content_type="text/css; charset=utf-8", headers={"cache-control": "max-age=3600"})

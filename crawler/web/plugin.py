"""The catalog in a browser, by Datasette (https://docs.datasette.io): read-only, with what its columns mean.

The database is opened with `mode=ro` and every connection gets the authorizer of `analysis.query.guard`, so that no
statement does more than read; it is not opened as immutable, so a crawl may write meanwhile. The report stands at the
root; it is made in the background and made anew after a crawl.

Questions (`analysis/queries`) are canned queries. Their parameters are read as on the command line (`16GB`, `7d`) by
functions that the connections have: `read_size(:size, '4GB')` is the parameter, or the default where the form is empty.
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
from analysis.query.guard import MAX_VALUE_BYTES, QueryLimits, make_authorizer
from analysis.query.saved import Parameter, SavedQuery, saved_queries
from analysis.query.statement import parameter_spans
from analysis.text import escape_control_characters
from analysis.units import count_text, iso, size_text

try:
    from datasette import hookimpl
    from datasette.app import Datasette
    from datasette.database import Database
    from datasette.filters import FilterArguments
    from datasette.plugins import pm
    from datasette.utils.asgi import Response
    from markupsafe import Markup, escape
except ImportError as error:
    raise MissingExtra("serve", "datasette") from error

NAME = "catalog"  # of the database in addresses, whatever its file is called
SETTINGS: Mapping[str, Any] = {
    "sql_time_limit_ms": 5_000,
    "facet_time_limit_ms": 2_000,
    "suggest_facets": False,
    "default_facet_size": 20,
    "max_returned_rows": 1_000,
    "default_page_size": 50,
    "num_sql_threads": 3,
    "allow_download": False,
    "allow_csv_stream": True,
    "max_csv_mb": 2_000,
    "truncate_cells_html": 300,
}
FACETS: Mapping[str, tuple[str, ...]] = {
    "models": ("family", "format", "quant", "license", "status"),
    "artifacts_wide": ("family", "quant", "format", "role"),
    "quantized_models": ("family", "quant", "quant_method"),
    "label_conflicts": ("field", "claimed_by", "measured_by"),
    "changes": ("kind", "family"),
    "skips": ("reason",),
    "labels": ("field", "source"),
    "parents": ("relation", "source"),
}
ORDER: Mapping[str, str] = {"models": "downloads", "artifacts_wide": "downloads", "quantized_models": "downloads"}
SHOWN = frozenset({"crawl_runs", "skips", "evaluations", "headers", "repos"})  # tables; every view is shown
REPOS = frozenset(
    {"repo_id", "base_model", "parent", "parent_id", "ancestor", "example", "first_by_name", "last_by_name"}
)
SIZES = frozenset({"size", "bytes_read", "used_storage", "least_size", "most_size", "greatest_size", "mean_size"})
COUNTS = frozenset({"parameters", "parameters_measured", "active_parameters", "active_parameters_measured",
                    "total_parameters"})  # fmt: skip
WELCOME = (
    "<p>What names claim and what files measure stand in separate columns; unknown is empty. Browse"
    + ", ".join(
        f' <a href="/{NAME}/{table}">{words}</a>'
        for table, words in (
            ("models", "models"),
            ("artifacts_wide", "their files to run"),
            ("label_conflicts", "conflicts"),
            ("changes", "what happened"),
            ("families", "families"),
        )
    )
    + ', see <a href="/report">the report</a>, or ask one of the questions below.</p>'
)
STYLESHEET = "/-/hf-catalog.css"
STYLE = """
.column-descriptions { max-height: 8rem; overflow-y: auto; columns: 22rem; font-size: .85rem; border: 1px solid #ccc;
  border-radius: .3rem; padding: .5rem; }
.column-descriptions dt, .column-descriptions dd { break-inside: avoid; }
.db-database ul.bullets, .db-catalog ul.bullets { columns: 20rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""
REPO_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def application(db: Path, report: Callable[[], str] | None = None) -> Datasette:
    """Datasette on a catalog's file; `report` makes the page at the root."""
    if not pm.has_plugin("hf-catalog"):
        pm.register(Plugin(), "hf-catalog")
    site = Datasette([], metadata=metadata(db), settings=dict(SETTINGS))
    site.add_database(Database(site, path=str(db), is_mutable=True), name=NAME)
    site.hf_catalog_report = Report(db, report) if report else None
    return site


# ---- metadata -------------------------------------------------------------------------------------------------------


def metadata(db: Path) -> dict[str, Any]:
    """Titles, what each column means, facets, and the questions as canned queries."""
    return {
        "title": "hf-catalog",
        "description_html": '<p>Models of the Hugging Face Hub in SQL. See <a href="/">the report</a>, or browse '
        f'<a href="/{NAME}/models">models</a> and <a href="/{NAME}/artifacts_wide">their files</a>.</p>',
        "databases": {
            NAME: {
                "description_html": WELCOME,
                "tables": {name: about_table(name, columns) for name, columns in tables_of(db).items()},
                "queries": {question.name: canned(question) for question in saved_queries()},
            }
        },
    }


def tables_of(db: Path) -> dict[str, list[str]]:
    """Tables and views of the file with their columns."""
    from db.engine import raw

    with raw(db) as connection:
        names = connection.execute("select name from sqlite_master where type in ('table', 'view') order by name")
        listed = "select name from pragma_table_info(?)"
        return {name: [row[0] for row in connection.execute(listed, (name,))] for (name,) in names.fetchall()}


def about_table(name: str, columns: Sequence[str]) -> dict[str, Any]:
    from db.schema.tables import metadata as schema

    table = schema.tables.get(name)
    views = view_comments()
    own = {column.name: column.comment for column in table.columns} if table is not None else {}
    said = {column: own.get(column) or column_comments().get(column) for column in columns}
    about: dict[str, Any] = {
        "hidden": name not in SHOWN and name not in views,
        "description": views.get(name) or (table.comment if table is not None else None) or "",
        "columns": {column: text for column, text in said.items() if text},
    }
    if name in FACETS:
        about["facets"] = list(FACETS[name])
    if name in ORDER:
        about["sort_desc"] = ORDER[name]
    return about


@cache
def view_comments() -> Mapping[str, str]:
    """What each view is: the comment that its SQL begins with."""
    from db.schema.views import view_sources

    found = {}
    for name, text in view_sources():
        lines = re.match(r"(?:--[^\n]*\n)*", text)
        said = [line.removeprefix("--").strip() for line in (lines[0] if lines else "").splitlines()]
        found[name] = " ".join(line for line in said if not line.startswith("needs:"))
    return found


@cache
def column_comments() -> Mapping[str, str]:
    """What a column means, by its name, for views; labels go before other columns of that name."""
    from db.schema.tables import LABELS
    from db.schema.tables import metadata as schema

    found = {column.name: column.comment for table in schema.tables.values() for column in table.columns}
    found |= {column.name: column.comment for column in schema.tables["repos"].columns}
    found |= {name: comment for name, _, comment in LABELS}
    found |= {
        "artifact": "path of the file, or the shards' path without their number",
        "artifact_count": "artifacts of the repo: quants and sidecars",
        "header": "number of the header that was read, in headers",
        "seen_at": "when the catalog noticed",
        "downloads_change": "against the day before that the catalog knows",
        "likes_change": "against the day before that the catalog knows",
    }
    return {name: text for name, text in found.items() if text}


def canned(question: SavedQuery) -> dict[str, Any]:
    """A question as a canned query: empty fields of its form mean the defaults."""
    about = {"title": question.title, "sql": with_defaults(question), "hide_sql": True}
    lines = [f"<p>{escape(question.description)}</p>"]
    if question.parameters:
        items = "".join(
            f"<li><b>{escape(each.name)}</b>: {escape(each.description)}; empty: {escape(each.default or 'any')}</li>"
            for each in question.parameters
        )
        lines.append(f"<ul>{items}</ul>")
    return {**about, "description_html": "".join(lines), "params": [each.name for each in question.parameters]}


def with_defaults(question: SavedQuery) -> str:
    """The SQL with `:size` as `read_size(:size, '4GB')`."""
    sql, place = question.sql, 0
    spans = parameter_spans(sql)
    by_name = {each.name: each for each in question.parameters}
    parts = []
    for start, end in spans:
        parts += [sql[place:start], reading(by_name[sql[start + 1 : end]])]
        place = end
    return "".join([*parts, sql[place:]])


def reading(parameter: Parameter) -> str:
    default = (parameter.default or "").replace("'", "''")
    return f"read_{parameter.type}(:{parameter.name}, '{default}')"


def reader_of(kind: Any) -> Callable[[Any, str], Any]:
    """A SQL function that reads a parameter's text as the command line does; nonsense is an error of the query."""

    def read(text: Any, default: str) -> Any:
        value = Parameter("value", kind, default or None, "").parse(None if text in (None, "") else str(text))
        return iso(value) if hasattr(value, "astimezone") else value

    return read


# ---- the plugin -----------------------------------------------------------------------------------------------------


class Plugin:
    """What Datasette asks of us."""

    __name__ = "hf-catalog"

    @hookimpl
    def prepare_connection(self, conn: sqlite3.Connection, database: str, datasette: Datasette) -> None:
        """No statement on the catalog does more than read; parameters are read as people write them."""
        if database != NAME:
            return
        conn.execute("pragma query_only=on")
        conn.execute("pragma trusted_schema=off")
        conn.execute("pragma busy_timeout=5000")
        for kind in ("text", "integer", "number", "size", "date"):
            conn.create_function(f"read_{kind}", 2, reader_of(kind), deterministic=True)
        conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        conn.set_authorizer(make_authorizer(QueryLimits("", None)))

    @hookimpl
    def register_routes(self) -> list[tuple[str, Any]]:
        return [(r"^/$", root), (r"^/report$", root), (rf"^{STYLESHEET}$", stylesheet)]

    @hookimpl
    def extra_css_urls(self, datasette: Datasette) -> list[str]:
        return [datasette.urls.path(STYLESHEET)]

    @hookimpl
    def menu_links(self, datasette: Datasette) -> list[dict[str, str]]:
        return [{"href": datasette.urls.path("/report"), "label": "Report"}]

    @hookimpl
    def render_cell(self, value: Any, column: str, database: str) -> Any:
        """Repo ids lead to the Hub, sizes and counts are readable; CSV and JSON keep the exact values."""
        if database != NAME:
            return None
        if isinstance(value, str) and column in REPOS and REPO_ID.fullmatch(value):
            return Markup('<a href="https://huggingface.co/{0}" rel="noreferrer">{0}</a>').format(value)
        if isinstance(value, bytes):  # hashes; Datasette can't link to bytes in a view
            return Markup("<code>{0}</code>").format(value.hex()[:64])
        if isinstance(value, str):
            return escape_control_characters(value) if escape_control_characters(value) != value else None
        if isinstance(value, int) and (column in SIZES or column.endswith("_size")):
            return Markup('<span title="{1} bytes">{0}</span>').format(size_text(value), f"{value:,}")
        if isinstance(value, int) and column in COUNTS:
            return Markup('<span title="{1}">{0}</span>').format(count_text(value), f"{value:,}")
        return None

    @hookimpl(trylast=True)
    def filters_from_request(
        self, request: Any, database: str, table: str, datasette: Datasette
    ) -> Callable[[], Coroutine[Any, Any, FilterArguments]] | None:
        """Full-text search (`_search`) on everything that has a repo_id, by the catalog's own index."""
        if database != NAME:
            return None

        async def search() -> FilterArguments:
            columns = await datasette.get_database(database).table_columns(table)
            if "repo_id" not in columns:
                return FilterArguments([])
            text = request.args.get("_search", "")
            context = {"supports_search": True, "search": text}
            clause, values = search_clause(text)
            said = [f'search matches "{text}"'] if clause else []
            return FilterArguments([clause] if clause else [], values, said, context)

        return search


def search_clause(text: str) -> tuple[str, dict[str, str]]:
    """SQL that keeps rows of repos which hold every word, and its values; empty where there is no word."""
    from db.read.search import search_terms

    wanted = search_terms(text)
    if not wanted:
        return "", {}
    trigrams = dict.fromkeys(piece[at : at + 3] for piece in wanted for at in range(len(piece) - 2))
    values = {f"search_{at}": piece for at, piece in enumerate(wanted)}
    values["search_index"] = " AND ".join(f'"{trigram}"' for trigram in trigrams)
    holds = " and ".join(f"instr(d.text, :search_{at}) > 0" for at in range(len(wanted)))
    clause = (
        "repo_id in (select r.repo_id from search_index as s join search_documents as d on d.repo = s.rowid"
        f" join repos as r on r.id = s.rowid where search_index match :search_index and {holds})"
    )
    return clause, values


# ---- the report at the root -----------------------------------------------------------------------------------------


class Report:
    """The page at the root: made in a thread, kept until a crawl has changed the catalog."""

    def __init__(self, db: Path, make: Callable[[], str]) -> None:
        self.db = db
        self.make = make
        self.page: str | None = None
        self.stamp: Any = None
        self.making: asyncio.Task[None] | None = None

    async def current(self, wait: bool) -> str | None:
        """The page as it is; a newer one is begun where the catalog has changed. `wait` for the first."""
        stamp = await asyncio.to_thread(self.changed)
        if stamp != self.stamp and self.making is None:
            self.making = asyncio.create_task(self.renew(stamp))
        if self.page is None and wait and self.making is not None:
            await asyncio.shield(self.making)
        return self.page

    async def renew(self, stamp: Any) -> None:
        try:
            self.page, self.stamp = await asyncio.to_thread(self.make), stamp
        finally:
            self.making = None

    def changed(self) -> Any:
        """What changes when a crawl has begun or ended."""
        from db.engine import raw

        with raw(self.db) as connection:
            return connection.execute("select max(id), count(finished_at) from crawl_runs").fetchone()


async def root(request: Any, datasette: Datasette) -> Response:
    """The report; at the root itself nobody waits for the first one, but is led to the tables."""
    report: Report | None = getattr(datasette, "hf_catalog_report", None)
    page = await report.current(wait=request.path.endswith("report")) if report else None
    if page is None:
        return Response.redirect(datasette.urls.database(NAME))
    browse = Markup('<nav aria-label="Catalog"><ul><li><a href="{0}">Tables and questions</a></li></ul></nav>')
    return Response.html(page.replace("<header>", f"<header>\n{browse.format(datasette.urls.database(NAME))}", 1))


async def stylesheet() -> Response:
    return Response(STYLE, content_type="text/css; charset=utf-8", headers={"cache-control": "max-age=3600"})

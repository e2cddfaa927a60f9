"""The pages of the catalog as routes of Datasette: requests become visits, answers become HTML, JSON, CSV or feeds.

Pages are answered in a few threads by the program's own SQL, each statement with a time limit; more requests than the
threads and their queue hold are refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

from datasette.utils.asgi import Request, Response

from analysis.publish.pages import make_environment, page_style
from analysis.query.reader import CatalogReader
from analysis.text import to_json
from analysis.units import GIB
from crawler.web.answers import AnswerCache
from crawler.web.failures import Failure, describe_failure
from crawler.web.gate import STRICT_POLICY
from crawler.web.limits import WebLimits
from crawler.web.page import Content, Page, Visit, change_text
from crawler.web.pages.about import ABOUT
from crawler.web.pages.changes import CHANGES
from crawler.web.pages.compare import COMPARE
from crawler.web.pages.explore import EXPLORE, QUERY
from crawler.web.pages.fits import FITS
from crawler.web.pages.groups import FAMILY, PUBLISHER
from crawler.web.pages.home import COMPLETE, HOME
from crawler.web.pages.model import MODEL
from crawler.web.pages.quantization import QUANTIZATION
from crawler.web.pages.results import RESULTS
from crawler.web.pages.watches import WATCH, WATCHES
from crawler.web.pool import QueryPool, ServerBusy
from crawler.web.query import Query
from crawler.web.tables import table_url
from db.errors import CatalogError, QueryError

PAGES = (
    HOME,
    RESULTS,
    MODEL,
    FITS,
    COMPARE,
    FAMILY,
    PUBLISHER,
    QUANTIZATION,
    CHANGES,
    EXPLORE,
    QUERY,
    ABOUT,
    COMPLETE,
    WATCHES,
    WATCH,
)
WARMED = (HOME, CHANGES, FITS, ABOUT)
"""Pages whose answers take long and are kept."""

NAVIGATION = (
    ("/", "Home"),
    ("/search", "Models"),
    ("/fits", "What fits"),
    ("/compare", "Compare"),
    ("/changes", "Changes"),
    ("/explore", "Explore"),
    ("/about", "About"),
)
HERE = Path(__file__).parent
STYLESHEET = "/-/hf-catalog.css"
SCRIPT = "/-/hf-catalog.js"
MAPPED_BYTES = 2 * GIB
"""Of the catalog's file that pages read without a copy of each of its pages: a third less time of the processor."""

SUFFIX = re.compile(r"\.(json|csv|atom)$")


class PageThreads:
    """A limited number of pages at a time, and a limited number that wait."""

    def __init__(self, limits: WebLimits) -> None:
        self._threads = ThreadPoolExecutor(limits.processes, thread_name_prefix="page")
        self._most = limits.processes + limits.waiting_queries
        self._unfinished = 0

    async def run(self, work: Callable[[], Any]) -> Any:
        """What `work` returns. Raises ServerBusy, and what it raises."""
        if self._unfinished >= self._most:
            raise ServerBusy
        self._unfinished += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._finish)
        return await asyncio.shield(future)

    def _finish(self, future: asyncio.Future[Any]) -> None:
        self._unfinished -= 1
        if not future.cancelled():
            future.exception()  # that of a request which has ended meanwhile is no one's


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages of one catalog share."""

    db: Path
    pool: QueryPool
    limits: WebLimits
    threads: PageThreads
    answers: AnswerCache
    environment: Any
    machine: str | None = None

    @classmethod
    def of(cls, db: Path, pool: QueryPool, limits: WebLimits, machine: str | None) -> Site:
        environment = make_environment("serve", HERE / "templates")
        environment.globals["table_url"] = table_url
        environment.filters["change"] = change_text
        return cls(db, pool, limits, PageThreads(limits), AnswerCache(), environment, machine)

    async def respond(self, page: Page, request: Request) -> Response:
        """The page, or the page of the error that loading it raised."""
        loop = asyncio.get_running_loop()
        try:
            return await self.threads.run(lambda: self.answer(page, request, loop))
        except Exception as error:
            failure = describe_failure(error, self.limits)
            if failure is None:
                raise
            return self.show_failure(failure, request.path.endswith(".json"))

    def answer(self, page: Page, request: Request, loop: asyncio.AbstractEventLoop) -> Response:
        """In a thread."""
        with CatalogReader(self.db, timeout=self.limits.query_seconds, mapped=MAPPED_BYTES) as reader:

            def run_query(statement: Any) -> Any:
                return asyncio.run_coroutine_threadsafe(self.pool.run(statement), loop).result()

            path, suffix = split_suffix(page, request, reader)
            found = re.fullmatch(page.path, path)
            parts = [unquote(part) for part in (found.groups() if found else ()) if part]
            query = Query(request.query_string)
            visit = Visit(reader, str(self.db), path, parts, query, self.answers, run_query, self.machine)
            if suffix in page.forms:
                file = page.forms[suffix](visit)
                headers = {"content-disposition": f'inline; filename="{file.file_name}"'}
                return Response(file.body, content_type=f"{file.media_type}; charset=utf-8", headers=headers)
            content = page.load(visit)
            if suffix == ".json" or page is COMPLETE:
                return Response(to_json(content.data), content_type="application/json; charset=utf-8")
            return self.html(page.template, visit, content)

    def warm_up(self) -> None:
        """Builds the answers that the first visitors would wait for. Errors are left to them."""
        for page in WARMED:
            with suppress(CatalogError, QueryError), CatalogReader(self.db) as reader:
                page.load(Visit(reader, str(self.db), page.path, (), Query(""), self.answers, no_query, self.machine))

    def html(self, template: str, visit: Visit, content: Content) -> Response:
        text = self.render(
            template, **content.context, title=content.title, data=content.data, visit=visit, query=visit.query
        )
        return page_response(text)

    def render(self, template: str, **context: Any) -> str:
        text: str = self.environment.get_template(template).render(
            navigation=NAVIGATION, stylesheet=STYLESHEET, script=SCRIPT, **context
        )
        return text

    def show_failure(self, failure: Failure, as_json: bool) -> Response:
        headers = dict(failure.headers)
        if as_json:
            content = {"ok": False, "error": failure.message, "hint": failure.hint, "status": failure.status}
            return Response(
                to_json(content), status=failure.status, headers=headers, content_type="application/json; charset=utf-8"
            )
        text = self.render("failure.html", title=failure.title, failure=failure, query=Query(""), visit=None)
        return page_response(text, failure.status, headers)


def page_routes() -> list[tuple[str, Callable[..., Any]]]:
    """(regular expression, view) of every page and of what pages load, for a Datasette with a `hf_catalog_site`."""
    routes: list[tuple[str, Callable[..., Any]]] = [
        (f"^{re.escape(STYLESHEET)}$", show_stylesheet),
        (f"^{re.escape(SCRIPT)}$", show_script),
    ]
    for page in PAGES:
        suffixes = "|".join(re.escape(suffix) for suffix in (".json", *page.forms))
        routes.append((f"^{page.path}(?:{suffixes})?$", page_view(page)))
    return routes


def page_view(page: Page) -> Callable[..., Any]:
    async def show(request: Request, datasette: Any) -> Response:
        site: Site = datasette.hf_catalog_site
        return await site.respond(page, request)

    return show


def no_query(statement: object) -> NoReturn:
    raise RuntimeError("no page that is warmed up runs a saved query")


def split_suffix(page: Page, request: Request, reader: CatalogReader) -> tuple[str, str]:
    """The address without its suffix, and the suffix. A name that ends like one is the name, if a model has it."""
    path = request.path
    found = SUFFIX.search(path)
    if found is None or f".{found[1]}" not in (".json", *page.forms):
        return path, ""
    if page is MODEL:
        name = unquote(path.removeprefix("/model/"))
        if reader.all("select 1 as found from repos where lower(repo_id) = lower(:id) limit 1", {"id": name}):
            return path, ""
    return path[: found.start()] or "/", found[0]


def page_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    policy = {"content-security-policy": STRICT_POLICY}
    return Response(text, status=status, headers={**(headers or {}), **policy}, content_type="text/html; charset=utf-8")


async def show_stylesheet() -> Response:
    style = page_style() + (HERE / "static" / "catalog.css").read_text(encoding="utf-8")
    return Response(style, content_type="text/css; charset=utf-8", headers={"cache-control": "max-age=3600"})


async def show_script() -> Response:
    script = (HERE / "static" / "catalog.js").read_text(encoding="utf-8")
    return Response(script, content_type="text/javascript; charset=utf-8", headers={"cache-control": "max-age=3600"})

"""Error pages: what went wrong in one sentence, without a traceback or a path of the machine."""

from __future__ import annotations

import logging
from typing import Any

from datasette.app import Datasette
from datasette.database import QueryInterrupted
from datasette.utils.asgi import Base400, Request, Response
from datasette.views.base import DatasetteError

from crawler.web.gate import RETRY_SECONDS
from crawler.web.pool import ServerBusy

LOG = logging.getLogger(__name__)


async def show_error(site: Datasette, request: Request, error: Exception) -> Response:
    """The page, or JSON where JSON was requested, for an error of a view."""
    status, title, message = describe_error(site, error)
    content: dict[str, Any] = {"ok": False, "error": message, "status": status, "title": title}
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}
    if request.path.partition("?")[0].endswith(".json"):
        return Response.json(content, status=status, headers=headers)
    template = site.jinja_env.select_template([f"{status}.html", "error.html"])
    context = {**content, "urls": site.urls, "app_css_hash": site.app_css_hash(), "menu_links": list}
    return Response.html(await template.render_async(context), status=status, headers=headers)


def describe_error(site: Datasette, error: Exception) -> tuple[int, str | None, str]:
    """Status, title and text of an error. An unknown one is told to the terminal only."""
    if isinstance(error, ServerBusy):
        return 503, "Busy", "Too many queries wait already. Try again in a moment."
    if isinstance(error, Base400):
        return error.status, None, str(error.args[0])
    if isinstance(error, DatasetteError) and not error.message_is_html:
        return error.status, error.title, str(error.message)
    if isinstance(error, DatasetteError | QueryInterrupted):  # Datasette has HTML for an interrupted query alone
        seconds = site.hf_catalog_limits.query_seconds
        return 400, "Query stopped", f"The query ran for more than {seconds:g} s. Narrow it, or ask for less."
    LOG.error("a page failed", exc_info=error)
    return 500, "Internal error", f"internal error: {type(error).__name__}; the terminal of hf-catalog serve says more"

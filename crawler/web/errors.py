"""Error pages: what went wrong in one sentence, without a traceback or a path of the machine."""

from __future__ import annotations

import logging

from datasette.app import Datasette
from datasette.database import QueryInterrupted
from datasette.utils.asgi import Base400, Request, Response
from datasette.views.base import DatasetteError

from crawler.web.failures import Failure
from crawler.web.gate import RETRY_SECONDS
from crawler.web.pool import ServerBusy

LOG = logging.getLogger(__name__)

TITLES = {400: "Invalid request", 403: "Refused", 404: "No such page", 405: "Refused"}


async def show_error(site: Datasette, request: Request, error: Exception) -> Response:
    """The page, or JSON where JSON was requested, for an error of a view."""
    status, title, message = describe_error(site, error)
    headers = {"retry-after": str(RETRY_SECONDS)} if status == 503 else {}
    hint = "Look for it from the home page." if status == 404 else "Change the address or the query."
    failure = Failure(status, title or TITLES.get(status, "Error"), message, hint, (), headers)
    response: Response = site.hf_catalog_site.show_failure(failure, request.path.endswith(".json"))
    return response


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

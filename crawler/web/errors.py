"""Error pages: what went wrong in one sentence, without a traceback or a path of the machine."""

from __future__ import annotations

import logging

from datasette.app import Datasette
from datasette.database import QueryInterrupted
from datasette.utils.asgi import Base400, Request, Response
from datasette.views.base import DatasetteError

from crawler.web.database import UNREADABLE
from crawler.web.failures import UNAVAILABLE, Failure, describe_failure

LOG = logging.getLogger(__name__)

UNREADABLE_TEXTS = ("unable to open database file", "database is locked", UNREADABLE)
"""In errors that Datasette makes of SQLite's and of the database's."""

TITLES = {400: "Invalid request", 403: "Refused", 404: "No such page", 405: "Refused"}


async def show_error(site: Datasette, request: Request, error: Exception) -> Response:
    """The page, or JSON where JSON was requested, for an error of a view."""
    failure = describe_failure(error, site.hf_catalog_limits)
    if failure is None and any(text in str(error) for text in UNREADABLE_TEXTS):
        failure = UNAVAILABLE
    if failure is None:
        status, title, message = describe_error(site, error)
        hint = "Look for it from the home page." if status == 404 else "Change the address or the query."
        failure = Failure(status, title or TITLES.get(status, "Error"), message, hint)
    response: Response = site.hf_catalog_site.show_failure(failure, request.path.endswith(".json"))
    return response


def describe_error(site: Datasette, error: Exception) -> tuple[int, str | None, str]:
    """Status, title and text of an error. An unknown one is told to the terminal only."""
    if isinstance(error, Base400):
        text = str(error.args[0])  # Datasette takes the first part of any address for a database
        return error.status, None, "There is no page at this address." if text == "Database not found" else text
    if isinstance(error, DatasetteError) and not error.message_is_html:
        return error.status, error.title, str(error.message)
    if isinstance(error, DatasetteError | QueryInterrupted):  # Datasette has HTML for an interrupted query alone
        seconds = site.hf_catalog_limits.query_seconds
        return 400, "Query stopped", f"The query ran for more than {seconds:g} s. Narrow it, or ask for less."
    LOG.error("a page failed", exc_info=error)
    return 500, "Internal error", f"internal error: {type(error).__name__}; the terminal of hf-catalog serve says more"

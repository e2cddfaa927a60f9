"""What a page says about an error: what went wrong, what to do, where else to go. Nothing about the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from analysis.errors import UnknownGroup, UnknownModel, UnknownPreset, UnknownSavedQuery
from analysis.publish.pages import model_url
from crawler.web.gate import RETRY_SECONDS
from crawler.web.limits import WebLimits
from crawler.web.pool import ServerBusy
from crawler.web.query import BadRequest, NotFound
from db.errors import CatalogBusy, CatalogError, QueryError, QueryTimeout


@dataclass(frozen=True, slots=True)
class Failure:
    """An error page. `links`: (title, URL) of pages that may have been meant."""

    status: int
    title: str
    message: str
    hint: str
    links: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def describe_failure(error: Exception, limits: WebLimits) -> Failure | None:
    """The page of an error; None for one that is not expected."""
    match error:
        case UnknownModel():
            links = [(each, model_url(each.partition("::")[0])) for each in error.close]
            words = urlencode({"q": error.repo_id.replace("/", " ")})
            hint = "Perhaps one of these is meant:" if links else "Search for its name:"
            links.append((f"Search for {error.repo_id}", f"/search?{words}"))
            return Failure(404, "Unknown model", f"{sentence(error)}.", hint, links)
        case UnknownGroup():
            links = [(each, f"/{error.kind}/{quote(each, safe='')}") for each in error.close]
            return Failure(404, f"Unknown {error.kind}", f"{sentence(error)}.", "Search instead:", [*links, SEARCH])
        case UnknownSavedQuery():
            links = [("Explore", "/explore")]
            return Failure(404, "Unknown saved query", f"{sentence(error)}.", "See the list:", links)
        case UnknownPreset():
            return Failure(400, "Unknown machine", f"{sentence(error)}.", error.hint, [("What fits", "/fits")])
        case NotFound():
            return Failure(404, f"Unknown {error.what}", f"{sentence(error)}.", "See the list:", error.links)
        case BadRequest():
            return Failure(400, "Invalid value", f"{error}.", f"It takes {error.hint}.")
        case ServerBusy():
            retry = {"retry-after": str(RETRY_SECONDS)}
            return Failure(503, "Busy", "Too many requests wait already.", "Try again in a moment.", (), retry)
        case QueryTimeout():
            text = f"The page needs a query of more than {limits.query_seconds:g} s."
            return Failure(503, "Too slow", text, "Add a filter, or start the server with a longer --timeout.")
        case CatalogBusy():
            retry = {"retry-after": str(RETRY_SECONDS)}
            text = "Another program has locked the catalog: a crawl, an upgrade or db optimize."
            return Failure(503, "Catalog locked", text, "Try again in a moment.", (), retry)
        case CatalogError():
            return UNAVAILABLE
        case QueryError():
            return Failure(400, "Query failed", "The query could not be run.", "Change its parameters.")
    return None


SEARCH = ("Search", "/search")
UNAVAILABLE = Failure(
    503,
    "Catalog unavailable",
    "The catalog can't be read at the moment.",
    "On the machine that serves it, hf-catalog doctor says more.",
)


def sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]

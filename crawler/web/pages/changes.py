"""`/changes`: what changed on the Hub, and its Atom feed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from analysis.catalog.changes import KINDS, list_changes
from analysis.publish.atom import make_feed
from analysis.units import parse_when
from crawler.web.page import Content, Page, TextFile, Visit
from crawler.web.pages.choices import load_choices

MAX_ROWS = 100
DEFAULT_SPAN = timedelta(days=7)


def find_changes(visit: Visit) -> list[dict[str, Any]]:
    """The newest changes that the address selects. Raises BadRequest."""
    query = visit.query
    since = query.parsed("since", parse_when, "7d, 24h or 2026-11-01") or default_since(visit)
    families, quants = (tuple(text.lower() for text in query.texts(name)) for name in ("family", "quant"))
    kinds = query.texts("kind")

    def find() -> list[dict[str, Any]]:
        rows = list_changes(visit.reader, since=since, families=families, quants=quants, kinds=kinds, limit=MAX_ROWS)
        return list(rows)

    key = ("changes", since.replace(second=0, microsecond=0), families, quants, kinds)
    return visit.answers.get(visit.reader, key, find)


def default_since(visit: Visit) -> datetime:
    """A week before the last crawl: a catalog that is older still shows what changed last."""
    crawled = load_choices(visit).crawled
    last = datetime.fromisoformat(crawled.replace("Z", "+00:00")) if crawled else datetime.now(UTC)
    return last - DEFAULT_SPAN


def load_changes(visit: Visit) -> Content:
    """Raises BadRequest."""
    rows = find_changes(visit)
    context = {"rows": rows, "kinds": KINDS, "most": MAX_ROWS, "choices": load_choices(visit).choices}
    return Content("Changes", {"rows": rows}, context)


def changes_feed(visit: Visit) -> TextFile:
    return TextFile(make_feed(find_changes(visit), db=visit.db), "application/atom+xml", "changes.atom")


CHANGES = Page("changes", r"/changes", load_changes, {".atom": changes_feed})

"""`/watches` and `/watch/NAME`: what watches have found, and a feed of each. Their targets are not shown."""

from __future__ import annotations

import sqlite3
from typing import Any

from analysis.catalog.watches import WatchDefinition
from analysis.publish.atom import make_watch_feed
from crawler.web.page import Content, Page, TextFile, Visit
from crawler.web.query import NotFound
from db.watches import FEED_ENTRIES, Watch, WatchEvent, WatchStore, watch_file


def load_watches(visit: Visit) -> Content:
    """All watches with their conditions."""
    rows: list[dict[str, Any]] = []
    path = watch_file(visit.db)
    if path.is_file():
        with WatchStore(path, read_only=True) as store:
            rows = [describe(each) | {"events": store.counts(each.name)["found"]} for each in store.watches()]
    return Content("Watches", {"watches": rows}, {"rows": rows})


def load_watch(visit: Visit) -> Content:
    """Raises NotFound."""
    watch, events = find_events(visit)
    rows = [{"at": each.at.isoformat(), "repo_id": each.repo_id, "text": each.text} for each in events]
    return Content(f"Watch {watch.name}", describe(watch) | {"events": rows}, {"rows": rows, "most": FEED_ENTRIES})


def watch_feed(visit: Visit) -> TextFile:
    """Raises NotFound."""
    watch, events = find_events(visit)
    return TextFile(make_watch_feed(watch.name, events), "application/atom+xml", f"{watch.name}.atom")


def find_events(visit: Visit) -> tuple[Watch, list[WatchEvent]]:
    """The watch that the address names, and its last events, newest first. Raises NotFound."""
    path, name = watch_file(visit.db), visit.parts[0]
    try:
        with WatchStore(path, read_only=True) as store:
            for watch in store.watches():
                if watch.name == name:
                    return watch, store.recent_events(name, FEED_ENTRIES)
    except sqlite3.OperationalError:  # there is no file, or one without tables
        pass
    raise NotFound("watch", name, (("Watches", "/watches"),))


def describe(watch: Watch) -> dict[str, Any]:
    return {"watch": watch.name, "condition": WatchDefinition.from_data(watch.definition).describe()}


WATCHES = Page("watches", r"/watches", load_watches)
WATCH = Page("watch", r"/watch/([^/]+)", load_watch, {".atom": watch_feed})

"""The pages and feeds of watches show what was found, read only, and never where it is sent."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")

from analysis.catalog.models import ModelFilter
from analysis.catalog.watches import WatchDefinition
from db.watches import Watch, WatchEvent, WatchStore, watch_file
from tests.crawler.web.site import Site

ATOM = "{http://www.w3.org/2005/Atom}"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PATHS = ("/watches", "/watches.json", "/watch/gemma", "/watch/gemma.json", "/watch/gemma.atom")
TARGETS = ("https://example.org/secret-path", "env:TEAM_URL", "feed")


def found(number: int, text: str) -> WatchEvent:
    return WatchEvent(f"key-{number}", "acme/one", text, NOW + timedelta(minutes=number))


@pytest.fixture
def site(small: str, tmp_path: Path) -> Site:
    """Two watches: one with three events, of which the newest waits for the digest, and one without any."""
    db = str(shutil.copy(small, tmp_path / "catalog.db"))
    gemma = WatchDefinition(ModelFilter(families=("gemma",))).to_data()
    watch = Watch("gemma", gemma, TARGETS, timedelta(days=1), NOW)
    with WatchStore(watch_file(db)) as store:
        store.add(watch, [found(0, "known when it was made")])
        store.add(Watch("rows", WatchDefinition(query="select <b>").to_data(), ("print",), None, NOW), [])
        store.record(watch, [found(1, "one & two"), found(2, "acme/one <script>")], NOW)
        store.record(watch, [found(3, "waits")], NOW + timedelta(hours=1))
    return Site(db)


def test_the_feed_holds_what_became_a_message_newest_first(site: Site) -> None:
    feed = ET.fromstring(site.get("/watch/gemma.atom"))
    assert site.headers["content-type"].startswith("application/atom+xml")
    assert [each.findtext(f"{ATOM}title") for each in feed.iter(f"{ATOM}entry")] == ["acme/one <script>", "one & two"]
    assert feed.findtext(f"{ATOM}updated") == "2026-11-28T12:02:00+00:00"
    ids = [each.findtext(f"{ATOM}id") for each in feed.iter(f"{ATOM}entry")]
    again = ET.fromstring(site.get("/watch/gemma.atom"))
    assert [each.findtext(f"{ATOM}id") for each in again.iter(f"{ATOM}entry")] == ids
    assert len(set(ids)) == 2


def test_the_pages_list_watches_and_events(site: Site) -> None:
    rows = site.json("/watches.json")["watches"]
    assert [(row["watch"], row["events"]) for row in rows] == [("gemma", 3), ("rows", 0)]
    assert rows[0]["condition"] == "new models: families gemma"
    assert 'href="/watch/gemma.atom"' in site.get("/watches")
    page = site.get("/watch/gemma")
    assert "acme/one &lt;script&gt;" in page and "<script>" not in page
    assert "Nothing yet." in site.get("/watch/rows")
    assert [row["text"] for row in site.json("/watch/gemma.json")["events"]] == ["acme/one <script>", "one & two"]


@pytest.mark.parametrize("path", PATHS)
def test_no_page_says_where_messages_go(site: Site, path: str) -> None:
    text = site.get(path)
    assert not any(part in text for part in ("example.org", "TEAM_URL", "secret"))


def test_an_unknown_watch_and_a_catalog_without_watches(site: Site, small: str, tmp_path: Path) -> None:
    assert "no watch" in site.get("/watch/none", 404)
    assert "no watch" in site.get("/watch/none.atom", 404)
    other = Site(str(shutil.copy(small, tmp_path / "other.db")))
    assert other.json("/watches.json") == {"watches": []}
    assert "watch add NAME --to feed" in other.get("/watches")
    other.get("/watch/gemma.atom", 404)
    assert not (tmp_path / "other.db.watches").exists(), "a page makes no file"

"""Model cards and kinds of accounts, read within a budget beside the crawl."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.query.reader import CatalogReader
from crawler.pipeline import crawl
from crawler.settings import CrawlSettings
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.source import HuggingFaceSource
from crawler.sources.pacer import Pacer
from db.records import RepoFilter, RunRecord
from db.write.store import Store
from samplehub import SampleHub
from samplehub.content.card_texts import COMPLETE, TEMPLATE
from samplehub.content.catalog import Catalog

SETTINGS = CrawlSettings(depth="files", cards=10, workers=2)


@pytest.fixture
def hub() -> Iterator[SampleHub]:
    catalog = Catalog()
    for name, card, downloads in (
        ("google/full", COMPLETE, 50), ("google/template", TEMPLATE, 40), ("TheBloke/none", None, 30),
        ("TheBloke/gated", COMPLETE, 20), ("lone/last", "text", 10),
    ):  # fmt: skip
        files = {"config.json": b"{}"} | ({} if card is None else {"README.md": f"# {name}\n\n{card}".encode()})
        catalog.add(name, files, downloads=downloads, gated="auto" if name.endswith("gated") else False)
    with SampleHub(catalog=catalog) as hub:
        yield hub


def run_crawl(hub: SampleHub, db: Path, settings: CrawlSettings = SETTINGS) -> RunRecord:
    client = HubClient(hub.endpoint, False, pacer=Pacer(budget=settings.budget), tries=1)
    with Store.open(db, create=True) as store:
        (run,) = crawl(store, HuggingFaceSource(client), settings)
    return run


def cards(db: Path) -> dict[str, dict[str, Any]]:
    with CatalogReader(db) as reader:
        return {row["repo_id"]: row for row in reader.all("select * from cards")}


def test_cards_are_read_once_for_each_content(hub: SampleHub, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    run = run_crawl(hub, db)
    found = cards(db)
    assert run.resolver_requests == 4  # the repo without a card costs none
    assert all(found["google/full"][name] is True for name in ("intended_use", "bias", "environment"))
    assert found["google/full"]["bytes"] == len(f"# google/full\n\n{COMPLETE}")
    assert found["google/template"]["bias"] is False and found["google/template"]["placeholders"] == 7
    assert (found["TheBloke/none"]["bytes"], found["TheBloke/none"]["bias"]) == (0, False)
    assert found["TheBloke/gated"]["bytes"] > 500 and found["TheBloke/gated"]["bias"] is None
    assert found["lone/last"]["is_current"] is True
    hub.catalog.change_files("google/full", {"config.json": b"{ }"})
    hub.catalog.change_files("lone/last", {"README.md": b"# lone\n\n## Bias\n\nSome."})
    assert run_crawl(hub, db).resolver_requests == 1  # the card of google/full is as it was
    assert cards(db)["lone/last"]["bias"] is True


def test_the_most_downloaded_come_first_and_the_next_crawl_goes_on(hub: SampleHub, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    run_crawl(hub, db, replace(SETTINGS, cards=2))
    assert cards(db).keys() == {"google/full", "google/template"}
    run_crawl(hub, db, replace(SETTINGS, cards=2))
    assert cards(db).keys() == {"google/full", "google/template", "TheBloke/none", "TheBloke/gated"}
    run_crawl(hub, db, replace(SETTINGS, cards=5, scope=RepoFilter(authors=("lone",))))
    assert len(cards(db)) == 5


def test_cards_of_a_listing_alone_are_asked_for(hub: SampleHub, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    run = run_crawl(hub, db, replace(SETTINGS, depth="listing"))
    found = cards(db)
    assert run.resolver_requests == 5 and run.repos_skipped == 0
    assert (found["TheBloke/none"]["bytes"], found["TheBloke/gated"]["bytes"]) == (0, None)
    assert found["google/full"]["training_data"] is True


def test_the_text_is_kept_only_where_it_is_asked_for(hub: SampleHub, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    run_crawl(hub, db)
    with CatalogReader(db) as reader:
        assert reader.all("select * from card_texts") == []
    hub.catalog.change_files("lone/last", {"README.md": b"new"})
    run_crawl(hub, db, replace(SETTINGS, keep_card_text=True))
    with CatalogReader(db) as reader:
        assert reader.all("select text from card_texts") == [{"text": "new"}]


def test_a_budget_ends_the_cards_and_keeps_those_that_were_read(hub: SampleHub, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    listed = run_crawl(hub, db, replace(SETTINGS, cards=0))
    assert listed.detail is None and cards(db) == {}
    run = run_crawl(hub, db, replace(SETTINGS, budget=4, workers=1))
    assert run.outcome == "stopped" and 0 < len(cards(db)) < 5


def test_kinds_of_accounts_are_asked_and_never_guessed(hub: SampleHub, tmp_path: Path) -> None:
    db = tmp_path / "catalog.db"
    settings = replace(SETTINGS, cards=0, account_kinds=2)
    run_crawl(hub, db, settings)
    with CatalogReader(db) as reader:
        kinds = {row["author"]: row["kind"] for row in reader.all("select author, kind from authors")}
    assert kinds == {"google": "organization", "TheBloke": "user", "lone": None}
    hub.catalog.remove("lone/last")
    run_crawl(hub, db, replace(settings, depth="listing"))
    with CatalogReader(db) as reader:
        assert reader.all("select author from account_kinds where kind is null") == [{"author": "lone"}]

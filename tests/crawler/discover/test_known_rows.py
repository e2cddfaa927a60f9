"""Rows that are as they were are neither parsed nor labelled; whatever else changes in a row is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.discover import known_rows
from crawler.discover.known_rows import KnownRows, parse_rows
from crawler.label_pages import PageLabeller, build_page, label_repos
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.repo_types import TYPE_APIS
from crawler.sources.huggingface.source import HuggingFaceSource
from crawler.sources.source import RawPage
from db.derive.digest import COUNTER_KEYS, row_digest
from db.records import RepoRecord
from db.write.store import Store
from samplehub import SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import plain_repos, run_crawl, small_catalog
from tests.crawler.test_crawl import rows

NOW = datetime(2026, 11, 28, tzinfo=UTC)
HUB_ID = "6366c000a2abcdf2fd69a080"
ROW: dict[str, Any] = {
    "_id": HUB_ID, "id": "acme/Gemma-3-4B-it", "author": "acme", "sha": "a" * 40,
    "createdAt": "2025-03-01T00:00:00.000Z", "lastModified": "2025-03-02T00:00:00.000Z", "downloads": 10,
    "downloadsAllTime": 100, "likes": 1, "trendingScore": 2, "private": False, "gated": False, "disabled": False,
    "pipeline_tag": "text-generation", "library_name": "transformers", "usedStorage": 1000, "tags": ["safetensors"],
    "cardData": {"license": "mit"}, "config": {"model_type": "gemma3"}, "safetensors": {"total": 4},
    "gguf": {"total": 5}, "baseModels": {"models": [{"id": "google/gemma-3-4b-it"}], "relation": "finetune"},
    "model-index": [], "evalResults": [],
}  # fmt: skip
ALTERED: dict[str, Any] = {
    "id": "acme/Gemma-3-12B-it", "author": "other", "sha": "b" * 40, "createdAt": "2025-03-01T00:00:01.000Z",
    "lastModified": "2025-03-03T00:00:00.000Z", "private": True, "gated": "auto", "disabled": True,
    "pipeline_tag": "image-text-to-text", "library_name": "gguf", "usedStorage": 1001, "tags": ["gguf"],
    "cardData": {"license": "mit", "language": ["de"]}, "config": {"model_type": "gemma3_text"},
    "safetensors": {"total": 6}, "gguf": {"total": 6}, "baseModels": None,
    "model-index": [{"results": [{"task": {"type": "text-generation"}, "dataset": {"name": "d"},
                                  "metrics": [{"type": "acc", "value": 1.0}]}]}],
    "evalResults": [{"dataset": {"id": "a/b", "task_id": "c"}, "value": 3}], "somethingNew": "x",
}  # fmt: skip
"""Another value of each key, of which all but the last one are known."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "catalog.db", create=True) as opened:
        yield opened


class Listing:
    """Pages of rows as a walk stores them, without a Hub."""

    def __init__(self, store: Store) -> None:
        self.store, self.known = store, KnownRows(store.load_row_digests)
        self.source = HuggingFaceSource(HubClient("http://127.0.0.1:9", False))
        self.run = store.start_run("full", "", "http://127.0.0.1:9")

    def save(self, row: dict[str, Any], *, thin: bool = False) -> bool:
        """Stores a page with one row; whether it was known."""
        [parsed] = parse_rows(self.source, RawPage([row], None, thin), NOW, self.known)
        assert isinstance(parsed, RepoRecord)
        is_known = parsed.hub_id in self.known.found
        new = [] if is_known else [parsed]
        page = build_page(new, label_repos(new), thin=thin, known=(parsed,) if is_known else ())
        counts = self.store.save_page(self.run, "", page)
        assert counts.seen == 1
        return is_known

    def stored(self) -> RepoRecord:
        return self.store.load_repos([HUB_ID])[HUB_ID]


def test_every_key_that_decides_anything_makes_a_row_unknown_and_is_stored(store: Store) -> None:
    assert set(ROW) >= set(TYPE_APIS["model"].keys) - {"resourceGroup", "spaces"}, "the keys that are listed"
    listing = Listing(store)
    for key, value in ALTERED.items():
        assert not listing.save(ROW), "it was another one"
        assert listing.save(ROW), key
        before = listing.stored()
        assert not listing.save({**ROW, key: value}), key
        after = listing.stored()
        columns = {"private", "disabled", "author"}  # kept as the status; written with a new id
        assert key in columns or before != after, key


@pytest.mark.parametrize("key", sorted(COUNTER_KEYS))
def test_a_counter_of_a_known_row_is_stored_and_wrong_ones_are_not(store: Store, key: str) -> None:
    listing = Listing(store)
    listing.save(ROW)
    assert listing.save({**ROW, key: 77})
    fields = {"downloadsAllTime": "downloads_all_time", "trendingScore": "trending_score"}
    assert getattr(listing.stored(), fields.get(key, key)) == 77
    assert not listing.save({**ROW, key: "many"}), "it is parsed, so that the wrong value is counted"
    assert listing.save(ROW), "and is no reason to forget the row"


def test_what_else_changes_a_repo_makes_its_row_unknown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing(store)
    listing.save(ROW)
    store.set_status(listing.run, HUB_ID, "gone")
    assert not listing.save(ROW), "it is available again"
    assert store.find_reachable("model", ROW["id"]) == HUB_ID
    assert listing.save(ROW)
    assert not listing.save({**ROW, "tags": None}, thin=True), "without details a row says less"
    assert listing.save(ROW), "and at the same commit it changes nothing"
    monkeypatch.setattr(known_rows, "rules_of_rows", lambda: b"another vocabulary")
    assert not listing.save(ROW)
    assert listing.save(ROW)


@pytest.mark.parametrize("lack", ["sha", "createdAt", "lastModified"])
def test_a_row_that_is_completed_from_the_catalog_is_never_known(store: Store, lack: str) -> None:
    listing = Listing(store)
    row = {key: value for key, value in ROW.items() if key != lack}
    assert [listing.save(row) for _ in range(2)] == [False, False]


def test_values_that_are_alike_are_not_the_same() -> None:
    digests = {row_digest({"a": value}, b"") for value in (1, 1.0, True, "1", None, [1], {"1": 1}, [[1]], "")}
    assert len(digests) == 9
    assert row_digest({"a": 1}, b"") != row_digest({"a": 1}, b"other rules")
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert row_digest({"a": deep}, b"") is None


def test_a_walk_after_changes_ends_as_a_first_one_and_labels_these_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most rows are known; the labelled ones are those of repos that changed, and of a new one."""
    db, names = tmp_path / "catalog.db", list[str]()
    with SampleHub(catalog=small_catalog(12)) as sample:
        run_crawl(db, sample, depth="listing")
        first, second, third, fourth, fifth, *_ = sorted(name for name in sample.catalog.repos if "Gemma-" in name)
        plain_repos(sample.catalog, 1, start=12)
        sample.catalog.modify(first, downloads=12_345, likes=6)
        sample.catalog.modify(second, tags=("gguf", "license:mit"))
        sample.catalog.change_files(third, {"README.md": b"---\nlicense: mit\n---\n"})
        sample.catalog.rename(fourth, "acme/renamed")
        sample.catalog.modify(fifth, gated="auto")
        submit = PageLabeller.submit

        def note(self: PageLabeller, repos: Any) -> Any:
            names.extend(repo.repo_id for repo in repos)
            return submit(self, repos)

        monkeypatch.setattr(PageLabeller, "submit", note)
        run = run_crawl(db, sample, depth="listing", full=True)
        new = next(name for name in sample.catalog.repos if name.endswith("-12"))
        assert sorted(names) == sorted([second, third, "acme/renamed", fifth, new])
        assert (run.repos_seen, run.repos_new, run.repos_changed) == (17, 1, 5)
        run_crawl(tmp_path / "fresh.db", sample, depth="listing")
    found = differences(db, tmp_path / "fresh.db")
    assert [each for each in found if not each.startswith(("aliases:", "events:"))] == []
    assert rows(db, f"select downloads, likes from repos where repo_id = '{first}'") == [(12_345, 6)]

"""Pages of results on the small catalog, on both engines."""

from __future__ import annotations

import pytest

from analysis.catalog import browse as module
from analysis.catalog.browse import BrowseRequest, browse, browse_all
from analysis.catalog.models import ModelFilter
from analysis.query.reader import CatalogReader

GEMMA = "google/gemma-3-4b-it"


def found(db: str, request: BrowseRequest) -> list[str]:
    with CatalogReader(db) as reader:
        return [row["repo_id"] for row in browse(reader, db, request).rows]


def test_words_filters_and_memory_limit_together(small_on_both: str) -> None:
    gguf = ModelFilter(formats=("gguf",))
    assert found(small_on_both, BrowseRequest("gemma", gguf, sort="match"))[0] == "google/gemma-3-4b-it-qat-q4_0-gguf"
    assert len(found(small_on_both, BrowseRequest("gemma", gguf))) == 3
    assert found(small_on_both, BrowseRequest("gemma", gguf, memory=3 * 10**9)) == [
        "bartowski/google_gemma-3-4b-it-GGUF", "unsloth/gemma-3-4b-it-GGUF",
    ]  # fmt: skip
    assert found(small_on_both, BrowseRequest("zzz")) == []


def test_pages_follow_each_other(small_on_both: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE_ROWS", 2)
    for text, sort in (("", "downloads"), ("gemma", "match")):
        pages = [found(small_on_both, BrowseRequest(text, sort=sort, page=page)) for page in (1, 2, 3)]
        with CatalogReader(small_on_both) as reader:
            whole = browse_all(reader, small_on_both, BrowseRequest(text, sort=sort), 5)
            assert browse(reader, small_on_both, BrowseRequest(text, sort=sort)).pages == (3 if text else 7)
        assert [each for page in pages for each in page][:5] == [row["repo_id"] for row in whole]


def test_a_long_result_is_counted_up_to_a_limit(small_on_both: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", 4)
    monkeypatch.setattr(module, "PAGE_ROWS", 5)
    with CatalogReader(small_on_both) as reader:
        pages = [browse(reader, small_on_both, BrowseRequest(page=page)) for page in (1, 2, 3)]
    assert [(page.total, page.is_total, len(page.rows)) for page in pages] == [
        (5, False, 5),
        (10, False, 5),
        (13, True, 3),
    ]
    assert sum(n for _, n in pages[0].facets["author"]) == 4


def test_without_an_index_the_most_downloaded_models_are_counted(
    small_on_both: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EXAMINED", 6)
    monkeypatch.setattr(module, "PAGE_ROWS", 2)
    small = ModelFilter(most=("bytes", 5 * 10**9))
    with CatalogReader(small_on_both) as reader:
        first, last = (browse(reader, small_on_both, BrowseRequest(filter=small, page=page)) for page in (1, 3))
        by_family = browse(reader, small_on_both, BrowseRequest(filter=ModelFilter(families=("gemma",))))
    assert (first.total, first.is_total) == (2, False), "of five only two are among the six most downloaded"
    assert (last.total, last.is_total, len(last.rows)) == (5, True, 1)
    assert (by_family.total, by_family.is_total) == (5, True), "an index finds all of them"

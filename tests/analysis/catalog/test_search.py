"""Search results in groups of one base model."""

from __future__ import annotations

import pytest

from analysis.catalog import search
from analysis.query.reader import CatalogReader
from db.read.search import Found, Hit

RANKED = (
    "unsloth/gemma-3-4b-it-GGUF",
    "unsloth/Qwen3-30B-A3B-GGUF",
    "google/gemma-3-4b-it",
    "bartowski/google_gemma-3-4b-it-GGUF",
    "halfway/Qwen3-8B-GGUF",
)
GEMMA = "google/gemma-3-4b-it"


@pytest.fixture
def ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hits in the order of RANKED, whatever is searched for."""
    hits = tuple(Hit(repo_id, float(9 - place), 1) for place, repo_id in enumerate(RANKED))
    monkeypatch.setattr(search, "find", lambda *_: Found(hits))


def test_a_base_stands_where_its_best_match_does(ranked: None, small_on_both: str) -> None:
    with CatalogReader(small_on_both) as reader:
        answer = search.search_repos(reader, small_on_both, "x", limit=9)
    assert [(row["repo_id"], row["base"], row["score"]) for row in answer.rows] == [
        (RANKED[0], GEMMA, 9.0),
        (RANKED[2], GEMMA, 7.0),
        (RANKED[3], GEMMA, 6.0),
        (RANKED[1], "Qwen/Qwen3-30B-A3B", 8.0),
        (RANKED[4], "Qwen/Qwen3-8B", 5.0),
    ]
    assert answer.more == {}


def test_of_a_base_only_the_best_copies_are_shown(ranked: None, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_COPIES", 1)
    with CatalogReader(small) as reader:
        few = search.search_repos(reader, small, "x", limit=2)
        every = search.search_repos(reader, small, "x", limit=2, every=True)
    assert [row["repo_id"] for row in few.rows] == [RANKED[0], RANKED[1]] and few.more == {GEMMA: 2}
    assert [row["repo_id"] for row in every.rows] == [RANKED[0], RANKED[2]] and every.more == {GEMMA: 1}

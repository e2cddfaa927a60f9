"""Which walk a crawl makes."""

from __future__ import annotations

from crawler.discover.plan import split_by_author
from db.records import RepoFilter


def test_several_authors_are_walked_one_by_one() -> None:
    scopes = split_by_author(RepoFilter(authors=("a", "b"), tags=("gguf",)))
    assert [scope.authors for scope in scopes] == [("a",), ("b",)]
    assert [scope.tags for scope in scopes] == [("gguf",), ("gguf",)]


def test_a_scope_without_authors_is_one_walk() -> None:
    assert split_by_author(RepoFilter()) == (RepoFilter(),)

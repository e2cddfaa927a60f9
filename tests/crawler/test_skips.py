"""How errors become rows that say why a repo was skipped."""

from __future__ import annotations

from crawler.errors import FileError, RepoError
from crawler.skips import MAX_DETAIL_LENGTH, make_skip, unexpected_error
from db.records import LeasedRepo


def test_an_error_of_a_repo_becomes_its_row() -> None:
    skip = make_skip(LeasedRepo("0" * 24, "acme/x", None, None, 1), RepoError("gated", "y" * 9000))
    assert (skip.repo_id, skip.hub_id, skip.reason) == ("acme/x", "0" * 24, "gated")
    assert len(skip.detail) == MAX_DETAIL_LENGTH


def test_a_repo_that_was_only_named_has_no_hub_id() -> None:
    assert make_skip(LeasedRepo("", "acme/x", None, None, 0), RepoError("gone", "404")).hub_id is None


def test_a_bug_fails_one_repo_and_says_which_error_it_was() -> None:
    error = unexpected_error(KeyError("license"))
    assert (error.reason, error.detail) == ("failed", "internal error: KeyError: 'license'")


def test_an_error_of_a_repo_is_not_a_bug() -> None:
    known = FileError("model.gguf", "unreadable", "truncated")
    assert unexpected_error(known) is known

"""How errors become rows that say why a repo was skipped."""

from __future__ import annotations

import pytest

from analysis.errors import HeaderError, HeaderMalformed, HeaderTooCostly
from crawler.enrich.headers import header_skip
from crawler.errors import FileError, RepoError
from crawler.skips import MAX_DETAIL_LENGTH, TRANSIENT_REASONS, make_skip, unexpected_error
from crawler.sources.source import FetchedRepo
from db.records import ArtifactRecord, LeasedRepo, RepoRecord


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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (HeaderTooCostly("model.gguf", "took longer than 20 s"), "failed"),
        (HeaderMalformed("model.gguf", 0, "GGUF", "text"), "unreadable"),
        (RepoError("gated", "ask first"), "gated"),
    ],
)
def test_a_header_that_took_too_long_is_tried_again(error: HeaderError | RepoError, reason: str) -> None:
    repo, artifact = RepoRecord("0" * 24, "acme/x"), ArtifactRecord("model.gguf", "weights", "gguf", ("model.gguf",), 1)
    fetched = FetchedRepo(LeasedRepo("0" * 24, "acme/x", None, None, 1), repo, repo, (), (artifact,))
    skip = header_skip(fetched, artifact, error)
    assert (skip.reason, skip.reason in TRANSIENT_REASONS) == (reason, reason == "failed")

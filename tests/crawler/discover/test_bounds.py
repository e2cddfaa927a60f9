"""Where a walk ends before the listing does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from crawler.discover.bounds import StopAfterTopDownloads, StopAtDate, matching_search
from db.records import RepoFilter, RepoRecord


def modified(*days: int | None) -> Sequence[RepoRecord]:
    return [
        RepoRecord(
            f"{at:024x}", f"acme/{at}", last_modified=None if day is None else datetime(2026, 3, day, tzinfo=UTC)
        )
        for at, day in enumerate(days)
    ]


def downloaded(*counts: int | None) -> Sequence[RepoRecord]:
    return [RepoRecord(f"{at:024x}", f"acme/{at}", downloads=count) for at, count in enumerate(counts)]


def test_a_walk_by_modification_ends_at_the_first_older_repo() -> None:
    stop = StopAtDate("lastModified", datetime(2026, 3, 5, tzinfo=UTC))
    assert stop.accept(modified(9, 8)) == 2
    assert not stop.done
    assert stop.accept(modified(7, None, 5, 4, 3)) == 3, "a repo without a date ends nothing"
    assert stop.done


def test_a_walk_by_downloads_ends_after_its_limit() -> None:
    stop = StopAfterTopDownloads(left=3)
    assert stop.accept(downloaded(90, 80)) == 2
    assert not stop.done
    assert stop.accept(downloaded(70, 60)) == 1
    assert stop.done


def test_a_walk_whose_last_page_fills_its_limit_exactly_is_done() -> None:
    stop = StopAfterTopDownloads(left=2)
    assert stop.accept(downloaded(90, 80)) == 2
    assert stop.done


def test_a_walk_by_downloads_ends_below_its_minimum() -> None:
    stop = StopAfterTopDownloads(min_downloads=50)
    assert stop.accept(downloaded(90, 50, 49, 48)) == 2
    assert stop.done
    unknown = StopAfterTopDownloads(min_downloads=1)
    assert unknown.accept(downloaded(None)) == 0, "unknown downloads count as none"


def test_the_limit_and_the_minimum_apply_together() -> None:
    stop = StopAfterTopDownloads(left=10, min_downloads=50)
    assert stop.accept(downloaded(90, 20)) == 1
    assert stop.done


def test_several_search_texts_must_all_match() -> None:
    repos = [RepoRecord("0" * 24, "Acme/Gemma-QAT"), RepoRecord("1" * 24, "acme/gemma")]
    assert [repo.repo_id for repo in matching_search(RepoFilter(search=("gemma", "qat")), repos)] == ["Acme/Gemma-QAT"]
    assert matching_search(RepoFilter(search=("qat",)), repos) == repos, "a single text is left to the Hub"

"""Reports of webhooks: one row for a repo until its visit is stored, whatever comes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db import reported
from db.reported import Report, ReportedRepos, reports_file, retry_time

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[ReportedRepos]:
    with ReportedRepos(tmp_path / "catalog.db.reports") as opened:
        yield opened


def test_reports_of_one_repo_are_one_visit_at_the_time_of_the_first(reports: ReportedRepos) -> None:
    for late in range(3):
        assert reports.add("model", "acme/one", NOW + late * SECOND, NOW + (late + 2) * SECOND)
    reports.add("dataset", "acme/one", NOW, NOW + 9 * SECOND)
    assert reports.due("model", NOW + SECOND, 10) == []
    assert [each.repo_id for each in reports.due("model", NOW + 2 * SECOND, 10)] == ["acme/one"]
    assert reports.due_types(NOW + 2 * SECOND) == ["model"]
    assert reports.due_types(NOW + 9 * SECOND) == ["model", "dataset"]
    assert reports.next_due() == NOW + 2 * SECOND
    assert reports.count() == 2


def test_the_oldest_report_is_visited_first(reports: ReportedRepos) -> None:
    for late, name in enumerate(("acme/c", "acme/a", "acme/b")):
        reports.add("model", name, NOW + late * SECOND, NOW)
    assert [each.repo_id for each in reports.due("model", NOW, 2)] == ["acme/c", "acme/a"]


def test_a_repo_that_is_reported_during_its_visit_is_visited_again(reports: ReportedRepos) -> None:
    reports.add("model", "acme/one", NOW, NOW)
    [visited] = reports.due("model", NOW, 10)
    reports.add("model", "acme/one", NOW, NOW)
    reports.remove(visited)
    reports.postpone(visited, NOW + timedelta(days=1))
    [again] = reports.due("model", NOW, 10)
    assert (again.repo_id, again.attempts) == ("acme/one", 0)
    reports.remove(again)
    assert (reports.count(), reports.next_due()) == (0, None)


def test_a_visit_that_failed_is_repeated_later_and_a_new_report_resets_that(reports: ReportedRepos) -> None:
    reports.add("model", "acme/one", NOW, NOW)
    [first] = reports.due("model", NOW, 10)
    assert retry_time(first, NOW) == NOW + timedelta(seconds=30)
    reports.postpone(first, retry_time(first, NOW))
    assert reports.due("model", NOW + 29 * SECOND, 10) == []
    [second] = reports.due("model", NOW + 30 * SECOND, 10)
    assert retry_time(second, NOW) == NOW + timedelta(minutes=1)
    assert retry_time(Report("model", "acme/one", "", 99), NOW) == NOW + timedelta(hours=1)
    reports.add("model", "acme/one", NOW, NOW)
    assert reports.due("model", NOW, 10)[0].attempts == 0


def test_too_many_reports_are_refused(reports: ReportedRepos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reported, "MAX_REPORTS", 2)
    assert [reports.add("model", f"acme/{name}", NOW, NOW) for name in "abc"] == [True, True, False]


def test_reports_survive_their_process_and_stand_beside_the_catalog(tmp_path: Path) -> None:
    path = reports_file(str(tmp_path / "catalog.db"))
    assert path == tmp_path / "catalog.db.reports"
    with ReportedRepos(path) as reports:
        reports.add("space", "acme/one", NOW, NOW)
    with ReportedRepos(path) as reports:
        assert [each.repo_id for each in reports.due("space", NOW, 10)] == ["acme/one"]

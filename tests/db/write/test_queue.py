"""What the frontier wants first: one formula, in Python for reading and in SQL for ranking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.labels import Labels
from db.records import Page, RepoFilter, Skipped
from db.schema.tables import repos
from db.write.queue import _JOINED, DAY, priority, priority_sql
from db.write.store import Store
from tests.db.made import NOON, enrichment, labelled, page, repo


def test_both_forms_of_the_formula_agree(db: str) -> None:
    later = NOON + timedelta(days=20)
    moment = NOON
    with Store.open(db, clock=lambda: moment) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1, 2, 3, 4], downloads=5000, likes=7, trending_score=2.5))
        unclear = (repo(5, downloads=None, likes=None, trending_score=None), labelled(family=None))
        store.save_page(run, "", Page((unclear,), (), None))
        store.save_enrichments(run, [(enrichment(2), 0), (enrichment(3), 0)])
        failed = store.claim(9, "headers", RepoFilter(repo_ids=(repo(4).repo_id,)))[0]
        store.record_failure(failed, [Skipped(failed.repo_id, "failed", "timeout", NOON)], run, settled=None)
        moment = later
        store.save_page(run, "", page([3], downloads=5000, likes=7, trending_score=2.5, sha="f" * 40))
        with store._reading() as rows:
            statement = select(repos.c.hub_id, priority_sql(rows.dialect.name, later)).select_from(_JOINED)
            ranked = {int(hub_id, 16): value for hub_id, value in rows.connection.execute(statement)}
    known: dict[str, Any] = {"downloads": 5000, "likes": 7, "trend": 2.5}
    rhythm = (repo(3).last_modified - repo(3).created_at).total_seconds()  # type: ignore[operator]
    assert ranked == pytest.approx(
        {
            1: priority(**known),
            2: priority(**known, visited=True, conflict=True),
            3: priority(**known, visited=True, changed=True, age=20 * DAY, rhythm=rhythm, conflict=True),
            4: priority(**known, visited=True, changed=True, age=20 * DAY, rhythm=rhythm, failures=1),
            5: priority(downloads=0, unclear=True),
        },
        abs=1e-4,
    )


def test_the_most_wanted_come_first_and_within_the_scope(db: str) -> None:
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page(range(1, 31)))
        assert [wanted.hub_id for wanted in store.claim(3, "headers")] == [repo(n).hub_id for n in (30, 29, 28)]
        about = RepoFilter(search=("-3-1",), tags=("tag-1",), min_downloads=1500)
        found = {int(wanted.hub_id, 16) for wanted in store.claim(30, "headers", about)}
        assert found == {16, 19}
        assert store.backlog("headers", RepoFilter(limit=5)) == 5


def test_a_look_that_another_crawl_is_at_is_not_handed_out(db: str) -> None:
    with Store.open(db) as one, Store.open(db) as other:
        run = one.start_run("full", "", "https://hub.example")
        one.save_page(run, "", page(range(1, 11)))
        first = one.claim(4, "headers")
        rest = other.claim(10, "headers")
        assert len(first) == 4 and len(rest) == 6
        assert one.claim(10, "headers") == []


def test_repos_that_can_not_be_read_are_left_alone(db: str) -> None:
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1], private=True))
        store.save_page(run, "", page([2], disabled=True))
        store.save_page(run, "", page([3], gated="auto"))
        store.save_page(run, "", page([4]))
        store.set_status(run, repo(4).hub_id, "gone")
        assert [wanted.hub_id for wanted in store.claim(9, "files")] == [repo(3).hub_id]


def test_failures_wait_longer_each_time(db: str) -> None:
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    with Store.open(db, clock=lambda: moment) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1]))
        waits = []
        for _ in range(4):
            (wanted,) = store.claim(1, "files")
            store.record_failure(wanted, [], run, settled=None)
            failed = moment
            while not store.claim(1, "files"):
                moment += timedelta(minutes=30)
            waits.append((moment - failed).total_seconds() / 3600)
            moment += timedelta(hours=1)  # the claim that just succeeded runs out
        assert waits == [1, 2, 4, 8]


def test_labels_exist_without_any(db: str) -> None:
    """A repo of which nothing is known at all is stored, found and wanted."""
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        bare = repo(1, tags=(), edges=(), evaluations=(), card={}, downloads=None, sha=None)
        store.save_page(run, "", Page(((bare, labelled(**dict.fromkeys(("family", "quant", "version")))),), (), None))
        assert Labels() == Labels(family=None)
        assert [wanted.sha for wanted in store.claim(1, "files")] == [None]

"""Several at once: readers beside a crawl, a crawl that is killed, crawlers on one server, hosts that die."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from analysis.query.reader import CatalogReader
from db.engine import open_engine
from db.maintain.check import check
from db.records import ListingPosition
from db.rows import Rows
from db.write.heartbeat import heartbeat
from db.write.lock import HEARTBEAT_TIMEOUT, LockHolder, acquire_lock
from db.write.store import Store
from tests.db.made import enrichment, page, repo
from tests.db.writer import REPOS

LIVING = HEARTBEAT_TIMEOUT - timedelta(seconds=2)
SILENT = timedelta(seconds=60)
"""Within a minute the leases of a dead machine are free."""

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def crawl(db: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A crawl in a process of its own; ended without a word at the end of the block, if it is still there."""
    command = [sys.executable, "-m", "tests.db.writer", db, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
            process.wait()


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def test_readers_see_whole_pages_and_a_killed_crawl_leaves_a_whole_catalog(db: str) -> None:
    looks: list[int] = []
    with crawl(db, "pages") as process:
        lines(process, 1)
        while not looks or looks[-1] < 10 * REPOS:
            with CatalogReader(db, snapshot=True) as reader:
                looks.append(whole_pages(reader))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert looks == sorted(looks)
    assert [finding for finding in check(db) if not finding.ok] == []
    with Store.open(db) as store, store.crawling():  # the dead crawl's lock is taken over
        with CatalogReader(db) as reader:
            stored = whole_pages(reader)
        assert store.position("", "full") == ListingPosition(f"page {stored // REPOS}")
        run = store.start_run("full", "", "https://hub.example")
        assert store.save_page(run, "", page(range(stored + 1, stored + 6), None)).new == 5


def whole_pages(reader: CatalogReader) -> int:
    """How many repos there are; each with its labels and tags, none of a page alone."""
    (row,) = reader.all(
        "select (select count(*) from repos) as repos, (select count(*) from repo_labels) as labels,"
        " (select count(*) from repo_tags) as tags, (select coalesce(max(repos_seen), 0) from crawl_runs) as seen"
    )
    assert row["repos"] % REPOS == 0
    assert (row["labels"], row["tags"], row["seen"]) == (row["repos"], row["repos"] * 3, row["repos"])
    return int(row["repos"])


# ---- several crawlers on one server ---------------------------------------------------------------------------------


@pytest.fixture
def server_db(postgresql: Any) -> str:
    """A catalog on PostgreSQL with sixty repos to visit."""
    url: str = postgresql.create("catalog_template")
    with Store.open(url) as store:
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page(range(1, 61)))
    return url


def test_two_crawlers_never_wait_for_each_others_claims(server_db: str) -> None:
    with Store.open(server_db) as one, Store.open(server_db) as other:
        with one._writing(assigns_ids=False) as rows:
            first = one._queue.claim(rows, 20, "headers", None, datetime.now(UTC))
            second = other.claim(20, "headers")  # while the first claim is not committed
        assert len(first) == len(second) == 20
        assert not {wanted.hub_id for wanted in first} & {wanted.hub_id for wanted in second}


def test_a_killed_hosts_work_returns_and_none_is_done_twice(server_db: str) -> None:
    with crawl(server_db, "hold", "15") as dead:
        held = dict(line.split() for line in lines(dead, 15))
        move_crawlers(server_db, age=-timedelta(hours=1))
    with crawl(server_db, "visits", "4") as one, crawl(server_db, "visits", "4") as other:
        done = [process.communicate(timeout=300)[0].split("\n") for process in (one, other)]
    visited = [line.split()[0] for output in done for line in output if line]
    assert len(visited) == len(set(visited)) == 45
    assert not set(visited) & held.keys()
    with Store.open(server_db) as store:
        assert (store.claim(60, "headers"), store.count_held_by_others("headers")) == ([], 15)
        move_crawlers(server_db, age=SILENT)
        run = store.start_run("repos", "", "https://hub.example")
        returned = store.claim(60, "headers")
        assert {wanted.hub_id for wanted in returned} == held.keys()
        assert store.count_held_by_others("headers") == 0
        number = int(returned[0].hub_id, 16)
        late = (enrichment(number), int(held[returned[0].hub_id]))  # the dead host was only slow
        assert store.save_enrichments(run, [late]) == 0
        assert store.save_enrichments(run, [(enrichment(number), returned[0].lease)]) == 1
    assert [finding for finding in check(server_db) if not finding.ok] == []


def move_crawlers(db: str, age: timedelta) -> None:
    """Makes every crawler of the catalog one of another machine, whose last heartbeat was this long ago."""
    engine = open_engine(db, read_only=False)
    with engine.begin() as connection:
        connection.execute(text("update crawl_locks set host = 'elsewhere', seen_at = now() - :age"), {"age": age})
    engine.dispose()


def test_the_leases_of_a_crawler_that_was_killed_on_this_machine_are_free_at_once(server_db: str) -> None:
    with crawl(server_db, "hold", "15") as dead:
        held = {line.split()[0] for line in lines(dead, 15)}
        with Store.open(server_db) as store:
            assert len(store.claim(60, "headers")) == 45  # while it lives
    with Store.open(server_db) as store, store.crawling():
        assert {wanted.hub_id for wanted in store.claim(60, "headers")} == held


def test_a_crawler_that_dies_while_another_one_crawls_leaves_it_its_leases(server_db: str) -> None:
    with Store.open(server_db) as store, store.crawling():
        with crawl(server_db, "hold", "15") as other:
            held = {line.split()[0] for line in lines(other, 15)}
            assert len(store.claim(60, "headers")) == 45
            assert (store.claim(60, "headers"), store.count_held_by_others("headers")) == ([], 15)
        assert {wanted.hub_id for wanted in store.claim(60, "headers")} == held


def test_a_crawl_sends_heartbeats_while_it_writes_nothing(server_db: str) -> None:
    engine = open_engine(server_db, read_only=False)
    with engine.begin() as connection:
        token = acquire_lock(Rows(connection), server_db, datetime.now(UTC))
        connection.execute(text("update crawl_locks set seen_at = now() - interval '1 hour'"))
    with heartbeat(engine, token, seconds=0.01), CatalogReader(server_db) as reader:
        while not reader.all("select 1 from crawl_locks where seen_at > now() - interval '1 minute'"):
            pass  # the test's time limit ends it
    engine.dispose()


@pytest.mark.parametrize(
    ("host", "pid", "age", "has_ended"),
    [
        ("elsewhere", 1, LIVING, False),
        ("elsewhere", 1, SILENT, True),
        (socket.gethostname(), os.getpid(), SILENT, False),
        (socket.gethostname(), 2**22 + 1, timedelta(0), True),
    ],
    ids=["elsewhere", "elsewhere, silent", "here, silent", "here, ended"],
)
def test_a_crawler_has_ended_with_its_process_or_where_that_can_not_be_seen_with_its_heartbeats(
    host: str, pid: int, age: timedelta, has_ended: bool
) -> None:
    now = datetime.now(UTC)
    holder = LockHolder("crawl", pid, host, now, now - age, "0123 ")
    assert holder.has_ended(now, HEARTBEAT_TIMEOUT) is has_ended


def test_a_lease_that_was_given_back_is_free_at_once(db: str) -> None:
    with Store.open(db) as store:
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([1, 2]))
        wanted = store.claim(2, "headers")
        assert store.claim(2, "headers") == []
        store.release(wanted[:1])
        again = store.claim(2, "headers")
        assert [each.hub_id for each in again] == [wanted[0].hub_id]
        assert again[0].lease > wanted[0].lease


def test_the_backlog_is_what_a_crawl_has_still_to_visit(db: str) -> None:
    with Store.open(db) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page([1, 2, 3]))
        assert (store.backlog("listing"), store.backlog("files"), store.backlog("headers")) == (0, 3, 3)
        files_only = enrichment(1, depth="files", headers=(), artifacts=())
        store.save_enrichments(run, [(files_only, 0), (enrichment(2), 0)])
        assert (store.backlog("files"), store.backlog("headers")) == (1, 2)
        (again,) = (each for each in store.claim(5, "headers") if each.hub_id == repo(1).hub_id)
        assert again.depth == "files"

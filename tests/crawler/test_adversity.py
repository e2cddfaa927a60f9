"""Faults of the machine, the network and the clock: a crawl ends in the same catalog, or reports why not."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from crawler.cli import cli
from crawler.cli.crawl import crawled as _of_the_cli  # noqa: F401  # imported before its files become unreadable to the test's user
from crawler.cli.errors import run_command
from crawler.errors import HubUnreachable
from crawler.pipeline import crawl
from crawler.settings import CrawlSettings
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.source import HuggingFaceSource
from crawler.sources.pacer import Pacer
from db.errors import CatalogBusy, CatalogError, CatalogLocked
from db.records import RunRecord
from db.write.store import Store
from samplehub import MEMBER, Fault, Kind, SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import make_client, plain_repos, run_crawl, small_catalog
from tests.crawler.test_crawl import rows, start_crawl, wait_until

COUNT = 24


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog of a crawl without faults."""
    db = tmp_path_factory.mktemp("truth") / "catalog.db"
    with SampleHub(catalog=small_catalog(COUNT)) as sample:
        assert run_crawl(db, sample).outcome == "complete"
    return db


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(COUNT)) as hub:
        yield hub


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


def run_crawl_in(store: Store, sample: SampleHub, **orders: Any) -> RunRecord:
    return crawl(store, HuggingFaceSource(make_client(sample)), replace(CrawlSettings(page=10, workers=4), **orders))[
        -1
    ]


# ---- the disk -------------------------------------------------------------------------------------------------------


def test_a_full_disk_is_reported_and_loses_nothing(sample: SampleHub, db: Path, truth: Path) -> None:
    with Store.open(db, create=True) as store:
        pages = rows(db, "pragma page_count")[0][0]
        event.listen(store._engine, "checkout", lambda held, *_: held.execute(f"pragma max_page_count = {pages + 4}"))
        with pytest.raises(CatalogError, match="can't grow: database or disk is full") as caught:
            run_crawl_in(store, sample)
    assert "make room" in caught.value.hint
    assert rows(db, "pragma integrity_check") == [("ok",)]
    run_crawl(db, sample)
    assert differences(truth, db) == []


def test_a_failing_disk_is_not_reported_as_a_damaged_catalog(sample: SampleHub, db: Path, truth: Path) -> None:
    """A limit on the size of files, as quotas and other file systems have: the log of what is written reaches it."""
    with Store.open(db, create=True):
        pass
    most = 100_000
    # Without COVERAGE_: coverage would write its own data, and fail at the same limit.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "COVERAGE_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "crawler.cli", "crawl", "--db", str(db), "--endpoint", sample.endpoint],
        env=env | {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert ended.returncode == 3, ended.stderr
    assert "can't be read or written" in ended.stderr
    assert "look at the disk" in ended.stderr
    assert "Traceback" not in ended.stderr
    run_crawl(db, sample)
    assert differences(truth, db) == []


@pytest.mark.parametrize(("name", "mode"), [("catalog.db", 0o555), ("new.db", 0o555), ("catalog.db", 0o000)])
def test_a_read_only_folder_is_reported(
    sample: SampleHub, name: str, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", MEMBER)  # otherwise the token file of root would be read
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        folder, messages = Path(made) / "readonly", Path(made) / "messages"
        folder.mkdir()
        run_crawl(folder / "catalog.db", sample, depth="listing")
        (folder / "catalog.db").chmod(0o444)
        folder.chmod(mode)
        line = ["crawl", "--db", str(folder / name), "--endpoint", sample.endpoint, "--depth", "listing"]
        pid = os.fork()
        if pid == 0:
            with messages.open("w") as sys.stderr:
                if os.geteuid() == 0:
                    os.setuid(65534)  # the user nobody, for whom permissions hold
                status = run_command(lambda: cli.main(line, standalone_mode=False), line)
            os._exit(status)
        ended, err = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), messages.read_text()
        folder.chmod(0o755)
    assert ended == 3, err
    assert str(folder / name) in err
    assert "permission" in err.lower()
    assert "Traceback" not in err


@pytest.mark.parametrize("state", ["closed", "in use", "killed", "log alone"])
def test_an_account_that_may_only_read_makes_a_backup(sample: SampleHub, state: str) -> None:
    """Of another user's catalog, in a folder where it may write nothing, while a crawl has a log open and after."""
    with tempfile.TemporaryDirectory() as made:
        folder, target = Path(made) / "readonly", Path(made) / "own"
        Path(made).chmod(0o755)
        folder.mkdir()
        target.mkdir()
        target.chmod(0o777)
        run_crawl(folder / "catalog.db", sample, depth="listing")
        writer = sqlite3.connect(folder / "catalog.db", isolation_level=None)
        writer.execute(
            "insert into skips (repo_id, reason, detail, seen_at) values ('a/late', 'failed', '', '2026-01-01')"
        )
        if state in ("killed", "log alone"):
            for end in ("", "-wal", *(["-shm"] if state == "killed" else [])):
                shutil.copy(folder / f"catalog.db{end}", folder / f"copy.db{end}")
            writer.close()
        elif state == "closed":
            writer.close()
        name = "copy.db" if state in ("killed", "log alone") else "catalog.db"
        folder.chmod(0o555)
        for file in folder.iterdir():
            file.chmod(0o444)
        pid = os.fork()
        if pid == 0:
            if os.geteuid() == 0:
                os.setuid(65534)  # the user nobody, for whom permissions hold
            line = ["db", "backup", str(target / "backup.db"), "--db", str(folder / name), "-q"]
            os._exit(run_command(lambda: cli.main(line, standalone_mode=False), line))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        writer.close()
        folder.chmod(0o755)
        assert rows(target / "backup.db", "select count(*) from skips where repo_id = 'a/late'") == [(1,)]
        assert [file.name for file in target.iterdir()] == ["backup.db"]


# ---- other processes with the catalog -------------------------------------------------------------------------------


def test_a_crawl_waits_for_another_writer(sample: SampleHub, db: Path, truth: Path) -> None:
    with Store.open(db, create=True):
        pass
    other = sqlite3.connect(db, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    letting_go = threading.Timer(1.0, other.execute, ["rollback"])
    letting_go.start()
    assert run_crawl(db, sample).outcome == "complete"
    letting_go.join()
    other.close()
    assert differences(truth, db) == []


def test_a_writer_that_never_finishes_is_reported(
    sample: SampleHub, db: Path, truth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.sqlite_file.BUSY_SECONDS", 0.2)
    other = sqlite3.connect(db, isolation_level=None, check_same_thread=False)
    sample.faults.add(Fault(Kind.STALL, on="info", after=5, seconds=0.5))
    with Store.open(db, create=True) as store:

        def lock_after_a_fault() -> None:
            wait_until(lambda: any(sample.faults.hits.values()))
            other.execute("begin immediate")

        taking = threading.Thread(target=lock_after_a_fault)
        taking.start()
        with pytest.raises(CatalogBusy, match="busy: database is locked"):
            run_crawl_in(store, sample)
        taking.join()
    other.close()
    change(db, "update crawl_locks set pid = ?", 2**22 + 1)  # it could not be released: its process must have ended
    run_crawl(db, sample)
    assert differences(truth, db) == []
    assert rows(db, "select count(*) from crawl_locks") == [(0,)]


def test_a_long_read_transaction_does_not_disturb_a_crawl(sample: SampleHub, db: Path, truth: Path) -> None:
    run_crawl(db, sample, depth="listing")
    reader = sqlite3.connect(db, isolation_level=None)
    reader.execute("begin")
    before = reader.execute("select count(*) from repo_files").fetchone()
    assert run_crawl(db, sample).outcome == "complete"
    assert reader.execute("select count(*) from repo_files").fetchone() == before == (0,)
    reader.close()
    assert differences(truth, db) == []


# ---- clocks and sleep -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("years", [-6, 6])
def test_a_wrong_clock_has_no_lasting_effect(sample: SampleHub, db: Path, years: int) -> None:
    """After a crawl with a wrong clock, a repo that failed is tried again, and one that vanished is gone."""
    sample.faults.add(Fault(Kind.SERVER_ERROR, on="info", match="acme/Gemma-1-1B-it-0", times=None))
    wrong = datetime.now(UTC) + timedelta(days=365 * years)
    with Store.open(db, create=True, clock=lambda: wrong) as store:
        assert run_crawl_in(store, sample).repos_enriched == COUNT + 3
    sample.faults.clear()
    sample.catalog.remove("acme/Gemma-1-4B-it-3")
    run = run_crawl(db, sample, full=True)
    assert run.repos_enriched == 1
    run_crawl(db, sample)
    assert rows(db, "select repo_id from repos where status = 'gone'") == [("acme/Gemma-1-4B-it-3",)]


def test_no_clock_makes_a_running_crawl_look_dead(db: Path) -> None:
    with Store.open(db, create=True) as store, store.crawling():
        for stepped in ("1999-01-01T00:00:00.000Z", "2090-01-01T00:00:00.000Z"):
            change(db, "update crawl_locks set started_at = ?, seen_at = ?", stepped, stepped)
            with (
                Store.open(db) as other,
                pytest.raises(CatalogLocked, match=f"process {os.getpid()}"),
                other.crawling(),
            ):
                pass


def test_the_lock_of_a_dead_process_is_taken_over_though_its_pid_is_in_use_again(db: Path) -> None:
    with Store.open(db, create=True) as store:
        with store.crawling():
            kept = rows(db, "select name, pid, host, started_at, seen_at, token from crawl_locks")[0]
        change(db, "insert into crawl_locks values (?, ?, ?, ?, ?, ?)", *kept[:5], "0123 another-start 17")
        with store.crawling():
            assert rows(db, "select count(*) from crawl_locks") == [(1,)]


def test_a_crawl_that_lost_its_lock_while_suspended_ends(sample: SampleHub, db: Path) -> None:
    lost = pytest.raises(CatalogLocked, match="process 1 on elsewhere")
    with Store.open(db, create=True) as store, lost, store.crawling():
        run = store.start_run("full", "", sample.endpoint)
        change(db, "update crawl_locks set pid = 1, host = 'elsewhere', token = 'theirs'")
        store.update_run(run)
    assert rows(db, "select token from crawl_locks") == [("theirs",)], "the lock of the other process stays"


def change(db: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(db) as connection:
        connection.execute(sql, values)
    connection.close()


def test_a_suspended_crawl_continues(sample: SampleHub, db: Path, truth: Path) -> None:
    crawl = start_crawl(db, sample)
    for asked in (2, 12):
        wait_until(lambda: len(sample.requests) >= asked)  # noqa: B023
        crawl.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        crawl.send_signal(signal.SIGCONT)
    _, err = crawl.communicate(timeout=300)
    assert crawl.returncode == 0, err
    assert differences(truth, db) == []


# ---- the network ----------------------------------------------------------------------------------------------------


def test_a_crawl_waits_for_a_hub_that_comes_back(sample: SampleHub, db: Path, truth: Path) -> None:
    sample.faults.add(Fault(Kind.STALL, on="info", seconds=0.05, times=None))
    ended: list[RunRecord] = []
    hub = make_client(sample, backoff=0.1, patience=60)
    crawling = threading.Thread(target=lambda: ended.append(run_crawl(db, sample, hub=hub)))
    crawling.start()
    wait_until(lambda: len(sample.requests) >= 8)
    port = int(sample.endpoint.rpartition(":")[2])
    sample.stop()
    time.sleep(1.0)
    with SampleHub(catalog=sample.catalog, port=port):
        crawling.join(60)
    assert [run.outcome for run in ended] == ["complete"]
    assert ended[0].repos_skipped == 0
    assert differences(truth, db) == []


def test_a_crawl_waits_until_name_resolution_works_again(
    sample: SampleHub, db: Path, truth: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.faults.add(Fault(Kind.RESET, on="info", after=4, every=3, times=5))
    real = socket.getaddrinfo
    lost: list[Any] = []

    def lookup(*asked: Any, **more: Any) -> Any:
        if any(sample.faults.hits.values()) and len(lost) < 6:
            lost.append(asked)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(*asked, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert run_crawl(db, sample, hub=make_client(sample, patience=60)).outcome == "complete"
    assert len(lost) == 6
    assert differences(truth, db) == []


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1:1"])
def test_an_unreachable_hub_is_one_error(db: Path, host: str) -> None:
    hub = HubClient(f"http://{host}", False, timeout=1, tries=2, backoff=0.01, offline=False)
    with pytest.raises(HubUnreachable, match=f"at http://{re.escape(host)} can't be reached: ") as caught:
        hub.check_connection()
    assert "Errno" in caught.value.why


def test_a_silent_socket_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(HubUnreachable, match="no response in time"):
            HubClient(
                f"http://127.0.0.1:{port}", False, timeout=0.2, tries=2, backoff=0.01, offline=False
            ).check_connection()


# ---- incomplete listings ------------------------------------------------------------------------------------


def test_a_truncated_listing_is_noticed_and_read_again(sample: SampleHub, db: Path, truth: Path) -> None:
    sample.faults.add(*(Fault(Kind.CUT_LISTING, on="listing", after=after, count=0) for after in (0, 1)))
    run = run_crawl(db, sample)
    assert all(sample.faults.hits.values())
    assert run.repos_seen == len(sample.catalog)
    assert differences(truth, db) == []


def test_a_listing_that_is_truncated_at_one_end_is_read_from_the_other(
    sample: SampleHub, db: Path, truth: Path
) -> None:
    sample.faults.add(Fault(Kind.CUT_LISTING, on="listing", after=1, match="direction=1", count=1, times=None))
    run = run_crawl(db, sample)
    assert run.outcome == "complete"
    assert "from the newest repo on" in str(run.detail)
    assert differences(truth, db) == []


def test_a_listing_that_is_truncated_at_both_ends_is_incomplete_and_resumed(
    sample: SampleHub, db: Path, truth: Path
) -> None:
    sample.faults.add(Fault(Kind.CUT_LISTING, on="listing", match="cursor", count=1, times=None))
    run = run_crawl(db, sample)
    assert run.outcome == "incomplete"
    assert "ends before its newest repo" in str(run.detail)
    assert rows(db, "select outcome, swept_from from crawl_runs") == [("incomplete", None)]
    sample.faults.clear()
    assert run_crawl(db, sample).outcome == "complete"
    assert differences(truth, db) == []


@pytest.mark.parametrize("cursor", ["of another time", "eyJjcmVhdGVkQXQiOiJ4In0="])
@pytest.mark.parametrize("is_dated", [True, False], ids=["dated", "of 0.1.0"])
def test_a_cursor_that_the_hub_refuses_is_replaced(
    sample: SampleHub, db: Path, truth: Path, cursor: str, is_dated: bool
) -> None:
    """Otherwise every later crawl would request the same page and be refused."""
    assert run_crawl(db, sample, hub=make_client(sample, pacer=Pacer(budget=2))).outcome == "stopped"
    change(db, "update cursors set cursor = ?", cursor)
    if not is_dated:
        change(db, "update cursors set created_at = null")
    before = rows(db, "select count(*) from repos")[0][0]
    run = run_crawl(db, sample)
    assert run.outcome == "complete"
    assert run.repos_seen <= len(sample.catalog) - (before - 1 if is_dated else 0)
    assert differences(truth, db) == []


def test_a_truncated_incremental_walk_loses_no_change(sample: SampleHub, db: Path) -> None:
    run_crawl(db, sample)
    changed = [repo.id for repo in sample.catalog][:23]
    for at, name in enumerate(changed):
        sample.catalog.change_files(
            name, {"new.txt": b"new"}, modified=datetime(2026, 8, 1, 0, 7 * at % 23, tzinfo=UTC)
        )
    sample.faults.add(Fault(Kind.CUT_LISTING, on="listing", after=1, match="sort=lastModified", count=2))
    run = run_crawl(db, sample)
    assert all(sample.faults.hits.values())
    assert (run.kind, run.repos_changed) == ("incremental", len(changed))


def test_a_listing_that_lacks_many_repos_marks_none_as_gone(
    sample: SampleHub, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.discover.missing.MIN_MISSING_TOLERATED", 5)
    run_crawl(db, sample)
    sample.faults.add(Fault(Kind.SKIPPED_ROWS, on="listing", match="direction=1", after=1, count=6, times=2))
    run = run_crawl(db, sample, full=True)
    assert run.outcome == "incomplete"
    assert "6 known repos are missing from the listing, but exist" in str(run.detail)
    assert rows(db, "select count(*) from repos where status = 'gone'") == [(0,)]
    assert rows(db, "select count(*) from missing_repos") == [(0,)]
    run = run_crawl(db, sample)
    assert (run.kind, run.outcome) == ("full", "complete"), "the next crawl lists all again"


def test_many_repos_that_vanished_are_gone_after_another_run(
    sample: SampleHub, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.discover.missing.MIN_MISSING_TOLERATED", 5)
    run_crawl(db, sample)
    for repo in list(sample.catalog)[:6]:
        sample.catalog.remove(repo.id)
    for full, gone in ((True, 0), (False, 6)):
        assert run_crawl(db, sample, full=full).outcome == "complete"
        assert rows(db, "select count(*) from repos where status = 'gone'") == [(gone,)]


def test_probes_are_limited_and_continue_in_the_next_run(
    sample: SampleHub, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.discover.missing.MAX_PROBES_PER_RUN", 2)
    run_crawl(db, sample)
    for repo in list(sample.catalog)[:3]:
        sample.catalog.remove(repo.id)
    gone = "select count(*) from repos where status = 'gone'"
    found = []
    for _ in range(3):
        run_crawl(db, sample, full=True)
        found.append(rows(db, gone)[0][0])
    assert found == [0, 1, 3], "two requests a run, two for each repo, those first that were never requested"


def test_every_repo_is_accounted_for(sample: SampleHub, db: Path) -> None:
    sample.faults.add(
        Fault(Kind.SHIFTED_PAGE, on="listing", after=1, count=3), Fault(Kind.WRONG_TYPES, on="listing", after=1)
    )
    first = run_crawl(db, sample)
    plain_repos(sample.catalog, 2, start=700)
    sample.catalog.modify("acme/Gemma-1-4B-it-3", downloads=10**7)
    sample.faults.clear()
    second = run_crawl(db, sample, full=True)
    for run, seen in ((first, COUNT + 4), (second, COUNT + 6)):
        assert run.repos_seen == run.repos_new + run.repos_changed + run.repos_unchanged == seen
    assert (first.repos_skipped, second.repos_skipped) == (6, 0)
    assert first.repos_skipped == rows(db, "select count(*) from skips")[0][0]
    assert "3 rows of the listing came twice" in str(first.detail)
    assert (second.repos_new, second.repos_changed) == (2, 2), "what had wrong types is right now"

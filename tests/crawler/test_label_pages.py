"""Pages labelled by a second process have the same labels, and none is lost when the process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest

from crawler import label_pages
from crawler.label_pages import LabelledPage, PageLabeller, label_repos, receive, send
from crawler.sources.pacer import Pacer
from db.labels import Labels
from db.records import Labelled, RepoRecord
from samplehub import SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import make_client, run_crawl, small_catalog

PAGES = [
    [RepoRecord(f"{page:012x}{at:012x}", f"acme/gemma-3-{at + 1}b-it-{page}") for at in range(30)] for page in range(4)
]
BROKEN = RepoRecord("0" * 24, "acme/odd", languages=(None,))  # type: ignore[arg-type]  # what no parser lets through


@pytest.fixture
def process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is started with the first page, which waits for it."""
    monkeypatch.setattr(label_pages, "MIN_REPOS_FOR_PROCESS", 0)
    monkeypatch.setattr(label_pages, "READY_POLL_SECONDS", 60)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def process_of(labeller: PageLabeller) -> subprocess.Popen[bytes]:
    assert labeller._process is not None
    return labeller._process


# ---- who labels ----------------------------------------------------------------------------------------------------


def test_one_process_labels_all_pages_and_ends_with_the_listing(process_at_once: None) -> None:
    with PageLabeller() as labeller:
        for page in PAGES:
            assert labeller.submit(page)() == label_repos(page)
        process = process_of(labeller)
        assert process.poll() is None
    assert process.returncode is not None


def test_a_short_listing_starts_no_process() -> None:
    with PageLabeller() as labeller:
        for page in PAGES:
            assert labeller.submit(page)() == label_repos(page)
        assert labeller._process is None


def test_one_core_starts_no_process(process_at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with PageLabeller() as labeller:
        assert labeller.submit(PAGES[0])() == label_repos(PAGES[0])
        assert labeller._process is None


def test_pages_do_not_wait_for_a_process_that_still_starts(
    process_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_pages, "READY_POLL_SECONDS", 0)
    monkeypatch.setattr(sys, "executable", "/bin/cat")  # an option -P is an error: it sends nothing
    with PageLabeller() as labeller:
        assert [labeller.submit(page)() for page in PAGES] == [label_repos(page) for page in PAGES]


def test_an_executor_labels_instead_of_the_process(process_at_once: None) -> None:
    with ThreadPoolExecutor(1) as executor, PageLabeller(executor) as labeller:
        assert labeller.submit(PAGES[0])() == label_repos(PAGES[0])
        assert labeller._process is None


def test_labels_are_made_here_where_no_process_can_be_started(
    process_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with PageLabeller() as labeller:
        assert [labeller.submit(page)() for page in PAGES] == [label_repos(page) for page in PAGES]
        assert labeller._process is None


def test_a_repo_whose_labels_fail_is_reported_and_the_page_is_stored(process_at_once: None) -> None:
    with PageLabeller() as labeller:
        page = labeller.submit([BROKEN, *PAGES[0]])()
    assert len(page.bugs) == 1 and "acme/odd has no labels" in page.bugs[0]
    assert page.labels[0] == Labelled(Labels(), ())
    assert page.labels[1:] == label_repos(PAGES[0]).labels


# ---- when the process dies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dies", ["before a page is sent", "after a page was sent"])
def test_a_process_that_dies_loses_no_page(process_at_once: None, dies: str) -> None:
    with PageLabeller() as labeller:
        assert labeller.submit(PAGES[0])() == label_repos(PAGES[0])
        process = process_of(labeller)
        if dies == "after a page was sent":
            process.send_signal(signal.SIGSTOP)  # it can't answer before it is killed
            labels = labeller.submit(PAGES[1])
            process.kill()
        else:
            process.kill()
            process.wait()
            labels = labeller.submit(PAGES[1])
        assert labels() == label_repos(PAGES[1])
        assert labeller.submit(PAGES[2])() == label_repos(PAGES[2])
        assert labeller._process is None, "it is not started again"


@pytest.mark.parametrize("answer", [(1, 2), None, "labels"])
def test_an_answer_that_is_no_page_is_not_used(
    process_at_once: None, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    with PageLabeller() as labeller:
        labels = labeller.submit(PAGES[0])
        monkeypatch.setattr(label_pages, "receive", lambda connection: answer)
        assert labels() == label_repos(PAGES[0])
        assert labeller._process is None


def test_a_machine_that_sleeps_while_labels_are_sent_loses_none(process_at_once: None) -> None:
    """The labels are more than the pipe holds, so the process is stopped in the middle of writing them."""
    many = [replace(repo, hub_id=f"{at:024x}") for at, repo in enumerate(PAGES[0] * 40)]
    with PageLabeller() as labeller:
        labels = labeller.submit(many)
        process = process_of(labeller)
        connection = labeller._connection
        assert connection is not None and connection.poll(60), "it has begun to write"
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
        assert labels() == label_repos(many)
        assert labeller._process is process and process.poll() is None


def test_the_process_ends_when_its_parent_dies() -> None:
    """The system closes a dead process's end of the pipe."""
    ours, theirs = Pipe()
    command = [sys.executable, "-P", "-m", "crawler.label_pages", str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)
    theirs.close()
    assert ours.recv_bytes() == b"ready"
    send(ours, PAGES[0])
    assert receive(ours) == label_repos(PAGES[0])
    ours.close()
    assert process.wait(300) == 0


# ---- what the process is given -------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system does not show the environment")
def test_the_process_gets_no_token(process_at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "secret" * 6)
    with PageLabeller() as labeller:
        labeller.submit(PAGES[0])()
        assert b"secret" not in Path(f"/proc/{process_of(labeller).pid}/environ").read_bytes()


@pytest.mark.parametrize("name", ["crawler", "analysis", "json.py", "pickle.py"])
def test_the_process_imports_nothing_from_the_current_directory(
    process_at_once: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    planted = tmp_path / name if name.endswith(".py") else tmp_path / name / "__init__.py"
    planted.parent.mkdir(exist_ok=True)
    planted.write_text("raise SystemExit('imported from the current directory')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with PageLabeller() as labeller:
        assert labeller.submit(PAGES[0])() == label_repos(PAGES[0])
        assert process_of(labeller).poll() is None


def test_ctrl_c_does_not_reach_the_process(process_at_once: None) -> None:
    """A terminal sends SIGINT to the processes of its session: this one has a session of its own."""
    with PageLabeller() as labeller:
        labeller.submit(PAGES[0])()
        assert os.getsid(process_of(labeller).pid) != os.getsid(0)


# ---- in a crawl ----------------------------------------------------------------------------------------------------


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(80)) as hub:
        yield hub


def test_a_crawl_makes_the_same_catalog_with_the_process(
    process_at_once: None, sample: SampleHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled: list[Sequence[RepoRecord]] = []
    original = PageLabeller._receive_labels

    def record(self: PageLabeller, repos: Sequence[RepoRecord]) -> LabelledPage:
        labelled.append(repos)
        return original(self, repos)

    monkeypatch.setattr(PageLabeller, "_receive_labels", record)
    monkeypatch.setattr(label_pages, "MIN_REPOS_FOR_PROCESS", 30)
    run_crawl(tmp_path / "process.db", sample, depth="listing")
    assert sum(map(len, labelled)) == len(sample.catalog) - 20
    monkeypatch.setattr(label_pages, "MIN_REPOS_FOR_PROCESS", 1_000_000)
    run_crawl(tmp_path / "here.db", sample, depth="listing")
    assert differences(tmp_path / "here.db", tmp_path / "process.db") == []


def test_a_page_that_is_being_labelled_is_stored_when_the_crawl_stops(
    process_at_once: None, sample: SampleHub, tmp_path: Path
) -> None:
    run = run_crawl(tmp_path / "some.db", sample, depth="listing", hub=make_client(sample, pacer=Pacer(budget=4)))
    assert run.outcome == "stopped"
    assert run.repos_seen == 40, "every page that was requested"
    run_crawl(tmp_path / "some.db", sample, depth="listing")
    run_crawl(tmp_path / "whole.db", sample, depth="listing")
    assert differences(tmp_path / "some.db", tmp_path / "whole.db") == []

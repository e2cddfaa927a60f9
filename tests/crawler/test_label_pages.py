"""Labels made by a process beside the crawl: the same ones, and none lost when it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crawler import label_pages as labeller
from crawler.label_pages import PageLabeller, label_repos
from crawler.sources.pacer import Pacer
from db.labels import Labels
from db.records import Labelled, RepoRecord
from samplehub import SampleHub
from tests.crawler.dump import differences
from tests.crawler.hubs import crawled, hub_of, small_catalog

PAGES = [
    [RepoRecord(f"{page:012x}{at:012x}", f"acme/gemma-3-{at + 1}b-it-{page}") for at in range(30)] for page in range(4)
]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process works from the first page on."""
    monkeypatch.setattr(labeller, "BEGUN", 0)
    monkeypatch.setattr(labeller, "PATIENCE", 20)
    monkeypatch.setattr(labeller.os, "cpu_count", lambda: 2)


def child(beside: PageLabeller) -> subprocess.Popen[bytes]:
    process = beside._process
    assert process is not None
    return process


def test_a_process_makes_the_labels_that_are_made_here(at_once: None) -> None:
    with PageLabeller() as beside:
        for page in PAGES:
            assert beside.submit(page)() == label_repos(page)
        process = child(beside)
        assert process.poll() is None, "one process, for all pages"
    assert process.poll() is not None, "and none when they are done"


def test_a_short_walk_starts_no_process() -> None:
    with PageLabeller() as beside:
        for page in PAGES:
            assert beside.submit(page)() == label_repos(page)
        assert beside._process is None


def test_until_it_is_there_nothing_waits_for_it(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeller, "PATIENCE", 0)
    monkeypatch.setattr(labeller, "READY", b"never said")
    with PageLabeller() as beside:
        assert [beside.submit(page)() for page in PAGES] == [label_repos(page) for page in PAGES]


@pytest.mark.parametrize("dies", ["before a page", "with a page in its hands"])
def test_a_process_that_dies_loses_no_page(at_once: None, dies: str) -> None:
    with PageLabeller() as beside:
        assert beside.submit(PAGES[0])() == label_repos(PAGES[0])
        if dies == "before a page":
            child(beside).kill()
            child(beside).wait()
        taken = beside.submit(PAGES[1])
        if beside._process is not None:
            child(beside).kill()
        labels = taken()
        assert labels == label_repos(PAGES[1])
        assert beside.submit(PAGES[2])() == label_repos(PAGES[2])


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system stops no process")
def test_a_machine_that_sleeps_while_labels_are_told_loses_none(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that is cut short must be gone on with, whatever Python is told of buffers."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    many = [replace(repo, hub_id=f"{at:024x}") for at, repo in enumerate(PAGES[0] * 40)]  # more than a pipe takes
    with PageLabeller() as beside:
        taken = beside.submit(many)
        process = child(beside)
        time.sleep(1)
        for _ in range(3):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.05)
        assert taken() == label_repos(many)
        assert beside._process is process and process.poll() is None, "and it is still the process that made them"


def test_what_makes_no_sense_is_not_believed(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with PageLabeller() as beside:
        beside.submit(PAGES[0])()
        taken = beside.submit(PAGES[1])
        monkeypatch.setattr(labeller.pickle, "load", lambda _: (1, 2))
        assert taken() == label_repos(PAGES[1])
        assert beside._process is None


def test_where_no_process_can_be_had_labels_are_made_here(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labeller.sys, "executable", "/no/such/python")
    with PageLabeller() as beside:
        assert [beside.submit(page)() for page in PAGES] == [label_repos(page) for page in PAGES]


def test_it_ends_with_its_input_and_keeps_no_secret() -> None:
    """As when the crawl is killed: its end of the line is closed by the system."""
    process = subprocess.Popen([sys.executable, "-m", "crawler.label_pages"], stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(20) == 0


def test_the_token_does_not_go_along(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "secret" * 6)
    with PageLabeller() as beside:
        beside.submit(PAGES[0])()
        environment = Path(f"/proc/{child(beside).pid}/environ")
        if not environment.exists():
            pytest.skip("this system does not show a process's environment")
        assert b"secret" not in environment.read_bytes()


def test_a_repo_that_trips_the_labels_is_noted_and_the_page_goes_on(
    at_once: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = RepoRecord("0" * 24, "acme/odd", languages=(None,))  # type: ignore[arg-type]  # no text, as it should be
    with PageLabeller() as beside:
        made = beside.submit([broken, *PAGES[0]])()
    assert len(made.bugs) == 1 and "acme/odd has no labels" in made.bugs[0]
    assert made.labels[0] == Labelled(Labels(), ())
    assert made.labels[1:] == label_repos(PAGES[0]).labels


# ---- in a crawl -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sample() -> Iterator[SampleHub]:
    with SampleHub(catalog=small_catalog(80)) as hub:
        yield hub


def test_a_crawl_with_it_ends_in_the_same_catalog(
    sample: SampleHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crawled(tmp_path / "alone.db", sample, depth="listing")
    used: list[Sequence[RepoRecord]] = []
    monkeypatch.setattr(labeller, "BEGUN", 30)
    monkeypatch.setattr(labeller, "PATIENCE", 20)
    monkeypatch.setattr(labeller.os, "cpu_count", lambda: 2)
    taken = PageLabeller._taken
    monkeypatch.setattr(PageLabeller, "_taken", lambda self, repos: (used.append(repos), taken(self, repos))[1])
    crawled(tmp_path / "beside.db", sample, depth="listing")
    assert sum(map(len, used)) == len(sample.catalog) - 20
    assert differences(tmp_path / "alone.db", tmp_path / "beside.db") == []


def test_a_page_in_its_hands_is_stored_when_a_crawl_ends(at_once: None, sample: SampleHub, tmp_path: Path) -> None:
    run = crawled(tmp_path / "some.db", sample, depth="listing", hub=hub_of(sample, pacer=Pacer(budget=4)))
    assert run.outcome == "stopped"
    assert run.repos_seen == 40, "every page that was paid for"
    crawled(tmp_path / "some.db", sample, depth="listing")
    crawled(tmp_path / "whole.db", sample, depth="listing")
    assert differences(tmp_path / "some.db", tmp_path / "whole.db") == []

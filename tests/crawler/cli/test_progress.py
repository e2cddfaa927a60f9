"""The progress bar shows what is done, of how much, and how long the crawl waits for its quota."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import get_args

import pytest
from rich.console import Console

from crawler.cli.progress import STAGES, Bar
from crawler.errors import CrawlStopped
from crawler.run_recorder import Progress, Stage
from crawler.settings import CrawlSettings
from crawler.sources.pacer import Pacer, Wait
from db.records import RepoFilter, RunRecord

RUN = RunRecord(1, datetime(2026, 11, 1, tzinfo=UTC))


def render(bar: Bar) -> str:
    """The text of the bar in a wide terminal."""
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    with console.capture() as capture:
        console.print(bar._bar.make_tasks_table(bar._bar.tasks))
    return capture.get()


def test_every_stage_of_a_crawl_has_a_title() -> None:
    assert STAGES.keys() == set(get_args(Stage))


def test_a_known_total_is_shown_for_each_stage() -> None:
    with Bar(Pacer(), CrawlSettings()) as bar:
        bar.update(Progress("discover", 1_000, 2_500, RUN))
        bar.update(Progress("discover", 2_000, 2_500, RUN))
        bar.update(Progress("enrich", 7, 40, RUN))
        text = render(bar)
    assert "2,000 of 2,500" in text
    assert "7 of 40" in text
    assert len(text.strip().splitlines()) == 2, "one line for each stage"


@pytest.mark.parametrize(("limit", "shown"), [(None, "300 repos"), (5_000, "300 of 5,000")])
def test_without_a_total_the_limit_of_the_crawl_is_shown(limit: int | None, shown: str) -> None:
    with Bar(Pacer(), CrawlSettings(scope=RepoFilter(limit=limit))) as bar:
        bar.update(Progress("discover", 300, None, RUN))
        assert shown in render(bar)


def test_a_wait_for_the_quota_is_shown_in_place_of_the_rate() -> None:
    pacer = Pacer()
    shown = []

    def show(wait: Wait) -> None:
        with Bar(pacer, CrawlSettings()) as bar:
            bar.update(Progress("enrich", 7, 40, RUN))
            shown.append(render(bar))
        pacer.stop("it was shown")

    pacer.on_wait = show
    with pytest.raises(CrawlStopped):
        pacer.pause(600, "the quota of api requests")
    assert "waiting for the quota of api requests: 600 s" in shown[0]

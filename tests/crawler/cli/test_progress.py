"""The progress bar shows what is done, of how much, and how long the crawl waits for its quota."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import get_args

import pytest
from rich.console import Console
from rich.progress import ProgressSample

from crawler.cli.progress import STAGES, Bar, remaining_text
from crawler.errors import CrawlStopped
from crawler.run_recorder import Progress, Stage
from crawler.settings import CrawlSettings
from crawler.sources.pacer import Pacer, Wait
from crawler.sources.rate_limit import RateLimit
from db.records import RepoFilter, RunRecord

RUN = RunRecord(1, datetime(2026, 11, 1, tzinfo=UTC))


def render(bar: Bar, width: int = 80) -> str:
    """The text of the bar in a terminal."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(bar._bar.get_renderable())
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


def test_a_wait_for_the_quota_is_shown_below_the_stages() -> None:
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
    assert re.search(r"^Waiting for the quota of api requests: 600 s, until \d\d:\d\d:\d\d$", shown[0], re.MULTILINE)


def test_the_least_quota_and_the_remaining_time_are_shown() -> None:
    pacer = Pacer()
    for bucket, left in (("api", 490), ("resolvers", 120)):
        pacer.acquire(bucket)
        pacer.on_response(bucket, 200, RateLimit(bucket, left, 100.0, 500, 300.0))
    with Bar(pacer, CrawlSettings()) as bar:
        bar.update(Progress("enrich", 1, 3, RUN))
        (task,) = bar._bar.tasks
        task.start_time = task.get_time() - 3600
        task.stop_time = task.get_time()
        text = render(bar)
    assert "quota 120/500" in text
    assert "ETA 2:00:00" in text, "a third took an hour"


def test_all_figures_of_a_crawl_of_millions_fit_80_columns() -> None:
    pacer = Pacer()
    pacer.acquire("api")
    pacer.on_response("api", 200, RateLimit("api", 499, 100.0, 1000, 300.0))
    with Bar(pacer, CrawlSettings()) as bar:
        bar.update(Progress("discover", 2_117_871, 3_117_871, RUN))
        (task,) = bar._bar.tasks
        task.start_time = task.get_time() - 20 * 3600
        task._progress.clear()
        task._progress.extend([ProgressSample(0.0, 0.0), ProgressSample(1.0, 12_345.0)])
        (line,) = render(bar).strip().splitlines()
    for words in ("Discovering", "2,117,871 of 3,117,871", "12,345/s", "quota 499/1000", "ETA 9:"):
        assert words in line
    assert len(line) <= 80
    assert "\u2026" not in line, "nothing is cut"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00:00"), (5025, "1:23:45"), (86_399, "23:59:59"), (86_400, "1d 0h"), (183_600, "2d 3h")],
)
def test_a_remaining_time_is_short(seconds: float, text: str) -> None:
    assert remaining_text(seconds) == text

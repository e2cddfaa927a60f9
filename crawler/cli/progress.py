"""The progress bar of a crawl: done, rate, quota left, remaining time, and what is waited for. Fits 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from crawler.pipeline import Progress as CrawlProgress
from crawler.settings import CrawlSettings
from crawler.sources.pacer import Pacer

STAGES = {"discover": "Discovering", "probe": "Checking", "enrich": "Reading", "cards": "Cards", "accounts": "Accounts"}

BAR_COLUMNS = 5
"""Width of the bar, so that all figures of a crawl of millions fit 80 columns."""

BUCKETS = ("api", "resolvers")


class Speed(ProgressColumn):
    """Repos per second in the last seconds."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class QuotaLeft(ProgressColumn):
    """The requests left of the quota of which least is left."""

    def __init__(self, pacer: Pacer) -> None:
        super().__init__()
        self._pacer = pacer

    def render(self, task: Task) -> Text:
        known = [
            (left / of, left, of)
            for left, of in map(self._pacer.quota, BUCKETS)
            if left is not None and of is not None and of > 0
        ]
        if not known:
            return Text("")
        _, left, of = min(known)
        return Text(f"quota {left}/{of}")


class RemainingTime(ProgressColumn):
    """The time that is left at the mean rate of this crawl, which includes its waits."""

    def render(self, task: Task) -> Text:
        if task.total is None or not task.elapsed or not task.completed:
            return Text("")
        seconds = max(task.total - task.completed, 0) * task.elapsed / task.completed
        return Text(f"ETA {remaining_text(seconds)}")


def remaining_text(seconds: float) -> str:
    """A time as `1:23:45`, or from a day on as `2d 3h`."""
    span = timedelta(seconds=round(seconds))
    return f"{span.days}d {span.seconds // 3600}h" if span.days else str(span)


class CrawlBars(Progress):
    """A line for each stage, and below them what all requests wait for."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(BAR_COLUMNS),
            TextColumn("{task.completed:,.0f}{task.fields[of]}"),
            Speed(),
            QuotaLeft(pacer),
            RemainingTime(),
            console=Console(stderr=True),
            transient=True,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        wait = self._pacer.wait
        if wait is not None and wait.seconds_left > 1:
            until = datetime.now().astimezone() + timedelta(seconds=wait.seconds_left)
            text = f"Waiting for {wait.reason}: {wait.seconds_left:.0f} s, until {until:%H:%M:%S}"
            yield Text(text, style="yellow")


class Bar:
    """A context manager; `update` is the crawl's progress callback."""

    def __init__(self, pacer: Pacer, settings: CrawlSettings) -> None:
        self._limit = settings.scope.limit
        self._bar = CrawlBars(pacer)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()

    def update(self, progress: CrawlProgress) -> None:
        total = progress.total if progress.total is not None else self._limit
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bar.add_task(STAGES[progress.stage], total=total, of="")
        of = f" of {total:,}" if total is not None else " repos"
        self._bar.update(self._tasks[progress.stage], completed=progress.done, total=total, of=of)

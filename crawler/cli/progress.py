"""The progress bar of a crawl: done, rate, remaining time, and waits for the quota."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from crawler.pipeline import Progress as CrawlProgress
from crawler.settings import CrawlSettings
from crawler.sources.pacer import Pacer

STAGES = {"discover": "Discovering", "probe": "Checking missing repos", "enrich": "Reading repos"}


class Speed(ProgressColumn):
    """Repos per second, or the time to wait for the quota."""

    def __init__(self, pacer: Pacer) -> None:
        super().__init__()
        self._pacer = pacer

    def render(self, task: Task) -> Text:
        wait = self._pacer.wait
        if wait is not None and wait.seconds_left > 1:
            return Text(f"waiting for {wait.reason}: {wait.seconds_left:.0f} s", style="yellow")
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class Bar:
    """A context manager; `update` is the crawl's progress callback."""

    def __init__(self, pacer: Pacer, settings: CrawlSettings) -> None:
        self._limit = settings.scope.limit
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}{task.fields[of]}"),
            Speed(pacer),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
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

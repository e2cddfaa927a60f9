"""The record of one run: its row of `crawl_runs` from start to end, and the progress that is reported meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from crawler.errors import CrawlError, CrawlStopped
from crawler.settings import CrawlSettings, scope_text
from crawler.sources.source import Source
from db.errors import CatalogError
from db.records import PageCounts, RepoRecord, RunRecord, Skipped
from db.write.store import Store

Stage = Literal["discover", "probe", "enrich", "cards", "accounts"]

MAX_NOTES = 10
"""Notes of a run after which no more errors of single repos are added."""

MAX_WAIT_DIFFERENCE = timedelta(seconds=2)
"""Two waits for the same reason that end within this time of each other are one."""

MAX_DETAIL_LENGTH = 2000
"""Characters of `crawl_runs.detail`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a crawl is. `total` is None where it is unknown."""

    stage: Stage
    done: int
    total: int | None
    run: RunRecord


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Requests:
    """What was requested of the Hub at one moment, in all."""

    api_requests: int
    resolver_requests: int
    bytes_read: int
    seconds_waited: float
    wrong_fields: Counter[str]

    @classmethod
    def of(cls, source: Source) -> Requests:
        counters = source.counters
        return cls(
            counters.api_requests,
            counters.resolver_requests,
            counters.bytes_read,
            source.pacer.seconds_waited,
            Counter(counters.wrong_fields),
        )


def do_nothing() -> None:
    """Of a run that leaves no time for other work."""


@dataclass(slots=True)
class RunRecorder:
    """One run with its counters. Used only by the thread that owns the store."""

    store: Store
    source: Source
    settings: CrawlSettings
    run: RunRecord
    callback: ProgressCallback
    notes: list[str] = field(default_factory=list)
    missing_parts: list[str] = field(default_factory=list)  # why the run is not complete
    without_commit: list[RepoRecord] = field(default_factory=list)  # repos that were listed without their commit
    between_pages: Callable[[], object] = do_nothing  # called where the store is free: other work may be done there
    _at_start: Requests = field(init=False)

    def __post_init__(self) -> None:
        self._at_start = Requests.of(self.source)

    @property
    def scope(self) -> str:
        return scope_text(self.settings.scope)

    def add_page(self, counts: PageCounts) -> None:
        run = self.run
        self.run = replace(
            run,
            repos_seen=run.repos_seen + counts.seen,
            repos_new=run.repos_new + counts.new,
            repos_changed=run.repos_changed + counts.changed,
            repos_unchanged=run.repos_unchanged + counts.unchanged,
            repos_skipped=run.repos_skipped + counts.skipped,
        )

    def add_skips(self, skips: Sequence[Skipped]) -> None:
        self.run = replace(self.run, repos_skipped=self.run.repos_skipped + len(skips))

    def add_enriched(self, count: int) -> None:
        self.run = replace(self.run, repos_enriched=self.run.repos_enriched + count)

    def add_notes(self, notes: Sequence[str]) -> None:
        """Adds notes about single repos, up to MAX_NOTES in all."""
        self.notes += notes[: max(MAX_NOTES - len(self.notes), 0)]

    def report_progress(self, stage: Stage, done: int, total: int | None = None) -> None:
        self.callback(Progress(stage, done, total, self.current()))

    def current(self) -> RunRecord:
        """The run with its requests until now."""
        now, start = Requests.of(self.source), self._at_start
        return replace(
            self.run,
            api_requests=now.api_requests - start.api_requests,
            resolver_requests=now.resolver_requests - start.resolver_requests,
            bytes_read=now.bytes_read - start.bytes_read,
            seconds_waited=round(now.seconds_waited - start.seconds_waited, 3),
            wrong_fields=dict(now.wrong_fields - start.wrong_fields),
        )

    def save_wait(self) -> None:
        """Stores what the run waits for, when it has changed."""
        wait = self.source.pacer.wait
        until = None if wait is None else datetime.now(UTC) + timedelta(seconds=wait.seconds_left)
        reason = None if wait is None else wait.reason
        known = self.run.waiting_until
        is_same = reason == self.run.waiting_for and (
            known is None or until is None or abs(until - known) < MAX_WAIT_DIFFERENCE
        )
        if not is_same:
            self.run = replace(self.run, waiting_for=reason, waiting_until=until)
            self.save()

    def save(self) -> None:
        """Stores the counters as they are, so that they are nearly right even if the run is killed."""
        self.store.update_run(self.current())

    def change_kind(self, kind: str) -> None:
        """Makes the run one of another kind, where the Hub can't be listed as was planned."""
        self.run = replace(self.run, kind=kind)
        self.save()

    def close(self, outcome: Literal["complete", "incomplete", "stopped", "failed"], detail: str | None = None) -> None:
        text = "; ".join([*self.notes, *self.missing_parts, *([detail] if detail else [])])
        run = replace(self.current(), waiting_for=None, waiting_until=None, finished_at=datetime.now(UTC))
        self.run = replace(run, outcome=outcome, detail=text[:MAX_DETAIL_LENGTH] or None)
        self.store.finish_run(self.run)


@contextmanager
def recorded_run(
    store: Store, source: Source, settings: CrawlSettings, kind: str, callback: ProgressCallback
) -> Iterator[RunRecorder]:
    """A run from start to end: closed as complete, as incomplete where a part of the listing is missing, as stopped
    (CrawlStopped), or as failed with the error."""
    run = store.start_run(kind, scope_text(settings.scope), source.endpoint)
    recorder = RunRecorder(store, source, settings, run, callback)
    try:
        yield recorder
    except CrawlStopped as stopped:
        recorder.close("stopped", stopped.why)
    except CrawlError as error:
        recorder.close("failed", str(error))
        raise
    except CatalogError as error:
        with suppress(CatalogError):  # the cause may prevent this write too
            recorder.close("failed", str(error))
        raise
    except Exception as error:
        recorder.close("failed", f"internal error: {type(error).__name__}: {str(error)[:300]}")
        raise
    else:
        recorder.close("incomplete" if recorder.missing_parts else "complete")

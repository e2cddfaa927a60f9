"""The books of one crawl: its row of crawl_runs from start to end, and what whoever watches is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from crawler.errors import CrawlError, CrawlStopped
from crawler.settings import CrawlSettings, scope_text
from crawler.sources.huggingface.client import HubClient
from db.errors import CatalogError
from db.records import RunRecord, Skipped
from db.write.listing import PageCounts
from db.write.store import Store

Stage = Literal["discover", "probe", "enrich"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a crawl is. `total` is None where nobody knows how much there is."""

    stage: Stage
    done: int
    total: int | None
    run: RunRecord


ProgressCallback = Callable[[Progress], None]


@dataclass(slots=True)
class RunRecorder:
    """One run, counted. Only the thread that owns the store writes to it."""

    store: Store
    hub: HubClient
    settings: CrawlSettings
    run: RunRecord
    tell: ProgressCallback
    notes: list[str] = field(default_factory=list)
    _before: tuple[int, int, int, float] = (0, 0, 0, 0.0)  # what the Hub had been asked when the run was opened

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

    def report_progress(self, stage: Stage, done: int, total: int | None = None) -> None:
        self.tell(Progress(stage, done, total, self.current()))

    def current(self) -> RunRecord:
        """The run with what the Hub was asked until now."""
        asked = self.hub.counters
        return replace(
            self.run,
            api_requests=asked.api_requests - self._before[0],
            resolver_requests=asked.resolver_requests - self._before[1],
            bytes_read=asked.bytes_read - self._before[2],
            seconds_waited=round(self.hub.seconds_waited - self._before[3], 3),
        )

    def recorded_run(self) -> None:
        asked = self.hub.counters
        self._before = (asked.api_requests, asked.resolver_requests, asked.bytes_read, self.hub.seconds_waited)

    def save(self) -> None:
        """Writes the counters as they are, so that a run that is killed has told most of what it did."""
        self.store.update_run(self.current())

    def close(self, outcome: Literal["complete", "stopped", "failed"], detail: str | None = None) -> None:
        words = [*self.notes, *([detail] if detail else [])]
        self.run = replace(
            self.current(), outcome=outcome, finished_at=datetime.now(UTC), detail="; ".join(words)[:2000] or None
        )
        self.store.finish_run(self.run)


@contextmanager
def recorded_run(
    store: Store, hub: HubClient, settings: CrawlSettings, kind: str, tell: ProgressCallback
) -> Iterator[RunRecorder]:
    """A run's books: closed as complete, as stopped if it was asked to end, or as failed with what went wrong."""
    ledger = RunRecorder(store, hub, settings, store.start_run(kind, scope_text(settings.scope), hub.endpoint), tell)
    ledger.recorded_run()
    try:
        yield ledger
    except CrawlStopped as stopped:
        ledger.close("stopped", stopped.why)
    except CrawlError as error:
        ledger.close("failed", str(error))
        raise
    except CatalogError as error:
        with suppress(CatalogError):  # what keeps it from being written may keep this from it too
            ledger.close("failed", str(error))
        raise
    except Exception as error:
        ledger.close("failed", f"a bug: {type(error).__name__}: {str(error)[:300]}")
        raise
    else:
        ledger.close("complete")

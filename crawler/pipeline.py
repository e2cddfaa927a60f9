"""The whole way once: discover -> enrich -> label -> store.

    discover   pages of the listing, each repo validated, labelled from it and stored with the cursor (sweep.py)
    enrich     the most wanted repos, one look each: files, artifacts, headers (visits.py, enrich.py)
    label      what names claim, what bytes measure, side by side (analysis.names, called by both)
    store      one writer, a transaction a page or a batch (db.write.store)

A crawl may be broken off anywhere, even by the power: the next one goes on where it was and ends in the same catalog.
"""

from __future__ import annotations

from dataclasses import replace

from crawler.discover.discover import choose_run_kind, discover
from crawler.discover.listing import split_by_author
from crawler.enrich.queue import EnrichmentQueue
from crawler.execute.executor import open_executor
from crawler.execute.gc_tuning import tuned_gc
from crawler.run_recorder import Progress, ProgressCallback, RunRecorder, recorded_run
from crawler.settings import CrawlSettings
from crawler.sources.huggingface.client import HubClient
from db.records import RunRecord
from db.write.store import Store

__all__ = ["Progress", "RunRecorder", "crawl"]


def ignore_progress(progress: Progress) -> None:
    """Tells nobody."""


def crawl(
    store: Store, hub: HubClient, settings: CrawlSettings, tell: ProgressCallback = ignore_progress
) -> list[RunRecord]:
    """Crawls a scope into a catalog; a run for each author, one otherwise. A run that was stopped is the last.

    Raises CatalogLocked where another crawl holds the catalog, and CrawlError where the run can't go on; what was found
    until then is stored.
    """
    runs = []
    with store.crawling(), tuned_gc(), open_executor(settings.workers, settings.cluster, hub) as executor:
        for scope in split_by_author(settings.scope):
            asked = replace(settings, scope=scope)
            with recorded_run(store, hub, asked, choose_run_kind(store, asked), tell) as ledger:
                visits = EnrichmentQueue(ledger, executor, asked.depth, 2 * asked.workers, scope.repo_ids)
                if not scope.repo_ids:
                    discover(ledger, executor)
                if scope.repo_ids or asked.depth != "listing":
                    visits.run()
            runs.append(ledger.run)
            if ledger.run.outcome == "stopped":
                break
    return runs

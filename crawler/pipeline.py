"""The whole way once: discover -> enrich -> label -> store.

    discover   pages of the listing, each repo validated, labelled from it and stored with the cursor (sweep.py)
    enrich     the most wanted repos, one look each: files, artifacts, headers (visits.py, enrich.py)
    label      what names claim, what bytes measure, side by side (analysis.names, called by both)
    store      one writer, a transaction a page or a batch (db.write.store)

A crawl may be broken off anywhere, even by the power: the next one goes on where it was and ends in the same catalog.
"""

from __future__ import annotations

from dataclasses import replace

from crawler.discover.discover import kind_due, sweep
from crawler.discover.listing import one_by_one
from crawler.enrich.queue import Visits
from crawler.execute.executor import workers
from crawler.execute.gc_tuning import seldom
from crawler.run_recorder import Ledger, Progress, Tell, opened
from crawler.settings import CrawlSettings
from crawler.sources.huggingface.client import Hub
from db.records import RunRecord
from db.write.store import Store

__all__ = ["Ledger", "Progress", "crawl"]


def silent(progress: Progress) -> None:
    """Tells nobody."""


def crawl(store: Store, hub: Hub, settings: CrawlSettings, tell: Tell = silent) -> list[RunRecord]:
    """Crawls a scope into a catalog; a run for each author, one otherwise. A run that was stopped is the last.

    Raises CatalogLocked where another crawl holds the catalog, and CrawlError where the run can't go on; what was found
    until then is stored.
    """
    runs = []
    with store.crawling(), seldom(), workers(settings.workers, settings.cluster, hub) as executor:
        for scope in one_by_one(settings.scope):
            asked = replace(settings, scope=scope)
            with opened(store, hub, asked, kind_due(store, asked), tell) as ledger:
                visits = Visits(ledger, executor, asked.depth, 2 * asked.workers, scope.repo_ids)
                if not scope.repo_ids:
                    sweep(ledger, executor)
                if scope.repo_ids or asked.depth != "listing":
                    visits.run()
            runs.append(ledger.run)
            if ledger.run.outcome == "stopped":
                break
    return runs

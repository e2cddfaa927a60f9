"""A crawl from start to end: discover -> enrich, both through the store.

    discover   the listing: each page is parsed, labelled and stored with the cursor of the next (crawler.discover)
    enrich     the repos that need it most: files, artifacts, headers and the labels that follow (crawler.enrich)
    label      what names claim and what files measure, kept apart (analysis.names, analysis.labels; called by both)
    store      one writer, one transaction per page or batch (db.write.store)
    rank       at the end, bounds by which `fits` finds its candidates (analysis.catalog.fit_index)

A crawl may be interrupted at any moment, even by a power failure: the next one resumes it and ends in the same catalog.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from analysis.catalog.fit_index import fill_fit_candidates
from crawler.discover.discover import discover
from crawler.discover.plan import choose_run_kind, split_by_author
from crawler.discover.revisions import read_revisions
from crawler.enrich.cards import read_account_kinds, read_cards
from crawler.enrich.enrich import enrich
from crawler.errors import CrawlStopped
from crawler.execute.executor import open_executor, open_threads
from crawler.execute.gc_tuning import tuned_gc
from crawler.known_hubs import kept_capabilities
from crawler.run_recorder import Progress, ProgressCallback, RunRecorder, recorded_run
from crawler.settings import CrawlSettings
from crawler.sources.pacer import Pacer
from crawler.sources.shared_quota import SharedQuota
from crawler.sources.source import Source
from crawler.visit_reported import ReportVisits
from db.records import RunRecord
from db.reported import ReportedRepos
from db.write.store import Store

__all__ = ["Progress", "RunRecorder", "crawl"]


def ignore_progress(progress: Progress) -> None:
    """The callback of a crawl whose progress is not shown."""


def wait_for_server(pacer: Pacer, seconds: float) -> bool:
    """Waits for the catalog's server, unless the crawl is to end meanwhile."""
    try:
        pacer.pause(seconds, "the server of the catalog")
    except CrawlStopped:
        return False
    return True


def shared_pacing(store: Store, source: Source) -> AbstractContextManager[None]:
    """Paces the requests of the block together with those of other crawlers of the catalog that use the account."""
    rows = store.account_quotas(source.account)
    return source.pacer.share(None if rows is None else SharedQuota(rows))


def crawl(
    store: Store,
    source: Source,
    settings: CrawlSettings,
    callback: ProgressCallback = ignore_progress,
    reports: ReportedRepos | None = None,
) -> list[RunRecord]:
    """Crawls a scope into a catalog, in one run or one for each author. A run that was stopped is the last.

    Between its pages it visits the repos of `reports`, and with `settings.reported` these alone.

    Raises CatalogLocked while another crawl uses the catalog, and CrawlError where the run can't continue; what was
    found until then is stored.
    """
    runs = []
    store.wait_for_server = partial(wait_for_server, source.pacer)
    with (
        store.crawling(),
        kept_capabilities(store, source),
        shared_pacing(store, source),
        tuned_gc(),
        open_threads(settings.workers, source.pacer) as executor,
        open_executor(settings.cluster, insecure=settings.insecure) as cluster,
    ):
        visits = None if reports is None else ReportVisits(store, source, settings, executor, reports, callback)
        if settings.reported:
            return [] if visits is None else visits.visit_all()
        for scope in split_by_author(settings.scope):
            part = replace(settings, scope=replace(scope, private=settings.include_private))
            with recorded_run(store, source, part, choose_run_kind(store, part), callback) as recorder:
                if visits is not None:
                    recorder.between_pages = visits.between_pages
                if not scope.repo_ids:
                    discover(recorder, executor, cluster)
                if cluster is not None and cluster.lost is not None:
                    recorder.notes.append(cluster.lost)
                if scope.repo_ids or part.depth != "listing":
                    enrich(recorder, executor)
                if part.revisions:
                    read_revisions(recorder, executor)
                read_cards(recorder, executor)
                read_account_kinds(recorder, executor)
            fill_fit_candidates(store)
            runs.append(recorder.run)
            if recorder.run.outcome == "stopped":
                break
    return runs

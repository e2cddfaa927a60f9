"""Stage one: the Hub's listing, page by page, validated, labelled and stored.

Each page is stored in one transaction with the cursor of the next one, so that a walk resumes where it was interrupted.
After a full walk the repos that it did not list are checked (crawler.discover.missing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor

from crawler.discover.listing import ListingPage, ListingWalk
from crawler.discover.missing import check_missing, find_reassigned
from crawler.discover.plan import make_walk
from crawler.discover.rows import drop_private, with_stored_details
from crawler.errors import RequestRefused
from crawler.label_pages import PageLabeller, build_page
from crawler.run_recorder import RunRecorder
from db.records import Page

NEXT_PAGE_WAIT_SECONDS = 0.25
"""How long a labelled page waits for the next listing page before it is stored. A Hub that is not the slowest part of
the crawl has sent it by then."""


def discover(recorder: RunRecorder, executor: Executor, cluster: Executor | None = None) -> None:
    """Walks the listing to its end, or to the end of the scope, and checks what a full walk did not list.

    `executor` makes requests; `cluster` labels pages where there is one.

    Raises CrawlStopped, and CrawlError where the run can't continue; the pages until then are stored.
    """
    store, kind, scope = recorder.store, recorder.run.kind, recorder.scope
    walk = make_walk(recorder)
    if not (kind == "full" and store.has_unchecked_listing(scope)):
        with PageLabeller(cluster) as labeller:
            for page in label_ahead(recorder, walk, labeller):
                recorder.add_page(store.save_page(recorder.run, scope, page))
                recorder.report_progress("discover", recorder.run.repos_seen)
    if walk.repeated:
        recorder.notes.append(f"{walk.repeated:,} rows of the listing came twice")
    if kind == "full":
        check_missing(recorder, executor)
        store.restart(scope, "full")
    find_reassigned(recorder)
    recorder.save()


def label_ahead(recorder: RunRecorder, walk: ListingWalk, labeller: PageLabeller) -> Iterator[Page]:
    """The walk's pages with their labels. While the caller stores one page, the next one is labelled.

    A labelled page is held back only if the next listing page arrives soon, never for a slow Hub or the quota.
    """
    listing_pages = resume_pages(recorder, walk)
    finish_page: Callable[[], Page] | None = None  # of the page that is being labelled
    while True:
        if finish_page is not None and not walk.is_next_ready(NEXT_PAGE_WAIT_SECONDS):
            yield finish_page()
            finish_page = None
        try:
            listing_page = next(listing_pages, None)
        except Exception:
            if finish_page is not None:
                yield finish_page()
            raise
        finished = finish_page() if finish_page is not None else None
        finish_page = start_labelling(recorder, listing_page, labeller) if listing_page is not None else None
        if finished is not None:
            yield finished
        if listing_page is None:
            return


def resume_pages(recorder: RunRecorder, walk: ListingWalk) -> Iterator[ListingPage]:
    """The walk's pages from the stored cursor on, or from the start if the Hub refuses that cursor."""
    store, scope, kind = recorder.store, recorder.scope, recorder.run.kind
    cursor = store.cursor(scope, kind)
    pages = walk.pages(cursor)
    try:
        first = next(pages, None)
    except RequestRefused:
        if cursor is None:
            raise
        recorder.notes.append("the Hub refused the cursor of the interrupted walk: it started again")
        store.restart(scope, kind)
        pages = walk.pages()
        first = next(pages, None)
    if first is not None:
        yield first
    yield from pages


def start_labelling(recorder: RunRecorder, listed: ListingPage, labeller: PageLabeller) -> Callable[[], Page]:
    """Starts to label a page; the returned function waits for the labels.

    For a page that was listed without the expensive keys, the stored values of these are kept.
    """
    repos, private = drop_private(recorder, listed.repos)
    if listed.thin:
        stored = recorder.store.load_repos([repo.hub_id for repo in repos])
        repos = [with_stored_details(repo, stored.get(repo.hub_id)) for repo in repos]
    wait_for_labels = labeller.submit(repos)
    skips = (*listed.skipped, *private)

    def finish_page() -> Page:
        labels = wait_for_labels()
        recorder.add_notes(labels.bugs)
        return build_page(repos, labels, skips, listed.cursor, thin=listed.thin)

    return finish_page

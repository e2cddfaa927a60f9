"""Stage one: the Hub's listing, page by page, validated, labelled and stored.

Each page is stored in one transaction with the cursor of the next one, so that a walk resumes where it was interrupted.
After a full walk the repos that it did not list are checked (crawler.discover.missing). What the listing left out makes
the run incomplete, never the catalog smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor

from crawler.discover.leaderboards import read_leaderboards
from crawler.discover.listing import ListingPage, ListingWalk
from crawler.discover.missing import check_missing, confirm_missing, find_reassigned
from crawler.discover.partial import fill_partial_repos
from crawler.discover.plan import make_walk, make_whole_walk
from crawler.discover.rows import drop_private
from crawler.discover.select_repos import select_repos
from crawler.errors import ListingIncomplete, OrderIgnored
from crawler.label_pages import PageLabeller, build_page
from crawler.refresh_repo import refresh_repo
from crawler.run_recorder import RunRecorder
from crawler.stored_fields import EXPENSIVE_FIELDS, LISTED_FIELDS, fill_fields
from db.records import Page, RepoFilter

NEXT_PAGE_WAIT_SECONDS = 0.25
"""How long a labelled page waits for the next listing page before it is stored. A Hub that is not the slowest part of
the crawl has sent it by then."""


def discover(recorder: RunRecorder, executor: Executor, cluster: Executor | None = None) -> None:
    """Walks the listing to its end, or to the end of the scope, and checks what a full walk did not list.

    `executor` makes requests; `cluster` labels pages where there is one.

    Raises CrawlStopped, and CrawlError where the run can't continue; the pages until then are stored.
    """
    store, scope = recorder.store, recorder.scope
    if not (recorder.run.kind == "full" and store.has_unchecked_listing(scope)):
        try:
            list_repos(recorder, cluster)
        except ListingIncomplete as incomplete:
            recorder.missing_parts.append(str(incomplete))
    if recorder.run.kind == "full" and not recorder.missing_parts:
        check_missing(recorder, executor)
        if recorder.missing_parts:
            store.reject_listing(recorder.run, scope)
        store.restart(scope, "full")
    elif recorder.run.kind == "incremental":
        confirm_missing(recorder, executor)
    fill_partial_repos(recorder, executor)
    if recorder.settings.scope.type == "dataset" and recorder.settings.depth != "listing":
        read_leaderboards(recorder, executor)
    find_reassigned(recorder)
    recorder.save()


def list_repos(recorder: RunRecorder, cluster: Executor | None) -> None:
    """Stores the pages of the listing. Raises ListingIncomplete, and what ends a run."""
    position = recorder.store.position(recorder.scope, recorder.run.kind)
    walk = make_walk(recorder)
    with PageLabeller(cluster) as labeller:
        try:
            store_pages(recorder, walk, walk.pages(position), labeller)
        except OrderIgnored as ignored:
            recorder.notes.append(f"{ignored}: the whole listing was read")
            if recorder.run.kind == "incremental":
                recorder.change_kind("full")
            position = recorder.store.position(recorder.scope, recorder.run.kind)
            walk = make_whole_walk(recorder)
            store_pages(recorder, walk, walk.pages(position), labeller)
    if position is None:
        check_not_empty(recorder, walk)


def store_pages(recorder: RunRecorder, walk: ListingWalk, pages: Iterator[ListingPage], labeller: PageLabeller) -> None:
    """Labels and stores the pages of a walk, those that can be read, and notes what the walk met."""
    if recorder.run.kind == "repos":
        pages = select_repos(pages, recorder.settings.scope)
    try:
        for page in label_ahead(recorder, walk, pages, labeller):
            recorder.add_page(recorder.store.save_page(recorder.run, recorder.scope, page, refresh_repo))
            recorder.report_progress("discover", recorder.run.repos_seen)
            recorder.between_pages()
    finally:
        recorder.notes += walk.notes
        if walk.repeated:
            recorder.notes.append(f"{walk.repeated:,} rows of the listing came twice")


def check_not_empty(recorder: RunRecorder, walk: ListingWalk) -> None:
    """Makes sure that a listing without repos is one of a scope to which none belongs. Raises ListingIncomplete."""
    scope = recorder.settings.scope
    if walk.repos_read or (
        not walk.rows_read and recorder.source.newest_created(RepoFilter(type=scope.type)) is not None
    ):
        return
    why = f"none of its {walk.rows_read:,} rows is a repo" if walk.rows_read else "it is empty"
    if recorder.run.kind == "full":
        recorder.store.reject_listing(recorder.run, recorder.scope)
    raise ListingIncomplete(f"the Hub's listing can't be right: {why}")


def label_ahead(
    recorder: RunRecorder, walk: ListingWalk, listing_pages: Iterator[ListingPage], labeller: PageLabeller
) -> Iterator[Page]:
    """The walk's pages with their labels. While the caller stores one page, the next one is labelled.

    A labelled page is held back only if the next listing page arrives soon, never for a slow Hub or the quota.
    """
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


def start_labelling(recorder: RunRecorder, listed: ListingPage, labeller: PageLabeller) -> Callable[[], Page]:
    """Starts to label a page; the returned function waits for the labels.

    What the page does not tell of a repo, such as the expensive keys, stays as it is stored.
    """
    repos, private = drop_private(recorder, listed.repos)
    recorder.without_commit += [repo for repo in repos if repo.sha is None]
    repos = fill_fields(recorder, repos, (*LISTED_FIELDS, *EXPENSIVE_FIELDS) if listed.thin else LISTED_FIELDS)
    wait_for_labels = labeller.submit(repos)
    skips = (*listed.skipped, *private)

    def finish_page() -> Page:
        labels = wait_for_labels()
        recorder.add_notes(labels.bugs)
        return build_page(repos, labels, skips, listed.position, thin=listed.thin, known=listed.known)

    return finish_page

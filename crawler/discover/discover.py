"""Discovery against the catalog: which walk is due, its pages stored one by one, and what a whole walk did not see.

    full         every repo of the scope, oldest first; until one has come to its end, and again with `full`
    incremental  what changed since, by date of change, newest first, an hour beyond what is known
    repos        the most downloaded, the recently changed, or those named: no walk of which an end would mean anything

A repo that a full walk did not see is not gone: listings lose rows and find them again. It is gone when two looks at it
do not find it either, and only while the Hub still answers for a repo that it has just listed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

from crawler.discover.listing import (
    ListingPage,
    ListingWalk,
    Order,
    StopAfterTopDownloads,
    StopAtModified,
    StopCondition,
)
from crawler.enrich.headers import make_skip
from crawler.errors import RepoError, RequestRefused
from crawler.label_pages import LabelledPage, PageLabeller, label_repos
from crawler.run_recorder import RunRecorder
from crawler.settings import CrawlSettings, scope_text
from crawler.sources.huggingface.client import BASIC_EXPAND_KEYS, HubClient
from crawler.sources.huggingface.parse import parse_repo
from db.records import LeasedRepo, Page, RepoFilter, RepoRecord, Skipped
from db.write.store import Store

RunKind = Literal["full", "incremental", "repos"]

PROBES_BEFORE_GONE = 2
"""Direct looks that must not find a repo before it counts as gone."""

MIN_MISSING_TOLERATED, MAX_MISSING_SHARE = 1000, 0.05
"""How many repos, of those it saw, a walk may miss: a listing that loses more is itself what is wrong."""

NEXT_PAGE_WAIT = 0.25
"""Seconds within which a Hub that is not the slowest part gives its next page."""

MAX_NOTES = 10
"""How much of one kind a run's last word tells."""

MAX_PROBES_PER_RUN = 5000
"""How many repos are looked at after one walk, each for up to two requests; the others wait for the next."""

MAX_OWNERS_SEARCHED, MAX_PAGES_PER_OWNER = 100, 10
"""How many owners' listings are looked through after one walk for repos that lost their id, and how far."""


def choose_run_kind(store: Store, settings: CrawlSettings) -> RunKind:
    """Which walk is due. One that was broken off goes on."""
    if not settings.whole:
        return "repos"
    scope = scope_text(settings.scope)
    if (
        settings.full
        or not store.has_full_listing(scope)
        or store.has_unchecked_listing(scope)
        or store.cursor(scope, "full") is not None
    ):
        return "full"
    return "incremental"


def discover(ledger: RunRecorder, executor: Executor) -> None:
    """Walks the listing to its end, or to the bound of the scope, and accounts for what a full walk did not see."""
    store, kind, scope = ledger.store, ledger.run.kind, ledger.scope
    walk = make_walk(ledger)
    if not (kind == "full" and store.has_unchecked_listing(scope)):
        with PageLabeller() as labeller:
            for page in label_ahead(ledger, walk, labeller):
                ledger.add_page(store.save_page(ledger.run, scope, page))
                ledger.report_progress("discover", ledger.run.repos_seen)
    if walk.repeated:
        ledger.notes.append(f"{walk.repeated:,} rows of the listing came twice")
    if kind == "full":
        check_missing(ledger, executor)
        store.restart(scope, "full")
    find_reassigned(ledger)
    ledger.save()


def resume_pages(ledger: RunRecorder, walk: ListingWalk) -> Iterator[ListingPage]:
    """A walk's pages from where the last one broke off; from its start where the Hub takes that cursor no more."""
    store, scope, kind = ledger.store, ledger.scope, ledger.run.kind
    cursor = store.cursor(scope, kind)
    pages = walk.pages(cursor)
    try:
        first = next(pages, None)
    except RequestRefused:
        if cursor is None:
            raise
        ledger.notes.append("the Hub refused the place where the last walk broke off: it began anew")
        store.restart(scope, kind)
        walk.directed = True
        pages = walk.pages()
        first = next(pages, None)
    if first is not None:
        yield first
    yield from pages


def make_walk(ledger: RunRecorder) -> ListingWalk:
    settings, scope = ledger.settings, ledger.settings.scope
    order: Order = "createdAt"
    bound: StopCondition | None = None
    if ledger.run.kind == "incremental":
        newest = ledger.store.watermark(ledger.scope)
        order = "lastModified"
        bound = StopAtModified(newest - settings.lag) if newest is not None else None
    elif scope.since is not None:
        order, bound = "lastModified", StopAtModified(scope.since)
    elif ledger.run.kind == "repos":
        order, bound = "downloads", StopAfterTopDownloads(scope.limit, scope.min_downloads)
    page = settings.page if scope.limit is None else min(settings.page, scope.limit)
    return ListingWalk(ledger.hub, scope, order, bound, max(page, 1))


def label_ahead(ledger: RunRecorder, walk: ListingWalk, labeller: PageLabeller) -> Iterator[Page]:
    """The walk's pages with their labels: while the caller stores one, the labels of the next are made.

    A page waits for its turn where the next one comes soon, never for a slow Hub or for the quota.
    """
    pages = resume_pages(ledger, walk)
    begun: Callable[[], Page] | None = None
    while True:
        if begun is not None and not walk.ready(NEXT_PAGE_WAIT):
            yield begun()
            begun = None
        try:
            listed = next(pages, None)
        except Exception:
            if begun is not None:
                yield begun()
            raise
        page = begun() if begun is not None else None
        begun = start_labelling(ledger, listed, labeller) if listed is not None else None
        if page is not None:
            yield page
        if listed is None:
            return


def start_labelling(ledger: RunRecorder, listed: ListingPage, labeller: PageLabeller) -> Callable[[], Page]:
    """A page that is being labelled. Where the Hub was spared the heavy keys, what the catalog has of them stays."""
    repos, private = drop_private(ledger, listed.repos)
    if listed.thin:
        held = ledger.store.load_repos([repo.hub_id for repo in repos])
        repos = [with_stored_details(repo, held.get(repo.hub_id)) for repo in repos]
    made = labeller.submit(repos)
    return lambda: build_page(ledger, repos, made(), (*listed.skipped, *private), listed.cursor, thin=listed.thin)


def build_page(
    ledger: RunRecorder,
    repos: Sequence[RepoRecord],
    made: LabelledPage,
    left_out: tuple[Skipped, ...] = (),
    cursor: str | None = None,
    *,
    thin: bool = False,
) -> Page:
    """The page with its labels, and a note of each repo that has none, by a bug, until it is labelled anew."""
    ledger.notes += made.bugs[: max(MAX_NOTES - len(ledger.notes), 0)]
    return Page(tuple(zip(repos, made.labels, strict=True)), left_out, cursor, thin, made.derived)


def drop_private(ledger: RunRecorder, repos: Sequence[RepoRecord]) -> tuple[Sequence[RepoRecord], list[Skipped]]:
    """Without those that only our token sees, unless they are wanted; known ones are noted to be private."""
    hidden = [] if ledger.settings.include_private else [repo for repo in repos if repo.private]
    if not hidden:
        return repos, []
    known = ledger.store.load_repos([repo.hub_id for repo in hidden])
    for hub_id in known:
        ledger.store.set_status(ledger.run, hub_id, "private")
    why = RepoError("private", "only this token sees it; --include-private takes it in")
    left_out = [make_skip(LeasedRepo(r.hub_id, r.repo_id, None, None, 0), why) for r in hidden if r.hub_id not in known]
    return [repo for repo in repos if not repo.private], left_out


def with_stored_details(repo: RepoRecord, held: RepoRecord | None) -> RepoRecord:
    if held is None:
        return repo
    return replace(
        repo,
        card=held.card,
        config=held.config,
        safetensors=held.safetensors,
        gguf=held.gguf,
        edges=tuple(edge for edge in held.edges if edge.source == "api"),
        evaluations=held.evaluations,
        languages=held.languages,
        license=repo.license or held.license,
    )


# ---- what a full walk did not see -----------------------------------------------------------------------------------


def check_missing(ledger: RunRecorder, executor: Executor) -> None:
    """Looks at each repo that the walk did not see, and at those that earlier walks did not."""
    store, scope = ledger.store, ledger.scope
    believed = max(MIN_MISSING_TOLERATED, int(MAX_MISSING_SHARE * store.repos_in_last_listing(scope)))
    missing = [wanted.hub_id for wanted in islice(store.missing(scope, ledger.settings.scope), believed + 1)]
    if len(missing) > believed:
        ledger.notes.append(f"more than {believed:,} known repos were not seen: too many for one walk to be believed")
        return
    store.note_absences(scope, missing)
    absent = store.unconfirmed_missing(MAX_PROBES_PER_RUN)
    done, found = 0, 0
    for _ in range(PROBES_BEFORE_GONE if absent else 0):
        if not hub_is_healthy(ledger.hub):
            ledger.notes.append(f"{len(absent):,} repos were not seen; the Hub does not answer for single ones now")
            return
        lost = []
        for wanted, answer in probe_all(ledger.hub, executor, absent):
            done += 1
            if isinstance(answer, RepoRecord) and answer.hub_id == wanted.hub_id:
                found += 1
                save_probed(ledger, answer)
            elif isinstance(answer, Skipped) and answer.reason == "disabled":
                store.set_status(ledger.run, wanted.hub_id, "disabled")
                store.record_probe(wanted.hub_id, found=True, at=datetime.now(UTC))
            elif isinstance(answer, RepoRecord) or answer.reason in ("gone", "private", "renamed"):
                if store.record_probe(wanted.hub_id, found=False, at=datetime.now(UTC)) >= PROBES_BEFORE_GONE:
                    private = isinstance(answer, Skipped) and answer.reason == "private"
                    store.set_status(ledger.run, wanted.hub_id, "private" if private else "gone")
                else:
                    lost.append(wanted)
            ledger.report_progress("probe", done, len(absent))
        absent = lost
    if len(missing) > MAX_PROBES_PER_RUN:
        ledger.notes.append(
            f"{len(missing):,} repos were not seen; {MAX_PROBES_PER_RUN:,} of them were looked at, the rest wait"
        )
    if found:
        ledger.notes.append(f"{found:,} repos that the listing did not show were found by a look at them")


def find_reassigned(ledger: RunRecorder) -> None:
    """Repos whose id another one took: a renamed one is listed under its owner, and the Hub can't be asked by `_id`."""
    lost: dict[str, set[str]] = defaultdict(set)
    for hub_id, owner in ledger.store.reassigned_repos(ledger.run):
        lost[owner].add(hub_id)
    for owner, hub_ids in islice(lost.items(), MAX_OWNERS_SEARCHED):
        pages = ListingWalk(ledger.hub, RepoFilter(authors=(owner,))).pages()
        for listed in islice(pages, MAX_PAGES_PER_OWNER):
            for repo in listed.repos:
                if repo.hub_id in hub_ids:
                    save_probed(ledger, repo)
                    hub_ids.discard(repo.hub_id)
            if not hub_ids:
                break


def hub_is_healthy(hub: HubClient) -> bool:
    """Whether the Hub answers for a repo that it lists itself. Raises TokenRefused."""
    rows, _ = hub.list_page([("sort", "createdAt"), ("limit", "1"), ("expand", "sha")], tries=hub.tries)
    if not rows or not isinstance(rows[0], dict) or not isinstance(rows[0].get("id"), str):
        return False
    try:
        return bool(hub.repo_info(rows[0]["id"], expand=("sha",)))
    except RepoError:
        return False


def probe_all(
    hub: HubClient, executor: Executor, absent: Iterable[LeasedRepo]
) -> Iterable[tuple[LeasedRepo, RepoRecord | Skipped]]:
    wanted = list(absent)
    for start in range(0, len(wanted), 256):
        batch = wanted[start : start + 256]
        yield from zip(batch, executor.map(probe, [hub] * len(batch), batch), strict=True)


def probe(hub: HubClient, wanted: LeasedRepo) -> RepoRecord | Skipped:
    """One look at one repo, without its files. Raises what ends a run."""
    try:
        return parse_repo(hub.repo_info(wanted.repo_id, expand=BASIC_EXPAND_KEYS))
    except RepoError as trouble:
        return make_skip(wanted, trouble)


def save_probed(ledger: RunRecorder, repo: RepoRecord) -> None:
    """A repo that the listing passed over: stored as if it had shown it."""
    store = ledger.store
    store.record_probe(repo.hub_id, found=True, at=datetime.now(UTC))
    if repo.private and not ledger.settings.include_private:
        store.set_status(ledger.run, repo.hub_id, "private")
        return
    held = store.load_repos([repo.hub_id]).get(repo.hub_id)
    whole = with_stored_details(repo, held)
    aside = replace(ledger.run, kind="repos")  # a page that is no part of the walk
    ledger.add_page(store.save_page(aside, ledger.scope, build_page(ledger, [whole], label_repos([whole]), thin=True)))

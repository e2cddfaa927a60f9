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

from crawler.discover.listing import Bound, ChangedSince, Listed, MostDownloaded, Order, Walk
from crawler.enrich.headers import skipped
from crawler.errors import RepoTrouble, RequestRefused
from crawler.label_pages import Labeller, Made, made_of
from crawler.run_recorder import Ledger
from crawler.settings import CrawlSettings, scope_text
from crawler.sources.huggingface.client import LIGHT, Hub
from crawler.sources.huggingface.parse import parse_repo
from db.records import Page, RepoFilter, RepoRecord, Skipped, Wanted
from db.write.store import Store

Kind = Literal["full", "incremental", "repos"]

PROBES = 2
"""Direct looks that must not find a repo before it counts as gone."""

LEAST_MISSING, MOST_MISSING = 1000, 0.05
"""How many repos, of those it saw, a walk may miss: a listing that loses more is itself what is wrong."""

SOON = 0.25
"""Seconds within which a Hub that is not the slowest part gives its next page."""

MOST_NOTES = 10
"""How much of one kind a run's last word tells."""

MOST_PROBED = 5000
"""How many repos are looked at after one walk, each for up to two requests; the others wait for the next."""

MOST_OWNERS, MOST_PAGES = 100, 10
"""How many owners' listings are looked through after one walk for repos that lost their id, and how far."""


def kind_due(store: Store, settings: CrawlSettings) -> Kind:
    """Which walk is due. One that was broken off goes on."""
    if not settings.whole:
        return "repos"
    scope = scope_text(settings.scope)
    if settings.full or not store.swept(scope) or store.open_sweep(scope) or store.cursor(scope, "full") is not None:
        return "full"
    return "incremental"


def sweep(ledger: Ledger, executor: Executor) -> None:
    """Walks the listing to its end, or to the bound of the scope, and accounts for what a full walk did not see."""
    store, kind, scope = ledger.store, ledger.run.kind, ledger.scope
    walk = walk_of(ledger)
    if not (kind == "full" and store.open_sweep(scope)):
        with Labeller() as labeller:
            for page in labelled_pages(ledger, walk, labeller):
                ledger.paged(store.save_page(ledger.run, scope, page))
                ledger.told("discover", ledger.run.repos_seen)
    if walk.repeated:
        ledger.notes.append(f"{walk.repeated:,} rows of the listing came twice")
    if kind == "full":
        look_after(ledger, executor)
        store.restart(scope, "full")
    look_for_displaced(ledger)
    ledger.keep()


def pages_of(ledger: Ledger, walk: Walk) -> Iterator[Listed]:
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


def walk_of(ledger: Ledger) -> Walk:
    settings, scope = ledger.settings, ledger.settings.scope
    order: Order = "createdAt"
    bound: Bound | None = None
    if ledger.run.kind == "incremental":
        newest = ledger.store.watermark(ledger.scope)
        order = "lastModified"
        bound = ChangedSince(newest - settings.lag) if newest is not None else None
    elif scope.since is not None:
        order, bound = "lastModified", ChangedSince(scope.since)
    elif ledger.run.kind == "repos":
        order, bound = "downloads", MostDownloaded(scope.limit, scope.min_downloads)
    page = settings.page if scope.limit is None else min(settings.page, scope.limit)
    return Walk(ledger.hub, scope, order, bound, max(page, 1))


def labelled_pages(ledger: Ledger, walk: Walk, labeller: Labeller) -> Iterator[Page]:
    """The walk's pages with their labels: while the caller stores one, the labels of the next are made.

    A page waits for its turn where the next one comes soon, never for a slow Hub or for the quota.
    """
    pages = pages_of(ledger, walk)
    begun: Callable[[], Page] | None = None
    while True:
        if begun is not None and not walk.ready(SOON):
            yield begun()
            begun = None
        try:
            listed = next(pages, None)
        except Exception:
            if begun is not None:
                yield begun()
            raise
        page = begun() if begun is not None else None
        begun = begun_page(ledger, listed, labeller) if listed is not None else None
        if page is not None:
            yield page
        if listed is None:
            return


def begun_page(ledger: Ledger, listed: Listed, labeller: Labeller) -> Callable[[], Page]:
    """A page that is being labelled. Where the Hub was spared the heavy keys, what the catalog has of them stays."""
    repos, private = public(ledger, listed.repos)
    if listed.thin:
        held = ledger.store.stored([repo.hub_id for repo in repos])
        repos = [with_heavy(repo, held.get(repo.hub_id)) for repo in repos]
    made = labeller.begin(repos)
    return lambda: made_page(ledger, repos, made(), (*listed.skipped, *private), listed.cursor, thin=listed.thin)


def made_page(
    ledger: Ledger,
    repos: Sequence[RepoRecord],
    made: Made,
    left_out: tuple[Skipped, ...] = (),
    cursor: str | None = None,
    *,
    thin: bool = False,
) -> Page:
    """The page with its labels, and a note of each repo that has none, by a bug, until it is labelled anew."""
    ledger.notes += made.bugs[: max(MOST_NOTES - len(ledger.notes), 0)]
    return Page(tuple(zip(repos, made.labels, strict=True)), left_out, cursor, thin, made.derived)


def public(ledger: Ledger, repos: Sequence[RepoRecord]) -> tuple[Sequence[RepoRecord], list[Skipped]]:
    """Without those that only our token sees, unless they are wanted; known ones are noted to be private."""
    hidden = [] if ledger.settings.include_private else [repo for repo in repos if repo.private]
    if not hidden:
        return repos, []
    known = ledger.store.stored([repo.hub_id for repo in hidden])
    for hub_id in known:
        ledger.store.set_status(ledger.run, hub_id, "private")
    why = RepoTrouble("private", "only this token sees it; --include-private takes it in")
    left_out = [skipped(Wanted(r.hub_id, r.repo_id, None, None, 0), why) for r in hidden if r.hub_id not in known]
    return [repo for repo in repos if not repo.private], left_out


def with_heavy(repo: RepoRecord, held: RepoRecord | None) -> RepoRecord:
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


def look_after(ledger: Ledger, executor: Executor) -> None:
    """Looks at each repo that the walk did not see, and at those that earlier walks did not."""
    store, scope = ledger.store, ledger.scope
    believed = max(LEAST_MISSING, int(MOST_MISSING * store.seen(scope)))
    missing = [wanted.hub_id for wanted in islice(store.missing(scope, ledger.settings.scope), believed + 1)]
    if len(missing) > believed:
        ledger.notes.append(f"more than {believed:,} known repos were not seen: too many for one walk to be believed")
        return
    store.note_absences(scope, missing)
    absent = store.absent(MOST_PROBED)
    done, found = 0, 0
    for _ in range(PROBES if absent else 0):
        if not answers(ledger.hub):
            ledger.notes.append(f"{len(absent):,} repos were not seen; the Hub does not answer for single ones now")
            return
        lost = []
        for wanted, answer in probes(ledger.hub, executor, absent):
            done += 1
            if isinstance(answer, RepoRecord) and answer.hub_id == wanted.hub_id:
                found += 1
                take_in(ledger, answer)
            elif isinstance(answer, Skipped) and answer.reason == "disabled":
                store.set_status(ledger.run, wanted.hub_id, "disabled")
                store.probed(wanted.hub_id, found=True, at=datetime.now(UTC))
            elif isinstance(answer, RepoRecord) or answer.reason in ("gone", "private", "renamed"):
                if store.probed(wanted.hub_id, found=False, at=datetime.now(UTC)) >= PROBES:
                    private = isinstance(answer, Skipped) and answer.reason == "private"
                    store.set_status(ledger.run, wanted.hub_id, "private" if private else "gone")
                else:
                    lost.append(wanted)
            ledger.told("probe", done, len(absent))
        absent = lost
    if len(missing) > MOST_PROBED:
        ledger.notes.append(
            f"{len(missing):,} repos were not seen; {MOST_PROBED:,} of them were looked at, the rest wait"
        )
    if found:
        ledger.notes.append(f"{found:,} repos that the listing did not show were found by a look at them")


def look_for_displaced(ledger: Ledger) -> None:
    """Repos whose id another one took: a renamed one is listed under its owner, and the Hub can't be asked by `_id`."""
    lost: dict[str, set[str]] = defaultdict(set)
    for hub_id, owner in ledger.store.displaced(ledger.run):
        lost[owner].add(hub_id)
    for owner, hub_ids in islice(lost.items(), MOST_OWNERS):
        pages = Walk(ledger.hub, RepoFilter(authors=(owner,))).pages()
        for listed in islice(pages, MOST_PAGES):
            for repo in listed.repos:
                if repo.hub_id in hub_ids:
                    take_in(ledger, repo)
                    hub_ids.discard(repo.hub_id)
            if not hub_ids:
                break


def answers(hub: Hub) -> bool:
    """Whether the Hub answers for a repo that it lists itself. Raises TokenRefused."""
    rows, _ = hub.page([("sort", "createdAt"), ("limit", "1"), ("expand", "sha")], tries=hub.tries)
    if not rows or not isinstance(rows[0], dict) or not isinstance(rows[0].get("id"), str):
        return False
    try:
        return bool(hub.info(rows[0]["id"], expand=("sha",)))
    except RepoTrouble:
        return False


def probes(hub: Hub, executor: Executor, absent: Iterable[Wanted]) -> Iterable[tuple[Wanted, RepoRecord | Skipped]]:
    wanted = list(absent)
    for start in range(0, len(wanted), 256):
        batch = wanted[start : start + 256]
        yield from zip(batch, executor.map(probe, [hub] * len(batch), batch), strict=True)


def probe(hub: Hub, wanted: Wanted) -> RepoRecord | Skipped:
    """One look at one repo, without its files. Raises what ends a run."""
    try:
        return parse_repo(hub.info(wanted.repo_id, expand=LIGHT))
    except RepoTrouble as trouble:
        return skipped(wanted, trouble)


def take_in(ledger: Ledger, repo: RepoRecord) -> None:
    """A repo that the listing passed over: stored as if it had shown it."""
    store = ledger.store
    store.probed(repo.hub_id, found=True, at=datetime.now(UTC))
    if repo.private and not ledger.settings.include_private:
        store.set_status(ledger.run, repo.hub_id, "private")
        return
    held = store.stored([repo.hub_id]).get(repo.hub_id)
    whole = with_heavy(repo, held)
    aside = replace(ledger.run, kind="repos")  # a page that is no part of the walk
    ledger.paged(store.save_page(aside, ledger.scope, made_page(ledger, [whole], made_of([whole]), thin=True)))

"""What becomes of known repos that a full walk did not list.

A repo that the listing did not show is not gone: listings lose rows and show them again later. It counts as gone when
PROBES_BEFORE_GONE requests for the repo itself do not find it either, and only while the Hub still answers for a repo
that it has just listed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from crawler.discover.listing import ListingWalk
from crawler.discover.rows import with_stored_details
from crawler.label_pages import save_repo
from crawler.run_recorder import RunRecorder
from crawler.sources.source import Source
from db.records import LeasedRepo, RepoFilter, RepoRecord, Skipped

PROBES_BEFORE_GONE = 2
"""Requests for a repo that must not find it before it counts as gone."""

MIN_MISSING_TOLERATED = 1000
MAX_MISSING_SHARE = 0.05
"""A walk may miss this share of the repos of the last one, and at least MIN_MISSING_TOLERATED. If it misses more, the
listing itself is at fault and no repo is probed."""

MAX_PROBES_PER_RUN = 5000
"""Repos that are probed after one walk, each with up to PROBES_BEFORE_GONE requests; the others wait for the next."""

PROBE_BATCH = 256
"""Probes that are submitted to the workers together."""

MAX_OWNERS_SEARCHED = 100
MAX_PAGES_PER_OWNER = 10
"""Owners, and pages of each one's listing, that are searched after one walk for repos that lost their id."""


def check_missing(recorder: RunRecorder, executor: Executor) -> None:
    """Probes the repos that this walk did not list, and those of earlier walks that are not decided yet."""
    store, scope = recorder.store, recorder.scope
    tolerated = max(MIN_MISSING_TOLERATED, int(MAX_MISSING_SHARE * store.repos_in_last_listing(scope)))
    missing = [repo.hub_id for repo in islice(store.missing(scope, recorder.settings.scope), tolerated + 1)]
    if len(missing) > tolerated:
        recorder.notes.append(
            f"more than {tolerated:,} known repos were not listed: too many to trust this listing, none was probed"
        )
        return
    store.record_missing(scope, missing)
    to_probe = store.unconfirmed_missing(MAX_PROBES_PER_RUN)
    done, found = 0, 0
    for _ in range(PROBES_BEFORE_GONE):
        if not to_probe:
            break
        if not recorder.source.is_healthy():
            recorder.notes.append(
                f"{len(to_probe):,} repos were not listed; the Hub does not answer requests for single repos now"
            )
            return
        total, undecided = done + len(to_probe), []
        for leased, result in probe_all(recorder.source, executor, to_probe):
            done += 1
            if isinstance(result, RepoRecord) and result.hub_id == leased.hub_id:
                found += 1
                save_probed(recorder, result)
            elif not record_not_found(recorder, leased, result):
                undecided.append(leased)
            recorder.report_progress("probe", done, total)
        to_probe = undecided
    if len(missing) > MAX_PROBES_PER_RUN:
        recorder.notes.append(
            f"{len(missing):,} repos were not listed; {MAX_PROBES_PER_RUN:,} were probed, the next run continues"
        )
    if found:
        recorder.notes.append(f"{found:,} repos that the listing did not show were found by requests for each of them")


def probe_all(
    source: Source, executor: Executor, repos: Sequence[LeasedRepo]
) -> Iterable[tuple[LeasedRepo, RepoRecord | Skipped]]:
    """Each repo with what the Hub answers for it."""
    for start in range(0, len(repos), PROBE_BATCH):
        batch = repos[start : start + PROBE_BATCH]
        yield from zip(batch, executor.map(source.probe_repo, batch), strict=True)


def record_not_found(recorder: RunRecorder, leased: LeasedRepo, result: RepoRecord | Skipped) -> bool:
    """Records a probe that did not find the repo. False if it needs another one."""
    store, now = recorder.store, datetime.now(UTC)
    reason = result.reason if isinstance(result, Skipped) else "renamed"  # another repo has its id
    if reason == "disabled":
        store.set_status(recorder.run, leased.hub_id, "disabled")
        store.record_probe(leased.hub_id, found=True, at=now)
    elif reason in ("gone", "private", "renamed"):
        if store.record_probe(leased.hub_id, found=False, at=now) < PROBES_BEFORE_GONE:
            return False
        store.set_status(recorder.run, leased.hub_id, "private" if reason == "private" else "gone")
    return True


def save_probed(recorder: RunRecorder, repo: RepoRecord) -> None:
    """Stores a repo that a probe found as if the listing had shown it."""
    store = recorder.store
    store.record_probe(repo.hub_id, found=True, at=datetime.now(UTC))
    if repo.private and not recorder.settings.include_private:
        store.set_status(recorder.run, repo.hub_id, "private")
        return
    detailed = with_stored_details(repo, store.load_repos([repo.hub_id]).get(repo.hub_id))
    save_repo(recorder, replace(recorder.run, kind="repos"), detailed, thin=True)  # outside the walk


def find_reassigned(recorder: RunRecorder) -> None:
    """Searches for repos whose id another repo has now.

    The Hub can't be asked by `_id`, but a renamed repo is listed under its owner.
    """
    lost: dict[str, set[str]] = defaultdict(set)
    for each in recorder.store.reassigned_repos(recorder.run):
        lost[each.author].add(each.hub_id)
    for owner, hub_ids in islice(lost.items(), MAX_OWNERS_SEARCHED):
        pages = ListingWalk(recorder.source, RepoFilter(authors=(owner,))).pages()
        for page in islice(pages, MAX_PAGES_PER_OWNER):
            for repo in page.repos:
                if repo.hub_id in hub_ids:
                    save_probed(recorder, repo)
                    hub_ids.discard(repo.hub_id)
            if not hub_ids:
                break

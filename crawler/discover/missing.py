"""What becomes of known repos that a full walk did not list.

A repo that the listing did not show is not gone: listings lose rows and show them again later. It counts as gone when
requests for the repo itself do not find it in PROBES_BEFORE_GONE runs, and only while the Hub answers for a repo that
it has just listed. A walk that misses many repos is checked with a few of them: if these exist, the walk is not
believed.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from crawler.discover.listing import ListingWalk
from crawler.discover.probe import probe_all
from crawler.errors import ListingIncomplete
from crawler.run_recorder import RunRecorder
from crawler.save_repo import save_repo
from db.records import LeasedRepo, RepoFilter, RepoRecord, Skipped

PROBES_BEFORE_GONE = 2
"""Runs in which a request for a repo must not find it before it counts as gone."""

MIN_MISSING_TOLERATED = 20
MAX_MISSING_SHARE = 0.05
"""A walk may miss this share of the repos of the last one, and at least MIN_MISSING_TOLERATED. If it misses more, some
of them are probed before the walk is believed."""

SAMPLE_SIZE = 50
"""Repos that are probed of a walk that misses many."""

MAX_FOUND_SHARE = 0.1
"""Share of that sample which may exist: repos that were created, renamed or made public meanwhile."""

MAX_PROBES_PER_RUN = 5000
"""Repos that are probed after one walk; the others wait for the next run."""

MAX_OWNERS_SEARCHED = 100
MAX_PAGES_PER_OWNER = 10
"""Owners, and pages of each one's listing, that are searched after one walk for repos that lost their id."""


def check_missing(recorder: RunRecorder, executor: Executor) -> None:
    """Records and probes the repos that this walk did not list. A walk that is not believed adds to `missing_parts`."""
    store, scope = recorder.store, recorder.scope
    missing = [repo.hub_id for repo in store.missing(scope, recorder.settings.scope)]
    tolerated = max(MIN_MISSING_TOLERATED, int(MAX_MISSING_SHARE * store.repos_in_last_listing(scope)))
    if len(missing) > tolerated and do_exist(recorder, executor, len(missing)):
        recorder.missing_parts.append(f"{len(missing):,} known repos are missing from the listing, but exist")
        return
    store.record_missing(scope, missing)
    confirm_missing(recorder, executor)


def do_exist(recorder: RunRecorder, executor: Executor, count: int) -> bool:
    """Whether requests for a sample of the `count` missing repos find more of them than can be explained."""
    missing = recorder.store.missing(recorder.scope, recorder.settings.scope)
    step = max(count // SAMPLE_SIZE, 1)
    sample = list(islice(missing, 0, step * SAMPLE_SIZE, step))
    found = sum(isinstance(result, RepoRecord) for _, result in probe_all(recorder.source, executor, sample))
    return found > MAX_FOUND_SHARE * len(sample)


def confirm_missing(recorder: RunRecorder, executor: Executor) -> None:
    """Probes the repos that full walks missed and that are not decided yet, each once a run."""
    store = recorder.store
    to_probe = store.unconfirmed_missing(
        recorder.run.started_at, MAX_PROBES_PER_RUN, type_=recorder.settings.scope.type
    )
    if not to_probe:
        return
    if not recorder.source.is_healthy():
        recorder.notes.append(
            f"{len(to_probe):,} repos were not listed; the Hub does not answer requests for single repos now"
        )
        return
    found = 0
    for done, (leased, result) in enumerate(probe_all(recorder.source, executor, to_probe), 1):
        if isinstance(result, RepoRecord) and result.hub_id == leased.hub_id:
            found += 1
            save_probed(recorder, result)
        else:
            record_not_found(recorder, leased, result)
        recorder.report_progress("probe", done, len(to_probe))
    if len(to_probe) == MAX_PROBES_PER_RUN:
        recorder.notes.append(f"{len(to_probe):,} repos that were not listed were probed, the next run continues")
    if found:
        recorder.notes.append(f"{found:,} repos that the listing did not show were found by requests for each of them")


def record_not_found(recorder: RunRecorder, leased: LeasedRepo, result: RepoRecord | Skipped) -> None:
    """Records a probe that did not find the repo, and what that means if it was not the first."""
    store, now = recorder.store, datetime.now(UTC)
    reason = result.reason if isinstance(result, Skipped) else "renamed"  # another repo has its id
    if reason == "disabled":
        store.set_status(recorder.run, leased.hub_id, "disabled")
        store.record_probe(leased.hub_id, found=True, at=now)
    elif reason in ("gone", "private", "renamed"):
        probes = store.record_probe(leased.hub_id, found=False, at=now)
        if probes >= PROBES_BEFORE_GONE:
            store.set_status(recorder.run, leased.hub_id, "private" if reason == "private" else "gone")


def save_probed(recorder: RunRecorder, repo: RepoRecord) -> None:
    """Stores a repo that a probe found as if the listing had shown it."""
    store = recorder.store
    store.record_probe(repo.hub_id, found=True, at=datetime.now(UTC))
    if repo.private and not recorder.settings.include_private:
        store.set_status(recorder.run, repo.hub_id, "private")
        return
    save_repo(recorder, replace(recorder.run, kind="repos"), repo)  # outside the walk


def find_reassigned(recorder: RunRecorder) -> None:
    """Searches for repos whose id another repo has now.

    The Hub can't be asked by `_id`, but a renamed repo is listed under its owner.
    """
    lost: dict[str, set[str]] = defaultdict(set)
    for each in recorder.store.reassigned_repos(recorder.run):
        lost[each.author].add(each.hub_id)
    for owner, hub_ids in islice(lost.items(), MAX_OWNERS_SEARCHED):
        try:
            find_of_owner(recorder, owner, hub_ids)
        except ListingIncomplete as incomplete:
            recorder.notes.append(f"the repos of {owner} could not be listed: {incomplete}")


def find_of_owner(recorder: RunRecorder, owner: str, hub_ids: set[str]) -> None:
    """Stores those of the repos that their owner's listing shows."""
    pages = ListingWalk(
        recorder.source, RepoFilter(authors=(owner,), type=recorder.settings.scope.type), on_idle=recorder.save_wait
    ).pages()
    for page in islice(pages, MAX_PAGES_PER_OWNER):
        for repo in page.repos:
            if repo.hub_id in hub_ids:
                save_probed(recorder, repo)
                hub_ids.discard(repo.hub_id)
        if not hub_ids:
            break

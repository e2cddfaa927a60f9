"""Stores a page of the listing: new repos, changed repos, repos whose counters changed; unchanged ones write nothing.

The classes of a page's repos are not frozen: a page has a thousand repos, and creating a frozen object takes three
times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from db.derive.digest import stored_row_digest
from db.derive.record import derived
from db.derive.search_document import digits
from db.derive.totals import Counts
from db.read.search import add
from db.records import DerivedValues, Labelled, Page, PageCounts, RepoRecord, RunRecord
from db.rows import Row, Rows
from db.schema.tables import metrics, missing_repos, partial_repos, repos, search_pending
from db.schema.types import day_number
from db.totals import add_changes, measure
from db.write.enrichments import Refresh, refresh_enrichments, request_enrichment
from db.write.events import record_events, record_label_events, repo_events
from db.write.fit_rows import mark_fits
from db.write.label_rows import InternedIds, LabelledRepo, indexed_values, write_repo_labels
from db.write.repo_rows import (
    Counters,
    KnownState,
    StoredState,
    counters_of,
    load_known_states,
    load_stored_states,
    write_content,
    write_facts,
)
from db.write.skips import delete_skips, save_skips
from db.write.status import release_reassigned_ids, rename_repos

_ID_COLUMNS = ("repo_id", "author")
_VALUE_COLUMNS = (
    "sha", "created_at", "last_modified", *Counters._fields, "gated", "status", "pipeline_tag", "library_name",
    "license", "used_storage",
)  # fmt: skip
_NEW_COLUMNS = (
    "id", "hub_id", *_ID_COLUMNS, *_VALUE_COLUMNS, "first_seen", "last_seen", "first_run", "digest", "type",
    "row_digest",
)  # fmt: skip
_CHANGED_COLUMNS = (*_VALUE_COLUMNS, "last_seen", "digest", "row_digest")  # `rename_repos` writes the id and the author
_METRIC_COLUMNS = ("repo", "day", "downloads", "likes", "trending_score", "source")


@dataclass(slots=True)
class ListedRepo:
    """One repo of a page with its labels and what follows from both."""

    record: RepoRecord
    labelled: Labelled
    derived: DerivedValues


@dataclass(slots=True)
class NewRepo:
    """A listed repo that the catalog does not hold, with the number that it gets."""

    repo: int
    record: RepoRecord
    labelled: Labelled
    derived: DerivedValues


@dataclass(slots=True)
class ChangedRepo:
    """A listed repo that differs from what the catalog holds."""

    stored: StoredState
    record: RepoRecord
    labelled: Labelled
    derived: DerivedValues

    @property
    def repo(self) -> int:
        return self.stored.repo

    @property
    def is_read(self) -> bool:
        """Whether more of its present commit was read than the listing shows."""
        return self.stored.is_enriched and self.record.sha is not None and self.stored.enriched_sha == self.record.sha


@dataclass(slots=True)
class CountedRepo:
    """A listed repo of which only counters changed: `counters` are the new ones."""

    stored: StoredState | KnownState
    counters: Counters

    @property
    def repo(self) -> int:
        return self.stored.repo


@dataclass(slots=True)
class ClassifiedRepos:
    """The repos of a page by what is to be written of them."""

    new: list[NewRepo] = field(default_factory=list)
    changed: list[ChangedRepo] = field(default_factory=list)
    counted: list[CountedRepo] = field(default_factory=list)
    unchanged: list[StoredState | KnownState] = field(default_factory=list)
    new_rows: list[tuple[int, int]] = field(default_factory=list)  # row_digest and number of repos that are unchanged

    def repos(self) -> list[int]:
        """Numbers of all of them, in order."""
        known = [each.repo for each in self.changed] + [each.repo for each in self.counted]
        return sorted([each.repo for each in self.new] + known + [stored.repo for stored in self.unchanged])


def save_page(
    rows: Rows, interned: InternedIds, run: RunRecord, page: Page, at: datetime, refresh: Refresh | None
) -> tuple[PageCounts, ClassifiedRepos]:
    """Stores all of a page but its cursor, in the caller's transaction."""
    listed = _list_repos(page)
    stored = load_stored_states(rows, listed)
    found = _classify(rows, interned, listed.values(), stored, at, thin=page.thin)
    _classify_known(rows, found, [record for record in page.known if record.hub_id not in listed])
    written = [*(each.record for each in found.new), *(each.record for each in found.changed)]
    changed, counted = [each.repo for each in found.changed], [each.repo for each in found.counted]
    before = measure(rows, changed), measure(rows, counted, with_evidence=False)
    release_reassigned_ids(rows, run, written, listed.keys(), at)
    _insert(rows, interned, run, found.new, at)
    _update(rows, interned, run, found.changed, at, refresh)
    _update_counters(rows, found.counted, at)
    rows.update(repos, ("row_digest",), "id", found.new_rows)
    add_changes(rows, before[0], measure(rows, changed))
    add_changes(rows, before[1], measure(rows, counted, with_evidence=False))
    add_changes(rows, Counts(), measure(rows, [each.repo for each in found.new], with_artifacts=False))
    _mark_seen(rows, found)
    _mark_partial(rows, found, thin=page.thin)
    save_skips(rows, run, page.skipped)
    delete_skips(rows, [record.repo_id for record in written])
    counts = PageCounts(
        seen=len(listed) + len(page.known),
        new=len(found.new),
        changed=len(found.changed) + len(found.counted),
        unchanged=len(found.unchanged),
        skipped=len(page.skipped),
        refreshed=len(found.counted),
    )
    return counts, found


def _list_repos(page: Page) -> dict[str, ListedRepo]:
    """The repos of a page by hub_id; the last of two with one hub_id."""
    values = page.derived or [derived(record, labelled.labels) for record, labelled in page.repos]
    return {
        record.hub_id: ListedRepo(record, labelled, each)
        for (record, labelled), each in zip(page.repos, values, strict=True)
    }


def _classify(
    rows: Rows,
    interned: InternedIds,
    listed: Iterable[ListedRepo],
    known: Mapping[str, StoredState],
    at: datetime,
    *,
    thin: bool,
) -> ClassifiedRepos:
    found = ClassifiedRepos()
    number = rows.next_id(repos)
    for each in listed:
        record = each.record
        stored = known.get(record.hub_id)
        if stored is None:
            found.new.append(NewRepo(number, record, each.labelled, each.derived))
            number += 1
        elif not (thin and _is_same_commit(stored, record)) and (
            stored.digest != each.derived.digest
            or stored.status != record.status
            or (record.type == "model" and not _has_current_labels(rows, interned, stored, each.labelled, at))
        ):
            found.changed.append(ChangedRepo(stored, record, each.labelled, each.derived))
        else:
            row = None if thin else _row_digest(record, each.labelled, stored.digest)
            if row is not None and row != stored.row_digest:
                found.new_rows.append((row, stored.repo))
            _classify_counters(found, stored, record)
    return found


def _classify_counters(found: ClassifiedRepos, stored: StoredState | KnownState, record: RepoRecord) -> None:
    counters = counters_of(record, stored.counters)
    if counters != stored.counters:
        found.counted.append(CountedRepo(stored, counters))
    else:
        found.unchanged.append(stored)


def _classify_known(rows: Rows, found: ClassifiedRepos, known: Sequence[RepoRecord]) -> None:
    """Repos whose rows are known. One that something else has changed since it was compared stays as it is: the next
    walk parses its row."""
    stored = load_known_states(rows, [record.hub_id for record in known])
    for record in known:
        state = stored.get(record.hub_id)
        if state is None:
            continue
        if state.row == record.row:
            _classify_counters(found, state, record)
        else:
            found.unchanged.append(state)


def _row_digest(record: RepoRecord, labelled: Labelled, digest: int) -> int | None:
    """The value of repos.row_digest; None for a row that can't be compared, and for a model whose labels failed."""
    if record.row is None or (record.type == "model" and not labelled.vocabulary):
        return None
    return stored_row_digest(record.row, digest, record.status)


def _is_same_commit(stored: StoredState, record: RepoRecord) -> bool:
    """Whether what a thin page leaves out can't have changed."""
    return (stored.sha, stored.repo_id, stored.status) == (record.sha, record.repo_id, record.status)


def _has_current_labels(
    rows: Rows, interned: InternedIds, stored: StoredState, labelled: Labelled, at: datetime
) -> bool:
    """Whether the stored labels are of this vocabulary, or rest on more than the listing."""
    return stored.is_enriched or stored.vocabulary == interned.vocabulary(rows, labelled.vocabulary, at)


def _record_values(record: RepoRecord, counters: Counters) -> Row:
    """The values of `_VALUE_COLUMNS`."""
    return (
        record.sha,
        record.created_at,
        record.last_modified,
        *counters,
        record.gated,
        record.status,
        record.pipeline_tag,
        record.library_name,
        record.license,
        record.used_storage,
    )


def _insert(rows: Rows, interned: InternedIds, run: RunRecord, new: Sequence[NewRepo], at: datetime) -> None:
    if not new:
        return
    values: list[Row] = []
    for each in new:
        record = each.record
        ids = (each.repo, record.hub_id, record.repo_id, record.author)
        counters = counters_of(record)
        more = (
            at,
            at,
            run.id,
            each.derived.digest,
            record.type,
            _row_digest(record, each.labelled, each.derived.digest),
        )
        values.append((*ids, *_record_values(record, counters), *more))
    rows.insert(repos, _NEW_COLUMNS, values)
    write_facts(rows, {each.repo: each.derived.facts for each in new}, fresh=True)
    write_content(rows, interned, new, fresh=True)
    labels = [
        LabelledRepo(each.repo, each.labelled, "listing", each.derived.digest)
        for each in new
        if each.record.type == "model"
    ]
    write_repo_labels(rows, interned, labels, at, fresh=True)
    day = day_number(at.date())
    figures = [
        (each.repo, day, each.record.downloads, each.record.likes, each.record.trending_score, None) for each in new
    ]
    rows.insert(metrics, _METRIC_COLUMNS, figures, ready=True)
    add(rows, [(each.repo, each.derived.document) for each in new])
    mark_fits(rows, [each.repo for each in new if each.record.type == "model"])


def _update(
    rows: Rows,
    interned: InternedIds,
    run: RunRecord,
    changed: Sequence[ChangedRepo],
    at: datetime,
    refresh: Refresh | None,
) -> None:
    if not changed:
        return
    record_events(rows, run, at, [event for each in changed for event in repo_events(each)])
    counted = [CountedRepo(each.stored, counters_of(each.record, each.stored.counters)) for each in changed]
    values = [
        (
            *_record_values(each.record, now.counters),
            at,
            each.derived.digest,
            _row_digest(each.record, each.labelled, each.derived.digest),
            each.repo,
        )
        for each, now in zip(changed, counted, strict=True)
    ]
    rows.update(repos, _CHANGED_COLUMNS, "id", values)
    rename_repos(rows, changed, at)
    request_enrichment(rows, [each.repo for each in changed if _has_outdated_content(each)])
    read = [each for each in changed if each.is_read]
    if refresh is None:
        request_enrichment(rows, [each.repo for each in read])
    elif read:
        listed = [(each.stored, each.record, each.derived.digest) for each in read]
        refresh_enrichments(rows, interned, run, listed, refresh, at)
    others = [each for each in changed if refresh is None or not each.is_read]
    write_facts(rows, {each.repo: each.derived.facts for each in others}, fresh=False)
    write_content(rows, interned, others, fresh=False)
    unread = [each for each in others if not each.stored.is_enriched and each.record.type == "model"]
    _update_labels(rows, interned, run, unread, at)
    _save_metrics(rows, counted, at)
    rows.insert_new(search_pending, ("repo",), [(each.repo,) for each in changed])
    mark_fits(rows, [each.repo for each in changed if each.record.type == "model"])


def _has_outdated_content(each: ChangedRepo) -> bool:
    """Whether the present commit would now be read differently: of a repo whose id changed, since the headers that are
    read follow from it, or that is no longer gated, since its headers can be read."""
    return each.stored.is_enriched and (_is_renamed(each) or _is_ungated(each))


def _is_renamed(each: ChangedRepo) -> bool:
    return each.stored.repo_id != each.record.repo_id


def _is_ungated(each: ChangedRepo) -> bool:
    return (each.stored.status, each.record.status) == ("gated", "available")


def _update_labels(
    rows: Rows, interned: InternedIds, run: RunRecord, changed: Sequence[ChangedRepo], at: datetime
) -> None:
    """Labels of repos that were not enriched; other labels rest on more than the listing and stay."""
    edited = {each.repo: each.labelled for each in changed if each.stored.digest != each.derived.digest}
    record_label_events(rows, run, at, edited)
    labels = [
        LabelledRepo(
            each.repo,
            each.labelled,
            "listing",
            each.derived.digest,
            has_new_indexed=each.stored.indexed != indexed_values(each.labelled.labels),
        )
        for each in changed
    ]
    write_repo_labels(rows, interned, labels, at, fresh=False)


def _update_counters(rows: Rows, counted: Sequence[CountedRepo], at: datetime) -> None:
    columns = (*Counters._fields, "last_seen")
    rows.update(repos, columns, "id", [(*each.counters, at, each.stored.repo) for each in counted])
    outdated = [each.stored for each in counted if _has_other_digits(each)]
    rows.insert_new(search_pending, ("repo",), [(stored.repo,) for stored in outdated])
    mark_fits(rows, [stored.repo for stored in outdated if stored.has_labels])
    _save_metrics(rows, counted, at)


def _has_other_digits(counted: CountedRepo) -> bool:
    """Whether the downloads have another number of digits now, which the search document and the ranking contain."""
    return digits(counted.stored.counters.downloads) != digits(counted.counters.downloads)


def _save_metrics(rows: Rows, counted: Sequence[CountedRepo], at: datetime) -> None:
    """Today's row of metrics of each repo whose downloads, likes or trending score changed."""
    day = at.date()
    values: list[Row] = []
    for each in counted:
        old, new = each.stored.counters, each.counters
        figures = (new.downloads, new.likes, new.trending_score)
        if figures != (old.downloads, old.likes, old.trending_score):
            values.append((each.stored.repo, day, *figures, None))
    rows.upsert(metrics, ("repo", "day"), _METRIC_COLUMNS, values)


def _mark_seen(rows: Rows, found: ClassifiedRepos) -> None:
    """Repos that an earlier full crawl missed and that are listed again are no longer missing."""
    if rows.exists("select 1 from missing_repos"):
        rows.delete(missing_repos, ("repo",), [(repo,) for repo in found.repos()])


def _mark_partial(rows: Rows, found: ClassifiedRepos, *, thin: bool) -> None:
    """Marks the repos of which a page without the details is all that the catalog has of their commit; a page with the
    details removes the mark."""
    if thin:
        written = [each.repo for each in found.new]
        written += [each.repo for each in found.changed if not _is_same_commit(each.stored, each.record)]
        rows.insert_new(partial_repos, ("repo",), [(repo,) for repo in written])
    elif rows.exists("select 1 from partial_repos"):
        rows.delete(partial_repos, ("repo",), [(repo,) for repo in found.repos()])

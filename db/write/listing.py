"""A page of the listing into rows: what is new, what changed, what only counted on, what is as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from db.derive.record import derived
from db.derive.search_document import digits
from db.labels import EVENT_LABELS, INDEXED_LABELS, LABEL_BY_NAME, LABEL_NAMES
from db.read.search import add
from db.records import DerivedValues, Labelled, Page, RepoRecord, RunRecord, Skipped
from db.rows import Row, Rows
from db.schema.tables import (
    aliases,
    edges,
    evaluations,
    events,
    metrics,
    missing_repos,
    repo_facts,
    repo_tags,
    repos,
    search_pending,
    skips,
)
from db.schema.types import day_number
from db.write.label_rows import (
    InternedIds,
    LabelledRepo,
    indexed_values,
    label_values,
    write_repo_labels,
)

_STATE = (
    "select r.hub_id, r.id, r.repo_id, r.sha, r.digest, r.status, r.downloads, r.downloads_all_time, r.likes,"
    " r.trending_score, l.depth, l.vocabulary, v.sha, r.last_modified,"
    f" {', '.join(f'l.{name}' for name in INDEXED_LABELS)} from repos r"
    " left join repo_labels l on l.repo = r.id left join enrichments v on v.repo = r.id where r.hub_id in ({})"
)
_LISTED = [
    "repo_id",
    "author",
    "sha",
    "created_at",
    "last_modified",
    "downloads",
    "downloads_all_time",
    "likes",
    "trending_score",
    "gated",
    "status",
    "pipeline_tag",
    "library_name",
    "license",
    "used_storage",
]
_NEW_COLUMNS = ("id", "hub_id", *_LISTED, "first_seen", "last_seen", "first_run", "digest")
_CHANGED_COLUMNS = (*_LISTED[2:], "last_seen", "digest")  # id and owner: see `rename`
_EVENT_COLUMNS = ("id", "repo", "at", "run", "kind", "subject", "before", "after")
_TAG_COLUMNS = ("repo", "position", "tag")
BASE_MODEL_COLUMNS = ("repo", "parent", "relation", "source", "declared")
_EVALUATION_COLUMNS = ("repo", "position", "task", "dataset", "metric", "value", "source")
_METRIC_COLUMNS = ("repo", "day", "downloads", "likes", "trending_score")
EMPTY_FACTS = "{}"
"""Facts of a repo that has none."""

INFERRED_SOURCES = frozenset(("name", "owner", "file", "size", "lineage", "fuzzy"))
"""Sources that infer a parent; the others declare it."""


@dataclass(frozen=True, slots=True)
class PageCounts:
    """What one page did. `seen` = `new` + `changed` + `unchanged`; of the changed, `refreshed` in counters alone."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    refreshed: int = 0


class StoredState(NamedTuple):
    """What the catalog has of a repo that a page shows again."""

    repo: int
    repo_id: str
    sha: str | None
    digest: int
    status: str
    counters: tuple[int | None, int | None, int | None, float | None]
    depth: str | None
    vocabulary: int | None
    visited_sha: str | None
    last_modified: Any  # the driver's own
    indexed: tuple[str | None, ...]  # the labels of INDEXED_LABELS

    @property
    def deep(self) -> bool:
        """Its labels rest on more than the listing, which must not replace them."""
        return self.depth not in (None, "listing")


Entry = tuple[RepoRecord, Labelled, DerivedValues]
"""One repo of a page with all that is known of it."""

New = tuple[int, RepoRecord, Labelled, DerivedValues]
Changed = tuple[StoredState, RepoRecord, Labelled, DerivedValues]
"""An entry with the number that it gets, or with what the catalog has of it."""


@dataclass(slots=True)
class ClassifiedRepos:
    """The repos of a page by what is to be done with them."""

    new: list[New] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    counted: list[tuple[StoredState, RepoRecord]] = field(default_factory=list)
    unchanged: list[StoredState] = field(default_factory=list)

    def numbers(self) -> list[int]:
        known = [entry[0].repo for entry in self.changed] + [entry[0].repo for entry in self.counted]
        return sorted([entry[0] for entry in self.new] + known + [state.repo for state in self.unchanged])


def known_repos(rows: Rows, hub_ids: Iterable[str]) -> dict[str, StoredState]:
    return {
        row[0]: StoredState._make((*row[1:6], row[6:10], *row[10:14], row[14:]))
        for row in rows.select_in(_STATE, hub_ids)
    }


def save_page(
    rows: Rows, interned: InternedIds, run: RunRecord, page: Page, at: datetime
) -> tuple[PageCounts, ClassifiedRepos]:
    """All of a page but its cursor, in the caller's transaction."""
    entries = _entries(page)
    known = known_repos(rows, entries)
    found = _sort(rows, interned, entries.values(), known, at, thin=page.thin)
    release_reassigned_ids(
        rows, run, [entry[1] for entry in found.new] + [e[1] for e in found.changed], set(entries), at
    )
    _insert(rows, interned, run, found.new, at)
    _update(rows, interned, run, found.changed, at)
    _update_counters(rows, found.counted, at)
    _mark_seen(rows, found, at)
    save_skips(rows, run, page.skipped)
    _forget_skips(rows, [entry[1].repo_id for entry in found.new] + [e[1].repo_id for e in found.changed])
    counts = PageCounts(
        seen=len(entries),
        new=len(found.new),
        changed=len(found.changed) + len(found.counted),
        unchanged=len(found.unchanged),
        skipped=len(page.skipped),
        refreshed=len(found.counted),
    )
    return counts, found


def _entries(page: Page) -> dict[str, Entry]:
    made = page.derived or [derived(record, labelled.labels) for record, labelled in page.repos]
    return {record.hub_id: (record, labelled, more) for (record, labelled), more in zip(page.repos, made, strict=True)}


def _sort(
    rows: Rows,
    interned: InternedIds,
    entries: Iterable[Entry],
    known: dict[str, StoredState],
    at: datetime,
    *,
    thin: bool,
) -> ClassifiedRepos:
    found = ClassifiedRepos()
    number = rows.next_id(repos)
    for record, labelled, made in entries:
        state = known.get(record.hub_id)
        if state is None:
            found.new.append((number, record, labelled, made))
            number += 1
        elif not (thin and _same_commit(state, record)) and (
            state.digest != made.digest
            or state.status != record.status
            or not _current(rows, interned, state, labelled, at)
        ):
            found.changed.append((state, record, labelled, made))
        elif _counters(state, record) != state.counters:
            found.counted.append((state, record))
        else:
            found.unchanged.append(state)
    return found


def _same_commit(state: StoredState, record: RepoRecord) -> bool:
    """For a thin page: what it does not tell is as it was."""
    return (state.sha, state.repo_id, state.status) == (record.sha, record.repo_id, record.status)


def _current(rows: Rows, interned: InternedIds, state: StoredState, labelled: Labelled, at: datetime) -> bool:
    """Its labels are of this vocabulary, or deeper than what the listing could say."""
    return state.deep or state.vocabulary == interned.vocabulary(rows, labelled.vocabulary, at)


def _counters(state: StoredState, record: RepoRecord) -> tuple[int | None, int | None, int | None, float | None]:
    """The counters as they are now; one that this listing did not give stays as it was."""
    now = (record.downloads, record.downloads_all_time, record.likes, record.trending_score)
    old = state.counters
    if None not in now:
        return now
    return (
        old[0] if now[0] is None else now[0],
        old[1] if now[1] is None else now[1],
        old[2] if now[2] is None else now[2],
        old[3] if now[3] is None else now[3],
    )


def listed_values(record: RepoRecord, counters: Sequence[Any]) -> Row:
    """The values of `_LISTED`."""
    return (
        record.repo_id,
        record.author,
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


def _insert(
    rows: Rows,
    interned: InternedIds,
    run: RunRecord,
    new: Sequence[New],
    at: datetime,
) -> None:
    if not new:
        return
    values = [
        (
            number,
            record.hub_id,
            *listed_values(record, (record.downloads, record.downloads_all_time, record.likes, record.trending_score)),
            at,
            at,
            run.id,
            made.digest,
        )
        for number, record, _, made in new
    ]
    rows.insert(repos, _NEW_COLUMNS, values)
    write_facts(rows, [(number, made.facts) for number, _, _, made in new], fresh=True)
    children = [(number, record, labelled) for number, record, labelled, _ in new]
    write_children(rows, interned, children, fresh=True)
    labels = [LabelledRepo(number, labelled, "listing", made.digest) for number, _, labelled, made in new]
    write_repo_labels(rows, interned, labels, at, fresh=True)
    day = day_number(at.date())
    rows.insert(
        metrics,
        _METRIC_COLUMNS,
        [(number, day, record.downloads, record.likes, record.trending_score) for number, record, _, _ in new],
        ready=True,
    )
    add(rows, [(number, made.document) for number, _, _, made in new])


def _update(
    rows: Rows,
    interned: InternedIds,
    run: RunRecord,
    changed: Sequence[Changed],
    at: datetime,
) -> None:
    if not changed:
        return
    record_events(rows, run, at, [event for state, record, *_ in changed for event in repo_events(state, record)])
    values = [
        (*listed_values(record, _counters(state, record))[2:], at, made.digest, state.repo)
        for state, record, _, made in changed
    ]
    rows.update(repos, _CHANGED_COLUMNS, "id", values)
    rename_repos(rows, [(state, record) for state, record, *_ in changed], at)
    # A visit at this commit knows more of its content than the listing does: its facts stay.
    facts = [
        (s.repo, made.facts) for s, record, _, made in changed if s.visited_sha is None or s.visited_sha != record.sha
    ]
    write_facts(rows, facts, fresh=False)
    content = [entry for entry in changed if entry[0].digest != entry[3].digest or not entry[0].deep]
    write_children(rows, interned, [(s.repo, record, labelled) for s, record, labelled, _ in content], fresh=False)
    shallow = [entry for entry in changed if not entry[0].deep]
    record_label_events(
        rows, run, at, [(s.repo, labelled) for s, _, labelled, made in shallow if s.digest != made.digest]
    )
    labels = [
        LabelledRepo(s.repo, labelled, "listing", made.digest, s.indexed != indexed_values(labelled.labels))
        for s, _, labelled, made in shallow
    ]
    write_repo_labels(rows, interned, labels, at, fresh=False)
    _count_days(rows, [(state, record) for state, record, *_ in changed], at)
    rows.insert_new(search_pending, ("repo",), [(state.repo,) for state, *_ in changed])


def _update_counters(rows: Rows, counted: Sequence[tuple[StoredState, RepoRecord]], at: datetime) -> None:
    columns = ("downloads", "downloads_all_time", "likes", "trending_score", "last_seen")
    rows.update(repos, columns, "id", [(*_counters(state, record), at, state.repo) for state, record in counted])
    grown = [state.repo for state, record in counted if _metric_rows(state, record)]
    rows.insert_new(search_pending, ("repo",), [(repo,) for repo in grown])
    _count_days(rows, counted, at)


def _metric_rows(state: StoredState, record: RepoRecord) -> bool:
    """Its downloads have another order of magnitude now, which its search document holds."""
    return digits(state.counters[0]) != digits(_counters(state, record)[0])


def _count_days(rows: Rows, counted: Sequence[tuple[StoredState, RepoRecord]], at: datetime) -> None:
    day = at.date()
    values = []
    for state, record in counted:
        downloads, _, likes, trend = _counters(state, record)
        if (downloads, likes, trend) != (state.counters[0], state.counters[2], state.counters[3]):
            values.append((state.repo, day, downloads, likes, trend))
    rows.upsert(metrics, ("repo", "day"), _METRIC_COLUMNS, values)


def _mark_seen(rows: Rows, found: ClassifiedRepos, at: datetime) -> None:
    """Repos that a sweep had missed and that are here again are missing no more."""
    if rows.select("select 1 from missing_repos limit 1"):
        rows.delete(missing_repos, ("repo",), [(number,) for number in found.numbers()])


# ---- parts that an enrichment shares --------------------------------------------------------------------------------


def write_children(
    rows: Rows, interned: InternedIds, items: Sequence[tuple[int, RepoRecord, Labelled]], *, fresh: bool
) -> None:
    """Tags, edges and evaluations; `fresh` says that the repos have none yet."""
    numbers = interned.tags(rows, (tag for _, record, _ in items for tag in record.tags))
    links = [(repo, place, numbers[tag]) for repo, record, _ in items for place, tag in enumerate(record.tags)]
    results = [
        (repo, place, result.task, result.dataset, result.metric, result.value, result.source)
        for repo, record, _ in items
        for place, result in enumerate(record.evaluations)
    ]
    if fresh:
        rows.insert(repo_tags, _TAG_COLUMNS, links)
        rows.insert(edges, BASE_MODEL_COLUMNS, edge_rows(items))
        rows.insert(evaluations, _EVALUATION_COLUMNS, results)
    else:
        owners = [(repo,) for repo, _, _ in items]
        rows.replace(repo_tags, ("repo",), _TAG_COLUMNS, owners, links)
        replace_base_models(rows, items)
        rows.replace(evaluations, ("repo",), _EVALUATION_COLUMNS, owners, results)


def write_facts(rows: Rows, items: Sequence[tuple[int, str]], *, fresh: bool) -> None:
    """Facts of repos, where there are any; `fresh` says that none of them has some yet."""
    some = [item for item in items if item[1] != EMPTY_FACTS]
    if fresh:
        rows.insert(repo_facts, ("repo", "facts"), some)
    else:
        rows.upsert(repo_facts, ("repo",), ("repo", "facts"), some)
        rows.delete(repo_facts, ("repo",), [(repo,) for repo, facts in items if facts == EMPTY_FACTS])


def replace_base_models(rows: Rows, items: Sequence[tuple[int, RepoRecord, Labelled]]) -> None:
    rows.replace(edges, ("repo",), BASE_MODEL_COLUMNS, [(repo,) for repo, _, _ in items], edge_rows(items))


_edge_values = attrgetter("parent", "relation", "source")


def edge_rows(items: Iterable[tuple[int, RepoRecord, Labelled]]) -> Iterable[Row]:
    for repo, record, labelled in items:
        if not record.edges and not labelled.edges:
            continue
        for edge in dict.fromkeys(map(_edge_values, (*record.edges, *labelled.edges))):
            yield repo, *edge, edge[2] not in INFERRED_SOURCES


def repo_events(state: StoredState, record: RepoRecord) -> list[tuple[int, str, str | None, str | None, str | None]]:
    """(repo, kind, subject, before, after) of what the Hub's own data say has changed."""
    told: list[tuple[int, str, str | None, str | None, str | None]] = []
    if state.repo_id != record.repo_id:
        told.append((state.repo, "renamed", None, state.repo_id, record.repo_id))
    if state.sha != record.sha and record.sha is not None:
        told.append((state.repo, "commit", None, state.sha, record.sha))
    if state.status != record.status:
        told.append((state.repo, _status_kind(state.status, record.status), "status", state.status, record.status))
    return told


def _status_kind(before: str, after: str) -> str:
    if before == "gone":
        return "back"
    if after == "available":
        return "ungated" if before == "gated" else "back"
    return after


def record_events(
    rows: Rows, run: RunRecord | None, at: datetime, told: Sequence[tuple[int, str, str | None, str | None, str | None]]
) -> None:
    if told:
        first = rows.next_id(events)
        number = None if run is None else run.id
        values = [(first + place, repo, at, number, *rest) for place, (repo, *rest) in enumerate(told)]
        rows.insert(events, _EVENT_COLUMNS, values)


def record_label_events(rows: Rows, run: RunRecord | None, at: datetime, items: Sequence[tuple[int, Labelled]]) -> int:
    """Events for labels that change with these; to be called before they are written."""
    sql = f"select repo, {', '.join(LABEL_NAMES)} from repo_labels where repo in ({{}})"
    before = {row[0]: tuple(row[1:]) for row in rows.select_in(sql, [repo for repo, _ in items])}
    told = []
    for repo, labelled in items:
        if repo in before:
            changes = label_changes(before[repo], label_values(labelled.labels))
            told += [(repo, "label", name, old, new) for name, old, new in changes if name in EVENT_LABELS]
    record_events(rows, run, at, told)
    return len(told)


def label_changes(
    before: Row, after: Row, names: Sequence[str] = LABEL_NAMES
) -> list[tuple[str, str | None, str | None]]:
    """(name, before, after) as text, of labels that differ."""
    return [
        (name, label_event_text(name, old), label_event_text(name, new))
        for name, old, new in zip(names, before, after, strict=True)
        if old != new
    ]


def label_event_text(name: str, value: Any) -> str | None:
    """A label's value as text: true and false, numbers without trailing zeros."""
    if value is None or isinstance(value, str):
        return value
    if LABEL_BY_NAME[name].kind == "boolean":
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def rename_repos(rows: Rows, changed: Iterable[tuple[StoredState, RepoRecord]], at: datetime) -> None:
    """Gives repos the id that they have now, and keeps the earlier one."""
    moved = [(state, record) for state, record in changed if state.repo_id != record.repo_id]
    now = [(record.repo_id, record.author, state.repo) for state, record in moved]
    rows.update(repos, ("repo_id", "author"), "id", now)
    before = [(state.repo, state.repo_id, at) for state, _ in moved]
    rows.upsert(aliases, ("repo", "repo_id"), ("repo", "repo_id", "until"), before)


def set_status(rows: Rows, run: RunRecord | None, hub_id: str, status: str, at: datetime) -> bool:
    """A repo's status as a direct look found it; False if the catalog does not hold the repo or knew already."""
    found = rows.select("select id, status from repos where hub_id = ?", (hub_id,))
    if not found or found[0][1] == status:
        return False
    repo, before = found[0]
    record_events(rows, run, at, [(repo, _status_kind(before, status), "status", before, status)])
    rows.update(repos, ("status", "last_seen"), "id", [(status, at, repo)])
    rows.delete(missing_repos, ("repo",), [(repo,)])
    return True


def release_reassigned_ids(
    rows: Rows, run: RunRecord | None, records: Sequence[RepoRecord], here: set[str], at: datetime
) -> None:
    """An id that now belongs to another repo: its former holder is gone from there, until it is seen under another."""
    if not records:
        return
    sql = "select id, hub_id, repo_id, status from repos where repo_id in ({})"
    holders = list(rows.select_in(sql, {record.repo_id for record in records}))
    now = {record.repo_id: record.hub_id for record in records}
    lost = [row for row in holders if row[1] not in here and now[row[2]] != row[1] and row[3] != "gone"]
    record_events(rows, run, at, [(row[0], "gone", "status", row[3], "gone") for row in lost])
    rows.update(repos, ("status", "last_seen"), "id", [("gone", at, row[0]) for row in lost])
    rows.upsert(aliases, ("repo", "repo_id"), ("repo", "repo_id", "until"), [(row[0], row[2], at) for row in lost])


def save_skips(rows: Rows, run: RunRecord | None, skipped: Iterable[Skipped]) -> int:
    """What was left out; the same again writes nothing. Returns how many are new."""
    number = None if run is None else run.id
    values = [(s.repo_id, s.reason, s.detail, s.hub_id, s.seen_at, number) for s in skipped]
    return rows.insert_new(skips, ("repo_id", "reason", "detail", "hub_id", "seen_at", "run"), values)


def _forget_skips(rows: Rows, repo_ids: Sequence[str]) -> None:
    if repo_ids and rows.select("select 1 from skips limit 1"):
        found = {row[0] for row in rows.select_in("select repo_id from skips where repo_id in ({})", repo_ids)}
        rows.delete(skips, ("repo_id",), [(repo_id,) for repo_id in found])

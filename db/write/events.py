"""Rows of events: dated changes of a repo, its labels, files and artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.labels import EVENT_LABELS, LABEL_BY_NAME, LABEL_NAMES
from db.records import Labelled, RunRecord
from db.rows import Row, Rows
from db.schema.tables import events
from db.write.label_rows import label_values
from db.write.repo_rows import RepoUpdate

_EVENT_COLUMNS = ("id", "repo", "at", "run", "kind", "subject", "before", "after")


@dataclass(frozen=True, slots=True)
class RepoEvent:
    """One change of a repo. `kind` is one of those that the column events.kind lists, `subject` what it happened to."""

    repo: int
    kind: str
    subject: str | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class LabelChange:
    """One label with its old and new value as text; None for no value."""

    name: str
    before: str | None
    after: str | None


def record_events(rows: Rows, run: RunRecord | None, at: datetime, found: Sequence[RepoEvent]) -> None:
    """Stores events, dated `at`."""
    if found:
        first, run_id = rows.next_id(events), None if run is None else run.id
        values = [
            (first + place, event.repo, at, run_id, event.kind, event.subject, event.before, event.after)
            for place, event in enumerate(found)
        ]
        rows.insert(events, _EVENT_COLUMNS, values)


def repo_events(update: RepoUpdate) -> Iterator[RepoEvent]:
    """Changes of the id, the commit, the licence and the status that a repo's record shows.

    The first commit or licence that becomes known of a repo, which some Hubs do not list, is no change.
    """
    stored, record = update.stored, update.record
    if stored.repo_id != record.repo_id:
        yield RepoEvent(stored.repo, "renamed", None, stored.repo_id, record.repo_id)
    if stored.sha is not None and record.sha not in (None, stored.sha):
        yield RepoEvent(stored.repo, "commit", None, stored.sha, record.sha)
    if stored.license is not None and record.license not in (None, stored.license):
        yield RepoEvent(stored.repo, "licence", None, stored.license, record.license)
    if stored.status != record.status:
        yield status_event(stored.repo, stored.status, record.status)


def status_event(repo: int, before: str, after: str) -> RepoEvent:
    """The event of a change from one status to another."""
    if before == "gone":
        kind = "back"
    elif after == "available":
        kind = "ungated" if before == "gated" else "back"
    else:
        kind = after
    return RepoEvent(repo, kind, "status", before, after)


def record_label_events(rows: Rows, run: RunRecord | None, at: datetime, labelled: Mapping[int, Labelled]) -> int:
    """Stores an event for each of EVENT_LABELS that will change when these labels, by repo number, are written.

    Returns how many. To be called before they are written.
    """
    stored = load_label_values(rows, labelled)
    found = [
        RepoEvent(repo, "label", change.name, change.before, change.after)
        for repo, before in stored.items()
        for change in label_changes(before, label_values(labelled[repo].labels))
        if change.name in EVENT_LABELS
    ]
    record_events(rows, run, at, found)
    return len(found)


def load_label_values(rows: Rows, repos: Iterable[int]) -> dict[int, Row]:
    """The stored labels of those of the repos that have some, in the order of `LABEL_NAMES`, in the order asked."""
    numbers = list(repos)
    sql = f"select repo, {', '.join(LABEL_NAMES)} from repo_labels where repo in ({{}})"
    found = {repo: tuple(values) for repo, *values in rows.select_in(sql, numbers)}
    return {repo: found[repo] for repo in numbers if repo in found}


def label_changes(before: Row, after: Row, names: Sequence[str] = LABEL_NAMES) -> Iterator[LabelChange]:
    """The labels whose values differ; both rows have them in the order of `names`."""
    for name, old, new in zip(names, before, after, strict=True):
        if old != new:
            yield LabelChange(name, label_event_text(name, old), label_event_text(name, new))


def label_event_text(name: str, value: Any) -> str | None:
    """A label's value as text: true and false, numbers without trailing zeros."""
    if value is None or isinstance(value, str):
        return value
    if LABEL_BY_NAME[name].kind == "boolean":
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)

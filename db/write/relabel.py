"""Labels made anew from what is stored, into rows: no file and no counter changes with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from db.labels import ARTIFACT_LABEL_NAMES, LABEL_NAMES
from db.read.load import Relabelled
from db.records import RunRecord
from db.rows import Rows
from db.schema.tables import artifacts, edges, search_pending
from db.write.label_rows import (
    InternedIds,
    LabelledRepo,
    artifact_label_values,
    label_values,
    write_evidence,
    write_repo_labels,
)
from db.write.listing import BASE_MODEL_COLUMNS, edge_rows, label_changes, record_label_events

EXAMPLES = 3
"""How many changes of one label are kept to be shown."""


@dataclass(frozen=True, slots=True)
class LabelDifference:
    """One label of a repo or of one of its artifacts that came out otherwise; values as text, None for none."""

    repo_id: str
    field: str
    before: str | None
    after: str | None
    artifact: str | None = None


@dataclass(frozen=True, slots=True)
class RelabelCounts:
    """What a relabelling did: repos written; labels of theirs, and of their artifacts, that came out otherwise."""

    repos: int = 0
    labels: int = 0
    fields: Mapping[str, int] = field(default_factory=dict)
    artifact_labels: int = 0
    artifact_fields: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[LabelDifference, ...] = ()

    def __add__(self, other: RelabelCounts) -> RelabelCounts:
        return RelabelCounts(
            self.repos + other.repos,
            self.labels + other.labels,
            Counter(self.fields) + Counter(other.fields),
            self.artifact_labels + other.artifact_labels,
            Counter(self.artifact_fields) + Counter(other.artifact_fields),
            first_examples((*self.examples, *other.examples)),
        )


def first_examples(changes: Sequence[LabelDifference]) -> tuple[LabelDifference, ...]:
    """The first changes of each label, of repos and of artifacts."""
    kept: Counter[tuple[str, bool]] = Counter()
    found = []
    for change in changes:
        kind = change.field, change.artifact is None
        kept[kind] += 1
        if kept[kind] <= EXAMPLES:
            found.append(change)
    return tuple(found)


def save_labels(
    rows: Rows,
    interned: InternedIds,
    run: RunRecord | None,
    batch: Sequence[Relabelled],
    at: datetime,
    *,
    told: bool = True,
) -> RelabelCounts:
    """Writes those whose repo is still as it was read; `told` as events. In the caller's transaction."""
    numbers = [item.stored.number for item in batch]
    now = dict(map(tuple, rows.select_in("select id, digest from repos where id in ({})", numbers)))
    items = [item for item in batch if now.get(item.stored.number) == item.stored.digest]
    numbered = artifact_numbers(rows, items)
    changes = list(differences(rows, items))
    of_artifacts = list(artifact_differences(rows, items, numbered))
    if told:
        record_label_events(rows, run, at, [(item.stored.number, item.labelled) for item in items])
    labels = [LabelledRepo(i.stored.number, i.labelled, i.stored.depth, i.stored.digest) for i in items]
    write_repo_labels(rows, interned, labels, at, fresh=False)
    parents = edge_rows([(item.stored.number, item.stored.record, item.labelled) for item in items])
    rows.replace(edges, ("repo",), BASE_MODEL_COLUMNS, [(item.stored.number,) for item in items], parents)
    _save_artifacts(rows, interned, items, numbered)
    rows.insert_new(search_pending, ("repo",), [(item.stored.number,) for item in items])
    return RelabelCounts(
        len(items),
        len(changes),
        Counter(change.field for change in changes),
        len(of_artifacts),
        Counter(change.field for change in of_artifacts),
        first_examples((*changes, *of_artifacts)),
    )


def differences(rows: Rows, items: Sequence[Relabelled]) -> Iterator[LabelDifference]:
    """Labels that these would change. A repo that had none yet changes nothing."""
    sql = f"select repo, {', '.join(LABEL_NAMES)} from repo_labels where repo in ({{}})"
    before = {row[0]: tuple(row[1:]) for row in rows.select_in(sql, [item.stored.number for item in items])}
    for item in items:
        if item.stored.number in before:
            new = label_values(item.labelled.labels)
            for name, old, now in label_changes(before[item.stored.number], new):
                yield LabelDifference(item.stored.record.repo_id, name, old, now)


def artifact_numbers(rows: Rows, items: Sequence[Relabelled]) -> Mapping[tuple[int, str], int]:
    """(the repo's number, the artifact's name) -> the artifact's number."""
    sql = "select repo, artifact, id from artifacts where repo in ({})"
    found = rows.select_in(sql, [item.stored.number for item in items])
    return {(repo, artifact): number for repo, artifact, number in found}


def artifact_differences(
    rows: Rows, items: Sequence[Relabelled], numbered: Mapping[tuple[int, str], int]
) -> Iterator[LabelDifference]:
    """Labels of artifacts that these would change."""
    sql = f"select id, {', '.join(ARTIFACT_LABEL_NAMES)} from artifacts where repo in ({{}})"
    before = {row[0]: tuple(row[1:]) for row in rows.select_in(sql, [item.stored.number for item in items])}
    for item in items:
        for artifact, labelled in item.artifacts:
            number = numbered.get((item.stored.number, artifact.artifact))
            if number is not None:
                new = artifact_label_values(labelled.labels)
                for name, old, now in label_changes(before[number], new, ARTIFACT_LABEL_NAMES):
                    yield LabelDifference(item.stored.record.repo_id, name, old, now, artifact.artifact)


def _save_artifacts(
    rows: Rows, interned: InternedIds, items: Sequence[Relabelled], numbered: Mapping[tuple[int, str], int]
) -> None:
    labelled = [
        (item.stored.number, numbered[item.stored.number, artifact.artifact], labelled)
        for item in items
        for artifact, labelled in item.artifacts
        if (item.stored.number, artifact.artifact) in numbered
    ]
    values = [(*artifact_label_values(found.labels), number) for _, number, found in labelled]
    rows.update(artifacts, ARTIFACT_LABEL_NAMES, "id", values)
    write_evidence(rows, interned, labelled, fresh=False)

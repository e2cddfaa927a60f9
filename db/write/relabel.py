"""Stores labels that were made again from stored data. Files and counters do not change with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from db.labels import ARTIFACT_LABEL_NAMES
from db.read.load import LOAD_BATCH, Relabelled, StoredRepo, load_stored_repos
from db.records import RunRecord
from db.rows import Rows
from db.schema.tables import artifacts, search_pending
from db.totals import kept_totals
from db.write.events import label_changes, load_label_values, record_label_events
from db.write.fit_rows import mark_fits
from db.write.label_rows import (
    EvidenceOwner,
    InternedIds,
    LabelledRepo,
    artifact_label_values,
    label_values,
    write_evidence,
    write_repo_labels,
)
from db.write.repo_rows import replace_base_models

MAX_EXAMPLES = 3
"""Differences of one label that are kept as examples."""


@dataclass(frozen=True, slots=True)
class LabelDifference:
    """One label of a repo or of one of its artifacts with another value; values as text, None for none."""

    repo_id: str
    field: str
    before: str | None
    after: str | None
    artifact: str | None = None


@dataclass(frozen=True, slots=True)
class RelabelCounts:
    """What relabelling did: repos written, and labels of them and of their artifacts with another value, by name."""

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
    """The first MAX_EXAMPLES of each label, of repos and of artifacts."""
    kept: Counter[tuple[str, bool]] = Counter()
    found = []
    for change in changes:
        kind = change.field, change.artifact is None
        kept[kind] += 1
        if kept[kind] <= MAX_EXAMPLES:
            found.append(change)
    return tuple(found)


def save_labels(
    rows: Rows,
    interned: InternedIds,
    run: RunRecord | None,
    batch: Sequence[Relabelled],
    at: datetime,
    *,
    with_events: bool = True,
) -> RelabelCounts:
    """Writes the labels of repos that have not changed since they were read, in the caller's transaction."""
    items = _unchanged(rows, batch)
    artifact_ids = _load_artifact_ids(rows, items)
    counts = _count_differences(rows, items, artifact_ids)
    if with_events:
        record_label_events(rows, run, at, {item.repo: item.labelled for item in items})
    labels = [LabelledRepo(item.repo, item.labelled, item.stored.depth, item.stored.digest) for item in items]
    with kept_totals(rows, [item.repo for item in items]):
        write_repo_labels(rows, interned, labels, at, fresh=False)
        replace_base_models(rows, items)
        _save_artifact_labels(rows, interned, items, artifact_ids)
    rows.insert_new(search_pending, ("repo",), [(item.repo,) for item in items])
    mark_fits(rows, [item.repo for item in items])
    return counts


def compare_labels(rows: Rows, batch: Sequence[Relabelled]) -> RelabelCounts:
    """What `save_labels` would do; writes nothing."""
    items = _unchanged(rows, batch)
    return _count_differences(rows, items, _load_artifact_ids(rows, items))


def _unchanged(rows: Rows, batch: Sequence[Relabelled]) -> list[Relabelled]:
    """Those of the repos that have not changed since they were read."""
    digests = dict(rows.select_in("select id, digest from repos where id in ({})", [item.repo for item in batch]))
    return [item for item in batch if digests.get(item.repo) == item.stored.digest]


def _count_differences(
    rows: Rows, items: Sequence[Relabelled], artifact_ids: Mapping[tuple[int, str], int]
) -> RelabelCounts:
    of_repos = list(_repo_differences(rows, items))
    of_artifacts = list(_artifact_differences(rows, items, artifact_ids))
    return RelabelCounts(
        repos=len(items),
        labels=len(of_repos),
        fields=Counter(each.field for each in of_repos),
        artifact_labels=len(of_artifacts),
        artifact_fields=Counter(each.field for each in of_artifacts),
        examples=first_examples((*of_repos, *of_artifacts)),
    )


def link_headers(rows: Rows) -> list[StoredRepo]:
    """Links artifacts to the headers of their content that enriching another repo read, in the caller's transaction.

    Returns their repos, LOAD_BATCH at most, whose labels are to be made again; none when there is nothing to link.
    """
    sql = (
        "select distinct a.repo, l.depth from headers h join artifacts a on a.content = h.content"
        " left join repo_labels l on l.repo = a.repo where a.header is null order by a.repo limit ?"
    )
    depths: dict[int, str | None] = dict(rows.select(sql, (LOAD_BATCH,)))
    for repo in depths:
        rows.execute(
            "update artifacts set header = (select h.id from headers h where h.content = artifacts.content)"
            " where repo = ? and header is null and content is not null",
            (repo,),
        )
    return load_stored_repos(rows, depths)


def _repo_differences(rows: Rows, items: Sequence[Relabelled]) -> Iterator[LabelDifference]:
    """Labels of repos that writing these would change. Those of a repo that has none yet are no change."""
    stored = load_label_values(rows, [item.repo for item in items])
    for item in items:
        if item.repo in stored:
            for change in label_changes(stored[item.repo], label_values(item.labelled.labels)):
                yield LabelDifference(item.record.repo_id, change.name, change.before, change.after)


def _load_artifact_ids(rows: Rows, items: Sequence[Relabelled]) -> Mapping[tuple[int, str], int]:
    """Numbers of artifacts by the repo's number and the artifact's name."""
    sql = "select repo, artifact, id from artifacts where repo in ({})"
    return {(repo, name): number for repo, name, number in rows.select_in(sql, [item.repo for item in items])}


def _artifact_differences(
    rows: Rows, items: Sequence[Relabelled], artifact_ids: Mapping[tuple[int, str], int]
) -> Iterator[LabelDifference]:
    """Labels of artifacts that writing these would change."""
    sql = f"select id, {', '.join(ARTIFACT_LABEL_NAMES)} from artifacts where repo in ({{}})"
    stored = {number: tuple(values) for number, *values in rows.select_in(sql, [item.repo for item in items])}
    for item in items:
        for artifact, labelled in item.artifacts:
            number = artifact_ids.get((item.repo, artifact.artifact))
            if number is not None:
                after = artifact_label_values(labelled.labels)
                for change in label_changes(stored[number], after, ARTIFACT_LABEL_NAMES):
                    yield LabelDifference(
                        item.record.repo_id, change.name, change.before, change.after, artifact.artifact
                    )


def _save_artifact_labels(
    rows: Rows, interned: InternedIds, items: Sequence[Relabelled], artifact_ids: Mapping[tuple[int, str], int]
) -> None:
    owners = [
        EvidenceOwner(item.repo, artifact_ids[item.repo, artifact.artifact], labelled)
        for item in items
        for artifact, labelled in item.artifacts
        if (item.repo, artifact.artifact) in artifact_ids
    ]
    values = [(*artifact_label_values(owner.labelled.labels), owner.artifact) for owner in owners]
    rows.update(artifacts, ARTIFACT_LABEL_NAMES, "id", values)
    repos = [item.repo for item in items]
    write_evidence(rows, interned, repos, owners, of_artifacts=True, fresh=False)

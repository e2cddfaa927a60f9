"""Rows of labels: the resolved values, the evidence that they rest on, conflicts, and tokens that no rule claimed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter, itemgetter

from db.derive.digest import Piece, evidence_key, to_json
from db.derive.evidence_document import evidence_code, pack_evidence, pack_repo_evidence
from db.labels import ARTIFACT_LABEL_NAMES, ARTIFACT_LABELS, INDEXED_LABELS, LABEL_NAMES, LABELS, Labels
from db.records import Labelled, LabelRecord
from db.rows import Row, Rows
from db.schema.tables import conflicts, evidence, repo_evidence, repo_labels, tags, unclaimed, vocabularies

REPO_LABEL_COLUMNS = ("repo", *LABEL_NAMES, "vocabulary", "depth", "digest")
_UNINDEXED_COLUMNS = tuple(name for name in REPO_LABEL_COLUMNS[1:] if name not in INDEXED_LABELS)
_EVIDENCE_COLUMNS = ("id", "key", "field", "value", "source", "rule", "weight")
_DOCUMENT_COLUMNS = ("repo", "first_artifact", "pieces")
_CONFLICT_COLUMNS = ("repo", "artifact", "field", "claimed", "claimed_by", "measured", "measured_by")

MAX_INTERNED = 150_000
"""Ids that are kept in memory before all of them are forgotten: about 45 MB."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""vocabularies.used_since of labels that no vocabulary made, so that they never count as current."""


@dataclass(slots=True)
class LabelledRepo:
    """The labels of one repo that are to be written."""

    repo: int
    labelled: Labelled
    depth: str
    digest: int  # repos.digest of the record that they were made from
    has_new_indexed: bool = True  # False: the catalog has the same values of INDEXED_LABELS


@dataclass(slots=True)
class EvidenceOwner:
    """A repo (`artifact` is 0) or an artifact by number, with the evidence and conflicts that are to be written."""

    repo: int
    artifact: int
    labelled: Labelled


_repo_values = attrgetter(*LABEL_NAMES)
_artifact_values = attrgetter(*ARTIFACT_LABEL_NAMES)
_LIST_POSITIONS = [place for place, each in enumerate(LABELS) if each.kind == "list"]
_FLAG_POSITIONS = [place for place, each in enumerate(LABELS) if each.is_flag]
_ARTIFACT_FLAG_POSITIONS = [place for place, each in enumerate(ARTIFACT_LABELS) if each.is_flag]


def label_values(labels: Labels) -> Row:
    """A repo's labels in the order of `LABEL_NAMES`: lists as JSON text; NULL for empty lists and flags not set."""
    values = list(_repo_values(labels))
    for place in _LIST_POSITIONS:
        values[place] = _list_text(values[place])
    for place in _FLAG_POSITIONS:
        values[place] = values[place] or None
    return tuple(values)


@lru_cache(maxsize=10_000)
def _list_text(values: tuple[str, ...]) -> str | None:
    return to_json(values) if values else None


def artifact_label_values(labels: Labels) -> Row:
    """An artifact's labels in the order of `ARTIFACT_LABEL_NAMES`, as `label_values`; there is no list among them."""
    values = list(_artifact_values(labels))
    for place in _ARTIFACT_FLAG_POSITIONS:
        values[place] = values[place] or None
    return tuple(values)


indexed_values: Callable[[Labels], Row] = attrgetter(*INDEXED_LABELS)
"""A repo's labels in the order of `INDEXED_LABELS`."""


class InternedIds:
    """Ids of tags, pieces of evidence and vocabularies, which are stored once each.

    To be forgotten when a transaction fails, for then the new ones were not stored.
    """

    def __init__(self) -> None:
        self._tags: dict[str, int] = {}
        self._evidence: dict[Piece, int] = {}
        self._vocabularies: dict[str, int] = {}

    def forget(self) -> None:
        self._tags.clear()
        self._evidence.clear()
        self._vocabularies.clear()

    def tags(self, rows: Rows, requested: Iterable[str]) -> dict[str, int]:
        """Ids of at least these tags; new ones are stored."""
        known = self._tags
        if len(known) > MAX_INTERNED:
            known.clear()
        missing = {tag for tag in requested if tag not in known}
        if missing:
            known.update(rows.select_in("select tag, id from tags where tag in ({})", missing))
            new = sorted(tag for tag in missing if tag not in known)
            first = rows.next_id(tags)
            new_rows = [(first + place, tag) for place, tag in enumerate(new)]
            rows.insert(tags, ("id", "tag"), new_rows)
            known.update((tag, number) for number, tag in new_rows)
        return known

    def evidence(self, rows: Rows, pieces: Iterable[Piece]) -> dict[Piece, int]:
        """Ids of at least these pieces; new ones are stored."""
        known = self._evidence
        if len(known) > MAX_INTERNED:
            known.clear()
        missing = {evidence_key(piece): piece for piece in pieces if piece not in known}
        if missing:
            stored = dict(rows.select_in('select "key", id from evidence where "key" in ({})', missing))
            first = rows.next_id(evidence)
            new: list[Row] = []
            for key, piece in missing.items():
                if key not in stored:
                    stored[key] = first + len(new)
                    new.append((stored[key], key, *piece))
                known[piece] = stored[key]
            rows.insert(evidence, _EVIDENCE_COLUMNS, new)
        return known

    def vocabulary(self, rows: Rows, digest: str, at: datetime) -> int:
        """The id of a vocabulary, which becomes the current one if another one was; "" (none) never does."""
        number = self._vocabularies.get(digest)
        if number is None:
            number = self._vocabularies[digest] = _use_vocabulary(rows, digest, at)
        return number


def _use_vocabulary(rows: Rows, digest: str, at: datetime) -> int:
    stored = rows.select("select digest, id from vocabularies order by used_since desc, id desc")
    ids: dict[str, int] = dict(stored)
    if digest not in ids:
        number = rows.next_id(vocabularies)
        rows.insert(vocabularies, ("id", "digest", "used_since"), [(number, digest, at if digest else EPOCH)])
        return number
    if digest and digest != next(iter(ids)):
        rows.update(vocabularies, ("used_since",), "id", [(at, ids[digest])])
    return ids[digest]


def write_repo_labels(
    rows: Rows, interned: InternedIds, items: Sequence[LabelledRepo], at: datetime, *, fresh: bool
) -> None:
    """Writes the resolved labels of repos with their evidence. `fresh` says that none of them has labels yet."""
    values = [
        (
            item.repo,
            *label_values(item.labelled.labels),
            interned.vocabulary(rows, item.labelled.vocabulary, at),
            item.depth,
            item.digest,
        )
        for item in items
    ]
    tokens = [(item.repo, token) for item in items for token in dict.fromkeys(item.labelled.unclaimed)]
    if fresh:
        rows.insert(repo_labels, REPO_LABEL_COLUMNS, values)
        rows.insert(unclaimed, ("repo", "token"), tokens)
    else:
        newly_indexed = [row for item, row in zip(items, values, strict=True) if item.has_new_indexed]
        _update_labels(rows, values, newly_indexed)
        rows.replace(unclaimed, ("repo",), ("repo", "token"), [(item.repo,) for item in items], tokens)
    repos = [item.repo for item in items]
    write_evidence(rows, interned, repos, [EvidenceOwner(item.repo, 0, item.labelled) for item in items], fresh=fresh)


_indexed_then_repo, _unindexed_then_repo = (
    itemgetter(*(REPO_LABEL_COLUMNS.index(name) for name in (*names, "repo")))
    for names in (INDEXED_LABELS, _UNINDEXED_COLUMNS)
)


def _update_labels(rows: Rows, values: Sequence[Row], newly_indexed: Sequence[Row]) -> None:
    """Rows of `REPO_LABEL_COLUMNS`, of repos most of which have labels already."""
    rows.update(repo_labels, INDEXED_LABELS, "repo", map(_indexed_then_repo, newly_indexed), differing=True)
    if rows.update(repo_labels, _UNINDEXED_COLUMNS, "repo", map(_unindexed_then_repo, values)) < len(values):
        rows.insert_new(repo_labels, REPO_LABEL_COLUMNS, values)


# ---- evidence -------------------------------------------------------------------------------------------------------


def write_evidence(
    rows: Rows,
    interned: InternedIds,
    repos: Sequence[int],
    owners: Sequence[EvidenceOwner],
    *,
    of_artifacts: bool = False,
    fresh: bool,
) -> None:
    """Makes this all the evidence and conflicts of repos, or of their artifacts (`of_artifacts`).

    `owners` are these repos, or all artifacts that they have. `fresh` says that none of them has any yet.
    """
    pack = _artifact_documents if of_artifacts else _repo_documents
    sign = "<>" if of_artifacts else "="
    for table, columns, found, within in (
        (repo_evidence, _DOCUMENT_COLUMNS, pack(owners, _codes(rows, interned, owners)), f"first_artifact {sign} 0"),
        (conflicts, _CONFLICT_COLUMNS, _conflict_rows(owners), f"artifact {sign} 0"),
    ):
        if fresh:
            rows.insert(table, columns, found)
        else:
            rows.replace(table, ("repo",), columns, [(repo,) for repo in repos], found, within=within)


_piece: Callable[[LabelRecord], Piece] = attrgetter("field", "value", "source", "rule", "weight")


def _codes(rows: Rows, interned: InternedIds, owners: Sequence[EvidenceOwner]) -> dict[int, int]:
    """How each record is written in a document, by its `id`.

    Labelling makes equal records one object, so a page has few different ones.
    """
    records = {id(record): record for owner in owners for record in owner.labelled.evidence}
    pieces = {key: _piece(record) for key, record in records.items()}
    numbers = interned.evidence(rows, pieces.values())
    return {key: evidence_code(numbers[piece], resolved=records[key].resolved) for key, piece in pieces.items()}


def _repo_documents(owners: Sequence[EvidenceOwner], codes: dict[int, int]) -> list[Row]:
    """The values of `_DOCUMENT_COLUMNS` of repos, those without evidence left out."""
    return [
        (owner.repo, 0, pack_repo_evidence(map(codes.__getitem__, map(id, owner.labelled.evidence))))
        for owner in owners
        if owner.labelled.evidence
    ]


def _artifact_documents(owners: Sequence[EvidenceOwner], codes: dict[int, int]) -> list[Row]:
    """The values of `_DOCUMENT_COLUMNS` of repos whose artifacts have evidence."""
    by_repo: dict[int, dict[int, Iterable[int]]] = defaultdict(dict)
    for owner in owners:
        if owner.labelled.evidence:
            by_repo[owner.repo][owner.artifact] = map(codes.__getitem__, map(id, owner.labelled.evidence))
    return [(repo, *pack_evidence(found)) for repo, found in by_repo.items()]


def _conflict_rows(owners: Sequence[EvidenceOwner]) -> list[Row]:
    """The values of `_CONFLICT_COLUMNS`: one conflict for each label of an owner."""
    found: dict[tuple[int, int, str], Row] = {}
    for owner in owners:
        for each in owner.labelled.conflicts:
            key = (owner.repo, owner.artifact, each.field)
            found.setdefault(key, (*key, each.claimed, each.claimed_by, each.measured, each.measured_by))
    return list(found.values())

"""Labels into rows: the resolved values wide, the evidence interned, conflicts and unclaimed tokens beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter, itemgetter

from db.derive.digest import Piece, evidence_key, to_json
from db.labels import ARTIFACT_LABEL_NAMES, INDEXED_LABELS, LABEL_NAMES, LABELS, Labels
from db.records import Labelled, LabelRecord
from db.rows import Row, Rows
from db.schema.tables import (
    conflicts,
    evidence,
    label_evidence,
    repo_labels,
    tags,
    unclaimed,
    vocabularies,
)

_LIST_POSITIONS = [place for place, each in enumerate(LABELS) if each.kind == "list"]
_repo_values = attrgetter(*LABEL_NAMES)

REPO_LABEL_COLUMNS = ("repo", *LABEL_NAMES, "vocabulary", "depth", "digest")

indexed_values: Callable[[Labels], Row] = attrgetter(*INDEXED_LABELS)

_OTHERS = tuple(name for name in REPO_LABEL_COLUMNS[1:] if name not in INDEXED_LABELS)
_keyed_indexed, _keyed_others = (
    itemgetter(*(REPO_LABEL_COLUMNS.index(name) for name in (*names, "repo"))) for names in (INDEXED_LABELS, _OTHERS)
)
_EVIDENCE_COLUMNS = ("id", "key", "field", "value", "source", "rule", "weight")
_LINK_COLUMNS = ("repo", "artifact", "evidence", "resolved")
_CONFLICT_COLUMNS = ("repo", "artifact", "field", "claimed", "claimed_by", "measured", "measured_by")

MAX_INTERNED = 150_000
"""How many interned values are kept in memory before all of them are forgotten: about 45 MB."""


@dataclass(frozen=True, slots=True)
class LabelledRepo:
    """The labels of one repo with what they rest on."""

    repo: int
    labelled: Labelled
    depth: str
    digest: int
    renewed: bool = True  # False: the catalog has the same values of INDEXED_LABELS


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when no vocabulary is the current one."""


def label_values(labels: Labels) -> Row:
    """A repo's labels in the order of `LABEL_NAMES`; lists as JSON text."""
    values = list(_repo_values(labels))
    for place in _LIST_POSITIONS:
        values[place] = _list_text(values[place])
    return tuple(values)


@lru_cache(maxsize=10_000)
def _list_text(values: tuple[str, ...]) -> str:
    return to_json(values)


artifact_label_values: Callable[[Labels], Row] = attrgetter(*ARTIFACT_LABEL_NAMES)
"""An artifact's labels in the order of `ARTIFACT_LABEL_NAMES`; there is no list among them."""


class InternedIds:
    """Numbers of tags, evidence and vocabularies. Forgets everything when a transaction fails."""

    def __init__(self) -> None:
        self._tags: dict[str, int] = {}
        self._evidence: dict[Piece, int] = {}
        self._vocabularies: dict[str, int] = {}

    def forget(self) -> None:
        self._tags.clear()
        self._evidence.clear()
        self._vocabularies.clear()

    def tags(self, rows: Rows, wanted: Iterable[str]) -> dict[str, int]:
        """Numbers of these tags at least; new ones are stored."""
        known = self._tags
        if len(known) > MAX_INTERNED:
            known.clear()
        missing = {tag for tag in wanted if tag not in known}
        if missing:
            known.update(rows.select_in("select tag, id from tags where tag in ({})", missing))
            new = sorted(tag for tag in missing if tag not in known)
            first = rows.next_id(tags)
            numbered = [(first + place, tag) for place, tag in enumerate(new)]
            rows.insert(tags, ("id", "tag"), numbered)
            known.update((tag, number) for number, tag in numbered)
        return known

    def evidence(self, rows: Rows, pieces: Iterable[Piece]) -> dict[Piece, int]:
        """Numbers of these pieces at least; new ones are stored."""
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
        """The vocabulary's number. One that is taken up again is the current one again; none ("") never is."""
        number = self._vocabularies.get(digest)
        if number is None:
            known = rows.select("select id, digest from vocabularies order by used_since desc, id desc")
            numbers = {row[1]: int(row[0]) for row in known}
            number = numbers.get(digest)
            if number is None:
                number = rows.next_id(vocabularies)
                since = at if digest else EPOCH
                rows.insert(vocabularies, ("id", "digest", "used_since"), [(number, digest, since)])
            elif digest and known[0][1] != digest:
                rows.update(vocabularies, ("used_since",), "id", [(at, number)])
            self._vocabularies[digest] = number
        return number


def write_repo_labels(
    rows: Rows, interned: InternedIds, items: Sequence[LabelledRepo], at: datetime, *, fresh: bool
) -> None:
    """The resolved labels of repos. `fresh` says that none of them has labels yet."""
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
        _renew(rows, values, [row for item, row in zip(items, values, strict=True) if item.renewed])
        rows.replace(unclaimed, ("repo",), ("repo", "token"), [(item.repo,) for item in items], tokens)
    write_evidence(rows, interned, [(item.repo, 0, item.labelled) for item in items], fresh=fresh)


def _renew(rows: Rows, values: Sequence[Row], renewed: Sequence[Row]) -> None:
    """Labels of repos that have some, as a rule."""
    rows.update(repo_labels, INDEXED_LABELS, "repo", map(_keyed_indexed, renewed), differing=True)
    if rows.update(repo_labels, _OTHERS, "repo", map(_keyed_others, values)) < len(values):
        rows.insert_new(repo_labels, REPO_LABEL_COLUMNS, values)


def _numbers(
    rows: Rows, interned: InternedIds, evidence: Sequence[tuple[LabelRecord, ...]]
) -> dict[int, tuple[int, bool]]:
    """Each record's piece's number and whether it is resolved, by the record's `id`.

    Labellers make equal records one object, so that most of a page's are looked at once.
    """
    unique = {id(record): record for records in evidence for record in records}
    pieces = {key: _piece(record) for key, record in unique.items()}
    numbers = interned.evidence(rows, pieces.values())
    return {key: (numbers[piece], unique[key].resolved) for key, piece in pieces.items()}


_piece: Callable[[LabelRecord], Piece] = attrgetter("field", "value", "source", "rule", "weight")


def write_evidence(
    rows: Rows, interned: InternedIds, items: Sequence[tuple[int, int, Labelled]], *, fresh: bool
) -> None:
    """What labels rest on: (repo, artifact or 0, labelled). `fresh` says that none of these has any evidence yet."""
    numbers = _numbers(rows, interned, [labelled.evidence for _, _, labelled in items])
    links: list[Row] = []
    for repo, artifact, labelled in items:
        own = dict(map(numbers.__getitem__, map(id, labelled.evidence)))
        if len(own) < len(labelled.evidence):  # a piece that gave its label its value may be there a second time
            own |= {numbers[id(record)][0]: True for record in labelled.evidence if record.resolved}
        links += [(repo, artifact, piece, resolved) for piece, resolved in own.items()]
    disputes: dict[tuple[int, int, str], Row] = {}
    for repo, artifact, labelled in items:
        for conflict in labelled.conflicts:
            row = (
                repo,
                artifact,
                conflict.field,
                conflict.claimed,
                conflict.claimed_by,
                conflict.measured,
                conflict.measured_by,
            )
            disputes.setdefault((repo, artifact, conflict.field), row)
    owners = [(repo, artifact) for repo, artifact, _ in items]
    of_repos = not any(artifact for _, artifact in owners)
    for table, columns, found in (
        (label_evidence, _LINK_COLUMNS, links),
        (conflicts, _CONFLICT_COLUMNS, list(disputes.values())),
    ):
        if fresh:
            rows.insert(table, columns, found)
        else:
            key = ("repo",) if of_repos else ("repo", "artifact")
            within = "artifact = 0" if of_repos else "artifact <> 0"
            rows.replace(table, key, columns, [owner[: len(key)] for owner in owners], found, within=within)

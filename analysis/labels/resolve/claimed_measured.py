"""Tells claims from measurements of a label, by the source of the evidence."""

from __future__ import annotations

from collections.abc import Iterable

from db.record_base import Source
from db.records import ConflictRecord, LabelRecord

MIN_WEIGHT = 20
"""Evidence of a lower weight is kept, but decides no label."""

CLAIMED_BY: frozenset[Source] = frozenset(("file", "card", "name", "tag", "lineage", "owner", "fuzzy"))


def strongest_claim(pieces: Iterable[LabelRecord], field: str) -> LabelRecord | None:
    """The strongest evidence of a source that claims."""
    found = [each for each in pieces if each.field == field and each.source in CLAIMED_BY and each.weight >= MIN_WEIGHT]
    return max(found, key=lambda each: each.weight, default=None)


def strongest_measurement(pieces: Iterable[LabelRecord], field: str) -> LabelRecord | None:
    """The strongest evidence of a source that measures."""
    found = [
        each for each in pieces if each.field == field and each.source not in CLAIMED_BY and each.weight >= MIN_WEIGHT
    ]
    return max(found, key=lambda each: each.weight, default=None)


def make_conflict(field: str, said_: LabelRecord, counted: LabelRecord) -> ConflictRecord:
    return ConflictRecord(field, said_.value, said_.source, counted.value, counted.source)

"""Claimed and measured: the same label from those who only say so, and from those who looked."""

from __future__ import annotations

from collections.abc import Iterable

from db.record_base import Source
from db.records import ConflictRecord, LabelRecord

MIN_WEIGHT = 20
"""Evidence that weighs less is kept and decides nothing."""

CLAIMED_BY: frozenset[Source] = frozenset(("file", "card", "name", "tag", "lineage", "owner", "fuzzy"))


def claim(pieces: Iterable[LabelRecord], field: str) -> LabelRecord | None:
    """The strongest of those who only say so."""
    found = [each for each in pieces if each.field == field and each.source in CLAIMED_BY and each.weight >= MIN_WEIGHT]
    return max(found, key=lambda each: each.weight, default=None)


def measured(pieces: Iterable[LabelRecord], field: str) -> LabelRecord | None:
    """The strongest of those who looked."""
    found = [
        each for each in pieces if each.field == field and each.source not in CLAIMED_BY and each.weight >= MIN_WEIGHT
    ]
    return max(found, key=lambda each: each.weight, default=None)


def against(field: str, said_: LabelRecord, counted: LabelRecord) -> ConflictRecord:
    return ConflictRecord(field, said_.value, said_.source, counted.value, counted.source)

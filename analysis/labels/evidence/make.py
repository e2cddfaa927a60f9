"""Makes pieces of evidence: a label's value with its source, the rule that found it, and its weight."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from db.record_base import Source
from db.records import LabelRecord

Evidence = tuple[LabelRecord, ...]

WEIGHT: Mapping[Source, int] = {
    "tensors": 100, "header": 95, "config": 90, "api": 80, "file": 70, "card": 60, "size": 55, "name": 50, "tag": 45,
    "lineage": 40, "owner": 30, "fuzzy": 20,
}  # fmt: skip
"""Weight of each source: bytes above configuration, configuration above text, the model's own text above its base's."""


@lru_cache(maxsize=1 << 16)
def make_evidence(
    field: str, value: str, source: Source, rule: str, weight: int, resolved: bool = False
) -> LabelRecord:
    """One piece of evidence; equal ones are one object: a catalog repeats the same pieces millions of times."""
    return LabelRecord(field, value, source, rule, weight, resolved)


def make_measured(field: str, value: object, source: Source, rule: str, weight: int | None = None) -> LabelRecord:
    return make_evidence(field, evidence_text(value), source, rule, WEIGHT[source] if weight is None else weight)


def evidence_text(value: object) -> str:
    """A value as evidence keeps it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)

"""What the base model's name claims, for labels that the model's own name does not state."""

from __future__ import annotations

from functools import lru_cache

from analysis.labels.evidence.make import WEIGHT, Evidence, evidence_text, make_evidence
from analysis.labels.evidence.names import parse_name_or_none
from db.record_base import Relation

LINEAGE = (
    "family", "version", "base_family", "base_version", "release", "size", "parameters", "active_parameters", "experts",
)  # fmt: skip
"""Labels that a copy inherits from its base model where its own name states nothing."""


@lru_cache(maxsize=1 << 13)
def lineage_evidence(parent: str, relation: Relation) -> Evidence:
    """What the base model's name claims, for labels that the model's own name does not state.

    A quantized copy is its base; a finetune keeps family and size; an adapter or a merge keeps the family alone.
    """
    labels = parse_name_or_none(parent)
    if labels is None:
        return ()
    fields = LINEAGE if relation in ("quantized", "finetune") else LINEAGE[:4]
    weight = WEIGHT["lineage"]
    rule = "base_model"
    found = []
    for field in fields:
        value = getattr(labels, field)
        if value is not None:
            found.append(make_evidence(field, evidence_text(value), "lineage", rule, weight))
    if relation == "quantized":
        for field in ("tuning", "specialty"):
            found += [make_evidence(field, value, "lineage", rule, weight) for value in getattr(labels, field)]
        found.append(make_evidence("quantized", "true", "lineage", "relation quantized", weight))
    if labels.approximate and "parameters" in fields:
        found.append(make_evidence("approximate", "true", "lineage", rule, weight))
    return tuple(found)

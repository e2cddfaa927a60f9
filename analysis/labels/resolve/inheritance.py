"""What a model inherits from its parents where its own name states nothing."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.labels.evidence.lineage import lineage_evidence
from analysis.labels.evidence.make import Evidence, evidence_text, make_evidence
from analysis.labels.resolve.select import Best
from analysis.names import NameLabels
from db.record_base import Relation
from db.records import EdgeRecord, LabelRecord


def inherited_evidence(
    edges: Sequence[EdgeRecord], parent: EdgeRecord | None, relation: Relation | None, name: NameLabels | None
) -> Evidence:
    """What the parent's name claims; of a merge, what all parents claim. A family in the own name is kept."""
    if parent is None or relation is None:
        return ()
    found = lineage_evidence(parent.parent, relation)
    for other in {edge.parent for edge in edges} if relation == "merge" else ():
        others = {(each.field, each.value) for each in lineage_evidence(other, relation)}
        found = tuple(each for each in found if (each.field, each.value) in others)
    if name is None or not found:
        return found
    theirs = {each.field: each for each in found}
    without = set()
    if name.parameters or name.active_parameters or {"pruned", "lora"} & set(name.tuning):
        without |= {"size", "parameters", "active_parameters", "experts", "approximate"}
    if name.tuning or not TRAINED_FURTHER.isdisjoint(name.specialty):
        found = tuple([each for each in found if (each.field, each.value) != ("tuning", "base")])
    if name.version and name.family:
        without.add("version")
    if name.family and "family" in theirs and theirs["family"].value != name.family:
        without |= {"family", "version", "release"}
        found = (*found, *foundation_version(theirs, name))
    return tuple([each for each in found if each.field not in without and not is_claimed_by(name, each)])


TRAINED_FURTHER = {"embedding", "reranker", "reward", "guard"}
"""What a model is only after training beyond its base: a copy of such a model is no base model."""


def foundation_version(theirs: Best, name: NameLabels) -> Evidence:
    """The version of the foundation that a brand is built on, where the base model is that foundation itself."""
    family, version = theirs["family"], theirs.get("version")
    below = theirs.get("base_family", family).value
    if version is None or below != family.value or name.base_family not in (None, name.family, below):
        return ()
    return (make_evidence("base_version", version.value, "lineage", version.rule, version.weight),)


def is_claimed_by(name: NameLabels, each: LabelRecord) -> bool:
    """Whether a name says the same as a piece of evidence."""
    own = getattr(name, each.field)
    return each.value in own if isinstance(own, tuple) else own is not None and evidence_text(own) == each.value

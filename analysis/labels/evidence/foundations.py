"""The foundation of a brand's model where one is known: the vocabulary keeps it by size or version of the brand."""

from __future__ import annotations

from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence
from analysis.names import NameLabels
from analysis.vocabulary.vocabulary import vocabulary

FOUNDATION_WEIGHT = WEIGHT["lineage"] - 5
"""Below the base model that a card names, above the architecture, which many foundations share."""


def foundation_evidence(name: NameLabels | None) -> Evidence:
    """The base family of a brand whose name states none: `vicuna-7b-v1.5` is a Llama, `WizardLM-2-8x22B` a Mixtral."""
    if name is None or name.family is None or name.base_family is not None:
        return ()
    entry = vocabulary().families.get(name.family)
    known = entry.facts.get("on", {}) if entry is not None else {}
    if not known:
        return ()
    keys = ((name.size or "").lower(), name.version or "", "")
    key = next((key for key in keys if key in known), None)
    if key is None:
        return ()
    rule = f"foundation of {name.family} {key}".rstrip()
    return (make_evidence("base_family", known[key], "name", rule, FOUNDATION_WEIGHT),)

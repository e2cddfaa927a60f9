"""What the model card says: base models, library, quantizer, emissions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from analysis.formats.formats import find_format
from analysis.labels.evidence.formats import format_evidence
from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence, make_measured
from analysis.untrusted import MAX_BASE_MODELS, check_number, check_text, check_texts
from analysis.vocabulary.vocabulary import vocabulary
from db.record_base import Json, Relation
from db.records import EdgeRecord, LabelRecord, RepoRecord

MAX_GRAMS = 1e13
"""CO2-equivalent that training may have emitted: ten million tonnes, more than any model's."""

RELATIONS: frozenset[str] = frozenset(("finetune", "quantized", "adapter", "merge"))


def card_edges(card: Json) -> tuple[EdgeRecord, ...]:
    """The parents that the card names, in its order."""
    parents = card.get("base_model")
    if not parents:
        return ()
    stated = card.get("base_model_relation")
    relation: Relation = stated if isinstance(stated, str) and stated in RELATIONS else "unknown"  # type: ignore[assignment]
    named = check_texts(parents, MAX_BASE_MODELS)
    return tuple(EdgeRecord(parent, relation, "card") for parent in named if "/" in parent)


def card_evidence(repo: RepoRecord) -> Evidence:
    """Library, quantizer and emissions, as the card says."""
    found: list[LabelRecord] = []
    weight = WEIGHT["card"]
    quantizer = check_text(repo.card.get("quantized_by"))
    if quantizer:
        found.append(make_evidence("quantizer", quantizer, "card", "quantized_by", weight))
        found.append(make_evidence("quantized", "true", "card", "quantized_by", 44))
    emitted = emitted_grams(repo.card.get("co2_eq_emissions"))
    if emitted is not None:
        found.append(make_measured("co2_eq_emissions", emitted, "card", "co2_eq_emissions"))
    if repo.library_name:
        found += library_evidence(repo.library_name)
    return tuple(found)


def emitted_grams(value: object) -> float | None:
    """Grams of CO2-equivalent that a card states: a number, or the object `{emissions: 12.3, source: ...}`."""
    stated = value.get("emissions") if isinstance(value, Mapping) else value
    if isinstance(stated, str):
        try:
            stated = float(stated)
        except ValueError:
            return None
    return check_number(stated, MAX_GRAMS)


@lru_cache(maxsize=1 << 10)
def library_evidence(library: str) -> Evidence:
    """The library that a repo is for, where it has a format of its own: transformers and PyTorch load several."""
    low = library.lower()
    entry = vocabulary().words.get(low)
    if entry and entry.label == "format" and not find_format(entry.value).described_by_config:
        return format_evidence(entry.value, "card", "library_name")
    if low == "peft":
        return (make_evidence("tuning", "lora", "card", "library_name", WEIGHT["card"]),)
    return ()

"""Guesses a family that nothing states, from the architecture or from a word that resembles a family's name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence
from analysis.labels.evidence.names import parse_name_or_none
from analysis.names.family import find_closest_family
from db.record_base import Source

MIN_SIMILARITY = 93.0  # of 100: a letter in eight
MIN_WORD_LETTERS = 7  # letters: `stellar` is close to stella, `tinylama` only to tinyllama


@lru_cache(maxsize=1 << 11)
def architecture_evidence(architecture: str, source: Source) -> Evidence:
    """The family that an architecture was made for: `qwen3_moe` is qwen 3. Of little weight: many use llama's."""
    labels = parse_name_or_none(
        architecture.replace("ForCausalLM", "").replace("ForConditionalGeneration", "").replace("_", "-")
    )
    if labels is None or labels.family is None:
        return ()
    rule = f"architecture {architecture}"
    claims = {
        "family": labels.family,
        "version": labels.version,
        "base_family": labels.base_family or labels.family,
        "base_version": labels.base_version,
    }
    return tuple([make_evidence(field, value, source, rule, 22) for field, value in claims.items() if value])


def fuzzy_evidence(unclaimed: Iterable[str]) -> Evidence:
    """The family whose name an unclaimed word resembles, for names from which nothing else gives a family."""
    for word in unclaimed:
        family = find_similar_family(word.lower()) if len(word) >= MIN_WORD_LETTERS and word.isalpha() else None
        if family:
            return (make_evidence("family", family, "fuzzy", f"nearly {family}: {word[:40]}", WEIGHT["fuzzy"]),)
    return ()


@lru_cache(maxsize=1 << 14)
def find_similar_family(word: str) -> str | None:
    found = find_closest_family((word,), MIN_SIMILARITY)
    return found.family if found else None

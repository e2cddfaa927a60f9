"""Who published it: evidence of format and quantizer, never of family, size or version."""

from __future__ import annotations

from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence
from analysis.vocabulary.vocabulary import vocabulary

QUANTIZERS = frozenset((
    "mradermacher", "bartowski", "thebloke", "lonestriker", "turboderp", "quantfactory", "cyankiwi", "casperhansen",
    "ista-daslab", "devquasar", "legraphista", "richarderkhov", "lmstudio-community", "second-state", "tensorblock",
    "mungert", "cognitivecomputations-gguf", "redhatai", "neuralmagic", "unsloth", "mlx-community", "maziyarpanahi",
    "ubergarm", "zeroww", "nightmedia", "artusdev", "bullerwins", "gaianet",
))  # fmt: skip
"""Accounts known for quantizing other people's models."""

NOTHING_ELSE = QUANTIZERS - {"redhatai", "neuralmagic", "unsloth", "mlx-community", "maziyarpanahi"}
"""Of these, the ones that publish hardly anything else."""


def owner_evidence(owner: str | None) -> Evidence:
    """Who published it: evidence of who quantized it, never of family, size or version."""
    low = owner.lower() if owner else ""
    if owner is None or low not in QUANTIZERS:
        return ()
    weight = WEIGHT["owner"]
    found = [make_evidence("quantizer", owner, "owner", "publisher", weight)]
    if low in NOTHING_ELSE:
        found.append(make_evidence("quantized", "true", "owner", "publisher", weight))
    return tuple(found)


def owner_format(owner: str | None) -> str | None:
    """The one format that an account publishes."""
    known = vocabulary().owners.get(owner.lower()) if owner else None
    return known.facts.get("format") if known else None

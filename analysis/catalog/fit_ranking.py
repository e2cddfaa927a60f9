"""The order of `fits`: usable speed first, then a score of what each model can do and how far it can be trusted.

Each part of the score is stated in doublings of the number of parameters, so that the parts can be added: a model that
is half as large needs one point from elsewhere. docs/memory.md shows the formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import log2, log10

from analysis.catalog.fit_candidates import Candidate
from analysis.query.reader import CatalogReader
from analysis.schemes.quality import estimated_divergence, qat_share_of_loss, quality_loss, trained_for

POINTS_PER_YEAR = 0.75
"""A generation's gain: models of a year later did as well at six tenths of the size."""

FIRST_YEAR = 2023
"""Generations and repos count from its first day; unknown and earlier dates count as that day."""

POINTS_PER_YEAR_OF_REPO = 0.1
INSTRUCTION_POINTS = 0.5  # answers rather than continues
UNTUNED_POINTS = -1.0  # `base`: continues a text
ALTERED_POINTS = -0.5  # by others than the model's makers, for a purpose of their own
ALTERED = frozenset({"abliterated", "uncensored", "merge", "pruned", "finetune"})
INSTRUCTED = frozenset({"instruct", "chat", "reasoning"})
LOSS_PER_NAT = 8.0
"""Points per nat of KL divergence: Q4_K_M costs a quarter of a doubling of the size, Q2_K more than three doublings."""

TRUST_PER_DIGIT = 0.2  # for each decimal digit of the base model's downloads
TRUST_PER_DIGIT_OF_COPY = 0.05
EVALUATION_POINTS = 0.5
"""For the best published results among the models that are compared; minus as much for the worst."""

UNQUANTIZED_BITS = 16.0


@dataclass(frozen=True, slots=True)
class Score:
    """Why an artifact stands where it stands, part by part, in doublings of parameters."""

    capability: float
    generation: float
    tuning: float
    evaluations: float
    quality_loss: float
    trust: float
    recency: float

    @property
    def total(self) -> float:
        return float(sum(getattr(self, part.name) for part in fields(self)))

    def parts(self) -> dict[str, float]:
        """Each part by name, rounded to hundredths."""
        return {part.name: round(getattr(self, part.name), 2) for part in fields(self)}


@dataclass(frozen=True, slots=True)
class Context:
    """What the ranking knows of the catalog: the first year of each generation, and published results.

    `generations`: (family, version) -> year with fraction; `results`: base model in lower case -> -1 to 1.
    """

    generations: Mapping[tuple[str, str], float]
    results: Mapping[str, float]


def score(candidate: Candidate, context: Context) -> Score:
    """The score of one artifact among others."""
    year = year_of(candidate.created_at)
    born = born_in(candidate, context, year)
    return Score(
        capability=log2(max(1.0, effective_parameters(candidate)) / 1e9),
        generation=POINTS_PER_YEAR * max(0.0, born - FIRST_YEAR),
        tuning=tuning_points(candidate),
        evaluations=EVALUATION_POINTS * context.results.get(candidate.base_model.lower(), 0.0),
        quality_loss=-LOSS_PER_NAT * divergence(candidate),
        trust=trust_points(log10(1 + candidate.base_downloads), log10(1 + candidate.downloads)),
        recency=POINTS_PER_YEAR_OF_REPO * max(0.0, year - FIRST_YEAR),
    )


def trust_points(base_digits: float, digits: float) -> float:
    """For the decimal logarithms of one more than the downloads of the base model and of the copy."""
    return TRUST_PER_DIGIT * base_digits + TRUST_PER_DIGIT_OF_COPY * digits


def effective_parameters(candidate: Candidate) -> float:
    """Parameters as they count for capability; a mixture of experts as the geometric mean of active and total ones.

    Where only the files' size is known, it stands for parameters of 8 bits.
    """
    total = float(candidate.parameters or candidate.total_size)
    if candidate.mixture and candidate.active_parameters:
        return float((total * min(total, candidate.active_parameters)) ** 0.5)
    return min(total, float(candidate.active_parameters or total))


def divergence(candidate: Candidate) -> float:
    """Mean KL divergence in nats: as published for the scheme, else estimated from the bits, the file's if fewer."""
    if candidate.quantized is False:
        return 0.0
    found = quality_loss(candidate.quant, imatrix=True)
    if found and found.kl_divergence is not None:
        nats = found.kl_divergence
    else:
        widths = [candidate.bits_per_weight, None if candidate.bits is None else candidate.bits + 1]
        nats = estimated_divergence(min((width for width in widths if width), default=UNQUANTIZED_BITS))
    return nats * (qat_share_of_loss() if trained_for(candidate.qat, candidate.bits) else 1.0)


def tuning_points(candidate: Candidate) -> float:
    tuned = set(candidate.tuning)
    points = INSTRUCTION_POINTS if tuned & INSTRUCTED else UNTUNED_POINTS if "base" in tuned else 0.0
    return points + (ALTERED_POINTS if tuned & ALTERED else 0.0)


def born_in(candidate: Candidate, context: Context, year: float) -> float:
    """When the model's generation came out: the creation of the first repo of its family and version.

    Of a model without a family, that of its base model; never later than its own repo, whose year is given.
    """
    if candidate.base_family and candidate.base_family != candidate.family:
        born = context.generations.get((candidate.base_family, candidate.base_version or ""), year)
    elif candidate.family:
        born = context.generations.get((candidate.family, candidate.version or ""), year)
    else:
        born = year_of(candidate.base_created_at) if candidate.base_created_at else year
    return min(born, year)


def load_generations(reader: CatalogReader) -> dict[tuple[str, str], float]:
    """(family, version) -> the year, with its fraction, in which the first repo of it was created."""
    rows = reader.all("select family, version, created_at from generations")
    return {(row["family"], row["version"]): year_of(row["created_at"]) for row in rows}


def year_of(moment: str | None) -> float:
    """The year of an ISO 8601 time with its fraction to the month: 2025.5 for July 2025."""
    if not moment or len(moment) < 7 or not (moment[:4].isdigit() and moment[5:7].isdigit()):
        return float(FIRST_YEAR)
    return int(moment[:4]) + (int(moment[5:7]) - 1) / 12

"""The rows of fit_candidates: for each artifact that may run somewhere, bounds by which SQL finds those worth a look.

A crawl makes them when it ends, of the models that it changed, from what the catalog holds. `fits` reads them in the
order of the greatest score that each may have, and evaluates exactly what it reads (analysis/catalog/fit_order.py); so
a bound may be too generous, which costs time, but never too strict.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from math import ceil, log2
from typing import TYPE_CHECKING, Any

from analysis.catalog.base_models import BASE_COLUMNS, BaseModels, load_base_models
from analysis.catalog.fit_candidates import (
    REPOS,
    Candidate,
    find_flaw,
    is_wanted,
    listed_only,
    load_artifacts,
    make_candidate,
    platform_of,
)
from analysis.catalog.fit_ranking import EVALUATION_POINTS, Context, load_generations, score, trust_points
from analysis.catalog.fit_request import FitRequest, words_of
from analysis.catalog.geometries import GeometryLookup
from analysis.catalog.published_results import models_with_results
from analysis.fit.geometry import Geometry
from analysis.fit.memory import logits_bytes
from analysis.fit.speed import active_bytes
from analysis.query.reader import CatalogReader
from db.records import FitUpdate

if TYPE_CHECKING:
    from db.write.store import Store

ANY_SIZE = 2**62
STEPS_PER_DOUBLING = 4
POINTS_AT_ZERO = 10_000
"""Points of the score 0, so that those of low scores are no negative numbers."""

ANY_TEXT = FitRequest()


def fill_fit_candidates(store: Store) -> int:
    """Brings the rows by which `fits` finds models up to date; returns of how many models they were made."""
    with CatalogReader(store.location) as reader:
        return store.update_fits(lambda numbers: make_fit_rows(reader, numbers))


def make_fit_rows(reader: CatalogReader, numbers: Sequence[int]) -> FitUpdate:
    """The rows of models, by their numbers, and digests of what their copies take over from them."""
    ids = ", ".join(map(str, map(int, numbers)))
    repos = reader.all(REPOS.format(conditions=f"r.id in ({ids}) and r.type = 'model'"))
    bases = load_base_models(reader, repos)
    whole = {row["id"]: bases.inherit(row) for row in repos}
    original = {row["id"]: bases.original(row).lower() for row in repos}
    published = models_with_results(reader, original.values())
    digests = {row["id"]: digest_of(whole[row["id"]][0], bases, published) for row in repos}
    artifacts = [*load_artifacts(reader, whole, ANY_SIZE), *listed_only(whole.values(), ANY_SIZE)]
    made = []
    for row in artifacts:
        model, inherited = whole[row["repo"]]
        candidate = make_candidate(model, inherited, row, bases)
        if find_flaw(candidate, row) is None:
            made.append((row, model, candidate))
    geometries = GeometryLookup(reader).find_with_source([geometry_row(candidate) for _, _, candidate in made])
    context = Context(load_generations(reader), {})
    rows = [
        (*keys_of(row, candidate, context, published), *needs_of(candidate, geometry, source), *filters_of(row, model))
        for (row, model, candidate), (geometry, source) in zip(made, geometries, strict=True)
    ]
    return FitUpdate(rows, uses_of(model for _, model, _ in made), digests)


def geometry_row(candidate: Candidate) -> dict[str, Any]:
    """What the lookup of a geometry needs to know."""
    return {"header": candidate.header, "repo_id": candidate.repo_id, "base_model": candidate.base_model}


def digest_of(model: Mapping[str, Any], bases: BaseModels, published: frozenset[str]) -> int:
    """A digest of what copies of a model take over, so that they are made again when it changes."""
    original = bases.original(model)
    base = bases.rows.get(original.lower(), model)
    values = [model[name] for name in BASE_COLUMNS if name != "downloads"]
    told = [*values, original, digits(model["downloads"]), digits(base["downloads"]), original.lower() in published]
    text = json.dumps(told, default=str).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def digits(downloads: int | None) -> int:
    """Decimal digits of a number of downloads: at least log10 of one more than it."""
    return len(str(downloads)) if downloads else 0


def keys_of(
    row: Mapping[str, Any], candidate: Candidate, context: Context, published: frozenset[str]
) -> tuple[int, int, int, int]:
    """The key of a row: step, points, repo, artifact."""
    return (
        step_of(candidate.total_size),
        greatest_points(candidate, context, has_results=candidate.base_model.lower() in published),
        row["repo"],
        row["id"] if row["artifact"] else 0,
    )


def step_of(weights: int) -> int:
    """The size class of weights."""
    return int(STEPS_PER_DOUBLING * log2(weights))


def least_bytes(step: int) -> int:
    """The fewest bytes that weights of a size class have, rounded down."""
    return int(2 ** (step / STEPS_PER_DOUBLING)) - 1


def greatest_points(candidate: Candidate, context: Context, *, has_results: bool) -> int:
    """The points of the greatest score that an artifact may have: downloads may grow within their number of digits."""
    known = score(candidate, context)
    trust = trust_points(digits(candidate.base_downloads), digits(candidate.downloads))
    greatest = known.total - known.trust + trust + EVALUATION_POINTS * has_results
    return max(0, POINTS_AT_ZERO + ceil(100 * greatest + 1e-6))


def greatest_score(points: int) -> float:
    """The score that nothing with so many points exceeds."""
    return (points - POINTS_AT_ZERO) / 100


def uses_of(models: Iterable[dict[str, Any]]) -> list[tuple[int, str]]:
    """The rows of fit_uses: repo, use."""
    return sorted({(model["id"], word) for model in models for word in words_of(model)})


def needs_of(
    candidate: Candidate, geometry: Geometry | None, source: str | None
) -> tuple[int, int, float, float | None, bool, int | None]:
    """weights, fixed_bytes, token_elements, read_bytes, mixture, context.

    Only the repo's own headers bound the cache: those of its base model and of other copies may be read, or change,
    without these rows being made again.
    """
    weights, parameters = candidate.total_size, candidate.parameters
    if geometry is None or source == "base":
        geometry, fixed, elements = None, 0, 0.0
    else:
        fixed, elements = geometry.state_bytes + logits_bytes(geometry), geometry.least_elements_per_token
    is_unknown = candidate.mixture and not candidate.active_parameters
    read = active_bytes(weights, parameters=parameters, active=candidate.active_parameters)
    context = candidate.trained_context or (geometry.trained_context if geometry else None)
    return weights, fixed, elements, None if is_unknown else round(read), candidate.mixture, context


def filters_of(row: Mapping[str, Any], model: dict[str, Any]) -> tuple[bool, str, str | None, str | None, Any, str]:
    """text, platform, format, quant, bits, uses."""
    return (
        is_wanted(model, ANY_TEXT),
        platform_of(row["format"], row["quant_method"]),
        row["format"],
        row["quant"],
        None if row["bits"] is None else round(row["bits"]),
        json.dumps(sorted(words_of(model)), ensure_ascii=False),
    )

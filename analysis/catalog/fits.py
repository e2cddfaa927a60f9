"""What runs on a machine, ranked: memory needed, speed to expect, quality loss, and what was estimated.

Candidates come in the order of the ranking (`fit_order`, `fit_ranking`); their memory is computed from the attention
geometry, best first, until as many fit as are asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any

from analysis.catalog.coverage import UNMEASURED, Coverage, measure_coverage
from analysis.catalog.drafting import find_drafting
from analysis.catalog.fit_candidates import (
    TOO_LARGE,
    Candidate,
    Reason,
    RepoConditions,
    find_candidates,
    repo_conditions,
)
from analysis.catalog.fit_index import geometry_row
from analysis.catalog.fit_order import IndexedCandidates, Ranked, order_of, rank_all
from analysis.catalog.fit_places import Place, estimate_speed, is_usable, place_on_devices, room_at
from analysis.catalog.fit_ranking import Score, load_generations
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.geometries import GeometryLookup
from analysis.catalog.match_count import count_matches
from analysis.fit.geometry import Geometry
from analysis.fit.machines import Machine
from analysis.fit.memory import RUNTIME_OVERHEAD_BYTES, Estimate, estimate_memory, find_largest_context
from analysis.fit.speed import DRAFTING_NOTE
from analysis.query.reader import CatalogReader
from analysis.schemes.quality import loss_text, quality_loss, trained_for

GEOMETRY_BATCH = 50  # artifacts whose geometry is looked up together

MAX_ALL = 3000
"""Artifacts up to which each of a catalog is evaluated; of more those that may be among the best."""

ALL_CANDIDATES = "select 1 from fit_candidates"

MAX_MORE = 500
"""Candidates after the rows that were asked for, of which is counted how many there are."""

MAX_SORTED = 2000
"""Rows, best first, that another order is applied to."""

MAX_EXPLAINED = 2000
"""Rows among which the place of a repo is looked for."""

SORTS: Mapping[str, Callable[[Fit], Any]] = {
    "speed": lambda fit: -(fit.expected_tokens_per_second or 0.0),
    "memory": lambda fit: fit.needs,
    "size": lambda fit: -(fit.parameters or 0),
    "context": lambda fit: -(fit.largest_context or 0),
    "downloads": lambda fit: -(fit.downloads or 0),
    "loss": lambda fit: -fit.score.quality_loss,
    "name": lambda fit: (fit.repo_id.lower(), fit.artifact or ""),
}
"""Orders beside `rank`, by name: the sort key of a row."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One artifact that runs. Sizes in bytes, contexts in tokens, speeds in tokens per second.

    `tokens_per_second` is the most that the memory's bandwidth allows, `expected_...` the estimate with its range; None
    where a mixture's active parameters are unknown. `estimated` names the values that were not computed from the file's
    own figures: weights, cache, compute, context. `sources`: values that are another's than the artifact's own.
    """

    repo_id: str
    artifact: str | None
    base_model: str
    family: str | None
    format: str | None
    quant: str | None
    bits: float | None
    bits_per_weight: float | None
    qat: bool
    parameters: int | None
    active_parameters: int | None
    total_size: int
    needs: int
    weights: int
    cache: int
    compute: int
    runtime: int
    left: int
    context: int
    largest_context: int | None
    tokens_per_second: float | None
    expected_tokens_per_second: float | None
    expected_tokens_per_second_low: float | None
    expected_tokens_per_second_high: float | None
    is_usable: bool | None  # at least the requested speed; None: unknown
    place: Place
    gpu_layers: int | None  # layers on the card, where it holds only some
    loss: str
    perplexity_percent: float | None
    estimated: tuple[str, ...]
    sources: Mapping[str, str]
    author: str | None
    license: str | None
    gated: str | None
    downloads: int | None
    score: Score
    speed_note: str | None = None  # what the expected speed leaves out

    def row(self) -> dict[str, Any]:
        """As a row of a table or a JSON object."""
        row = {key: round(value, 1) if "tokens_per" in key and value else value for key, value in asdict(self).items()}
        return {**row, "score": round(self.score.total, 2), "score_parts": self.score.parts()}


@dataclass(frozen=True, slots=True)
class FitAnswer:
    """The rows, best first, and what they rest on.

    `more`: base models (artifacts, if each was asked for) beyond the rows that may fit as well, at least so many with
    `has_further`; `left_out`: number of repos by reason, of those that were looked at; `narrowed`: not every repo that
    may fit was evaluated.
    """

    fits: Sequence[Fit]
    more: int
    left_out: Mapping[Reason, int]
    considered: int
    narrowed: bool
    coverage: Coverage
    has_further: bool = False


def find_fits(
    reader: CatalogReader,
    machine: Machine,
    request: FitRequest,
    sort: str = "rank",
    coverage: Coverage | None = None,
    most_more: int = MAX_MORE,
) -> FitAnswer:
    """What runs on the machine, best first; `sort` is `rank` or a key of SORTS, in which the best MAX_SORTED are put.

    `coverage` is measured unless the caller gives it: that takes longer than the fits of one repo. Of the candidates
    after the rows at most `most_more` are counted.
    """
    search = Search(reader, machine, request)
    wanted = request.limit if sort == "rank" or request.limit is None else max(request.limit, MAX_SORTED)
    ranked = search.ranked()
    found = list(islice(evaluate_ranked(ranked, GeometryLookup(reader), machine, request, search.left_out), wanted))
    if sort == "rank":
        found.sort(key=lambda fit: order_of(fit.is_usable, fit.score, fit))
    else:
        found.sort(key=lambda fit: (SORTS[sort](fit), order_of(fit.is_usable, fit.score, fit)))
    shown = note_drafting(reader, found[: request.limit])
    more = len(found) - len(shown)
    if wanted is not None and len(found) >= wanted:
        more += search.count_met(ranked, most_more) - len(found)
    has_further = next(ranked, None) is not None
    return FitAnswer(
        fits=shown,
        more=more,
        left_out=dict(search.left_out),
        considered=len(search.repos),
        narrowed=search.narrowed,
        coverage=coverage or measure_coverage(reader),
        has_further=has_further,
    )


class Search:
    """The candidates of a request, best first.

    `left_out`, `repos` and `narrowed` are of what was looked at until now; `met` counts candidates by base model.
    """

    def __init__(self, reader: CatalogReader, machine: Machine, request: FitRequest) -> None:
        self.reader, self.machine, self.request = reader, machine, request
        self.left_out: Counter[Reason] = Counter()
        self.repos: set[int] = set()
        self.narrowed = False
        self.met: Counter[str] = Counter()
        self._room = machine.vram_for_models + machine.ram_for_models - RUNTIME_OVERHEAD_BYTES
        self._generations = load_generations(reader)

    def ranked(self) -> Iterator[Ranked]:
        """The candidates; iterated once."""
        for each in self._in_order():
            self.met[each.candidate.base_model.lower()] += 1
            yield each

    def count_met(self, ranked: Iterator[Ranked], most: int) -> int:
        """How many base models there are, or artifacts if each was asked for; no more than `most` are looked for."""
        for _ in islice(ranked, most):
            pass
        return self.met.total() if self.request.every_artifact else len(self.met)

    def _in_order(self) -> Iterator[Ranked]:
        """Of few repos each is evaluated; of many those that may be among the best, and those that changed."""
        where = repo_conditions(self.reader, self.request)
        if where.are_few or count_matches(self.reader, ALL_CANDIDATES, {}, MAX_ALL) <= MAX_ALL:
            return iter(self._each(where))
        indexed = IndexedCandidates(
            self.reader, self.machine, self.request, self._room, where, self._generations, self.left_out, self.repos
        )
        pending = count_matches(self.reader, "select 1 from fit_pending", {}, 0)
        return merge(self._each(where.and_pending()) if pending else [], indexed, key=attrgetter("order"))

    def _each(self, where: RepoConditions) -> list[Ranked]:
        """The candidates of the repos that match, the most downloaded ones of many."""
        found = find_candidates(self.reader, self.machine, self.request, self._room, where)
        self.left_out.update(found.left_out)
        self.repos |= found.repos
        self.narrowed = found.narrowed
        ranked = rank_all(self.reader, found.found, self.machine, self.request, self._generations)
        return sorted(ranked, key=attrgetter("order"))


def note_drafting(reader: CatalogReader, fits: Sequence[Fit]) -> list[Fit]:
    """The rows; those that can run with a draft model say that their speed is without one."""
    drafting = find_drafting(reader, ((fit.repo_id, fit.artifact) for fit in fits))
    return [replace(fit, speed_note=DRAFTING_NOTE) if (fit.repo_id, fit.artifact) in drafting else fit for fit in fits]


def evaluate_ranked(
    ranked: Iterator[Ranked],
    geometries: GeometryLookup,
    machine: Machine,
    request: FitRequest,
    left_out: Counter[Reason],
) -> Iterator[Fit]:
    """The artifacts that fit with their cache, in the order of `ranked`; one of each base model, or all."""
    done: set[str] = set()
    while batch := list(islice(ranked, GEOMETRY_BATCH)):
        batch = [each for each in batch if request.every_artifact or each.candidate.base_model.lower() not in done]
        rows = [geometry_row(each.candidate) for each in batch]
        for each, (geometry, source) in zip(batch, geometries.find_with_source(rows), strict=True):
            base = each.candidate.base_model.lower()
            if not request.every_artifact and base in done:
                continue
            fit = evaluate_artifact(each, geometry, source, machine, request)
            if fit is None:
                left_out[TOO_LARGE] += 1
                continue
            done.add(base)
            yield fit


def evaluate_artifact(
    ranked: Ranked, geometry: Geometry | None, source: str | None, machine: Machine, request: FitRequest
) -> Fit | None:
    """The artifact on this machine, or None where it does not fit with its cache and the asked context."""
    candidate = ranked.candidate
    weights, parameters = candidate.total_size, candidate.parameters
    need = estimate_memory(weights, geometry, context=request.context, kv_type=request.kv_type, parameters=parameters)
    place = place_on_devices(need.total, machine)
    trained = candidate.trained_context or (geometry.trained_context if geometry else None)
    if place is None or (trained and request.context > trained):
        return None
    available = room_at(place, machine)
    largest = None
    if trained:
        largest = find_largest_context(
            available, weights, geometry, kv_type=request.kv_type, parameters=parameters, trained=trained
        )
    speed = estimate_speed(candidate, need.total, machine, place, need.cache)
    measured = quality_loss(candidate.quant, imatrix=candidate.imatrix, parameters=parameters)
    qat = trained_for(candidate.qat, candidate.bits)
    estimated = [*candidate.estimated, *need.estimated, *(() if trained else ("context",))]
    return Fit(
        repo_id=candidate.repo_id,
        artifact=candidate.artifact,
        base_model=candidate.base_model,
        family=candidate.family,
        format=candidate.format,
        quant=candidate.quant,
        bits=candidate.bits,
        bits_per_weight=candidate.bits_per_weight or (8 * weights / parameters if parameters else None),
        qat=qat,
        parameters=parameters,
        active_parameters=candidate.active_parameters,
        total_size=weights,
        needs=need.total,
        weights=need.weights,
        cache=need.cache,
        compute=need.compute,
        runtime=need.runtime,
        left=available - need.total,
        context=request.context,
        largest_context=largest,
        tokens_per_second=speed.bound if speed else None,
        expected_tokens_per_second=speed.expected if speed else None,
        expected_tokens_per_second_low=speed.low if speed else None,
        expected_tokens_per_second_high=speed.high if speed else None,
        is_usable=is_usable(speed, request),
        place=place,
        gpu_layers=layers_on_card(need, geometry, machine) if place == "gpu+cpu" else None,
        loss=loss_text(
            candidate.quant,
            qat=qat,
            imatrix=candidate.imatrix,
            quantized=candidate.quantized,
            parameters=parameters,
        ),
        perplexity_percent=measured.percent if measured else None,
        estimated=tuple(estimated),
        sources=other_sources(candidate, source),
        author=candidate.author,
        license=candidate.license,
        gated=candidate.gated,
        downloads=candidate.downloads,
        score=ranked.score,
    )


SHOWN_AS = {
    "context_measured": "context", "parameters_measured": "parameters",
    "active_parameters_measured": "active_parameters",
}  # fmt: skip
"""The value of a row that a label's value becomes."""


def other_sources(candidate: Candidate, geometry: str | None) -> dict[str, str]:
    """The values that are not the artifact's own, with their source: `base`, or `repo` for another file of the repo."""
    shown = {"context", "parameters", "active_parameters", "architecture", "license"}
    sources = {SHOWN_AS.get(name, name): "base" for name in candidate.inherited}
    sources = {name: source for name, source in sources.items() if name in shown}
    if geometry in ("base", "repo"):
        sources["cache"] = geometry
    return sources


def layers_on_card(need: Estimate, geometry: Geometry | None, machine: Machine) -> int | None:
    """Layers that the card holds with their cache, beside the buffers."""
    if geometry is None:
        return None
    room = machine.vram_for_models - need.compute - need.runtime
    return max(0, int(geometry.layers * min(1.0, room / max(1, need.weights + need.cache))))


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a repo stands where it stands: its row and place among all that fit, or the reason why it is left out.

    `best`: the row of its base model, if that is another repo's.
    """

    repo_id: str
    place: int | None
    rows: int
    fit: Fit | None
    best: Fit | None
    reason: Reason | None


def explain_fit(reader: CatalogReader, machine: Machine, request: FitRequest, repo_id: str) -> Explanation:
    """Where a repo stands among all rows of the request, and why. The repo must be in the catalog."""
    every = find_fits(reader, machine, replace(request, limit=MAX_EXPLAINED), coverage=UNMEASURED).fits
    at = position_of(every, lambda fit: fit.repo_id.lower() == repo_id.lower())
    if at is not None:
        return Explanation(repo_id, at + 1, len(every), every[at], None, None)
    alone = replace(request, repo_ids=(repo_id,), limit=1, families=(), authors=())
    own = find_fits(reader, machine, alone)
    if own.fits:
        base = own.fits[0].base_model.lower()
        best = position_of(every, lambda fit: fit.base_model.lower() == base)
        return Explanation(repo_id, None, len(every), own.fits[0], None if best is None else every[best], None)
    reason = next(iter(own.left_out), None)
    if reason is None and find_fits(reader, machine, replace(alone, gated=True, gone=True)).considered:
        reason = "gated or vanished (--gated and --gone show it)"
    return Explanation(repo_id, None, len(every), None, None, reason)


def position_of(fits: Iterable[Fit], condition: Callable[[Fit], bool]) -> int | None:
    return next((at for at, fit in enumerate(fits) if condition(fit)), None)

"""Models compared: labels, claims and measurements, sizes, memory, and the three costs of quantization.

The costs are kept apart: precision (perplexity and KL divergence published for the scheme), accuracy (results by task)
and bias and safety (TruthfulQA, BBQ and similar). Where the cards of a quantized model and of its original report the
same dataset and metric, the difference is measured; otherwise the cost says that it was not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.catalog.base_models import load_base_models
from analysis.catalog.geometries import GeometryLookup
from analysis.catalog.models import find_model
from analysis.errors import UnknownModel
from analysis.files.shards import part_of
from analysis.fit.memory import estimate_memory, find_largest_context
from analysis.names.references import parse_selection
from analysis.query.reader import CatalogReader
from analysis.schemes.quality import (
    NOT_MEASURED,
    Cost,
    cost_of,
    find_published,
    loss_sentence,
    quality_loss,
    trained_for,
)
from analysis.schemes.schemes import find_scheme_by_alias

COSTS: tuple[Cost, ...] = ("precision", "accuracy", "bias")
TITLES: Mapping[Cost, str] = {"precision": "precision", "accuracy": "accuracy", "bias": "bias and safety"}


@dataclass(frozen=True, slots=True)
class BenchmarkDelta:
    """One result that both a quantized model and its original report."""

    task: str
    dataset: str
    metric: str
    original: float
    quantized: float
    cost: Cost

    @property
    def change(self) -> float:
        return self.quantized - self.original

    @property
    def text(self) -> str:
        return f"{self.dataset} {self.metric} {self.original:g} -> {self.quantized:g} ({self.change:+.3g})"


@dataclass(frozen=True, slots=True)
class CostText:
    """What is known of one cost: as text, whether it was measured on this very model, and the URL of its source."""

    cost: Cost
    text: str
    measured: bool
    source: str | None = None


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One model of a comparison: its row of `models`, its artifact, the memory that the artifact needs, its costs.

    `needs` is in bytes, `largest_context` in tokens; `estimated`: no header gave the attention geometry.
    """

    model: dict[str, Any]
    artifact: dict[str, Any] | None
    needs: int | None
    largest_context: int | None
    estimated: bool
    deltas: tuple[BenchmarkDelta, ...]
    costs: tuple[CostText, ...]
    conflicts: int
    inherited: tuple[str, ...] = ()  # columns of `model` that it lacked: the values are its base model's

    def row(self) -> dict[str, Any]:
        """As one JSON object or one line of CSV."""
        artifact = self.artifact or {}
        return {
            **self.model,
            "artifact": artifact.get("artifact"),
            "artifact_quant": artifact.get("quant"),
            "artifact_bits_per_weight": artifact.get("bits_per_weight"),
            "artifact_size": artifact.get("total_size"),
            "needs": self.needs,
            "largest_context": self.largest_context,
            "conflicts": self.conflicts,
            "sources": dict.fromkeys(self.inherited, "base"),
            **dict.fromkeys(COSTS),
            **{cost.cost: cost.text for cost in self.costs},
            "evaluation_deltas": [
                {"dataset": each.dataset, "metric": each.metric, "original": each.original,
                 "quantized": each.quantized, "change": round(each.change, 6), "cost": each.cost}
                for each in self.deltas
            ],
        }  # fmt: skip


def compare_models(
    reader: CatalogReader, ids: Sequence[str], *, context: int, kv_type: str = "f16", memory: int
) -> list[ComparedModel]:
    """Load each model; `ID::SCHEME`, `ID::FILE` or a reference's tag or file selects one of its artifacts.

    `context` in tokens, `memory` (of the machine, for `largest_context`) in bytes. Raises UnknownModel.
    """
    return [load_compared(reader, each, context, kv_type, memory) for each in ids]


def load_compared(reader: CatalogReader, text: str, context: int, kv_type: str, memory: int) -> ComparedModel:
    repo_id, selector = parse_selection(text)
    own = find_model(reader, repo_id)
    model, inherited = load_base_models(reader, [own]).inherit(own)
    geometries = GeometryLookup(reader)
    artifact = find_artifact(reader, model, selector)
    needs = largest = None
    estimated = False
    if artifact is not None and artifact["total_size"]:
        geometry = geometries.find({**artifact, "parameters": artifact["parameters_measured"] or model["parameters"]})
        parameters = artifact["parameters_measured"] or model["parameters_measured"] or model["parameters"]
        weights = int(artifact["total_size"])
        need = estimate_memory(weights, geometry, context=context, kv_type=kv_type, parameters=parameters)
        trained = model["context_measured"]
        largest = find_largest_context(
            memory, weights, geometry, kv_type=kv_type, parameters=parameters, trained=trained
        )
        needs, estimated = need.total, bool(need.estimated)
    deltas = load_deltas(reader, model["repo_id"])
    labelled = artifact if artifact is not None and artifact["quant"] else model
    conflicts = reader.all("select count(*) as n from label_conflicts where repo_id = :id", {"id": model["repo_id"]})
    return ComparedModel(
        model=model,
        artifact=artifact,
        needs=needs,
        largest_context=largest,
        estimated=estimated,
        deltas=deltas,
        costs=assess_costs(labelled, deltas),
        conflicts=conflicts[0]["n"],
        inherited=inherited,
    )


def find_artifact(reader: CatalogReader, model: Mapping[str, Any], selector: str) -> dict[str, Any] | None:
    """The artifact that `selector` names by scheme or file; if empty, that of the repo's own scheme, else the largest.

    Raises UnknownModel where no artifact has the selected scheme or file.
    """
    found = reader.all(
        "select * from artifacts_wide where repo_id = :id and role = 'weights'"
        " order by case when quant = :quant then 0 else 1 end, case when main then 0 else 1 end,"
        " total_size desc nulls last, artifact",
        {"id": model["repo_id"], "quant": model["quant"]},
    )
    if not selector:
        return found[0] if found else None
    row = next((row for is_meant in selector_tests(selector) for row in found if is_meant(row)), None)
    if row is not None:
        return row
    close = tuple(f"{model['repo_id']}::{row['quant'] or row['artifact']}" for row in found[:3])
    raise UnknownModel(f"{model['repo_id']}::{selector}", close)


def selector_tests(selector: str) -> tuple[Callable[[Mapping[str, Any]], bool], ...]:
    """Tests of whether a selector means an artifact, the strictest first."""
    scheme, part = find_scheme_by_alias(selector), part_of(selector)
    asked = (part.whole if part else selector).lower()  # an artifact has its shards' name without the numbers
    return (
        lambda row: asked in (row["artifact"].lower(), (row["quant"] or "").lower()),
        lambda row: asked in row["artifact"].lower(),  # a folder, or `UD-Q4_K_XL`, whose scheme is Q4_K_XL
        lambda row: scheme is not None and row["quant"] == scheme.name,
    )


def load_deltas(reader: CatalogReader, repo_id: str) -> tuple[BenchmarkDelta, ...]:
    """Results that the cards of a quantized model and of its original both report, one per dataset and metric."""
    rows = reader.all(
        "select e.task, e.dataset, e.metric, o.value as original, e.value as quantized"
        " from quantized_models q join repos r on r.repo_id = q.repo_id and r.type = 'model'"
        " join evaluations e on e.repo = r.id"
        " join repos b on b.repo_id = q.base_model and b.type = 'model' join evaluations o on o.repo = b.id"
        " and lower(o.dataset) = lower(e.dataset) and lower(o.metric) = lower(e.metric)"
        " where q.repo_id = :id order by e.position, o.position",
        {"id": repo_id},
    )
    first = {(row["dataset"].lower(), row["metric"].lower()): row for row in reversed(rows)}
    return tuple(BenchmarkDelta(**row, cost=cost_of(row["dataset"], row["metric"])) for row in reversed(first.values()))


def assess_costs(row: Mapping[str, Any], deltas: Sequence[BenchmarkDelta] = ()) -> tuple[CostText, ...]:
    """The costs of quantization for a row of `models` or `artifacts_wide`; empty for full precision."""
    if not row["quantized"]:
        return ()
    return tuple(cost_text(cost, row, [each for each in deltas if each.cost == cost]) for cost in COSTS)


def cost_text(cost: Cost, row: Mapping[str, Any], deltas: Sequence[BenchmarkDelta]) -> CostText:
    """One cost: measured on this model, else published for its scheme or bits per weight, else stated as unknown."""
    if deltas:
        return CostText(cost, "; ".join(each.text for each in deltas), measured=True)
    if cost == "precision":
        size = row.get("parameters_measured") or row.get("parameters")
        imatrix, qat = bool(row["imatrix"]), trained_for(row["qat"], row["bits"])
        known = quality_loss(row["quant"], imatrix=imatrix, parameters=size)
        text = loss_sentence(row["quant"], qat=qat, imatrix=imatrix, parameters=size)
        figures = known.figures if known else None
        return CostText(cost, f"{text} ({figures})" if figures else text, False, known.source.url if known else None)
    found = find_published(cost, row["bits_per_weight"] or row["bits"])
    if found is None:
        return CostText(cost, NOT_MEASURED, measured=False)
    return CostText(cost, f"not measured here; in general: {found[0]}", measured=False, source=found[1].url)

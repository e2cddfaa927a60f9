"""What runs on a machine: every artifact's memory by its own header, how much is left, how fast, and what is lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from math import log2
from typing import Any, Literal

from analysis.machines import Machine
from analysis.memory import Estimate, Geometry, estimate, geometry, largest_context
from analysis.quality import loss, loss_text
from analysis.query import Reader

Place = Literal["gpu", "gpu+cpu", "cpu"]

CANDIDATES = """
select
    a.repo_id, a.artifact, a.family, a.version, a.author, a.format, a.quant, a.quant_method, a.bits, a.bits_per_weight,
    a.qat, a.imatrix, a.dynamic, a.total_size, a.architecture, a.downloads, a.license, a.gated, a.base_model,
    coalesce(a.parameters_measured, a.parameters, m.parameters_measured, m.parameters) as parameters,
    coalesce(a.active_parameters_measured, m.active_parameters_measured, m.active_parameters) as active_parameters,
    coalesce(a.context_measured, m.context_measured) as trained_context,
    a.header, m.quantized, m.tuning, m.specialty, m.pipeline_tag
from artifacts_wide a
join models m on m.repo_id = a.repo_id
where a.role = 'weights' and a.main and a.total_size > 0 and a.status in ('available', 'gated')
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to run. None and empty do not limit."""

    context: int = 8192
    kv_type: str = "f16"
    families: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    quants: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    bits: float | None = None  # nominal bits a weight, rounded
    task: str | None = None  # a specialty, a tuning or the Hub's task
    tasks: tuple[str, ...] = ()  # the Hub's tasks
    among: int | None = None  # only so many artifacts, the most downloaded ones
    every_artifact: bool = False  # else the best of each repo


@dataclass(frozen=True, slots=True)
class Fit:
    """One artifact that runs. Bytes, tokens, tokens a second."""

    repo_id: str
    artifact: str
    family: str | None
    format: str | None
    quant: str | None
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
    largest_context: int
    tokens_per_second: float
    place: Place
    loss: str
    perplexity_percent: float | None
    estimated: tuple[str, ...]
    author: str | None
    license: str | None
    gated: str | None
    downloads: int | None

    def row(self) -> dict[str, Any]:
        """As a row of a table or an object of JSON."""
        return {**asdict(self), "tokens_per_second": round(self.tokens_per_second, 1)}


def fits(reader: Reader, machine: Machine, wish: Wish) -> list[Fit]:
    """What runs, best first: most capable (size, less what its scheme loses), then most downloaded."""
    shapes = Geometries(reader)
    found = [fit for row in candidates(reader, wish) if (fit := placed(row, shapes.of(row), machine, wish)) is not None]
    found.sort(key=lambda fit: (-capability(fit), -(fit.downloads or 0), fit.repo_id, fit.artifact))
    return found if wish.every_artifact else best_of_each(found)


def best_of_each(found: Iterable[Fit]) -> list[Fit]:
    seen: dict[str, Fit] = {}
    for fit in found:
        seen.setdefault(fit.repo_id, fit)
    return list(seen.values())


def candidates(reader: Reader, wish: Wish) -> Iterator[dict[str, Any]]:
    """Rows of artifacts that the wish allows."""
    conditions = [CANDIDATES]
    values: dict[str, Any] = {}
    lists = (("a.family", wish.families), ("a.format", wish.formats), ("a.author", wish.authors))
    for column, wanted in (*lists, ("m.pipeline_tag", wish.tasks)):
        if wanted:
            names = [f"{column[2:]}_{at}" for at in range(len(wanted))]
            conditions.append(f"and lower({column}) in ({', '.join(':' + name for name in names)})")
            values.update(zip(names, (each.lower() for each in wanted), strict=True))
    if wish.among is not None:
        conditions.append(f"order by a.downloads desc nulls last, a.repo_id, a.artifact limit {int(wish.among)}")
    for row in reader.all("\n".join(conditions), values):
        if allowed(row, wish):
            yield row


def allowed(row: Mapping[str, Any], wish: Wish) -> bool:
    if wish.quants and (row["quant"] or "").upper() not in {quant.upper() for quant in wish.quants}:
        return False
    if wish.bits is not None and (row["bits"] is None or round(row["bits"]) != round(wish.bits)):
        return False
    if wish.task:
        said = {*(row["specialty"] or []), *(row["tuning"] or []), row["pipeline_tag"]}
        return wish.task.lower() in {str(word).lower() for word in said}
    return True


class Geometries:
    """Attention geometries of headers. A quant whose own header was not read has its siblings' in the repo, or those of
    the same model elsewhere: quantization changes no shapes."""

    def __init__(self, reader: Reader) -> None:
        self._by_header: dict[int, Geometry] = {}
        self._by_repo: dict[str, Geometry] = {}
        self._by_kind: dict[tuple[str, int], Geometry] = {}
        for row in reader.all(
            "select h.id as header, h.architecture, h.facts, h.context, h.parameters, a.repo_id, a.base_model"
            " from headers h join artifacts_wide a on a.header = h.id where a.role = 'weights'"
        ):
            shape = geometry(facts_of(row["facts"], row["context"]), row["architecture"])
            if shape is None:
                continue
            self._by_header[row["header"]] = shape
            self._by_repo.setdefault(row["repo_id"], shape)
            if row["base_model"]:
                self._by_repo.setdefault(row["base_model"], shape)
            if row["architecture"] and row["parameters"]:
                self._by_kind.setdefault((row["architecture"], rounded(row["parameters"])), shape)

    def of(self, row: Mapping[str, Any]) -> Geometry | None:
        """The geometry of an artifact's row: header, repo_id, base_model, architecture, parameters."""
        return (
            self._by_header.get(row.get("header") or 0)
            or self._by_repo.get(row["repo_id"])
            or self._by_repo.get(row.get("base_model") or "")
            or self._by_kind.get((row.get("architecture") or "", rounded(row.get("parameters") or 0)))
        )


def rounded(parameters: int) -> int:
    """Parameters to two digits: copies of one model differ by a duplicated embedding at most."""
    return int(float(f"{parameters:.1e}"))


def facts_of(text: str | None, context: int | None) -> dict[str, Any]:
    """A header's geometry facts, wherever in the object they stand."""
    try:
        facts = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(facts, dict):
        return {}
    nested = facts.get("geometry")
    flat = {**facts, **nested} if isinstance(nested, dict) else facts
    return {"context": context, **flat}


def placed(row: Mapping[str, Any], shape: Geometry | None, machine: Machine, wish: Wish) -> Fit | None:
    """The artifact on this machine, or None where it does not fit."""
    weights = int(row["total_size"])
    parameters = row["parameters"]
    need = estimate(weights, shape, context=wish.context, kv_type=wish.kv_type, parameters=parameters)
    where = place_of(need, machine)
    if where is None:
        return None
    room = {
        "gpu": machine.vram_for_models,
        "cpu": machine.ram_for_models,
        "gpu+cpu": machine.vram_for_models + machine.ram_for_models,
    }[where]
    trained = row["trained_context"] or (shape.trained_context if shape else None)
    if trained and wish.context > trained:
        return None
    largest = largest_context(room, weights, shape, kv_type=wish.kv_type, parameters=parameters, trained=trained)
    measured = loss(row["quant"], imatrix=bool(row["imatrix"]))
    return Fit(
        repo_id=row["repo_id"],
        artifact=row["artifact"],
        family=row["family"],
        format=row["format"],
        quant=row["quant"],
        bits_per_weight=row["bits_per_weight"] or (8 * weights / parameters if parameters else None),
        qat=bool(row["qat"]),
        parameters=parameters,
        active_parameters=row["active_parameters"],
        total_size=weights,
        needs=need.total,
        weights=need.weights,
        cache=need.cache,
        compute=need.compute,
        runtime=need.runtime,
        left=room - need.total,
        context=wish.context,
        largest_context=largest,
        tokens_per_second=speed(row, need, machine, where),
        place=where,
        loss=loss_text(row["quant"], qat=bool(row["qat"]), imatrix=bool(row["imatrix"]), quantized=row["quantized"]),
        perplexity_percent=measured.percent if measured else None,
        estimated=need.estimated,
        author=row["author"],
        license=row["license"],
        gated=row["gated"],
        downloads=row["downloads"],
    )


def place_of(need: Estimate, machine: Machine) -> Place | None:
    """Where it runs: whole on the GPU if that holds it, else in RAM, with the GPU helping where there is one."""
    if machine.vram and need.total <= machine.vram_for_models:
        return "gpu"
    if machine.vram and machine.ram and need.total <= machine.vram_for_models + machine.ram_for_models:
        return "gpu+cpu"
    return "cpu" if machine.ram and not machine.vram and need.total <= machine.ram_for_models else None


def speed(row: Mapping[str, Any], need: Estimate, machine: Machine, where: Place) -> float:
    """Tokens a second at most: bytes of the weights that one token reads, over the bandwidth of where they lie."""
    active, total = row["active_parameters"], row["parameters"]
    share = min(1.0, active / total) if active and total else 1.0
    read = need.weights * share
    on_gpu = {"gpu": 1.0, "cpu": 0.0, "gpu+cpu": min(1.0, machine.vram_for_models / max(1, need.total))}[where]
    return machine.speed(read * on_gpu, read * (1 - on_gpu))


def capability(fit: Fit) -> float:
    """How much a model can do, roughly, in doublings of its size: what its scheme loses counts against it.

    The mean KL divergence of quality.toml counts four doublings a nat, so that Q4_K_M costs an eighth of a doubling and
    Q2_K nearly two: as people find, a smaller model at 4 bits beats a bigger one at 2. Where nobody measured, the bits
    a weight stand in. A mixture of experts counts as the geometric mean of its active and total parameters.
    """
    parameters = fit.parameters or fit.total_size
    if fit.active_parameters:
        parameters = round((parameters * min(parameters, fit.active_parameters)) ** 0.5)
    found = loss(fit.quant, imatrix=True)
    bits = fit.bits_per_weight or 16.0
    divergence = (
        found.kld if found and found.kld is not None else (0.0 if bits >= 7.5 else 2.0 ** (1 - 1.4 * (bits - 1)))
    )
    if fit.qat:
        divergence *= 0.46
    return log2(max(1, parameters)) - 4 * divergence

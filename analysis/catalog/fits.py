"""Which artifacts run on a machine: memory needed by their own headers, memory left, speed and quality loss."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log2
from typing import Any, Literal

from analysis.fit.geometry import Geometry, parse_geometry
from analysis.fit.machines import Machine
from analysis.fit.memory import Estimate, estimate_memory, find_largest_context
from analysis.formats.formats import find_format
from analysis.query.reader import CatalogReader
from analysis.schemes.quality import estimated_divergence, loss_text, qat_share_of_loss, quality_loss, trained_for
from analysis.schemes.schemes import scheme_table

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
where a.role = 'weights' and a.main and +a.total_size > 0 and m.repo_id in ({repos})
"""

MAX_REPOS = 20_000
"""If the request matches more repos, only this many are evaluated: the most downloaded ones."""

HEADER_BATCH = 500  # headers loaded by one query
MAX_SUBSTITUTES = 3  # headers remembered for one repo, or one architecture and size
MAX_HEADERS = 50_000
"""Headers of this many artifacts, the most downloaded ones, may be used for artifacts whose own was not read."""


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What should run. None and empty do not limit; `context` in tokens."""

    context: int = 8192
    kv_type: str = "f16"
    families: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    quants: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    bits: float | None = None  # nominal bits per weight, rounded
    task: str | None = None  # a specialty, a tuning or the Hub's task
    tasks: tuple[str, ...] = ()  # the Hub's tasks
    among: int | None = None  # evaluate only this many artifacts, the most downloaded ones
    every_artifact: bool = False  # False: the best of each repo


@dataclass(frozen=True, slots=True)
class Fit:
    """One artifact that runs. Sizes in bytes, contexts in tokens, speed in tokens per second."""

    repo_id: str
    artifact: str
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
        """As a row of a table or a JSON object."""
        return {**asdict(self), "tokens_per_second": round(self.tokens_per_second, 1)}


def find_fits(
    reader: CatalogReader, machine: Machine, request: FitRequest, geometries: GeometryLookup | None = None
) -> list[Fit]:
    """The artifacts that run, best first: by `rank_score`, then by downloads."""
    rows = list(find_candidates(reader, machine, request))
    known = (geometries or GeometryLookup(reader)).find_all(rows)
    evaluated = (evaluate_artifact(row, geometry, machine, request) for row, geometry in zip(rows, known, strict=True))
    found = [fit for fit in evaluated if fit is not None]
    found.sort(key=lambda fit: (-rank_score(fit), -(fit.downloads or 0), fit.repo_id, fit.artifact))
    return found if request.every_artifact else best_of_each_repo(found)


def best_of_each_repo(found: Iterable[Fit]) -> list[Fit]:
    seen: dict[str, Fit] = {}
    for fit in found:
        seen.setdefault(fit.repo_id, fit)
    return list(seen.values())


def find_candidates(reader: CatalogReader, machine: Machine, request: FitRequest) -> Iterator[dict[str, Any]]:
    """Rows of artifacts that match the request and that a usual runtime loads on the machine."""
    repos, values = repo_filter_sql(request)
    ranked = f"{repos} order by c.downloads desc nulls last, c.repo_id limit {MAX_REPOS}"
    conditions = [CANDIDATES.format(repos=ranked)]
    conditions += match_any("a.format", request.formats, values)
    if request.among is not None:
        conditions.append(f"order by a.downloads desc nulls last, a.repo_id, a.artifact limit {int(request.among)}")
    for row in reader.all("\n".join(conditions), values):
        if matches_request(row, request) and (request.formats or request.quants or has_runtime(row, machine)):
            yield row


def exceeds_max_repos(reader: CatalogReader, request: FitRequest) -> bool:
    """Whether the request matches more repos than are evaluated."""
    repos, values = repo_filter_sql(request)
    counted = reader.all(f"select count(*) as n from ({repos} limit {MAX_REPOS + 1}) as g", values)
    return bool(counted[0]["n"] > MAX_REPOS)


def repo_filter_sql(request: FitRequest) -> tuple[str, dict[str, Any]]:
    """SQL for the ids of the repos that match the request, and its values."""
    values: dict[str, Any] = {}
    conditions = ["select c.repo_id from models as c where c.status in ('available', 'gated')"]
    conditions += match_any("c.family", request.families, values)
    conditions += match_any("c.author", request.authors, values)
    conditions += match_any("c.pipeline_tag", request.tasks, values)
    return " ".join(conditions), values


def match_any(column: str, texts: Sequence[str], values: dict[str, Any]) -> list[str]:
    """The condition that a column equals one of the texts in any letter case; adds to `values`."""
    if not texts:
        return []
    names = [f"{column[2:]}_{at}" for at in range(len(texts))]
    values.update(zip(names, (each.lower() for each in texts), strict=True))
    return [f"and lower({column}) in ({', '.join(':' + name for name in names)})"]


TASKS_WITHOUT_TEXT = frozenset({
    "text-to-image", "image-to-image", "text-to-video", "image-to-video", "unconditional-image-generation",
    "text-to-3d", "image-to-3d", "image-classification", "object-detection", "image-segmentation", "depth-estimation",
    "zero-shot-image-classification", "image-feature-extraction", "mask-generation", "video-classification",
})  # fmt: skip
"""Tasks whose models have no tokens and no context."""


def has_runtime(row: Mapping[str, Any], machine: Machine) -> bool:
    """Whether a usual runtime loads this format on this kind of machine: MLX needs Apple's chips."""
    machines = find_format(row["format"]).machines
    if machines == "apple":
        return machine.apple
    if machines == "any":
        return True
    method = scheme_table().methods.get(row["quant_method"] or "")
    return bool(machine.vram) or method is None or not method.cuda


def matches_request(row: Mapping[str, Any], request: FitRequest) -> bool:
    if not request.task and row["pipeline_tag"] in TASKS_WITHOUT_TEXT:
        return False
    if request.quants and (row["quant"] or "").upper() not in {quant.upper() for quant in request.quants}:
        return False
    if request.bits is not None and (row["bits"] is None or round(row["bits"]) != round(request.bits)):
        return False
    if request.task:
        tasks = {*(row["specialty"] or []), *(row["tuning"] or []), row["pipeline_tag"]}
        return request.task.lower() in {str(word).lower() for word in tasks}
    return True


class GeometryLookup:
    """Attention geometries of artifacts, from headers that are loaded on demand.

    An artifact whose header was not read gets the geometry of another artifact of its repo, of its original, or of one
    with the same architecture and size: quantization does not change shapes.

    `near`: ids of repos; only headers of these and of their copies are considered.
    """

    def __init__(self, reader: CatalogReader, near: Sequence[str] = ()) -> None:
        self._reader = reader
        self._geometries: dict[int, Geometry | None] = {}
        self._of_repo: dict[str, list[int]] = {}
        self._of_kind: dict[tuple[str, int], list[int]] = {}
        values = {f"id_{at}": repo_id for at, repo_id in enumerate(near)}
        listed = ", ".join(f":{name}" for name in values)
        limit = f" and (a.repo_id in ({listed}) or a.base_model in ({listed}))" if near else ""
        sql = (
            "select a.header, a.repo_id, a.base_model, h.architecture, h.parameters from artifacts_wide a"
            f" join headers h on h.id = a.header where a.role = 'weights' and a.header is not null{limit}"
            f" order by a.downloads desc nulls last, a.header, a.repo_id limit {MAX_HEADERS}"
        )
        rows = sorted(reader.rows(sql, values).dicts(), key=lambda row: (row["header"], row["repo_id"]))
        for row in rows:
            for repo_id in (row["repo_id"], row["base_model"]):
                group_ids(self._of_repo, repo_id, row["header"])
            if row["architecture"] and row["parameters"]:
                group_ids(self._of_kind, (row["architecture"], round_parameters(row["parameters"])), row["header"])

    def find(self, row: Mapping[str, Any]) -> Geometry | None:
        """The geometry for an artifact's row with header, repo_id, base_model, architecture and parameters."""
        return self.find_all([row])[0]

    def find_all(self, rows: Sequence[Mapping[str, Any]]) -> list[Geometry | None]:
        """The geometry for each row, with few queries for all of them."""
        self._load({row["header"] for row in rows if row.get("header")})
        found = [self._geometries.get(row.get("header") or 0) for row in rows]
        others = [[] if own else self._substitutes(row) for row, own in zip(rows, found, strict=True)]
        self._load({number for numbers in others for number in numbers})
        return [
            own or next((self._geometries[number] for number in numbers if self._geometries[number]), None)
            for own, numbers in zip(found, others, strict=True)
        ]

    def _substitutes(self, row: Mapping[str, Any]) -> list[int]:
        """Ids of headers that may replace one that was not read: its repo's, its original's, one of the same kind."""
        kind = (row.get("architecture") or "", round_parameters(row.get("parameters") or 0))
        named = [*self._of_repo.get(row["repo_id"], ()), *self._of_repo.get(row.get("base_model") or "", ())]
        return [*named, *self._of_kind.get(kind, ())]

    def _load(self, numbers: set[int]) -> None:
        missing = sorted(number for number in numbers if number not in self._geometries)
        for start in range(0, len(missing), HEADER_BATCH):
            listed = ", ".join(map(str, map(int, missing[start : start + HEADER_BATCH])))
            sql = f"select id, facts, context, architecture from headers where id in ({listed})"
            for row in self._reader.rows(sql).dicts():
                facts = geometry_facts(row["facts"], row["context"])
                self._geometries[row["id"]] = parse_geometry(facts, row["architecture"])
        self._geometries.update((number, None) for number in missing if number not in self._geometries)


def group_ids(held: dict[Any, list[int]], key: Any, number: int) -> None:
    """Add an id to those of a key, at most MAX_SUBSTITUTES: the first header may have no geometry."""
    if key is None:
        return
    numbers = held.setdefault(key, [])
    if len(numbers) < MAX_SUBSTITUTES and number not in numbers:
        numbers.append(number)


def round_parameters(parameters: int) -> int:
    """Parameters rounded to two digits: copies of one model differ at most by a duplicated embedding."""
    return int(float(f"{parameters:.1e}"))


def geometry_facts(text: str | None, context: int | None) -> dict[str, Any]:
    """The geometry facts of a header, at the top level or under `geometry`."""
    try:
        facts = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(facts, dict):
        return {}
    nested = facts.get("geometry")
    flat = {**facts, **nested} if isinstance(nested, dict) else facts
    return {"context": context, **flat}


def evaluate_artifact(
    row: Mapping[str, Any], geometry: Geometry | None, machine: Machine, request: FitRequest
) -> Fit | None:
    """The artifact on this machine, or None where it does not fit."""
    weights = int(row["total_size"])
    parameters = row["parameters"]
    need = estimate_memory(weights, geometry, context=request.context, kv_type=request.kv_type, parameters=parameters)
    place = place_on_devices(need, machine)
    if place is None:
        return None
    available = {
        "gpu": machine.vram_for_models,
        "cpu": machine.ram_for_models,
        "gpu+cpu": machine.vram_for_models + machine.ram_for_models,
    }[place]
    trained = row["trained_context"] or (geometry.trained_context if geometry else None)
    if trained and request.context > trained:
        return None
    largest = find_largest_context(
        available, weights, geometry, kv_type=request.kv_type, parameters=parameters, trained=trained
    )
    measured = quality_loss(row["quant"], imatrix=bool(row["imatrix"]))
    qat = trained_for(row["qat"], row["bits"])
    return Fit(
        repo_id=row["repo_id"],
        artifact=row["artifact"],
        family=row["family"],
        format=row["format"],
        quant=row["quant"],
        bits=row["bits"],
        bits_per_weight=row["bits_per_weight"] or (8 * weights / parameters if parameters else None),
        qat=qat,
        parameters=parameters,
        active_parameters=row["active_parameters"],
        total_size=weights,
        needs=need.total,
        weights=need.weights,
        cache=need.cache,
        compute=need.compute,
        runtime=need.runtime,
        left=available - need.total,
        context=request.context,
        largest_context=largest,
        tokens_per_second=estimate_speed(row, need, machine, place),
        place=place,
        loss=loss_text(row["quant"], qat=qat, imatrix=bool(row["imatrix"]), quantized=row["quantized"]),
        perplexity_percent=measured.percent if measured else None,
        estimated=need.estimated,
        author=row["author"],
        license=row["license"],
        gated=row["gated"],
        downloads=row["downloads"],
    )


def place_on_devices(need: Estimate, machine: Machine) -> Place | None:
    """Where it runs: on the GPU if it fits there, else on GPU and CPU, or on the CPU; None if it does not fit."""
    if machine.vram and need.total <= machine.vram_for_models:
        return "gpu"
    if machine.vram and machine.ram and need.total <= machine.vram_for_models + machine.ram_for_models:
        return "gpu+cpu"
    return "cpu" if machine.ram and not machine.vram and need.total <= machine.ram_for_models else None


def estimate_speed(row: Mapping[str, Any], need: Estimate, machine: Machine, place: Place) -> float:
    """Tokens a second at most: bytes of the weights that one token reads, divided by the bandwidth of their memory."""
    active, total = row["active_parameters"], row["parameters"]
    share = min(1.0, active / total) if active and total else 1.0
    read = need.weights * share
    on_gpu = {"gpu": 1.0, "cpu": 0.0, "gpu+cpu": min(1.0, machine.vram_for_models / max(1, need.total))}[place]
    return machine.speed(read * on_gpu, read * (1 - on_gpu))


def rank_score(fit: Fit) -> float:
    """A rough measure of capability: the binary logarithm of the parameters, less a penalty for quality loss.

    The penalty is 4 x the mean KL divergence of schemes.toml (nats): Q4_K_M costs an eighth of a doubling of size and
    Q2_K nearly two doublings, so that a smaller model at 4 bits ranks above a bigger one at 2. If a scheme was not
    measured, its divergence is estimated from its bits: nominal bits and one more, or fewer if the file has fewer. A
    mixture of experts counts as the geometric mean of its active and total parameters.
    """
    parameters = fit.parameters or fit.total_size
    if fit.active_parameters:
        parameters = round((parameters * min(parameters, fit.active_parameters)) ** 0.5)
    found = quality_loss(fit.quant, imatrix=True)
    if found and found.kl_divergence is not None:
        divergence = found.kl_divergence
    else:
        widths = [fit.bits_per_weight, None if fit.bits is None else fit.bits + 1]
        divergence = estimated_divergence(min((width for width in widths if width), default=16.0))
    if fit.qat:
        divergence *= qat_share_of_loss()
    return log2(max(1, parameters)) - 4 * divergence

"""What runs on a machine: every artifact's memory by its own header, how much is left, how fast, and what is lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import log2
from typing import Any, Literal

from analysis.fit.machines import Machine
from analysis.fit.memory import Estimate, Geometry, estimate, geometry, largest_context
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
"""The most downloaded repos are looked at, where the wish leaves more: nobody reads a list of millions."""

MAX_HEADERS = 50_000
"""Of so many artifacts, the most downloaded ones, the headers stand for those that were not read."""


@dataclass(frozen=True, slots=True)
class FitRequest:
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
        """As a row of a table or an object of JSON."""
        return {**asdict(self), "tokens_per_second": round(self.tokens_per_second, 1)}


def fits(reader: CatalogReader, machine: Machine, wish: FitRequest, shapes: GeometryLookup | None = None) -> list[Fit]:
    """What runs, best first: most capable (size, less what its scheme loses), then most downloaded."""
    rows = list(candidates(reader, machine, wish))
    known = (shapes or GeometryLookup(reader)).of_all(rows)
    placings = (evaluate_artifact(row, shape, machine, wish) for row, shape in zip(rows, known, strict=True))
    found = [fit for fit in placings if fit is not None]
    found.sort(key=lambda fit: (-rank_score(fit), -(fit.downloads or 0), fit.repo_id, fit.artifact))
    return found if wish.every_artifact else best_of_each(found)


def best_of_each(found: Iterable[Fit]) -> list[Fit]:
    seen: dict[str, Fit] = {}
    for fit in found:
        seen.setdefault(fit.repo_id, fit)
    return list(seen.values())


def candidates(reader: CatalogReader, machine: Machine, wish: FitRequest) -> Iterator[dict[str, Any]]:
    """Rows of artifacts that the wish allows and the machine has an engine for."""
    repos, values = filter_sql(wish)
    ranked = f"{repos} order by c.downloads desc nulls last, c.repo_id limit {MAX_REPOS}"
    conditions = [CANDIDATES.format(repos=ranked)]
    conditions += one_of("a.format", wish.formats, values)
    if wish.among is not None:
        conditions.append(f"order by a.downloads desc nulls last, a.repo_id, a.artifact limit {int(wish.among)}")
    for row in reader.all("\n".join(conditions), values):
        if formats_for_machine(row, wish) and (wish.formats or wish.quants or has_engine(row, machine)):
            yield row


def limit_candidates(reader: CatalogReader, wish: FitRequest) -> bool:
    """Whether the wish leaves more repos than are looked at."""
    repos, values = filter_sql(wish)
    counted = reader.all(f"select count(*) as n from ({repos} limit {MAX_REPOS + 1}) as g", values)
    return bool(counted[0]["n"] > MAX_REPOS)


def filter_sql(wish: FitRequest) -> tuple[str, dict[str, Any]]:
    """SQL for the ids of the repos that the wish leaves, and its values."""
    values: dict[str, Any] = {}
    conditions = ["select c.repo_id from models as c where c.status in ('available', 'gated')"]
    conditions += one_of("c.family", wish.families, values)
    conditions += one_of("c.author", wish.authors, values)
    conditions += one_of("c.pipeline_tag", wish.tasks, values)
    return " ".join(conditions), values


def one_of(column: str, wanted: Sequence[str], values: dict[str, Any]) -> list[str]:
    """The condition that a column is one of these in any case of letters; adds to the values."""
    if not wanted:
        return []
    names = [f"{column[2:]}_{at}" for at in range(len(wanted))]
    values.update(zip(names, (each.lower() for each in wanted), strict=True))
    return [f"and lower({column}) in ({', '.join(':' + name for name in names)})"]


NO_TEXT = frozenset({
    "text-to-image", "image-to-image", "text-to-video", "image-to-video", "unconditional-image-generation",
    "text-to-3d", "image-to-3d", "image-classification", "object-detection", "image-segmentation", "depth-estimation",
    "zero-shot-image-classification", "image-feature-extraction", "mask-generation", "video-classification",
})  # fmt: skip
"""Tasks whose models have no tokens and no context."""


def has_engine(row: Mapping[str, Any], machine: Machine) -> bool:
    """Whether a usual runtime loads this format on this kind of machine: MLX needs Apple's chips."""
    machines = find_format(row["format"]).machines
    if machines == "apple":
        return machine.apple
    if machines == "any":
        return True
    method = scheme_table().methods.get(row["quant_method"] or "")
    return bool(machine.vram) or method is None or not method.cuda


def formats_for_machine(row: Mapping[str, Any], wish: FitRequest) -> bool:
    if not wish.task and row["pipeline_tag"] in NO_TEXT:
        return False
    if wish.quants and (row["quant"] or "").upper() not in {quant.upper() for quant in wish.quants}:
        return False
    if wish.bits is not None and (row["bits"] is None or round(row["bits"]) != round(wish.bits)):
        return False
    if wish.task:
        said = {*(row["specialty"] or []), *(row["tuning"] or []), row["pipeline_tag"]}
        return wish.task.lower() in {str(word).lower() for word in said}
    return True


class GeometryLookup:
    """Attention geometries of headers. A quant whose own header was not read has its siblings' in the repo, or those of
    the same model elsewhere: quantization changes no shapes. Headers are opened only as they are asked for.

    `near`: ids of models; only headers of these and of their copies are looked at, for those who ask about a few.
    """

    def __init__(self, reader: CatalogReader, near: Sequence[str] = ()) -> None:
        self._reader = reader
        self._shapes: dict[int, Geometry | None] = {}
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
        read = sorted(map(tuple, reader.rows(sql, values)), key=lambda row: (row[0], row[1]))
        for number, repo_id, base, architecture, parameters in read:
            for known in (repo_id, base):
                group_ids(self._of_repo, known, number)
            if architecture and parameters:
                group_ids(self._of_kind, (architecture, rounded(parameters)), number)

    def of(self, row: Mapping[str, Any]) -> Geometry | None:
        """The geometry of an artifact's row: header, repo_id, base_model, architecture, parameters."""
        return self.of_all([row])[0]

    def of_all(self, rows: Sequence[Mapping[str, Any]]) -> list[Geometry | None]:
        """The geometry of each row, with a few requests for all."""
        self._open({row["header"] for row in rows if row.get("header")})
        found = [self._shapes.get(row.get("header") or 0) for row in rows]
        others = [self._others(row) if shape is None else [] for row, shape in zip(rows, found, strict=True)]
        self._open({number for numbers in others for number in numbers})
        return [
            shape or next((self._shapes[number] for number in numbers if self._shapes[number]), None)
            for shape, numbers in zip(found, others, strict=True)
        ]

    def _others(self, row: Mapping[str, Any]) -> list[int]:
        """Headers that stand for one that was not read: its repo's, its original's, one of the same kind and size."""
        kind = (row.get("architecture") or "", rounded(row.get("parameters") or 0))
        named = [*self._of_repo.get(row["repo_id"], ()), *self._of_repo.get(row.get("base_model") or "", ())]
        return [*named, *self._of_kind.get(kind, ())]

    def _open(self, numbers: set[int]) -> None:
        wanted = sorted(number for number in numbers if number not in self._shapes)
        for start in range(0, len(wanted), 500):
            listed = ", ".join(map(str, map(int, wanted[start : start + 500])))
            sql = f"select id, facts, context, architecture from headers where id in ({listed})"
            for number, facts, context, architecture in self._reader.rows(sql):
                self._shapes[number] = geometry(facts_of(facts, context), architecture)
        self._shapes.update((number, None) for number in wanted if number not in self._shapes)


def group_ids(held: dict[Any, list[int]], key: Any, number: int) -> None:
    """Keep up to three numbers for a key: the first may have no geometry."""
    if key is None:
        return
    numbers = held.setdefault(key, [])
    if len(numbers) < 3 and number not in numbers:
        numbers.append(number)


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


def evaluate_artifact(row: Mapping[str, Any], shape: Geometry | None, machine: Machine, wish: FitRequest) -> Fit | None:
    """The artifact on this machine, or None where it does not fit."""
    weights = int(row["total_size"])
    parameters = row["parameters"]
    need = estimate(weights, shape, context=wish.context, kv_type=wish.kv_type, parameters=parameters)
    where = place_on_devices(need, machine)
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
        left=room - need.total,
        context=wish.context,
        largest_context=largest,
        tokens_per_second=speed(row, need, machine, where),
        place=where,
        loss=loss_text(row["quant"], qat=qat, imatrix=bool(row["imatrix"]), quantized=row["quantized"]),
        perplexity_percent=measured.percent if measured else None,
        estimated=need.estimated,
        author=row["author"],
        license=row["license"],
        gated=row["gated"],
        downloads=row["downloads"],
    )


def place_on_devices(need: Estimate, machine: Machine) -> Place | None:
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


def rank_score(fit: Fit) -> float:
    """How much a model can do, roughly, in doublings of its size: what its scheme loses counts against it.

    The mean KL divergence of schemes.toml counts four doublings a nat, so that Q4_K_M costs an eighth of a doubling and
    Q2_K nearly two: as people find, a smaller model at 4 bits beats a bigger one at 2. Where nobody measured the
    scheme, its bits stand in: the nominal ones and one more, or fewer where the file holds fewer. A mixture of experts
    counts as the geometric mean of its active and total parameters.
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

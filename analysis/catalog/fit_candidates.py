"""Which artifacts may run on a machine, with what is known of their models.

Of few repos each is looked at (`find_candidates`); of many those that fit_order finds among the best
(`load_candidates`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.catalog.base_models import BaseModels, load_base_models
from analysis.catalog.fit_request import TEXT_TASKS, FitRequest, generates_text, matches_task
from analysis.catalog.match_count import count_matches
from analysis.files.shards import missing_of
from analysis.fit.machines import Machine
from analysis.fit.memory import weight_bytes
from analysis.formats.architectures import load_architectures, load_mixtures
from analysis.formats.formats import find_format
from analysis.labels.resolve.conflicts import is_far_apart
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values
from analysis.schemes.schemes import find_scheme, scheme_table

MAX_REPOS = 3000
"""Repos of which each is looked at: those that match a request where they are so few, and models whose rows of
fit_candidates are outdated, the most downloaded ones."""

MAX_INDEX_MATCHES = 10_000
"""Repos of the requested families or publishers up to which they are looked up by name. More are met soon enough in
the order of the ranking."""

IDS_PER_QUERY = 1000

REPOS = """
select r.id, r.repo_id, r.author, r.created_at, r.downloads, r.license, r.gated, r.status, r.pipeline_tag, l.family,
    l.version, l.base_family, l.base_version, l.tuning, l.specialty, l.experts, l.parameters, l.parameters_measured,
    l.active_parameters, l.active_parameters_measured, l.context_measured, l.architecture, l.quantized, l.base_model,
    l.base_model_relation, l.format, l.quant, l.quant_method, l.bits, l.bits_per_weight, l.qat, l.imatrix, l.dynamic,
    l.depth
from repos r join repo_labels l on l.repo = r.id
where {conditions}
"""

MOST_DOWNLOADED = "order by r.downloads desc, r.id limit {limit}"

HAS_CANDIDATE = """(
    exists (
        select 1 from artifacts a
        where a.repo = r.id and a.role = 'weights' and a.main and a.total_size between 1 and :room
    )
    or (l.depth = 'listing' and l.quant is not null and coalesce(l.parameters_measured, l.parameters) is not null)
)"""

ARTIFACTS = """
select a.id, a.repo, a.artifact, a.paths, a.total_size, a.format, a.quantized, a.quant, a.quant_method, a.bits,
    a.bits_per_weight, a.qat, a.imatrix, a.dynamic, a.parameters, a.parameters_measured, a.active_parameters_measured,
    a.context_measured, a.architecture, a.header, h.size_verified
from artifacts a left join headers h on h.id = a.header
where {which} and a.role = 'weights' and a.main and a.total_size between 1 and :room
order by a.repo, a.artifact
"""

MIXTURE_NAME = re.compile(r"moe", re.IGNORECASE)

Platform = Literal["any", "apple", "nvidia"]
Reason = str
"""Why an artifact is left out, in a few words."""

CONTRADICTORY = "size of the files contradicts the parameters or the quantization"
INCOMPLETE = "incomplete upload"
SHORT_CONTEXT = "made for a shorter context"
TOO_LARGE = "too large with its cache"
WITHOUT_RUNTIME = "format needs an NVIDIA card or an Apple chip (--format shows it)"
NOT_TEXT = "generates no text (--task shows it)"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One artifact that may run, with what is known of its model. Sizes in bytes, contexts in tokens.

    `inherited` names values taken from a base model, `estimated` those computed without the file's own figures;
    `artifact` is None where a repo's files are not known.
    """

    repo_id: str
    artifact: str | None
    base_model: str  # the model that it is a copy of, or itself
    author: str | None
    family: str | None
    version: str | None
    base_family: str | None
    base_version: str | None
    tuning: tuple[str, ...]
    specialty: tuple[str, ...]
    license: str | None
    gated: str | None
    created_at: str | None
    base_created_at: str | None
    downloads: int
    base_downloads: int
    format: str | None
    quantized: bool | None
    quant: str | None
    bits: float | None
    bits_per_weight: float | None
    qat: bool
    imatrix: bool
    total_size: int
    parameters: int | None
    active_parameters: int | None  # None: all, or unknown where `mixture`
    mixture: bool
    trained_context: int | None
    architecture: str | None
    header: int | None
    inherited: tuple[str, ...]
    estimated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may fit, what is left out for which reason (with the number of repos), and whether repos were cut off."""

    found: Sequence[Candidate]
    left_out: Mapping[Reason, int]
    repos: frozenset[int]
    narrowed: bool


def find_candidates(
    reader: CatalogReader, machine: Machine, request: FitRequest, room: int, where: RepoConditions
) -> Candidates:
    """The artifacts of at most `room` bytes that match the request and that a usual runtime loads on the machine.

    Of repos that match `where`, the most downloaded ones, MAX_REPOS at most.
    """
    repos, narrowed = load_repos(reader, request, room, where)
    bases = load_base_models(reader, repos)
    left_out: Counter[Reason] = Counter()
    models: Models = {}
    for row in repos:
        whole, inherited = bases.inherit(row)
        if not is_wanted(whole, request):
            left_out[NOT_TEXT] += 1
        else:
            models[row["id"]] = whole, inherited
    artifacts = (*load_artifacts(reader, models, room), *listed_only(models.values(), room))
    found = choose_candidates(artifacts, models, bases, machine, request, left_out)
    return Candidates([candidate for _, candidate in found], left_out, frozenset(row["id"] for row in repos), narrowed)


def load_candidates(
    reader: CatalogReader,
    machine: Machine,
    request: FitRequest,
    room: int,
    keys: Sequence[tuple[int, int]],
    left_out: Counter[Reason],
) -> list[tuple[tuple[int, int], Candidate]]:
    """Those of the artifacts that match the request and may fit, by (repo, artifact); 0 for a repo without files."""
    if not keys:
        return []
    ids = ", ".join(map(str, sorted({int(repo) for repo, _ in keys})))
    repos = reader.all(REPOS.format(conditions=f"r.id in ({ids})"))
    bases = load_base_models(reader, repos)
    whole = {row["id"]: bases.inherit(row) for row in repos}
    models: Models = {repo: each for repo, each in whole.items() if is_wanted(each[0], request)}
    numbers = ", ".join(str(int(artifact)) for _, artifact in keys if artifact)
    artifacts = reader.all(ARTIFACTS.format(which=f"a.id in ({numbers})"), {"room": room}) if numbers else []
    unread = [models[repo] for repo, artifact in keys if not artifact and repo in models]
    rows = (*(row for row in artifacts if row["repo"] in models), *listed_only(unread, room))
    return choose_candidates(rows, models, bases, machine, request, left_out)


Models = dict[int, tuple[dict[str, Any], tuple[str, ...]]]
"""A repo's row with what it takes over from its base models, and the names of these values, by its number."""


def choose_candidates(
    artifacts: Iterable[dict[str, Any]],
    models: Models,
    bases: BaseModels,
    machine: Machine,
    request: FitRequest,
    left_out: Counter[Reason],
) -> list[tuple[tuple[int, int], Candidate]]:
    """Those of the artifacts that match the request, by (repo, artifact); counts repos of which none is left."""
    found: list[tuple[tuple[int, int], Candidate]] = []
    reasons: dict[int, Reason] = {}
    for artifact in artifacts:
        model, inherited = models[artifact["repo"]]
        if not matches_artifact(artifact, request):
            continue
        candidate = make_candidate(model, inherited, artifact, bases)
        reason = find_reason(candidate, artifact, machine, request)
        if reason is None:
            found.append(((artifact["repo"], artifact["id"]), candidate))
        else:
            reasons[artifact["repo"]] = reason
    kept = {repo for (repo, _), _ in found}
    left_out.update(reason for repo, reason in reasons.items() if repo not in kept)
    return found


def load_repos(
    reader: CatalogReader, request: FitRequest, room: int, where: RepoConditions
) -> tuple[list[dict[str, Any]], bool]:
    """The most downloaded repos that match and may fit, and whether there are more."""
    values = {**where.values, "room": room}
    conditions = list(where.conditions)
    if request.task is None:
        tasks = ", ".join(f"'{task}'" for task in sorted(TEXT_TASKS))
        conditions.append(f"(r.pipeline_tag is null or r.pipeline_tag in ({tasks}))")
    rows: list[dict[str, Any]] = []
    for known in ("r.downloads is not null", "r.downloads is null"):  # nulls last, and still in the index's order
        selected = "\n    and ".join((*conditions, known, HAS_CANDIDATE))
        limit = MAX_REPOS + 1 - len(rows)
        if limit > 0:
            rows += reader.all(REPOS.format(conditions=selected) + MOST_DOWNLOADED.format(limit=limit), values)
    return rows[:MAX_REPOS], len(rows) > MAX_REPOS


@dataclass(frozen=True, slots=True)
class RepoConditions:
    """SQL conditions on repos r, and their values.

    `matches`: how many repos the requested families, publishers or ids leave, counted to MAX_INDEX_MATCHES + 1; None
    where nothing of these was asked for.
    """

    conditions: tuple[str, ...]
    values: Mapping[str, Any]
    matches: int | None

    @property
    def are_few(self) -> bool:
        """Whether it is best to look at each repo that matches."""
        return self.matches is not None and self.matches <= MAX_REPOS

    @property
    def are_common(self) -> bool:
        """Whether it is best to look at repos in another order, until enough match."""
        return self.matches is None or self.matches > MAX_INDEX_MATCHES

    def and_pending(self) -> RepoConditions:
        """The same of the models whose rows of fit_candidates are outdated."""
        return RepoConditions((*self.conditions, PENDING), self.values, self.matches)


PENDING = "exists (select 1 from fit_pending p where p.repo = r.id)"


def repo_conditions(reader: CatalogReader, request: FitRequest) -> RepoConditions:
    """What a request says of repos."""
    values: dict[str, Any] = {}
    statuses = ["available"] + ["gated"] * request.gated + ["gone"] * request.gone
    conditions = ["r.type = 'model'", f"r.status in ({', '.join(repr(status) for status in statuses)})"]
    counts: list[int] = []
    if not request.gated:
        conditions.append("r.gated is null")
    if request.families:
        names = bind(values, "family", request.families)
        selects = (f"select repo from repo_labels where {column} in ({names})" for column in ("family", "base_family"))
        matches = " union all ".join(selects)
        counts.append(count_matches(reader, matches, values, MAX_INDEX_MATCHES))
        if counts[-1] <= MAX_INDEX_MATCHES:
            conditions.append(f"r.id in ({matches})")
        else:
            is_one = f"own.family in ({names}) or own.base_family in ({names})"
            conditions.append(f"exists (select 1 from repo_labels own where own.repo = r.id and ({is_one}))")
    if request.authors:
        authors = f"lower(author) in ({bind(values, 'author', request.authors)})"
        counts.append(count_matches(reader, f"select 1 from repos where {authors}", values, MAX_INDEX_MATCHES))
        conditions.append(f"lower(r.author) in ({bind(values, 'author', request.authors)})")
    if request.task is not None:
        values["task"] = request.task.lower()
        matches = "select repo from fit_uses where use = :task"
        counts.append(count_matches(reader, matches, values, MAX_INDEX_MATCHES))
        if counts[-1] <= MAX_INDEX_MATCHES:
            conditions.append(f"r.id in ({matches} union all select repo from fit_pending)")
    if request.repo_ids:
        counts.append(len(request.repo_ids))
        conditions.append(f"lower(r.repo_id) in ({bind(values, 'repo', request.repo_ids)})")
    return RepoConditions(tuple(conditions), values, min(counts, default=None))


def bind(values: dict[str, Any], name: str, texts: Sequence[str]) -> str:
    """The parameters that stand for texts in lower case, which are added to `values`."""
    listed, named = name_values(name, [text.lower() for text in texts])
    values.update(named)
    return listed


def load_artifacts(reader: CatalogReader, models: Mapping[int, Any], room: int) -> Iterator[dict[str, Any]]:
    """The rows of the artifacts of these repos that may fit."""
    numbers = sorted(models)
    for at in range(0, len(numbers), IDS_PER_QUERY):
        listed = ", ".join(map(str, numbers[at : at + IDS_PER_QUERY]))
        yield from reader.all(ARTIFACTS.format(which=f"a.repo in ({listed})"), {"room": room})


def listed_only(models: Iterable[tuple[Mapping[str, Any], tuple[str, ...]]], room: int) -> Iterator[dict[str, Any]]:
    """A row like an artifact's for each repo whose files are unknown: its parameters x bits of its claimed scheme."""
    for model, _ in models:
        if model["depth"] != "listing" or not model["quant"]:
            continue
        scheme = find_scheme(model["quant"])
        parameters = model["parameters_measured"] or model["parameters"]
        bits = model["bits_per_weight"] or (scheme.estimated_bits if scheme else None) or model["bits"]
        if not parameters or not bits or not 0 < weight_bytes(parameters, bits) <= room:
            continue
        yield {
            **{key: model[key] for key in ("format", "quantized", "quant", "quant_method", "bits", "qat", "imatrix")},
            "id": 0,
            "repo": model["id"],
            "artifact": None,
            "paths": None,
            "total_size": weight_bytes(parameters, bits),
            "bits_per_weight": None,
            "dynamic": model["dynamic"],
            "parameters": model["parameters"],
            "parameters_measured": None,
            "active_parameters_measured": None,
            "context_measured": None,
            "architecture": None,
            "header": None,
            "size_verified": None,
        }


def is_wanted(model: dict[str, Any], request: FitRequest) -> bool:
    """Whether a model is for the requested task: by default, whether it generates text."""
    if request.task is not None:
        return matches_task(request.task, model)
    specialty, tuning = model["specialty"] or (), model["tuning"] or ()
    return generates_text(model["pipeline_tag"], specialty, tuning, model["architecture"], model["context_measured"])


def matches_artifact(row: Mapping[str, Any], request: FitRequest) -> bool:
    """Whether an artifact has one of the requested formats and schemes, and the requested bits."""
    if request.formats and (row["format"] or "").lower() not in {name.lower() for name in request.formats}:
        return False
    if request.quants and (row["quant"] or "").upper() not in {name.upper() for name in request.quants}:
        return False
    return request.bits is None or (row["bits"] is not None and round(row["bits"]) == round(request.bits))


def make_candidate(
    model: Mapping[str, Any], inherited: tuple[str, ...], row: Mapping[str, Any], bases: BaseModels
) -> Candidate:
    parameters = choose_parameters(model, row, is_inherited="parameters_measured" in inherited)
    # A mixture's active parameters: the header's, the config's, the base model's (`inherit`), the name's.
    active = row["active_parameters_measured"] or model["active_parameters_measured"] or model["active_parameters"]
    architecture = row["architecture"] or model["architecture"]
    original = bases.rows.get(bases.original(model).lower(), model)
    return Candidate(
        repo_id=model["repo_id"],
        artifact=row["artifact"],
        base_model=bases.original(model),
        author=model["author"],
        family=model["family"],
        version=model["version"],
        base_family=model["base_family"],
        base_version=model["base_version"],
        tuning=tuple(model["tuning"] or ()),
        specialty=tuple(model["specialty"] or ()),
        license=model["license"],
        gated=model["gated"],
        created_at=model["created_at"],
        base_created_at=original["created_at"],
        downloads=model["downloads"] or 0,
        base_downloads=max(original["downloads"] or 0, model["downloads"] or 0),
        format=row["format"],
        quantized=row["quantized"],
        quant=row["quant"],
        bits=row["bits"],
        bits_per_weight=row["bits_per_weight"],
        qat=bool(row["qat"]),
        imatrix=bool(row["imatrix"]),
        total_size=int(row["total_size"]),
        parameters=parameters,
        active_parameters=active if active != parameters else None,
        mixture=is_mixture(architecture, model["experts"], parameters, row["active_parameters_measured"]),
        trained_context=row["context_measured"] or model["context_measured"],
        architecture=architecture,
        header=row["header"],
        inherited=inherited_values(inherited, row),
        estimated=() if row["artifact"] else ("weights",),
    )


def choose_parameters(model: Mapping[str, Any], row: Mapping[str, Any], *, is_inherited: bool) -> int | None:
    """Parameters as measured, else as claimed; the base model's count only where no claim contradicts it (pruning)."""
    claimed: int | None = row["parameters"] or model["parameters"]
    counted: int | None = row["parameters_measured"] or model["parameters_measured"]
    if counted and claimed and is_inherited and not row["parameters_measured"] and is_far_apart(counted, claimed):
        return claimed
    return counted or claimed


def inherited_values(inherited: Sequence[str], row: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of the values that a model inherited which the artifact's own file does not state."""
    return tuple(name for name in inherited if not row.get(name))


def is_mixture(architecture: str | None, experts: int | None, parameters: int | None, active: int | None) -> bool:
    """Whether a token is sent to few of the model's experts: as counted, as claimed, or by the architecture."""
    if active and parameters:
        return active < 0.9 * parameters
    name = (architecture or "").lower()
    known = load_architectures().get(name.replace("-", "_"))
    claimed = experts or (known.defaults.get("experts", 0) if known else 0)
    return claimed > 1 or name in load_mixtures() or MIXTURE_NAME.search(name) is not None


def find_flaw(candidate: Candidate, row: Mapping[str, Any]) -> Reason | None:
    """Why an artifact runs on no machine; None where it may run."""
    if row["size_verified"] is not None and not row["size_verified"]:
        return INCOMPLETE
    if missing_of(parse_paths(row["paths"])):
        return INCOMPLETE
    return CONTRADICTORY if is_contradictory(candidate, dynamic=bool(row["dynamic"])) else None


def find_reason(candidate: Candidate, row: Mapping[str, Any], machine: Machine, request: FitRequest) -> Reason | None:
    """Why an artifact is left out before its memory is computed; None where it is not."""
    if (flaw := find_flaw(candidate, row)) is not None:
        return flaw
    if candidate.trained_context and request.context > candidate.trained_context:
        return SHORT_CONTEXT
    if not (request.formats or request.quants) and not has_runtime(row["format"], row["quant_method"], machine):
        return WITHOUT_RUNTIME
    return None


def parse_paths(text: str | None) -> list[str]:
    """The files of an artifact of several files."""
    try:
        paths = json.loads(text or "[]")
    except ValueError:
        return []
    return [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []


MIN_SHARE_OF_BITS = 0.85
"""Of the scheme's bits per weight; a dynamic mix may have fewer: MIN_SHARE_OF_DYNAMIC_BITS."""
MIN_SHARE_OF_DYNAMIC_BITS = 0.6
MAX_SHARE_OF_BITS = 2.0
SMALL_MODEL_PARAMETERS = 2_000_000_000
"""Below this, embeddings that keep more bits take a large share of the file."""


def is_contradictory(candidate: Candidate, *, dynamic: bool) -> bool:
    """Whether the bytes can't be those of this number of parameters in the scheme: too few, or far too many.

    Too many bytes are only held against counts that are claimed, since a file may hold other things beside.
    """
    scheme = find_scheme(candidate.quant) if candidate.quant else None
    bits = (scheme.block_bits or scheme.nominal_bits) if scheme else None
    if not bits or not candidate.parameters or candidate.artifact is None:
        return False
    found = 8 * candidate.total_size / candidate.parameters
    if found < bits * (MIN_SHARE_OF_DYNAMIC_BITS if dynamic else MIN_SHARE_OF_BITS):
        return True
    is_large = candidate.parameters >= SMALL_MODEL_PARAMETERS
    return candidate.header is None and is_large and found > MAX_SHARE_OF_BITS * bits + 1


def platform_of(format_: str | None, quant_method: str | None) -> Platform:
    """What usual runtimes need to load this format: any machine, Apple's chips (MLX), or an NVIDIA card."""
    machines = find_format(format_).machines
    if machines in ("apple", "any"):
        return machines
    method = scheme_table().methods.get(quant_method or "")
    return "nvidia" if method is not None and method.cuda else "any"


def platforms_of(machine: Machine) -> frozenset[Platform]:
    """What `platform_of` may say of formats that run on this machine."""
    found: set[Platform] = {"any"}
    if machine.apple:
        found.add("apple")
    if machine.vram:
        found.add("nvidia")
    return frozenset(found)


def has_runtime(format_: str | None, quant_method: str | None, machine: Machine) -> bool:
    """Whether a usual runtime loads this format on this kind of machine."""
    return platform_of(format_, quant_method) in platforms_of(machine)

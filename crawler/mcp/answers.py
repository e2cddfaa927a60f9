"""The answers of the tools, from the catalog: each function opens it for one call, and reads only.

All raise what `errors.EXPECTED` lists. Texts of the Hub are cut to `MAX_TEXT` characters, their control characters
escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.catalog.changes import list_changes
from analysis.catalog.compare import compare_models
from analysis.catalog.coverage import measure_coverage
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.fits import find_fits
from analysis.catalog.known_values import check_changes, check_families, check_formats, check_schemes, check_task
from analysis.catalog.models import ModelFilter, ModelInfo, list_models, load_info
from analysis.catalog.use_lines import load_use_lines
from analysis.errors import InvalidName
from analysis.fit.machines import Machine, find_preset
from analysis.names import parse_name
from analysis.query.reader import CatalogReader, run_query
from analysis.query.saved import find_saved_query, is_query_name, saved_queries
from analysis.text import escape_control_characters, to_json
from analysis.units import count_text, parse_context, parse_memory, parse_model_size, parse_when, size_text
from crawler.mcp import results
from crawler.mcp.errors import BadArgument
from crawler.mcp.limits import (
    CALL_SECONDS,
    MAX_DETAILS,
    MAX_HASHED_BYTES,
    MAX_OFFSET,
    MAX_RESULT_CHARACTERS,
    MAX_ROWS,
    MAX_SQL_CHARACTERS,
    MAX_TEXT,
    PROCESS_LIMITS,
)
from crawler.mcp.paging import take_page

LAST_CRAWL = "select max(finished_at) as at from crawl_runs where outcome = 'complete'"
MAX_SEARCH_HITS = 400
"""Best matches of a text among which the other filters choose."""


def open_reader(db: str) -> CatalogReader:
    return CatalogReader(db, timeout=CALL_SECONDS)


def clean(value: Any) -> Any:
    """A value of the catalog as an agent gets it: texts cut and without control characters, in lists too."""
    if isinstance(value, str):
        return escape_control_characters(value[:MAX_TEXT] + ("..." if len(value) > MAX_TEXT else ""))
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(each) for key, each in list(value.items())[:MAX_DETAILS]}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value[:MAX_DETAILS]]
    return value if isinstance(value, int | float | None) else clean(to_json(value).strip('"'))


def parse_argument(name: str, text: str, parse: Any, examples: str) -> Any:
    """The value of a text. Raises BadArgument."""
    try:
        return parse(text)
    except (ValueError, OverflowError):
        raise BadArgument(name, text, f"Write it as {examples}.") from None


def measure_basis(reader: CatalogReader) -> results.Basis:
    """How old and how complete the catalog is."""
    coverage = measure_coverage(reader)
    (last,) = reader.all(LAST_CRAWL)
    return results.Basis(as_of=clean(last["at"]), coverage=coverage.text, complete=coverage.is_complete)


def make_row(row: Mapping[str, Any]) -> results.ModelRow:
    """A row of the view `models`."""
    measured = {**row, "parameters": row["parameters_measured"] or row["parameters"]}
    return results.ModelRow(**{name: clean(measured[name]) for name in results.ModelRow.model_fields})


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


# ---- models ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelSearch:
    """What to search for; empty values do not limit. Sizes as people write them: `4B`, `3GB`."""

    text: str = ""
    family: tuple[str, ...] = ()
    quant: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    tuning: tuple[str, ...] = ()
    license: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    min_size: str = ""
    max_size: str = ""
    sort: str = "downloads"

    def to_filter(self, repo_ids: Sequence[str] = ()) -> ModelFilter:
        """Raises BadArgument."""
        least, most = (
            parse_argument(name, text, parse_model_size, "4B (parameters) or 3GB (bytes of its files)")
            if text
            else None
            for name, text in (("min_size", self.min_size), ("max_size", self.max_size))
        )
        return ModelFilter(
            families=self.family, quants=self.quant, formats=self.format, authors=self.author, tunings=self.tuning,
            licenses=self.license, tasks=self.task, repo_ids=repo_ids, least=least, most=most,
        )  # fmt: skip


def search_models(db: str, wanted: Mapping[str, Any], limit: int, cursor: str | None) -> results.ModelList:
    """A page of models; `wanted` has the fields of ModelSearch."""
    search = ModelSearch(**wanted)
    asked = [getattr(search, each.name) for each in fields(search)]
    with open_reader(db) as reader:
        check_families(search.family, reader)
        check_schemes(search.quant, reader)
        check_formats(search.format)
        rows, following = take_page(find_rows(db, reader, search), limit, cursor, asked)
        basis = measure_basis(reader)
    models = [make_row(row) for row in rows]
    steps = ["get_model gives labels with evidence, files, lineage and the commands that run a model."]
    steps += ["Pass next_cursor as cursor for more."] if following else []
    if not models:
        steps = ["Drop a filter, or pass fewer or shorter words in text."]
    return results.ModelList(
        summary=f"{plural(len(models), 'model')}{', and more' if following else ''}.",
        models=models, next_cursor=following, next_steps=steps, basis=basis,
    )  # fmt: skip


def find_rows(db: str, reader: CatalogReader, search: ModelSearch) -> Iterator[dict[str, Any]]:
    """Rows of `models` in order: by the filters, or by how well they match the text."""
    if not search.text:
        return list_models(reader, search.to_filter(), sort=search.sort, limit=MAX_OFFSET + MAX_ROWS + 1)
    from db.read.search import find, search_terms  # here, because it needs SQLAlchemy

    if not search_terms(search.text):
        raise BadArgument("text", search.text, "Pass words with letters or digits.")
    places = {hit.repo_id: place for place, hit in enumerate(find(db, search.text, MAX_SEARCH_HITS).hits)}
    if not places:
        return iter(())
    found = list_models(reader, search.to_filter(tuple(places)), sort="downloads", limit=None)
    return iter(sorted(found, key=lambda row: places[row["repo_id"]]))


def get_model(db: str, repo_id: str) -> results.Model:
    with open_reader(db) as reader:
        found = load_info(reader, repo_id)
        main = next((row["artifact"] for row in found.artifacts if row["main"] and row["role"] == "weights"), None)
        use = load_use_lines(reader, found.model["repo_id"], main)
        basis = measure_basis(reader)
    row = found.model
    weights = [each for each in found.artifacts if each["role"] == "weights"]
    return results.Model(
        summary=describe_model(row, len(weights)),
        model=make_row(row),
        context=row["context_measured"] or row["context"],
        architecture=clean(row["architecture"]),
        sha=row["sha"],
        labels=list_labels(found),
        conflicts=[select_fields(results.Conflict, each) for each in found.conflicts[:MAX_DETAILS]],
        quantizations=[select_fields(results.Quantization, each) for each in found.artifacts[:MAX_DETAILS]],
        base_models=[
            results.Relative(repo_id=clean(each["parent"]), relation=clean(each["relation"]))
            for each in found.parents[:MAX_DETAILS]
        ],
        same_weights=[
            results.Relative(
                repo_id=clean(each["repo_id"]), relation="same base model", quant=each["quant"],
                total_size=each["total_size"],
            )
            for each in found.relatives
        ],
        use=clean(use),
        next_steps=[
            "find_models_that_fit says whether it fits a machine, compare_models sets it beside others.",
            f"query_sql with quantized-copies and model={clean(row['repo_id'])} lists all quantized copies of a base.",
        ],
        basis=basis,
    )  # fmt: skip


def select_fields(kind: Any, row: Mapping[str, Any]) -> Any:
    """A result of this class from the columns of the same names."""
    return kind(**{name: clean(row[name]) for name in kind.model_fields})


def list_labels(found: ModelInfo) -> list[results.Label]:
    """Each resolved label with its strongest evidence."""
    strongest = {row["field"]: row for row in reversed(found.evidence) if row["resolved"]}
    return [select_fields(results.Label, row) for _, row in sorted(strongest.items())][: 2 * MAX_DETAILS]


def describe_model(row: Mapping[str, Any], artifacts: int) -> str:
    parts = [
        clean(row["repo_id"]),
        " ".join(str(row[name]) for name in ("family", "version") if row[name]),
        f"{count_text(row['parameters_measured'] or row['parameters'])} parameters" if row["parameters"] else "",
        clean(row["quant"]) if row["quant"] else plural(artifacts, "artifact") if artifacts else "",
        size_text(row["total_size"]),
        f"licence {clean(row['license'])}" if row["license"] else "licence unknown",
        "access on request" if row["gated"] else "",
        "" if row["status"] in ("available", "gated") else f"now {row['status']}",
    ]
    return "; ".join(part for part in parts if part)


def compare(db: str, repo_ids: Sequence[str], context: str, memory: str) -> results.Comparison:
    tokens = parse_argument("context", context, parse_context, "8192 or 32k")
    size = parse_argument("memory", memory, parse_memory, "16GB, with the unit")
    with open_reader(db) as reader:
        compared = compare_models(reader, repo_ids, context=tokens, memory=size)
        basis = measure_basis(reader)
    rows = []
    for each in compared:
        row = each.row()
        taken = {name: clean(row[name]) for name in results.ComparedRow.model_fields if name != "model"}
        rows.append(results.ComparedRow(model=make_row(each.model), **taken))
    return results.Comparison(
        summary=f"{plural(len(rows), 'model')} at a context of {tokens:,} tokens.",
        models=rows,
        next_steps=["repo::SCHEME or repo::FILE selects one quantization of a repo."],
        basis=basis,
    )


# ---- machines -------------------------------------------------------------------------------------------------------


def choose_machine(ram: str, vram: str, preset: str, this_machine: bool) -> Machine:
    """The machine that the arguments describe. Raises BadArgument, UnknownPreset."""
    if this_machine:
        from analysis.fit.detect import detect_machine

        return detect_machine()
    if preset:
        return find_preset(preset)
    sizes = {
        name: parse_argument(name, text, parse_memory, "16GB, with the unit")
        for name, text in (("ram", ram), ("vram", vram))
        if text
    }
    if not sizes:
        raise BadArgument("ram", ram, "Pass ram (16GB), vram, preset (RTX 4090) or this_machine.")
    return Machine(**sizes)


def find_models_that_fit(
    db: str, described: Mapping[str, Any], context: str, wanted: Mapping[str, Any]
) -> results.FitList:
    """What runs on the machine that `described` gives to choose_machine; `wanted` has fields of FitRequest."""
    machine = choose_machine(**described)
    tokens = parse_argument("context", context, parse_context, "8192 or 32k")
    request = FitRequest(context=tokens, **wanted)
    with open_reader(db) as reader:
        check_families(request.families, reader)
        check_schemes(request.quants, reader)
        check_task(request.task, reader)
        answer = find_fits(reader, machine, request)
        first = answer.fits[0] if answer.fits else None
        use = load_use_lines(reader, first.repo_id, first.artifact, first.gpu_layers) if first else {}
        basis = measure_basis(reader)
    return results.FitList(
        summary=f"{plural(len(answer.fits), 'base model')} on {machine.describe()} at {request.context:,} tokens.",
        machine=machine.describe(),
        models=[results.FitRow(**{n: clean(f.row()[n]) for n in results.FitRow.model_fields}) for f in answer.fits],
        more=answer.more,
        left_out={str(reason): count for reason, count in answer.left_out.items()},
        use=clean(use),
        next_steps=[
            "Speeds are ranges for one conversation; a shorter context or another quant needs less memory.",
            "get_model gives the other quantizations of a repo.",
        ],
        basis=basis,
    )


# ---- names, changes -------------------------------------------------------------------------------------------------


def decode_name(name: str) -> results.DecodedName:
    from analysis.names.explain import explain

    try:
        found = parse_name(name)
    except InvalidName as error:
        raise BadArgument("name", name, f"{error}. Pass owner/name, a file name or an address.") from None
    labels = {key: clean(value) for key, value in found.as_dict().items() if value not in (None, [], False)}
    labels.pop("tokens", None)
    return results.DecodedName(
        summary=f"What the name claims: {', '.join(key for key in labels if key not in ('input', 'kind', 'name'))}.",
        labels=labels,
        explanation=escape_lines(explain(found)),
        next_steps=["A name only claims; get_model gives what was measured."],
    )


def escape_lines(text: str) -> str:
    return "\n".join(escape_control_characters(line) for line in text[: 8 * MAX_TEXT].splitlines())


def list_recent_changes(
    db: str, since: str, families: Sequence[str], quants: Sequence[str], kinds: Sequence[str], limit: int,
    cursor: str | None,
) -> results.ChangeList:  # fmt: skip
    moment = parse_argument("since", since, parse_when, "7d, 24h or 2026-11-01")
    with open_reader(db) as reader:
        check_families(families, reader)
        check_schemes(quants, reader)
        check_changes(kinds)
        most = MAX_OFFSET + MAX_ROWS + 1
        found = list_changes(reader, since=moment, families=families, quants=quants, kinds=kinds, limit=most)
        rows, following = take_page(found, limit, cursor, [since, families, quants, kinds])
        basis = measure_basis(reader)
    return results.ChangeList(
        summary=f"{plural(len(rows), 'change')} since {moment:%Y-%m-%d %H:%M} UTC{', and more' if following else ''}.",
        changes=[select_fields(results.Change, row) for row in rows],
        next_cursor=following,
        next_steps=["Pass next_cursor as cursor for more."] if following else [],
        basis=basis,
    )


# ---- security, licence, provenance ----------------------------------------------------------------------------------


def audit_model(db: str, repo_id: str) -> results.Audit:
    """The checks of one model."""
    from analysis.catalog.audit import audit_model as run_checks

    with open_reader(db) as reader:
        checks = [each.row() for each in run_checks(reader, repo_id, datetime.now(UTC))]
        basis = measure_basis(reader)
    counts = Counter(str(each["result"]) for each in checks)
    stated = ", ".join(f"{counts[result]} {result}" for result in ("fail", "warn", "unknown", "pass") if counts[result])
    known = clean(checks[0]["repo_id"]) if checks else clean(repo_id)
    return results.Audit(
        summary=f"{known}: {stated}.",
        repo_id=known,
        checks=[select_fields(results.AuditCheck, each) for each in checks],
        next_steps=["unknown is not pass: the catalog has not read what the check needs."] if counts["unknown"] else [],
        basis=basis,
    )


# ---- files of this machine ------------------------------------------------------------------------------------------


def identify_file(db: str, path: str, hashed: bool) -> results.IdentifiedFile:
    """What a local file is, by its name and size, or by its content if it is hashed."""
    from analysis.local.find import find_local_artifact, find_place
    from analysis.local.hash_cache import HashCache
    from analysis.local.identify import identify_artifacts
    from analysis.local.known import Known
    from analysis.local.roots import System, find_roots
    from analysis.local.scan import Scan

    file = Path(path).expanduser()
    artifact = find_local_artifact(Scan(), file, find_place(file, find_roots(System()))) if is_file(file) else None
    if artifact is None:
        raise BadArgument("path", path, "Pass the absolute path of a model file of this machine.")
    if hashed and artifact.size > MAX_HASHED_BYTES:
        raise BadArgument("hash", "true", f"The file has more than {size_text(MAX_HASHED_BYTES)}: pass false.")
    with open_reader(db) as reader, HashCache() as cache:
        (found,) = identify_artifacts(Known(reader), [artifact], cache if hashed else None).identities
        basis = measure_basis(reader)
    artifact, verdict, repo = found.artifact, found.verdict, found.verdict.repo
    known = repo.repo_id if repo else None
    return results.IdentifiedFile(
        summary=clean(f"{artifact.path.name}: {verdict.state}{f', of {known}' if known else ''}."),
        path=clean(str(artifact.path)),
        state=verdict.state,
        evidence=verdict.evidence,
        repo_id=clean(known),
        revision=verdict.revision,
        file=clean(verdict.file),
        quant=clean(verdict.quant),
        license=clean(repo.license) if repo else None,
        size=artifact.size,
        sha256=artifact.files[0].sha256 if len(artifact.files) == 1 else None,
        repos=[clean(each.repo_id) for each in verdict.holders[:MAX_DETAILS]],
        changes=clean(verdict.changes),
        detail=clean(verdict.detail),
        next_steps=[] if hashed or verdict.evidence == "sha256" else ["Pass hash=true to compare its content."],
        basis=basis,
    )


def is_file(path: Path) -> bool:
    """Whether a path is a regular file; false for one that can't be looked at."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


# ---- SQL ------------------------------------------------------------------------------------------------------------


def query_sql(db: str, statement: str, parameters: Mapping[str, str], limit: int) -> results.QueryRows:
    """The rows of a user's SQL, in a process that can be killed, or as a role that may only read."""
    if len(statement) > MAX_SQL_CHARACTERS or not statement.strip():
        raise BadArgument("sql", statement, f"Pass up to {MAX_SQL_CHARACTERS:,} characters of SQL.")
    rows: list[list[Any]] = []
    size = 0
    with run_query(db, statement, parameters, limit=limit, timeout=CALL_SECONDS, process=PROCESS_LIMITS) as stream:
        columns = [clean(name) for name in stream.columns]
        for row in stream:
            rows.append([clean(value) for value in row])
            size += len(to_json(rows[-1]))
            if size > MAX_RESULT_CHARACTERS:
                break
        truncated = stream.truncated or size > MAX_RESULT_CHARACTERS
    with open_reader(db) as reader:
        basis = measure_basis(reader)
    steps = ["There are more rows: aggregate, or add a where."] if truncated else []
    if is_query_name(statement):
        steps.append(find_saved_query(statement).description)
    return results.QueryRows(
        summary=f"{plural(len(rows), 'row')}{', and more' if truncated else ''}.",
        columns=columns, rows=rows, truncated=truncated, next_steps=steps, basis=basis,
    )  # fmt: skip


def query_saved(db: str, name: str) -> results.QueryRows:
    """The first rows of a saved query with its default parameters. Raises UnknownSavedQuery, BadParameter."""
    return query_sql(db, find_saved_query(name).name, {}, MAX_ROWS)


def describe_schema(name: str = "") -> results.Schema:
    """All views and tables with the saved queries, or one relation with its columns, or one saved query."""
    from db.schema.documentation import describe_relations  # here, because it needs SQLAlchemy

    relations = {each.name: each for each in describe_relations()}
    if not name:
        return results.Schema(
            summary=f"{len(relations)} views and tables, {len(saved_queries())} saved queries.",
            relations=[results.Relation(name=n, kind=each.kind, about=each.about) for n, each in relations.items()],
            saved_queries=[results.SavedQueryInfo(name=each.name, title=each.title) for each in saved_queries()],
            next_steps=["Pass a name for its columns. `models` has a row per repo, `artifacts_wide` one per artifact."],
        )  # fmt: skip
    if name in relations:
        found = relations[name]
        columns = [results.Column(name=each, type=kind, meaning=text) for each, (kind, text) in found.columns.items()]
        relation = results.Relation(name=found.name, kind=found.kind, about=found.about, columns=columns)
        return results.Schema(summary=f"{name}, a {found.kind} of {len(columns)} columns.", relations=[relation])
    if any(name.replace("_", "-") == each.name for each in saved_queries()):
        query = find_saved_query(name)
        parameters = [
            results.Parameter(name=each.name, type=each.type, default=each.default, description=each.description)
            for each in query.parameters
        ]
        info = results.SavedQueryInfo(name=query.name, title=query.title, parameters=parameters)
        return results.Schema(summary=query.description, relations=[], saved_queries=[info])
    from difflib import get_close_matches

    near = get_close_matches(name, [*relations, *(each.name for each in saved_queries())], n=3)
    raise BadArgument("name", name, f"Nearest: {', '.join(near)}." if near else "Pass none for all names.")

"""The totals of a catalog: what saved queries and pages ask of all models, counted when models are written.

A group has up to two values that models or their artifacts are grouped by. `count` counts some repos: what a write
changes (db.totals), or all of them, with which `db check` compares what is kept (db.maintain.totals). Sums are
whole numbers, so that what is added and subtracted again leaves nothing behind.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from db.derive.evidence_document import evidence_code, piece_number

Row = tuple[Any, ...]
Key = tuple[str, ...]


@dataclass(slots=True)
class Group:
    """A row of `totals` without its key; db.schema.tables says what the columns mean."""

    repos: int = 0
    quantized_repos: int = 0
    gated_repos: int = 0
    manual_repos: int = 0
    counted_repos: int = 0
    measured_repos: int = 0
    differing_repos: int = 0
    artifacts: int = 0
    quantized_artifacts: int = 0
    qat_artifacts: int = 0
    sized_artifacts: int = 0
    measured_artifacts: int = 0
    microbits: int = 0
    downloads: int = 0
    quantized_downloads: int = 0
    gated_downloads: int = 0
    likes: int = 0
    total_size: int = 0
    least: float | None = None
    most: float | None = None
    first: Any = None  # the driver's own time
    last: Any = None

    def see(self, value: float | None) -> None:
        if value is not None:
            self.least = value if self.least is None else min(self.least, value)
            self.most = value if self.most is None else max(self.most, value)

    def see_time(self, time: Any) -> None:
        if time is not None:
            self.first = time if self.first is None else min(self.first, time)
            self.last = time if self.last is None else max(self.last, time)

    def add_bits(self, bits_per_weight: float | None) -> None:
        if bits_per_weight is not None:
            self.measured_artifacts += 1
            self.microbits += round(bits_per_weight * 1_000_000)


@dataclass(slots=True)
class Member:
    """A row of `total_members` without its key."""

    repos: int = 0


@dataclass(slots=True)
class Author:
    """A row of `author_totals` without its key."""

    repos: int = 0
    quantized_repos: int = 0
    counted_repos: int = 0
    downloads: int = 0
    likes: int = 0
    total_size: int = 0


@dataclass(slots=True)
class AuthorScheme:
    """A row of `author_schemes` without its key."""

    repos: int = 0
    artifacts: int = 0
    imatrix_artifacts: int = 0
    dynamic_artifacts: int = 0
    total_size: int = 0


@dataclass(slots=True)
class Source:
    """A row of `evidence_totals` without its key."""

    pieces: int = 0
    decided: int = 0
    weight: int = 0


EXTREMES: Mapping[str, Callable[[Any, Any], Any]] = {"least": min, "most": max, "first": min, "last": max}
"""Columns of `totals` that are the least or greatest of values, and how two of them become one."""


@dataclass(frozen=True, slots=True, eq=False)
class TotalTable:
    """A table of totals: its key, its columns that add up, and then those of EXTREMES."""

    name: str
    key: tuple[str, ...]
    kind: type[Any]
    values: Callable[[Any], Row]
    sums: tuple[str, ...]
    extremes: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.key, *self.sums, *self.extremes)


def _table(name: str, key: tuple[str, ...], kind: type[Any]) -> TotalTable:
    names = [each.name for each in fields(kind)]
    sums = tuple(name for name in names if name not in EXTREMES)
    values = attrgetter(*names) if len(names) > 1 else lambda row: (getattr(row, names[0]),)
    return TotalTable(name, key, kind, values, sums, tuple(names[len(sums) :]))


GROUPS = _table("totals", ("of", "a", "b"), Group)
MEMBERS = _table("total_members", ("of", "a", "b", "member"), Member)
AUTHORS = _table("author_totals", ("author",), Author)
AUTHOR_SCHEMES = _table("author_schemes", ("author", "quant", "quant_method"), AuthorScheme)
SOURCES = _table("evidence_totals", ("field", "source"), Source)
TABLES = (GROUPS, MEMBERS, AUTHORS, AUTHOR_SCHEMES, SOURCES)


MEMBERSHIP = ("repos", "artifacts", "pieces")
"""Sums of which one at least is above 0 in a row that counts anything."""


@dataclass(slots=True)
class Counts:
    """What some repos add to the totals, by the keys of each table."""

    groups: dict[Key, Group] = field(default_factory=lambda: defaultdict(Group))
    members: dict[Key, Member] = field(default_factory=lambda: defaultdict(Member))
    authors: dict[Key, Author] = field(default_factory=lambda: defaultdict(Author))
    author_schemes: dict[Key, AuthorScheme] = field(default_factory=lambda: defaultdict(AuthorScheme))
    sources: dict[Key, Source] = field(default_factory=lambda: defaultdict(Source))

    def of(self, table: TotalTable) -> Mapping[Key, Any]:
        found: Mapping[TotalTable, Mapping[Key, Any]] = {
            GROUPS: self.groups,
            MEMBERS: self.members,
            AUTHORS: self.authors,
            AUTHOR_SCHEMES: self.author_schemes,
            SOURCES: self.sources,
        }
        return found[table]


@dataclass(slots=True)
class Model:
    """What is counted of a repo, in the order of MODELS_SQL; of datasets and spaces only their state.

    `day` is when it was created, yyyy-mm-dd; `depth` how deep its present commit was read.
    """

    repo: int
    author: str | None
    status: str
    downloads: int | None
    likes: int | None
    total_size: int | None
    created_at: Any
    day: str | None
    license: str | None
    gated: str | None
    task: str | None
    library: str | None
    family: str | None
    version: str | None
    quant: str | None
    quantized: bool | None
    architecture: str | None
    context: int | None
    context_measured: int | None
    parameters: int | None
    parameters_measured: int | None
    languages: str | None
    tuning: str | None
    kind: str | None
    has_base: bool
    format: str | None
    license_spdx: str | None
    license_kind: str | None
    type: str
    depth: str
    is_labelled: bool


MODELS_SQL = """
select
    r.id, r.author, r.status, r.downloads, r.likes, r.total_size, r.created_at,
    substr(cast(r.created_at as varchar), 1, 10), r.license, r.gated, r.pipeline_tag, r.library_name, l.family,
    l.version, l.quant, l.quantized, l.architecture, l.context, l.context_measured, l.parameters, l.parameters_measured,
    l.languages, l.tuning, l.kind, l.base_model is not null, l.format, l.license_spdx, l.license_kind, r.type,
    case when v.depth is null or v.sha is null or v.sha <> r.sha then 'listing' else v.depth end, l.repo is not null
from repos r
left join repo_labels l on l.repo = r.id
left join enrichments v on v.repo = r.id
where r.id in ({})
"""
"""Repos of every type; only models have labels."""

ARTIFACTS_SQL = """
select
    repo, format, quant, quant_method, bits, bits_per_weight, total_size, quantized, qat, imatrix, dynamic,
    role = 'weights'
from artifacts where repo in ({})
"""

TAGS_SQL = """
select p.repo, t.tag
from repo_tags p cross join tags t
where p.repo in ({}) and t.id = p.tag
    and (substr(t.tag, 1, 8) = 'dataset:' or substr(t.tag, 1, 6) = 'arxiv:' or substr(t.tag, 1, 4) = 'doi:')
"""

EVIDENCE_SQL = "select pieces from repo_evidence where repo in ({})"
PIECES_SQL = "select id, field, source, weight from evidence where id in ({})"

DYNAMIC_FORMATS = frozenset({"gguf"})
"""Formats whose files are counted by whether their schemes were chosen tensor by tensor (the group `dynamic`)."""

SIZE_CLASSES = (10**9, 4 * 10**9, 10**10, 4 * 10**10, 15 * 10**10)
"""Parameters below which a model belongs to the class 0, 1 ... of the group `size`."""


def count(models: Iterable[Model], artifacts: Iterable[Row] = (), tags: Iterable[Row] = ()) -> Counts:
    """Counts models, with the rows of ARTIFACTS_SQL and TAGS_SQL of all of them."""
    held: dict[int, list[Row]] = defaultdict(list)
    for row in artifacts:
        held[row[0]].append(row)
    named: dict[int, set[str]] = defaultdict(set)
    for repo, tag in tags:
        named[repo].add(tag)
    counts = Counts()
    for model in models:
        every = held.get(model.repo, ())
        _count_state(counts, model, len(every))
        if not model.is_labelled:
            continue
        own = [row for row in every if row[-1]]
        if model.status != "gone":
            _count_model(counts, model)
            _count_over_time(counts, model)
            _count_schemes(counts, model, own)
            if model.repo in named:
                _count_tags(counts, model, named[model.repo])
        if own:
            _count_artifacts(counts, model, own)
    return counts


def _count_state(counts: Counts, model: Model, artifacts: int) -> None:
    """What `status` shows: repos by type, status and depth, and artifacts of every role."""
    counts.members["state", model.type, model.status, model.depth].repos += 1
    if artifacts:
        counts.groups["all", "", ""].artifacts += artifacts


def _count_model(counts: Counts, model: Model) -> None:
    quantized = 1 if model.quantized else 0
    is_counted = model.downloads is not None
    downloads, likes, size = model.downloads or 0, model.likes or 0, model.total_size or 0
    groups, members = counts.groups, counts.members
    task = model.task or ""
    found = [groups["task", task, ""]]
    if model.family is not None:
        family, licence = model.family, model.license or ""
        _count_family(groups["family", family, ""], model)
        by_licence = groups["licence", family, licence]
        by_licence.gated_repos += model.gated is not None
        found.append(by_licence)
        members["task family", task, "", family].repos += 1
        if model.author is not None:
            members["family author", family, "", model.author].repos += 1
            members["licence author", family, licence, model.author].repos += 1
        if model.version is not None:
            members["family version", family, "", model.version].repos += 1
        if model.day is not None:
            by_day = groups["day", family, model.day]
            by_day.see_time(model.created_at)
            found.append(by_day)
        if model.context_measured is not None:
            by_context = groups["context", family, str(model.context_measured)]
            by_context.differing_repos += model.context not in (None, model.context_measured)
            found.append(by_context)
    parameters = model.parameters if model.parameters_measured is None else model.parameters_measured
    if model.architecture is not None:
        by_architecture = groups["architecture", model.architecture, ""]
        by_architecture.see(parameters)
        found.append(by_architecture)
        if model.family is not None:
            members["architecture family", model.architecture, "", model.family].repos += 1
    if parameters is not None and parameters > 0:
        by_size = groups["size", str(sum(parameters >= most for most in SIZE_CLASSES)), ""]
        by_size.measured_repos += model.parameters_measured is not None
        by_size.total_size += size
        found.append(by_size)
    for of, texts in (("language", model.languages), ("tuning", model.tuning)):
        for value in _values(texts) if texts else ():
            found.append(groups[of, value, ""])
            if model.family is not None:
                members[f"{of} family", value, "", model.family].repos += 1
    for group in found:
        group.repos += 1
        group.quantized_repos += quantized
        group.counted_repos += is_counted
        group.downloads += downloads
    if model.author is not None:
        author = counts.authors[(model.author,)]
        author.repos += 1
        author.quantized_repos += quantized
        author.counted_repos += is_counted
        author.downloads += downloads
        author.likes += likes
        author.total_size += size


def _count_over_time(counts: Counts, model: Model) -> None:
    """By kind, licence and format, and by when the model was created."""
    groups, members = counts.groups, counts.members
    kind, day = model.kind or "", model.day or ""
    found = [groups["kind", kind, day[:7]]]
    if not model.has_base:
        groups["kind without base", kind, ""].repos += 1
    if model.author is not None:
        members["kind author", kind, "", model.author].repos += 1
    if day:
        year, licence = day[:4], model.license_spdx or model.license or ""
        found += [groups["licence year", year, licence], groups["format year", year, model.format or ""]]
        if model.license_kind is not None:
            members["licence kind", year, licence, model.license_kind].repos += 1
    for group in found:
        group.repos += 1
        group.counted_repos += model.downloads is not None
        group.downloads += model.downloads or 0


def _count_tags(counts: Counts, model: Model, tags: Iterable[str]) -> None:
    """By the datasets and papers that the model names: the groups `dataset`, `arxiv` and `doi`."""
    for tag in tags:
        of, _, value = tag.partition(":")
        group = counts.groups[of, value, ""]
        group.repos += 1
        group.counted_repos += model.downloads is not None
        group.downloads += model.downloads or 0
        group.see_time(model.created_at)
        if model.author is not None:
            counts.members[f"{of} author", value, "", model.author].repos += 1


def count_evidence(counts: Counts, documents: Iterable[Row], find: Callable[[Iterable[int]], Iterable[Row]]) -> None:
    """Counts the evidence of the rows of EVIDENCE_SQL; `find` gives the rows of PIECES_SQL of the pieces' numbers."""
    codes: Counter[int] = Counter()
    for (document,) in documents:
        for artifacts, pieces in json.loads(document):
            times = len(artifacts)
            for code in pieces:
                codes[code] += times
    numbers = {piece_number(code) for code in codes}
    for number, field_name, source, weight in find(numbers):
        total = counts.sources[field_name, source]
        decided = codes[evidence_code(number, resolved=True)]
        pieces = decided + codes[evidence_code(number, resolved=False)]
        total.pieces += pieces
        total.decided += decided
        total.weight += weight * pieces


@lru_cache(maxsize=10_000)
def _values(text: str) -> tuple[str, ...]:
    """The different values of a JSON list."""
    return tuple(dict.fromkeys(json.loads(text)))


def _count_family(group: Group, model: Model) -> None:
    downloads = model.downloads or 0
    group.repos += 1
    group.counted_repos += model.downloads is not None
    group.downloads += downloads
    group.likes += model.likes or 0
    group.total_size += model.total_size or 0
    group.see_time(model.created_at)
    if model.quantized:
        group.quantized_repos += 1
        group.quantized_downloads += downloads
    if model.gated is not None:
        group.gated_repos += 1
        group.gated_downloads += downloads
        group.manual_repos += model.gated == "manual"


def _count_schemes(counts: Counts, model: Model, artifacts: Sequence[Row]) -> None:
    """The quantization schemes of a model: those of its artifacts, or that of its labels where no artifact has one."""
    schemes: dict[str, int] = defaultdict(int)
    is_known = False
    for _, _, quant, _, _, _, _, quantized, *_ in artifacts:
        is_known = is_known or quant is not None
        if quantized and quant is not None:
            schemes[quant] += 1
    if not is_known and model.quantized and model.quant is not None:
        schemes[model.quant] = 0
    for quant, number in schemes.items():
        if model.family is not None:
            counts.members["family scheme", model.family, "", quant].repos += 1
        if model.day is not None:
            year = counts.groups["year", model.day[:4], quant]
            year.repos += 1
            year.artifacts += number
            year.counted_repos += model.downloads is not None
            year.downloads += model.downloads or 0
            if model.author is not None:
                counts.members["year author", model.day[:4], quant, model.author].repos += 1


def _count_artifacts(counts: Counts, model: Model, artifacts: Sequence[Row]) -> None:
    """Each artifact adds to its groups, the repo once to each of these."""
    seen_groups: set[Key] = set()
    seen_members: set[Key] = set()
    is_there = model.status != "gone"
    family, author, library = model.family, model.author, model.library or ""
    for _, kind, quant, method, bits, bits_per_weight, size, quantized, qat, imatrix, dynamic, _ in artifacts:
        keys: list[Key] = []
        if is_there and kind is not None:
            keys.append(("format", library, kind))
            if quant is not None:
                seen_members.add(("format scheme", library, kind, quant))
        if quant is not None:
            if is_there:
                keys.append(("scheme", quant, method or ""))
            if bits_per_weight is not None:
                by_bits = "bits", quant, "" if bits is None else str(round(bits * 10_000))
                counts.groups[by_bits].see(bits_per_weight)
                keys.append(by_bits)
            if kind in DYNAMIC_FORMATS and quantized:
                keys.append(("dynamic", quant, "1" if dynamic else "0"))
                if author is not None:
                    seen_members.add(("dynamic author", quant, "1" if dynamic else "0", author))
            if is_there and quantized:
                _count_author_scheme(counts, (author or "", quant, method or ""), seen_groups, size, imatrix, dynamic)
        if is_there and quantized and family is not None:
            by_training = "qat", family, "1" if qat else "0"
            counts.groups[by_training].see(size)
            keys += [("quantized", family, ""), by_training]
            if author is not None:
                seen_members.add(("quantized author", family, "", author))
            if quant is not None:
                seen_members.add(("quantized scheme", family, "", quant))
                seen_members.add(("qat scheme", *by_training[1:], quant))
        for key in keys:
            group = counts.groups[key]
            group.artifacts += 1
            group.quantized_artifacts += bool(quantized)
            group.qat_artifacts += bool(qat)
            group.sized_artifacts += size is not None
            group.total_size += size or 0
            group.add_bits(bits_per_weight)
        seen_groups.update(keys)
    for key in seen_groups:
        (counts.author_schemes[key[1:]] if key[0] == "" else counts.groups[key]).repos += 1
    for key in seen_members:
        counts.members[key].repos += 1


def _count_author_scheme(
    counts: Counts, key: Key, seen: set[Key], size: int | None, imatrix: object, dynamic: object
) -> None:
    scheme = counts.author_schemes[key]
    scheme.artifacts += 1
    scheme.imatrix_artifacts += bool(imatrix)
    scheme.dynamic_artifacts += bool(dynamic)
    scheme.total_size += size or 0
    seen.add(("", *key))

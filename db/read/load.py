"""Rows back into nouns: what labels are made from, read from the catalog instead of the Hub."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from db.records import ArrayLength, ArtifactRecord, EdgeRecord, EvalRecord, Header, Labelled, RepoRecord
from db.rows import Rows
from db.schema.tables import artifacts, evaluations, header_layouts, headers, repos

_REPO_COLUMNS = [
    *("id", "hub_id", "repo_id", "author", "sha", "created_at", "last_modified", "downloads", "downloads_all_time"),
    *(
        "likes",
        "trending_score",
        "gated",
        "pipeline_tag",
        "library_name",
        "license",
        "used_storage",
        "status",
        "digest",
    ),
]
_ARTIFACT_COLUMNS = ["repo", "artifact", "role", "format", "paths", "total_size", "content", "main", "header"]
HEADER_COLUMNS = (
    "content",
    "format",
    "version",
    "architecture",
    "parameters",
    "active_parameters",
    "tensor_count",
    "types",
    "quant",
    "quant_method",
    "quant_share",
    "bits_per_weight",
    "context",
    "size",
    "size_verified",
    "inferred",
    "requests",
    "bytes_read",
    "facts",
)
"""The columns of `headers` that are fields of db.records.Header."""

BATCH = 500
"""Repos that are read, labelled and written at once."""


@dataclass(frozen=True, slots=True)
class StoredRepo:
    """One repo with all that its labels are made from. `headers` are keyed by ArtifactRecord.artifact."""

    record: RepoRecord
    artifacts: tuple[ArtifactRecord, ...] = ()
    headers: Mapping[str, Header] = field(default_factory=dict)
    depth: str = "listing"  # how deep the look was that its labels rest on
    number: int = 0  # the catalog's number of the repo
    digest: int = 0  # repos.digest as it was read: labels of another state are not written


@dataclass(frozen=True, slots=True)
class Relabelled:
    """A stored repo with its labels made anew."""

    stored: StoredRepo
    labelled: Labelled
    artifacts: tuple[tuple[ArtifactRecord, Labelled], ...] = ()


def read_repos(rows: Rows, hub_ids: Iterable[str]) -> dict[str, RepoRecord]:
    """The repos that the catalog holds, by hub_id, as a listing would give them."""
    found = list(rows.select_in(f"select {', '.join(_REPO_COLUMNS)} from repos where hub_id in ({{}})", hub_ids))
    return {record.hub_id: record for _, record, _ in _records(rows, found)}


def stale_batches(rows: Rows, after: int, vocabulary: int | None) -> tuple[list[StoredRepo], int | None]:
    """The next repos whose labels are not of this vocabulary, in the order of their numbers, and where to go on."""
    sql = (
        "select r.id, l.depth from repos r left join repo_labels l on l.repo = r.id"
        " where r.id > ? and (l.repo is null or l.vocabulary <> ?) order by r.id limit ?"
    )
    wanted = dict(map(tuple, rows.select(sql, (after, -1 if vocabulary is None else vocabulary, BATCH))))
    return (whole_repos(rows, wanted), max(wanted)) if wanted else ([], None)


def link_headers(rows: Rows) -> list[StoredRepo]:
    """Links artifacts to the headers of their content that another repo's visit read meanwhile; returns the repos.

    At most BATCH of them; none when nothing is left to link. Their labels are to be made anew.
    """
    sql = (
        "select distinct a.repo, l.depth from headers h join artifacts a on a.content = h.content"
        " left join repo_labels l on l.repo = a.repo where a.header is null order by a.repo limit ?"
    )
    wanted: dict[int, str | None] = dict(map(tuple, rows.select(sql, (BATCH,))))
    for repo in wanted:
        rows.execute(
            "update artifacts set header = (select h.id from headers h where h.content = artifacts.content)"
            " where repo = ? and header is null and content is not null",
            (repo,),
        )
    return whole_repos(rows, wanted)


def whole_repos(rows: Rows, wanted: Mapping[int, str | None]) -> list[StoredRepo]:
    """These repos with all that their labels are made from; `wanted`: their numbers, with the depth of their labels."""
    names = ", ".join(_REPO_COLUMNS)
    found = sorted(rows.select_in(f"select {names} from repos where id in ({{}})", wanted), key=lambda row: int(row[0]))
    held = _artifacts(rows, wanted)
    read = read_headers(rows, "id", {number for owned in held.values() for _, number in owned if number is not None})
    return [
        StoredRepo(
            record,
            tuple(artifact for artifact, _ in held[number]),
            {artifact.artifact: read[header] for artifact, header in held[number] if header in read},
            wanted[number] or "listing",
            number,
            digest,
        )
        for number, record, digest in _records(rows, found)
    ]


def _records(rows: Rows, found: Sequence[Any]) -> Iterator[tuple[int, RepoRecord, int]]:
    """(number, record, digest) of rows of `_REPO_COLUMNS`."""
    numbers = [row[0] for row in found]
    convert = {name: rows.result(repos, name) for name in ("created_at", "last_modified")}
    texts = rows.select_in("select repo, facts from repo_facts where repo in ({})", numbers)
    facts = {repo: json.loads(text) for repo, text in texts}
    tags = _grouped(
        rows,
        "select l.repo, t.tag from repo_tags l join tags t on t.id = l.tag where l.repo in ({})"
        " order by l.repo, l.position",
        numbers,
    )
    parents = _grouped(
        rows,
        "select repo, parent, relation, source from edges where repo in ({}) and source in ('api', 'card', 'tag')"
        " order by repo, parent, relation, source",
        numbers,
    )
    results = _grouped(
        rows,
        f"select repo, task, dataset, metric, value, source from {evaluations.name} where repo in ({{}})"
        " order by repo, position",
        numbers,
    )
    for row in found:
        values = dict(zip(_REPO_COLUMNS, row, strict=True))
        number, status, digest = values.pop("id"), values.pop("status"), values.pop("digest")
        values |= {name: None if values[name] is None else read(values[name]) for name, read in convert.items()}
        said = facts.get(number, {})
        record = RepoRecord(
            **values,
            private=status == "private",
            disabled=status == "disabled",
            tags=tuple(tag for (tag,) in tags[number]),
            languages=tuple(said.get("languages", ())),
            **{name: said.get(name, {}) for name in ("card", "config", "safetensors", "gguf", "extra")},
            edges=tuple(EdgeRecord(*edge) for edge in parents[number]),
            evaluations=tuple(EvalRecord(*result) for result in results[number]),
        )
        yield number, record, digest


def _grouped(rows: Rows, sql: str, numbers: Iterable[int]) -> dict[int, list[tuple[Any, ...]]]:
    """Rows by their first column, without it."""
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows.select_in(sql, numbers):
        found[row[0]].append(tuple(row[1:]))
    return found


def _artifacts(rows: Rows, numbers: Iterable[int]) -> dict[int, list[tuple[ArtifactRecord, int | None]]]:
    """Each repo's artifacts with the numbers of their headers."""
    hexed = rows.result(artifacts, "content")
    sql = f"select {', '.join(_ARTIFACT_COLUMNS)} from artifacts where repo in ({{}}) order by repo, artifact"
    found: dict[int, list[tuple[ArtifactRecord, int | None]]] = defaultdict(list)
    for repo, artifact, role, kind, paths, size, content, main, header in rows.select_in(sql, numbers):
        files = (artifact,) if paths is None else tuple(json.loads(paths))
        identity = None if content is None else hexed(content)
        found[repo].append((ArtifactRecord(artifact, role, kind, files, size, identity, bool(main)), header))
    return found


def read_headers(rows: Rows, key: str, wanted: Iterable[Any]) -> dict[Any, Header]:
    """Headers by their number (`id`) or their `content` in hexadecimal."""
    hexed = rows.result(headers, "content")
    values = [rows.value(headers, key, value) for value in wanted]
    names = ", ".join(HEADER_COLUMNS)
    found: dict[Any, Header] = {}
    for row in rows.select_in(f"select id, {names} from headers where {key} in ({{}})", values):
        facts = dict(zip(HEADER_COLUMNS, row[1:], strict=True))
        facts |= {"content": hexed(facts["content"]), "inferred": bool(facts["inferred"])}
        facts |= {name: json.loads(facts[name]) for name in ("types", "facts")}
        if facts["size_verified"] is not None:
            facts["size_verified"] = bool(facts["size_verified"])
        found[row[0] if key == "id" else facts["content"]] = Header(**facts)
    return found


def read_layouts(rows: Rows) -> tuple[ArrayLength, ...]:
    sql = f"select key, count, digest, length from {header_layouts.name} order by key, count, digest"
    return tuple(ArrayLength(*row) for row in rows.select(sql))

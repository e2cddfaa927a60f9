"""Loads records from rows: what labels are made from, read from the catalog instead of the Hub."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from db.packed_text import unpack
from db.records import ArrayLength, ArtifactRecord, EdgeRecord, EvalRecord, Header, Labelled, RepoRecord
from db.rows import Rows
from db.schema.tables import artifacts, header_layouts, headers, repos

HEADER_COLUMNS = (
    "content", "format", "version", "architecture", "parameters", "active_parameters", "tensor_count", "types",
    "quant", "quant_method", "quant_share", "bits_per_weight", "context", "size", "size_verified", "inferred",
    "tensor_layout", "tensor_shapes", "requests", "bytes_read", "facts",
)  # fmt: skip
"""The columns of `headers` that are fields of db.records.Header."""

_RECORD_COLUMNS = (
    "hub_id", "repo_id", "author", "sha", "created_at", "last_modified", "downloads", "downloads_all_time", "likes",
    "trending_score", "gated", "pipeline_tag", "library_name", "license", "used_storage", "type",
)  # fmt: skip
"""The columns of `repos` that are fields of db.records.RepoRecord."""

LOAD_BATCH = 500
"""Repos that are loaded, labelled and written at once."""


def find_reachable(rows: Rows, type_: str, repo_id: str) -> str | None:
    """The Hub's `_id` of the repo that has this name and the status available or gated."""
    sql = "select hub_id from repos where repo_id = ? and type = ? and status in ('available', 'gated')"
    found: str | None = rows.scalar(sql, (repo_id, type_))
    return found


@dataclass(frozen=True, slots=True)
class StoredRepo:
    """One repo with all that its labels are made from. `headers` are keyed by ArtifactRecord.artifact."""

    record: RepoRecord
    artifacts: tuple[ArtifactRecord, ...] = ()
    headers: Mapping[str, Header] = field(default_factory=dict)
    depth: str = "listing"  # how deep the crawl read that its labels rest on
    number: int = 0  # the catalog's number of the repo
    digest: int = 0  # repos.digest when it was loaded: labels are written only while it is the same


@dataclass(frozen=True, slots=True)
class Relabelled:
    """A stored repo with labels that were made again."""

    stored: StoredRepo
    labelled: Labelled
    artifacts: tuple[tuple[ArtifactRecord, Labelled], ...] = ()

    @property
    def repo(self) -> int:
        """The catalog's number of the repo."""
        return self.stored.number

    @property
    def record(self) -> RepoRecord:
        return self.stored.record


@dataclass(frozen=True, slots=True)
class StaleBatch:
    """Repos whose labels are not of the current vocabulary. `last` is the number to continue after; None at the end."""

    repos: list[StoredRepo]
    last: int | None


@dataclass(frozen=True, slots=True)
class _LoadedRepo:
    number: int
    digest: int
    record: RepoRecord


@dataclass(frozen=True, slots=True)
class _LoadedArtifact:
    record: ArtifactRecord
    header: int | None


def load_repos(rows: Rows, hub_ids: Iterable[str]) -> dict[str, RepoRecord]:
    """The repos that the catalog holds, by hub_id, as a listing would give them."""
    return {loaded.record.hub_id: loaded.record for loaded in _load_records(rows, "hub_id", hub_ids)}


def load_stale_batch(rows: Rows, after: int, vocabulary: int | None) -> StaleBatch:
    """The next LOAD_BATCH repos by number, after the number `after`, whose labels are not of this vocabulary."""
    sql = (
        "select r.id, l.depth from repos r left join repo_labels l on l.repo = r.id"
        " where r.id > ? and r.type = 'model' and (l.repo is null or l.vocabulary <> ?) order by r.id limit ?"
    )
    depths = dict(rows.select(sql, (after, -1 if vocabulary is None else vocabulary, LOAD_BATCH)))
    return StaleBatch(load_stored_repos(rows, depths), max(depths)) if depths else StaleBatch([], None)


def load_stored_repos(rows: Rows, depths: Mapping[int, str | None]) -> list[StoredRepo]:
    """Repos by number with all that their labels are made from; `depths` are those of their present labels."""
    loaded = sorted(_load_records(rows, "id", depths), key=lambda each: each.number)
    by_repo = _load_artifacts(rows, depths)
    read = load_headers(
        rows, "id", {each.header for found in by_repo.values() for each in found if each.header is not None}
    )
    return [
        StoredRepo(
            repo.record,
            tuple(each.record for each in by_repo[repo.number]),
            {each.record.artifact: read[each.header] for each in by_repo[repo.number] if each.header in read},
            depths[repo.number] or "listing",
            repo.number,
            repo.digest,
        )
        for repo in loaded
    ]


def _load_records(rows: Rows, key: str, values: Iterable[Any]) -> list[_LoadedRepo]:
    """Repos whose column `key` has one of the values."""
    to_time = rows.result(repos, "created_at")
    sql = f"select id, digest, status, {', '.join(_RECORD_COLUMNS)} from repos where {key} in ({{}})"
    found = [(number, digest, status, columns) for number, digest, status, *columns in rows.select_in(sql, values)]
    numbers = [number for number, _, _, _ in found]
    facts = _load_facts(rows, numbers)
    tags = _load_tags(rows, numbers)
    edges = _load_declared_edges(rows, numbers)
    evaluations = _load_evaluations(rows, numbers)
    loaded = []
    for number, digest, status, columns in found:
        fields = dict(zip(_RECORD_COLUMNS, columns, strict=True))
        for name in ("created_at", "last_modified"):
            fields[name] = None if fields[name] is None else to_time(fields[name])
        stated = facts.get(number, {})
        record = RepoRecord(
            **fields,
            private=status == "private",
            disabled=status == "disabled",
            tags=tuple(tags[number]),
            languages=tuple(stated.get("languages", ())),
            **{name: stated.get(name, {}) for name in ("card", "config", "safetensors", "gguf", "extra")},
            edges=tuple(edges[number]),
            evaluations=tuple(evaluations[number]),
        )
        loaded.append(_LoadedRepo(number, digest, record))
    return loaded


def _load_facts(rows: Rows, numbers: Iterable[int]) -> dict[int, Any]:
    texts = rows.select_in("select repo, facts from repo_facts where repo in ({})", numbers)
    return {repo: json.loads(unpack(packed)) for repo, packed in texts}


def _load_tags(rows: Rows, numbers: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    sql = (
        "select l.repo, t.tag from repo_tags l join tags t on t.id = l.tag where l.repo in ({})"
        " order by l.repo, l.position"
    )
    for repo, tag in rows.select_in(sql, numbers):
        found[repo].append(tag)
    return found


def _load_declared_edges(rows: Rows, numbers: Iterable[int]) -> dict[int, list[EdgeRecord]]:
    found: dict[int, list[EdgeRecord]] = defaultdict(list)
    sql = (
        "select repo, parent, relation, source from edges where repo in ({}) and source in ('api', 'card', 'tag')"
        " order by repo, parent, relation, source"
    )
    for repo, parent, relation, source in rows.select_in(sql, numbers):
        found[repo].append(EdgeRecord(parent, relation, source))
    return found


def _load_evaluations(rows: Rows, numbers: Iterable[int]) -> dict[int, list[EvalRecord]]:
    found: dict[int, list[EvalRecord]] = defaultdict(list)
    sql = (
        "select repo, task, dataset, metric, value, source from evaluations where repo in ({}) order by repo, position"
    )
    for repo, task, dataset, metric, value, source in rows.select_in(sql, numbers):
        found[repo].append(EvalRecord(task, dataset, metric, value, source))
    return found


def _load_artifacts(rows: Rows, numbers: Iterable[int]) -> dict[int, list[_LoadedArtifact]]:
    """The artifacts of repos, by the repo's number."""
    to_text = rows.result(artifacts, "content")
    found: dict[int, list[_LoadedArtifact]] = defaultdict(list)
    sql = (
        "select repo, artifact, role, format, paths, total_size, content, main, header from artifacts"
        " where repo in ({}) order by repo, artifact"
    )
    for repo, name, role, kind, paths, size, content, main, header in rows.select_in(sql, numbers):
        files = (name,) if paths is None else tuple(json.loads(paths))
        identity = None if content is None else to_text(content)
        found[repo].append(_LoadedArtifact(ArtifactRecord(name, role, kind, files, size, identity, bool(main)), header))
    return found


def load_headers(rows: Rows, key: str, values: Iterable[Any]) -> dict[Any, Header]:
    """Headers by `key`: their number (`id`), or their `content` in hexadecimal."""
    to_text = rows.result(headers, "content")
    keys = [rows.value(headers, key, value) for value in values]
    found: dict[Any, Header] = {}
    sql = f"select id, {', '.join(HEADER_COLUMNS)} from headers where {key} in ({{}})"
    for number, *columns in rows.select_in(sql, keys):
        fields = dict(zip(HEADER_COLUMNS, columns, strict=True))
        fields |= {"content": to_text(fields["content"]), "inferred": bool(fields["inferred"])}
        fields |= {name: json.loads(fields[name]) for name in ("types", "facts")}
        if fields["size_verified"] is not None:
            fields["size_verified"] = bool(fields["size_verified"])
        found[number if key == "id" else fields["content"]] = Header(**fields)
    return found


def load_array_lengths(rows: Rows) -> tuple[ArrayLength, ...]:
    """Every stored length, in the order of their keys."""
    sql = f"select key, count, digest, length from {header_layouts.name} order by key, count, digest"
    return tuple(ArrayLength(key, count, digest, length) for key, count, digest, length in rows.select(sql))

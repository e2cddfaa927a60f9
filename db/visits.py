"""What one repo's visit found, into rows: files, artifacts, headers, measured labels, and what changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.digest import facts_of, to_json
from db.labelled import (
    ARTIFACT_LABEL_NAMES,
    Interned,
    LabelledRepo,
    label_values,
    write_evidence,
    write_repo_labels,
)
from db.models import (
    artifacts,
    conflicts,
    headers,
    label_evidence,
    layouts,
    repo_facts,
    repo_files,
    repos,
    search_pending,
    skips,
    visits,
)
from db.pages import (
    Known,
    give_up_ids,
    known_repos,
    rename,
    repo_events,
    save_skips,
    tell,
    tell_labels,
    write_children,
)
from db.records import ArtifactRecord, Enrichment, FileRecord, Header, Labelled, RunRecord
from db.rows import Row, Rows

DEPTHS = {"listing": 0, "files": 1, "headers": 2}

HEADER_COLUMNS = [
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
]
_ARTIFACT_COLUMNS = ("repo", "artifact", "role", "file_count", "paths", "total_size", "content", "main", "header")


@dataclass(frozen=True, slots=True)
class Visit:
    """What the frontier knows of a repo: the commit that was looked at, how deep, under which lease."""

    sha: str | None
    depth: str | None
    lease: int


def save_enrichments(
    rows: Rows, interned: Interned, run: RunRecord, items: Sequence[tuple[Enrichment, int]], at: datetime
) -> int:
    """Stores those whose lease is still the latest; returns how many. In the caller's transaction."""
    known = known_repos(rows, [enrichment.repo.hub_id for enrichment, _ in items])
    numbers = [state.repo for state in known.values()]
    sql = "select repo, sha, depth, lease from visits where repo in ({})"
    seen = {row[0]: Visit(row[1], row[2], row[3]) for row in rows.select_in(sql, numbers)}
    saved = 0
    for enrichment, lease in items:
        state = known.get(enrichment.repo.hub_id)
        if state is None:
            continue
        visit = seen.get(state.repo, Visit(None, None, 0))
        if lease and visit.lease != lease:
            continue
        _save(rows, interned, run, state, visit, enrichment, at)
        saved += 1
    return saved


def _save(
    rows: Rows, interned: Interned, run: RunRecord, state: Known, visit: Visit, found: Enrichment, at: datetime
) -> None:
    moved_on = visit.sha is not None and visit.sha != found.repo.sha
    if moved_on:
        tell_labels(rows, run, at, [(state.repo, found.labelled)])
    _save_repo(rows, run, state, found, at)
    if state.sha != found.repo.sha or found.repo.edges or found.repo.tags:
        write_children(rows, interned, [(state.repo, found.repo, found.labelled)], fresh=False)
    if found.depth != "listing":
        told = save_files(rows, state.repo, found.files, changes=moved_on)
        known = save_headers(rows, found.headers, at)
        told += save_artifacts(rows, interned, state.repo, found.artifacts, known, changes=moved_on)
        tell(rows, run, at, told)
    labelled = LabelledRepo(state.repo, found.labelled, found.depth, state.digest)
    write_repo_labels(rows, interned, [labelled], at, fresh=False)
    layout_rows = [(layout.key, layout.count, layout.digest, layout.length) for layout in found.layouts]
    # The latest word counts: a length from a dishonest file is put right by the next honest one.
    rows.upsert(layouts, ("key", "count", "digest"), ("key", "count", "digest", "length"), layout_rows)
    _save_skips(rows, run, found)
    _close(rows, state.repo, visit, found, at)
    rows.insert_new(search_pending, ("repo",), [(state.repo,)])


def _save_repo(rows: Rows, run: RunRecord, state: Known, found: Enrichment, at: datetime) -> None:
    """What the visit knows better than the listing: the commit, the id, the files' sum. Counters stay the listing's."""
    record = found.repo
    tell(rows, run, at, repo_events(state, record))
    if state.repo_id != record.repo_id:
        give_up_ids(rows, run, [record], {record.hub_id}, at)
        rename(rows, [(state, record)], at)
    changes: dict[str, Any] = {"repo_id": record.repo_id, "author": record.author, "status": record.status}
    changes |= {"sha": record.sha, "gated": record.gated, "last_seen": at}
    optional = {
        "last_modified": record.last_modified,
        "pipeline_tag": record.pipeline_tag,
        "library_name": record.library_name,
        "license": record.license,
        "used_storage": record.used_storage,
    }
    changes |= {name: value for name, value in optional.items() if value is not None}
    if found.depth != "listing":
        sizes = [file.size for file in found.files]
        changes["total_size"] = None if None in sizes else sum(size for size in sizes if size is not None)
        changes["file_count"] = len(found.files)
    rows.update(repos, tuple(changes), "id", [(*changes.values(), state.repo)])
    rows.upsert(repo_facts, ("repo",), ("repo", "facts"), [(state.repo, facts_of(record))])


def save_files(
    rows: Rows, repo: int, files: Iterable[FileRecord], *, changes: bool
) -> list[tuple[int, str, str | None, str | None, str | None]]:
    """The files as they are now; returns what changed as events if `changes` are to be told."""
    hexed = rows.result(repo_files, "sha256")
    stored = {
        row[0]: (row[1], hexed(row[2]), hexed(row[3]))
        for row in rows.select("select path, size, blob_id, sha256 from repo_files where repo = ?", (repo,))
    }
    now = {file.path: (file.size, file.blob_id, file.sha256) for file in files}
    rows.delete(repo_files, ("repo", "path"), [(repo, path) for path in stored if path not in now])
    written = [(repo, path, *facts) for path, facts in now.items() if stored.get(path) != facts]
    rows.upsert(repo_files, ("repo", "path"), ("repo", "path", "size", "blob_id", "sha256"), written)
    if not changes:
        return []
    told: list[tuple[int, str, str | None, str | None, str | None]] = []
    for path in sorted(stored.keys() | now.keys()):
        before, after = stored.get(path), now.get(path)
        if before != after:
            kind = "new file" if before is None else "removed file" if after is None else "changed file"
            told.append((repo, kind, path, _file_text(before), _file_text(after)))
    return told


def _file_text(facts: tuple[int | None, str | None, str | None] | None) -> str | None:
    if facts is None:
        return None
    return to_json({"size": facts[0], "blob_id": facts[1], "sha256": facts[2]})


def save_headers(rows: Rows, found: Sequence[Header], at: datetime) -> dict[str, int]:
    """New headers, each content once; returns their numbers by content."""
    named = {header.content: header for header in found if header.content is not None}
    if not named:
        return {}
    known = header_numbers(rows, named)
    new = [header for content, header in named.items() if content not in known]
    first = rows.next_id(headers)
    values = [(first + place, *header_values(header), at) for place, header in enumerate(new)]
    rows.insert(headers, ("id", *HEADER_COLUMNS, "read_at"), values)
    known.update((str(header.content), first + place) for place, header in enumerate(new))
    return known


def header_values(header: Header) -> Row:
    """The values of `HEADER_COLUMNS`."""
    texts = {"types": to_json(header.types), "facts": to_json(header.facts)}
    return tuple(texts[name] if name in texts else getattr(header, name) for name in HEADER_COLUMNS)


def header_numbers(rows: Rows, contents: Iterable[str]) -> dict[str, int]:
    keys = [rows.value(headers, "content", content) for content in contents]  # the driver's own, which do not compare
    hexed = rows.result(headers, "content")
    found = rows.select_in("select content, id from headers where content in ({})", keys)
    return {hexed(content): number for content, number in found}


def save_artifacts(
    rows: Rows,
    interned: Interned,
    repo: int,
    found: Sequence[tuple[ArtifactRecord, Labelled]],
    read: Mapping[str, int],
    *,
    changes: bool,
) -> list[tuple[int, str, str | None, str | None, str | None]]:
    """The artifacts as they are now, linked to their headers, whoever's visit read those."""
    stored = dict(rows.select("select artifact, id from artifacts where repo = ?", (repo,)))
    now = {artifact.artifact: (artifact, labelled) for artifact, labelled in found}
    removed = [(repo, number) for name, number in stored.items() if name not in now]
    for table in (label_evidence, conflicts):
        rows.delete(table, ("repo", "artifact"), removed)
    rows.delete(artifacts, ("id",), [(number,) for _, number in removed])
    unread = [a.content for a, _ in now.values() if a.content is not None and a.content not in read]
    numbers = {**read, **header_numbers(rows, unread)}
    first = rows.next_id(artifacts)
    new = [name for name in now if name not in stored]
    ids = {**stored, **{name: first + place for place, name in enumerate(new)}}
    columns = ("id", *_ARTIFACT_COLUMNS, *ARTIFACT_LABEL_NAMES)
    values = [
        (ids[name], *_artifact_values(repo, artifact, numbers), *label_values(labelled.labels, ARTIFACT_LABEL_NAMES))
        for name, (artifact, labelled) in now.items()
    ]
    rows.upsert(artifacts, ("id",), columns, values)
    write_evidence(
        rows, interned, [(repo, ids[name], labelled) for name, (_, labelled) in now.items()], fresh=not stored
    )
    if not changes:
        return []
    told: list[tuple[int, str, str | None, str | None, str | None]] = []
    told += [(repo, "new artifact", name, None, now[name][1].labels.quant) for name in new]
    told += [(repo, "removed artifact", name, None, None) for name in stored if name not in now]
    return told


def _artifact_values(repo: int, artifact: ArtifactRecord, numbers: Mapping[str, int]) -> Row:
    paths = None if artifact.paths == (artifact.artifact,) else to_json(artifact.paths)
    header = None if artifact.content is None else numbers.get(artifact.content)
    return (
        repo,
        artifact.artifact,
        artifact.role,
        len(artifact.paths),
        paths,
        artifact.total_size,
        artifact.content,
        artifact.primary,
        header,
    )


def _save_skips(rows: Rows, run: RunRecord, found: Enrichment) -> None:
    stays = {(skip.reason, skip.detail) for skip in found.skipped}
    sql = "select reason, detail from skips where repo_id = ?"
    old = [(row[0], row[1]) for row in rows.select(sql, (found.repo.repo_id,))]
    over = [(found.repo.repo_id, *row) for row in old if row not in stays]
    rows.delete(skips, ("repo_id", "reason", "detail"), over)
    save_skips(rows, run, found.skipped)


def _close(rows: Rows, repo: int, visit: Visit, found: Enrichment, at: datetime) -> None:
    """The visit is over: its depth counts, its lease is free. A shallower look at this commit takes nothing away."""
    depth = found.depth
    if visit.sha == found.repo.sha and visit.depth is not None and DEPTHS[visit.depth] > DEPTHS[depth]:
        depth = visit.depth  # type: ignore[assignment]
    columns = ("repo", "sha", "depth", "visited_at", "lease", "leased_until", "failures")
    rows.upsert(visits, ("repo",), columns, [(repo, found.repo.sha, depth, at, visit.lease, None, 0)])

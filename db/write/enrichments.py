"""What one repo's visit found, into rows: files, artifacts, headers, measured labels, and what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from db.derive.digest import to_json
from db.derive.record import derived
from db.labels import ARTIFACT_LABEL_NAMES
from db.read.load import HEADER_COLUMNS
from db.records import ArtifactRecord, Enrichment, Header, Labelled, RepoRecord, RunRecord
from db.rows import Row, Rows
from db.schema.tables import (
    artifacts,
    conflicts,
    enrichments,
    header_layouts,
    headers,
    label_evidence,
    repo_files,
    repos,
    search_pending,
    skips,
)
from db.schema.types import hash_bytes
from db.write.label_rows import (
    InternedIds,
    LabelledRepo,
    artifact_label_values,
    indexed_values,
    write_evidence,
    write_repo_labels,
)
from db.write.listing import (
    StoredState,
    known_repos,
    record_events,
    record_label_events,
    release_reassigned_ids,
    rename_repos,
    replace_base_models,
    repo_events,
    save_skips,
    write_children,
    write_facts,
)

DEPTHS = {"listing": 0, "files": 1, "headers": 2}

Artifact = tuple[ArtifactRecord, Labelled]
_FILE_COLUMNS = ("size", "blob_id", "sha256")
_ARTIFACT_COLUMNS = ("repo", "artifact", "role", "file_count", "paths", "total_size", "content", "main", "header")


LabelEvent = tuple[int, str, str | None, str | None, str | None]
"""An event: repo, kind, subject, before, after."""


class EnrichedRepo(NamedTuple):
    """What the frontier knows of a repo: the commit that was looked at, how deep, under which lease."""

    sha: str | None
    depth: str | None
    lease: int

    @property
    def first(self) -> bool:
        """No commit was looked at before: there are no files and artifacts to compare with."""
        return self.sha is None and self.depth is None


class EnrichedState(NamedTuple):
    """One visit that is to be stored, with what the catalog has of its repo."""

    state: StoredState
    visit: EnrichedRepo
    found: Enrichment
    facts: str  # of repo_facts
    as_listed: bool  # a first visit that says what the listing said: rows that come of that alone stand already

    @property
    def repo(self) -> int:
        return self.state.repo

    @property
    def to_search(self) -> bool:
        """Search may have to know it otherwise than from the listing."""
        labels = self.found.labelled.labels
        if self.renewed or not self.as_listed:
            return True
        return any(labelled.labels.quant not in (None, labels.quant) for _, labelled in self.found.artifacts)

    @property
    def renewed(self) -> bool:
        """Labels that indexes hold are others now."""
        return self.state.indexed != indexed_values(self.found.labelled.labels)

    @property
    def moved_on(self) -> bool:
        """An earlier commit was looked at: what differs now is news."""
        return self.visit.sha is not None and self.visit.sha != self.found.repo.sha


def save_enrichments(
    rows: Rows, interned: InternedIds, run: RunRecord, items: Sequence[tuple[Enrichment, int]], at: datetime
) -> int:
    """Stores those whose lease is still the latest; returns how many. In the caller's transaction."""
    latest = {enrichment.repo.hub_id: (enrichment, lease) for enrichment, lease in items}
    known = known_repos(rows, latest)
    sql = "select repo, sha, depth, lease from enrichments where repo in ({})"
    seen = {
        row[0]: EnrichedRepo(row[1], row[2], row[3]) for row in rows.select_in(sql, [s.repo for s in known.values()])
    }
    kept = []
    for hub_id, state in known.items():
        found, lease = latest[hub_id]
        visit = seen.get(state.repo, EnrichedRepo(None, None, 0))
        if not lease or visit.lease == lease:
            kept.append(enriched_states(state, visit, found))
    if kept:
        _save(rows, interned, run, kept, at)
    return len(kept)


def enriched_states(state: StoredState, visit: EnrichedRepo, found: Enrichment) -> EnrichedState:
    made = found.derived or derived(found.repo, found.labelled.labels)
    as_listed = visit.first and found.repo.sha == state.sha and made.digest == state.digest
    return EnrichedState(state, visit, found, made.facts, as_listed)


def _save(rows: Rows, interned: InternedIds, run: RunRecord, items: Sequence[EnrichedState], at: datetime) -> None:
    record_label_events(rows, run, at, [(item.repo, item.found.labelled) for item in items if item.moved_on])
    _save_repos(rows, run, items, at)
    told = [(item.repo, item.found.repo, item.found.labelled) for item in items if not item.as_listed]
    write_children(rows, interned, told, fresh=False)
    replace_base_models(rows, [(item.repo, item.found.repo, item.found.labelled) for item in items if item.as_listed])
    deep = [item for item in items if item.found.depth != "listing"]
    read = save_headers(rows, [header for item in deep for header in item.found.headers], at)
    record_events(rows, run, at, [*save_files(rows, deep), *save_artifacts(rows, interned, deep, read)])
    labels = [
        LabelledRepo(item.repo, item.found.labelled, item.found.depth, item.state.digest, item.renewed)
        for item in items
    ]
    write_repo_labels(rows, interned, labels, at, fresh=False)
    learnt = [(layout.key, layout.count, layout.digest, layout.length) for i in items for layout in i.found.layouts]
    rows.insert_new(header_layouts, ("key", "count", "digest", "length"), learnt)
    _save_skips(rows, run, items)
    _close(rows, items, at)
    rows.insert_new(search_pending, ("repo",), [(item.repo,) for item in items if item.to_search])


_KEPT_COLUMNS = ("pipeline_tag", "library_name", "license", "used_storage")
_VISITED_COLUMNS = ("status", "sha", "gated", *_KEPT_COLUMNS, "last_seen")
_SIZE_COLUMNS = ("total_size", "file_count")


def _save_repos(rows: Rows, run: RunRecord, items: Sequence[EnrichedState], at: datetime) -> None:
    """What the visits know better than the listing: the commit, the id, the files' sum. Counters stay the listing's."""
    record_events(rows, run, at, [event for item in items for event in repo_events(item.state, item.found.repo)])
    renamed = [item for item in items if item.state.repo_id != item.found.repo.repo_id]
    release_reassigned_ids(rows, run, [i.found.repo for i in renamed], {i.found.repo.hub_id for i in items}, at)
    rename_repos(rows, [(item.state, item.found.repo) for item in renamed], at)
    deep = [i for i in items if i.found.depth != "listing"]
    values = [(*_repo_values(item.found.repo), at, *_sizes(item.found), item.repo) for item in deep]
    rows.update(repos, (*_VISITED_COLUMNS, *_SIZE_COLUMNS), "id", values, keep=_KEPT_COLUMNS)
    shallow = [(*_repo_values(i.found.repo), at, i.repo) for i in items if i.found.depth == "listing"]
    rows.update(repos, _VISITED_COLUMNS, "id", shallow, keep=_KEPT_COLUMNS)
    dated = [(i.found.repo.last_modified, i) for i in items if i.found.repo.last_modified and not i.as_listed]
    newer = [(d, i.repo) for d, i in dated if rows.value(repos, "last_modified", d) != i.state.last_modified]
    rows.update(repos, ("last_modified",), "id", newer)  # it has an index, which only a new date writes
    write_facts(rows, [(item.repo, item.facts) for item in items if not item.as_listed], fresh=False)


def _repo_values(record: RepoRecord) -> Row:
    """The values of `_VISITED_COLUMNS` but the last."""
    kept = (record.pipeline_tag, record.library_name, record.license, record.used_storage)
    return (record.status, record.sha, record.gated, *kept)


def _sizes(found: Enrichment) -> tuple[int | None, int]:
    """Bytes of all files, unknown if one file's are, and how many files there are."""
    sizes = [file.size for file in found.files]
    return (None if None in sizes else sum(size for size in sizes if size is not None), len(sizes))


def save_files(rows: Rows, items: Sequence[EnrichedState]) -> list[LabelEvent]:
    """The files as they are now; returns what changed since an earlier commit."""
    blob, sha = rows.result(repo_files, "blob_id"), rows.result(repo_files, "sha256")
    stored: dict[int, dict[str, Row]] = defaultdict(dict)
    sql = "select repo, path, size, blob_id, sha256 from repo_files where repo in ({})"
    for repo, path, size, blob_id, sha256 in rows.select_in(sql, [i.repo for i in items if not i.visit.first]):
        stored[repo][path] = (size, blob(blob_id), sha(sha256))
    over: list[Row] = []
    new: list[Row] = []
    changed: list[Row] = []
    told: list[LabelEvent] = []
    for item in items:
        before, repo = stored.get(item.repo, {}), item.repo
        now = {file.path: (file.size, file.blob_id, file.sha256) for file in item.found.files}
        new += [
            (repo, path, size, blob_id and hash_bytes(blob_id), sha256 and hash_bytes(sha256))
            for path, (size, blob_id, sha256) in now.items()
            if path not in before
        ]
        if before:
            over += [(repo, path) for path in before if path not in now]
            changed += [(*facts, repo, path) for path, facts in now.items() if before.get(path, facts) != facts]
        if item.moved_on:
            told += _file_events(repo, before, now)
    rows.delete(repo_files, ("repo", "path"), over)
    new.sort()  # in the order of the table, whose pages fill up so
    rows.insert(repo_files, ("repo", "path", *_FILE_COLUMNS), new, ready=True)
    rows.update(repo_files, _FILE_COLUMNS, ("repo", "path"), changed)
    return told


def _file_events(repo: int, before: Mapping[str, Row], now: Mapping[str, Row]) -> list[LabelEvent]:
    told: list[LabelEvent] = []
    for path in sorted(before.keys() | now.keys()):
        old, new = before.get(path), now.get(path)
        if old != new:
            kind = "new file" if old is None else "removed file" if new is None else "changed file"
            told.append((repo, kind, path, _file_text(old), _file_text(new)))
    return told


def _file_text(facts: Row | None) -> str | None:
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
    rows: Rows, interned: InternedIds, items: Sequence[EnrichedState], read: Mapping[str, int]
) -> list[LabelEvent]:
    """The artifacts as they are now, linked to their headers, whoever's visit read those."""
    stored: dict[int, dict[str, int]] = defaultdict(dict)
    sql = "select repo, artifact, id from artifacts where repo in ({})"
    for repo, name, number in rows.select_in(sql, [item.repo for item in items if not item.visit.first]):
        stored[repo][name] = number
    now = {item.repo: {a.artifact: (a, labelled) for a, labelled in item.found.artifacts} for item in items}
    over = [(repo, number) for repo in now for name, number in stored[repo].items() if name not in now[repo]]
    for table in (label_evidence, conflicts):
        rows.delete(table, ("repo", "artifact"), over)
    rows.delete(artifacts, ("id",), [(number,) for _, number in over])
    contents = {a.content for held in now.values() for a, _ in held.values() if a.content is not None}
    numbers = {**read, **header_numbers(rows, contents - read.keys())}
    told = [event for item in items if item.moved_on for event in _artifact_events(item.repo, stored, now)]
    _write_artifacts(rows, interned, now, stored, numbers)
    return told


def _artifact_events(
    repo: int, stored: Mapping[int, Mapping[str, int]], now: Mapping[int, Mapping[str, Artifact]]
) -> list[LabelEvent]:
    before, after = stored[repo], now[repo]
    told: list[LabelEvent] = [
        (repo, "new artifact", name, None, after[name][1].labels.quant) for name in after if name not in before
    ]
    told += [(repo, "removed artifact", name, None, None) for name in before if name not in after]
    return told


def _write_artifacts(
    rows: Rows,
    interned: InternedIds,
    now: Mapping[int, Mapping[str, Artifact]],
    stored: Mapping[int, Mapping[str, int]],
    headers: Mapping[str, int],
) -> None:
    columns = ("id", *_ARTIFACT_COLUMNS, *ARTIFACT_LABEL_NAMES)
    free = rows.next_id(artifacts)
    values: dict[bool, list[Row]] = {True: [], False: []}
    labels: dict[bool, list[tuple[int, int, Labelled]]] = {True: [], False: []}
    for repo, held in now.items():
        for name, (artifact, labelled) in held.items():
            number = stored[repo].get(name)
            fresh = number is None
            if number is None:
                number, free = free, free + 1
            facts = _artifact_values(repo, artifact, headers)
            values[fresh].append((number, *facts, *artifact_label_values(labelled.labels)))
            labels[fresh].append((repo, number, labelled))
    rows.insert(artifacts, columns, values[True])
    rows.upsert(artifacts, ("id",), columns, values[False])
    for fresh, some in labels.items():
        if some:
            write_evidence(rows, interned, some, fresh=fresh)


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


def _save_skips(rows: Rows, run: RunRecord, items: Sequence[EnrichedState]) -> None:
    """What could not be read now; what could not be read before and was now is forgotten."""
    stays = {item.found.repo.repo_id: {(skip.reason, skip.detail) for skip in item.found.skipped} for item in items}
    sql = "select repo_id, reason, detail from skips where repo_id in ({})"
    over = [tuple(row) for row in rows.select_in(sql, stays) if (row[1], row[2]) not in stays[row[0]]]
    rows.delete(skips, ("repo_id", "reason", "detail"), over)
    save_skips(rows, run, [skip for item in items for skip in item.found.skipped])


def _close(rows: Rows, items: Sequence[EnrichedState], at: datetime) -> None:
    """The visits are over: their depth counts, their leases are free. A shallower look at a commit changes nothing."""
    columns = ("repo", "sha", "depth", "visited_at", "lease", "leased_until", "failures")
    values = []
    for item in items:
        depth: str = item.found.depth
        if item.visit.sha == item.found.repo.sha and item.visit.depth is not None:
            depth = max(depth, item.visit.depth, key=DEPTHS.__getitem__)
        values.append((item.repo, item.found.repo.sha, depth, at, item.visit.lease, None, 0))
    rows.upsert(enrichments, ("repo",), columns, values)

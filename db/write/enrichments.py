"""Stores what enriching repos found: files, artifacts, headers, measured labels, and the events of what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from db.derive.digest import to_json
from db.derive.record import derived
from db.labels import ARTIFACT_LABEL_NAMES
from db.read.load import StoredRepo, load_stored_repos
from db.records import ArtifactRecord, Enrichment, FileRecord, Labelled, Refreshed, RepoRecord, RunRecord
from db.rows import Row, Rows
from db.schema.tables import (
    artifacts,
    enrichments,
    former_files,
    partial_repos,
    repo_files,
    repos,
    search_pending,
)
from db.schema.types import hash_bytes
from db.totals import kept_totals
from db.write.events import RepoEvent, record_events, record_label_events, repo_events
from db.write.fit_rows import mark_fits
from db.write.header_rows import header_ids, save_array_lengths, save_headers
from db.write.label_rows import (
    EvidenceOwner,
    InternedIds,
    LabelledRepo,
    artifact_label_values,
    indexed_values,
    write_evidence,
    write_repo_labels,
)
from db.write.repo_rows import StoredState, load_stored_states, replace_base_models, write_content, write_facts
from db.write.skips import replace_skips
from db.write.status import release_reassigned_ids, rename_repos

_DEPTHS = {"listing": 0, "files": 1, "headers": 2}
_ARTIFACT_COLUMNS = ("repo", "artifact", "role", "file_count", "paths", "total_size", "content", "main", "header")
_OPTIONAL_COLUMNS = ("pipeline_tag", "library_name", "license", "used_storage")
_REPO_COLUMNS = ("status", "sha", "gated", *_OPTIONAL_COLUMNS, "last_seen")
_SIZE_COLUMNS = ("total_size", "file_count")
_FORMER_COLUMNS = ("repo", "path", "sha256", "size", "sha", "until")


Refresh = Callable[[RepoRecord, StoredRepo, Sequence[FileRecord]], Refreshed]
"""Makes the enrichment of a commit again, from a listed repo, what the catalog holds of it, and its files."""


class FileValues(NamedTuple):
    """What is compared of a file. A tuple, since a batch of enrichments compares thousands."""

    size: int | None
    blob_id: str | None
    sha256: str | None
    scan_status: str | None = None
    scans: str | None = None

    @property
    def content(self) -> dict[str, object]:
        """What a commit changes. Scans come later, and do not change a file."""
        return {"size": self.size, "blob_id": self.blob_id, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class EnrichedState:
    """A repo's row of enrichments: the commit that was read, how deep, and the latest lease. None: never read."""

    sha: str | None = None
    depth: str | None = None
    lease: int = 0

    @property
    def is_first(self) -> bool:
        """Whether no commit was read before: there are no files and artifacts to compare with."""
        return self.sha is None and self.depth is None


@dataclass(frozen=True, slots=True)
class EnrichedRepo:
    """One enrichment that is to be stored, with what the catalog holds of its repo."""

    stored: StoredState
    earlier: EnrichedState
    enrichment: Enrichment
    facts: str  # of repo_facts
    is_as_listed: bool  # a first enrichment whose record equals the listing's: its rows are stored already

    @property
    def repo(self) -> int:
        return self.stored.repo

    @property
    def digest(self) -> int:
        """repos.digest once it is stored."""
        stated = self.enrichment.listed_digest
        return self.stored.digest if stated is None else stated

    @property
    def record(self) -> RepoRecord:
        return self.enrichment.repo

    @property
    def labelled(self) -> Labelled:
        return self.enrichment.labelled

    @property
    def has_new_indexed_labels(self) -> bool:
        return self.stored.indexed != indexed_values(self.labelled.labels)

    @property
    def is_document_outdated(self) -> bool:
        """Whether the search document may differ from the one that the listing gave."""
        if self.has_new_indexed_labels or not self.is_as_listed:
            return True
        quant = self.labelled.labels.quant
        return any(labelled.labels.quant not in (None, quant) for _, labelled in self.enrichment.artifacts)

    @property
    def is_new_commit(self) -> bool:
        """Whether another commit was read before, so that differences are changes of the repo."""
        return self.earlier.sha is not None and self.earlier.sha != self.record.sha


def save_enrichments(
    rows: Rows, interned: InternedIds, run: RunRecord, items: Sequence[tuple[Enrichment, int]], at: datetime
) -> int:
    """Stores the enrichments whose lease (0: none) is still the latest of their repo, in the caller's transaction.

    Returns how many.
    """
    latest = {enrichment.repo.hub_id: (enrichment, lease) for enrichment, lease in items}
    states = load_stored_states(rows, latest)
    earlier = _load_enriched_states(rows, [stored.repo for stored in states.values()])
    held = []
    for hub_id, stored in states.items():
        enrichment, lease = latest[hub_id]
        before = earlier.get(stored.repo, EnrichedState())
        if not lease or before.lease == lease:
            held.append(_enriched_repo(stored, before, enrichment))
    if held:
        with kept_totals(rows, [item.repo for item in held]):
            _save(rows, interned, run, held, at)
    return len(held)


def _load_enriched_states(rows: Rows, numbers: Sequence[int]) -> dict[int, EnrichedState]:
    sql = "select repo, sha, depth, lease from enrichments where repo in ({})"
    return {repo: EnrichedState(sha, depth, lease) for repo, sha, depth, lease in rows.select_in(sql, numbers)}


def _enriched_repo(stored: StoredState, earlier: EnrichedState, enrichment: Enrichment) -> EnrichedRepo:
    values = enrichment.derived or derived(enrichment.repo, enrichment.labelled.labels)
    is_as_listed = earlier.is_first and enrichment.repo.sha == stored.sha and values.digest == stored.digest
    return EnrichedRepo(stored, earlier, enrichment, values.facts, is_as_listed)


def _save(rows: Rows, interned: InternedIds, run: RunRecord, items: Sequence[EnrichedRepo], at: datetime) -> None:
    record_label_events(rows, run, at, {item.repo: item.labelled for item in items if item.is_new_commit})
    _save_repos(rows, run, items, at)
    write_content(rows, interned, [item for item in items if not item.is_as_listed], fresh=False)
    replace_base_models(rows, [item for item in items if item.is_as_listed])
    deep = [item for item in items if item.enrichment.depth != "listing"]
    read = save_headers(rows, [header for item in deep for header in item.enrichment.headers], at)
    record_events(rows, run, at, [*save_files(rows, deep, at), *save_artifacts(rows, interned, deep, read)])
    _save_labels(rows, interned, items, at)
    save_array_lengths(rows, [length for item in items for length in item.enrichment.layouts])
    replace_skips(rows, run, {item.record.repo_id: item.enrichment.skipped for item in items})
    _close_leases(rows, items, at)
    if rows.exists("select 1 from partial_repos"):
        rows.delete(partial_repos, ("repo",), [(item.repo,) for item in items])
    rows.insert_new(search_pending, ("repo",), [(item.repo,) for item in items if item.is_document_outdated])


def _save_labels(rows: Rows, interned: InternedIds, items: Sequence[EnrichedRepo], at: datetime) -> None:
    labels = [
        LabelledRepo(item.repo, item.labelled, item.enrichment.depth, item.digest, item.has_new_indexed_labels)
        for item in items
        if item.record.type == "model"
    ]
    write_repo_labels(rows, interned, labels, at, fresh=False)
    mark_fits(rows, [each.repo for each in labels])


def refresh_enrichments(
    rows: Rows,
    interned: InternedIds,
    run: RunRecord,
    listed: Sequence[tuple[StoredState, RepoRecord, int]],
    refresh: Refresh,
    at: datetime,
) -> None:
    """Makes enrichments again whose repos were listed differently at the commit that was read.

    `listed` are the states before, the records now, and their digests; columns of `repos` are stored already.
    """
    numbers = [stored.repo for stored, _, _ in listed]
    known = {each.number: each for each in load_stored_repos(rows, {s.repo: s.depth for s, _, _ in listed})}
    files = load_files(rows, numbers)
    earlier = _load_enriched_states(rows, numbers)
    items, incomplete = [], []
    for stored, record, digest in listed:
        own = [FileRecord(path, *values) for path, values in sorted(files[stored.repo].items())]
        made = refresh(record, known[stored.repo], own)
        enrichment = replace(made.enrichment, listed_digest=digest)
        items.append(_enriched_repo(stored, earlier[stored.repo], enrichment))
        incomplete += [] if made.is_complete else [stored.repo]
    record_label_events(rows, run, at, {item.repo: item.labelled for item in items})
    write_facts(rows, {item.repo: item.facts for item in items}, fresh=False)
    write_content(rows, interned, items, fresh=False)
    record_events(rows, run, at, save_artifacts(rows, interned, items, {}))
    _save_labels(rows, interned, items, at)
    request_enrichment(rows, incomplete)


def request_enrichment(rows: Rows, numbers: Sequence[int]) -> None:
    """Has the present commit of repos read again."""
    rows.update(enrichments, ("sha",), "repo", [(None, repo) for repo in numbers])


def _save_repos(rows: Rows, run: RunRecord, items: Sequence[EnrichedRepo], at: datetime) -> None:
    """The columns of repos that an enrichment knows better than the listing; counters stay the listing's."""
    record_events(rows, run, at, [event for item in items for event in repo_events(item)])
    renamed = [item for item in items if item.stored.repo_id != item.record.repo_id]
    hub_ids = {item.record.hub_id for item in items}
    release_reassigned_ids(rows, run, [item.record for item in renamed], hub_ids, at)
    rename_repos(rows, renamed, at)
    deep = [
        (*_repo_values(item.record), at, *_sizes(item.enrichment.files), item.repo)
        for item in items
        if item.enrichment.depth != "listing"
    ]
    rows.update(repos, (*_REPO_COLUMNS, *_SIZE_COLUMNS), "id", deep, keep=_OPTIONAL_COLUMNS)
    shallow = [(*_repo_values(item.record), at, item.repo) for item in items if item.enrichment.depth == "listing"]
    rows.update(repos, _REPO_COLUMNS, "id", shallow, keep=_OPTIONAL_COLUMNS)
    dated = [
        (item.record.last_modified, item.repo)
        for item in items
        if item.record.last_modified is not None
        and not item.is_as_listed
        and rows.value(repos, "last_modified", item.record.last_modified) != item.stored.last_modified
    ]
    rows.update(repos, ("last_modified",), "id", dated)  # an index holds it: only a new date is written
    told = [(item.digest, item.repo) for item in items if item.digest != item.stored.digest]
    rows.update(repos, ("digest",), "id", told)
    write_facts(rows, {item.repo: item.facts for item in items if not item.is_as_listed}, fresh=False)


def _repo_values(record: RepoRecord) -> Row:
    """The values of `_REPO_COLUMNS` but the last."""
    optional = (record.pipeline_tag, record.library_name, record.license, record.used_storage)
    return (record.status, record.sha, record.gated, *optional)


def _sizes(files: Sequence[FileRecord]) -> tuple[int | None, int]:
    """The values of `_SIZE_COLUMNS`: bytes of all files, unknown if those of one are, and their number."""
    sizes = [file.size for file in files]
    return (None if None in sizes else sum(size for size in sizes if size is not None), len(sizes))


# ---- files ----------------------------------------------------------------------------------------------------------


def save_files(rows: Rows, items: Sequence[EnrichedRepo], at: datetime) -> list[RepoEvent]:
    """Stores the files of repos and what replaced ones held; returns events of changes since an earlier commit."""
    stored = load_files(rows, [item.repo for item in items if not item.earlier.is_first])
    removed: list[Row] = []
    new: list[Row] = []
    changed: list[Row] = []
    former: list[Row] = []
    events: list[RepoEvent] = []
    for item in items:
        before, repo = stored.get(item.repo, {}), item.repo
        files = {file.path: file for file in item.enrichment.files}
        new += [_new_file_values(repo, file) for path, file in files.items() if path not in before]
        if item.earlier.is_first:
            continue
        now = {
            path: FileValues(file.size, file.content_blob_id, file.sha256, file.scan_status, file.scans)
            for path, file in files.items()
        }
        removed += [(repo, path) for path in before if path not in now]
        changed += [(*values, repo, path) for path, values in now.items() if before.get(path, values) != values]
        former += [
            (repo, path, old.sha256, old.size, item.earlier.sha, at)
            for path, old in before.items()
            if old.sha256 is not None and (path not in now or now[path].sha256 != old.sha256)
        ]
        if item.is_new_commit:
            events += _file_events(repo, before, now)
    rows.delete(repo_files, ("repo", "path"), removed)
    new.sort()  # in the order of the table, so that its pages are filled one after the other
    rows.insert(repo_files, ("repo", "path", *FileValues._fields), new, ready=True)
    rows.update(repo_files, FileValues._fields, ("repo", "path"), changed)
    rows.upsert(former_files, ("repo", "path", "sha256"), _FORMER_COLUMNS, former)
    return events


def load_files(rows: Rows, numbers: Sequence[int]) -> dict[int, dict[str, FileValues]]:
    """The stored files of repos, by the repo's number and the path."""
    to_sha1, to_sha256 = rows.result(repo_files, "blob_id"), rows.result(repo_files, "sha256")
    found: dict[int, dict[str, FileValues]] = defaultdict(dict)
    sql = "select repo, path, size, blob_id, sha256, scan_status, scans from repo_files where repo in ({})"
    for repo, path, size, blob_id, sha256, *scanned in rows.select_in(sql, numbers):
        found[repo][path] = FileValues(size, to_sha1(blob_id), to_sha256(sha256), *scanned)
    return found


def _new_file_values(repo: int, file: FileRecord) -> Row:
    """The values of a row of repo_files, those of hashes as the driver takes them."""
    blob_id = file.content_blob_id
    return (
        repo,
        file.path,
        file.size,
        blob_id and hash_bytes(blob_id),
        file.sha256 and hash_bytes(file.sha256),
        file.scan_status,
        file.scans,
    )


def _file_events(repo: int, before: Mapping[str, FileValues], now: Mapping[str, FileValues]) -> Iterator[RepoEvent]:
    for path in sorted(before.keys() | now.keys()):
        old, new = before.get(path), now.get(path)
        if old is None or new is None or old.content != new.content:
            kind = "new file" if old is None else "removed file" if new is None else "changed file"
            yield RepoEvent(repo, kind, path, _file_text(old), _file_text(new))


def _file_text(values: FileValues | None) -> str | None:
    return None if values is None else to_json(values.content)


# ---- artifacts ------------------------------------------------------------------------------------------------------

Artifacts = dict[str, tuple[ArtifactRecord, Labelled]]
"""A repo's artifacts by name."""


def save_artifacts(
    rows: Rows, interned: InternedIds, items: Sequence[EnrichedRepo], read: Mapping[str, int]
) -> list[RepoEvent]:
    """Stores the artifacts of repos with their labels and links them to the headers of their content.

    `read` are the numbers of headers that these enrichments read, by content; headers that others read are linked too.
    Returns events of what changed since an earlier commit.
    """
    stored = _load_artifact_ids(rows, [item.repo for item in items if not item.earlier.is_first])
    now: dict[int, Artifacts] = {
        item.repo: {each.artifact: (each, labelled) for each, labelled in item.enrichment.artifacts} for item in items
    }
    removed = [number for repo in now for name, number in stored[repo].items() if name not in now[repo]]
    rows.delete(artifacts, ("id",), [(number,) for number in removed])
    contents = {each.content for found in now.values() for each, _ in found.values() if each.content is not None}
    headers = {**read, **header_ids(rows, contents - read.keys())}
    _write_artifacts(rows, interned, now, stored, headers)
    return [
        event
        for item in items
        if item.is_new_commit
        for event in _artifact_events(item.repo, stored[item.repo], now[item.repo])
    ]


def _load_artifact_ids(rows: Rows, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
    """Numbers of the stored artifacts of repos, by the repo's number and the artifact's name."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for repo, name, number in rows.select_in("select repo, artifact, id from artifacts where repo in ({})", numbers):
        found[repo][name] = number
    return found


def _artifact_events(repo: int, before: Mapping[str, int], now: Artifacts) -> Iterator[RepoEvent]:
    for name, (_, labelled) in now.items():
        if name not in before:
            yield RepoEvent(repo, "new artifact", name, None, labelled.labels.quant)
    for name in before:
        if name not in now:
            yield RepoEvent(repo, "removed artifact", name)


def _write_artifacts(
    rows: Rows,
    interned: InternedIds,
    now: Mapping[int, Artifacts],
    stored: Mapping[int, Mapping[str, int]],
    headers: Mapping[str, int],
) -> None:
    columns = ("id", *_ARTIFACT_COLUMNS, *ARTIFACT_LABEL_NAMES)
    next_id = rows.next_id(artifacts)
    values: dict[bool, list[Row]] = {True: [], False: []}  # by whether the artifact is new
    owners: dict[bool, list[EvidenceOwner]] = {True: [], False: []}  # by whether the repo had none before
    for repo, found in now.items():
        for name, (artifact, labelled) in found.items():
            number = stored[repo].get(name)
            is_new = number is None
            if number is None:
                number, next_id = next_id, next_id + 1
            own = _artifact_values(repo, artifact, headers)
            values[is_new].append((number, *own, *artifact_label_values(labelled.labels)))
            owners[not stored[repo]].append(EvidenceOwner(repo, number, labelled))
    rows.insert(artifacts, columns, values[True])
    rows.upsert(artifacts, ("id",), columns, values[False])
    for is_first, some in owners.items():
        repos = [repo for repo in now if bool(stored[repo]) is not is_first]
        write_evidence(rows, interned, repos, some, of_artifacts=True, fresh=is_first)


def _artifact_values(repo: int, artifact: ArtifactRecord, headers: Mapping[str, int]) -> Row:
    """The values of `_ARTIFACT_COLUMNS`."""
    paths = None if artifact.paths == (artifact.artifact,) else to_json(artifact.paths)
    header = None if artifact.content is None else headers.get(artifact.content)
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


# ---- leases ---------------------------------------------------------------------------------------------------------


def _close_leases(rows: Rows, items: Sequence[EnrichedRepo], at: datetime) -> None:
    """Stores which commit was read and how deep, and frees the leases.

    A commit that was read deeper before keeps that depth.
    """
    columns = ("repo", "sha", "depth", "visited_at", "lease", "leased_until", "holder", "failures", "attempts")
    values = []
    for item in items:
        depth: str = item.enrichment.depth
        if item.earlier.sha == item.record.sha and item.earlier.depth is not None:
            depth = max(depth, item.earlier.depth, key=_DEPTHS.__getitem__)
        values.append((item.repo, item.record.sha, depth, at, item.earlier.lease, None, None, 0, None))
    rows.upsert(enrichments, ("repo",), columns, values)

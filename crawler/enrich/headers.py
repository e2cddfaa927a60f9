"""One repo's visit: its files, what they make up, what their headers say, and the labels that follow.

A visit has two halves, both run by workers and neither touches the store. `look` is one request: the repo with all its
files. Then the one who knows the catalog says which headers were read before, and `finish` reads those that are missing
and labels. What is wrong with this repo alone becomes a Skipped; what is wrong with the run is raised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from analysis.errors import HeaderError
from analysis.files.artifacts import group_artifacts, select_headers
from analysis.formats import read_artifact
from analysis.formats.model_config import config_files
from analysis.formats.model_config import config_of as one_config
from analysis.labels.resolve import label_repo_and_artifacts
from crawler.errors import FileError, RepoError
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.parse import bounded, parse_repo
from db.derive.record import derived
from db.read.load import Relabelled, StoredRepo
from db.record_base import Depth, Json, SkipReason
from db.records import ArrayLength, ArtifactRecord, Enrichment, FileRecord, Header, LeasedRepo, RepoRecord, Skipped

MAX_FILES = 100_000
MAX_PATH_LENGTH = 1024
MAX_CONFIG_BYTES = 1 << 20
MAX_BRANCHES = 100

METHODS_WITH_BRANCHES = ("exl2", "exl3", "gptq")
"""Methods whose quants live on branches of their own, beside an empty main."""

TRANSIENT_REASONS: frozenset[SkipReason] = frozenset(("failed",))
"""Reasons that may be over at the next try."""


LayoutKey = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class FetchedRepo:
    """What one request told of a repo."""

    wanted: LeasedRepo
    repo: RepoRecord
    files: tuple[FileRecord, ...]
    artifacts: tuple[ArtifactRecord, ...]

    @property
    def contents(self) -> set[str]:
        return {artifact.content for artifact in self.artifacts if artifact.content is not None}


# ---- the first half: one request ------------------------------------------------------------------------------------


def fetch_repo(hub: HubClient, wanted: LeasedRepo) -> FetchedRepo | Skipped:
    """The repo as it is now, with its files. Raises what ends a run."""
    try:
        payload = hub.repo_info(wanted.repo_id)
        repo = parse_repo(payload)
        if isinstance(repo, Skipped):
            return replace(repo, repo_id=wanted.repo_id)
        if wanted.hub_id and repo.hub_id != wanted.hub_id:
            raise RepoError("renamed", f"another repo has this id now ({repo.hub_id})")
        files = parse_files(payload, hub, repo)
        artifacts = group_artifacts(files, repo)
        return FetchedRepo(wanted, note_quantized_branches(hub, repo, artifacts), files, artifacts)
    except RepoError as trouble:
        return make_skip(wanted, trouble)


def make_skip(wanted: LeasedRepo, trouble: RepoError) -> Skipped:
    return Skipped(wanted.repo_id, trouble.reason, trouble.detail[:500], datetime.now(UTC), wanted.hub_id or None)


def parse_files(payload: Json, hub: HubClient, repo: RepoRecord) -> tuple[FileRecord, ...]:
    """The files that an answer lists; where it does not tell their sizes, those of the tree, for another request."""
    siblings = payload.get("siblings")
    if siblings is None:
        siblings = []
    if not isinstance(siblings, list):
        raise RepoError("malformed", "siblings is no list")
    if len(siblings) > MAX_FILES:
        raise RepoError("too large", f"{len(siblings):,} files")
    if siblings and not any(isinstance(entry, dict) and "size" in entry for entry in siblings) and repo.sha:
        entries = []
        for entry in hub.list_files(repo.repo_id, repo.sha):
            entries.append(entry)
            if len(entries) > MAX_FILES:
                raise RepoError("too large", f"more than {MAX_FILES:,} files")
        siblings = [entry for entry in entries if not isinstance(entry, dict) or entry.get("type") == "file"]
    found = {file.path: file for file in map(parse_file, siblings)}
    return tuple(found[path] for path in sorted(found))


def parse_file(entry: Any) -> FileRecord:
    """One file, as the info (`rfilename`, `blobId`, `lfs.sha256`) or the tree (`path`, `oid`, `lfs.oid`) tells it."""
    if not isinstance(entry, dict):
        raise RepoError("malformed", "a file is no object")
    path = entry.get("rfilename", entry.get("path"))
    if not isinstance(path, str) or not 0 < len(path) <= MAX_PATH_LENGTH or not path.isprintable():
        raise RepoError("malformed", f"a file is named {ascii(path)[:80]}")
    told = entry.get("lfs")
    lfs: dict[str, Any] = told if isinstance(told, dict) else {}
    size, lfs_size = non_negative_int(entry.get("size")), non_negative_int(lfs.get("size"))
    blob, sha256 = entry.get("blobId", entry.get("oid")), lfs.get("sha256", lfs.get("oid"))
    return FileRecord(path, lfs_size if lfs_size is not None else size, hex_digest(blob, 40), hex_digest(sha256, 64))


def non_negative_int(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None


def hex_digest(value: Any, length: int) -> str | None:
    known = isinstance(value, str) and len(value) == length and not set(value) - set("0123456789abcdef")
    return value if known else None


def note_quantized_branches(hub: HubClient, repo: RepoRecord, artifacts: Sequence[ArtifactRecord]) -> RepoRecord:
    """Notes the branches of a repo whose main holds no weights though its name says that it is quantized."""
    named = {*repo.repo_id.lower().replace("-", " ").replace("_", " ").replace(".", " ").split(), *repo.tags}
    if any(artifact.role == "weights" for artifact in artifacts) or not named.intersection(METHODS_WITH_BRANCHES):
        return repo
    told = hub.list_refs(repo.repo_id).get("branches")
    names = [entry.get("name") for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    kept = sorted(name for name in names if isinstance(name, str) and 0 < len(name) < 200 and name.isprintable())
    branches = [name for name in kept if name != "main"][:MAX_BRANCHES]
    return replace(repo, extra={**repo.extra, "branches": branches}) if branches else repo


# ---- the second half: headers and labels ---------------------------------------------------------------------------


def enrich_repo(
    hub: HubClient,
    look: FetchedRepo,
    depth: Depth,
    known: Mapping[str, Header] = {},
    layouts: MutableMapping[LayoutKey, ArrayLength] | None = None,
) -> Enrichment:
    """Reads the headers that are worth it and `known` (by content) does not hold, then labels with all there are.

    `layouts` are the tokenizers whose lengths are known; what is learnt is added, for the visits beside this one.
    """
    layouts = {} if layouts is None else layouts
    repo, artifacts = look.repo, look.artifacts
    held = {a.artifact: known[a.content] for a in artifacts if a.content is not None and a.content in known}
    read: list[Header] = []
    learnt: list[ArrayLength] = []
    trouble: list[Skipped] = []
    if depth == "headers" and repo.gated and not hub.has_token:
        trouble.append(make_skip(look.wanted, RepoError("gated", "its files' bytes need a token with access granted")))
    elif depth == "headers":
        # What is worth reading depends on the repo alone, so that the order of visits does not show in the catalog.
        chosen = select_headers(repo, artifacts)
        config: Json = {}
        told = next((artifact for artifact in chosen if artifact.format != "gguf"), None)
        if told is not None:
            config = fetch_config(hub, look, told, trouble)
            repo = replace(repo, config=bounded({**repo.config, **config}) if config else repo.config)
        for artifact in chosen:
            if artifact.artifact in held:
                continue
            if any(skip.reason == "gated" for skip in trouble):
                break
            try:
                header, new = read_repo_header(hub, look, artifact, list(layouts.values()), config)
            except (HeaderError, RepoError) as error:
                trouble.append(header_skip(look, artifact, error))
            else:
                read.append(header)
                learnt += new
                layouts.update((layout_key(layout), layout) for layout in new)
                held[artifact.artifact] = header
    labelled, labelled_artifacts = label_repo_and_artifacts(repo, artifacts, held)
    passing = any(skip.reason in TRANSIENT_REASONS for skip in trouble)
    return Enrichment(
        repo=repo,
        depth="files" if passing and depth == "headers" else depth,
        labelled=labelled,
        files=look.files,
        artifacts=labelled_artifacts,
        headers=tuple(read),
        layouts=tuple(learnt),
        skipped=tuple(trouble),
        derived=derived(repo, labelled.labels),
    )


def relabel_repo(stored: StoredRepo) -> Relabelled:
    """A stored repo's labels, made anew from what the catalog holds."""
    return Relabelled(stored, *label_repo_and_artifacts(stored.record, stored.artifacts, stored.headers))


def layout_key(layout: ArrayLength) -> LayoutKey:
    return layout.key, layout.count, layout.digest


def header_skip(look: FetchedRepo, artifact: ArtifactRecord, error: HeaderError | RepoError) -> Skipped:
    if isinstance(error, RepoError):
        reason, detail = error.reason, f"{artifact.artifact}: {error.detail}"
    else:
        reason, detail = "unreadable", str(error)
    return Skipped(look.repo.repo_id, reason, detail[:500], datetime.now(UTC), look.repo.hub_id)


def read_repo_header(
    hub: HubClient, look: FetchedRepo, artifact: ArtifactRecord, layouts: Sequence[ArrayLength], config: Json
) -> tuple[Header, Sequence[ArrayLength]]:
    """One artifact's header: of many shards in one request where the Hub gives it, else from the files themselves."""
    from analysis.formats.safetensors.reader import read_safetensors_metadata

    sizes = {file.path: file.size for file in look.files}
    revision = look.repo.sha or "main"
    if artifact.format != "gguf" and len(artifact.paths) > 1:
        index = find_index_file(artifact, sizes)
        payload = hub.safetensors_metadata(look.repo.repo_id, index) if index else None
        if payload is not None:
            try:
                return read_safetensors_metadata(payload, artifact, sizes, config), ()
            except HeaderError:
                pass  # main may have moved on since; the files of this commit have the last word
    return read_artifact(
        artifact,
        sizes,
        lambda path: hub.source(look.repo.repo_id, path, revision, sizes.get(path)),
        layouts=layouts,
        config=config,
    )


def find_index_file(artifact: ArtifactRecord, sizes: Mapping[str, int | None]) -> str | None:
    """The index file that names an artifact's shards: the one beside them."""
    folder = artifact.paths[0].rpartition("/")[0]
    names = [path for path in sizes if path.endswith(".safetensors.index.json") and path.rpartition("/")[0] == folder]
    return min(names, key=len) if names else None


def fetch_config(hub: HubClient, look: FetchedRepo, artifact: ArtifactRecord, trouble: list[Skipped]) -> Json:
    """What the repo's JSON files say of an artifact: the API's own block leaves out all that is about shapes."""
    repo_id, revision = look.repo.repo_id, look.repo.sha or "main"
    sizes = {file.path: file.size or 0 for file in look.files}
    values: dict[str, Any] = {}
    for path in config_files(artifact, sizes):
        if not 0 < sizes[path] <= MAX_CONFIG_BYTES:
            continue
        try:
            values[path] = json.loads(hub.read_small_file(repo_id, path, revision, size=sizes[path]))
            continue
        except (ValueError, RecursionError):
            error: RepoError = FileError(path, "unreadable", "no JSON")
        except RepoError as met:
            error = FileError(path, met.reason, met.detail)
        trouble.append(Skipped(repo_id, error.reason, str(error)[:500], datetime.now(UTC), look.repo.hub_id))
    return one_config(values)

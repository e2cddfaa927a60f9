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
from analysis.files.artifacts import artifacts_of, headers_to_read
from analysis.formats import read_artifact
from analysis.formats.model_config import config_files
from analysis.formats.model_config import config_of as one_config
from analysis.labels.resolve import label_whole
from crawler.errors import FileTrouble, RepoTrouble
from crawler.sources.huggingface.client import Hub
from crawler.sources.huggingface.parse import bounded, parse_repo
from db.derive.record import derived
from db.read.load import Relabelled, StoredRepo
from db.records import (
    ArtifactRecord,
    Depth,
    Enrichment,
    FileRecord,
    Header,
    Json,
    Layout,
    RepoRecord,
    Skipped,
    SkipReason,
    Wanted,
)

MOST_FILES = 100_000
MOST_PATH = 1024
MOST_CONFIG = 1 << 20
MOST_BRANCHES = 100

BRANCHED = ("exl2", "exl3", "gptq")
"""Methods whose quants live on branches of their own, beside an empty main."""

PASSING: frozenset[SkipReason] = frozenset(("failed",))
"""Reasons that may be over at the next try."""


LayoutKey = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Look:
    """What one request told of a repo."""

    wanted: Wanted
    repo: RepoRecord
    files: tuple[FileRecord, ...]
    artifacts: tuple[ArtifactRecord, ...]

    @property
    def contents(self) -> set[str]:
        return {artifact.content for artifact in self.artifacts if artifact.content is not None}


# ---- the first half: one request ------------------------------------------------------------------------------------


def look(hub: Hub, wanted: Wanted) -> Look | Skipped:
    """The repo as it is now, with its files. Raises what ends a run."""
    try:
        payload = hub.info(wanted.repo_id)
        repo = parse_repo(payload)
        if isinstance(repo, Skipped):
            return replace(repo, repo_id=wanted.repo_id)
        if wanted.hub_id and repo.hub_id != wanted.hub_id:
            raise RepoTrouble("renamed", f"another repo has this id now ({repo.hub_id})")
        files = files_of(payload, hub, repo)
        artifacts = artifacts_of(files, repo)
        return Look(wanted, with_branches(hub, repo, artifacts), files, artifacts)
    except RepoTrouble as trouble:
        return skipped(wanted, trouble)


def skipped(wanted: Wanted, trouble: RepoTrouble) -> Skipped:
    return Skipped(wanted.repo_id, trouble.reason, trouble.detail[:500], datetime.now(UTC), wanted.hub_id or None)


def files_of(payload: Json, hub: Hub, repo: RepoRecord) -> tuple[FileRecord, ...]:
    """The files that an answer lists; where it does not tell their sizes, those of the tree, for another request."""
    siblings = payload.get("siblings")
    if siblings is None:
        siblings = []
    if not isinstance(siblings, list):
        raise RepoTrouble("malformed", "siblings is no list")
    if len(siblings) > MOST_FILES:
        raise RepoTrouble("too large", f"{len(siblings):,} files")
    if siblings and not any(isinstance(entry, dict) and "size" in entry for entry in siblings) and repo.sha:
        entries = []
        for entry in hub.tree(repo.repo_id, repo.sha):
            entries.append(entry)
            if len(entries) > MOST_FILES:
                raise RepoTrouble("too large", f"more than {MOST_FILES:,} files")
        siblings = [entry for entry in entries if not isinstance(entry, dict) or entry.get("type") == "file"]
    found = {file.path: file for file in map(file_of, siblings)}
    return tuple(found[path] for path in sorted(found))


def file_of(entry: Any) -> FileRecord:
    """One file, as the info (`rfilename`, `blobId`, `lfs.sha256`) or the tree (`path`, `oid`, `lfs.oid`) tells it."""
    if not isinstance(entry, dict):
        raise RepoTrouble("malformed", "a file is no object")
    path = entry.get("rfilename", entry.get("path"))
    if not isinstance(path, str) or not 0 < len(path) <= MOST_PATH or not path.isprintable():
        raise RepoTrouble("malformed", f"a file is named {ascii(path)[:80]}")
    told = entry.get("lfs")
    lfs: dict[str, Any] = told if isinstance(told, dict) else {}
    size, lfs_size = natural(entry.get("size")), natural(lfs.get("size"))
    blob, sha256 = entry.get("blobId", entry.get("oid")), lfs.get("sha256", lfs.get("oid"))
    return FileRecord(path, lfs_size if lfs_size is not None else size, hexed(blob, 40), hexed(sha256, 64))


def natural(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None


def hexed(value: Any, length: int) -> str | None:
    known = isinstance(value, str) and len(value) == length and not set(value) - set("0123456789abcdef")
    return value if known else None


def with_branches(hub: Hub, repo: RepoRecord, artifacts: Sequence[ArtifactRecord]) -> RepoRecord:
    """Notes the branches of a repo whose main holds no weights though its name says that it is quantized."""
    named = {*repo.repo_id.lower().replace("-", " ").replace("_", " ").replace(".", " ").split(), *repo.tags}
    if any(artifact.role == "weights" for artifact in artifacts) or not named.intersection(BRANCHED):
        return repo
    told = hub.refs(repo.repo_id).get("branches")
    names = [entry.get("name") for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    kept = sorted(name for name in names if isinstance(name, str) and 0 < len(name) < 200 and name.isprintable())
    branches = [name for name in kept if name != "main"][:MOST_BRANCHES]
    return replace(repo, extra={**repo.extra, "branches": branches}) if branches else repo


# ---- the second half: headers and labels ---------------------------------------------------------------------------


def finish(
    hub: Hub,
    look: Look,
    depth: Depth,
    known: Mapping[str, Header] = {},
    layouts: MutableMapping[LayoutKey, Layout] | None = None,
) -> Enrichment:
    """Reads the headers that are worth it and `known` (by content) does not hold, then labels with all there are.

    `layouts` are the tokenizers whose lengths are known; what is learnt is added, for the visits beside this one.
    """
    layouts = {} if layouts is None else layouts
    repo, artifacts = look.repo, look.artifacts
    held = {a.artifact: known[a.content] for a in artifacts if a.content is not None and a.content in known}
    read: list[Header] = []
    learnt: list[Layout] = []
    trouble: list[Skipped] = []
    if depth == "headers" and repo.gated and not hub.has_token:
        trouble.append(skipped(look.wanted, RepoTrouble("gated", "its files' bytes need a token with access granted")))
    elif depth == "headers":
        # What is worth reading depends on the repo alone, so that the order of visits does not show in the catalog.
        chosen = headers_to_read(repo, artifacts)
        config: Json = {}
        told = next((artifact for artifact in chosen if artifact.format != "gguf"), None)
        if told is not None:
            config = config_of(hub, look, told, trouble)
            repo = replace(repo, config=bounded({**repo.config, **config}) if config else repo.config)
        for artifact in chosen:
            if artifact.artifact in held:
                continue
            if any(skip.reason == "gated" for skip in trouble):
                break
            try:
                header, new = header_of(hub, look, artifact, list(layouts.values()), config)
            except (HeaderError, RepoTrouble) as error:
                trouble.append(unread(look, artifact, error))
            else:
                read.append(header)
                learnt += new
                layouts.update((layout_key(layout), layout) for layout in new)
                held[artifact.artifact] = header
    labelled, labelled_artifacts = label_whole(repo, artifacts, held)
    passing = any(skip.reason in PASSING for skip in trouble)
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


def relabelled(stored: StoredRepo) -> Relabelled:
    """A stored repo's labels, made anew from what the catalog holds."""
    return Relabelled(stored, *label_whole(stored.record, stored.artifacts, stored.headers))


def layout_key(layout: Layout) -> LayoutKey:
    return layout.key, layout.count, layout.digest


def unread(look: Look, artifact: ArtifactRecord, error: HeaderError | RepoTrouble) -> Skipped:
    if isinstance(error, RepoTrouble):
        reason, detail = error.reason, f"{artifact.artifact}: {error.detail}"
    else:
        reason, detail = "unreadable", str(error)
    return Skipped(look.repo.repo_id, reason, detail[:500], datetime.now(UTC), look.repo.hub_id)


def header_of(
    hub: Hub, look: Look, artifact: ArtifactRecord, layouts: Sequence[Layout], config: Json
) -> tuple[Header, Sequence[Layout]]:
    """One artifact's header: of many shards in one request where the Hub gives it, else from the files themselves."""
    from analysis.formats.safetensors.reader import read_safetensors_metadata

    sizes = {file.path: file.size for file in look.files}
    revision = look.repo.sha or "main"
    if artifact.format != "gguf" and len(artifact.paths) > 1:
        index = index_of(artifact, sizes)
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


def index_of(artifact: ArtifactRecord, sizes: Mapping[str, int | None]) -> str | None:
    """The index file that names an artifact's shards: the one beside them."""
    folder = artifact.paths[0].rpartition("/")[0]
    names = [path for path in sizes if path.endswith(".safetensors.index.json") and path.rpartition("/")[0] == folder]
    return min(names, key=len) if names else None


def config_of(hub: Hub, look: Look, artifact: ArtifactRecord, trouble: list[Skipped]) -> Json:
    """What the repo's JSON files say of an artifact: the API's own block leaves out all that is about shapes."""
    repo_id, revision = look.repo.repo_id, look.repo.sha or "main"
    sizes = {file.path: file.size or 0 for file in look.files}
    values: dict[str, Any] = {}
    for path in config_files(artifact, sizes):
        if not 0 < sizes[path] <= MOST_CONFIG:
            continue
        try:
            values[path] = json.loads(hub.small_file(repo_id, path, revision, size=sizes[path]))
            continue
        except (ValueError, RecursionError):
            error: RepoTrouble = FileTrouble(path, "unreadable", "no JSON")
        except RepoTrouble as met:
            error = FileTrouble(path, met.reason, met.detail)
        trouble.append(Skipped(repo_id, error.reason, str(error)[:500], datetime.now(UTC), look.repo.hub_id))
    return one_config(values)

"""What a person names, opened: a path, a URL, or a repo and perhaps a file of it, as an artifact to read a header of.

opened("model-Q4_K_M.gguf")                 a file here; its other shards and config.json beside it belong to it
opened("https://host/model.gguf")           a file anywhere; of a Hub's address, the file of that repo and revision
opened("google/gemma-3-4b-it")              the artifact of a repo whose header tells most
opened("owner/name::path/in/repo.gguf")     this one
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from analysis.errors import SourceError
from analysis.files.artifacts import READABLE, group_artifacts, select_headers
from analysis.files.roles import extension, role_of
from analysis.formats import read_artifact
from analysis.formats.model_config import config_files, config_of
from analysis.formats.source import ByteSource, FileSource
from analysis.untrusted import MAX_CONFIG_BYTES
from crawler.errors import FileError, RepoError
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, FileRecord, Header, LeasedRepo, RepoRecord, Skipped

if TYPE_CHECKING:
    from crawler.sources.huggingface.client import HubClient

MAX_FOLDER_FILES = 20_000  # files of a folder that are looked through for shards
HUBS = ("huggingface.co", "www.huggingface.co", "hf.co")
FILE_URL = re.compile(r"/(?P<repo>[\w.-]+/[\w.-]+)/(?:resolve|blob|raw)/(?P<revision>[^/]+)/(?P<path>.+)")
REPO = re.compile(r"[\w.-]+(?:/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class Target:
    """An artifact whose header can be read. Reading raises HeaderError and SourceError."""

    repo: RepoRecord
    artifact: ArtifactRecord
    read: Callable[
        [Sequence[ArrayLength]], tuple[Header, Sequence[ArrayLength]]
    ]  # known layouts -> the header, and new layouts
    others: tuple[str, ...] = ()  # artifacts of the same repo whose headers can be read too
    hub: HubClient | None = None  # whose counters tell what finding and reading it took; None for files here


def resolve_target(target: str, hub: Callable[[str | None], HubClient]) -> Target:
    """What `target` names. `hub` makes the door to an endpoint (None: the usual one), when one is needed.

    Raises SourceError for what is not there, RepoTrouble for a repo that can't be read, and what ends a run.
    """
    if target.startswith(("http://", "https://")):
        return target_from_url(target, hub)
    path = Path(target)
    if path.exists():
        return target_from_folder(path) if path.is_dir() else target_from_path(path)
    repo_id, _, name = target.partition("::")
    if not REPO.fullmatch(repo_id) or (not name and extension(repo_id) in READABLE):
        raise SourceError(target, "is no file here, no URL and no repo")
    return target_from_repo(hub(None), repo_id, name)


# ---- here -----------------------------------------------------------------------------------------------------------


def target_from_path(path: Path) -> Target:
    """A file here, with its other shards."""
    found = group_artifacts(list_folder(path.parent), local(path.parent.name))
    whole = next((artifact for artifact in found if path.name in artifact.paths), None)
    if whole is None or whole.format not in READABLE:
        whole = single_file_artifact(path.name, FileSource(path))
    return of_local(path.parent, whole)


def target_from_folder(folder: Path) -> Target:
    """The artifact of a folder whose header tells most."""
    repo = local(folder.resolve().name)
    artifacts = group_artifacts(list_folder(folder), repo)
    chosen = select_headers(repo, artifacts)
    if not chosen:
        raise SourceError(str(folder), "holds no GGUF or safetensors file")
    return of_local(folder, chosen[0], readable(artifacts, chosen[0]))


def of_local(folder: Path, artifact: ArtifactRecord, others: tuple[str, ...] = ()) -> Target:
    small = {file.path for file in list_folder(folder) if (file.size or 0) <= MAX_CONFIG_BYTES}
    config = merge_config_files({name: (folder / name).read_bytes() for name in config_files(artifact, small)})
    sizes = {path: (folder / path).stat().st_size for path in artifact.paths}

    def read(layouts: Sequence[ArrayLength]) -> tuple[Header, Sequence[ArrayLength]]:
        return read_artifact(artifact, sizes, lambda path: FileSource(folder / path), layouts=layouts, config=config)

    return Target(local(folder.resolve().name), artifact, read, others)


def list_folder(folder: Path) -> tuple[FileRecord, ...]:
    """The files of a folder, without those in folders below it."""
    found = []
    for number, path in enumerate(sorted(folder.iterdir() if folder.is_dir() else ())):
        if number == MAX_FOLDER_FILES:
            break
        if path.is_file() and path.name.isprintable():
            found.append(FileRecord(path.name, path.stat().st_size))
    return tuple(found)


def local(name: str) -> RepoRecord:
    return RepoRecord(hub_id="", repo_id=name or "here")


# ---- far away -------------------------------------------------------------------------------------------------------


def target_from_url(url: str, hub: Callable[[str | None], HubClient]) -> Target:
    """A file behind a URL; of one of the Hub's own, the file of that repo at that revision."""
    parts = urlsplit(url)
    usual = hub(None)
    of_hub = FILE_URL.fullmatch(unquote(parts.path))
    if of_hub and (parts.hostname in HUBS or url.startswith(usual.endpoint + "/")):
        door = usual if url.startswith(usual.endpoint + "/") else hub(f"https://{HUBS[0]}")
        source: ByteSource = door.open_file(of_hub["repo"], of_hub["path"], of_hub["revision"])
        return of_source(door, RepoRecord(hub_id="", repo_id=of_hub["repo"]), of_hub["path"], source)
    source = usual.open_url(url)
    return of_source(usual, local(parts.hostname or ""), source.name, source)


def of_source(hub: HubClient, repo: RepoRecord, path: str, source: ByteSource) -> Target:
    artifact = single_file_artifact(path, source)
    return Target(
        repo, artifact, lambda layouts: read_artifact(artifact, {}, lambda _: source, layouts=layouts), hub=hub
    )


def target_from_repo(hub: HubClient, repo_id: str, name: str) -> Target:
    """A repo's artifact that holds the file `name`, else the one whose header tells most."""
    from crawler.sources.huggingface.fetch import fetch_config, fetch_repo, read_repo_header

    found = fetch_repo(hub, LeasedRepo("", repo_id, None, None, 0))
    if isinstance(found, Skipped):
        raise RepoError(found.reason, found.detail)
    artifact = select_artifact(found.repo, found.artifacts, name)

    def read(layouts: Sequence[ArrayLength]) -> tuple[Header, Sequence[ArrayLength]]:
        config, skips = fetch_config(hub, found, artifact) if artifact.format != "gguf" else ({}, [])
        if any(skip.reason == "gated" for skip in skips):
            raise RepoError("gated", skips[0].detail)
        return read_repo_header(hub, found, artifact, layouts, config)

    return Target(found.repo, artifact, read, readable(found.artifacts, artifact), hub)


def select_artifact(repo: RepoRecord, artifacts: Sequence[ArtifactRecord], name: str) -> ArtifactRecord:
    """The artifact that a name means: its own, one of its files', or the end of one alone."""
    if name:
        exact = [a for a in artifacts if name == a.artifact or name in a.paths]
        close = [a for a in artifacts if a.artifact.endswith(name) or f"-{name.lower()}." in a.artifact.lower()]
        found = exact or (close if len(close) == 1 else [])
        if not found:
            names = ", ".join(a.artifact for a in close[:5]) or f"{len(artifacts)} others"
            raise FileError(name, "unreadable", f"{repo.repo_id} holds no such file; there are {names}")
        return found[0]
    chosen = select_headers(repo, artifacts)
    if not chosen:
        raise RepoError("unreadable", "it holds no GGUF or safetensors file")
    return chosen[0]


# ---- pieces ---------------------------------------------------------------------------------------------------------


def single_file_artifact(path: str, source: ByteSource) -> ArtifactRecord:
    """An artifact of one file. What no extension tells its first bytes do."""
    kind = extension(path)
    if kind not in READABLE:
        kind = "gguf" if source.read(0, 4) == b"GGUF" else "safetensors"
    return ArtifactRecord(path, role_of(path), kind, (path,), source.size)


def readable(artifacts: Sequence[ArtifactRecord], but: ArtifactRecord) -> tuple[str, ...]:
    return tuple(a.artifact for a in artifacts if a is not but and a.paths and extension(a.paths[0]) in READABLE)


def merge_config_files(texts: Mapping[str, bytes]) -> Json:
    """One configuration from the JSON files beside the weights; what is no JSON says nothing."""
    values: dict[str, Any] = {}
    for path, text in texts.items():
        try:
            values[path] = json.loads(text)
        except (ValueError, RecursionError):
            continue
    return config_of(values)

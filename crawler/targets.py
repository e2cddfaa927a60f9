"""The targets of `hf-catalog header`: a path, a URL, or a repo and perhaps a file of it, as an artifact to read.

PATH           model-Q4_K_M.gguf                a local file; its other shards and config.json beside it belong to it
URL            https://host/model.gguf          a remote file; of the Hub's own address, of that repo and revision
REPO           google/gemma-3-4b-it             the artifact of a repo that `select_headers` selects first
REPO::FILE     owner/name::path/in/repo.gguf    this file of a repo
REFERENCE      hf.co/owner/name:Q4_K_M          what other programs call it (analysis.names.references)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from analysis.errors import SourceError
from analysis.files.artifacts import group_artifacts
from analysis.files.roles import role_of
from analysis.files.select_headers import select_headers
from analysis.formats.formats import FOLDER_FORMATS, format_of_path
from analysis.formats.model_config import find_config_files, merge_configs
from analysis.formats.readers import (
    READERS,
    find_reader,
    has_reader,
    is_crawled,
    is_readable,
    recognize_format,
)
from analysis.formats.source import ByteSource, FileSource
from analysis.names.references import Reference, find_reference, may_refer
from analysis.untrusted import MAX_CONFIG_BYTES, parse_json_text
from crawler.errors import FileError, RepoError
from crawler.read_headers import read_artifact
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, FileRecord, Header, LeasedRepo, RepoRecord, Skipped

if TYPE_CHECKING:
    from crawler.sources.huggingface.client import HubClient

MAX_FOLDER_FILES = 20_000
"""Files of a folder that are searched for shards."""

HUBS = ("huggingface.co", "www.huggingface.co", "hf.co")
FILE_URL = re.compile(r"/(?P<repo>[\w.-]+/[\w.-]+)/(?:resolve|blob|raw)/(?P<revision>[^/]+)/(?P<path>.+)")
REPO = re.compile(r"[\w.-]+(?:/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class Target:
    """An artifact whose header can be read. Reading raises HeaderError and SourceError."""

    repo: RepoRecord
    artifact: ArtifactRecord
    read: Callable[[Sequence[ArrayLength]], tuple[Header, Sequence[ArrayLength]]]
    """Known array lengths -> the header, and new array lengths."""
    others: tuple[str, ...] = ()
    """Further artifacts of the same repo whose headers can be read."""
    hub: HubClient | None = None
    """The client that found it, with its counters of requests and bytes; None for local files."""


def resolve_target(target: str, hub: Callable[[str | None], HubClient]) -> Target:
    """The artifact that `target` names. `hub` makes the client of an endpoint (None: the default one) if it is needed.

    Raises SourceError for files that are not there, RepoError for a repo that can't be read, and what ends a run.
    """
    if target.startswith(("http://", "https://")):
        return target_from_url(target, hub)
    path = Path(target)
    if path.exists():
        return target_from_folder(path) if path.is_dir() else target_from_path(path)
    reference = find_reference(target) if may_refer(target) else None
    if reference is not None:
        return target_from_reference(reference, hub(None))
    if not REPO.fullmatch(target) or is_readable(target):
        raise SourceError(target, "is neither a local file nor a URL nor a repo")
    return target_from_repo(hub(None), target, "")


# ---- local files -----------------------------------------------------------------------------------------------------


def target_from_path(path: Path) -> Target:
    """A local file, with its other shards."""
    found = group_artifacts(list_folder(path.parent), local_repo(path.parent.name))
    whole = next((artifact for artifact in found if path.name in artifact.paths), None)
    if whole is None or not has_reader(whole) or (len(whole.paths) == 1 and not is_crawled(whole)):
        whole = single_file_artifact(path.name, FileSource(path))
    return _local_target(path.parent, whole)


def target_from_folder(folder: Path) -> Target:
    """The artifact of a folder that `select_headers` selects first, or the folder itself where a format is one."""
    if (package := package_artifact(folder.resolve())) is not None:
        return _local_target(folder.resolve().parent, package)
    repo = local_repo(folder.resolve().name)
    artifacts = group_artifacts(list_folder(folder), repo)
    chosen = _select_first(repo, artifacts)
    if chosen is None:
        raise SourceError(str(folder), f"holds no {' or '.join(READERS)} file")
    return _local_target(folder, chosen, _other_readable(artifacts, chosen))


def package_artifact(folder: Path) -> ArtifactRecord | None:
    """The artifact of a folder that is one by its name, like `Model.mlpackage`; None for others."""
    format_ = next((name for ending, name in FOLDER_FORMATS.items() if folder.name.endswith(ending)), None)
    if format_ is None:
        return None
    files = sorted(path for path in islice(folder.rglob("*"), MAX_FOLDER_FILES) if path.is_file())
    paths = tuple(path.relative_to(folder.parent).as_posix() for path in files)
    return ArtifactRecord(folder.name, "weights", format_, paths, sum(path.stat().st_size for path in files))


def _local_target(folder: Path, artifact: ArtifactRecord, others: tuple[str, ...] = ()) -> Target:
    small = {file.path for file in list_folder(folder) if (file.size or 0) <= MAX_CONFIG_BYTES}
    config = merge_config_files({name: (folder / name).read_bytes() for name in find_config_files(artifact, small)})
    sizes = {path: (folder / path).stat().st_size for path in artifact.paths}

    def read(known: Sequence[ArrayLength]) -> tuple[Header, Sequence[ArrayLength]]:
        return read_artifact(
            artifact, sizes, lambda path: FileSource(folder / path), array_lengths=known, config=config
        )

    return Target(local_repo(folder.resolve().name), artifact, read, others)


def list_folder(folder: Path) -> tuple[FileRecord, ...]:
    """The files of a folder, without those in folders below it."""
    found = []
    for number, path in enumerate(sorted(folder.iterdir() if folder.is_dir() else ())):
        if number == MAX_FOLDER_FILES:
            break
        if path.is_file() and path.name.isprintable():
            found.append(FileRecord(path.name, path.stat().st_size))
    return tuple(found)


def local_repo(name: str) -> RepoRecord:
    """A repo that stands for a local folder, so that names and artifacts can be read as on the Hub."""
    return RepoRecord(hub_id="", repo_id=name or "local")


# ---- URLs and repos --------------------------------------------------------------------------------------------------


def target_from_reference(reference: Reference, hub: HubClient) -> Target:
    """The file or the quantization that a pasted reference names, else the artifact of its repo that is read first."""
    repo_id, file, revision = reference.repo_id, reference.file, reference.revision
    if revision is None or revision == "main":
        return target_from_repo(hub, repo_id, file or (reference.tag if reference.tag != "latest" else "") or "")
    if file is None:
        return target_from_repo(hub, repo_id, reference.tag or "", revision)
    return _remote_target(hub, RepoRecord(hub_id="", repo_id=repo_id), file, hub.open_file(repo_id, file, revision))


def target_from_url(url: str, hub: Callable[[str | None], HubClient]) -> Target:
    """A file behind a URL; of the Hub's own address, the file of that repo at that revision."""
    parts = urlsplit(url)
    default = hub(None)
    at_endpoint = url.startswith(default.endpoint + "/")
    found = FILE_URL.fullmatch(unquote(parts.path))
    if found and (parts.hostname in HUBS or at_endpoint):
        client = default if at_endpoint else hub(f"https://{HUBS[0]}")
        source: ByteSource = client.open_file(found["repo"], found["path"], found["revision"])
        return _remote_target(client, RepoRecord(hub_id="", repo_id=found["repo"]), found["path"], source)
    page = find_reference(url) if parts.hostname in HUBS else None
    if page is not None and page.owner is not None:
        return target_from_reference(page, default)
    source = default.open_url(url)
    return _remote_target(default, local_repo(parts.hostname or ""), source.name, source)


def _remote_target(hub: HubClient, repo: RepoRecord, path: str, source: ByteSource) -> Target:
    artifact = single_file_artifact(path, source)

    def read(known: Sequence[ArrayLength]) -> tuple[Header, Sequence[ArrayLength]]:
        return read_artifact(artifact, {}, lambda _: source, array_lengths=known)

    return Target(repo, artifact, read, hub=hub)


def target_from_repo(hub: HubClient, repo_id: str, name: str, revision: str | None = None) -> Target:
    """A repo's artifact that holds the file `name`, else the one that `select_headers` selects first.

    `revision` is a branch, a tag or a commit; None for main.
    """
    from crawler.sources.huggingface.fetch import fetch_config, fetch_repo, read_repo_header

    found = fetch_repo(hub, LeasedRepo("", repo_id, None, None, 0), revision)
    if isinstance(found, Skipped):
        raise RepoError(found.reason, found.detail)
    artifact = select_artifact(found.repo, found.artifacts, name)

    def read(known: Sequence[ArrayLength]) -> tuple[Header, Sequence[ArrayLength]]:
        config: Json = {}
        if find_reader(artifact).uses_config:
            fetched_config = fetch_config(hub, found, artifact)
            config, skips = fetched_config.values, fetched_config.skipped
            if any(skip.reason == "gated" for skip in skips):
                raise RepoError("gated", skips[0].detail)
        return read_repo_header(hub, found, artifact, known, config)

    return Target(found.repo, artifact, read, _other_readable(found.artifacts, artifact), hub)


def select_artifact(repo: RepoRecord, artifacts: Sequence[ArtifactRecord], name: str) -> ArtifactRecord:
    """The artifact of this name, or with a file of this name, or the only one whose name ends so.

    Without a name, the one that `select_headers` selects first. Raises FileError and RepoError.
    """
    if name:
        exact = [a for a in artifacts if name == a.artifact or name in a.paths]
        close = [a for a in artifacts if a.artifact.endswith(name) or f"-{name.lower()}." in a.artifact.lower()]
        found = exact or (close if len(close) == 1 else [])
        if not found:
            names = ", ".join(a.artifact for a in close[:5]) or f"{len(artifacts)} others"
            raise FileError(name, "unreadable", f"{repo.repo_id} holds no such file; there are {names}")
        return found[0]
    chosen = _select_first(repo, artifacts)
    if chosen is None:
        raise RepoError("unreadable", f"it holds no {' or '.join(READERS)} file")
    return chosen


def _select_first(repo: RepoRecord, artifacts: Sequence[ArtifactRecord]) -> ArtifactRecord | None:
    """The artifact that a crawl would read first, else the largest one that can be read."""
    chosen = select_headers(repo, artifacts)
    others = [each for each in artifacts if each.role == "weights" and has_reader(each)]
    return chosen[0] if chosen else max(others, key=lambda each: each.total_size or 0, default=None)


# ---- helpers ---------------------------------------------------------------------------------------------------------


def single_file_artifact(path: str, source: ByteSource) -> ArtifactRecord:
    """An artifact of one file. Its first bytes say the format unless its extension is one that crawls read."""
    format_ = format_of_path(path)
    reader = READERS.get(format_ or "")
    if reader is None or not reader.crawled:
        format_ = recognize_format(source) or format_
    return ArtifactRecord(path, role_of(path), format_, (path,), source.size)


def _other_readable(artifacts: Sequence[ArtifactRecord], chosen: ArtifactRecord) -> tuple[str, ...]:
    return tuple(each.artifact for each in artifacts if each is not chosen and each.paths and has_reader(each))


def merge_config_files(texts: Mapping[str, bytes]) -> Json:
    """One configuration from the JSON files beside the weights. Files that are not valid JSON are skipped."""
    values: dict[str, Any] = {}
    for path, text in texts.items():
        try:
            values[path] = parse_json_text(text)
        except ValueError:
            continue
    return merge_configs(values)

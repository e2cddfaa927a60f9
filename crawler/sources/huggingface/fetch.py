"""One repo of the Hub: its metadata, files, configuration files and headers, each a function over a HubClient.

Errors of one repo or file are returned or raised as RepoError; errors that end the run (CrawlError, CrawlStopped) are
raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.errors import HeaderError
from analysis.files.artifacts import group_artifacts
from analysis.files.branches import has_weights_on_branches
from analysis.formats.model_config import find_config_files, merge_configs
from analysis.formats.readers import find_reader
from analysis.labels.evidence.security import SCAN_FACT
from analysis.untrusted import MAX_CONFIG_BYTES, parse_json_text
from crawler.errors import FileError, HubUnreachable, RepoError
from crawler.read_headers import read_answer, read_artifact, read_pickles
from crawler.skips import make_skip, make_skip_by_id
from crawler.sources.huggingface.bounded_json import merge_config
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.scans import add_scans, parse_repo_scan
from crawler.sources.source import FetchedConfig, FetchedRepo
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, FileRecord, Header, LeasedRepo, RepoRecord, Skipped

MAX_FILES = 100_000
"""Files of one repo."""

MAX_PATH_LENGTH = 1024
"""Characters of a file's path."""

MAX_BRANCHES = 100
"""Branches of one repo that are kept."""

MAX_BRANCH_NAME_LENGTH = 200


# ---- metadata and files ---------------------------------------------------------------------------------------------


def fetch_repo(client: HubClient, leased: LeasedRepo, revision: str | None = None) -> FetchedRepo | Skipped:
    """The repo as it is now, with its files: one request for nearly all repos. `revision`: None for main."""
    try:
        payload, wrong_fields = client.repo_info(leased.repo_id, revision), list[str]()
        listed = client.parse_repo(payload, wrong_fields=wrong_fields)
        if isinstance(listed, Skipped):
            return replace(listed, repo_id=leased.repo_id)
        if leased.hub_id and listed.hub_id != leased.hub_id:
            raise RepoError("renamed", f"another repo has this id now ({listed.hub_id})")
        files = parse_files(payload, client, listed)
        if listed.type != "model":
            return FetchedRepo(leased, listed, listed, files, (), bool(wrong_fields))
        scan = parse_repo_scan(payload.get("securityRepoStatus"))
        files = add_scans(client, listed, files, scan)
        artifacts = group_artifacts(files, listed)
        repo = note_quantized_branches(client, listed, artifacts)
        if scan:
            repo = replace(repo, extra={**repo.extra, SCAN_FACT: scan})
        return FetchedRepo(leased, listed, repo, files, artifacts, bool(wrong_fields))
    except RepoError as error:
        return make_skip(leased, error)


def probe_repo(client: HubClient, leased: LeasedRepo) -> RepoRecord | Skipped:
    """The repo without its files, to learn whether it still exists."""
    try:
        return client.parse_repo(client.repo_info(leased.repo_id, expand=client.api.keys))
    except RepoError as error:
        return make_skip(leased, error)


def parse_files(payload: Json, client: HubClient, repo: RepoRecord) -> tuple[FileRecord, ...]:
    """The files that a repo's payload lists, by path. If it lacks the size of one, the file tree is requested instead.

    An entry that is malformed is left out, and counted.
    """
    siblings = payload.get("siblings")
    if siblings is not None and not isinstance(siblings, list):
        client.counters.count_wrong_field("siblings")
    if isinstance(siblings, list) and len(siblings) > MAX_FILES:
        raise RepoError("too large", f"{len(siblings):,} files")
    entries = siblings if isinstance(siblings, list) and all(map(has_size, siblings)) else None
    if entries is None:
        entries = _fetch_tree(client, repo.repo_id, repo.sha or "main")
    found: dict[str, FileRecord] = {}
    for entry in entries:
        file = parse_file(entry)
        if file is None:
            client.counters.count_wrong_field("siblings")
        else:
            found[file.path] = file
    return tuple(found[path] for path in sorted(found))


def has_size(entry: Any) -> bool:
    """Whether a file's entry states its size; one that is no object states nothing that the tree would tell."""
    return not isinstance(entry, dict) or non_negative_int(entry.get("size")) is not None


def _fetch_tree(client: HubClient, repo_id: str, revision: str) -> list[Any]:
    entries = []
    for entry in client.list_files(repo_id, revision):
        entries.append(entry)
        if len(entries) > MAX_FILES:
            raise RepoError("too large", f"more than {MAX_FILES:,} files")
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("type") == "file"]


def parse_file(entry: Any) -> FileRecord | None:
    """One file, from the repo's info (`rfilename`, `blobId`, `lfs.sha256`) or its tree (`path`, `oid`, `lfs.oid`).

    None for an entry that is malformed.
    """
    path = entry.get("rfilename", entry.get("path")) if isinstance(entry, dict) else None
    if not isinstance(path, str) or not 0 < len(path) <= MAX_PATH_LENGTH or not path.isprintable():
        return None
    declared = entry.get("lfs")
    lfs: dict[str, Any] = declared if isinstance(declared, dict) else {}
    size, lfs_size = non_negative_int(entry.get("size")), non_negative_int(lfs.get("size"))
    blob, sha256 = entry.get("blobId", entry.get("oid")), lfs.get("sha256", lfs.get("oid"))
    return FileRecord(path, lfs_size if lfs_size is not None else size, hex_digest(blob, 40), hex_digest(sha256, 64))


def non_negative_int(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None


def hex_digest(value: Any, length: int) -> str | None:
    """A digest of `length` lower-case hexadecimal digits; None for anything else."""
    valid = isinstance(value, str) and len(value) == length and not set(value) - set("0123456789abcdef")
    return value if valid else None


def note_quantized_branches(client: HubClient, repo: RepoRecord, artifacts: Sequence[ArtifactRecord]) -> RepoRecord:
    """Adds `extra["branches"]` to a repo whose weights may be there."""
    if not has_weights_on_branches(repo, artifacts):
        return repo
    listed = client.list_refs(repo.repo_id).get("branches")
    names = [entry.get("name") for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    kept = sorted(
        name
        for name in names
        if isinstance(name, str) and 0 < len(name) < MAX_BRANCH_NAME_LENGTH and name.isprintable()
    )
    branches = [name for name in kept if name != "main"][:MAX_BRANCHES]
    return replace(repo, extra={**repo.extra, "branches": branches}) if branches else repo


def hub_is_healthy(client: HubClient) -> bool:
    """Whether the Hub answers for a single repo that it lists itself. Raises what ends a run."""
    try:
        client.check_repos()
    except HubUnreachable:
        return False
    return True


# ---- configuration and headers --------------------------------------------------------------------------------------


def fetch_config(client: HubClient, fetched: FetchedRepo, artifact: ArtifactRecord) -> FetchedConfig:
    """The configuration files of an artifact.

    The `config` of the Hub's API leaves out everything about shapes, so the files themselves are read.
    """
    repo, revision = fetched.repo, fetched.repo.sha or "main"
    sizes = {file.path: file.size or 0 for file in fetched.files}
    values: dict[str, Any] = {}
    skips: list[Skipped] = []
    for path in find_config_files(artifact, sizes):
        if not 0 < sizes[path] <= MAX_CONFIG_BYTES:
            continue
        try:
            values[path] = parse_json_text(client.read_small_file(repo.repo_id, path, revision, size=sizes[path]))
            continue
        except ValueError:
            error: RepoError = FileError(path, "unreadable", "not valid JSON")
        except RepoError as met:
            error = FileError(path, met.reason, met.detail)
        skips.append(make_skip_by_id(repo.repo_id, repo.hub_id, error.reason, str(error)))
    config = merge_configs(values)
    if config:
        repo = replace(repo, config=merge_config(repo.config, config))
    return FetchedConfig(config, repo, tuple(skips))


def read_repo_header(
    client: HubClient, fetched: FetchedRepo, artifact: ArtifactRecord, layouts: Sequence[ArrayLength], config: Json
) -> tuple[Header, Sequence[ArrayLength]]:
    """One artifact's header, and the array lengths that were learnt while it was read.

    The headers of many safetensors shards come in one API request where the Hub offers it; otherwise the files are
    read. Raises HeaderError and RepoError.
    """
    sizes = {file.path: file.size for file in fetched.files}
    repo_id, revision = fetched.repo.repo_id, fetched.repo.sha or "main"
    if find_reader(artifact).read_answer is not None and len(artifact.paths) > 1:
        index = find_index_file(artifact, sizes)
        payload = client.safetensors_metadata(repo_id, index) if index else None
        if payload is not None:
            try:
                return read_answer(payload, artifact, sizes, config), ()
            except HeaderError:
                pass  # the API describes `main`, which may have changed since; the files of this commit decide
    return read_artifact(
        artifact,
        sizes,
        lambda path: client.open_file(repo_id, path, revision, sizes.get(path)),
        array_lengths=layouts,
        config=config,
    )


def read_repo_pickles(client: HubClient, fetched: FetchedRepo, artifact: ArtifactRecord) -> Header:
    """What one artifact's pickles would import. Raises HeaderError and RepoError."""
    sizes = {file.path: file.size for file in fetched.files}
    repo_id, revision = fetched.repo.repo_id, fetched.repo.sha or "main"
    return read_pickles(artifact, sizes, lambda path: client.open_file(repo_id, path, revision, sizes.get(path)))


def find_index_file(artifact: ArtifactRecord, sizes: Mapping[str, int | None]) -> str | None:
    """The index file that names an artifact's shards: the one in the same folder."""
    folder = artifact.paths[0].rpartition("/")[0]
    names = [path for path in sizes if path.endswith(".safetensors.index.json") and path.rpartition("/")[0] == folder]
    return min(names, key=len) if names else None

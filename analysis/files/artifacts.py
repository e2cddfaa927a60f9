"""From a repo's files to its artifacts: what one program loads as one thing. By names and sizes; no file is opened.

    files -> groups (shards, a graph with its external data, folders that are one thing) -> artifacts -> copies

Cards, tokenizers, configurations and training state stay files: they are not loaded on their own. Of several copies of
the same weights one is `primary`, the one that a loader would take, so that the primary artifacts' sizes add up to what
has to be downloaded. The quants of a GGUF repo are no copies of each other: each is a separate choice.

A set of shards of which some are missing is an artifact whose size and content are unknown; `missing_parts` counts
them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import NamedTuple

from analysis.files.copies import CANONICAL_STEMS, mark_primary
from analysis.files.roles import is_training_state, role_of, stem
from analysis.files.shards import missing_of, part_of
from analysis.formats.formats import (
    FOLDER_FORMATS,
    FORMATS,
    SIDECAR_ROLES,
    extension_of,
    find_format,
    format_of_path,
)
from db.record_base import Role
from db.records import ArtifactRecord, FileRecord, RepoRecord

LOADABLE_ROLES: frozenset[Role] = SIDECAR_ROLES | {"weights"}
"""Roles of what is loaded by itself. Weights of a pipeline's other parts are artifacts too, of the role `other`."""


def group_artifacts(files: Sequence[FileRecord], repo: RepoRecord) -> tuple[ArtifactRecord, ...]:
    """The artifacts of a repo's files, sorted by name; every file belongs to at most one."""
    paths = {file.path for file in files}
    named_formats = _named_formats(repo)
    found = []
    for name, group in _group_files(sorted(files, key=lambda file: file.path)).items():
        artifact = _make_artifact(name, group, repo, paths, named_formats)
        if artifact is not None:
            found.append(artifact)
    if not any(artifact.role == "weights" for artifact in found):  # a repo of nothing but a text encoder: that is it
        found = [replace(artifact, role="weights") if artifact.role == "other" else artifact for artifact in found]
    return tuple(sorted(mark_primary(_make_names_unique(found, paths)), key=lambda artifact: artifact.artifact))


def missing_parts(artifact: ArtifactRecord) -> int:
    """How many shards the repo does not hold, by the names of those that it holds."""
    return missing_of(artifact.paths)


# ---- Groups ---------------------------------------------------------------------------------------------------------


class Whole(NamedTuple):
    """What a file is a part of: its name, and in how many shards it was split (0: not split, None: no name says it)."""

    name: str
    shards: int | None = 0


@dataclass(slots=True)
class Group:
    """The files of one whole, shards in their order, and the format whose rule joins them; None for shards."""

    files: list[FileRecord] = field(default_factory=list)
    format: str | None = None


def _group_files(files: Sequence[FileRecord]) -> dict[str, Group]:
    """Files that are loaded together, by the name of the whole. Sets of different counts of shards stay apart."""
    paths = {file.path for file in files}
    folders = _find_folders(paths)
    groups: defaultdict[Whole, Group] = defaultdict(Group)
    for file in files:
        whole, format_ = _find_whole(file.path, paths, folders)
        group = groups[whole]
        group.files.append(file)
        group.format = format_ or group.format
    ways = Counter(whole.name for whole in groups)
    named: dict[str, Group] = {}
    for whole, group in groups.items():
        name = whole.name
        if whole.shards != 0:
            group.files.sort(key=lambda file: (part.number if (part := part_of(file.path)) else 0, file.path))
            if name in paths or ways[name] > 1:
                name = _add_shard_count(name, whole.shards or len(group.files))
        named[name] = group
    return named


_FOLDER_FILES: Mapping[str, str] = {each.folder_file: each.name for each in FORMATS.values() if each.folder_file}
_JOINED = tuple((pattern, each.name) for each in FORMATS.values() for pattern in each.joined_files)


class Pair(NamedTuple):
    """Two files of one name that are one artifact: the extension of its description, and its format."""

    description: str
    format: str


_PAIRS: Mapping[str, Pair] = {
    each.paired_extensions[1]: Pair(each.paired_extensions[0], each.name)
    for each in FORMATS.values()
    if each.paired_extensions
}
"""By the extension of the weights, which are named after the description beside them."""


def _find_folders(paths: Collection[str]) -> dict[str, str]:
    """Folders that are one artifact because of a file in them, and their format: a SavedModel."""
    found = {}
    for path in paths:
        folder, slash, name = path.rpartition("/")
        if slash and name in _FOLDER_FILES:
            found[folder] = _FOLDER_FILES[name]
    return found


def _find_whole(path: str, paths: Collection[str], folders: Mapping[str, str]) -> tuple[Whole, str | None]:
    """What a file is a part of, itself for most, and the format whose rule says so."""
    for ending, format_ in FOLDER_FORMATS.items():
        if f"{ending}/" in path:
            return Whole(path[: path.index(f"{ending}/") + len(ending)]), format_
    if folders:
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in folders:
                return Whole(folder), folders[folder]
    for pattern, format_ in _JOINED:
        if found := pattern.fullmatch(path):
            return Whole(found[1]), format_
    weights = _PAIRS.get(extension_of(path))
    if weights and f"{path.rpartition('.')[0]}.{weights.description}" in paths:
        return Whole(f"{path.rpartition('.')[0]}.{weights.description}"), weights.format
    part = part_of(path)
    return (Whole(part.whole, part.total) if part else Whole(path)), None


def _add_shard_count(name: str, count: int) -> str:
    """The name of a split whole beside an unsplit one of the same name: model-of-00003.safetensors."""
    head, dot, tail = name.rpartition(".")
    return f"{head}-of-{count:05d}.{tail}" if dot and "/" not in tail else f"{name}-of-{count:05d}"


# ---- One artifact ---------------------------------------------------------------------------------------------------


def _make_artifact(
    name: str, group: Group, repo: RepoRecord, paths: Collection[str], named_formats: Collection[str]
) -> ArtifactRecord | None:
    """The artifact of a group; None for files that are not loaded by themselves."""
    if is_training_state(name):
        return None
    role: Role = role_of(name)
    format_ = group.format or format_of_path(name)
    if role == "other" and format_ and _is_named_by_rule(format_, group):
        role = "weights"
    if role not in LOADABLE_ROLES | {"other"} or (format_ is None and extension_of(name) != "imatrix"):
        return None
    if role == "weights" and format_:
        format_ = _format_from_repo(name, format_, named_formats)
        role = "adapter" if _is_adapter_by_repo(name, repo, paths) else role
    whole = missing_of([file.path for file in group.files]) == 0
    sizes = [file.size for file in group.files]
    return ArtifactRecord(
        artifact=name,
        role=role,
        format=format_,
        paths=tuple(file.path for file in group.files),
        total_size=sum(size or 0 for size in sizes) if whole and None not in sizes else None,
        content=digest_content(group.files) if whole else None,
    )


def _is_named_by_rule(format_: str, group: Group) -> bool:
    """Whether the artifact's name does not say its role: the folder of a SavedModel, an OpenVINO description."""
    rule = find_format(format_)
    return bool(rule.paired_extensions) or any(file.path.rpartition("/")[2] == rule.folder_file for file in group.files)


def digest_content(files: Sequence[FileRecord]) -> str | None:
    """What identifies the bytes: one file's sha256, else the sha256 over those of all, in order, as text."""
    digests = [file.sha256 for file in files]
    if None in digests:
        return None
    return digests[0] if len(digests) == 1 else sha256("\n".join(map(str, digests)).encode()).hexdigest()


# ---- What the repo says ---------------------------------------------------------------------------------------------

_TAGGED = tuple((each.name, each.tagged_files) for each in FORMATS.values() if each.tagged_files)


def _named_formats(repo: RepoRecord) -> frozenset[str]:
    """Words of the repo that may name a format: its tags, its library and its quant_method."""
    quantization = repo.config.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    words = [tag.lower() for tag in repo.tags]
    return frozenset([*words, (repo.library_name or "").lower(), method if isinstance(method, str) else ""])


def _format_from_repo(name: str, format_: str, named_formats: Collection[str]) -> str:
    """The format of weights: one that the repo names and that is stored in such files, else what the path says."""
    file_name = name.rpartition("/")[2]
    for tagged, pattern in _TAGGED:
        if tagged in named_formats and pattern.fullmatch(file_name):
            return tagged
    return format_


def _is_adapter_by_repo(name: str, repo: RepoRecord, paths: Collection[str]) -> bool:
    """A file of an adapter's repo whose own name does not say what it is: a LoRA named for what it draws."""
    if extension_of(name) not in ("safetensors", "bin", "pt") or stem(name).lower() in CANONICAL_STEMS:
        return False
    if "config.json" in paths or "model_index.json" in paths:
        return False
    words = {tag.lower() for tag in repo.tags} | {(repo.library_name or "").lower()}
    return not words.isdisjoint(("peft", "lora")) or any(edge.relation == "adapter" for edge in repo.edges)


def _make_names_unique(artifacts: list[ArtifactRecord], paths: Collection[str]) -> list[ArtifactRecord]:
    """No two artifacts of one name, and none named as another's file."""
    taken: set[str] = set()
    for at, artifact in enumerate(artifacts):
        name, number = artifact.artifact, 2
        while name in taken or (name in paths and name not in artifact.paths):
            name, number = f"{artifact.artifact} ({number})", number + 1
        taken.add(name)
        if name != artifact.artifact:
            artifacts[at] = replace(artifact, artifact=name)
    return artifacts

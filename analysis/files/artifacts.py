"""From a repo's files to its artifacts: the things that a person would load. By names and sizes; nothing is opened.

    files -> groups (shards, weights with their external data, folders that are one thing) -> artifacts -> copies

What nobody loads by itself (cards, tokenizers, configurations, training state) is no artifact; it stays a file. Of
several copies of the same weights one is `primary`: what a loader would take, so that the primary artifacts' sizes add
up to what one has to download. The quants of a GGUF repo are no copies of each other: each is what somebody wants.

A set of shards of which some are missing is an artifact whose size and content are unknown; `missing_parts` says how
many are.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from statistics import median

from analysis.files.copies import CANONICAL, primaries
from analysis.files.roles import PACKAGES, SIDECAR_ROLES, extension, format_of, is_training_state, role_of, stem
from analysis.files.shards import missing_of, part_of
from db.record_base import Role
from db.records import ArtifactRecord, FileRecord, RepoRecord

LOADABLE_ROLES: frozenset[Role] = SIDECAR_ROLES | {"weights"}
"""Roles of what is loaded by itself. Weights of a pipeline's other parts are artifacts too, of the role `other`."""

READABLE = frozenset({"gguf", "safetensors"})
"""Extensions of files whose headers can be read."""

MAX_HEADERS_PER_REPO = 12
"""GGUF headers of one repo that are read for disagreeing with their names, at most."""

Groups = dict[str, list[FileRecord]]


def group_artifacts(files: Sequence[FileRecord], repo: RepoRecord) -> tuple[ArtifactRecord, ...]:
    """The artifacts of a repo's files, in the order of their names; every file belongs to at most one."""
    paths = {file.path for file in files}
    found = []
    for name, members in _groups(sorted(files, key=lambda file: file.path)).items():
        made = _artifact(name, members, repo, paths)
        if made is not None:
            found.append(made)
    if not any(artifact.role == "weights" for artifact in found):  # a repo of nothing but a text encoder: that is it
        found = [replace(artifact, role="weights") if artifact.role == "other" else artifact for artifact in found]
    return tuple(sorted(primaries(_unique(found, paths)), key=lambda artifact: artifact.artifact))


def missing_parts(artifact: ArtifactRecord) -> int:
    """How many shards the repo does not hold, as the names of those it holds tell."""
    return missing_of(artifact.paths)


# ---- Groups ---------------------------------------------------------------------------------------------------------

_EXTERNAL = re.compile(r"(.+\.onnx)(?:[._-]?data)(?:[._-]\d+)?", re.I)
_CHECKPOINT = re.compile(r"(.+\.ckpt(?:-\d+)?)\.(?:index|meta|data-\d+-of-\d+)", re.I)


def _groups(files: Sequence[FileRecord]) -> Groups:
    """Files that are loaded together, by the name of the whole. Shards of different counts are different wholes."""
    paths = {file.path for file in files}
    saved = {path.rpartition("/")[0] for path in paths if path.endswith("/saved_model.pb")}
    groups: defaultdict[tuple[str, int | None], list[FileRecord]] = defaultdict(list)
    for file in files:
        whole, count = _join_shards(file.path, paths, saved)
        groups[whole, count].append(file)
    ways = Counter(whole for whole, _ in groups)
    named: Groups = {}
    for (whole, count), members in groups.items():
        if count == 0:
            name = whole
        else:
            members.sort(key=lambda file: (part.number if (part := part_of(file.path)) else 0, file.path))
            taken = whole in paths or ways[whole] > 1
            name = _counted(whole, count or len(members)) if taken else whole
        named[name] = members
    return named


def _join_shards(path: str, paths: Collection[str], saved: Collection[str]) -> tuple[str, int | None]:
    """The whole that a file belongs to, and of how many pieces it is: 0 for what was not cut into pieces."""
    for package in PACKAGES:
        if f"{package}/" in path:
            return path[: path.index(f"{package}/") + len(package)], 0
    if saved:
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in saved:
                return folder, 0
    if found := _EXTERNAL.fullmatch(path):
        return found[1], 0
    if found := _CHECKPOINT.fullmatch(path):
        return found[1], 0
    if path.endswith(".bin") and f"{path[:-4]}.xml" in paths:  # OpenVINO: structure and weights
        return f"{path[:-4]}.xml", 0
    part = part_of(path)
    return (part.whole, part.total) if part else (path, 0)


def _counted(whole: str, count: int) -> str:
    """The name of a split whole beside an unsplit one of the same name: model-of-00003.safetensors."""
    head, dot, tail = whole.rpartition(".")
    return f"{head}-of-{count:05d}.{tail}" if dot and "/" not in tail else f"{whole}-of-{count:05d}"


def _artifact(name: str, members: list[FileRecord], repo: RepoRecord, paths: Collection[str]) -> ArtifactRecord | None:
    role: Role = role_of(name)
    kind = format_of(name) or _format_of_folder(members)
    if kind == "openvino" or (extension(name) == "xml" and len(members) > 1):
        kind, role = "openvino", "weights" if role == "other" else role
    elif (
        kind
        and role == "other"
        and not is_training_state(name)
        and any(m.path.endswith("saved_model.pb") for m in members)
    ):
        role = "weights"
    if kind is None or role not in LOADABLE_ROLES | {"other"} or is_training_state(name):
        return None
    if role == "imatrix":
        kind = "gguf" if extension(name) == "gguf" else None
    elif role == "weights":
        kind, role = _format_from_repo(name, kind, repo, paths)
    whole = missing_of([file.path for file in members]) == 0
    sizes = [file.size for file in members]
    return ArtifactRecord(
        artifact=name,
        role=role,
        format=kind,
        paths=tuple(file.path for file in members),
        total_size=sum(size or 0 for size in sizes) if whole and None not in sizes else None,
        content=_content(members) if whole else None,
    )


def _format_of_folder(members: list[FileRecord]) -> str | None:
    names = {file.path.rpartition("/")[2] for file in members}
    if "saved_model.pb" in names:
        return "tensorflow"
    return "tensorflow" if any(_CHECKPOINT.fullmatch(name) for name in names) else None


def _content(members: list[FileRecord]) -> str | None:
    """What identifies the bytes: one file's sha256, else the sha256 over those of all, in order, as text."""
    digests = [file.sha256 for file in members]
    if None in digests:
        return None
    return digests[0] if len(digests) == 1 else sha256("\n".join(map(str, digests)).encode()).hexdigest()


_OWN_FORMATS = ("exl2", "exl3", "mlx")


def _format_from_repo(name: str, kind: str, repo: RepoRecord, paths: Collection[str]) -> tuple[str, Role]:
    """Format and role of weights, where the repo says more than the file's name."""
    quantization = repo.config.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    tags = {tag.lower() for tag in repo.tags} | {(repo.library_name or "").lower()}
    if kind in ("safetensors", "numpy"):
        for own in _OWN_FORMATS:
            if method == own or own in tags:
                return own, "adapter" if _adapter_repo(name, tags, repo, paths) else "weights"
    if kind == "pytorch" and name.endswith(".bin"):
        for own in ("ctranslate2", "fasttext"):
            if own in tags and stem(name) == "model":
                return own, "weights"
    return kind, "adapter" if _adapter_repo(name, tags, repo, paths) else "weights"


def _adapter_repo(name: str, tags: Collection[str], repo: RepoRecord, paths: Collection[str]) -> bool:
    """A file of an adapter's repo whose own name does not say what it is: a LoRA named for what it draws."""
    if extension(name) not in ("safetensors", "bin", "pt") or stem(name).lower() in CANONICAL:
        return False
    declared = "peft" in tags or "lora" in tags or any(edge.relation == "adapter" for edge in repo.edges)
    return declared and "config.json" not in paths and "model_index.json" not in paths


def _unique(artifacts: list[ArtifactRecord], paths: Collection[str]) -> list[ArtifactRecord]:
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


# ---- Which headers to read ------------------------------------------------------------------------------------------


def select_headers(
    repo: RepoRecord, artifacts: Sequence[ArtifactRecord], known: Collection[str] = (), *, every: bool = False
) -> tuple[ArtifactRecord, ...]:
    """The artifacts whose headers are worth opening, cheapest first.

    One GGUF file tells what its siblings share (architecture, context, tokenizer); further ones are opened where name
    and size disagree with the others. Of safetensors weights one variant is. `known` holds contents that were read
    already, in this repo or another. `every` asks for all that can be read.
    """
    readable = [a for a in artifacts if _readable(a)]
    if every:
        return tuple(sorted((a for a in readable if a.content not in known), key=_cost))
    chosen = _select_gguf(repo, [a for a in readable if a.format == "gguf" and a.role == "weights"], known)
    main = [a for a in readable if a.format != "gguf" and a.role == "weights" and a.primary]
    if main:
        chosen.append(max(main, key=lambda a: (a.total_size or 0, a.artifact)))
    if not chosen:  # a repo of sidecars: one stands for all
        aside = [a for a in readable if a.role in ("adapter", "draft", "mmproj") and a.primary]
        chosen = aside[:1] if not any(a.content in known for a in aside) else []
    return tuple(sorted((a for a in chosen if a.content not in known), key=_cost))


def _readable(artifact: ArtifactRecord) -> bool:
    kinds = (
        {extension(path) for path in artifact.paths}
        if part_of(artifact.paths[0]) is None
        else {extension(artifact.artifact)}
    )
    return kinds <= READABLE and missing_parts(artifact) == 0 and not any(_cut(path) for path in artifact.paths)


def _cut(path: str) -> bool:
    """A file cut at any byte, which only `cat` puts together again: its pieces have no headers of their own."""
    return extension(path) not in READABLE


def _cost(artifact: ArtifactRecord) -> tuple[int, int, str]:
    """Requests first: a header a shard."""
    return len(artifact.paths), artifact.total_size or 0, artifact.artifact


def _select_gguf(repo: RepoRecord, quants: list[ArtifactRecord], known: Collection[str]) -> list[ArtifactRecord]:
    """One in full, of the fewest shards and of a middling size, and those that disagree with the rest."""
    if not quants:
        return []
    odd = _disagreeing(repo, quants)
    chosen = [a for a in quants if a.artifact in odd][:MAX_HEADERS_PER_REPO]
    plain = [a for a in quants if a.artifact not in odd] or quants
    if any(a.content in known for a in plain):
        return chosen
    fewest = min(len(a.paths) for a in plain)
    by_size = sorted((a for a in plain if len(a.paths) == fewest), key=lambda a: (a.total_size or 0, a.artifact))
    middle = by_size[len(by_size) // 2]
    return chosen if middle in chosen else [*chosen, middle]


def _disagreeing(repo: RepoRecord, quants: list[ArtifactRecord]) -> set[str]:
    """Artifacts whose size is not what their name's scheme makes of the parameters that the API or the others tell.

    A fifth off is odd from 4 bits up; lower schemes mix more, and small models have large embeddings: two fifths.
    """
    implied = {}
    for artifact in quants:
        bits = _typical_bits(artifact.artifact)
        if bits and artifact.total_size:
            implied[artifact.artifact] = (artifact.total_size * 8 / bits, bits)
    told = repo.gguf.get("total")
    total = told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
    middle = median(count for count, _ in implied.values()) if implied else None
    expected = total if total and (middle is None or 0.5 < total / middle < 2) else middle
    if expected is None:
        return set()
    return {name for name, (count, bits) in implied.items() if abs(count / expected - 1) > (0.2 if bits >= 4 else 0.4)}


_SCHEME = re.compile(r"(?<![A-Z0-9])(?:P?TQ|I?Q|MXFP|NVFP|BF|FP?|I)\d+(?:_[A-Z0-9]+)*(?![A-Z0-9])")


def _typical_bits(path: str) -> float | None:
    """Bits a weight of the last scheme in a file's name, as the vocabulary has them."""
    from analysis.vocabulary.vocabulary import vocabulary

    known = vocabulary()
    for text in reversed(_SCHEME.findall(path.rpartition("/")[2].upper().replace("-", "_SEP-").replace("_SEP", ""))):
        pieces = text.split("_")
        for end in range(len(pieces), 0, -1):
            scheme = "_".join(pieces[:end])
            if scheme in known.gguf:
                return known.gguf[scheme]
        if re.fullmatch(r"B?FP?(16|32)", text):
            return 32.0 if text.endswith("32") else 16.0
    return None

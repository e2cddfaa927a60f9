"""Identifies local model files: hashes what may be known, compares it with the catalog, finds copies, gives advice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha1
from typing import Any

from analysis.errors import AnalysisError
from analysis.formats.formats import format_of_path
from analysis.formats.model_config import find_config_files, merge_configs
from analysis.formats.readers import READERS, read_artifact, recognize_format
from analysis.formats.source import FileSource
from analysis.local.hash_cache import HashCache
from analysis.local.hash_files import Advance, hash_files
from analysis.local.judge import Judge
from analysis.local.known import Known
from analysis.local.records import LocalArtifact, LocalFile, ScanProblem
from analysis.local.verdict import Identity
from analysis.untrusted import MAX_CONFIG_BYTES, parse_json_text
from db.record_base import Json
from db.records import ArtifactRecord, Header

ALWAYS_HASHED_BYTES = 64 << 20
"""Files up to this size are hashed whatever their size says: it takes less than a second."""

ReportHashing = Callable[[int, int], Advance]
"""Called with the number of files that are hashed and their bytes, before hashing; returns what counts the bytes."""


@dataclass(frozen=True, slots=True)
class Identified:
    """The answers, in the order of the artifacts, and what could not be read."""

    identities: Sequence[Identity]
    problems: Sequence[ScanProblem]

    @property
    def savable_size(self) -> int:
        """Bytes that deleting all but one copy of each content would free."""
        return sum(each.savable_size for each in self.identities)


def identify_artifacts(
    known: Known,
    artifacts: Sequence[LocalArtifact],
    cache: HashCache | None,
    report_hashing: ReportHashing = lambda files, size: lambda count: None,
) -> Identified:
    """What each artifact is. `cache` keeps hashes; without one nothing is hashed and no header is read."""
    problems: list[ScanProblem] = []
    if cache is not None:
        wanted = select_to_hash(known, artifacts)
        advance = report_hashing(len(wanted), sum(file.size for file in wanted))
        digests, problems = hash_files(wanted, cache, advance)
        artifacts = [with_hashes(artifact, digests) for artifact in artifacts]
    judge = Judge(known, read_local_header, read_git_blob, hashed=cache is not None)
    verdicts = judge.judge(artifacts)
    found = [
        Identity(artifact, verdict, judge.headers.get(at))
        for at, (artifact, verdict) in enumerate(zip(artifacts, verdicts, strict=True))
    ]
    return Identified(find_copies(found), problems)


# ---- hashing --------------------------------------------------------------------------------------------------------


def select_to_hash(known: Known, artifacts: Sequence[LocalArtifact]) -> list[LocalFile]:
    """The files without a trusted hash whose size, or whose artifact's, is one that the catalog or another file has.

    Small files are always hashed. A large file of a size that nothing else has can't be a known content or a copy.
    """
    unnamed = {
        file.identity: (file, artifact)
        for artifact in artifacts
        for file in artifact.files
        if file.digest_source in (None, "stated") and file.blob_id is None
    }
    sizes = known.sizes(size for file, artifact in unnamed.values() for size in (file.size, artifact.size))
    local = Counter(file.size for file in {f.identity: f for a in artifacts for f in a.files}.values())
    return [
        file
        for file, artifact in unnamed.values()
        if file.size <= ALWAYS_HASHED_BYTES or not sizes.isdisjoint((file.size, artifact.size)) or local[file.size] > 1
    ]


def with_hashes(artifact: LocalArtifact, digests: Mapping[tuple[int, int], str]) -> LocalArtifact:
    """The artifact with the hashes of its files; a hash that a file beside it stated gives way to ours."""
    files = tuple(
        replace(file, sha256=digests[file.identity], digest_source="hash") if file.identity in digests else file
        for file in artifact.files
    )
    return replace(artifact, files=files)


# ---- headers --------------------------------------------------------------------------------------------------------


def read_local_header(artifact: LocalArtifact) -> Header | None:
    """The header of a local artifact; None where its format has none, or where it is malformed."""
    files = dict(zip(artifact.paths, artifact.files, strict=True))
    try:
        format_ = artifact.format or format_of_path(artifact.paths[0])
        if format_ not in READERS:
            format_ = recognize_format(FileSource(artifact.files[0].path)) or format_
        record = ArtifactRecord(artifact.paths[0], artifact.role, format_, artifact.paths, artifact.size)
        sizes = {path: file.size for path, file in files.items()}
        header, _ = read_artifact(
            record, sizes, lambda path: FileSource(files[path].path), config=read_configs(artifact, record)
        )
    except (AnalysisError, OSError):
        return None
    return header


def read_git_blob(artifact: LocalArtifact) -> str | None:
    """Git's sha1 of an artifact's only file, as `git hash-object` computes it; None where it can't be read."""
    source = FileSource(artifact.files[0].path)
    try:
        data = source.read(0, artifact.size)
    except AnalysisError:
        return None
    return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def read_configs(artifact: LocalArtifact, record: ArtifactRecord) -> Json:
    """The configuration in the JSON files beside the weights."""
    first = artifact.files[0].shown
    prefix = artifact.paths[0].removesuffix(first.name)
    beside: dict[str, Any] = {}
    try:
        small = {
            f"{prefix}{path.name}": path
            for path in first.parent.glob("*.json")
            if path.is_file() and path.stat().st_size <= MAX_CONFIG_BYTES
        }
        for name in find_config_files(record, set(small)):
            beside[name] = parse_json_text(small[name].read_bytes())
    except (OSError, ValueError):
        return {}
    return merge_configs(beside)


# ---- copies ---------------------------------------------------------------------------------------------------------


def find_copies(identities: Sequence[Identity]) -> list[Identity]:
    """The identities with the paths of equal content elsewhere, and what deleting all but the first would free.

    Hard links, and links to one blob, take no room of their own and are no copies.
    """
    by_content: defaultdict[str, list[int]] = defaultdict(list)
    for at, each in enumerate(identities):
        if (content := each.artifact.content) is not None:
            by_content[content].append(at)
    found = list(identities)
    for places in by_content.values():
        seen: set[tuple[int, int]] = set()
        for at in places:
            artifact = identities[at].artifact
            others = [identities[other].artifact for other in places if other != at]
            copies = [each for each in others if each.identities != artifact.identities]
            new = artifact.identities - seen
            savable = sum(file.size for file in artifact.files if file.identity in new) if seen else 0
            seen |= artifact.identities
            paths = tuple(dict.fromkeys(str(each.path) for each in copies))
            found[at] = replace(identities[at], copies=paths, savable_size=savable)
    return found

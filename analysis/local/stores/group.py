"""From files of one folder or repo to artifacts: shards joined, everything that no program loads by itself left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from analysis.files.artifacts import group_artifacts, missing_parts
from analysis.local.records import LocalArtifact, LocalFile, Origin
from analysis.local.scan import FoundFile
from db.records import FileRecord, RepoRecord

FindOrigin = Callable[[str], Origin | None]
"""Path of a file -> where it came from."""


def group_local_files(
    store: str, name: str, found: Iterable[FoundFile], find_origin: FindOrigin = lambda path: None
) -> Iterator[LocalArtifact]:
    """The artifacts of files whose paths are those in their repo or below the folder. `name` is the repo's or folder's.

    Paths that a repo can't have (control characters, bytes that are no UTF-8) take part like any other.
    """
    files: dict[str, LocalFile] = {each.relative: each.file for each in found}
    records = [FileRecord(path, file.size, file.blob_id, file.sha256) for path, file in files.items()]
    for artifact in group_artifacts(records, RepoRecord(hub_id="", repo_id=name)):
        yield LocalArtifact(
            store=store,
            name=artifact.artifact,
            role=artifact.role,
            format=artifact.format,
            files=tuple(files[path] for path in artifact.paths),
            paths=artifact.paths,
            origin=find_origin(artifact.paths[0]),
            missing_shards=missing_parts(artifact),
        )

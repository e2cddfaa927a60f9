"""What a new listing makes of a repo whose commit was read before: no file is requested again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.files.artifacts import group_artifacts
from analysis.files.branches import has_weights_on_branches
from analysis.files.select_headers import select_headers
from analysis.formats.readers import find_reader
from analysis.labels.evidence.security import SCAN_FACT
from analysis.labels.resolve import label_repo_and_artifacts
from crawler.sources.huggingface.bounded_json import merge_config
from db.derive.record import derived
from db.read.load import StoredRepo
from db.records import ArtifactRecord, Enrichment, FileRecord, Refreshed, RepoRecord


def refresh_repo(listed: RepoRecord, stored: StoredRepo, files: Sequence[FileRecord]) -> Refreshed:
    """The enrichment of the same commit as it would be with what the listing says now. Pure computation.

    Args:
        stored: what the catalog holds of the repo, its artifacts and headers.
        files: those of the commit.
    """
    artifacts = group_artifacts(files, listed)
    by_content = {each.content: stored.headers.get(each.artifact) for each in stored.artifacts}
    found = ((each.artifact, by_content.get(each.content)) for each in artifacts if each.content is not None)
    headers = {name: header for name, header in found if header is not None}
    selected = select_headers(listed, artifacts) if stored.depth == "headers" else ()
    repo = keep_read_values(listed, stored, artifacts, selected)
    labelled, labelled_artifacts = label_repo_and_artifacts(repo, artifacts, headers)
    enrichment = Enrichment(
        repo, "headers" if stored.depth == "headers" else "files", labelled, tuple(files), labelled_artifacts,
        derived=derived(repo, labelled.labels),
    )  # fmt: skip
    before = {each.artifact for each in select_headers(stored.record, stored.artifacts)}
    lacks_header = any(each.artifact not in headers and each.artifact not in before for each in selected)
    lacks_branches = has_weights_on_branches(listed, artifacts) and not has_weights_on_branches(
        stored.record, stored.artifacts
    )
    return Refreshed(enrichment, is_complete=not (lacks_header or lacks_branches))


def keep_read_values(
    listed: RepoRecord, stored: StoredRepo, artifacts: Sequence[ArtifactRecord], selected: Sequence[ArtifactRecord]
) -> RepoRecord:
    """The listed repo with what reading its commit added: keys of its configuration files, its scans and branches."""
    repo = listed
    if any(find_reader(each).uses_config for each in selected):
        repo = replace(repo, config=merge_config(repo.config, stored.record.config))
    kept = {SCAN_FACT: scan} if (scan := stored.record.extra.get(SCAN_FACT)) else {}
    branches = stored.record.extra.get("branches")
    if branches and has_weights_on_branches(listed, artifacts):
        kept["branches"] = branches
    return replace(repo, extra={**repo.extra, **kept}) if kept else repo

"""Whether loading a model runs code: its format, code of its repo, and what the Hub's scanners report."""

from __future__ import annotations

from functools import lru_cache

from analysis.formats.formats import find_format
from analysis.labels.evidence.formats import artifact_container
from analysis.labels.evidence.make import WEIGHT, Evidence, make_evidence
from analysis.untrusted import MAX_TAGS, check_mapping
from db.labels import LABEL_BY_NAME
from db.records import ArtifactRecord, LabelRecord, RepoRecord

SCAN_FACT = "scan"
"""Key of RepoRecord.extra: {"done": bool, "files": {path: status}}, what the Hub reports of the repo's scans."""

CUSTOM_CODE_TAG = "custom_code"


def unsafe_format_evidence(artifact: ArtifactRecord) -> Evidence:
    """Whether the format of an artifact's files can run code, by which means."""
    return _of_format(artifact_container(artifact) or artifact.format)


@lru_cache(maxsize=128)
def _of_format(name: str | None) -> Evidence:
    means = find_format(name).runs_code
    return (make_evidence("unsafe_format", "true", "file", f"{name}: {means}", WEIGHT["file"]),) if means else ()


def security_evidence(repo: RepoRecord) -> Evidence:
    """Custom code by the tag and the configuration; the worst status of the Hub's scanners."""
    found: list[LabelRecord] = []
    if CUSTOM_CODE_TAG in repo.tags[:MAX_TAGS]:
        found.append(make_evidence("custom_code", "true", "tag", CUSTOM_CODE_TAG, WEIGHT["tag"]))
    if check_mapping(repo.config.get("auto_map")):
        found.append(make_evidence("custom_code", "true", "config", "auto_map", WEIGHT["config"]))
    status = scan_status(repo)
    if status is not None:
        found.append(make_evidence("scan_status", status, "api", "securityRepoStatus", WEIGHT["api"]))
    return tuple(found)


def scan_status(repo: RepoRecord) -> str | None:
    """The worst status of a repo's files; queued while scans are under way, safe once all are done without an issue."""
    scan = check_mapping(repo.extra.get(SCAN_FACT))
    if not scan:
        return None
    levels = LABEL_BY_NAME["scan_status"]
    issues = [each for each in check_mapping(scan.get("files")).values() if each in levels.levels]
    return max(issues, key=levels.severity, default="safe" if scan.get("done") is True else "queued")

"""What the Hub's scanners report of a repo and its files.

Sources: the Hub's OpenAPI (`securityRepoStatus`: scansDone, filesWithIssues; `securityFileStatus`: status and one
object for each scanner), 2026. huggingface_hub's BlobSecurityInfo leaves three of the scanners out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.untrusted import check_mapping, check_text
from crawler.errors import RepoError
from crawler.sources.huggingface.bounded_json import limit_json
from crawler.sources.huggingface.client import HubClient
from db.derive.digest import to_json
from db.labels import LABEL_BY_NAME
from db.record_base import Json
from db.records import FileRecord, RepoRecord

STATUSES = LABEL_BY_NAME["scan_status"].levels
MAX_ISSUES = 1000
"""Files with issues of one repo that are kept."""

MAX_FOLDERS = 3
"""Folders whose details are requested, of those that hold files with issues: few repos have any."""

MAX_SCAN_BYTES = 16_384
"""What the scanners report of one file, as JSON."""

MAX_SCAN_DEPTH = 4


def parse_repo_scan(value: Any) -> Json:
    """{"done": bool, "files": {path: status}} of `securityRepoStatus`; empty where it is absent or malformed."""
    status = check_mapping(value)
    issues = status.get("filesWithIssues")
    if not isinstance(issues, list):
        return {}
    files = {
        path: each["level"]
        for each in issues[:MAX_ISSUES]
        if isinstance(each, dict) and (path := check_text(each.get("path"), 1024)) and each.get("level") in STATUSES
    }
    return {"done": status.get("scansDone") is True, "files": files}


def add_scans(client: HubClient, repo: RepoRecord, files: Sequence[FileRecord], scan: Json) -> tuple[FileRecord, ...]:
    """The files with their status; details are requested of those with issues."""
    if not scan:
        return tuple(files)
    issues: Mapping[str, str] = scan["files"]
    details = fetch_details(client, repo, issues) if issues else {}
    other = "safe" if scan["done"] else None
    return tuple(
        replace(file, scan_status=issues.get(file.path, other), scans=details.get(file.path)) for file in files
    )


def fetch_details(client: HubClient, repo: RepoRecord, issues: Mapping[str, str]) -> dict[str, str]:
    """Path -> what the scanners report, as JSON text, of the files with issues."""
    found: dict[str, str] = {}
    folders = list(dict.fromkeys(path.rpartition("/")[0] for path in issues))
    for folder in folders[:MAX_FOLDERS]:
        try:
            entries = client.list_scans(repo.repo_id, repo.sha or "main", folder)
        except RepoError:
            continue
        for entry in entries:
            path = entry.get("path") if isinstance(entry, dict) else None
            if isinstance(path, str) and path in issues and (text := scan_text(entry.get("securityFileStatus"))):
                found[path] = text
    return found


def scan_text(value: Any) -> str | None:
    """What the scanners report of a file as JSON, bounded; None for anything else."""
    if not isinstance(value, dict) or value.get("status") not in STATUSES:
        return None
    kept, size = limit_json(value, MAX_SCAN_DEPTH)
    return to_json(kept) if size <= MAX_SCAN_BYTES else to_json({"status": value["status"]})

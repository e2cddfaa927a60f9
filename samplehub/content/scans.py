"""What the Hub's scanners say of a file: `securityFileStatus`, and `securityRepoStatus` of a repo.

The five scanners and the shape of their reports are those of the Hub's OpenAPI (2026).
"""

from __future__ import annotations

from collections.abc import Sequence

from samplehub.content.repo import Json, Repo

SCANNERS = ("avScan", "pickleImportScan", "jFrogScan", "protectAiScan", "virusTotalScan")
SAFETY = {"unsafe": "dangerous", "suspicious": "suspicious", "caution": "suspicious"}
"""Status of a file -> how the scan of pickles calls its worst import."""


def file_scan(status: str, imports: Sequence[str] = ()) -> Json:
    """The report of a file with an issue; without imports the virus scanners found it."""
    found: Json = {"status": status}
    for scanner in SCANNERS:
        is_pickle = scanner == "pickleImportScan"
        found[scanner] = {"status": status if is_pickle == bool(imports) else "safe", "version": "1.0.5"}
    named = [name.rpartition(".") for name in imports]
    found["pickleImportScan"]["pickleImports"] = [
        {"module": module, "name": name, "safety": SAFETY.get(status, "innocuous")} for module, _, name in named
    ]
    return found


def repo_scan(repo: Repo) -> Json:
    """`securityRepoStatus`: whether all scans are done, and the files with issues."""
    issues = [{"path": path, "level": scan["status"]} for path, scan in sorted(repo.scans.items())]
    return {"scansDone": True, "filesWithIssues": issues}


SAFE_FILE: Json = {
    "status": "safe",
    "avScan": {"status": "safe", "message": "No security issues found", "reportLink": "", "reportLabel": ""},
    "pickleImportScan": {"status": "unscanned", "pickleImports": [], "version": "0.0.0"},
}
"""The report of a file without an issue."""

"""What the Hub's scanners report: parsed, requested where there is an issue, and kept beside the files."""

from __future__ import annotations

from typing import Any

import pytest

from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.fetch import fetch_repo
from crawler.sources.huggingface.scans import parse_repo_scan, scan_text
from crawler.sources.source import FetchedRepo
from db.records import LeasedRepo
from samplehub import SampleHub

EICAR = "mcpotato/42-eicar-street"


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ({"scansDone": True, "filesWithIssues": [{"path": "x", "level": "unsafe"}]},
         {"done": True, "files": {"x": "unsafe"}}),
        ({"scansDone": False, "filesWithIssues": []}, {"done": False, "files": {}}),
        ({"filesWithIssues": [{"path": "x", "level": "bad"}, {"path": 3, "level": "unsafe"}, None]},
         {"done": False, "files": {}}),
        ({"scansDone": True}, {}),
        ("safe", {}),
        (None, {}),
    ],
)  # fmt: skip
def test_the_status_of_a_repo_is_parsed(value: Any, parsed: dict[str, Any]) -> None:
    assert parse_repo_scan(value) == parsed


def test_reports_are_bounded() -> None:
    assert scan_text({"status": "unsafe", "avScan": {"status": "unsafe"}}) == (
        '{"avScan":{"status":"unsafe"},"status":"unsafe"}'
    )
    assert scan_text({"status": "unsafe", **{f"scan{n}": "x" * 4000 for n in range(9)}}) == '{"status":"unsafe"}'
    assert scan_text({"status": "fine"}) is None


def test_a_repo_without_an_issue_takes_one_request_and_one_with_an_issue_two() -> None:
    with SampleHub() as hub:
        client = HubClient(hub.endpoint, offline=False)
        found = {}
        for repo_id in ("google/gemma-3-1b-pt", EICAR):
            before = client.counters.api_requests
            fetched = fetch_repo(client, LeasedRepo("", repo_id, None, None, 0))
            assert isinstance(fetched, FetchedRepo)
            found[repo_id] = (client.counters.api_requests - before, fetched)
    assert [count for count, _ in found.values()] == [1, 2]
    fetched = found[EICAR][1]
    statuses = {file.path: (file.scan_status, file.scans is not None) for file in fetched.files}
    assert statuses["danger.dat"] == ("unsafe", True)
    assert statuses["README.md"] == ("safe", False)
    assert fetched.repo.extra["scan"]["files"] == {"danger.dat": "unsafe", "eicar_test_file": "unsafe"}
    assert "scan" not in fetched.listed.extra

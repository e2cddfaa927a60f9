"""What every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data beside the checkout; tests that need it skip where it is absent."""
    named = os.environ.get("HF_CATALOG_SHARED")
    folders = [Path(named)] if named else [parent / "shared" for parent in Path(__file__).resolve().parents[1:4]]
    for folder in folders:
        if (folder / "labels.md").is_file():
            return folder
    pytest.skip("no recorded data: set HF_CATALOG_SHARED to its folder to run this test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, pytest.TestReport]:
    """Where everything is there (HF_CATALOG_NO_SKIPS), a skipped test is a test that nobody ran: it fails."""
    report: pytest.TestReport = yield
    if report.skipped and os.environ.get("HF_CATALOG_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where nothing may be: {report.longrepr}"
    return report

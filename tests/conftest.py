"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import PostgreSQL, running_postgresql

NOT_RECORDED = "no recorded data"  # the one reason to skip that holds everywhere: the data are no part of the project

# How long an example takes depends on the machine and on what else it runs; no test may fail because of that.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real PostgreSQL server with a database `catalog_template` that holds an empty catalog."""
    from db.schema.migrate import upgrade

    with running_postgresql() as server:
        server.execute("create database catalog_template template template0 encoding 'UTF8' locale 'C'")
        upgrade(server.url("catalog_template"), create=True)
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that holds an empty catalog."""
    from db.schema.migrate import upgrade

    path = tmp_path_factory.mktemp("template") / "catalog.db"
    upgrade(path, create=True)
    return path


@pytest.fixture
def sqlite_db(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty catalog of this test's own, as a file of SQLite."""
    return str(shutil.copy(sqlite_template, tmp_path / "catalog.db"))


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> str:
    """An empty catalog of this test's own: once as a file of SQLite, once as a database of PostgreSQL."""
    if request.param == "sqlite":
        path: str = request.getfixturevalue("sqlite_db")
        return path
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.create("catalog_template")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalog of `hf-catalog demo`; to be read, never written. Made once, as it takes the longest."""
    folder = tmp_path_factory.mktemp("demo")
    program = Path(sys.executable).with_name("hf-catalog")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    done = subprocess.run([program, "demo"], cwd=folder, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "demo.db"


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The small catalog of tests/small_catalog.py as a file of SQLite; to be read, never written."""
    from tests.small_catalog import build

    path = tmp_path_factory.mktemp("small") / "catalog.db"
    build(path)
    return str(path)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def small_on_both(request: pytest.FixtureRequest) -> str:
    """The small catalog, once as a file of SQLite, once as a database of PostgreSQL; to be read, never written."""
    from tests.small_catalog import build

    if request.param == "sqlite":
        path: str = request.getfixturevalue("small")
        return path
    server: PostgreSQL = request.getfixturevalue("postgresql")
    url = server.create("catalog_template")
    build(url)
    return url


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data beside the checkout; tests that need it skip where it is absent."""
    named = os.environ.get("HF_CATALOG_SHARED")
    folders = [Path(named)] if named else [parent / "shared" for parent in Path(__file__).resolve().parents[1:4]]
    for folder in folders:
        if (folder / "labels.md").is_file():
            return folder
    pytest.skip(f"{NOT_RECORDED}: set HF_CATALOG_SHARED to its folder to run this test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, pytest.TestReport]:
    """Where everything is there (HF_CATALOG_NO_SKIPS), a skipped test is a test that nobody ran: it fails."""
    report: pytest.TestReport = yield
    allowed = hasattr(report, "wasxfail") or NOT_RECORDED in str(report.longrepr)
    if report.skipped and os.environ.get("HF_CATALOG_NO_SKIPS") and not allowed:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where nothing may be: {report.longrepr}"
    return report

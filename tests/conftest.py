"""Fixtures for all tests: empty and filled catalogs on SQLite and PostgreSQL, and the recorded data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from tests.environment import user_environment
from tests.servers import PostgreSQL, running_postgresql

NO_RECORDED_DATA = "no recorded data"
"""Start of the one reason to skip a test that is accepted everywhere: recorded data are not part of the project."""

# How long an example takes depends on the machine and on what else it runs; no test may fail because of that.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

BuildOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def build_once(tmp_path_factory: pytest.TempPathFactory) -> BuildOnce:
    """A function that builds a folder once for all processes of pytest-xdist: the first one builds, the others wait."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def build(name: str, fill: Callable[[Path], object]) -> Path:
        folder, unfinished = base / name, base / f"{name}.unfinished"
        with FileLock(base / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return build


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real PostgreSQL server with a database `catalog_template` that holds an empty catalog."""
    from db.schema.migrate import upgrade

    with running_postgresql() as server:
        server.execute("create database catalog_template template template0 encoding 'UTF8' locale 'C'")
        upgrade(server.url("catalog_template"), create=True)
        yield server


@pytest.fixture(scope="session")
def sqlite_template(build_once: BuildOnce) -> Path:
    """A SQLite file that holds an empty catalog."""
    from db.schema.migrate import upgrade

    return build_once("template", lambda folder: upgrade(folder / "catalog.db", create=True)) / "catalog.db"


@pytest.fixture
def sqlite_db(sqlite_template: Path, tmp_path: Path) -> str:
    """An empty SQLite catalog for one test."""
    return str(shutil.copy(sqlite_template, tmp_path / "catalog.db"))


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> str:
    """An empty catalog for one test: once as a SQLite file, once as a PostgreSQL database."""
    if request.param == "sqlite":
        path: str = request.getfixturevalue("sqlite_db")
        return path
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.create("catalog_template")


@pytest.fixture(scope="session")
def demo(build_once: BuildOnce) -> Path:
    """The catalog of `hf-catalog demo`, to be read and never written; what it printed is beside it in demo.txt.

    HF_CATALOG_TEST_DEMO names a folder where this commit's demo ran before, which saves the time of running it again.
    """
    if made := os.environ.get("HF_CATALOG_TEST_DEMO"):
        return build_once("demo", lambda folder: shutil.copytree(made, folder, dirs_exist_ok=True)) / "demo.db"
    program = Path(sys.executable).with_name("hf-catalog")
    offline = {**user_environment(), "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}

    def run_demo(folder: Path) -> None:
        done = subprocess.run([program, "demo"], cwd=folder, env=offline, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (folder / "demo.txt").write_text(done.stdout, encoding="utf-8")

    return build_once("demo", run_demo) / "demo.db"


@pytest.fixture(scope="session")
def demo_snapshot(demo: Path, build_once: BuildOnce) -> Path:
    """A snapshot of the demo's catalog, to be read and never written."""
    from analysis.publish.snapshot import write_snapshot

    return build_once("demo-snapshot", lambda folder: write_snapshot(demo, folder / "snapshot")) / "snapshot"


@pytest.fixture(scope="session")
def small(build_once: BuildOnce) -> str:
    """The catalog of tests/small_catalog.py as a SQLite file, to be read and never written."""
    from tests.small_catalog import build

    return str(build_once("small", lambda folder: build(folder / "catalog.db")) / "catalog.db")


@pytest.fixture(scope="session")
def local_models(build_once: BuildOnce) -> str:
    """The catalog of tests/local_models.py as a SQLite file, to be read and never written."""
    from tests.local_models import crawl_with_history

    return str(build_once("local-models", lambda folder: crawl_with_history(folder / "catalog.db")) / "catalog.db")


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def small_on_both(request: pytest.FixtureRequest) -> str:
    """The catalog of tests/small_catalog.py, on SQLite and on PostgreSQL, as a role that may only read."""
    from tests.small_catalog import build

    if request.param == "sqlite":
        path: str = request.getfixturevalue("small")
        return path
    server: PostgreSQL = request.getfixturevalue("postgresql")
    url = server.create("catalog_template")
    build(url)
    return server.reader_url(url)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded data beside the checkout. Tests that need it are skipped where it is missing."""
    named = os.environ.get("HF_CATALOG_SHARED")
    folders = [Path(named)] if named else [parent / "shared" for parent in Path(__file__).resolve().parents[1:4]]
    for folder in folders:
        if (folder / "labels.md").is_file():
            return folder
    pytest.skip(f"{NO_RECORDED_DATA}: set HF_CATALOG_SHARED to its folder to run this test")


LONGEST_TESTS = ("tests/test_docs.py", "tests/crawler/web/test_browser.py", "tests/crawler/execute/test_cluster.py")
"""Files whose single tests take half a minute: begun last, they would keep one process busy after all others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST_TESTS))  # stable: the order is otherwise kept


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, pytest.TestReport]:
    """With HF_CATALOG_NO_SKIPS, as in CI, a skipped test fails: everything that tests need is installed there."""
    report: pytest.TestReport = yield
    accepted = hasattr(report, "wasxfail") or NO_RECORDED_DATA in str(report.longrepr)
    if report.skipped and os.environ.get("HF_CATALOG_NO_SKIPS") and not accepted:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which HF_CATALOG_NO_SKIPS forbids: {report.longrepr}"
    return report

"""The documents are correct: every command that they show runs, and every link has a target.

A fenced block marked `sh` holds commands of this program. They run in order, each document in a folder of its own where
`hf-catalog demo` has run, with HF_ENDPOINT set to a sample Hub, so that `crawl` finds repos.
Blocks of another kind (`console`, `text`, `ini`) are not run. Services are those of the installed program; all other
commands are run as tests/forked_program.py does.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crawler.cli import cli
from db.engine import catalog_url
from samplehub import SampleHub
from tests.environment import user_environment
from tests.forked_program import forked_program

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = Path(sys.executable).parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
LINKING = [
    *DOCUMENTS,
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
]
SERVICES = ("serve", "schedule", "sample-hub", "mcp")  # they run until a signal ends them
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def commands(document: Path) -> list[str]:
    """The command lines of a document's `sh` blocks: continued lines joined, without comments."""
    text = "\n".join(BLOCK.findall(document.read_text(encoding="utf-8"))).replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture
def folder(demo: Path, tmp_path: Path) -> Path:
    """A user's folder with the demo's catalog and a service configuration in it."""
    shutil.copy(demo, tmp_path / "demo.db")
    shutil.copy(ROOT / "catalog.example.toml", tmp_path / "catalog.toml")
    return tmp_path


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with SampleHub() as hub:
        yield hub.endpoint


def environment(programs: Path, **more: str) -> dict[str, str]:
    """The user's environment: these programs and this interpreter's first, no colours, no real account."""
    kept = user_environment()
    path = os.pathsep.join([str(programs), str(INSTALLED), kept.get("PATH", "")])
    return {**kept, "PATH": path, "NO_COLOR": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **more}


def run_service(line: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start a service, wait for its first output, let it run for two seconds, and end it with the signal of Ctrl-C."""
    env = env | {"PATH": environment(INSTALLED)["PATH"]}
    process = subprocess.Popen(
        ["bash", "-c", f"exec {line}"], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None and process.stdout is not None
    select.select([process.stderr, process.stdout], [], [], 300)  # a service prints a line when it is ready
    time.sleep(2)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(line, process.returncode, out, err)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_runs(document: Path, folder: Path, endpoint: str) -> None:
    env = environment(forked_program().parent, HF_ENDPOINT=endpoint)
    for line in commands(document):
        if line.startswith("export "):
            key, _, value = line.removeprefix("export ").partition("=")
            env[key] = value
            continue
        if line.startswith(tuple(f"hf-catalog {name}" for name in SERVICES)):
            done = run_service(line, folder, env)
        else:
            done = subprocess.run(
                ["bash", "-c", line], cwd=folder, env=env, capture_output=True, text=True, timeout=300
            )
        assert done.returncode == 0, f"{document.name}: {line}\n{done.stdout[-800:]}\n{done.stderr[-1500:]}"
        assert "Traceback" not in done.stderr, f"{document.name}: {line}\n{done.stderr[-1500:]}"


@pytest.mark.parametrize("document", LINKING, ids=lambda path: path.name)
def test_every_link_has_a_target(document: Path) -> None:
    missing = [
        link for link in LINK.findall(document.read_text(encoding="utf-8")) if not (document.parent / link).exists()
    ]
    assert not missing, f"{document.name} links to {', '.join(missing)}"


def test_the_readme_shows_commands() -> None:
    assert len(commands(ROOT / "README.md")) >= 8


def test_the_crawlers_of_the_compose_file_can_be_started(tmp_path: Path) -> None:
    yaml: Any = pytest.importorskip("yaml")
    services = yaml.safe_load((ROOT / "docs" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    crawlers = [service for name, service in services.items() if name != "postgres"]
    assert [service.get("deploy", {}).get("replicas", 1) for service in crawlers] == [1, 3]
    for service in crawlers:
        url = catalog_url(service["environment"]["HF_CATALOG_DB"])
        assert (url.host, url.database, url.query["schema"]) == ("postgres", "catalog", "catalog")
        program, command, *options = service["command"]
        assert (program, command) == ("hf-catalog", "crawl")
        done = CliRunner().invoke(cli, [command, *options, "--dry-run", "--db", str(tmp_path / "none.db")])
        assert done.exit_code == 0, done.output

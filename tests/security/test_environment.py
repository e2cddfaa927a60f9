"""The surroundings of a process: modules in the current directory, and variables of the environment."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import close_session  # type: ignore[attr-defined]  # exported, not in mypy's strict sense

from analysis.text import UNPRINTABLE
from crawler.cli import COMMANDS
from crawler.sources.huggingface import transport
from tests.crawler.cli.conftest import Ask, hf_catalog
from tests.environment import user_environment

__all__ = ["hf_catalog"]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

# ---- modules in the current directory --------------------------------------------------------------------------------

PLANTED = (
    "json.py", "sqlite3.py", "sitecustomize.py", "usercustomize.py", "click.py", "crawler/__init__.py",
    "db/__init__.py",
    "analysis/__init__.py", "sqlalchemy/__init__.py", "pandas.py", "encodings/__init__.py", "datasette.py",
    "plugins/x.py",
    "alembic/env.py", "altair.py", "huggingface_hub.py", "pickle.py", "asyncio.py", "typing.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose modules leave a mark when they are imported."""
    folder = tmp_path_factory.mktemp("planted")
    for name in PLANTED:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"open({str(folder / 'imported')!r}, 'a').write(__name__)\n", encoding="utf-8")
    return folder


def test_no_command_imports_from_the_current_directory(planted: Path) -> None:
    """The modules of all commands, as the script of the package imports them: its own folder is first on the path."""
    script = (BIN / "hf-catalog").read_text(encoding="utf-8")
    assert "crawler.cli" in script
    names = sorted({entry.target.partition(":")[0] for group in COMMANDS.values() for entry in group.values()})
    program = planted.parent / "bin" / "program.py"
    program.parent.mkdir()
    program.write_text(
        "from importlib import import_module\n" + "".join(f"import_module({name!r})\n" for name in [
            *names, "analysis.publish.charts", "analysis.publish.export", "analysis.publish.report",
            "crawler.web.server", "crawler.service.scheduler", "crawler.label_pages",
            "crawler.header_process", "analysis.query.process",
        ]),
        encoding="utf-8",
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, program], cwd=planted, env=user_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (planted / "imported").exists(), (planted / "imported").read_text(encoding="utf-8")


def test_the_processes_of_a_command_import_nothing_of_it_either(planted: Path, small: str) -> None:
    """`schedule` runs a command as a process of its own, which runs a query in another one."""
    (planted / "catalog.toml").write_text(
        f'db = "{small}"\n[jobs.look]\nevery = "1h"\nrun = ["query", "select count(*) from models", "--json"]\n',
        encoding="utf-8",
    )
    done = subprocess.run(
        [BIN / "hf-catalog", "schedule", "--once"], cwd=planted, env=user_environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (planted / "imported").exists(), (planted / "imported").read_text(encoding="utf-8")


def python_starts() -> Iterator[tuple[str, list[str]]]:
    """Every list in the program that begins with `sys.executable`: where it stands, and its constants."""
    for path in sorted(each for package in ("crawler", "analysis", "db") for each in (ROOT / package).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "sys.executable" in text else ():
            if isinstance(node, ast.List) and node.elts and ast.unparse(node.elts[0]) == "sys.executable":
                yield f"{path}:{node.lineno}", [ast.unparse(each) for each in node.elts[1:]]


def test_every_python_that_is_started_leaves_the_current_directory_out() -> None:
    starts = list(python_starts())
    assert len(starts) >= 3
    for place, words in starts:
        assert words[0] == "'-P'", place


@pytest.mark.parametrize("words", [("header", "a/b"), ("db", "from-snapshot", "hf://datasets/a/b", "--db", "x.db")])
@pytest.mark.parametrize("url", ["nonsense://s3cr3t", "socks5://me:s3cr3t@127.0.0.1:1", "\x1bs3cr3t"])
def test_a_proxy_that_cannot_be_used_is_named(
    url: str, words: tuple[str, ...], tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", url)
    close_session()
    answer = hf_catalog(*words)
    assert answer.status == 4 and answer.err.startswith("Error: the proxy of HTTPS_PROXY can't be used: "), answer
    assert answer.err.endswith("\nHint: set it to http://HOST:PORT, or unset it\n") and "s3cr3t" not in answer.err


# ---- variables -------------------------------------------------------------------------------------------------------

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "an endpoint of control characters": {"HF_ENDPOINT": "http://127.0.0.1:1/\x1b]0;x\x07\r\nX: y"},
    "an endpoint that is a file": {"HF_ENDPOINT": "file:///etc/passwd"},
    "an endpoint of spaces": {"HF_ENDPOINT": "  http://127.0.0.1:1/ x "},
    "an endpoint that is no text": {"HF_ENDPOINT": "http://\udcff\udcfe/"},
    "an endpoint of 100,000 characters": {"HF_ENDPOINT": "http://" + "a" * 100_000},
    "a catalog that is a web page": {"HF_CATALOG_DB": "https://example.invalid/catalog.db"},
    "a catalog of another engine": {"HF_CATALOG_DB": "mysql://me:s3cr3t@127.0.0.1/x"},
    "a catalog by a URI of SQLite": {"HF_CATALOG_DB": "file:/etc/passwd?mode=rwc&vfs=unix-none"},
    "a catalog of control characters": {"HF_CATALOG_DB": "x\x1b]0;t\x07\x9b.db"},
    "a catalog in memory": {"HF_CATALOG_DB": ":memory:"},
    "a catalog that is a device": {"HF_CATALOG_DB": "/dev/zero"},
    "a token of control characters": {"HF_TOKEN": "hf_s3cr3t\r\nX: y"},
    "a token of letters that no header holds": {"HF_TOKEN": "hf_s3cr3té"},
    "a configuration that is a device": {"HF_CATALOG_CONFIG": "/dev/zero/x"},
    "a configuration that is a folder": {"HF_CATALOG_CONFIG": "/"},
    "columns without end": {"COLUMNS": "9" * 40},
    "negative columns": {"COLUMNS": "-5"},
    "a proxy that is no URL": {"HTTPS_PROXY": "\x1b", "HTTP_PROXY": "nonsense://x", "ALL_PROXY": "s3cr3t"},
    "a terminal that is not known": {"TERM": "\x1b]0;x\x07", "LANG": "xx", "LC_ALL": "xx_XX.nonsense"},
    "home at a device": {"HOME": "/dev/null", "HF_HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null"},
}
LOOKS = (("models", "ls"), ("status",), ("doctor", "--offline", "--json"), ("models", "info", "a/b"), ("header", "a/b"))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_variable_of_any_value_ends_in_an_answer_or_an_error(
    name: str, small: str, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_CATALOG_DB", small)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(transport, "TRIES_TO_CONNECT", 1)
    for variable, value in ENVIRONMENTS[name].items():
        monkeypatch.setenv(variable, value)
    close_session()  # a client that another test made has its proxies
    for words in LOOKS:
        answer = hf_catalog(*words)
        assert answer.status in (0, 1, 2, 3, 4), answer
        assert "internal error" not in answer.err and "s3cr3t" not in answer.out + answer.err, answer
        assert len(answer.err) < 20_000
        for line in (answer.out + answer.err).split("\n"):
            assert not UNPRINTABLE.search(line), ascii(line)


PROGRAMS = ("PAGER", "LESS", "LESSOPEN", "MANPAGER", "EDITOR", "VISUAL", "BROWSER", "GIT_PAGER", "SHELL")


@pytest.mark.parametrize("words", [("models", "ls"), ("--help",), ("schema",), ("query", "--list")])
def test_no_program_of_the_environment_is_started(
    words: tuple[str, ...], small: str, tmp_path: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROGRAMS:
        monkeypatch.setenv(name, f"touch {tmp_path / 'started'};")
    monkeypatch.setenv("HF_CATALOG_DB", small)
    started: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *command, **_: started.append(command))
    monkeypatch.setattr(os, "system", started.append)
    assert hf_catalog(*words).status == 0
    assert not started and not (tmp_path / "started").exists()


def test_variables_of_python_and_of_libraries_change_no_answer() -> None:
    names = ("PYTHONSTARTUP", "PYTHONPATH", "PYTHONUSERBASE", "DATASETTE_SECRET", "SQLALCHEMY_URL", "ALEMBIC_CONFIG")
    done = subprocess.run(
        [BIN / "hf-catalog", "label", "a/gemma-3-4b", "--json"],
        env=user_environment() | dict.fromkeys(names, "/nonexistent/s3cr3t"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and json.loads(done.stdout)["family"] == "gemma"
    assert "s3cr3t" not in done.stdout + done.stderr

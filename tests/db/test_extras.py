"""The command that installs an extra names the place that the program came from, never a public index."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from db import extras


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/srv/app/venv", "pip install"),
        ("/home/ann/.local/share/pipx/venvs/hf-catalog", "pipx install --force"),
        ("/home/ann/.local/share/uv/tools/hf-catalog", "uv tool install --force"),
    ],
)
def test_the_installer_is_the_one_that_made_the_environment(
    prefix: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "hf catalog"
    source.mkdir()
    monkeypatch.setattr(sys, "prefix", prefix)
    recorded = json.dumps({"url": source.as_uri(), "dir_info": {}})
    monkeypatch.setattr(
        "importlib.metadata.distribution", lambda name: SimpleNamespace(read_text=lambda file: recorded)
    )
    assert extras.install_command("charts,serve") == f"{command} '{source}[charts,serve]'"


@pytest.mark.parametrize("recorded", [None, "{}", "nonsense", "[]", '{"url": "https://files.example/x.whl"}'])
def test_where_the_installation_does_not_tell_it_is_the_current_folder(
    recorded: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "importlib.metadata.distribution", lambda name: SimpleNamespace(read_text=lambda file: recorded)
    )
    monkeypatch.setattr(sys, "prefix", "/srv/venv")
    assert extras.install_command("postgres") == "pip install '.[postgres]'"

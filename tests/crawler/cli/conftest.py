"""The command line as its users call it: arguments in, exit status and two streams out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.environment import CACHE


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Ask = Callable[..., Answer]


@pytest.fixture
def hf_catalog(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs `hf-catalog` in this process: `hf_catalog("models", "ls", "--db", path)`."""
    from crawler.cli import cli
    from crawler.cli.errors import run_command

    for name in ("HF_CATALOG_DB", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("HF_CATALOG_CACHE", CACHE.name)

    def ask(*words: str) -> Answer:
        capsys.readouterr()
        status = run_command(lambda: cli.main(list(words), prog_name="hf-catalog", standalone_mode=False), words)
        said = capsys.readouterr()
        return Answer(status, said.out, said.err)

    return ask

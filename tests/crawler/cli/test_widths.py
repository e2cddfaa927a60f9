"""The tour on terminals of 80 and 120 columns: no line is wider, but for a command or an id that is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from crawler.cli.table import cell_len
from tests.crawler.cli.conftest import Ask

TOUR = Path(__file__).parents[3] / "docs" / "tour.md"
READING = ("status", "memory", "fits", "models", "label", "query", "compare", "audit", "changes")
COMMANDS = [
    shlex.split(line)[1:]
    for line in TOUR.read_text(encoding="utf-8").splitlines()
    if re.match(rf"hf-catalog ({'|'.join(READING)}) ", f"{line} ") and not {">", "--json"} & set(shlex.split(line))
]
TO_COPY = re.compile(r"\S{60,}|hf-catalog ")
"""What is not broken: one long word, and our own commands."""


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_of_the_tour_is_wider_than_the_terminal(
    width: int, demo: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("HF_CATALOG_DB", str(demo))
    assert len(COMMANDS) > 12
    for words in COMMANDS:
        answer = hf_catalog(*words)
        lines = [*answer.out.splitlines(), *answer.err.splitlines()]
        assert lines, words
        wide = [
            line for line in lines if cell_len(line.replace(str(demo), demo.name)) > width and not TO_COPY.search(line)
        ]
        assert not wide, words


def test_changes_name_the_repo_and_the_kind_whatever_the_length_of_ids(
    demo: Path, hf_catalog: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {row["kind"] for row in hf_catalog("changes", "--db", str(demo), "--limit", "200", "--json").json}
    monkeypatch.setenv("COLUMNS", "80")
    heading, _, *lines = hf_catalog("changes", "--db", str(demo), "--limit", "200").out.splitlines()
    assert heading.split() == ["when", "kind", "repo", "subject"]
    place = heading.index("kind")
    assert {line[place : heading.index("repo")].strip() for line in lines} == kinds

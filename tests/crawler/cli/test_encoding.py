"""Consoles with code page 1252 or ASCII print every command's output."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.crawler.cli.test_crawl import ran_by

PROGRAM = Path(sys.executable).with_name("hf-catalog")
"""An interpreter's start decides the encoding of its streams."""


@pytest.mark.parametrize(
    "words",
    [
        ("models", "tree", "google/gemma-3-4b-it"),
        ("models", "info", "google/gemma-3-4b-it"),
        ("models", "ls"),
        ("query", "select '模型 └ …' as text"),
        ("fits", "--ram", "16GB"),
        ("status",),
    ],
)
def test_no_output_ends_in_an_error(words: tuple[str, ...], small: str) -> None:
    done = ran_by(PROGRAM, *words, "--db", small, PYTHONIOENCODING="ascii", COLUMNS="50")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_lines_of_a_tree_have_a_plain_form(small: str) -> None:
    words = ("models", "tree", "google/gemma-3-4b-it", "--db", small)
    out = ran_by(PROGRAM, *words, PYTHONIOENCODING="cp1252").stdout
    assert "`-- " in out and "|-- " in out


def test_a_pipe_gets_utf8_whatever_the_locale(small: str) -> None:
    """The C locale of a process without UTF-8 mode is ASCII."""
    words = ("query", "select char(27169) as text", "--csv", "--db", small)
    out = ran_by(PROGRAM, *words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0").stdout
    assert out == "text\n模\n"

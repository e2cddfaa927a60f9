"""Configurations and policies that no parser takes: each is an error that names the file, not one of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.catalog.policy import read_policy
from analysis.errors import InvalidPolicy
from crawler.cli.errors import CommandError
from crawler.cli.user_config import parse_user_config
from crawler.errors import ConfigError
from crawler.service.config import read_config

HOSTILE = ["a = " + "[" * 5000, "a = " + "9" * 5000, "[[[[[", "a = 2099-99-99", "a = 1\na = 2", 'a = "\x1b[31m"']


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_file_of_settings_ends_the_program(text: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"mine\.toml"):
        parse_user_config(text, Path("mine.toml"))
    with pytest.raises(InvalidPolicy, match=r"mine\.toml"):
        read_policy(text.encode(), "mine.toml")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        read_config(tmp_path / "mine.toml")

"""config.toml: what a user always wants; options and the environment precede it, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.cli.errors import CommandError
from crawler.cli.user_config import UserConfig, config_path, parse_user_config
from tests.crawler.cli.test_crawl import ran


def test_a_database_and_columns_are_taken(small: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'database = "{small}"\n[columns]\n"models ls" = ["repo_id", "license"]\n')
    done = ran("models", "ls", "--limit", "1", "--json", HF_CATALOG_CONFIG=str(path))
    assert json.loads(done.stdout)["rows"] == [{"repo_id": "meta-llama/Llama-3.1-8B-Instruct", "license": "llama3.1"}]
    picked = ran("models", "ls", "--limit", "1", "--json", "--columns", "likes", HF_CATALOG_CONFIG=str(path))
    assert json.loads(picked.stdout)["rows"] == [{"likes": 60}]
    missing = ran("models", "ls", HF_CATALOG_CONFIG=str(path), HF_CATALOG_DB=str(tmp_path / "none.db"))
    assert missing.returncode == 3 and "none.db" in missing.stderr


def test_fits_takes_the_configured_machine(small: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('machine = "rtx-4090-24gb"\n')
    done = ran("fits", "--db", small, HF_CATALOG_CONFIG=str(path))
    assert done.returncode == 0 and "25.8 GB VRAM" in done.stderr
    other = ran("fits", "--ram", "8GB", "--db", small, HF_CATALOG_CONFIG=str(path))
    assert "VRAM" not in other.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("database = ", "Invalid value"),
        ("databse = 'x'", "unknown key 'databse'; there are database, machine, folders, columns"),
        ("machine = 4", "machine is no text"),
        ("folders = '/data'", "folders is no list of paths"),
        ("folders = [4]", "folders is no list of paths"),
        ("columns = 4", "columns is no table"),
        ("[columns]\nsearch = 'repo_id'", "columns of 'search' is no list of names"),
        ("[columns]\nsearch = []", "columns of 'search' is no list of names"),
        ("[columns]\nmodels = ['repo_id']", "columns of 'models': there is no such command"),
        ("[columns]\n'models lss' = ['repo_id']", "columns of 'models lss': there is no such command"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(text: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem) as caught:
        parse_user_config(text, Path("/home/ann/.config/hf-catalog/config.toml"))
    assert caught.value.message.startswith("/home/ann/.config/hf-catalog/config.toml: ") and caught.value.status == 2


def test_a_home_folder_is_expanded_and_a_url_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert parse_user_config("database = '~/c.db'", Path("x")) == UserConfig(database="/home/ann/c.db")
    assert parse_user_config("database = 'postgresql:///~x'", Path("x")).database == "postgresql:///~x"


def test_the_file_is_in_the_users_configuration_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_CATALOG_CONFIG", raising=False)
    found = config_path()
    assert found is not None and found.parts[-2:] == ("hf-catalog", "config.toml")
    monkeypatch.setenv("HF_CATALOG_CONFIG", "")
    assert config_path() is None

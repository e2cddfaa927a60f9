"""What a user always wants, in config.toml of the user's configuration folder.

    database = "/srv/catalog.db"            # instead of catalog.db in the current folder
    machine = "rtx-4090-24gb"               # for fits without --ram, --vram, --preset and --this-machine
    folders = ["/data/models"]              # of model files, beside those that identify knows

    [columns]                               # instead of a command's own columns
    "models ls" = ["repo_id", "license", "downloads"]

Options and environment variables precede it. HF_CATALOG_CONFIG names another file; an empty value none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import click

from crawler.cli.errors import USAGE, CommandError

CONFIG_VARIABLE = "HF_CATALOG_CONFIG"


@dataclass(frozen=True, slots=True)
class UserConfig:
    """The settings of config.toml. None and empty: not set."""

    database: str | None = None
    machine: str | None = None
    folders: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "models ls" -> keys


def config_path() -> Path | None:
    """The file that is read; None where the environment says that none is."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named is not None:
        return Path(named) if named else None
    return Path(click.get_app_dir("hf-catalog")) / "config.toml"


@cache
def user_config() -> UserConfig:
    """The settings; all unset where there is no file. Raises CommandError for a file that is wrong."""
    path = config_path()
    if path is None:
        return UserConfig()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return UserConfig()
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(path, str(getattr(error, "strerror", None) or error)) from None
    return parse_user_config(text, path)


def parse_user_config(text: str, path: Path) -> UserConfig:
    """Raises CommandError, which names the file and the key."""
    import tomllib

    from analysis.untrusted import TOML_ERRORS

    try:
        data: dict[str, Any] = tomllib.loads(text)
    except TOML_ERRORS as error:
        raise wrong(path, str(error)) from None
    for key in data.keys() - UserConfig.__dataclass_fields__.keys():
        raise wrong(path, f"unknown key {key!r}; there are {', '.join(UserConfig.__dataclass_fields__)}")
    for key in ("database", "machine"):
        if not isinstance(data.get(key, ""), str):
            raise wrong(path, f"{key} is no text")
    folders = data.get("folders", [])
    if not isinstance(folders, list) or not all(isinstance(folder, str) and folder for folder in folders):
        raise wrong(path, "folders is no list of paths")
    columns = data.get("columns", {})
    if not isinstance(columns, dict):
        raise wrong(path, "columns is no table")
    for command, keys in columns.items():
        if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
            raise wrong(path, f"columns of {command!r} is no list of names")
        if not is_command(command):
            raise wrong(path, f"columns of {command!r}: there is no such command")
    database = data.get("database")
    return UserConfig(
        str(Path(database).expanduser()) if database and "://" not in database else database,
        data.get("machine"),
        tuple(str(Path(folder).expanduser()) for folder in folders),
        {command: tuple(keys) for command, keys in columns.items()},
    )


def is_command(name: str) -> bool:
    """Whether `models ls` and the like is a command."""
    from crawler.cli import cli

    found: click.Command | None = cli
    for word in name.split():
        found = found.get_command(click.Context(found), word) if isinstance(found, click.Group) else None
    return found is not None and not isinstance(found, click.Group)


def wrong(path: Path, problem: str) -> CommandError:
    return CommandError(f"{path}: {problem}", f"correct the file, or ignore it: {CONFIG_VARIABLE}= hf-catalog", USAGE)


def configured_columns(context: click.Context) -> tuple[str, ...]:
    """The columns that the user wants of the running command."""
    return user_config().columns.get(context.command_path.partition(" ")[2], ())

"""How an optional extra of this installation is installed."""

from __future__ import annotations

import sys
from pathlib import Path

INSTALLERS = {"pipx": "pipx install --force", "uv": "uv tool install --force"}
"""A folder on the path of the environment -> the command that made it."""


def install_command(extra: str) -> str:
    """The command that installs an extra from where the program came from.

    Never by its name alone: on a public index the name may be another project's.
    """
    from shlex import quote

    installer = next((command for part, command in INSTALLERS.items() if part in Path(sys.prefix).parts), "pip install")
    return f"{installer} {quote(f'{source_folder()}[{extra}]')}"


def source_folder() -> str:
    """The folder that the program was installed from (PEP 610), `.` where the installation does not tell."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import unquote, urlsplit

    try:
        text = distribution("hf-catalog").read_text("direct_url.json")
        url = urlsplit(str(json.loads(text or "{}").get("url", "")))
    except (PackageNotFoundError, ValueError, AttributeError):
        return "."
    return unquote(url.path) if url.scheme == "file" and Path(unquote(url.path)).is_dir() else "."

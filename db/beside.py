"""Files that belong to a catalog and are no part of it: its watches, the repos that webhooks reported."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from db.sqlite_file import sqlite_path


def file_beside(db: str, ending: str, variable: str | None = None) -> Path:
    """The file of this ending: what the environment's `variable` names, else one beside a SQLite catalog.

    For PostgreSQL a file in the user's folder for data, by a digest of the URL. Raises OSError where that folder can't
    be made.
    """
    named = os.environ.get(variable) if variable else None
    if named:
        return Path(named)
    path = sqlite_path(db)
    if path is not None:
        return path.with_name(f"{path.name}.{ending}")
    folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "hf-catalog"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{hashlib.sha256(str(db).encode()).hexdigest()[:16]}.{ending}"

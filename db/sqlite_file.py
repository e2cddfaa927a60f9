"""A catalog's SQLite file: what is checked before it is opened, and how every connection is configured.

Without SQLAlchemy, whose import takes longer than most queries; db/engine.py adds it for those who need it.
"""

from __future__ import annotations

import math
import os
import sqlite3
from pathlib import Path

from db import revisions
from db.errors import (
    CatalogBusy,
    CatalogDamaged,
    CatalogError,
    CatalogMissing,
    CatalogNewer,
    CatalogOutdated,
)

BUSY_SECONDS = 30.0
"""How long a writer waits for another one."""

ALWAYS = ("foreign_keys=on", "cache_size=-65536", "trusted_schema=off")
READING = ("query_only=on", "mmap_size=134217728")  # what a report sorts may be larger than memory: it goes to files
WRITING = (
    *("journal_mode=wal", "synchronous=normal", "secure_delete=off", "temp_store=memory"),
    *("wal_autocheckpoint=16384", "journal_size_limit=134217728"),  # 64 MiB of log: a dozen pages of changed repos
)

FOREIGN_TABLES = (
    "select 1 from sqlite_master where name <> 'alembic_version' and substr(name, 1, 7) <> 'sqlite_' limit 1"
)
"""Finds a row in a database that holds anything, a catalog that was taken back to nothing aside."""


def is_url(db: str | Path) -> bool:
    """Whether a catalog is named by the URL of a database; else it is a file of SQLite."""
    return isinstance(db, str) and "://" in db


def sqlite_path(db: str | Path) -> Path | None:
    """The file of a SQLite catalog, given as a path or as `sqlite:///PATH`; None for the URL of another database."""
    if is_url(db) and not str(db).startswith("sqlite:///"):
        return None
    return Path(str(db).removeprefix("sqlite:///"))


def check_file(path: Path, *, create: bool) -> None:
    """Raises CatalogMissing, CatalogDamaged or CatalogError where `connect` can't open the file, or can't make it."""
    try:
        there = path.exists()
    except OSError as error:
        why, hint = error.strerror or str(error), "check the permissions of the folders above it"
        raise CatalogError(str(path), f"{path} can't be opened: {why}", hint) from None
    if not there:
        if not create:
            raise CatalogMissing(str(path))
        if not path.parent.is_dir():
            raise CatalogError(
                str(path),
                f"can't make {path}: no folder {path.parent}",
                "make the folder, or name another path with --db",
            )
    elif path.is_dir():
        raise CatalogDamaged(str(path), "it is a folder")
    else:
        check_magic(path)


def check_magic(path: Path) -> None:
    """Raises CatalogDamaged for what is no SQLite database: a pipe, too, which would never end."""
    if not path.is_file():
        raise CatalogDamaged(str(path), "it is no file")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise CatalogDamaged(str(path), error.strerror or str(error)) from None
    if start and start != b"SQLite format 3\0":
        raise CatalogDamaged(str(path), "it is no SQLite database")


def connect(path: Path, *, read_only: bool, create: bool = False) -> sqlite3.Connection:
    """A configured connection, without a transaction, for any thread. Raises CatalogError."""
    writing = f"{path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
    uri = reading_uri(path) if read_only else writing
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (*ALWAYS, *(READING if read_only else WRITING)):
            connection.execute(f"pragma {pragma}")
        _add_mathematics(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise to_catalog_error(error, str(path)) from None
    return connection


def reading_uri(path: Path) -> str:
    """The URI by which SQLite opens a file to be read only, also where nothing may be written."""
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if _is_still(path) else ''}"


def is_writable(path: Path) -> bool:
    """Whether the account of this process may write to a file or a folder, and its file system lets it."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _add_mathematics(connection: sqlite3.Connection) -> None:
    """Some builds of SQLite lack the logarithm and the power that the frontier ranks by."""
    known = {
        name for (name,) in connection.execute("select name from pragma_function_list where name in ('ln', 'power')")
    }
    if "ln" not in known:
        connection.create_function("ln", 1, math.log, deterministic=True)
    if "power" not in known:
        connection.create_function("power", 2, math.pow, deterministic=True)


def _is_still(path: Path) -> bool:
    """Nobody can be writing to it: it lies where nothing may be written (a share, a disc), and was closed properly.

    SQLite has to know, because it could not create the shared-memory file that readers of a log need.
    """
    return not is_writable(path.parent) and not path.with_name(path.name + "-wal").exists()


def check_catalog(path: Path) -> None:
    """Raises CatalogMissing, CatalogDamaged, CatalogNewer or CatalogOutdated unless it is a catalog to be read."""
    check_file(path, create=False)
    connection = connect(path, read_only=True)
    try:
        table = "select 1 from sqlite_master where type = 'table' and name = 'alembic_version'"
        row = connection.execute(table).fetchone()
        row = row and connection.execute("select version_num from alembic_version").fetchone()
        is_foreign = connection.execute(FOREIGN_TABLES).fetchone() is not None
    except sqlite3.DatabaseError as error:
        raise to_catalog_error(error, str(path)) from None
    finally:
        connection.close()
    check_revision(str(path), str(row[0]) if row else None, is_foreign=is_foreign)


def check_revision(db: str, found: str | None, *, is_foreign: bool) -> None:
    """Raises CatalogDamaged, CatalogNewer or CatalogOutdated unless the schema's revision is this version's.

    `is_foreign`: the database has tables, of which no revision (None) makes another program's.
    """
    known = revisions.known_revisions()
    if found == known[-1]:
        return
    if found is None and is_foreign:
        raise CatalogDamaged(db, "it is a database, but not a catalog")
    if found is not None and found not in known:
        raise CatalogNewer(db, found, known[-1])
    raise CatalogOutdated(db, found, known[-1])


def to_catalog_error(error: Exception, db: str) -> CatalogError:
    """The catalog's own error for one of a driver, or for SQLAlchemy's that holds it."""
    cause = getattr(error, "orig", None) or error
    if hasattr(cause, "sqlstate"):
        from db.postgres_errors import postgres_error

        return postgres_error(cause, db)
    lines = str(cause).strip().splitlines()
    why = lines[0] if lines else type(cause).__name__
    if "locked" in why or "busy" in why:
        return CatalogBusy(db, why)
    if "full" in why:
        return CatalogError(db, f"{db} can't grow: {why}", "make room on the disk; nothing that was stored is lost")
    if "disk I/O" in why:
        hint = "look at the disk: full, over its quota, or gone? Nothing that was stored is lost; then try again"
        return CatalogError(db, f"{db} can't be read or written: {why}", hint)
    if "readonly" in why or "unable to open" in why:
        return CatalogError(db, f"{db} can't be opened: {why}", "check the file's permissions")
    return CatalogDamaged(db, why)

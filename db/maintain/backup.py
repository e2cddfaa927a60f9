"""Copies of a SQLite catalog: made whole or not at all, and looked at before they take its place."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from db import revisions
from db.engine import catalog_url, masked_url, raw
from db.errors import CatalogBusy, CatalogDamaged, CatalogError, CatalogMissing, CatalogNewer
from db.new_file import new_file, sync
from db.sqlite_file import check_magic, is_url, is_writable, reading_uri, to_catalog_error

LOCK_TIMEOUT = 5.0
"""Seconds to wait for others to let go of a catalog that is to be replaced."""


def backup(db: str | Path, target: str | Path | None = None, *, replace: bool = False) -> Path:
    """A compact copy of the catalog as it is at this moment, whatever a crawl writes meanwhile; returns its path.

    Raises CatalogMissing, CatalogDamaged, CatalogError where the target is there already or can't be written.
    """
    source = file_of(db)
    if not source.exists():
        raise CatalogMissing(str(source))
    check_magic(source)
    path = Path(target) if target is not None else source.with_name(f"{source.name}.{_stamp()}.backup")
    if path.is_dir():
        path = path / f"{source.name}.{_stamp()}.backup"
    if path.exists() and not replace:
        raise CatalogError(str(path), f"{path} is there already", "name another file, or replace it with --force")
    if not path.parent.is_dir():
        raise CatalogError(str(path), f"can't make {path}: no folder {path.parent}", "make the folder first")
    if target is None and not is_writable(path.parent):
        hint = f"name another place: hf-catalog db backup FILE --db {source}"
        raise CatalogError(str(path), f"can't make {path}: the folder is not writable", hint)
    try:
        with new_file(path) as draft:
            _write_copy(source, draft)
    except sqlite3.Error as error:
        raise to_catalog_error(error, str(source)) from error
    return path


def _write_copy(source: Path, draft: Path) -> None:
    """Writes the catalog as it is at this moment, for an account that may write to it or only read it.

    While a catalog is used it has a log, which readers find by a third file. An account that may not write can't make
    that one: where only it is missing, catalog and log are copied and read there.
    """
    if _may_write(source):
        with raw(source) as connection:
            connection.execute("vacuum into ?", (str(draft),))
        return
    log, index = (source.with_name(source.name + end) for end in ("-wal", "-shm"))
    if not log.exists() or index.exists():
        with closing(sqlite3.connect(reading_uri(source), uri=True, isolation_level=None)) as connection:
            connection.execute("vacuum into ?", (str(draft),))
        return
    copy = draft.with_name("copy.db")
    before = _state(source), _state(log)
    shutil.copyfile(source, copy)
    shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
    if before != (_state(source), _state(log)):
        raise CatalogBusy(str(source), "it was written to while it was copied")
    with raw(copy) as connection:
        connection.execute("vacuum into ?", (str(draft),))


def _may_write(path: Path) -> bool:
    return is_writable(path) and is_writable(path.parent)


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file is written to."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def verify(path: Path) -> str:
    """The schema of a catalog's file that is whole. Raises CatalogMissing, CatalogDamaged, CatalogNewer."""
    if not path.exists():
        raise CatalogMissing(str(path))
    check_magic(path)
    try:
        with raw(path) as connection:
            wrong = [row[0] for row in connection.execute("pragma integrity_check(5)") if row[0] != "ok"]
            if wrong:
                raise CatalogDamaged(str(path), "; ".join(wrong))
            if connection.execute("pragma foreign_key_check").fetchone():
                raise CatalogDamaged(str(path), "rows that refer to rows that do not exist")
            found = connection.execute("select version_num from alembic_version").fetchone()
    except sqlite3.Error as error:
        raise CatalogDamaged(str(path), str(error)) from error
    if found is None:
        raise CatalogDamaged(str(path), "it is a database, but not a catalog")
    if found[0] not in revisions.known_revisions():
        raise CatalogNewer(str(path), found[0], revisions.head())
    return str(found[0])


def restore(source: str | Path, db: str | Path) -> Path | None:
    """Puts a backup in the catalog's place once it is known to be whole; returns where the replaced one lies now.

    Raises CatalogMissing, CatalogDamaged, CatalogNewer for the backup; CatalogBusy where the catalog is in use.
    """
    copy, path = Path(source), file_of(db)
    verify(copy)
    with new_file(path) as draft:
        shutil.copyfile(copy, draft)
        sync(draft)
        old = _set_aside(path)  # then the draft takes its name at once: there is a catalog at every moment
    return old


def _set_aside(path: Path) -> Path | None:
    """Gives the present catalog a second name, its log folded in: one left behind would be taken for the new file's."""
    if not path.exists():
        return None
    try:
        with raw(path, timeout=LOCK_TIMEOUT) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")
            mode = connection.execute("pragma journal_mode=delete").fetchone()[0]
        if mode == "wal":
            raise CatalogBusy(str(path), "other programs have it open")
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise CatalogBusy(str(path), str(error)) from error
    except sqlite3.DatabaseError:
        pass  # it is damaged, which is why there is a backup
    old = path.with_name(f"{path.name}.{_stamp()}.replaced")
    try:
        old.hardlink_to(path)
    except OSError:  # a file system without links
        path.replace(old)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    return old


def file_of(db: str | Path) -> Path:
    """The catalog's file. Raises CatalogError for one that a server holds."""
    url = catalog_url(db)
    if is_url(db) and url.get_backend_name() != "sqlite":
        hint = "copy it into a file: hf-catalog db copy URL catalog.db; or use pg_dump and pg_restore"
        raise CatalogError(masked_url(url), f"{masked_url(url)} is kept by a server, not in a file", hint)
    return Path(str(url.database))


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}"

"""What can go wrong with a catalog.

    CatalogError
    ├── CatalogMissing     there is no catalog where one was asked for
    ├── CatalogDamaged     the file is no catalog, or its bytes are broken
    ├── CatalogNewer       a later version of the program made it
    ├── CatalogOutdated    an earlier version made it, and a reader must not change it
    ├── CatalogLocked      another crawl holds it
    ├── CatalogBusy        another program kept it locked for longer than we wait
    ├── CatalogUnreachable the server of a catalog given by URL does not answer
    └── PrivilegedRole     a user's SQL would run as a role that may do more than read
    QueryError
    ├── QueryRefused       the statement is not a reading one, or is no SQL
    ├── QueryTimeout       the statement ran for longer than it may
    └── QueryTooCostly     the statement needs more memory or space than it may use

Each message names the catalog and each `hint` says the way out.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path


class CatalogError(Exception):
    """The catalog can't be used. `db` names it, `hint` says what to do."""

    hint: str = "hf-catalog db check --db PATH says what is wrong"

    def __init__(self, db: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.db = db
        if hint is not None:
            self.hint = hint


class CatalogMissing(CatalogError):
    def __init__(self, db: str) -> None:
        super().__init__(
            db, f"no catalog at {db}", f"make one with: hf-catalog crawl --db {db}   (or: hf-catalog demo)"
        )


class CatalogDamaged(CatalogError):
    def __init__(self, db: str, why: str) -> None:
        super().__init__(
            db, f"{db} is not a readable catalog: {why}", "name another with --db, or: hf-catalog db restore"
        )


class CatalogNewer(CatalogError):
    def __init__(self, db: str, revision: str, head: str) -> None:
        super().__init__(
            db,
            f"{db} was made by a newer hf-catalog (schema {revision}; this version knows {head})",
            "upgrade hf-catalog, or name another catalog with --db",
        )
        self.revision, self.head = revision, head


class CatalogOutdated(CatalogError):
    def __init__(self, db: str, revision: str | None, head: str) -> None:
        super().__init__(
            db,
            f"{db} has schema {revision or 'none'}; this version needs {head}",
            f"bring it up to date with: hf-catalog db upgrade --db {db}",
        )
        self.revision, self.head = revision, head


class CatalogLocked(CatalogError):
    def __init__(self, db: str, pid: int, host: str, since: datetime) -> None:
        super().__init__(
            db,
            f"{db} is held by a crawl: process {pid} on {host}, since {since:%Y-%m-%d %H:%M:%S} UTC",
            "wait for it or stop it; a crawl that died is noticed by itself on the same host",
        )
        self.pid, self.host, self.since = pid, host, since


class CatalogBusy(CatalogError):
    def __init__(self, db: str, why: str) -> None:
        super().__init__(db, f"{db} is busy: {why}", "another program is writing to it; try again when it is done")


class CatalogUnreachable(CatalogError):
    def __init__(self, db: str, why: str) -> None:
        super().__init__(db, f"{db} does not answer: {why}", "check the URL, the server and its password")


class PrivilegedRole(CatalogError):
    def __init__(self, db: str, role: str, what: str) -> None:
        super().__init__(
            db,
            f"the role {role} of {db} {what}: SQL that a user gives runs as a role that may only read",
            f"make one with: hf-catalog db grant-reader NAME --db {db}   (or allow this one: --allow-privileged-role)",
        )
        self.role = role


class HistoryInvalid(Exception):
    """A file of dated downloads and likes that can't be imported."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")


class QueryError(Exception):
    """A statement was not answered. `sql` is the statement, `hint` says what to do."""

    hint: str = "see the tables and columns in docs/schema.md"

    def __init__(self, sql: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.sql = sql
        if hint is not None:
            self.hint = hint


class QueryRefused(QueryError):
    """Not a statement that reads, or not SQL that the engine understands."""

    hint = "queries only read: one select, with, values, table, explain or show, without functions that do more"


class QueryTimeout(QueryError):
    def __init__(self, sql: str, seconds: float) -> None:
        super().__init__(
            sql, f"the query ran for more than {seconds:g} s and was stopped", "narrow it, or raise --timeout"
        )
        self.seconds = seconds


class QueryTooCostly(QueryError):
    """The statement, or one value of it, is larger than a query's may be."""

    hint = "narrow it with a where, select fewer columns, or aggregate less into one value"

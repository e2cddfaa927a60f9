"""Errors of a PostgreSQL server as errors of the catalog, by their SQLSTATE
(https://www.postgresql.org/docs/current/errcodes-appendix.html).
"""

from __future__ import annotations

from typing import Any

from db.errors import CatalogBusy, CatalogDamaged, CatalogError, CatalogUnreachable

UNREACHABLE = ("08", "57P", "53300")
"""Connection exceptions, a server that shuts down or starts up, and one that has no connection left."""

BUSY = ("55P03", "40001", "40P01", "57014")
"""A lock that was not given, transactions in each other's way, and a statement that was cancelled."""

REASONS = {
    "53100": ("its server's disk is full", "make room there; nothing that was stored is lost"),
    "53": ("its server lacks resources", "look at the server's memory and settings; nothing that was stored is lost"),
    "58": ("its server can't read or write its files", "look at the server's disk and log; then try again"),
    "42501": ("the role lacks a right", "grant it, or name a schema that the role owns: ?schema=NAME in the URL"),
    "25006": ("the server accepts no writes", "name the primary server: this one is a standby or is set to read-only"),
    "22021": ("a text does not fit its encoding", "keep the catalog in a database with encoding UTF8"),
    "22P05": ("a text does not fit its encoding", "keep the catalog in a database with encoding UTF8"),
}
"""By SQLSTATE, or its first characters: what is the matter, and what to do."""

MISSING = ("42P01", "42703", "3F000")
"""A table, a column or a schema that is not there."""

DAMAGE_HINT = "see what is wrong with: hf-catalog db check; restore a dump of pg_dump, or make a new catalog"


def is_server_error(error: Any) -> bool:
    """Whether an error of psycopg, or SQLAlchemy's that holds it, is the server's and not of a wrong statement."""
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", "none")
    return state is None or state.startswith((*UNREACHABLE, *BUSY, *REASONS, *MISSING, "XX"))


def postgres_error(cause: Any, db: str) -> CatalogError:
    """The catalog's own error for one of psycopg. One without SQLSTATE never came from a server."""
    state = cause.sqlstate
    if state is None or state.startswith(UNREACHABLE):
        return CatalogUnreachable(db, lost_connection(str(cause)))
    why = cause.diag.message_primary or str(cause).partition("\n")[0]
    if state in BUSY:
        return CatalogBusy(db, why)
    for prefix in (state, state[:2]):
        if prefix in REASONS:
            what, hint = REASONS[prefix]
            return CatalogError(db, f"{db} can't be used, as {what}: {why}", hint)
    damaged = CatalogDamaged(db, why)
    damaged.hint = DAMAGE_HINT
    return damaged


def lost_connection(text: str) -> str:
    """Why there is no connection, of libpq's message of several lines with the address and what to ask oneself."""
    first = text.strip().partition("\n")[0]
    return first.rpartition("failed: ")[2] or "the connection was lost"

"""The crawl lock: which crawl holds a catalog, and when its row may be taken over.

On SQLite there is one lock, `crawl`. Its row has the process, the machine, the start and the last refresh, which writes
renew. A holder on this machine is replaced as soon as its process has ended, one on another machine (a container that
was replaced) after LOCK_TIMEOUT. A process is identified by its number and its start time (db.processes), since numbers
are reused; that time is independent of the clock, so that setting the clock never makes a running holder look ended. A
holder that was suspended while another crawl took over gets CatalogLocked at its next write. PostgreSQL serves several
crawls: each has a row of its own, for `status`, and an advisory lock orders their writes (db.write.store).
"""

from __future__ import annotations

import os
import secrets
import socket
from datetime import UTC, datetime, timedelta

from db.errors import CatalogLocked
from db.processes import is_running, start_time
from db.rows import Rows
from db.schema.tables import crawl_locks

LOCK_TIMEOUT = timedelta(hours=1)
"""After this long without a refresh the lock of another machine may be taken over: longer than any wait for quota."""


def acquire_lock(rows: Rows, db: str, now: datetime) -> str:
    """Acquires the crawl lock in the caller's transaction; returns the token that releases it. Raises CatalogLocked."""
    token, this_host = f"{secrets.token_hex(8)} {start_time(os.getpid())}", socket.gethostname()
    to_time = rows.result(crawl_locks, "started_at")
    sql = "select name, pid, host, started_at, seen_at, token from crawl_locks"
    for name, pid, host, started_at, seen_at, other_token in rows.select(sql):
        started = other_token.partition(" ")[2]
        ended = not is_running(pid, started) if host == this_host else now - to_time(seen_at) > LOCK_TIMEOUT
        if ended:
            rows.delete(crawl_locks, ("name",), [(name,)])
        elif rows.dialect.name == "sqlite":
            raise CatalogLocked(db, pid, host, to_time(started_at))
    _insert(rows, token, now)
    return token


def _insert(rows: Rows, token: str, now: datetime) -> None:
    pid, host = os.getpid(), socket.gethostname()
    name = "crawl" if rows.dialect.name == "sqlite" else f"crawl {host} {pid} {token}"
    columns = ("name", "pid", "host", "started_at", "seen_at", "token")
    rows.insert(crawl_locks, columns, [(name, pid, host, now, now, token)])


def check_lock(rows: Rows, db: str, token: str) -> None:
    """Raises CatalogLocked if another crawl took the lock over; acquires it again if nobody holds it."""
    if rows.exists("select 1 from crawl_locks where token = ?", (token,)):
        return
    other = rows.first("select pid, host, started_at from crawl_locks")
    if other is not None and rows.dialect.name == "sqlite":
        raise CatalogLocked(db, other.pid, other.host, rows.result(crawl_locks, "started_at")(other.started_at))
    _insert(rows, token, datetime.now(UTC))


def refresh_lock(rows: Rows, token: str, now: datetime) -> None:
    """Updates the time at which the lock was last seen to be held."""
    rows.update(crawl_locks, ("seen_at",), "token", [(now, token)])


def release_lock(rows: Rows, token: str) -> None:
    """Deletes the lock's row; nothing if another crawl took it over."""
    rows.delete(crawl_locks, ("token",), [(token,)])

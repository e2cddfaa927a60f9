"""One crawl a catalog: who holds it, and how a dead holder is told from a living one.

On SQLite there is one lock, `crawl`. Its row names the process, the machine, the start and the last sign of life,
which every write renews. A holder on this machine whose process is no more is taken over at once, one on another
machine (a container that was replaced) after `SILENCE`. A process is known by its number and its birth, told in ticks
since the machine started: no clock that somebody sets can make a living holder look dead. A holder that slept while
another took over finds out at its next write, and ends. PostgreSQL serves several crawlers: each has a row of its own,
for `status`, and their writes queue by an advisory lock (see db.write.store).
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
"""How long a holder on another machine may be silent before it counts as dead: longer than any wait for quota."""


def acquire_lock(rows: Rows, db: str, now: datetime) -> str:
    """Takes the crawl lock; returns the token that gives it back. Raises CatalogLocked. In the caller's transaction."""
    token, host = f"{secrets.token_hex(8)} {start_time(os.getpid())}", socket.gethostname()
    read_time = rows.result(crawl_locks, "started_at")
    for held, holder, machine, since, seen, told in rows.select(
        "select name, pid, host, started_at, seen_at, token from crawl_locks"
    ):
        if _over(holder, told.partition(" ")[2], machine == host, read_time(seen), now):
            rows.delete(crawl_locks, ("name",), [(held,)])
        elif rows.dialect.name == "sqlite":
            raise CatalogLocked(db, holder, machine, read_time(since))
    _insert(rows, token, now)
    return token


def _insert(rows: Rows, token: str, now: datetime) -> None:
    pid, host = os.getpid(), socket.gethostname()
    name = "crawl" if rows.dialect.name == "sqlite" else f"crawl {host} {pid} {token}"
    columns = ("name", "pid", "host", "started_at", "seen_at", "token")
    rows.insert(crawl_locks, columns, [(name, pid, host, now, now, token)])


def check_lock(rows: Rows, db: str, token: str) -> None:
    """Makes sure that the lock is still ours. Raises CatalogLocked where another crawl took over meanwhile."""
    if rows.select("select 1 from crawl_locks where token = ?", (token,)):
        return
    others = rows.select("select pid, host, started_at from crawl_locks")
    if others and rows.dialect.name == "sqlite":
        raise CatalogLocked(db, others[0][0], others[0][1], rows.result(crawl_locks, "started_at")(others[0][2]))
    _insert(rows, token, datetime.now(UTC))


def refresh_lock(rows: Rows, token: str, now: datetime) -> None:
    """A sign of life of the lock's holder."""
    rows.update(crawl_locks, ("seen_at",), "token", [(now, token)])


def release_lock(rows: Rows, token: str) -> None:
    rows.delete(crawl_locks, ("token",), [(token,)])


def _over(pid: int, born: str, here: bool, seen: datetime, now: datetime) -> bool:
    return not is_running(pid, born) if here else now - seen > LOCK_TIMEOUT

"""The crawl lock: which crawl holds a catalog, and when its row may be taken over.

On SQLite there is one lock, `crawl`. Its row has the process, the machine, the start and the last refresh, which writes
renew. A holder on this machine is replaced as soon as its process has ended, one on another machine (a container that
was replaced) after LOCK_TIMEOUT. A process is identified by its number and its start time (db.processes), since numbers
are reused; that time is independent of the clock, so that setting the clock never makes a running holder look ended. A
holder that was suspended while another crawl took over gets CatalogLocked at its next write.

PostgreSQL serves several crawls. Each has a row of its own, which a thread refreshes by the server's clock
(db.write.heartbeat), also while the crawl waits for the Hub; one of another machine that was not refreshed for
HEARTBEAT_TIMEOUT has ended, and the leases that it holds are freed. An advisory lock orders the writes
(db.write.store).
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from db.errors import CatalogLocked
from db.processes import is_running, start_time
from db.rows import Rows
from db.schema.tables import crawl_locks

LOCK_TIMEOUT = timedelta(hours=1)
"""After this long without a refresh the lock of another machine may be taken over: longer than any wait for quota."""


HEARTBEAT_TIMEOUT = timedelta(seconds=45)
"""After this long without a heartbeat a crawler of another machine has ended; it sends one every
HEARTBEAT_SECONDS (db.write.heartbeat)."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A crawl that holds the lock, or a part of it: a row of crawl_locks."""

    name: str
    pid: int
    host: str
    started_at: datetime
    seen_at: datetime
    token: str

    def has_ended(self, now: datetime, timeout: timedelta) -> bool:
        if self.host == socket.gethostname():
            return not is_running(self.pid, self.token.partition(" ")[2])
        return now - self.seen_at > timeout


def holder_of(token: str) -> str:
    """The crawler's name in its leases."""
    return token.partition(" ")[0]


def acquire_lock(rows: Rows, db: str, now: datetime) -> str:
    """Acquires the crawl lock in the caller's transaction, which has removed holders that have ended; returns the token
    that releases it. Raises CatalogLocked."""
    if rows.dialect.name == "sqlite":
        for other in _load_holders(rows):
            raise CatalogLocked(db, other.pid, other.host, other.started_at)
    token = f"{secrets.token_hex(8)} {start_time(os.getpid())}"
    _insert(rows, token, now)
    return token


def remove_ended(rows: Rows, now: datetime) -> list[str]:
    """Deletes the rows of crawls that have ended; returns their names in leases."""
    on_sqlite = rows.dialect.name == "sqlite"
    now, timeout = (now, LOCK_TIMEOUT) if on_sqlite else (_server_time(rows), HEARTBEAT_TIMEOUT)
    ended = [holder for holder in _load_holders(rows) if holder.has_ended(now, timeout)]
    rows.delete(crawl_locks, ("name",), [(holder.name,) for holder in ended])
    return [holder_of(holder.token) for holder in ended]


def _load_holders(rows: Rows) -> list[LockHolder]:
    to_time = rows.result(crawl_locks, "started_at")
    sql = "select name, pid, host, started_at, seen_at, token from crawl_locks"
    return [
        LockHolder(name, pid, host, to_time(started_at), to_time(seen_at), token)
        for name, pid, host, started_at, seen_at, token in rows.select(sql)
    ]


def _server_time(rows: Rows) -> datetime:
    """The time by PostgreSQL's clock, which all crawlers share."""
    moment: datetime = rows.scalar("select clock_timestamp()")
    return moment


def _insert(rows: Rows, token: str, now: datetime) -> None:
    if rows.dialect.name != "sqlite":
        now = _server_time(rows)
    pid, host = os.getpid(), socket.gethostname()
    name = "crawl" if rows.dialect.name == "sqlite" else f"crawl {host} {pid} {token}"
    columns = ("name", "pid", "host", "started_at", "seen_at", "token")
    rows.insert(crawl_locks, columns, [(name, pid, host, now, now, token)])


def check_lock(rows: Rows, db: str, token: str) -> None:
    """Raises CatalogLocked if another crawl took the lock over; acquires it again if it is free."""
    if rows.exists("select 1 from crawl_locks where token = ?", (token,)):
        return
    other = rows.first("select pid, host, started_at from crawl_locks")
    if other is not None and rows.dialect.name == "sqlite":
        raise CatalogLocked(db, other.pid, other.host, rows.result(crawl_locks, "started_at")(other.started_at))
    _insert(rows, token, datetime.now(UTC))


def refresh_lock(rows: Rows, token: str, now: datetime) -> None:
    """Updates the time at which the lock was last seen to be held."""
    if rows.dialect.name != "sqlite":
        now = _server_time(rows)
    rows.update(crawl_locks, ("seen_at",), "token", [(now, token)])


def release_lock(rows: Rows, token: str) -> None:
    """Deletes the lock's row; nothing if another crawl took it over."""
    rows.delete(crawl_locks, ("token",), [(token,)])

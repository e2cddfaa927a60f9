"""One crawl a catalog: who holds it, and how a dead holder is told from a living one.

On SQLite there is one lock, `crawl`. Its row names the process, the machine, the start and the last sign of life,
which every write renews. A holder on this machine whose process is no more is taken over at once, one on another
machine (a container that was replaced) after `SILENCE`. PostgreSQL serves several crawlers: each has a row of its
own, for `status`, and their writes queue by an advisory lock (see db.store).
"""

from __future__ import annotations

import os
import secrets
import socket
from datetime import datetime, timedelta
from pathlib import Path

from db.errors import CatalogLocked
from db.models import crawl_locks
from db.rows import Rows

SILENCE = timedelta(hours=1)
"""How long a holder on another machine may be silent before it counts as dead: longer than any wait for quota."""


def take(rows: Rows, db: str, now: datetime) -> str:
    """Takes the crawl lock; returns the token that gives it back. Raises CatalogLocked. In the caller's transaction."""
    token, pid, host = secrets.token_hex(8), os.getpid(), socket.gethostname()
    shared = rows.dialect.name != "sqlite"
    name = f"crawl {host} {pid} {token}" if shared else "crawl"
    read_time = rows.result(crawl_locks, "started_at")
    for held, holder, machine, since, seen in rows.select(
        "select name, pid, host, started_at, seen_at from crawl_locks"
    ):
        if _over(holder, machine == host, read_time(since), read_time(seen), now):
            rows.delete(crawl_locks, ("name",), [(held,)])
        elif not shared:
            raise CatalogLocked(db, holder, machine, read_time(since))
    columns = ("name", "pid", "host", "started_at", "seen_at", "token")
    rows.insert(crawl_locks, columns, [(name, pid, host, now, now, token)])
    return token


def beat(rows: Rows, token: str, now: datetime) -> None:
    """A sign of life of the lock's holder."""
    rows.update(crawl_locks, ("seen_at",), "token", [(now, token)])


def give_back(rows: Rows, token: str) -> None:
    rows.delete(crawl_locks, ("token",), [(token,)])


def _over(pid: int, here: bool, since: datetime, seen: datetime, now: datetime) -> bool:
    return not _lives(pid, since) if here else now - seen > SILENCE


def _lives(pid: int, since: datetime) -> bool:
    """The process that took the lock is still there: a process of that number that is no younger than the lock."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    started = _started(pid)
    return started is None or started <= since.timestamp() + 2


def _started(pid: int) -> float | None:
    """When a process started, in seconds since the epoch; None where the system does not tell (Linux does)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
        boot = next(float(line.split()[1]) for line in lines if line.startswith("btime "))
        return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return None

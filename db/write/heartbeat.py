"""The heartbeat of a crawl on PostgreSQL: a thread that refreshes the crawl's row of crawl_locks.

So other crawlers know within a minute that one has died with its machine, however long a living one waits for the Hub.
The thread has a connection of its own. While the server is away it tries again, which is no concern of the crawl.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.rows import Rows
from db.write.lock import refresh_lock

HEARTBEAT_SECONDS = 10.0
"""Between two heartbeats: four may be lost before the crawl counts as ended (db.write.lock.HEARTBEAT_TIMEOUT)."""


@contextmanager
def heartbeat(engine: Engine, token: str, seconds: float = HEARTBEAT_SECONDS) -> Iterator[None]:
    """Refreshes the row of crawl_locks with this token every `seconds` during the block. None is needed on SQLite."""
    if engine.dialect.name == "sqlite":
        yield
        return
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(seconds):
            with suppress(SQLAlchemyError), engine.begin() as connection:
                refresh_lock(Rows(connection), token, datetime.now(UTC))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

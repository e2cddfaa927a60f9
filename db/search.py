"""Full-text search over ids, families, tasks and telling tags: FTS5 trigram, pg_trgm."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from db.rows import Rows

BATCH = 2000


def create_index(connection: Connection) -> None: ...


def drop_index(connection: Connection) -> None: ...


def refresh(rows: Rows, most: int) -> int:
    return 0


def optimize(engine: Engine) -> None: ...

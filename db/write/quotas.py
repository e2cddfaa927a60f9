"""What is left of an account's quotas on the Hub, in a row for each bucket that the crawlers of a catalog share.

Only PostgreSQL serves several crawlers, so only there it is kept. Each row is held for the moment of one question, in a
transaction of its own, by the server's clock. How the numbers follow from each other is no concern of this module (see
crawler.sources.shared_quota): any object whose attributes are named as the columns can be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.rows import Rows
from db.schema.tables import request_quotas

State = TypeVar("State")

_COLUMNS = tuple(column.name for column in request_quotas.columns if not column.primary_key)


class AccountQuotas:
    """The rows of one account, which is named by a digest. Used by several threads."""

    def __init__(self, engine: Engine, account: str) -> None:
        self._engine = engine
        self._account = account

    @contextmanager
    def locked(self, bucket: str, empty: State) -> Iterator[tuple[State, float] | None]:
        """The state of a bucket and the seconds since 1970, held until the block ends and stored then.

        `empty` is filled from the row, or becomes the first. None while the server is away: the crawl itself waits for
        it elsewhere.
        """
        is_held = False
        try:
            with self._engine.begin() as connection:
                rows = Rows(connection)
                now = self._load(rows, bucket, empty)
                is_held = True
                yield empty, now
                values = [getattr(empty, name) for name in _COLUMNS]
                rows.update(request_quotas, _COLUMNS, ("account", "bucket"), [(*values, self._account, bucket)])
        except SQLAlchemyError:
            if not is_held:
                yield None

    def _load(self, rows: Rows, bucket: str, state: Any) -> float:
        """Locks the row, which is made where there is none."""
        key = (self._account, bucket)
        first = (*key, *(getattr(state, name) for name in _COLUMNS))
        rows.insert_new(request_quotas, ("account", "bucket", *_COLUMNS), [first])
        found = rows.first(
            f'select {", ".join(_COLUMNS)}, extract(epoch from clock_timestamp()) as "now" from request_quotas'
            " where account = ? and bucket = ? for update",
            key,
        )
        for name in _COLUMNS:
            setattr(state, name, getattr(found, name))
        return float(found.now)

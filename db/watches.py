"""Watches and their outbox: what was found, which messages it became, and what was delivered.

A SQLite file of its own beside the catalog: a catalog that is restored, copied or published neither loses nor repeats
notifications, and a delivery never waits for a crawl. An event is stored before it is sent and has one key, so that it
is found once, whatever is killed when. Addresses with secrets are never in it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from db.beside import file_beside

FILE_VARIABLE = "HF_CATALOG_WATCHES"
BUSY_SECONDS = 60.0
FEED_ENTRIES = 200
"""Events that the feed of a watch holds."""

BASELINE = 0
"""Number of the message of events that were there when the watch was made: they are not sent."""

CLAIM = timedelta(minutes=2)
"""How long a message that is being sent belongs to its process; one that was killed is sent again after it."""

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)

SCHEMA = """
create table if not exists watches (
    name text primary key, definition text not null, targets text not null, every_seconds integer,
    created_at text not null, checked_at text
) strict;
create table if not exists events (
    id integer primary key, watch text not null, key text not null, repo_id text, text text not null, at text not null,
    message integer, unique (watch, key)
) strict;
create index if not exists waiting_events on events (watch) where message is null;
create table if not exists messages (
    number integer not null, target text not null, watch text not null, created_at text not null,
    attempts integer not null default 0, next_attempt_at text not null, delivered_at text, error text,
    primary key (number, target)
) strict;
create index if not exists open_messages on messages (next_attempt_at) where delivered_at is null;
"""


@dataclass(frozen=True, slots=True)
class Watch:
    """A saved condition. `definition` as JSON data; `targets` without secrets; `every`: at most one message in it."""

    name: str
    definition: Mapping[str, Any]
    targets: Sequence[str]
    every: timedelta | None
    created_at: datetime
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One thing that a watch found. `key` identifies it for ever."""

    key: str
    repo_id: str | None
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """Events for one target, and how often sending them has failed."""

    number: int
    target: str
    watch: str
    attempts: int
    events: tuple[WatchEvent, ...]


def watch_file(db: str) -> Path:
    """The file of the watches of a catalog, which HF_CATALOG_WATCHES may name."""
    return file_beside(db, "watches", FILE_VARIABLE)


class WatchStore:
    """The file of watches; a context manager. Raises sqlite3.DatabaseError where it is none.

    With `read_only` it must be there, and nothing is written.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._connection = sqlite3.connect(uri, timeout=BUSY_SECONDS, isolation_level=None, uri=True)
        self._connection.row_factory = sqlite3.Row
        if not read_only:
            self._connection.executescript(SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        self._connection.execute("begin immediate")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def add(self, watch: Watch, baseline: Iterable[WatchEvent]) -> bool:
        """Stores a watch with what it finds now, which is not sent; false where one has this name."""
        every = None if watch.every is None else int(watch.every.total_seconds())
        row = (watch.name, json.dumps(watch.definition), json.dumps(list(watch.targets)), every, iso(watch.created_at))
        with self._writing() as connection:
            sql = "insert into watches (name, definition, targets, every_seconds, created_at) values (?, ?, ?, ?, ?)"
            if connection.execute(f"{sql} on conflict do nothing", row).rowcount == 0:
                return False
            self._insert(watch.name, baseline, BASELINE)
        return True

    def remove(self, name: str) -> bool:
        """Forgets a watch with its events and messages; whether there was one."""
        with self._writing() as connection:
            for table in ("events", "messages"):
                connection.execute(f"delete from {table} where watch = ?", (name,))
            return connection.execute("delete from watches where name = ?", (name,)).rowcount == 1

    def watches(self) -> list[Watch]:
        """All of them, by name."""
        return [
            Watch(
                row["name"],
                json.loads(row["definition"]),
                json.loads(row["targets"]),
                None if row["every_seconds"] is None else timedelta(seconds=row["every_seconds"]),
                datetime.fromisoformat(row["created_at"]),
                None if row["checked_at"] is None else datetime.fromisoformat(row["checked_at"]),
            )
            for row in self._connection.execute("select * from watches order by name")
        ]

    def record(self, watch: Watch, found: Iterable[WatchEvent], now: datetime) -> int:
        """Stores what is new of what a watch found, and makes a message of all that waits if one is due.

        In one transaction. Returns the number of new events.
        """
        with self._writing() as connection:
            new = self._insert(watch.name, found, None)
            connection.execute("update watches set checked_at = ? where name = ?", (iso(now), watch.name))
            if self._is_due(watch, now):
                self._make_message(watch, now)
        return new

    def _insert(self, name: str, found: Iterable[WatchEvent], message: int | None) -> int:
        rows = [(name, each.key, each.repo_id, each.text, iso(each.at), message) for each in found]
        sql = "insert into events (watch, key, repo_id, text, at, message) values (?, ?, ?, ?, ?, ?)"
        return max(self._connection.executemany(f"{sql} on conflict do nothing", rows).rowcount, 0) if rows else 0

    def _is_due(self, watch: Watch, now: datetime) -> bool:
        """Whether the time of a digest has passed since the last one."""
        if watch.every is None:
            return True
        (last,) = self._connection.execute(
            "select max(created_at) from messages where watch = ?", (watch.name,)
        ).fetchone()
        return last is None or datetime.fromisoformat(last) + watch.every <= now

    def _make_message(self, watch: Watch, now: datetime) -> None:
        (number,) = self._connection.execute("select coalesce(max(number), 0) + 1 from messages").fetchone()
        sql = "update events set message = ? where watch = ? and message is null"
        if self._connection.execute(sql, (number, watch.name)).rowcount:
            rows = [(number, target, watch.name, iso(now), iso(now)) for target in watch.targets]
            sql = "insert into messages (number, target, watch, created_at, next_attempt_at) values (?, ?, ?, ?, ?)"
            self._connection.executemany(sql, rows)

    def claim_next(self, now: datetime) -> Message | None:
        """The oldest message that is to be sent now, which is this process's for CLAIM; None without one."""
        with self._writing() as connection:
            row = connection.execute(
                "select number, target, watch, attempts from messages where delivered_at is null"
                " and next_attempt_at <= ? order by number, target limit 1",
                (iso(now),),
            ).fetchone()
            if row is None:
                return None
            connection.execute(
                "update messages set next_attempt_at = ? where number = ? and target = ?",
                (iso(now + CLAIM), row["number"], row["target"]),
            )
        return Message(row["number"], row["target"], row["watch"], row["attempts"], self._events_of(row["number"]))

    def _events_of(self, number: int) -> tuple[WatchEvent, ...]:
        sql = "select key, repo_id, text, at from events where message = ? order by id"
        return tuple(to_event(row) for row in self._connection.execute(sql, (number,)))

    def mark_delivered(self, message: Message, now: datetime) -> None:
        with self._writing() as connection:
            connection.execute(
                "update messages set delivered_at = ?, attempts = attempts + 1, error = null"
                " where number = ? and target = ?",
                (iso(now), message.number, message.target),
            )

    def mark_failed(self, message: Message, error: str, now: datetime) -> None:
        """The message is sent again later: after one minute, then each time twice as late, at most LONGEST_RETRY."""
        wait = min(FIRST_RETRY * 2 ** min(message.attempts, 16), LONGEST_RETRY)
        with self._writing() as connection:
            connection.execute(
                "update messages set attempts = attempts + 1, error = ?, next_attempt_at = ?"
                " where number = ? and target = ?",
                (error, iso(now + wait), message.number, message.target),
            )

    def recent_events(self, name: str, limit: int) -> list[WatchEvent]:
        """The last events of a watch that became messages, newest first."""
        sql = "select key, repo_id, text, at from events where watch = ? and message > ? order by id desc limit ?"
        return [to_event(row) for row in self._connection.execute(sql, (name, BASELINE, limit))]

    def counts(self, name: str) -> dict[str, Any]:
        """How many events a watch has found and how many wait, and the messages that were not delivered."""
        (found, waiting) = self._connection.execute(
            "select count(*) filter (where message is null or message > 0), count(*) filter (where message is null)"
            " from events where watch = ?",
            (name,),
        ).fetchone()
        (undelivered, error) = self._connection.execute(
            "select count(*), max(error) from messages where watch = ? and delivered_at is null", (name,)
        ).fetchone()
        return {"found": found, "waiting": waiting, "undelivered": undelivered, "error": error}


def to_event(row: sqlite3.Row) -> WatchEvent:
    return WatchEvent(row["key"], row["repo_id"], row["text"], datetime.fromisoformat(row["at"]))


def iso(moment: datetime) -> str:
    """A time with microseconds, which sorts as time does; all times are UTC."""
    return moment.isoformat(timespec="microseconds")

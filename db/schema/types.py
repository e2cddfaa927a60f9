"""Column types that mean the same on SQLite and PostgreSQL.

SQLite's STRICT tables know INTEGER, REAL, TEXT and BLOB alone, so SQLAlchemy's own Boolean, DateTime and BigInteger
are refused there. These are the types that the catalog's tables are made of; `BIND` turns Python's values into the
driver's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, Double, Integer, LargeBinary, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from db.packed_text import pack, unpack


def _on(dialect: Dialect, sqlite: TypeEngine[Any], other: TypeEngine[Any]) -> TypeEngine[Any]:
    return dialect.type_descriptor(sqlite if dialect.name == "sqlite" else other)


class Bool(TypeDecorator[bool]):
    """0 or 1 in SQLite, boolean in PostgreSQL: SQL says `where qat`, never `qat = 1`."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return _on(dialect, Integer(), Boolean())

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


class BigInt(TypeDecorator[int]):
    """64 bits: parameters, bytes, downloads."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return _on(dialect, Integer(), BigInteger())


class Real(TypeDecorator[float]):
    """A double."""

    impl = Double
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        from sqlalchemy import REAL

        return _on(dialect, REAL(), Double())

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None else float(value)


def utc_text(moment: datetime) -> str:
    """`2026-11-23T20:44:37.000Z`: the Hub's own spelling, which sorts as time does."""
    if moment.tzinfo is not UTC:
        refuse_naive(moment)
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def whole_milliseconds(moment: datetime) -> datetime:
    refuse_naive(moment)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def refuse_naive(moment: datetime) -> None:
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone can't be kept: {moment!r}")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: ISO 8601 text with milliseconds in SQLite, timestamptz in PostgreSQL. Naive ones are refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return _on(dialect, Text(), DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return None if value is None else (utc_text if dialect.name == "sqlite" else whole_milliseconds)(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or isinstance(value, datetime):
            return None if value is None else value.astimezone(UTC)
        return datetime.fromisoformat(value)


def day_number(day: date) -> int:
    return day.year * 10000 + day.month * 100 + day.day


class Day(TypeDecorator[date]):
    """A calendar day as the number yyyymmdd: four bytes, readable, sorts as time does."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: date | None, dialect: Dialect) -> int | None:
        return None if value is None else day_number(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> date | None:
        return None if value is None else date(value // 10000, value // 100 % 100, value % 100)


def hash_bytes(value: str) -> bytearray:
    """A bytearray: the driver of SQLite takes it as it is, but looks for an adapter of bytes, five times as long."""
    try:
        return bytearray.fromhex(value)
    except ValueError:
        return bytearray(b"\0" + value.encode("utf-8", "replace"))


class Hash(TypeDecorator[str]):
    """A hash in hexadecimal, kept as its bytes: half the room of the text. Other text is kept after a zero byte."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes(hash_bytes(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        raw = bytes(value)
        return raw[1:].decode("utf-8") if raw[:1] == b"\0" and len(raw) not in (20, 32) else raw.hex()


class Packed(TypeDecorator[str]):
    """A JSON text, kept as db.packed_text packs it. SQL can't look into it."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else pack(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else unpack(bytes(value))


def binder(kind: TypeEngine[Any], dialect: str) -> Callable[[Any], Any] | None:
    """What turns a value that is not None into the driver's; None where the driver takes it as it is.

    The same as the types' own binding, without SQLAlchemy's layers: a page is a hundred thousand values.
    """
    match kind:
        case UtcDateTime():
            return utc_text if dialect == "sqlite" else whole_milliseconds
        case Day():
            return day_number
        case Hash():
            return hash_bytes
        case Packed():
            return pack
        case _:
            return None  # both drivers take True for a boolean and 1 for 1.0

"""Values that a catalog can't hold: of another type than their column, or beyond what the program writes.

This version's tables are STRICT, so that SQLite itself refuses a text in a column of integers. A file from elsewhere
may have other tables, and neither STRICT nor PostgreSQL looks at JSON, at times, and at how large a number is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, Connection
from sqlalchemy.exc import DBAPIError

from db.engine import open_engine
from db.errors import CatalogError
from db.packed_text import unpack
from db.schema.tables import metadata
from db.schema.types import BigInt, Bool, Day, Packed, Real, UtcDateTime

MAX_INTEGER = 1 << 60
"""Bytes, parameters and downloads are smaller; the sum of a few larger ones is beyond 64 bits."""

MAX_REAL = 1e300

HASHED_COLUMNS = frozenset(("key", "digest", "row_digest", "tensor_layout", "tensor_shapes"))
"""Columns whose integers are hashes: any 64 bits."""

TIME = "____-__-__T__:__:__.___Z"
"""Times as db.schema.types.utc_text writes them, as a LIKE pattern."""

_SQLITE: Mapping[type, str] = {
    Bool: "{0} not in (0, 1)",
    Day: "typeof({0}) <> 'integer' or {0} not between 10101 and 99991231",
    Real: f"typeof({{0}}) not in ('real', 'integer') or abs({{0}}) > {MAX_REAL}",
    UtcDateTime: f"typeof({{0}}) <> 'text' or {{0}} not like '{TIME}' or julianday({{0}}) is null",
}
"""Conditions on a column of each type that hold for invalid values; NULL is always valid here."""


def find_damage(db: str) -> str | None:
    """The first column of a SQLite catalog with invalid values, or why they can't be read.

    None where all are valid, and where the file can't be opened, which is another error.
    """
    try:
        engine = open_engine(db, read_only=True)
    except CatalogError:
        return None
    try:
        with engine.connect() as connection:
            return next(find_invalid_values(connection), None)
    except DBAPIError as error:
        return str(error.orig)
    finally:
        engine.dispose()


def find_invalid_values(connection: Connection) -> Iterator[str]:
    """Columns of a SQLite catalog with values that none can hold, as `table.column (rows)`. Raises DBAPIError."""
    driver: Any = connection.connection.driver_connection
    driver.create_function("is_packed_json", 1, is_packed_json, deterministic=True)
    for table in metadata.sorted_tables:
        conditions = [(column.name, invalid_condition(column)) for column in table.columns]
        counts = ", ".join(f"sum({condition})" for _, condition in conditions)
        found = connection.exec_driver_sql(f"select {counts} from {table.name}").one()
        for (name, _), count in zip(conditions, found, strict=True):
            if count:
                yield f"{table.name}.{name} ({count:,})"


def is_packed_json(value: Any) -> bool:
    """Whether a value is a packed JSON object."""
    try:
        return isinstance(json.loads(unpack(value)), dict)
    except (TypeError, ValueError, RecursionError):
        return False


def invalid_condition(column: Column[Any]) -> str:
    """SQL that is 1 for an invalid value of this column, else 0."""
    name, comment = f'"{column.name}"', column.comment or ""
    if isinstance(column.type, Packed):
        condition = f"typeof({name}) <> 'blob' or not is_packed_json({name})"
    elif comment.startswith("JSON "):
        kind = "object" if comment.startswith("JSON object") else "array"
        condition = f"case when json_valid({name}) then json_type({name}) <> '{kind}' else 1 end"
    elif type(column.type) in _SQLITE:
        condition = _SQLITE[type(column.type)].format(name)
    elif isinstance(column.type, BigInt) or column.type.python_type is int:
        condition = f"typeof({name}) <> 'integer'"
        if column.name not in HASHED_COLUMNS:
            condition += f" or {name} not between 0 and {MAX_INTEGER}"
    else:
        condition = f"typeof({name}) not in ('text', 'blob')"
    return f"({name} is not null and ({condition}))"

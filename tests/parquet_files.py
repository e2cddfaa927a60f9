"""Parquet files that are malformed on purpose."""

from __future__ import annotations


def require(data: bytes, column: str) -> bytes:
    """The file with a column that must have values, whose metadata counts those that are missing all the same.

    Format: SchemaElement of parquet.thrift, whose field 3 (repetition) precedes field 4 (name).
    """
    name = b"\x18" + bytes([len(column)]) + column.encode()
    assert data.count(b"\x25\x02" + name) == 1
    return data.replace(b"\x25\x02" + name, b"\x25\x00" + name)

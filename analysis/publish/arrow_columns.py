"""Columns of query results as Arrow arrays, converted a column at a time where the values are what the column says.

One by one only where they are not: a text that is no UTF-8, a list that a driver gives as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.publish.export import CONVERTERS, to_list
from analysis.publish.table_files import ARROW_VALUES, ColumnKind, arrow_types
from db.packed_text import unpack
from db.schema.snapshot_format import CLEARED, CatalogTable, column_kind, is_packed

Values = Sequence[Any]
"""The values of a column: Python's, or an Arrow array of texts, integers, numbers or bytes as SQLite holds them."""


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view: lists and booleans as such, times with their zone."""

    name: str
    kind: ColumnKind

    @property
    def stored_kind(self) -> str:
        return self.kind

    def arrow_type(self, pa: Any) -> Any:
        return arrow_types(pa)[self.kind]

    def to_array(self, pa: Any, values: Values) -> Any:
        """The array of the values. Raises ArrowException, ValueError for those that are of another kind."""
        found = whole_column(pa, values, self.kind, self.arrow_type(pa))
        if found is not None:
            return found
        convert, take = CONVERTERS.get(self.kind), ARROW_VALUES[self.kind]
        values = python_values(pa, values)
        converted = values if convert is None else [convert(value) for value in values]
        return pa.array([take(value) for value in converted], self.arrow_type(pa))


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table, as it is stored."""

    table: CatalogTable
    name: str

    @property
    def kind(self) -> str:
        return column_kind(self.table.c[self.name])

    @property
    def is_packed(self) -> bool:
        return is_packed(self.table.c[self.name])

    @property
    def stored_kind(self) -> str:
        """The kind of the values in the database."""
        return "bytes" if self.is_packed else self.kind

    def arrow_type(self, pa: Any) -> Any:
        return {
            "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
            "time": pa.timestamp("ms", tz="UTC"), "bytes": pa.binary(),
        }[self.kind]  # fmt: skip

    def to_array(self, pa: Any, values: Values) -> Any:
        """The array of the values. Raises ArrowException, ValueError for those that are of another kind."""
        kind, cleared = self.kind, (self.table.name, self.name)
        if cleared in CLEARED:
            return pa.repeat(pa.scalar(CLEARED[cleared], self.arrow_type(pa)), len(values))
        if self.is_packed:
            texts = [None if value is None else unpack(bytes(value)) for value in python_values(pa, values)]
            return pa.array(texts, self.arrow_type(pa))
        found = whole_column(pa, values, kind, self.arrow_type(pa))
        if found is not None:
            return found
        values = python_values(pa, values)
        if kind == "boolean":
            values = [None if value is None else bool(value) for value in values]
        if kind == "bytes":
            values = [None if value is None else bytes(value) for value in values]
        return pa.array(values, self.arrow_type(pa))


def whole_column(pa: Any, values: Values, kind: str, arrow_type: Any) -> Any:
    """The array of values that are all as SQLite holds them: times and lists as texts, booleans as numbers.

    None for others: what PostgreSQL's driver gives, half of a surrogate pair, a time of another form.
    """
    try:
        match kind:
            case "time":
                return make_array(pa, values, pa.string()).cast(arrow_type)
            case "boolean":
                return make_array(pa, values, pa.int64()).cast(arrow_type)
            case "list":
                return parse_lists(pa, values, arrow_type)
            case "date":
                return None
            case _:
                return make_array(pa, values, arrow_type)
    except (UnicodeEncodeError, pa.ArrowException):
        return None


def make_array(pa: Any, values: Values, arrow_type: Any) -> Any:
    """An array of this type. Raises ArrowException where a value is of another one."""
    return values.cast(arrow_type) if isinstance(values, pa.Array) else pa.array(values, arrow_type)


def python_values(pa: Any, values: Values) -> Values:
    found: Values = values.to_pylist() if isinstance(values, pa.Array) else values
    return found


def parse_lists(pa: Any, values: Values, arrow_type: Any) -> Any:
    """JSON texts as lists: each different text is parsed once."""
    texts = make_array(pa, values, pa.string()).dictionary_encode()
    take = ARROW_VALUES["list"]
    lists = pa.array([take(to_list(text)) for text in texts.dictionary.to_pylist()], arrow_type)
    return lists.take(texts.indices)

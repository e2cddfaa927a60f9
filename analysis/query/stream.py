"""What every result of a query is: a stream of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import Any, Self


class RowStream(ABC):
    """An iterator of tuples that holds a connection or a process until its end or `close`.

    `columns` are the names of the tuples' values; `truncated` says, after the last row, whether a limit cut rows off.
    """

    columns: tuple[str, ...] = ()
    truncated: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...

    @abstractmethod
    def close(self) -> None:
        """Release what the stream holds; rows that were not read are lost."""

    def batches(self, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows in lists of `size`; the last one may be shorter, none is empty."""
        rows = iter(self)
        while batch := list(islice(rows, size)):
            yield batch

    def dicts(self) -> Iterator[dict[str, Any]]:
        """The rows as mappings from column name to value."""
        return (dict(zip(self.columns, row, strict=True)) for row in self)

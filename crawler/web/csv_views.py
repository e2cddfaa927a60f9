"""Datasette's CSV pages with cells and column names that a spreadsheet runs as formulas escaped, as the CLI does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from datasette.app import Datasette
from datasette.utils.asgi import Request, Response
from datasette.views.base import DatasetteError, DataView
from datasette.views.database import DatabaseView
from datasette.views.row import RowView
from datasette.views.table import TableView

from analysis.text import csv_cell
from crawler.web.gate import RETRY_SECONDS, ResponseBroken
from crawler.web.pool import ServerBusy

CLIENT_ERROR = 400

LOG = logging.getLogger(__name__)


class CsvRow(list[Any]):
    """The escaped cells of a row; by a column's name its own value, from which Datasette makes links."""

    def __init__(self, row: Any) -> None:
        super().__init__(escape_cell(cell) for cell in row)
        self._row = row

    def __getitem__(self, key: Any) -> Any:
        return self._row[key] if isinstance(key, str) else super().__getitem__(key)


def escape_cell(cell: Any) -> Any:
    """A cell for CSV. Bytes become a link to them; a dictionary is a value with the label of the row it refers to."""
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, dict):
        return {key: csv_cell(value) for key, value in cell.items()}
    return csv_cell(cell)


class CsvView(DataView):  # type: ignore[misc]
    """A mixin before one of Datasette's views, which is asked for CSV alone."""

    async def data(self, request: Request, *args: Any, **options: Any) -> Any:
        get_data = self._next_page if "_next" in options else super().data
        answer = await get_data(request, *args, **options)
        if isinstance(answer, Response):
            return answer
        data, *rest = answer
        if len(rest) > 2 and rest[2] >= CLIENT_ERROR:  # Datasette would answer with an empty file
            raise DatasetteError(str(data.get("error") or "the query failed"), title="Invalid SQL", status=rest[2])
        names = {key: [csv_cell(name) for name in data[key]] for key in ("columns", "expanded_columns") if key in data}
        return ({**data, **names, "rows": [CsvRow(row) for row in data["rows"]]}, *rest[:2])

    async def _next_page(self, request: Request, *args: Any, **options: Any) -> Any:
        """A page of a file whose beginning is sent already. Raises ResponseBroken."""
        while True:
            try:
                return await super().data(request, *args, **options)
            except ServerBusy:
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as error:
                LOG.error("a CSV file can't be completed: %s", error)
                raise ResponseBroken from None


class DatabaseCsvView(CsvView, DatabaseView):  # type: ignore[misc]
    pass


class TableCsvView(CsvView, TableView):  # type: ignore[misc]
    pass


class RowCsvView(CsvView, RowView):  # type: ignore[misc]
    pass


def csv_routes(site: Datasette) -> Sequence[tuple[str, Callable[..., Any]]]:
    """Routes that precede Datasette's own; pages below `/-/` are none of a database."""
    database = r"^/(?P<database>(?!-/)[^/.]+)"
    return [
        (rf"{database}\.(?P<format>csv)$", DatabaseCsvView.as_view(site)),
        (rf"{database}/(?P<table>[^/.]+)\.(?P<format>csv)$", TableCsvView.as_view(site)),
        (rf"{database}/(?P<table>[^/]+?)/(?P<pks>[^/]+?)\.(?P<format>csv)$", RowCsvView.as_view(site)),
    ]

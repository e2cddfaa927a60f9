"""One table as a workbook (.xlsx): cells keep their types, so that a spreadsheet changes none of them.

A spreadsheet that opens CSV reads the version 1.0 as a number, 08-2024 as a date and 0731 without its zero. Here texts
are texts, times and days are dates, numbers are exact up to 2^53. A second sheet says what each column is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from analysis.errors import MissingExtra
from analysis.publish.columns import Column
from analysis.publish.table_files import ColumnKind, Row, to_date, to_datetime
from analysis.text import escape_control_characters, shorten, to_json

MAX_SHEET_ROWS = 1_048_576
MAX_SHEET_NAME = 28  # of 31 characters: a number may follow
MAX_CELL_CHARACTERS = 32_000  # of 32,767, with a note on what was cut
MAX_EXACT_INTEGER = 2**53
FIRST_YEAR = 1900
"""Spreadsheets know no earlier dates."""

DATE_FORMATS: Mapping[ColumnKind, str] = {"time": "yyyy-mm-dd hh:mm:ss", "date": "yyyy-mm-dd"}
CREATED = datetime(2026, 1, 1)
"""Stated as the time of creation: equal tables are equal files."""


def write_workbook(path: Path, table: str, columns: Sequence[Column], rows: Iterable[Row]) -> int:
    """Write rows to a new workbook, as many sheets as they need; returns their number.

    Raises FileExistsError; MissingExtra without XlsxWriter.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise MissingExtra("spreadsheet", "xlsxwriter") from error
    path.open("x").close()
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False})
    book.set_properties({"created": CREATED})
    bold = book.add_format({"bold": True})
    formats = {kind: book.add_format({"num_format": text}) for kind, text in DATE_FORMATS.items()}
    describe_columns(book.add_worksheet("columns"), columns, bold)
    count, sheet = 0, None
    for at, row in enumerate(rows):
        line = at % (MAX_SHEET_ROWS - 1) + 1
        if line == 1:
            sheet = add_sheet(book, table, at // (MAX_SHEET_ROWS - 1), columns, bold)
        write_row(sheet, line, columns, row, formats)
        count += 1
    if sheet is None:
        add_sheet(book, table, 0, columns, bold)
    book.close()
    return count


def add_sheet(book: Any, table: str, number: int, columns: Sequence[Column], bold: Any) -> Any:
    """A sheet with the heading of a table; the first one is shown when the workbook is opened."""
    sheet = book.add_worksheet(table[:MAX_SHEET_NAME] + (f" {number + 1}" if number else ""))
    sheet.freeze_panes(1, 1)
    for at, column in enumerate(columns):
        sheet.write_string(0, at, column.name, bold)
        sheet.set_column(at, at, 40 if at == 0 else 20)
    if number == 0:
        sheet.activate()
    return sheet


def describe_columns(sheet: Any, columns: Sequence[Column], bold: Any) -> None:
    """The sheet that says what the columns are."""
    for at, heading in enumerate(("column", "type", "unit", "meaning")):
        sheet.write_string(0, at, heading, bold)
    sheet.set_column(0, 0, 30)
    sheet.set_column(3, 3, 100)
    for line, column in enumerate(columns, 1):
        for at, text in enumerate((column.name, column.kind, column.unit or "", column.meaning)):
            sheet.write_string(line, at, text)


def write_row(sheet: Any, line: int, columns: Sequence[Column], row: Row, formats: Mapping[ColumnKind, Any]) -> None:
    for at, (column, value) in enumerate(zip(columns, row, strict=True)):
        if value is None:
            continue
        moment = to_moment(column.kind, value) if column.kind in DATE_FORMATS else None
        if moment is not None:
            sheet.write_datetime(line, at, moment, formats[column.kind])
        elif isinstance(value, bool):
            sheet.write_boolean(line, at, value)
        elif isinstance(value, int | float) and column.kind != "text" and abs(value) <= MAX_EXACT_INTEGER:
            sheet.write_number(line, at, value)
        else:
            sheet.write_string(line, at, cell(value))


def cell(value: Any) -> str:
    """A text for a cell; what no cell can hold is cut and says so."""
    text = value if isinstance(value, str) else to_json(value)
    return shorten(escape_control_characters(text), MAX_CELL_CHARACTERS)


def to_moment(kind: ColumnKind, value: Any) -> date | datetime | None:
    """A time in UTC without its zone, or a day; None for what a spreadsheet has no date for."""
    try:
        found = to_datetime(value) if kind == "time" else to_date(value)
    except ValueError:
        return None
    if isinstance(found, datetime) and found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return found if found is not None and found.year >= FIRST_YEAR else None

"""The only printer: data on stdout, messages on stderr, untrusted text escaped.

Escaping is in analysis/text.py; this module lays out tables, objects and messages.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain, islice
from typing import IO, Any, Literal

from analysis.text import csv_cell, escape_control_characters, jsonable, to_json
from analysis.units import count_text, size_text

__all__ = [
    "Column",
    "Printer",
    "cell_text",
    "count_text",
    "day_text",
    "escape_control_characters",
    "size_text",
    "to_json",
]

Mode = Literal["human", "table", "json", "csv", "tsv", "nl"]
Format = Callable[[Any], str]

WIDTH_SAMPLE = 500  # rows that decide the column widths; the rest streams


def day_text(moment: Any) -> str:
    """The date of a time."""
    return "" if moment is None else str(jsonable(moment) if isinstance(moment, datetime | date) else moment)[:10]


def cell_text(value: Any) -> str:
    """Any value in a table's cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e15 and value != int(value) else f"{value:.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(cell_text(part) for part in value)
    if isinstance(value, Mapping):
        return to_json(value)
    if isinstance(value, datetime | date | bytes):
        return str(jsonable(value))
    return escape_control_characters(str(value))


def display_width(text: str) -> int:
    """Columns that text takes on a terminal (East Asian wide letters take two, combining marks none)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def clipped(text: str, width: int) -> str:
    """Text cut to a number of columns, with an ellipsis where it was cut."""
    if display_width(text) <= width:
        return text
    kept, used = "", 0
    for letter in text:
        used += display_width(letter)
        if used > width - 1:
            break
        kept += letter
    return kept + "…"


def padded(text: str, width: int, right: bool) -> str:
    gap = " " * max(0, width - display_width(text))
    return gap + text if right else text + gap


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a human-readable table: its key in a row, its title and how a value is formatted."""

    key: str
    title: str | None = None
    text: Format = cell_text
    right: bool | None = None  # None: numbers are right-aligned
    clip: bool = True  # False: never cut: an id to copy
    value: Callable[[Mapping[str, Any]], Any] | None = None  # of the whole row, where the key is not enough

    def of(self, row: Mapping[str, Any]) -> Any:
        return self.value(row) if self.value else row.get(self.key)


@dataclass(slots=True)
class Printer:
    """Prints a command's results in the requested mode."""

    mode: Mode = "human"
    raw: bool = False
    quiet: bool = False
    verbose: bool = False
    progress: bool = True
    stdout: IO[str] = field(default_factory=lambda: sys.stdout)
    stderr: IO[str] = field(default_factory=lambda: sys.stderr)

    @property
    def is_human_output(self) -> bool:
        return self.mode in ("human", "table") and not self.quiet

    @property
    def colour(self) -> bool:
        return self.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    @property
    def shows_progress(self) -> bool:
        return self.progress and not self.quiet and self.stderr.isatty()

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None for a pipe or a file."""
        if os.environ.get("COLUMNS", "").isdigit() or self.stdout.isatty():
            return shutil.get_terminal_size((100, 24)).columns
        return None

    def message(self, text: str) -> None:
        """A message on stderr, unless quiet."""
        if not self.quiet:
            print("\n".join(escape_control_characters(line) for line in text.split("\n")), file=self.stderr)

    def detail(self, text: str) -> None:
        """A message for `-v`."""
        if self.verbose:
            self.message(text)

    def line(self, text: str = "") -> None:
        """One line of human-readable output."""
        print("\n".join(escape_control_characters(part) for part in text.split("\n")), file=self.stdout)

    def paragraph(self, text: str) -> None:
        """A longer human-readable text, wrapped to the terminal's width."""
        self.line(
            textwrap.fill(text, self.width, subsequent_indent="  ", break_on_hyphens=False) if self.width else text
        )

    def heading(self, text: str) -> None:
        safe = escape_control_characters(text)
        print(f"\x1b[1m{safe}\x1b[0m" if self.colour else safe, file=self.stdout)

    def object(self, value: Mapping[str, Any], human: Callable[[], None] | None = None) -> None:
        """One object: JSON where requested, else `human` prints it, else one line per key."""
        if self.mode == "json":
            print(to_json(value, indent=2), file=self.stdout)
        elif self.mode == "nl":
            print(to_json(value), file=self.stdout)
        elif self.mode in ("csv", "tsv"):
            self.rows([value])
        elif human is not None:
            human()
        else:
            wide = max((len(key) for key in value), default=0)
            for key, item in value.items():
                print(f"{key.ljust(wide)}  {cell_text(item)}", file=self.stdout)

    def rows(
        self,
        rows: Iterable[Mapping[str, Any]],
        columns: Sequence[Column | str] | None = None,
        *,
        names: Sequence[str] | None = None,
        id_key: str | None = None,
        empty: str = "Nothing found.",
    ) -> int:
        """A table, streamed. Returns the number of rows printed.

        `names`: the keys of JSON and CSV, default those of the first row; `columns`: the columns of a printed table,
        default the same; `id_key`: what `-q` prints, default the first; `empty`: the message where there is no row.
        """
        stream = iter(rows)
        first = next(stream, None)
        keys = list(names or (first or {}))
        if first is not None:
            stream = chain([first], stream)
        if self.quiet and self.mode in ("human", "table"):
            return self._ids(stream, id_key or (keys[0] if keys else ""))
        if self.mode == "json":
            return self._json(stream, keys)
        if self.mode == "nl":
            return self._lines(stream, keys)
        if self.mode in ("csv", "tsv"):
            return self._separated(stream, keys, "\t" if self.mode == "tsv" else ",")
        if first is None:
            self.message(empty)
            return 0
        return self._table(stream, [as_column(column) for column in columns or keys])

    def _ids(self, rows: Iterator[Mapping[str, Any]], key: str) -> int:
        count = 0
        for row in rows:
            print(cell_text(row.get(key)), file=self.stdout)
            count += 1
        return count

    def _json(self, rows: Iterator[Mapping[str, Any]], keys: Sequence[str]) -> int:
        count = 0
        for row in rows:
            self.stdout.write(("[" if count == 0 else ",\n ") + to_json({key: row.get(key) for key in keys}))
            count += 1
        self.stdout.write("]\n" if count else "[]\n")
        return count

    def _lines(self, rows: Iterator[Mapping[str, Any]], keys: Sequence[str]) -> int:
        count = 0
        for row in rows:
            print(to_json({key: row.get(key) for key in keys}), file=self.stdout)
            count += 1
        return count

    def _separated(self, rows: Iterator[Mapping[str, Any]], keys: Sequence[str], delimiter: str) -> int:
        writer = csv.writer(self.stdout, delimiter=delimiter, lineterminator="\n")
        writer.writerow([csv_cell(key, raw=self.raw) for key in keys])
        count = 0
        for row in rows:
            writer.writerow([csv_cell(row.get(key), raw=self.raw) for key in keys])
            count += 1
        return count

    def _table(self, rows: Iterator[Mapping[str, Any]], columns: Sequence[Column]) -> int:
        sample = list(islice(rows, WIDTH_SAMPLE))
        right = [is_right_aligned(column, sample) for column in columns]
        titles = [
            escape_control_characters(column.title if column.title is not None else column.key) for column in columns
        ]
        texts = [[column.text(column.of(row)) for column in columns] for row in sample]
        widths = [
            max([display_width(title), *(display_width(line[at]) for line in texts)]) for at, title in enumerate(titles)
        ]
        widths = fit_widths(widths, [column.clip for column in columns], self.width)

        def show(cells: Sequence[str]) -> str:
            line = (
                padded(clipped(text, width) if column.clip else text, width, at_right)
                for text, width, at_right, column in zip(cells, widths, right, columns, strict=True)
            )
            return "  ".join(line).rstrip()

        heading = show(titles)
        print(f"\x1b[1m{heading}\x1b[0m" if self.colour else heading, file=self.stdout)
        print("  ".join("-" * width for width in widths), file=self.stdout)
        count = 0
        for line in chain(texts, ([column.text(column.of(row)) for column in columns] for row in rows)):
            print(show(line), file=self.stdout)
            count += 1
        return count


def as_column(column: Column | str) -> Column:
    return Column(column) if isinstance(column, str) else column


def is_right_aligned(column: Column, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Numbers are right-aligned, so that their digits line up."""
    if column.right is not None:
        return column.right
    values = [column.of(row) for row in rows]
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def fit_widths(widths: Sequence[int], clips: Sequence[bool], terminal: int | None) -> list[int]:
    """Column widths that fit the terminal: the widest column that may be cut shrinks first, none below 6."""
    fit = list(widths)
    if terminal is None:
        return fit
    while sum(fit) + 2 * (len(fit) - 1) > terminal:
        widest = max((at for at in range(len(fit)) if clips[at]), key=lambda at: fit[at], default=None)
        if widest is None or fit[widest] <= 6:
            break
        fit[widest] -= 1
    return fit

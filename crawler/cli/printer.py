"""The only printer: data on stdout, messages on stderr, untrusted text escaped.

Escaping is in analysis/text.py, the layout of tables in table.py; this module writes tables, objects and messages.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import IO, Any, Literal

from analysis.text import cell_text, csv_cell, day_text, escape_control_characters, to_json
from analysis.units import count_text, size_text
from crawler.cli.errors import USAGE, CommandError, name_nearest
from crawler.cli.table import Column, lay_out

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
HOW_TO_SHOW = "--columns A,B picks columns, -l prints records, --no-truncate everything"
"""How to see the columns that a terminal has no room for."""

MAX_NAMED_COLUMNS = 6
"""Columns without room that are named; of more the number is given."""

WIDTH_SAMPLE = 500  # rows that decide the column widths; the rest streams
WIDTH_SAMPLE_CHARACTERS = 1 << 20  # fewer rows where they are long, because they are held in memory


@dataclass(slots=True)
class Printer:
    """Prints a command's results in the requested mode."""

    mode: Mode = "human"
    raw: bool = False
    quiet: bool = False
    verbose: bool = False
    progress: bool = True
    picked: tuple[str, ...] = ()  # the columns to print, in this order; empty: those of the command
    truncate: bool = True  # False: no cell is cut and no column left out, however narrow the terminal is
    vertical: bool = False  # a table's rows as records, one line per column
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
        return terminal_width(self.stdout)

    def message(self, text: str) -> None:
        """A message on stderr, wrapped to the terminal's width, unless quiet."""
        if not self.quiet:
            lines = [escape_control_characters(line) for line in text.split("\n")]
            width = terminal_width(self.stderr)
            print("\n".join(wrap(line, width) if width else line for line in lines), file=self.stderr)

    def detail(self, text: str) -> None:
        """A message for `-v`."""
        if self.verbose:
            self.message(text)

    def line(self, text: str = "") -> None:
        """One line of human-readable output."""
        print("\n".join(escape_control_characters(part) for part in text.split("\n")), file=self.stdout)

    def paragraph(self, text: str, indent: int = 2) -> None:
        """A longer human-readable text, wrapped to the terminal's width; `indent` is that of its further lines."""
        self.line(wrap(text, self.width, indent) if self.width else text)

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
        basis: Mapping[str, Any] | None = None,
    ) -> int:
        """A table, streamed. Returns the number of rows printed.

        `names`: the keys of JSON and CSV, default those of the first row; `columns`: the columns of a printed table,
        default the same; `id_key`: what `-q` prints, default the first; `empty`: the message where there is no row;
        `basis`: what the rows rest on: JSON is then an object of `rows` and these keys, else a list.
        """
        stream = iter(rows)
        first = next(stream, None)
        keys = list(names or (first or {}))
        shown = [column if isinstance(column, Column) else Column(column) for column in columns or keys]
        if first is not None:
            stream = chain([first], stream)
        if self.picked and keys:
            shown = self._picked(keys, shown)
            keys = [column.key for column in shown]
        if self.quiet and self.mode in ("human", "table"):
            return self._ids(stream, id_key or (keys[0] if keys else ""))
        if self.mode == "json":
            return self._json(stream, keys, basis)
        if self.mode == "nl":
            return self._lines(stream, keys)
        if self.mode in ("csv", "tsv"):
            return self._separated(stream, keys, "\t" if self.mode == "tsv" else ",")
        if first is None:
            self.message(empty)
            return 0
        return self._records(stream, shown) if self.vertical else self._table(stream, shown)

    def _picked(self, keys: Sequence[str], columns: Sequence[Column]) -> list[Column]:
        """The columns of `--columns`: keys of the rows or titles of the table. Raises CommandError."""
        known = {key: Column(key) for key in keys}
        known |= {column.title: column for column in columns if column.title}
        known |= {column.key: column for column in columns}
        unknown = next((name for name in self.picked if name not in known), None)
        if unknown is not None:
            message = f"no column {unknown!r}{name_nearest(unknown, known)}"
            raise CommandError(message, f"the columns are {', '.join(keys)}", USAGE)
        return [known[name] for name in self.picked]

    def _ids(self, rows: Iterator[Mapping[str, Any]], key: str) -> int:
        count = 0
        for row in rows:
            print(cell_text(row.get(key)), file=self.stdout)
            count += 1
        return count

    def _json(self, rows: Iterator[Mapping[str, Any]], keys: Sequence[str], basis: Mapping[str, Any] | None) -> int:
        if basis is not None:
            self.stdout.write('{"rows": ')
        count = self._json_list(rows, keys)
        if basis is not None:
            self.stdout.write("".join(f",\n {to_json(key)}: {to_json(value)}" for key, value in basis.items()) + "}")
        self.stdout.write("\n")
        return count

    def _json_list(self, rows: Iterator[Mapping[str, Any]], keys: Sequence[str]) -> int:
        count = 0
        for row in rows:
            self.stdout.write(("[" if count == 0 else ",\n ") + to_json({key: row.get(key) for key in keys}))
            count += 1
        self.stdout.write("]" if count else "[]")
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
        sample = take_sample(rows)
        layout = lay_out(columns, sample, self.width, truncate=self.truncate)
        heading = layout.line([column.heading for column in layout.columns])
        print(f"\x1b[1m{heading}\x1b[0m" if self.colour else heading, file=self.stdout)
        print("  ".join("-" * width for width in layout.widths), file=self.stdout)
        count = 0
        for row in chain(sample, rows):
            print(layout.row(row), file=self.stdout)
            count += 1
        if layout.dropped:
            self.message(f"No room for {first_names(layout.dropped)}; {HOW_TO_SHOW}.")
        return count

    def _records(self, rows: Iterator[Mapping[str, Any]], columns: Sequence[Column]) -> int:
        wide = max(len(column.heading) for column in columns)
        count = 0
        for count, row in enumerate(rows, 1):
            if count > 1:
                print(file=self.stdout)
            for column in columns:
                print(f"{column.heading.ljust(wide)}  {column.cell(row)}".rstrip(), file=self.stdout)
        return count


COMMAND = re.compile(r"hf-catalog [^`;()]+")


def terminal_width(stream: IO[str]) -> int | None:
    """Columns of the terminal that a stream is shown on; None for a pipe or a file."""
    if os.environ.get("COLUMNS", "").isdigit() or stream.isatty():
        return shutil.get_terminal_size((100, 24)).columns
    return None


def wrap(text: str, width: int, indent: int = 2) -> str:
    """Text in lines of a width, the further ones indented; commands, which are there to be copied, stay whole."""
    whole = COMMAND.sub(lambda found: found[0].rstrip().replace(" ", "\0") + " " * found[0].endswith(" "), text)
    lines = textwrap.fill(whole, width, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False)
    return lines.replace("\0", " ")


def take_sample(rows: Iterator[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first rows: up to WIDTH_SAMPLE of them, or to WIDTH_SAMPLE_CHARACTERS."""
    sample: list[Mapping[str, Any]] = []
    size = 0
    for row in islice(rows, WIDTH_SAMPLE):
        sample.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if size > WIDTH_SAMPLE_CHARACTERS:
            break
    return sample


def first_names(columns: Sequence[Column]) -> str:
    """The names of columns in one phrase."""
    names = ", ".join(column.heading for column in columns[:MAX_NAMED_COLUMNS])
    more = len(columns) - MAX_NAMED_COLUMNS
    return f"{names} and {more} more columns" if more > 0 else names

"""Human-readable tables: columns, their widths, and how they fit a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.text import cell_text, escape_control_characters

Format = Callable[[Any], str]

MIN_CLIPPED_WIDTH = 8
"""Terminal columns below which a cell is not cut further: what is left would tell nothing."""

MAX_KEY_SHARE = 0.7
"""Share of the terminal's width that the first column takes; longer cells continue on the next line."""

MIN_KEY_WIDTH = 24
"""Terminal columns that the first column keeps where columns that must be shown need room."""

SHORT_TITLES_BELOW = 100
"""Terminal columns below which columns have their short titles."""

GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a human-readable table: its key in a row, its title and how a value is formatted."""

    key: str
    title: str | None = None
    text: Format = cell_text
    right: bool | None = None  # None: numbers are right-aligned
    clip: bool = True  # False: never cut: an id to copy
    least: int = MIN_CLIPPED_WIDTH  # width below which it is only cut where it would not be shown at all
    value: Callable[[Mapping[str, Any]], Any] | None = None  # of the whole row, where the key is not enough
    must: bool = False  # what people came for: shown even if the first column's cells then take two lines
    short: str | None = None  # title where the terminal is narrow

    @property
    def heading(self) -> str:
        return escape_control_characters(self.title if self.title is not None else self.key)

    def of(self, row: Mapping[str, Any]) -> Any:
        return self.value(row) if self.value else row.get(self.key)

    def cell(self, row: Mapping[str, Any]) -> str:
        return escape_control_characters(self.text(self.of(row)))


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table that are shown, their widths in terminal columns, and those left out for lack of width."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]
    right: tuple[bool, ...]
    clipped: tuple[bool, ...]
    dropped: tuple[Column, ...] = ()

    def line(self, cells: Sequence[str]) -> str:
        """One line of the table: cells padded, and cut where their column may be; a long first cell takes several."""
        if len(self.widths) > 1 and self.clipped[0] and cell_len(cells[0]) > self.widths[0]:
            first, *rest = break_cell(cells[0], self.widths[0])
            return "\n".join([self._one_line([first, *cells[1:]]), *(f"  {part}" for part in rest)])
        return self._one_line(cells)

    def _one_line(self, cells: Sequence[str]) -> str:
        parts = (
            pad(clip(text, width) if may_clip else text, width, right=at_right)
            for text, width, at_right, may_clip in zip(cells, self.widths, self.right, self.clipped, strict=True)
        )
        return GAP.join(parts).rstrip()

    def row(self, row: Mapping[str, Any]) -> str:
        return self.line([column.cell(row) for column in self.columns])


def lay_out(
    columns: Sequence[Column], sample: Sequence[Mapping[str, Any]], terminal: int | None, *, truncate: bool = True
) -> Layout:
    """The layout of a table for a terminal's width; None or `truncate=False`: as wide as its cells.

    The widest columns that may be cut shrink first. Where that is not enough, the last columns are left out, but not
    those that must be shown: for them the first one, which says what a row is about, becomes narrower and its long
    cells take two lines.
    """
    is_fitted = terminal is not None and truncate
    if terminal is not None and truncate and terminal < SHORT_TITLES_BELOW:
        columns = [replace(each, title=each.short) if each.short else each for each in columns]
    wide = [cell_len(column.heading) for column in columns]
    for row in sample:
        wide = [max(width, cell_len(column.cell(row))) for width, column in zip(wide, columns, strict=True)]
    may_clip = [is_fitted and column.clip for column in columns]
    shown = len(columns)
    if terminal is not None and truncate:
        least = _least_widths(columns, wide, may_clip, terminal)
        while shown > 1 and total_width(least[:shown]) > terminal:
            if may_clip[shown - 1] and least[shown - 1] > MIN_CLIPPED_WIDTH:
                least[shown - 1] = MIN_CLIPPED_WIDTH
            else:
                shown -= 1
        wide = shrink(wide[:shown], least[:shown], terminal)
    kept = tuple(columns[:shown])
    right = tuple(is_right_aligned(column, sample) for column in kept)
    return Layout(kept, tuple(wide), right, tuple(may_clip[:shown]), tuple(columns[shown:]))


def _least_widths(columns: Sequence[Column], wide: Sequence[int], may_clip: list[bool], terminal: int) -> list[int]:
    """To how many terminal columns each column may shrink; says in `may_clip` whether the first one does."""
    least = [
        min(width, column.least) if cut else width for column, width, cut in zip(columns, wide, may_clip, strict=True)
    ]
    last = max((at for at, column in enumerate(columns) if column.must), default=0)
    room = terminal - total_width(least[1 : last + 1]) - len(GAP) if last else terminal
    most = min(int(MAX_KEY_SHARE * terminal), room) if columns[0].clip else wide[0]
    may_clip[0] = may_clip[0] and wide[0] > most
    least[0] = min(wide[0], max(most, min(MIN_KEY_WIDTH, int(MAX_KEY_SHARE * terminal)))) if may_clip[0] else wide[0]
    return least


def total_width(widths: Sequence[int]) -> int:
    """Terminal columns of a line with cells of these widths."""
    return sum(widths) + len(GAP) * (len(widths) - 1)


def shrink(widths: Sequence[int], least: Sequence[int], terminal: int) -> list[int]:
    """Widths that fit the terminal, the widest made smaller first, none below its least."""
    fit = [max(low, min(width, terminal)) for width, low in zip(widths, least, strict=True)]
    while total_width(fit) > terminal:
        widest = max((at for at in range(len(fit)) if fit[at] > least[at]), key=lambda at: fit[at], default=None)
        if widest is None:
            break
        fit[widest] -= 1
    return fit


def is_right_aligned(column: Column, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Numbers are right-aligned, so that their digits line up."""
    if column.right is not None:
        return column.right
    values = [column.of(row) for row in rows]
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def cell_len(text: str) -> int:
    """Columns that text takes on a terminal: East Asian wide letters take two, combining marks none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len as measure

    return measure(text)


def clip(text: str, width: int) -> str:
    """Text cut to a number of terminal columns, with an ellipsis where it was cut."""
    if cell_len(text) <= width:
        return text
    from rich.cells import set_cell_size

    return set_cell_size(text, width - 1) + "…"


_BREAKS = re.compile(r"(?<=[-/_. ])")


def break_cell(text: str, width: int) -> list[str]:
    """A cell in lines of at most `width` terminal columns, those after the first indented by two, broken behind
    hyphens, slashes and the like where there are any. Nothing is left out."""
    lines = [""]
    for part in _BREAKS.split(text):
        room = width if len(lines) == 1 else width - 2
        if lines[-1] and cell_len(lines[-1] + part) > room:
            lines.append("")
            room = width - 2
        while cell_len(part) > room:
            lines[-1], part = part[:room], part[room:]
            lines.append("")
            room = width - 2
        lines[-1] += part
    return lines


def pad(text: str, width: int, *, right: bool) -> str:
    gap = " " * max(0, width - cell_len(text))
    return gap + text if right else text + gap

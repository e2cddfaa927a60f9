"""Human-readable tables: columns, their widths, and how they fit a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.text import cell_text, escape_control_characters

Format = Callable[[Any], str]

MIN_CLIPPED_WIDTH = 8
"""Terminal columns below which a cell is not cut further: what is left would tell nothing."""

MAX_KEY_SHARE = 0.7
"""Share of the terminal's width up to which the first column is never cut."""

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
        """One line of the table: cells padded, and cut where their column may be."""
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

    The widest columns that may be cut shrink first. Where that is not enough, the last columns are left out. The first
    one, which says what a row is about, always stays, and whole unless it would leave no room for others.
    """
    wide = [cell_len(column.heading) for column in columns]
    for row in sample:
        wide = [max(width, cell_len(column.cell(row))) for width, column in zip(wide, columns, strict=True)]
    may_clip = [terminal is not None and truncate and column.clip for column in columns]
    shown = len(columns)
    if terminal is not None and truncate:
        may_clip[0] = may_clip[0] and wide[0] > MAX_KEY_SHARE * terminal
        least = [
            min(width, column.least) if cut else width
            for column, width, cut in zip(columns, wide, may_clip, strict=True)
        ]
        if may_clip[0]:
            least[0] = int(MAX_KEY_SHARE * terminal)
        while shown > 1 and total_width(least[:shown]) > terminal:
            if may_clip[shown - 1] and least[shown - 1] > MIN_CLIPPED_WIDTH:
                least[shown - 1] = MIN_CLIPPED_WIDTH
            else:
                shown -= 1
        wide = shrink(wide[:shown], least[:shown], terminal)
    kept = tuple(columns[:shown])
    right = tuple(is_right_aligned(column, sample) for column in kept)
    return Layout(kept, tuple(wide), right, tuple(may_clip[:shown]), tuple(columns[shown:]))


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


def pad(text: str, width: int, *, right: bool) -> str:
    gap = " " * max(0, width - cell_len(text))
    return gap + text if right else text + gap

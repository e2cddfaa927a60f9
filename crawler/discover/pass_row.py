"""Passes a row that breaks every page with it, by a cursor that starts after the row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from crawler.discover.cursors import cursor_after, cursor_of_row
from crawler.discover.read_page import SAME_REQUESTS, PageReader
from crawler.errors import HubServerError, InvalidResponse, RequestRefused
from crawler.sources.source import RawPage

OVERLAP = timedelta(seconds=1)
"""How far before the last repo that was read an expired cursor is replaced: repos may be created at one moment."""

REREAD_ROWS = 10
"""Rows that are requested to see whether it was the cursor that could not be read."""

FIRST_STEP = timedelta(seconds=1)
STEP_FACTOR = 4
MAX_STEPS = 14
"""The row is looked for up to FIRST_STEP x STEP_FACTOR^MAX_STEPS, some eight years, after the last one."""

MAX_ROWS_PASSED = 16
"""Rows in a row that can't be read and are passed by their numbers."""

PRECISION = timedelta(milliseconds=1)
"""To which the moment after the row is found: that of the Hub's dates."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a listing can be read on."""

    cursor: str
    skips_rows: bool  # rows before it may be left out
    created_at: datetime | None = None  # of the first row after it, if that is known


def cursor_past(reader: PageReader, cursor: str, read_to: datetime, *, may_reread: bool) -> Passage | None:
    """A cursor after the row that can't be read, the first that was created after `read_to`; None if none is honoured.

    A cursor that starts just before `read_to` is tried first: if it can be read, the old one has expired, and this one
    is returned. Unless `may_reread`, which says that this was tried before and did not help.
    """
    first = request_one(reader, None, 1)
    template = cursor if first is None or first.next_cursor is None else first.next_cursor
    again = cursor_after(template, read_to - OVERLAP)
    if again is None:
        return None
    if request_after(reader, again, read_to - OVERLAP, REREAD_ROWS) is not None:
        return Passage(again, skips_rows=False) if may_reread else None
    return _search_bound(reader, template, read_to)


def rows_past(reader: PageReader, cursor: str) -> Passage | None:
    """The cursor after the rows from `cursor` on that can't be read, of a Hub whose cursors count rows; None for any
    other.

    That they count rows is seen from the row before, which must be one that was just read.
    """
    before = cursor_of_row(cursor, -1)
    page = None if before is None else request_one(reader, before, 1)
    if page is None or len(page.rows) != 1 or not reader.has_just_read(page.rows[0]):
        return None
    for distance in range(1, MAX_ROWS_PASSED + 1):
        following = cursor_of_row(cursor, distance)
        if following is not None and request_one(reader, following, 1) is not None:
            return Passage(following, skips_rows=True)
    return None


def _search_bound(reader: PageReader, template: str, read_to: datetime) -> Passage | None:
    """The least moment after `read_to` from which rows can be read, by steps that grow, then by halving."""
    low = read_to
    found: Passage | None = None
    high = read_to
    for moment in _growing_steps(read_to):
        found = _try_bound(reader, template, moment)
        if found is not None:
            high = moment
            break
        low = moment
    if found is None:
        return None
    while high - low > PRECISION:
        middle = low + (high - low) / 2
        nearer = _try_bound(reader, template, middle)
        if nearer is None:
            low = middle
        else:
            found, high = nearer, middle
    return found


def _growing_steps(start: datetime) -> Iterator[datetime]:
    step = FIRST_STEP
    for _ in range(MAX_STEPS):
        yield start + step
        step *= STEP_FACTOR


def _try_bound(reader: PageReader, template: str, moment: datetime) -> Passage | None:
    cursor = cursor_after(template, moment)
    for _ in range(SAME_REQUESTS):  # a failure that passes must not leave out rows
        page = None if cursor is None else request_after(reader, cursor, moment, 1)
        if cursor is not None and page is not None:
            created = reader.source.parse_created_at(page.rows[0]) if page.rows else None
            return Passage(cursor, skips_rows=True, created_at=created)
    return None


def request_after(reader: PageReader, cursor: str, moment: datetime, rows: int) -> RawPage | None:
    """The rows at a cursor, if all were created at `moment` or later, as the cursor says."""
    page = request_one(reader, cursor, rows)
    if page is None:
        return None
    dates = [reader.source.parse_created_at(row) for row in page.rows]
    return page if all(date is not None and date >= moment for date in dates) else None


def request_one(reader: PageReader, cursor: str | None, rows: int) -> RawPage | None:
    """A few rows at a cursor, without the expensive keys, by one attempt; None if the Hub does not send them."""
    reader.source.pacer.raise_if_stopped()
    try:
        return reader.source.list_page(replace(reader.query, limit=rows, thin=True), cursor)
    except (RequestRefused, HubServerError, InvalidResponse):
        return None

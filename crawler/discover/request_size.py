"""How much is asked of the Hub in one request of the listing."""

from __future__ import annotations

from dataclasses import dataclass, field

FACTOR = 4
"""By how much the number of rows shrinks after a failure, and grows after success."""

PAGES_BEFORE_GROWTH = 4
"""Pages without a failure after which more rows are requested again."""

MAX_PAGES_BEFORE_GROWTH = 64
"""The same, after attempts to request more have failed again and again."""

FEW_ROWS = 16
"""Below this number more rows are requested after each page: a single row failed, and it has been passed."""

MAX_THIN_PAGES_IN_A_ROW = 3
"""Pages of one row that need to go without the expensive keys, before all pages do."""

THIN_PAGES = 16
"""Pages without the expensive keys, before these are requested again."""


@dataclass(slots=True)
class RequestSize:
    """The rows of the next request, and whether it goes without the keys that are expensive for the Hub (thin).

    After a failure a quarter of the rows is requested, down to one, then that one without the expensive keys. So no
    key is left out where smaller pages help. After success more is requested again, up to what failed.
    """

    most: int  # rows
    rows: int = field(init=False)
    thin: bool = False
    _failed_rows: int | None = None  # the fewest rows with which a request failed
    _pages: int = 0  # since the last failure or growth
    _pages_before_growth: int = PAGES_BEFORE_GROWTH
    _has_grown: bool = False  # the next request is the first with more rows than before
    _thin_pages: int = 0  # in a row

    def __post_init__(self) -> None:
        self.rows = self.most

    def shrink(self) -> bool:
        """Asks for less, after a failure. False if there is nothing less to ask for."""
        if self._has_grown:
            self._pages_before_growth = min(2 * self._pages_before_growth, MAX_PAGES_BEFORE_GROWTH)
        self._pages, self._has_grown = 0, False
        if self.rows > 1:
            self._failed_rows = self.rows
            self.rows = max(self.rows // FACTOR, 1)
            return True
        if not self.thin:
            self.thin = True
            return True
        return False

    def on_page(self) -> None:
        """Asks for more, some pages after the last failure."""
        self._pages += 1
        self._has_grown = False
        if self.thin:
            self._thin_pages += 1
            if self._thin_pages < MAX_THIN_PAGES_IN_A_ROW or self._thin_pages % THIN_PAGES == 0:
                self.thin = False  # for one request: what fails again is thin again
                self.rows = min(self.rows, FEW_ROWS)
                return
        elif self.rows > 1:
            self._thin_pages = 0
        if self.rows < self.most and (self.rows < FEW_ROWS or self._pages >= self._pages_before_growth):
            self._grow()

    def _grow(self) -> None:
        """More rows, but only half-way to the number that failed; from there on that number is tried again."""
        more = min(FACTOR * self.rows, self.most)
        if self._failed_rows is not None and self.rows >= FEW_ROWS:
            half_way = (self.rows + self._failed_rows) // 2
            more = min(more, half_way) if half_way > self.rows else min(more, self._failed_rows)
            self._failed_rows = None if half_way <= self.rows else self._failed_rows
        self.rows, self._pages, self._has_grown = more, 0, True

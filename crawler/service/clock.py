"""Notices that the clock of the machine was set, by comparing it with the monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

MIN_CLOCK_JUMP = timedelta(seconds=10)
"""Smaller differences are those of a clock that is kept right by small steps."""


class ClockWatch:
    """Measures by how much the clock was set. `now` and `monotonic` are the two clocks."""

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now, self._monotonic = now, monotonic
        self._last = now(), monotonic()

    def measure_jump(self) -> timedelta:
        """How far the clock was set forward (negative: back) since the last call; zero for a small difference.

        A machine that slept counts as one whose clock was set forward.
        """
        before, self._last = self._last, (self._now(), self._monotonic())
        jump = self._last[0] - before[0] - timedelta(seconds=self._last[1] - before[1])
        return jump if abs(jump) >= MIN_CLOCK_JUMP else timedelta(0)

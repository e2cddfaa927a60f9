"""Runs hf-catalog with a wall clock that is wrong, and that may jump while it runs.

    python bench/shifted_clock.py FILE crawl --full ...

FILE holds the seconds that are added to the time of day; it is read at each use of the clock, so a change of the file
is a jump of the clock. The monotonic clock stays right, as it does where a real clock is set.
"""

from __future__ import annotations

import datetime
import sys
import time
from datetime import datetime as RealDatetime  # noqa: N812  # the class that ShiftedDatetime replaces
from pathlib import Path
from typing import Any

REAL_TIME = time.time


class ShiftedType(type):
    """Makes every real datetime an instance of ShiftedDatetime."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, RealDatetime)


class ShiftedDatetime(RealDatetime, metaclass=ShiftedType):
    """`datetime.datetime` whose `now` is shifted. All values are real datetimes, so other processes can read them."""

    offset_file = Path()

    def __new__(cls, *values: Any, **named: Any) -> Any:
        return RealDatetime(*values, **named)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return RealDatetime.now(tz) + datetime.timedelta(seconds=read_offset(cls.offset_file))


def read_offset(path: Path) -> float:
    """Seconds that the clock is ahead; 0 while the file is being replaced."""
    try:
        return float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0.0


def main() -> None:
    path = Path(sys.argv[1])
    ShiftedDatetime.offset_file = path
    datetime.datetime = ShiftedDatetime  # type: ignore[misc]
    time.time = lambda: REAL_TIME() + read_offset(path)
    from crawler.cli import main as run_program

    sys.argv[:2] = ["hf-catalog"]
    run_program()


if __name__ == "__main__":
    main()

"""A clock that is set is told from time that passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crawler.service.clock import ClockWatch

START = datetime(2026, 6, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("by_clock", "by_monotonic", "jump"),
    [
        (30.0, 30.0, 0.0),
        (39.9, 30.0, 0.0),
        (40.0, 30.0, 10.0),
        (20.0, 30.0, -10.0),
        (86_430.0, 30.0, 86_400.0),
        (-86_370.0, 30.0, -86_400.0),
    ],
)
def test_a_jump_is_the_difference_of_the_two_clocks(by_clock: float, by_monotonic: float, jump: float) -> None:
    moments = iter([START, START + timedelta(seconds=by_clock)])
    ticks = iter([1000.0, 1000.0 + by_monotonic])
    watch = ClockWatch(lambda: next(moments), lambda: next(ticks))
    assert watch.measure_jump() == timedelta(seconds=jump)


def test_a_jump_is_reported_once() -> None:
    moments = iter([START, START + timedelta(days=1), START + timedelta(days=1, seconds=30)])
    ticks = iter([0.0, 0.0, 30.0])
    watch = ClockWatch(lambda: next(moments), lambda: next(ticks))
    assert watch.measure_jump() == timedelta(days=1)
    assert watch.measure_jump() == timedelta(0)

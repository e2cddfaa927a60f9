"""Calls of agents: few at a time, also where each is cancelled as soon as it began."""

from __future__ import annotations

import asyncio
import threading

import pytest

from crawler.mcp.slots import Slots


def test_cancelled_calls_count_until_their_threads_end() -> None:
    begun, end = threading.Semaphore(0), threading.Event()
    ran: list[int] = []

    def work(number: int) -> int:
        ran.append(number)
        begun.release()
        end.wait()
        return number

    async def ask() -> int:
        slots = Slots(2)
        first = [asyncio.create_task(slots.run(lambda number=number: work(number))) for number in (1, 2)]  # type: ignore[misc]
        for _ in first:
            await asyncio.to_thread(begun.acquire)
        waiting = asyncio.create_task(slots.run(lambda: work(3)))
        for task in (*first, waiting):
            await asyncio.sleep(0)
            task.cancel()
        for task in (*first, waiting):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert slots.taken == 2, "the two whose threads still run, not the one that waited"
        last = asyncio.create_task(slots.run(lambda: work(4)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert sorted(ran) == [1, 2]
        end.set()
        assert await last == 4
        while slots.taken:  # the other threads end
            await asyncio.sleep(0.01)
        return len(ran)

    assert asyncio.run(asyncio.wait_for(ask(), 60)) == 3


def test_a_call_that_fails_gives_its_place_back() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def ask() -> int:
        slots = Slots(1)
        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                await slots.run(fail)
        return await slots.run(lambda: 7)

    assert asyncio.run(asyncio.wait_for(ask(), 60)) == 7

"""Calls that work at a time: one that was cancelled counts until its thread ends.

anyio gives a cancelled call's place to the next one, while its thread and its statement go on: who asks and cancels
would have any number of them.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import anyio

Result = TypeVar("Result")


class Slots:
    """Runs calls in threads, at most `count` at a time; others wait."""

    def __init__(self, count: int) -> None:
        self._places = anyio.CapacityLimiter(count)
        self._threads = anyio.CapacityLimiter(math.inf)

    @property
    def taken(self) -> int:
        """Calls whose thread has not ended."""
        return self._places.borrowed_tokens

    async def run(self, call: Callable[[], Result]) -> Result:
        """What the call returns. A cancelled one ends at once; its thread ends when the call does."""
        owner, begun, loop = object(), threading.Lock(), asyncio.get_running_loop()
        await self._places.acquire_on_behalf_of(owner)

        def work() -> Result:
            if not begun.acquire(blocking=False):
                raise asyncio.CancelledError  # cancelled before a thread took it: nobody waits for it
            try:
                return call()
            finally:
                with suppress(RuntimeError):  # the server has ended
                    loop.call_soon_threadsafe(self._places.release_on_behalf_of, owner)

        try:
            return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        finally:
            if begun.acquire(blocking=False):
                self._places.release_on_behalf_of(owner)

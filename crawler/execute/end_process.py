"""Ends a process whose threads don't end: a crawl that was asked to end must not wait for a worker that is stuck."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from crawler.sources.pacer import Pacer

REQUEST_THREADS = "request"
"""Start of the names of threads that send requests."""

LAST_SECONDS = 5.0
"""How long a crawl may take to end after its last response was due."""

JOIN_SECONDS = 1.0
"""How long threads that are stuck are waited for when all else has ended."""

POLL_SECONDS = 0.25


@contextmanager
def end_guard(pacer: Pacer, end: Callable[[], None]) -> Iterator[None]:
    """Calls `end`, from another thread, if the block has not ended LAST_SECONDS after the pacer's last response was
    due. What is stored then is whole: transactions are atomic at any moment."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(POLL_SECONDS):
            if time.monotonic() > pacer.response_deadline + LAST_SECONDS:
                end()
                return

    threading.Thread(target=watch, name="end guard", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def exit_if_stuck(status: int) -> None:
    """Ends the process with an exit status if threads that send requests are still alive: Python waits for them."""
    until = time.monotonic() + JOIN_SECONDS
    for thread in threading.enumerate():
        if thread.name.startswith(REQUEST_THREADS):
            thread.join(max(until - time.monotonic(), 0.0))
            if thread.is_alive():
                exit_at_once(status)


def exit_at_once(status: int, message: str = "") -> None:
    """Ends this process without waiting for its threads."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.write(message)
        sys.stderr.flush()
    os._exit(status)

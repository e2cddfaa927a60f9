"""The HTTP server of the web pages, which ends soon after a signal, whatever runs."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from crawler.http_connections import BACKLOG, BoundedConnection
from crawler.web.gate import Gate

GRACE_SECONDS = 3
"""How long responses may take to end after a signal."""

LAST_SECONDS = 3.0
"""How long all else may take after that."""


class Server(uvicorn.Server):
    """A server that calls `end` if it has not ended in time after SIGINT or SIGTERM."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles signals until the process ends: uvicorn would send them again to the process after its own end."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        timer = threading.Timer(GRACE_SECONDS + LAST_SECONDS, self._end)
        timer.daemon = True
        timer.start()
        super().handle_exit(sig, frame)


def serve_until_signal(application: Gate, listener: socket.socket, end: Callable[[], None], *, verbose: bool) -> None:
    """Serve HTTP on a socket until SIGINT or SIGTERM, then call `end`, which ends the process.

    Threads may still wait for SQLite or build the report then; the end of the event loop would wait for them.
    """
    config = uvicorn.Config(
        application,
        log_level="info" if verbose else "warning",
        lifespan="on",
        server_header=False,
        http=BoundedConnection,
        backlog=BACKLOG,
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    loop = asyncio.new_event_loop()
    loop.run_until_complete(Server(config, end).serve(sockets=[listener]))
    end()

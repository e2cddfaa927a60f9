"""Connections of the web servers: few at a time, and each with a whole request soon.

uvicorn waits for ever for the end of a request's headers, and each connection takes a file descriptor: a thousand that
send half a request leave the process none for its own files.
"""

from __future__ import annotations

import asyncio
from typing import Any

from h11 import SEND_BODY
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 160
"""Connections at a time, with those that send no request; further ones are closed. macOS allows 256 open files."""

BACKLOG = 32
"""Connections that are accepted before any of them is looked at."""

REQUEST_SECONDS = 10.0
"""How long a connection may stay without a whole request; at most twice as long."""


class BoundedConnection(H11Protocol):
    """One connection, whose requests have a limited size."""

    max_connections = MAX_CONNECTIONS
    request_seconds = REQUEST_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._seen: Any = None  # the request, or its absence, that the last look found
        self._sends_body: Any = None  # the request whose body the last look found incomplete
        if len(self.connections) > self.max_connections:
            transport.abort()
        else:
            self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if hasattr(self, "_timer"):
            self._timer.cancel()

    def _look_later(self) -> None:
        self._timer = self.loop.call_later(self.request_seconds, self._end_if_idle)

    def _end_if_idle(self) -> None:
        """Ends a connection that has had no request since it began, or since the response before the last look, and one
        whose request already lacked the rest of its body then."""
        is_idle = self.cycle is None or self.cycle.response_complete
        sends_body = None if is_idle or self.conn.their_state is not SEND_BODY else self.cycle
        if (is_idle and self._seen in (None, self.cycle)) or (sends_body and sends_body is self._sends_body):
            self.transport.abort()
        else:
            self._seen, self._sends_body = self.cycle if is_idle else False, sends_body
            self._look_later()

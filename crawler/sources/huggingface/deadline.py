"""Deadlines that no server can stretch.

A timeout of the HTTP client starts again with every byte, so a server that sends a byte a second, in header lines, in
informational responses or in the body, holds a request for ever. Here each read and write of a request's connection
ends at the request's deadline at the latest. A request is sent by one thread, whose deadline is kept for that thread.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx2

MAX_SLICE_SECONDS = 0.5
"""A read is made of waits of this length, so that a deadline that moves nearer ends it."""

MAX_WRITE_SECONDS = 60.0
"""Of one connection attempt, one TLS handshake, or one write, where nothing sets a shorter time."""

Deadline = Callable[[], float]
"""When a request must end, of `time.monotonic`. It may move nearer while the request is under way."""

_thread = threading.local()


@contextmanager
def deadline(until: Deadline) -> Iterator[None]:
    """Network operations of this thread raise httpcore2's timeouts at a deadline."""
    _thread.until = until
    try:
        yield
    finally:
        _thread.until = None


def seconds_left(timeout: float | None) -> float:
    """A timeout, or the time until this thread's deadline if that is less; 0 or less after it."""
    until: Deadline | None = getattr(_thread, "until", None)
    left = float("inf") if until is None else until() - time.monotonic()
    return left if timeout is None else min(timeout, left)


class DeadlineStream(httpcore2.NetworkStream):
    """A connection whose reads and writes end at the thread's deadline."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        started = time.monotonic()
        while True:
            waited = time.monotonic() - started
            left = seconds_left(None if timeout is None else timeout - waited)
            if left <= 0:
                raise httpcore2.ReadTimeout("the response takes too long")
            try:
                return self._stream.read(max_bytes, min(left, MAX_SLICE_SECONDS))
            except httpcore2.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = seconds_left(timeout)
        if left <= 0:
            raise httpcore2.WriteTimeout("the request takes too long")
        self._stream.write(buffer, min(left, MAX_WRITE_SECONDS))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = seconds_left(timeout)
        if left <= 0:
            raise httpcore2.ConnectTimeout("the connection takes too long")
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, min(left, MAX_WRITE_SECONDS)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore2.NetworkBackend):
    """Connects as another backend does, within the thread's deadline."""

    def __init__(self, backend: httpcore2.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = min(seconds_left(timeout), MAX_WRITE_SECONDS)
        if left <= 0:
            raise httpcore2.ConnectTimeout("the connection takes too long")
        return DeadlineStream(self._backend.connect_tcp(host, port, left, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None
    ) -> httpcore2.NetworkStream:
        left = min(seconds_left(timeout), MAX_WRITE_SECONDS)
        return DeadlineStream(self._backend.connect_unix_socket(path, left, socket_options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


def enforce_deadlines(session: httpx2.Client) -> None:
    """Makes every connection of a session end at deadlines, those through proxies too.

    The client has no parameter for this: the network backend of each of its connection pools is replaced. A pool that
    another program has put there, and that has none, is left as it is.
    """
    for transport in (session._transport, *session._mounts.values()):
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if backend is not None and not isinstance(backend, DeadlineBackend):
            pool._network_backend = DeadlineBackend(backend)  # type: ignore[union-attr]

"""A limit for what a PostgreSQL server may send for one row.

The driver keeps a row in memory until all of it has arrived. Rows of a query are limited on the server, but the plan
that `explain` shows has the constants that the planner computed: of `repeat('x', 1000000000)` it is a row of 1 GB.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from analysis.units import MIB
from db.processes import resident_bytes

MAX_RECEIVED_BYTES = 64 * MIB
"""Bytes that may arrive until the driver has the next row, of which `explain` sends one a line of the plan."""


class TooMuchReceived(Exception):
    """More arrived than may for one row; the connection is closed."""


def limit_received(connection: Any) -> None:
    """Lets the driver's reads of a psycopg connection raise TooMuchReceived beyond the limit."""
    wait: Callable[..., Any] = connection.wait

    def limited_wait(steps: Any, *arguments: Any, **options: Any) -> Any:
        return wait(_count_steps(steps, connection), *arguments, **options)

    connection.wait = limited_wait


def _count_steps(steps: Generator[Any, Any, Any], connection: Any) -> Generator[Any, Any, Any]:
    """The driver's own steps, each of which reads what has arrived.

    Over TCP, Linux counts what a connection received, which is exact. Elsewhere what had arrived before each step
    counts; one step may read far more from a fast server, so the memory that this process takes more than before counts
    too, once the connection has received much. That memory may be another thread's: then a plan is refused too early.
    """
    received, first = 0, _received_bytes(connection.fileno())
    before = resident_bytes()
    ready: Any = None
    while True:
        try:
            wanted = steps.send(ready)
        except StopIteration as end:
            return end.value
        ready = yield wanted
        now = None if first is None else _received_bytes(connection.fileno())
        if first is not None and now is not None:
            counted = now - first
        else:
            received += _waiting_bytes(connection.fileno())
            counted = max(received, resident_bytes() - before if received > MIB // 4 else 0)
        if counted > MAX_RECEIVED_BYTES:
            connection.close()  # or the driver reads the rest when its cursor ends
            raise TooMuchReceived


TCP_INFO_BYTES, TCP_BYTES_RECEIVED_AT = 136, 128
"""Where struct tcp_info of Linux (linux/tcp.h, since 4.1) has tcpi_bytes_received, a number of 64 bits."""


def _received_bytes(descriptor: int) -> int | None:
    """Bytes that a TCP connection received since it began; None for other sockets and systems."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        with socket.socket(fileno=os.dup(descriptor)) as connection:
            if connection.family not in (socket.AF_INET, socket.AF_INET6):
                return None
            found = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except OSError:
        return None
    if len(found) < TCP_INFO_BYTES:
        return None
    return int(struct.unpack_from("Q", found, TCP_BYTES_RECEIVED_AT)[0])


def _waiting_bytes(descriptor: int) -> int:
    """Bytes that have arrived and were not read yet; 0 where the system can't tell."""
    with suppress(ImportError, OSError):
        import fcntl
        import termios

        return int(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])
    return 0

"""A limit for what a PostgreSQL server may send for one row.

The driver keeps a row in memory until all of it has arrived. Rows of a query are limited on the server, but the plan
that `explain` shows has the constants that the planner computed: of `repeat('x', 1000000000)` it is a row of 1 GB.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

from analysis.units import MIB

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

    One step may read far more than had arrived when it began, from a fast server: so the memory that this process
    takes more than before counts too, once the connection has received much.
    """
    received = 0
    before = _resident_bytes()
    ready: Any = None
    while True:
        try:
            wanted = steps.send(ready)
        except StopIteration as end:
            return end.value
        ready = yield wanted
        received += _waiting_bytes(connection.fileno())
        grown = _resident_bytes() - before if received > MIB // 4 else 0
        if max(received, grown) > MAX_RECEIVED_BYTES:
            connection.close()  # or the driver reads the rest when its cursor ends
            raise TooMuchReceived


def _resident_bytes() -> int:
    """The memory that this process has in use; 0 where the system can't tell (proc(5), statm)."""
    with suppress(ImportError, OSError):
        import resource

        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return 0


def _waiting_bytes(socket: int) -> int:
    """Bytes that have arrived and were not read yet; 0 where the system can't tell."""
    with suppress(ImportError, OSError):
        import fcntl
        import termios

        return int(struct.unpack("i", fcntl.ioctl(socket, termios.FIONREAD, bytes(4)))[0])
    return 0

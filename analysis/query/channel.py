"""Messages between two processes over two pipes: `marshal` data after its length in four bytes.

Results hold numbers, text and bytes only. `marshal` writes those in half of pickle's time, and reading it runs no code
(https://docs.python.org/3/library/marshal.html); both ends are the same Python.
"""

from __future__ import annotations

import marshal
import os
import select
import struct
import time
from typing import Any

LENGTH = struct.Struct("<I")
READ_BYTES = 1 << 20


class Channel:
    """One end of the pipes: file descriptors to read from and to write to."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._poll = select.poll() if hasattr(select, "poll") else None  # Windows has none: it waits without a limit
        if self._poll is not None:
            self._poll.register(reading, select.POLLIN)

    def send(self, message: Any) -> None:
        """Raises BrokenPipeError where the other end is closed."""
        data = marshal.dumps(message)
        rest = memoryview(LENGTH.pack(len(data)) + data)
        while rest:
            rest = rest[os.write(self._writing, rest) :]

    def receive(self, deadline: float | None = None) -> Any:
        """The next message. Raises TimeoutError after the deadline (`time.monotonic`), EOFError at the end."""
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        return marshal.loads(self._read(length, deadline))

    def _read(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray()
        while len(data) < size:
            if deadline is not None and self._poll is not None:
                seconds = max(deadline - time.monotonic(), 0.0)
                if not self._poll.poll(seconds * 1000):
                    raise TimeoutError
            part = os.read(self._reading, min(size - len(data), READ_BYTES))
            if not part:
                raise EOFError
            data += part
        return data

    def close(self) -> None:
        os.close(self._reading)
        os.close(self._writing)

"""The end of a query at its deadline, whatever the server does with its own limits."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

CANCEL_INTERVAL_SECONDS = 0.5
"""Between two cancel requests: one that arrives between two statements is lost, and a function may catch one."""

GIVE_UP_SECONDS = 5.0
"""How long after the deadline the connection is cut, where the server did not heed the requests."""


class DeadlineWatch:
    """Cancels what a connection of psycopg does from its deadline on, by requests over connections of their own.

    `statement_timeout` alone is not enough: it starts again with each statement, and the session can change it.
    """

    def __init__(self, connection: Any, deadline: float | None) -> None:
        """`deadline` by `time.monotonic`; None for no limit. It runs from now until `stop`."""
        self._connection = connection
        self._deadline = deadline
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="query deadline", daemon=True)
        if deadline is not None:
            self._thread.start()

    def stop(self) -> None:
        """Nothing is cancelled after this."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        assert self._deadline is not None
        if self._stopped.wait(max(self._deadline - time.monotonic(), 0.0)):
            return
        while time.monotonic() < self._deadline + GIVE_UP_SECONDS:
            with suppress(Exception):  # a request that fails is repeated, and the connection is cut in the end
                self._connection.cancel_safe(timeout=GIVE_UP_SECONDS)
            if self._stopped.wait(CANCEL_INTERVAL_SECONDS):
                return
        with suppress(Exception), socket.socket(fileno=os.dup(self._connection.fileno())) as cut:
            cut.shutdown(socket.SHUT_RDWR)

"""What the service's HTTP servers share: few connections at a time, each of them short."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from crawler.errors import PortUnavailable

MAX_CONNECTIONS = 8
"""Connections at a time; further ones are closed."""

CONNECTION_SECONDS = 10.0
"""How long a connection may last, whatever the client sends or reads."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sends."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        status, "application/json; charset=utf-8", (json.dumps(value, indent=1) + "\n").encode(), headers or {}
    )


class ShortHandler(BaseHTTPRequestHandler):
    """One request, whose connection ends after CONNECTION_SECONDS."""

    timeout = CONNECTION_SECONDS
    server_version, sys_version = "hf-catalog", ""

    def setup(self) -> None:
        super().setup()
        # The timeout is that of a single read or write: a byte a second would hold the connection for ever.
        self._timer = threading.Timer(CONNECTION_SECONDS, self._end_connection)
        self._timer.daemon = True
        self._timer.start()

    def finish(self) -> None:
        self._timer.cancel()
        super().finish()

    def _end_connection(self) -> None:
        with contextlib.suppress(OSError):  # it may have ended by itself
            self.connection.shutdown(socket.SHUT_RDWR)

    def send_answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Requests are not logged: monitors send many."""


class ShortServer(ThreadingHTTPServer):
    """Answers for as long as the `with` block lasts.

    Args:
        section: of the configuration, which errors name.
        address: where it listens.
        port: 0 takes a free one.

    Raises PortUnavailable.
    """

    daemon_threads = True

    def __init__(self, section: str, address: str, port: int, handler: type[ShortHandler]) -> None:
        self.section, self.address = section, address
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        if ":" in address:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((address, port), handler)
        except OSError as error:
            raise PortUnavailable(section, port, error.strerror or str(error)) from None

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name=self.section, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is no event of the service."""

"""The service's HTTP server on loopback: `/health` for monitors, `/metrics` for Prometheus."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from crawler.errors import PortUnavailable

LOOPBACK = "127.0.0.1"

HOSTS = frozenset((LOOPBACK, "localhost"))
"""Names of this server in a request's Host header. Another name is that of a web page which was made to resolve to
loopback."""

MAX_CONNECTIONS = 8
"""Connections at a time; further ones are closed."""

CONNECTION_SECONDS = 10.0
"""How long a connection may last, whatever the client sends or reads."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sends for a path."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """What makes the answer of a path, and for how many seconds an answer is sent again before another is made: the
    number of requests must not decide how busy the catalog is."""

    make: Callable[[], Answer]
    max_age: float


def json_answer(status: int, value: Any) -> Answer:
    return Answer(status, "application/json; charset=utf-8", (json.dumps(value, indent=1) + "\n").encode())


class AnswerCache:
    """The answer of one path, made by one thread at a time and kept for a moment."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self._made_at = 0.0

    def get(self) -> Answer:
        with self._lock:
            if self._answer is None or time.monotonic() - self._made_at >= self._route.max_age:
                self._answer, self._made_at = self._route.make(), time.monotonic()
            return self._answer


class Handler(BaseHTTPRequestHandler):
    """One request: GET or HEAD of a known path, from loopback by its own name."""

    timeout = CONNECTION_SECONDS
    server_version, sys_version = "hf-catalog", ""
    server: HealthServer

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

    def do_GET(self) -> None:
        self._send(self._find_answer())

    def do_HEAD(self) -> None:
        self._send(self._find_answer())

    def _find_answer(self) -> Answer:
        host = self.headers.get("Host", "").rpartition("@")[2].partition(":")[0].lower()
        if host not in HOSTS:
            return json_answer(HTTPStatus.MISDIRECTED_REQUEST, {"error": "the Host header must name loopback"})
        path = self.path.partition("?")[0]
        answer = self.server.answers.get(path)
        if answer is None:
            paths = sorted(self.server.answers)
            return json_answer(HTTPStatus.NOT_FOUND, {"error": "not found", "paths": paths})
        return answer.get()

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Requests of monitors are not logged."""


class HealthServer(ThreadingHTTPServer):
    """Answers on loopback for as long as the `with` block lasts.

    Args:
        port: 0 takes a free one.
        routes: by path.

    Raises PortUnavailable.
    """

    daemon_threads = True

    def __init__(self, port: int, routes: Mapping[str, Route]) -> None:
        self.answers = {path: AnswerCache(route) for path, route in routes.items()}
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        try:
            super().__init__((LOOPBACK, port), Handler)
        except OSError as error:
            raise PortUnavailable(port, error.strerror or str(error)) from None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, name="health", daemon=True).start()
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

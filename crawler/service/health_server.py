"""The service's HTTP server on loopback: `/health` for monitors, `/metrics` for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from crawler.service.http_server import Answer, ShortHandler, ShortServer, json_answer

LOOPBACK = "127.0.0.1"

HOSTS = frozenset((LOOPBACK, "localhost"))
"""Names of this server in a request's Host header. Another name is that of a web page which was made to resolve to
loopback."""


@dataclass(frozen=True, slots=True)
class Route:
    """What makes the answer of a path, and for how many seconds an answer is sent again before another is made: the
    number of requests must not decide how busy the catalog is."""

    make: Callable[[], Answer]
    max_age: float


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


class Handler(ShortHandler):
    """One request: GET or HEAD of a known path, from loopback by its own name."""

    server: HealthServer

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server calls
        self.send_answer(self._find_answer())

    def do_HEAD(self) -> None:  # noqa: N802  # the name that http.server calls
        self.send_answer(self._find_answer())

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


class HealthServer(ShortServer):
    """Answers on loopback for as long as the `with` block lasts; `routes` by path. Raises PortUnavailable."""

    def __init__(self, port: int, routes: Mapping[str, Route]) -> None:
        self.answers = {path: AnswerCache(route) for path, route in routes.items()}
        super().__init__("health", LOOPBACK, port, Handler)

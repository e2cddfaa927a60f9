"""Opens a request within a time, whatever the server does: the timeout of a socket starts again with each byte.

A server that sends a byte a minute, or `100 Continue` for ever, would never let a message end. So a timer cuts the
connections of the request.
"""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any


class RefuseRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: its status is an HTTPError then."""

    def redirect_request(self, *_: object) -> None:
        return None


class Connections:
    """The connections of one request, which can be cut."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.are_cut = False

    def make(self, kind: Callable[..., HTTPConnection], *arguments: Any, **more: Any) -> HTTPConnection:
        """A connection of http.client."""
        made: Any = kind(*arguments, **more)
        made._create_connection = self._connect  # before TLS, whose first messages can be slow too
        connection: HTTPConnection = made
        return connection

    def _connect(self, *arguments: Any, **more: Any) -> socket.socket:
        opened = socket.create_connection(*arguments, **more)
        self._sockets.append(opened.dup())  # TLS takes the socket over; this one stays, and leads to the same peer
        if self.are_cut:
            self.cut()
        return opened

    def cut(self) -> None:
        """Ends all connections: a reader of one sees its end."""
        self.are_cut = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for each in self._sockets:
            each.close()


class PlainHandler(urllib.request.HTTPHandler):
    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        def make(*arguments: Any, **more: Any) -> HTTPConnection:
            return self._connections.make(HTTPConnection, *arguments, **more)

        return self.do_open(make, request)


class TlsHandler(urllib.request.HTTPSHandler):
    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        def make(*arguments: Any, **more: Any) -> HTTPConnection:
            return self._connections.make(HTTPSConnection, *arguments, **more)

        return self.do_open(make, request, context=ssl.create_default_context())


@contextmanager
def open_within(seconds: float, request: urllib.request.Request) -> Iterator[Any]:
    """The response to a request; it and what is done with it take so long at most.

    Raises TimeoutError, and what urllib raises. A redirect is an HTTPError.
    """
    connections = Connections()
    timer = threading.Timer(seconds, connections.cut)
    timer.daemon = True
    timer.start()
    try:
        opener = urllib.request.build_opener(RefuseRedirects, PlainHandler(connections), TlsHandler(connections))
        with opener.open(request, timeout=seconds) as response:
            yield response
    except (OSError, ValueError, HTTPException):
        if connections.are_cut:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
        connections.close()

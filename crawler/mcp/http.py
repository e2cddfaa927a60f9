"""The server over HTTP on this machine: requests need the token, a Host of this machine, and no Origin of another site.

Any web page that a user opens can send requests to 127.0.0.1, and read the answers if its own name is made to point
there (DNS rebinding), so the specification asks for the check of Origin:
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning
"""

from __future__ import annotations

import hmac
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from crawler.http_connections import BACKLOG, BoundedConnection
from crawler.mcp.limits import MAX_REQUEST_BYTES

HOST = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
MIN_TOKEN_CHARACTERS = 16
GRACE_SECONDS = 2

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]


class TokenGate:
    """The application behind the check of `Authorization: Bearer TOKEN`."""

    def __init__(self, application: Application, token: str) -> None:
        self.application = application
        self.expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["type"] == "http" and not self.is_allowed(scope):
            await send_refusal(send)
            return
        await self.application(scope, receive, send)

    def is_allowed(self, scope: Message) -> bool:
        """Whether the request has the token once, compared in constant time."""
        given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self.expected)


async def send_refusal(send: Send) -> None:
    body = b"Send the token of this server: Authorization: Bearer TOKEN\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def make_application(server: MCPServer[Any], port: int, token: str) -> TokenGate:
    """The ASGI application: `/mcp` behind the checks."""
    hosts = [f"{name}:{port}" for name in NAMES]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"http://{host}" for host in hosts],
    )
    application = server.streamable_http_app(max_request_body_size=MAX_REQUEST_BYTES, transport_security=security)
    return TokenGate(application, token)


def serve_http(server: MCPServer[Any], listener: socket.socket, token: str, *, verbose: bool) -> None:
    """Serve on a socket until SIGINT or SIGTERM."""
    application = make_application(server, listener.getsockname()[1], token)
    config = uvicorn.Config(
        application, log_level="info" if verbose else "warning", server_header=False, ws="none",
        http=BoundedConnection, backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has ended
        uvicorn.Server(config).run(sockets=[listener])

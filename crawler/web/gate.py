"""What every request passes before Datasette sees it, and every response before the client does: an ASGI application.

The server listens on loopback, yet any web page that the user opens can send requests there, and read the answers if
its own name is made to point to 127.0.0.1 (DNS rebinding). So the Host must be a known one, and pages of other sites
can link to this one but not load it. Headers of the responses forbid frames, sniffing and scripts from elsewhere.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

from crawler.web.limits import MAX_TARGET_BYTES, WebLimits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?")

PAGES_OF_DATASETTE = re.compile(
    r"/-/(static|static-plugins)/.*|/-/hf-catalog(-tables)?\.(css|js)|/-/(metadata|databases|versions|settings|plugins)(\.json)?"
)
"""Pages below `/-/` that are served. The others (threads, permissions, messages, tokens) are for developers."""

PAGES_THAT_WAIT = frozenset({"/report"})
"""Pages that may wait for the report, which one thread makes for all of them."""

STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of pages without a script or a style of their own. They ask for it by this header."""

RETRY_SECONDS = 5

NONCE: ContextVar[str] = ContextVar("NONCE", default="")
"""The value that makes a script of a template run, another one for each response."""


class ResponseBroken(BaseException):
    """The rest of a response can't be sent, so its connection is closed, by which the client knows that it has a part.

    No Exception: Datasette writes the text of those into a CSV file, which would look complete.
    """


class Gate:
    """The application behind the checks. `hosts` are further names under which a browser may reach it."""

    def __init__(self, application: Application, hosts: Iterable[str], limits: WebLimits) -> None:
        self.application = application
        self.hosts = LOOPBACK_HOSTS | {bracketed(host.lower()) for host in hosts}
        self.limits = limits
        self.open_requests = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
        if scope["type"] != "http":
            return
        nonce = secrets.token_urlsafe(16)
        NONCE.set(nonce)
        response = GuardedResponse(send, nonce, self.limits.send_seconds)
        refusal = self.refuse(scope)
        if refusal is not None:
            await response.send_text(*refusal)
            return
        self.open_requests += 1
        try:
            await self.respond(scope, receive, response)
        finally:
            self.open_requests -= 1

    async def respond(self, scope: Message, receive: Receive, response: GuardedResponse) -> None:
        seconds = None if scope["path"] in PAGES_THAT_WAIT else self.limits.request_seconds
        try:
            async with asyncio.timeout(seconds) as deadline:
                response.deadline = deadline
                await self.application(scope, receive, response.send)
        except ResponseBroken:
            return
        except asyncio.CancelledError:  # the server ends
            if not response.is_started:
                response.deadline = None
                await response.send_text(503, "The server is ending.")
        except TimeoutError:
            if not response.is_started:
                response.deadline = None
                text = f"The page took longer than {seconds:g} s. Ask for less: fewer facets, a narrower filter."
                await response.send_text(503, text)

    def refuse(self, scope: Message) -> tuple[int, str] | None:
        """The status and the text for a request that is not answered."""
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value.decode("latin-1").lower())
        hosts = headers.get(b"host", [])
        found = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None:
            return 400, "A request needs one valid Host header."
        if found["name"].removesuffix(".") not in self.hosts and found["name"] != own_address(scope):
            return 421, f"{found['name']} is not a name of this server: start it with --allow-host {found['name']}"
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "The catalog is read-only: GET and HEAD only."
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
            return 414, f"The address has more than {MAX_TARGET_BYTES} bytes: use hf-catalog query for long SQL."
        if is_loaded_by_another_site(headers):
            return 403, "Pages of other sites may link to the catalog, but not load it."
        if scope["path"].startswith("/-/") and not PAGES_OF_DATASETTE.fullmatch(scope["path"]):
            return 404, "There is no such page."
        if self.open_requests >= self.limits.open_requests:
            return 503, "Too many requests at a time. Try again in a moment."
        return None


class GuardedResponse:
    """Sends one response, with the headers of all responses."""

    def __init__(self, send: Send, nonce: str, send_seconds: float) -> None:
        self._send = send
        self._nonce = nonce
        self._send_seconds = send_seconds
        self.is_started = False
        self.deadline: asyncio.Timeout | None = None

    async def send(self, message: Message) -> None:
        """Raises ResponseBroken where the client does not read in time."""
        if message["type"] == "http.response.start":
            if self.deadline is not None:
                self.deadline.reschedule(None)
            self.is_started = True
            message = {**message, "headers": with_security_headers(message.get("headers", ()), self._nonce)}
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._send(message)
        except TimeoutError:
            raise ResponseBroken from None

    async def send_text(self, status: int, text: str) -> None:
        body = text.encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if status == 405:
            headers.append((b"allow", b"GET, HEAD"))
        if status == 503:
            headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def bracketed(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def own_address(scope: Message) -> str | None:
    """The address that the client connected to. No name of another site leads there under its own address."""
    server = scope.get("server")
    return bracketed(str(server[0]).lower()) if server else None


def is_loaded_by_another_site(headers: Mapping[bytes, list[str]]) -> bool:
    """Whether a browser says that a page of another site wants this one as a part of itself
    (https://www.w3.org/TR/fetch-metadata/)."""
    if headers.get(b"sec-fetch-site", ["none"])[0] not in ("cross-site", "same-site"):
        return False
    is_page = headers.get(b"sec-fetch-mode") == ["navigate"] and headers.get(b"sec-fetch-dest") == ["document"]
    return not is_page


def with_security_headers(headers: Iterable[tuple[bytes, bytes]], nonce: str) -> list[tuple[bytes, bytes]]:
    """The headers of a response with those that every response has, in place of its own ones of these names."""
    headers = list(headers)
    is_strict = (b"content-security-policy", STRICT_POLICY.encode()) in headers
    policy = (
        STRICT_POLICY
        if is_strict
        else (
            f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline';"
            " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
    )
    own = {
        b"content-security-policy": policy.encode(),
        b"x-frame-options": b"DENY",
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"no-referrer",
        b"cross-origin-opener-policy": b"same-origin",
        b"cross-origin-resource-policy": b"same-origin",
    }
    return [*((name, value) for name, value in headers if name.lower() not in own), *own.items()]

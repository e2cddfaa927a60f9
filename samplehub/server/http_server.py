"""A small HTTP/1.1 server on loopback: keep-alive, a thread a connection, and answers that may be broken on purpose.

The standard library's handler parses headers as e-mail, which costs more than the answer; a Hub that benchmarks lean
on must not be their bottleneck.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import responses as REASONS  # noqa: N812
from urllib.parse import parse_qsl, unquote

from samplehub.content.file_content import Content

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 8 << 20
LOG_BEFORE_SENDING_BYTES = 8 << 20  # bytes; longer bodies are in the log when they have left
MIN_GZIP_BYTES = 1024  # bytes; smaller bodies are not worth it


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are lower-case, `path` is still percent-encoded."""

    method: str
    target: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query_string, keep_blank_values=True)

    @property
    def segments(self) -> list[str]:
        return [unquote(part) for part in self.path.split("/")[1:]]

    @property
    def token(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def accepts_gzip(self) -> bool:
        return "gzip" in self.headers.get("accept-encoding", "")


@dataclass(frozen=True, slots=True)
class Transport:
    """How an answer leaves: all at once, or as a bad network would let it.

    `cut`: bytes of the body after which the connection ends; `reset`: it ends with RST, not FIN; `stall`: seconds of
    silence before the first byte; `drip`: bytes a step, with `pause` seconds between two steps; `informational`:
    responses of status 103 before this one, `pause` seconds apart; `slow_head`: the head drips too.
    """

    cut: int | None = None
    reset: bool = False
    stall: float = 0.0
    drip: int = 0
    pause: float = 0.0
    informational: int = 0
    slow_head: bool = False


@dataclass(slots=True)
class Response:
    """One answer. Its body is bytes, or the range [start, end) of a content."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    content: Content | None = None
    start: int = 0
    end: int = 0
    transport: Transport | None = None
    compress: bool = False

    @property
    def length(self) -> int:
        return self.end - self.start if self.content is not None else len(self.body)

    def chunks(self) -> Iterable[bytes]:
        if self.content is not None:
            return self.content.read(self.start, self.end)
        return (self.body,) if self.body else ()


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One line of the log: what was asked, how it was answered and how many bytes of body left for it."""

    method: str
    path: str
    query: str
    status: int
    bytes: int
    token: str | None
    range: str | None
    at: float  # time.monotonic()

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


class BadRequest(Exception):
    """What came over the wire is not HTTP that this server reads."""


Handler = Callable[[Request], Response]
Log = Callable[[RecordedRequest], None]


class Listener:
    """One listening port and the connections that came through it."""

    def __init__(
        self, handler: Handler, log: Log, *, port: int = 0, host: str = "127.0.0.1", name: str = "hub"
    ) -> None:
        self._handler = handler
        self._log = log
        self._socket = socket.create_server((host, port), backlog=512)
        self.host, self.port = self._socket.getsockname()[:2]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._accept, name=f"sample-{name}", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def close(self) -> None:
        self._closed.set()
        # shutdown wakes accept() on Linux, a connection does so everywhere
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            socket.create_connection((self.host, self.port), timeout=0.2).close()
        self._socket.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="sample-connection", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            for request in read_requests(connection):
                if not self._answer(connection, request):
                    break
        except BadRequest:
            _try_send(connection, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except (OSError, ValueError):
            pass  # the other side left, or this side is closing
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Sends the answer; False where the connection ends with it."""
        try:
            response = self._handler(request)
        except Exception as trouble:  # the sample Hub's own fault must be seen, not taken for one on purpose
            response = Response(500, {"Content-Type": "text/plain", "X-Sample-Hub-Bug": type(trouble).__name__})
            response.body = f"the sample Hub itself failed: {trouble!r}".encode()
        keep = request.headers.get("connection", "").lower() != "close" and not self._closed.is_set()
        if response.compress and request.accepts_gzip() and len(response.body) >= MIN_GZIP_BYTES:
            response.body = gzip.compress(response.body, 1, mtime=0)
            response.headers["Content-Encoding"] = "gzip"
        head = encode_head(response, keep)
        if request.method == "HEAD" or response.status in (204, 304):
            self._record(request, response, 0)
            connection.sendall(head)
            return keep
        if response.transport is None and response.length <= LOG_BEFORE_SENDING_BYTES:
            self._record(request, response, response.length)  # who has the answer finds it in the log
            for _ in send_all(connection, head, response.chunks()):
                pass
            return keep
        sent = 0
        try:
            if response.transport is not None:
                sent, whole = self._send_badly(connection, head, response, response.transport)
                return keep and whole
            for sent in send_all(connection, head, response.chunks()):  # noqa: B007  # the log wants the last
                pass
            return keep
        finally:
            self._record(request, response, sent)

    def _record(self, request: Request, response: Response, sent: int) -> None:
        path, asked = unquote(request.path), request.headers.get("range")
        now = time.monotonic()
        self._log(
            RecordedRequest(
                request.method, path, request.query_string, response.status, sent, request.token, asked, now
            )
        )

    def _send_badly(
        self, connection: socket.socket, head: bytes, response: Response, how: Transport
    ) -> tuple[int, bool]:
        """Sends as the transport says. Returns the body's bytes that left, and whether the connection may live on."""
        if how.stall and self._closed.wait(how.stall):
            return 0, False
        if how.reset and how.cut is None:
            _reset(connection)
            return 0, False
        left = how.cut if how.cut is not None else response.length
        for _ in range(how.informational):
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            if self._closed.wait(how.pause):
                return 0, False
        for step in split_chunk(head, 1 if how.slow_head else 0):
            connection.sendall(step)
            if how.slow_head and self._closed.wait(how.pause):
                return 0, False
        sent = 0
        for chunk in response.chunks():
            for step in split_chunk(chunk[: left - sent], how.drip):
                connection.sendall(step)
                sent += len(step)
                if how.pause and self._closed.wait(how.pause):
                    return sent, False
            if sent >= left:
                break
        if how.reset:
            _reset(connection)
        return sent, how.cut is None


def read_requests(connection: socket.socket) -> Iterator[Request]:
    """The requests that come over one connection, one after the other, until it ends."""
    buffer = b""
    while True:
        end = buffer.find(b"\r\n\r\n")
        while end < 0:
            if len(buffer) > MAX_HEAD_BYTES:
                raise BadRequest("head too long")
            more = connection.recv(1 << 16)
            if not more:
                return
            buffer += more
            end = buffer.find(b"\r\n\r\n")
        lines = buffer[:end].decode("latin-1").split("\r\n")
        buffer = buffer[end + 4 :]
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length") or 0)
        if not 0 <= length <= MAX_BODY_BYTES or "transfer-encoding" in headers:
            raise BadRequest("body too long, or in chunks")
        while len(buffer) < length:
            more = connection.recv(1 << 16)
            if not more:
                return
            buffer += more
        body, buffer = buffer[:length], buffer[length:]
        try:
            method, target, _ = lines[0].split(" ")
        except ValueError:
            raise BadRequest("no request line") from None
        path, _, query = target.partition("?")
        yield Request(method, target, path, query, headers, body)


def encode_head(response: Response, keep: bool) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if "Content-Length" not in response.headers:
        lines.append(f"Content-Length: {response.length}")
    if not keep:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def send_all(connection: socket.socket, head: bytes, chunks: Iterable[bytes]) -> Iterator[int]:
    """Sends head and body, the head with the first chunk; yields the bytes of the body that left so far."""
    sent = 0
    waiting = head
    for chunk in chunks:
        if len(chunk) < 1 << 16:
            connection.sendall(waiting + chunk)
        else:
            connection.sendall(waiting)
            connection.sendall(chunk)
        waiting = b""
        sent += len(chunk)
        yield sent
    if waiting:
        connection.sendall(waiting)


def split_chunk(chunk: bytes, step: int) -> Iterator[bytes]:
    if not step:
        yield chunk
        return
    for at in range(0, len(chunk), step):
        yield chunk[at : at + step]


def _reset(connection: socket.socket) -> None:
    """Ends the connection with RST: what was on its way is lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _try_send(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(data)

"""A small web server that sends ranges of files and records the requests; correct, or with one flaw."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Flaw = Literal["none", "ignores Range", "short bodies", "lies in Content-Range", "other size each time", "gone"]


@dataclass
class Web:
    """Its URL, and the ranges that were requested: (start, bytes sent)."""

    url: str = ""
    asked: list[tuple[int, int]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)  # of each request

    @property
    def sent(self) -> int:
        return sum(length for _, length in self.asked)


@contextmanager
def serving(files: Mapping[str, bytes], flaw: Flaw = "none", sizes: Mapping[str, int] | None = None) -> Iterator[Web]:
    """Serves `files` by name on loopback; `sizes` are those of files that are longer than what is held of them."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.headers.append(dict(self.headers))
            data = files.get(self.path.lstrip("/"))
            if data is None or flaw == "gone":
                self.answer(404, {}, b"not here")
                return
            size = (sizes or {}).get(self.path.lstrip("/"), len(data))
            ranged = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if ranged is None or flaw == "ignores Range":
                web.asked.append((0, size))
                self.answer(200, {}, data)
                return
            first, last = int(ranged[1]), min(int(ranged[2]), size - 1)
            if first >= size:
                self.answer(416, {"Content-Range": f"bytes */{size}"}, b"")
                return
            piece = data[first : last + 1].ljust(last + 1 - first, b"\0")
            web.asked.append((first, len(piece)))
            if flaw == "lies in Content-Range":
                first += 1
            if flaw == "other size each time":
                size += len(web.asked)
            headers = {"Content-Range": f"bytes {first}-{last}/{size}"}
            self.answer(206, headers, piece[: len(piece) // 2] if flaw == "short bodies" else piece, len(piece))

        def answer(self, status: int, headers: Mapping[str, str], body: bytes, length: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            with suppress(OSError):  # the client has closed the connection
                self.wfile.write(body)
            self.close_connection = length is not None and length != len(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # a client that closes the connection early is expected

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()

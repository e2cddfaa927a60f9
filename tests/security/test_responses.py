"""Responses that are made to harm: ambiguous framing, compressed bombs, ranges that lie, redirects to anywhere."""

from __future__ import annotations

import gzip
import socketserver
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from crawler.errors import CrawlError, RepoError
from crawler.sources.huggingface import transport
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.endpoint import is_forbidden_target
from crawler.sources.huggingface.response import IncompleteResponse, parse_content_range, parse_retry_after
from crawler.sources.huggingface.transport import parse_rate_limit
from crawler.sources.pacer import Pacer
from tests.security.costs import check_cost

TOKEN = "hf_s3cr3tToken0123456789"
FILE = bytes(range(100))


class RawServer(socketserver.ThreadingTCPServer):
    """Sends for each path the bytes of `answers`, whatever they are, and keeps what it was sent."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RawHandler)
        self.answers: dict[str, bytes] = {}
        self.received: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class RawHandler(socketserver.StreamRequestHandler):
    server: RawServer

    def handle(self) -> None:
        head = b"".join(iter(self.rfile.readline, b"\r\n")).decode("latin-1")
        self.server.received.append(head)
        self.wfile.write(self.server.answers.get(head.split(" ")[1].partition("?")[0], b"HTTP/1.1 404 x\r\n\r\n"))


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[RawServer, RawServer]]:
    """A Hub, and another host to which it redirects."""
    with RawServer() as hub, RawServer() as other:
        for server in (hub, other):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield hub, other
        hub.shutdown()
        other.shutdown()


@pytest.fixture
def hub(servers: tuple[RawServer, RawServer]) -> RawServer:
    for server in servers:
        server.received.clear()
        server.answers.clear()
    return servers[0]


@pytest.fixture
def client(hub: RawServer) -> HubClient:
    return HubClient(hub.url, TOKEN, Pacer(), timeout=2.0, tries=1, backoff=0.01, offline=False, patience=0.01)


def ok(body: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join((b"HTTP/1.1 200 OK", b"Connection: close", *lines, b"", b"")) + body


def get_json(client: HubClient) -> Any:
    return client.transport.get_json("info", "/api/x", [])[0]


def squeeze(data: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        data = gzip.compress(data, 9)
    return data


# ---- framing and compression -----------------------------------------------------------------------------------------

AMBIGUOUS: dict[str, bytes] = {
    "two lengths": ok(b"[1]", b"Content-Length: 3", b"Content-Length: 2"),
    "a negative length": ok(b"[1]", b"Content-Length: -3"),
    "a length with a sign": ok(b"[1]", b"Content-Length: +3"),
    "a length of 400 digits": ok(b"[1]", b"Content-Length: " + b"9" * 400),
    "a length that is no number": ok(b"[1]", b"Content-Length: 0x3"),
    "a chunk of 2^64 bytes": ok(b"ffffffffffffffffff\r\n[1]", b"Transfer-Encoding: chunked"),
    "a negative chunk": ok(b"-3\r\n[1]\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
    "an unknown transfer": ok(b"[1]", b"Transfer-Encoding: magic"),
    "a field without a name": ok(b"[1]", b": x", b"Content-Length: 3"),
    "a field with a space in its name": ok(b"[1]", b"Content Length: 3"),
    "a folded field of a line feed": ok(b"[1]", b"X: a\n\x00b", b"Content-Length: 3"),
    "fields of a megabyte": ok(b"[1]", b"X: " + b"a" * 1_000_000, b"Content-Length: 3"),
    "100,000 fields": ok(b"[1]", *[b"X: a"] * 100_000),
    "a status of five digits": b"HTTP/1.1 20000 OK\r\n\r\n[1]",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "no head": b"[1]",
    "a shorter body than its length": ok(b"[1", b"Content-Length: 3"),
    "broken compression": ok(b"\x1f\x8b\x08nonsense", b"Content-Encoding: gzip"),
    "half of a compressed body": ok(squeeze(b"[" + b"1," * 1000 + b"1]")[:-20], b"Content-Encoding: gzip"),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_response_that_may_be_read_in_two_ways_is_incomplete(name: str, hub: RawServer, client: HubClient) -> None:
    hub.answers["/api/x"] = AMBIGUOUS[name]
    with pytest.raises(IncompleteResponse) as caught:
        get_json(client)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400 and TOKEN not in str(caught.value)


def bomb(megabytes: int, form: int) -> bytes:
    """Zeros, compressed to a thousandth: a block that depends on nothing before it, many times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, form)
    first, block = (packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + block * (megabytes - 1)


GZIP, ZLIB = 31, 15
BOMBS: dict[str, tuple[bytes, bytes]] = {
    "gzip": (bomb(1000, GZIP), b"gzip"),
    "gzip in gzip": (squeeze(bomb(2000, GZIP)), b"gzip, gzip"),
    "gzip in four gzips": (squeeze(bomb(2000, GZIP), 4), b"gzip, gzip, gzip, gzip, gzip"),
    "deflate": (bomb(1000, ZLIB), b"deflate"),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("kind", ["JSON", "a file's range"])
def test_a_bomb_is_unpacked_to_a_limit(
    kind: str, name: str, hub: RawServer, client: HubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_JSON_BYTES", 5_000_000)
    data, encoding = BOMBS[name]
    hub.answers["/api/x"] = hub.answers["/a/b/resolve/main/f"] = ok(data, b"Content-Encoding: " + encoding)

    def attack() -> None:
        if kind == "JSON":
            with pytest.raises(IncompleteResponse):
                get_json(client)
        else:
            assert len(client.read_range("a/b", "f", "main", 0, 100).data) <= 100

    check_cost(attack)


def test_a_compressed_response_of_an_honest_size_is_read(hub: RawServer, client: HubClient) -> None:
    hub.answers["/api/x"] = ok(squeeze(b'{"a": 1}'), b"Content-Encoding: gzip")
    assert get_json(client) == {"a": 1}


# ---- ranges ----------------------------------------------------------------------------------------------------------

RANGES = [
    b"bytes 1-10/100", b"bytes 9-0/100", b"bytes 0-9", b"bytes */100", b"bytes 0-99999999999999999999/100", b"0-9/100",
    b"bytes 0-9/100, bytes 5-9/100", b"bytes 0--1/100", b"bytes=0-9/100", b"items 0-9/100", b"bytes 0x0-9/100",
    b"bytes 0-200/100", b"bytes 0-5/100",
]  # fmt: skip


@pytest.mark.parametrize("stated", RANGES)
def test_a_range_that_lies_gives_no_bytes_of_another_place(stated: bytes, hub: RawServer, client: HubClient) -> None:
    answer = b"HTTP/1.1 206 OK\r\nConnection: close\r\nContent-Range: " + stated + b"\r\n\r\n" + FILE[:10]
    hub.answers["/a/b/resolve/main/f"] = answer
    try:
        found = client.read_range("a/b", "f", "main", 0, 10)
    except (CrawlError, RepoError):
        return
    assert FILE.startswith(found.data) and (found.size is None or found.size >= len(found.data))


@pytest.mark.parametrize("stated", ["bytes 0-9/" + "9" * 30, "bytes " + "1" * 100_000, "bytes 0-9/1" * 9999, "\x00"])
def test_numbers_of_a_range_have_a_length(stated: str) -> None:
    assert parse_content_range({"content-range": stated}) == (None, None, None)


def test_a_range_of_more_bytes_than_were_asked_for_is_cut(hub: RawServer, client: HubClient) -> None:
    head = b"HTTP/1.1 206 OK\r\nConnection: close\r\nContent-Range: bytes 0-99/100\r\n\r\n"
    hub.answers["/a/b/resolve/main/f"] = head + FILE * 1000
    assert client.read_range("a/b", "f", "main", 0, 10).data == FILE[:10]


# ---- redirects and fields --------------------------------------------------------------------------------------------

TARGETS = [
    "file:///etc/passwd", "FILE:/etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:70/x", "data:,x",
    "javascript:alert(1)", "http://[::1", "http://127.0.0.1:99999/x", "http://127.0.0.1:port/x",
    "http://169.254.169.254/latest/meta-data/", "http://169.254.43518/", "http://2852039166/", "http://0xa9fea9fe/",
    "http://[::ffff:169.254.169.254]/", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://100.100.100.200/",
    "http://metadata.google.internal/computeMetadata/v1/", "http://0.0.0.0:1/", "http://224.0.0.1/",
    "http://METADATA.google.internal./",
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_a_redirect_leads_to_no_file_and_no_service_of_the_machine(
    target: str, hub: RawServer, client: HubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, urls = client.transport.exchange, list[str]()

    def record(url: str, *more: Any) -> Any:
        urls.append(url)
        return exchange(url, *more)

    monkeypatch.setattr(client.transport, "exchange", record)
    hub.answers["/x"] = b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: " + target.encode() + b"\r\n\r\n"
    with pytest.raises(IncompleteResponse, match="redirected to") as caught:
        client.transport.get("resolve", f"{hub.url}/x", [], {})
    assert urls == [f"{hub.url}/x"], "nothing else was requested"
    assert str(caught.value).isprintable() and TOKEN not in str(caught.value)


@pytest.mark.parametrize("host", ["cdn-lfs.huggingface.co", "10.0.0.5", "127.0.0.1", "192.168.1.2", "2606:4700::1"])
def test_hosts_of_files_may_be_anywhere_else(host: str) -> None:
    assert not is_forbidden_target(host)


def test_redirects_in_a_circle_end(hub: RawServer, client: HubClient) -> None:
    hub.answers["/x"] = b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /x\r\n\r\n"
    with pytest.raises(IncompleteResponse, match="redirects"):
        client.transport.get("resolve", f"{hub.url}/x", [], {})


def test_a_cookie_and_the_token_do_not_reach_another_host(
    servers: tuple[RawServer, RawServer], hub: RawServer, client: HubClient
) -> None:
    _, other = servers
    cookie = b"Set-Cookie: session=s3cr3t; Path=/"
    target = other.url.replace("127.0.0.1", "localhost").encode()
    hub.answers["/x"] = (
        b"HTTP/1.1 302 Found\r\nConnection: close\r\n" + cookie + b"\r\nLocation: " + target + b"/y\r\n\r\n"
    )
    other.answers["/y"] = ok(b"data", b"Set-Cookie: session=evil; Domain=127.0.0.1")
    assert client.transport.get("resolve", f"{hub.url}/x", [], {}).body == b"data"
    assert TOKEN in hub.received[0] and TOKEN not in other.received[0]
    assert "cookie" not in other.received[0].lower()
    client.transport.get("resolve", f"{hub.url}/x", [], {})
    assert "evil" not in hub.received[1]


@pytest.mark.parametrize(
    "name", ["a/b\r\nX-Evil: 1", "a/b\x00c", "a/b HTTP/1.1\r\n\r\n", "../../api/whoami", "a/b?x=#y"]
)
@pytest.mark.parametrize("place", ["repo", "revision", "path"])
def test_a_name_stays_within_its_part_of_the_request(place: str, name: str, hub: RawServer, client: HubClient) -> None:
    parts = {"repo": "a/b", "revision": "main", "path": "f"} | {place: name}
    with pytest.raises((CrawlError, RepoError)):
        client.read_range(parts["repo"], parts["path"], parts["revision"], 0, 10)
    for head in hub.received:
        line, *fields = head.splitlines()
        assert line.endswith(" HTTP/1.1") and line.count(" ") == 2 and "?" not in line
        assert not any("evil" in field.lower() for field in fields)


FIELDS = {"ratelimit": '"api";r=-5;t=-1', "ratelimit-policy": '"fixed window";"api";q=0;w=0'}


@pytest.mark.parametrize(
    "change",
    [
        {}, {"ratelimit": '"api";r=99999999999999999999;t=99999999999999999999'}, {"ratelimit": "r=1;t=1;" * 9999},
        {"ratelimit": "\x00\r\nX: y"}, {"ratelimit": '"' + "a" * 100_000 + '";r=1;t=1'}, {"ratelimit": ""},
        {"ratelimit-policy": ";" * 100_000}, {"ratelimit": '"api";r=1e9;t=nan'},
    ],
)  # fmt: skip
def test_a_quota_that_lies_is_unknown_or_numbers(change: dict[str, str]) -> None:
    def attack() -> None:
        limit = parse_rate_limit({**FIELDS, **change})
        assert limit is None or (isinstance(limit.left, int) and limit.reset == limit.reset)

    check_cost(attack)


@pytest.mark.parametrize(
    "text", ["9" * 400, "-1", "nan", "inf", "Thu, 01 Jan 9999999 00:00:00 GMT", "a" * 100_000, "٣", "1e9"]
)
def test_a_wait_that_a_response_asks_for_is_a_number_or_unknown(text: str) -> None:
    wait = parse_retry_after({"retry-after": text, "date": "Thu, 01 Jan 2026 00:00:00 GMT"})
    assert wait is None or 0 <= wait < 10**9 * 10

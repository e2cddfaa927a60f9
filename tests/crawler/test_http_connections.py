"""Connections that send no whole request end, and too many of them are closed; others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import uvicorn

from crawler.http_connections import BoundedConnection

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class FewAndShort(BoundedConnection):
    max_connections = 3
    request_seconds = 0.05


async def answer(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    await asyncio.sleep(0.3)  # a response may take longer than a request
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def exchange(port: int, *parts: bytes) -> bytes:
    """What arrives until the server ends the connection, to which each part is sent after the answer to the one
    before."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    with suppress(ConnectionError, EOFError):
        for part in parts:
            writer.write(part)
            if part == REQUEST:
                got += await reader.readuntil(b"ok")
        got += await reader.read()
    writer.close()
    return got


async def ask() -> list[bytes]:
    config = uvicorn.Config(
        answer, port=0, http=FewAndShort, log_level="critical", lifespan="off", timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    found = await asyncio.gather(
        exchange(port, REQUEST, b"GET / HTTP/1.1\r\n"), exchange(port, b"GET"), exchange(port), exchange(port, REQUEST)
    )
    last = await exchange(port, REQUEST)
    server.should_exit = True
    await task
    return [each.rpartition(b"\r\n")[2] for each in (*found, last)]


async def send_body(body: bytes) -> bytes:
    """What arrives for a request whose body should have ten bytes."""

    async def read_body(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        if message["type"] == "http.request":
            await answer(scope, receive, send)

    config = uvicorn.Config(read_body, port=0, http=FewAndShort, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
    got = b""
    with suppress(ConnectionError, EOFError):
        writer.write(body)
        got = await reader.readuntil(b"ok")
    writer.close()
    server.should_exit = True
    await task
    return got.rpartition(b"\r\n")[2]


def test_a_request_whose_body_does_not_end_is_no_request() -> None:
    assert asyncio.run(asyncio.wait_for(send_body(b"123456789"), 60)) == b""
    assert asyncio.run(asyncio.wait_for(send_body(b"1234567890"), 60)) == b"ok"


def test_connections_without_a_request_end_and_too_many_are_closed() -> None:
    """The fourth is one too many; the first gets its answer, and its second request, which stays a part, none."""
    assert asyncio.run(asyncio.wait_for(ask(), 60)) == [b"ok", b"", b"", b"", b"ok"]

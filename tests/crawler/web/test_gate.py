"""The gate before web pages: a response whose rest can't be sent is interrupted, so that it is not taken for whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("datasette", reason="datasette is not installed: pip install '.[serve]'")

from datasette.views.base import DataView

from crawler.web.csv_views import CsvView
from crawler.web.gate import Gate, Message, Receive, ResponseBroken, Send
from crawler.web.limits import WebLimits
from crawler.web.pool import ServerBusy

SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/catalog.csv",
    "raw_path": b"/catalog.csv",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
}


async def nothing() -> Message:
    return {"type": "http.disconnect"}


async def answer(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        await send({"type": "http.response.body", "body": b"a,b\n", "more_body": True})
    except Exception as error:  # as Datasette does while it sends CSV
        await send({"type": "http.response.body", "body": str(error).encode()})
    await send({"type": "http.response.body", "body": b""})


def test_a_client_that_does_not_read_loses_its_connection() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    gate = Gate(answer, [], WebLimits(send_seconds=0.01))
    asyncio.run(gate(dict(SCOPE), nothing, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert gate.open_requests == 0


@pytest.mark.parametrize(
    ("host", "status"),
    [("192.168.1.7:8001", 200), ("[2001:db8::7]", 421), ("192.168.1.8", 421), ("attacker.example", 421)],
)
def test_the_address_that_the_client_connected_to_is_a_known_host(host: str, status: int) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", host.encode()), (b"x-forwarded-host", b"localhost")]
    asyncio.run(
        Gate(answer, [], WebLimits())({**SCOPE, "server": ("192.168.1.7", 8001), "headers": headers}, nothing, send)
    )
    assert sent[0]["status"] == status


class Pages(DataView):  # type: ignore[misc]
    """A view whose later pages end in these errors, one after the other."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def data(self, request: object, **_: object) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return {"columns": ["x"], "rows": [("=1",)]}, {}, ()


class CsvPages(CsvView, Pages):
    pass


def test_a_later_page_of_a_csv_file_waits_for_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.web.csv_views.RETRY_SECONDS", 0)
    data, *_ = asyncio.run(CsvPages(ServerBusy(), ServerBusy()).data(object(), _next="1"))
    assert data["rows"] == [["'=1"]]
    with pytest.raises(ServerBusy):
        asyncio.run(CsvPages(ServerBusy()).data(object()))


def test_an_error_in_a_later_page_of_a_csv_file_breaks_it_off() -> None:
    with pytest.raises(ResponseBroken):
        asyncio.run(CsvPages(ValueError("disk")).data(object(), _next="1"))

"""Each fault does what it says, when and as often as it says."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest

from samplehub import READER, Fault, Kind, SampleHub
from tests.samplehub.conftest import Client

LISTING = "/api/models?sort=createdAt&limit=3"
FILE = "/owner/model-1/resolve/main/README.md"


@pytest.fixture
def faulty(small: SampleHub) -> Iterator[SampleHub]:
    yield small
    small.faults.clear()


def test_every_kind_is_tried_here() -> None:
    text = open(__file__).read()  # noqa: SIM115, PTH123
    assert not [kind.name for kind in Kind if f"Kind.{kind.name}" not in text]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Kind.TOO_MANY, 429),
        (Kind.TOO_MANY_BARE, 429),
        (Kind.TOO_MANY_RETRY_AFTER, 429),
        (Kind.SERVER_ERROR, 500),
        (Kind.BAD_GATEWAY, 502),
        (Kind.UNAVAILABLE, 503),
        (Kind.GATEWAY_TIMEOUT, 504),
    ],
)
def test_statuses(faulty: SampleHub, kind: Kind, status: int) -> None:
    faulty.faults.add(Fault(kind, on="listing", times=2, seconds=7))
    client = Client(faulty.endpoint)
    answers = [client.get(LISTING) for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    headers = answers[0].headers
    assert ("ratelimit" in headers) is (kind is Kind.TOO_MANY)
    assert headers.get("retry-after") == ("7" if kind is Kind.TOO_MANY_RETRY_AFTER else None)
    if kind is Kind.TOO_MANY:
        assert headers["ratelimit"] == '"api";r=0;t=7'
    if kind in (Kind.BAD_GATEWAY, Kind.UNAVAILABLE, Kind.GATEWAY_TIMEOUT, Kind.TOO_MANY_BARE):
        assert answers[0].body.startswith(b"<!DOCTYPE html>")


def test_schedule(faulty: SampleHub) -> None:
    fault = Fault(Kind.SERVER_ERROR, on="info", match="model-3", after=1, every=2, times=2)
    faulty.faults.add(fault)
    client = Client(faulty.endpoint)
    assert client.get("/api/models/owner/model-2").status == 200
    asked = [client.get("/api/models/owner/model-3").status for _ in range(7)]
    assert asked == [200, 500, 200, 500, 200, 200, 200]
    assert faulty.faults.hits == {fault: 2}
    assert client.get(LISTING).status == 200


def test_html_and_objects_with_status_200(faulty: SampleHub) -> None:
    client = Client(faulty.endpoint)
    faulty.faults.add(Fault(Kind.HTML), Fault(Kind.ERROR_OBJECT))
    page = client.get(LISTING)
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    assert "error" in client.get(LISTING).json


def test_reset(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.RESET), Fault(Kind.RESET, bytes=10))
    for _ in range(2):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            Client(faulty.endpoint).get(LISTING)
    assert Client(faulty.endpoint).get(LISTING).status == 200


def test_short_body(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.SHORT_BODY, on="resolve", bytes=5))
    with pytest.raises(http.client.IncompleteRead) as caught:
        Client(faulty.endpoint).get(FILE)
    assert caught.value.partial == b"---\nl"


def test_slow_bodies_and_silence(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.DRIP, bytes=8, seconds=0.05), Fault(Kind.STALL, seconds=0.3))
    for _ in range(2):
        started = time.monotonic()
        answer = Client(faulty.endpoint).get(FILE)
        assert answer.body == b"---\nlicense: mit\n---\n"
        assert time.monotonic() - started >= 0.1
    faulty.faults.add(Fault(Kind.STALL, seconds=30))
    with pytest.raises(TimeoutError):
        Client(faulty.endpoint).ask("GET", FILE, timeout=0.2)


def test_truncated_json(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.TRUNCATED_JSON))
    answer = Client(faulty.endpoint).get(LISTING)
    assert answer.status == 200 and len(answer.body) == int(answer.headers["content-length"])
    with pytest.raises(json.JSONDecodeError):
        answer.json  # noqa: B018


def test_wrong_types(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.WRONG_TYPES, times=2))
    client = Client(faulty.endpoint)
    rows = client.get(LISTING).json
    assert len(rows) > 3 and not all(isinstance(row, dict) for row in rows)
    assert rows[-3]["downloads"] == "many" and isinstance(rows[-1]["downloads"], int)
    info = client.get("/api/models/owner/model-1").json
    assert isinstance(info["siblings"], str) and info["id"] == "owner/model-1"


def ids(client: Client, pages: int) -> list[list[str]]:
    found: list[list[str]] = []
    url: str | None = LISTING
    while url is not None and len(found) < pages:
        answer = client.get(url)
        found.append([row["id"] for row in answer.json])
        url = answer.next
    return found


def test_pages_that_repeat(faulty: SampleHub) -> None:
    client = Client(faulty.endpoint)
    whole = ids(client, 9)
    faulty.faults.add(Fault(Kind.REPEATED_PAGE))
    assert ids(client, 9) == [whole[0], *whole]
    faulty.faults.clear()
    faulty.faults.add(Fault(Kind.REPEATED_PAGE, times=None))
    assert ids(client, 5) == [whole[0]] * 5  # without an end


def test_pages_that_shift(faulty: SampleHub) -> None:
    client = Client(faulty.endpoint)
    whole = ids(client, 9)
    faulty.faults.add(Fault(Kind.SHIFTED_PAGE, match="cursor", count=2))
    assert ids(client, 9)[1] == whole[0][1:] + whole[1]
    faulty.faults.clear()
    faulty.faults.add(Fault(Kind.SKIPPED_ROWS, match="cursor", count=2))
    assert ids(client, 9) == [whole[0], whole[1][2:], *whole[2:]]


def test_listings_that_end_too_early(faulty: SampleHub) -> None:
    client = Client(faulty.endpoint)
    whole = ids(client, 9)
    faulty.faults.add(Fault(Kind.CUT_LISTING, match="cursor", count=1))
    assert ids(client, 9) == [whole[0], whole[1][:1]]


def test_ignored_range(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.IGNORED_RANGE, on="resolve"))
    answer = Client(faulty.endpoint).get(FILE, range="bytes=4-6")
    assert (answer.status, answer.body) == (200, b"---\nlicense: mit\n---\n")


def test_lying_range(hub: SampleHub) -> None:
    repo, name = "unsloth/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf"
    client = Client(hub.endpoint)
    link = client.head(f"/{repo}/resolve/main/{name}").headers["location"]
    hub.faults.add(Fault(Kind.LYING_RANGE, on="cdn"))
    lie, truth = (client.get(link, range="bytes=0-99") for _ in range(2))
    hub.faults.clear()
    assert lie.status == truth.status == 206 and len(lie.body) == 100
    assert lie.headers["content-range"].startswith("bytes 1024-1123/")
    assert lie.body != truth.body


@pytest.mark.parametrize("on", ["resolve", "cdn"])
def test_expired_link(hub: SampleHub, on: str) -> None:
    client = Client(hub.endpoint)
    target = "/unsloth/Qwen3-0.6B-GGUF/resolve/main/Qwen3-0.6B-Q8_0.gguf"
    hub.faults.add(Fault(Kind.EXPIRED_LINK, on=on))  # type: ignore[arg-type]
    asked = [client.get(client.head(target).headers["location"], range="bytes=0-3").status for _ in range(2)]
    hub.faults.clear()
    assert asked == [403, 206]


def test_redirect_to_another_host(faulty: SampleHub) -> None:
    client = Client(faulty.endpoint, READER)
    faulty.faults.add(Fault(Kind.FOREIGN_HOST, on="listing"), Fault(Kind.FOREIGN_HOST, on="resolve"))
    away = client.get(LISTING).next
    assert away is not None and away.startswith(faulty.foreign_url) and "cursor=" in away
    redirect = client.get(FILE)
    assert (redirect.status, redirect.headers["location"]) == (302, faulty.foreign_url + FILE)
    client.get(away)  # this client gives its token to anybody
    Client(faulty.endpoint).get(redirect.headers["location"])
    for _ in range(50):
        if len(faulty.foreign_requests) == 2:
            break
        time.sleep(0.02)
    assert [asked.token for asked in faulty.foreign_requests] == [READER, None]


def test_another_response(faulty: SampleHub) -> None:
    fault = Fault(Kind.RESPONSE, status=451, headers=(("X-Error-Code", "Law"),), body=b"no")
    faulty.faults.add(fault)
    answer = Client(faulty.endpoint).get(LISTING)
    assert (answer.status, answer.headers["x-error-code"], answer.body) == (451, "Law", b"no")


def test_an_ignored_parameter(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.IGNORED_PARAMETER, name="limit"))
    client = Client(faulty.endpoint)
    assert len(client.get(LISTING).json) > len(client.get(LISTING).json) == 3


def test_a_poisoned_row_breaks_its_page_alone(faulty: SampleHub) -> None:
    client = Client(faulty.endpoint)
    first, second = ids(client, 2)
    faulty.faults.add(Fault(Kind.POISONED_ROW, on="listing", name=second[1], status=502, times=None))
    answer = client.get(LISTING)
    assert [row["id"] for row in answer.json] == first
    assert answer.next is not None
    assert client.get(answer.next).status == 502


def test_an_altered_field(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.ALTERED_FIELD, name="downloads", body=b"NaN", times=2))
    client = Client(faulty.endpoint)
    assert b'"downloads": NaN' in client.get(LISTING).body
    assert b'"downloads": NaN' in client.get("/api/models/owner/model-1").body


def test_links_that_are_missing_and_pages_that_are_short(faulty: SampleHub) -> None:
    client = Client(faulty.endpoint)
    whole = client.get(LISTING)
    faulty.faults.add(Fault(Kind.NO_LINK), Fault(Kind.SHORT_PAGE, count=2))
    assert client.get(LISTING).next is None
    short = client.get(LISTING)
    assert (short.json, short.next) == (whole.json[:1], whole.next)


def test_cursors_that_change(faulty: SampleHub) -> None:
    faulty.faults.add(Fault(Kind.CHANGING_CURSOR, times=None))
    client = Client(faulty.endpoint)
    first = client.get(LISTING)
    assert first.next is not None
    second = client.get(first.next)
    assert second.json == first.json
    assert second.next not in (None, first.next)


@pytest.mark.parametrize("kind", [Kind.INFORMATIONAL, Kind.SLOW_HEAD])
def test_responses_that_do_not_begin(faulty: SampleHub, kind: Kind) -> None:
    faulty.faults.add(Fault(kind, seconds=0.05))
    host, _, port = faulty.endpoint.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {LISTING} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = connection.recv(20)
    assert received.startswith(b"HTTP/1.1 103" if kind is Kind.INFORMATIONAL else b"H")
    assert len(received) < 200

"""Watches: what fires, that each event is delivered once whatever is killed, and that no secret is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import socketserver
import sqlite3
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import BadStatusLine
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from analysis.catalog import watches
from analysis.catalog.models import ModelFilter
from analysis.catalog.watches import WatchDefinition
from analysis.errors import TooManyMatches
from crawler.errors import DeliveryFailed, TargetInvalid, UnknownWatch
from crawler.service.hooks import describe_post_error, post
from crawler.service.notify import Address, check_target, deliver, find_address, message_id, message_text, sign
from crawler.service.watches import add_watch, run_watches
from db.watches import CLAIM, Message, Watch, WatchEvent, WatchStore, watch_file
from tests.environment import user_environment

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
QAT = "google/gemma-3-4b-it-qat-q4_0-gguf"
GEMMA = WatchDefinition(ModelFilter(families=("gemma",)))
MODELS = "select repo_id from models where status <> 'gone'"
SHA = WatchDefinition(query="select sha as repo_id from models")


@pytest.fixture
def catalog(small: str, tmp_path: Path) -> str:
    return str(shutil.copy(small, tmp_path / "catalog.db"))


def add(db: str, name: str = "gemma", definition: WatchDefinition = GEMMA, **more: Any) -> None:
    add_watch(db, Watch(name, definition.to_data(), more.pop("targets", ("print",)), more.pop("every", None), NOW))


def run(db: str, at: datetime = NOW, **more: Any) -> list[tuple[str | None, bool]]:
    """What a run delivers: repo and whether it was delivered."""
    written: list[str] = []
    return [(each.repo_id, each.delivered) for each in run_watches(db, clock=lambda: at, write=written.append, **more)]


def execute(db: str, sql: str, *values: Any) -> None:
    with sqlite3.connect(db) as connection:
        assert connection.execute(sql, values).rowcount > 0


def rename_family(db: str, repo_id: str, family: str) -> None:
    sql = "update repo_labels set family = ?, base_family = ? where repo = (select id from repos where repo_id = ?)"
    execute(db, sql, family, family, repo_id)


# ---- what fires -----------------------------------------------------------------------------------------------------


def test_what_was_there_is_known_and_a_new_match_fires_once(catalog: str) -> None:
    rename_family(catalog, QAT, "other")
    add(catalog)
    assert run(catalog) == []
    rename_family(catalog, QAT, "gemma")
    assert run(catalog) == [(QAT, True)]
    assert run(catalog) == []


def test_a_feed_that_is_served_needs_no_delivery(catalog: str) -> None:
    rename_family(catalog, QAT, "other")
    add(catalog, targets=("feed",))
    rename_family(catalog, QAT, "gemma")
    assert run(catalog) == [(QAT, True)]


def test_a_change_fires_for_models_that_match(catalog: str) -> None:
    add(catalog, "licences", WatchDefinition(ModelFilter(families=("gemma",)), changes=("label", "gone")))
    add(catalog, "others", WatchDefinition(ModelFilter(families=("llama",)), changes=("label", "gone")))
    execute(
        catalog,
        "insert into events (repo, at, kind, subject, before, after)"
        " select id, ?, 'label', 'license', 'gemma', 'mit' from repos where repo_id = ?",
        "2026-11-28T11:00:00.000Z",
        QAT,
    )
    execute(catalog, "update repos set status = 'gone' where repo_id = ?", QAT)  # it is watched nevertheless
    found = list(run_watches(catalog, clock=lambda: NOW, write=lambda text: None))
    assert [(each.watch, each.text) for each in found] == [("licences", f"{QAT}: label license gemma -> mit")]
    assert run(catalog, NOW + timedelta(days=1)) == []


def test_changes_are_matched_however_many_there_are(catalog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few at a time: the one of a model that matches may be the last of them."""
    monkeypatch.setattr(watches, "LOOKED_UP", 2)
    for name, repo_ids in (("gemma", ()), ("named", (QAT,)), ("other", ("nobody/nothing",))):
        wanted = ModelFilter(families=("gemma",), repo_ids=repo_ids)
        add(catalog, name, WatchDefinition(wanted, changes=("label",)))
    execute(
        catalog,
        "insert into events (repo, at, kind, subject, before, after)"
        " select id, '2026-11-28T11:00:00.000Z', 'label', 'license', 'gemma', 'mit' from repos",
    )
    found = list(run_watches(catalog, clock=lambda: NOW, write=lambda text: None))
    with sqlite3.connect(catalog) as connection:
        gemmas = "select repo_id from models where 'gemma' in (family, base_family)"
        expected = {repo_id for (repo_id,) in connection.execute(gemmas)}
    assert len(expected) > 2 and {each.repo_id for each in found if each.watch == "gemma"} == expected
    assert [each.repo_id for each in found if each.watch != "gemma"] == [QAT]


def test_a_row_takes_little_room_whatever_it_holds(catalog: str) -> None:
    large = WatchDefinition(query="select printf('%.*c', 1000000, 'x') as repo_id, printf('%.*c', 1000000, 'y') as y")
    (event,) = watches.find_events(catalog, large, NOW)
    assert event.repo_id == "x" * 200
    assert len(event.text) <= 300


@pytest.mark.parametrize("definition", [WatchDefinition(), WatchDefinition(query=MODELS)])
def test_a_condition_that_finds_too_much_is_refused(
    catalog: str, monkeypatch: pytest.MonkeyPatch, definition: WatchDefinition
) -> None:
    with sqlite3.connect(catalog) as connection:
        repos = len(connection.execute(MODELS).fetchall())
    monkeypatch.setattr(watches, "MAX_ROWS", repos)
    add(catalog, "allowed", definition)
    monkeypatch.setattr(watches, "MAX_ROWS", repos - 1)
    with pytest.raises(TooManyMatches, match=f"more than {repos - 1}"):
        add(catalog, "too-many", definition)
    warned: list[str] = []
    assert run(catalog, warn=warned.append) == []
    assert warned == [f"allowed: it finds more than {repos - 1}"], "not silence, and nothing that looks new"


def test_a_new_row_of_sql_or_of_a_saved_query_fires(catalog: str) -> None:
    add(
        catalog,
        "sql",
        WatchDefinition(query="select repo_id, sha from models where repo_id = :id", parameters={"id": QAT}),
    )
    add(catalog, "saved", WatchDefinition(query="gated"))
    execute(catalog, "update repos set sha = 'abc' where repo_id = ?", QAT)
    found = list(run_watches(catalog, ["sql"], clock=lambda: NOW, write=lambda text: None))
    assert [(each.repo_id, each.text) for each in found] == [(QAT, f"repo_id {QAT}, sha abc")]
    assert run(catalog) == []


def test_a_watch_that_fails_does_not_stop_the_others(catalog: str) -> None:
    add(catalog, "a", WatchDefinition(query="select repo_id from models"))
    with WatchStore(watch_file(catalog)) as store:
        broken = WatchDefinition(query="select nothing at all").to_data()
        store.add(Watch("0-broken", broken, ("print",), None, NOW), ())
    execute(catalog, "update repos set repo_id = 'new/name' where repo_id = ?", QAT)
    warned: list[str] = []
    assert run(catalog, warn=warned.append) == [("new/name", True)]
    assert len(warned) == 1 and warned[0].startswith("0-broken: ")


def test_a_digest_holds_all_that_came_since_the_last_one(catalog: str) -> None:
    add(catalog, definition=SHA, every=timedelta(days=1))
    for hours, sha, delivered in ((0, "a", ["a"]), (1, "b", []), (23, "c", []), (24, "d", ["b", "c", "d"])):
        execute(catalog, "update repos set sha = ? where repo_id = ?", sha, QAT)
        assert [repo for repo, _ in run(catalog, NOW + timedelta(hours=hours))] == delivered


# ---- delivery -------------------------------------------------------------------------------------------------------


@contextmanager
def receiver(answers: Iterator[int]) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A webhook's receiver that answers with these statuses; the requests that it got."""
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(({key.lower(): value for key, value in self.headers.items()}, body))
            status = next(answers, 204)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/stolen")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_is_signed_and_tried_again_with_the_same_id(catalog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_CATALOG_WEBHOOK_SECRET", SECRET)
    with receiver(iter([500, 302, 204])) as (url, got):
        add(catalog, definition=SHA, targets=(check_target(url),))
        execute(catalog, "update repos set sha = 'abc' where repo_id = ?", QAT)
        warned: list[str] = []
        outcomes = [
            run(catalog, NOW + timedelta(minutes=minutes), warn=warned.append) for minutes in (0, 0.5, 1, 2, 3, 99)
        ]
    assert outcomes == [[("abc", False)], [], [("abc", False)], [], [("abc", True)], []]
    assert [text.rpartition(": ")[2] for text in warned] == ["status 500", "status 302"]
    assert len(got) == 3 and len({headers["webhook-id"] for headers, _ in got}) == 1
    headers, body = got[-1]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    content = json.loads(body)
    assert content["type"] == "watch.events" and content["data"]["events"][0]["repo_id"] == "abc"


def test_the_signature_is_that_of_the_standard() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the example of the Standard Webhooks
    body = b'{"test": 2432232314}'
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )
    for wrong in ("", "whsec_short", "whsec_%%%"):
        with pytest.raises(ValueError, match="secret"):
            sign(wrong, "msg", 1, body)


def test_the_feed_has_each_event_once(catalog: str, tmp_path: Path) -> None:
    feed = tmp_path / "feed.xml"
    add(catalog, definition=SHA, targets=(f"atom:{feed}",))
    for sha in ("a", "b", "c"):
        execute(catalog, "update repos set sha = ? where repo_id = ?", sha, QAT)
        run(catalog)
    titles = [each.text for each in ET.parse(feed).getroot().iter("{http://www.w3.org/2005/Atom}title")]
    assert titles == ["hf-catalog: gemma", "repo_id c", "repo_id b", "repo_id a"]


def kill_at_statement(number: int) -> None:
    """Kills this process when it begins its statement of this number on the file of watches."""
    connect: Any = sqlite3.connect
    begun = iter(range(1, 9999))

    def count(sql: str) -> None:
        if next(begun) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def connect_and_count(database: Any, **options: Any) -> Any:
        connection = connect(database, **options)
        if str(database).endswith(".watches"):
            connection.set_trace_callback(count)
        return connection

    sqlite3.connect = connect_and_count  # type: ignore[assignment]  # in a process that is about to end


def test_fifty_kills_lose_and_repeat_nothing(catalog: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_CATALOG_WEBHOOK_SECRET", SECRET)
    feed = tmp_path / "feed.xml"
    with receiver(iter(())) as (url, got):
        add(catalog, definition=SHA, targets=(url, f"atom:{feed}"))
        for number in range(1, 51):
            execute(catalog, "update repos set sha = ? where repo_id = ?", f"{number:02}", QAT)
            child = os.fork()
            if child == 0:
                kill_at_statement(number)
                list(run_watches(catalog, clock=lambda: NOW + number * CLAIM, write=lambda text: None))  # noqa: B023
                os.kill(os.getpid(), signal.SIGKILL)
            os.waitpid(child, 0)
        run(catalog, NOW + timedelta(days=9))
    messages = {headers["webhook-id"]: json.loads(body)["data"]["events"] for headers, body in got}
    received = sorted(event["repo_id"] for events in messages.values() for event in events)
    with WatchStore(watch_file(catalog)) as store:
        found = sorted(event.repo_id or "" for event in store.recent_events("gemma", 99))
        assert store.counts("gemma")["undelivered"] == 0
    assert received == found and len(set(found)) == len(found)
    assert found[-1] == "50" and len(found) > 20  # runs that were killed before they looked found nothing
    entries = list(ET.parse(feed).getroot().iter("{http://www.w3.org/2005/Atom}entry"))
    assert len(entries) == len(found)


def test_a_killed_message_is_sent_again_after_its_claim(tmp_path: Path) -> None:
    with WatchStore(tmp_path / "watches") as store:
        watch = Watch("w", {}, ("print",), None, NOW)
        store.add(watch, ())
        assert store.record(watch, [WatchEvent("k", None, "text", NOW)], NOW) == 1
        first = store.claim_next(NOW)
        assert first is not None and store.claim_next(NOW) is None
        assert store.claim_next(NOW + CLAIM) == first
        store.mark_failed(first, "no", NOW + CLAIM)
        assert store.claim_next(NOW + CLAIM + timedelta(seconds=59)) is None
        assert store.claim_next(NOW + CLAIM + timedelta(seconds=60)) is not None


# ---- targets and secrets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["https://user:pw@example.org/x", "https://example.org/x?token=geheim", "slack://geheim/a/b", "mailto://a:geheim@b.c",
     "", "env:", "nowhere"],
)  # fmt: skip
def test_addresses_with_secrets_are_not_stored(target: str) -> None:
    with pytest.raises(TargetInvalid) as caught:
        check_target(target)
    assert "geheim" not in str(caught.value) and "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("https://127.0.0.1:geheim/p", "127.0.0.1: the address is malformed"),
        ("http://127.0.0.1:1/p?key=geheim x", "127.0.0.1: the address is malformed"),
        ("http://user:geheim@127.0.0.1:1/p", "127.0.0.1: Connection refused"),
        ("slack+file:///geheim", "None: the address is malformed"),
        ("slack+https://a:geheim@127.0.0.1:1/p?key=geheim y", "127.0.0.1: the address is malformed"),
        ("http://[geheim/p", "target env:TEAM: its address is malformed"),
    ],
)
def test_errors_of_deliveries_show_no_part_of_the_address_but_its_host(
    url: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM", url)
    monkeypatch.setenv("TEAM_SECRET", SECRET)
    with pytest.raises((DeliveryFailed, TargetInvalid)) as caught:
        deliver(Message(1, "env:TEAM", "w", 0, ()), (), print)
    assert str(caught.value) == error


def test_an_answer_that_is_no_http_is_not_repeated() -> None:
    assert describe_post_error(BadStatusLine("\x1b]0;title")) == "the answer is no HTTP"
    assert describe_post_error(URLError(TimeoutError())) == "timed out"


def test_secrets_come_from_the_environment_or_a_file_of_mode_0600(tmp_path: Path) -> None:
    environment = {"TEAM": "https://example.org/geheim", "TEAM_SECRET": SECRET}
    assert find_address("env:TEAM", environment) == Address("webhook", environment["TEAM"], SECRET)
    with pytest.raises(TargetInvalid, match="MISSING is not set"):
        find_address("env:MISSING", environment)
    file = tmp_path / "address"
    file.write_text("ntfy://example.org/topic\n")
    file.chmod(0o644)
    with pytest.raises(TargetInvalid, match="chmod 600"):
        find_address(f"file:{file}", {})
    file.chmod(0o600)
    assert find_address(f"file:{file}", {}) == Address("apprise", "ntfy://example.org/topic")
    file.write_text(f"https://example.org/a\n{SECRET}\n")
    assert find_address(f"file:{file}", {}).secret == SECRET


def test_apprise_gets_title_and_body(catalog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(iter([200])) as (url, got):
        monkeypatch.setenv("PHONE", url.replace("http://", "json://"))
        add(catalog, definition=SHA, targets=("env:PHONE",))
        execute(catalog, "update repos set sha = 'abc' where repo_id = ?", QAT)
        assert run(catalog) == [("abc", True)]
    content = json.loads(got[0][1])
    assert content["title"] == "gemma: 1 event" and "repo_id abc" in content["message"]


class Endless(socketserver.StreamRequestHandler):
    """A receiver that goes on answering: with `begin`, then `again` for ever."""

    begin, again = b"", b"HTTP/1.1 100 Continue\r\n\r\n"

    def handle(self) -> None:
        with suppress(OSError):
            self.wfile.write(self.begin)
            while True:
                self.wfile.write(self.again)


class EndlessBody(Endless):
    begin, again = b"HTTP/1.1 200 OK\r\n\r\n", bytes(2**20)


@contextmanager
def endless(handler: type[Endless]) -> Iterator[str]:
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.parametrize("scheme", ["http", "slack+http"])
def test_a_receiver_that_never_ends_its_answer_is_left(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.service.hooks.HOOK_TIMEOUT_SECONDS", 0.5)
    message = Message(1, "env:X", "w", 0, (WatchEvent("k", None, "text", NOW),))
    with endless(Endless) as place:
        monkeypatch.setenv("X", f"{scheme}://{place}")
        monkeypatch.setenv("X_SECRET", SECRET)
        with pytest.raises(DeliveryFailed, match=r"127.0.0.1: timed out"):
            deliver(message, [], print)


def test_a_receiver_that_sends_bytes_slowly_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = threading.Event()

    class Slow(Endless):
        def handle(self) -> None:
            with suppress(OSError):
                self.wfile.write(b"\x16\x03\x03\x3f\xff")  # the head of a long message of TLS, no line of HTTP
                while not slow.wait(0.1):
                    self.wfile.write(b"H")

    monkeypatch.setattr("crawler.service.hooks.HOOK_TIMEOUT_SECONDS", 0.5)
    with endless(Slow) as place:
        for scheme in ("http", "https"):  # TLS begins with what a server says too
            with pytest.raises(TimeoutError):
                post(f"{scheme}://{place}", "{}")
    slow.set()


def test_an_endless_answer_to_apprise_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    message = Message(1, "env:X", "w", 0, (WatchEvent("k", None, "text", NOW),))
    with endless(EndlessBody) as place:
        monkeypatch.setenv("X", f"json://{place}")
        with pytest.raises(DeliveryFailed, match="json: it was not accepted"):
            deliver(message, [], print)
    monkeypatch.setenv("X", "nonsense://x")
    with pytest.raises(TargetInvalid, match="apprise knows no address"):
        deliver(message, [], print)


def test_mail_shows_what_the_hub_says_as_text(catalog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mails: list[str] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                is_text = line.upper().startswith(b"DATA")
                self.wfile.write(b"354 go on\r\n" if is_text else b"250 yes\r\n")
                if is_text:
                    mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    self.wfile.write(b"250 kept\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        to = "from=me@example.org&to=you@example.org&mode=insecure"
        monkeypatch.setenv("MAIL", f"mailto://127.0.0.1:{server.server_address[1]}/?{to}")
        add(catalog, definition=SHA, targets=("env:MAIL",))
        execute(catalog, "update repos set sha = '<img src=https://example.org/x>' where repo_id = ?", QAT)
        assert run(catalog) == [("<img src=https://example.org/x>", True)]
        server.shutdown()
    (mail,) = mails
    assert "Subject: gemma: 1 event" in mail and "repo_id <img" in mail and "text/html" not in mail


def test_a_long_message_counts_what_it_does_not_list() -> None:
    events = tuple(WatchEvent(str(number), None, f"event {number}", NOW) for number in range(60))
    lines = message_text(Message(1, "print", "w", 0, events)).splitlines()
    assert lines[0] == "w: 60 events" and lines[-1] == "  and 10 more" and len(lines) == 52
    assert message_id(Message(1, "print", "w", 0, events)) != message_id(Message(2, "print", "w", 0, events))


def test_an_unknown_watch_names_the_known_ones(catalog: str) -> None:
    add(catalog)
    with pytest.raises(UnknownWatch, match="no watch is named 'other'"):
        list(run_watches(catalog, ["other"]))


def test_the_service_runs_them_after_a_crawl(catalog: str, tmp_path: Path) -> None:
    feed = tmp_path / "feed.xml"
    add(catalog, definition=SHA, targets=(f"atom:{feed}",))
    execute(catalog, "update repos set sha = 'abc' where repo_id = ?", QAT)
    config = tmp_path / "catalog.toml"
    config.write_text(f'db = "{catalog}"\n[jobs.incremental]\nevery = "1h"\nrun = ["crawl", "--limit", "1"]\n')
    environment = {**user_environment(), "HF_HUB_OFFLINE": "1"}  # the crawl fails; watches run nevertheless
    subprocess.run(
        [Path(sys.executable).with_name("hf-catalog"), "schedule", "--once", "--config", config],
        env=environment, capture_output=True, timeout=300,
    )  # fmt: skip
    assert "repo_id abc" in feed.read_text()

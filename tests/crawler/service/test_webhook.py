"""The Hub's webhooks over HTTP: what is accepted and stored, what is refused, and a repo that is fresh in seconds."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import PortUnavailable, SecretMissing
from crawler.service import webhook
from crawler.service.config import WebhookConfig, read_config
from crawler.service.logging import log
from crawler.service.scheduler import Service
from crawler.service.webhook import RateLimit, WebhookServer, changed_repos, read_secret
from db.reported import ReportedRepos
from samplehub import SampleHub
from tests.crawler.hubs import plain_repos, run_crawl, small_catalog
from tests.crawler.test_crawl import rows

SECRET = "correct horse battery"
NAME = "acme/Gemma-1-1B-it-0"
CONFIG = WebhookConfig("127.0.0.1", 0, None, False)


def event(name: Any = NAME, *, action: str = "update", scope: Any = "repo.content", **more: Any) -> dict[str, Any]:
    """A payload as the Hub's documentation shows it."""
    repo = {"type": more.pop("type", "model"), "name": name, "id": "6366c000a2abcdf2fd69a080", "private": False}
    return {"event": {"action": action, "scope": scope}, "repo": repo, "webhook": {"id": "1", "version": 3}, **more}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebhookServer]:
    with WebhookServer(CONFIG, SECRET.encode(), tmp_path / "catalog.db.reports", lambda: None) as opened:
        yield opened


def post(
    port: int, body: Any, headers: Mapping[str, str] | None = None, *, path: str = "/webhook", method: str = "POST"
) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        sent = {"Content-Length": str(len(data)), "X-Webhook-Secret": SECRET} if headers is None else headers
        connection.request(method, path, data, headers=dict(sent))
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")
    finally:
        connection.close()


def reported(server: WebhookServer) -> list[tuple[str, str]]:
    """Types and ids that wait to be visited."""
    if not server.file.exists():
        return []
    with sqlite3.connect(server.file) as connection:
        return connection.execute("select type, repo_id from reported order by 1, 2").fetchall()


# ---- what is accepted -----------------------------------------------------------------------------------------------


def test_an_event_is_on_the_disk_before_it_is_answered(server: WebhookServer) -> None:
    assert post(server.server_port, event()) == (202, {"accepted": 1})
    assert reported(server) == [("model", NAME)]
    with ReportedRepos(server.file) as reports:
        due = reports.next_due()
    assert due is not None
    assert timedelta(0) < due - datetime.now(UTC) <= webhook.QUIET, "several events of a push are one visit"


def test_events_of_a_repo_are_one_visit_and_a_renamed_one_is_visited_under_both_ids(server: WebhookServer) -> None:
    for action in ("create", "update", "update", "delete"):
        post(server.server_port, event(action=action, scope="repo"))
    post(server.server_port, event("acme/old", action="move", scope="repo", movedTo={"name": "acme/new"}))
    post(server.server_port, event("acme/data", type="dataset", scope="repo.config"))
    post(server.server_port, event("acme/app", type="space"))
    expected = [("dataset", "acme/data"), ("model", NAME), ("model", "acme/new"), ("model", "acme/old")]
    assert reported(server) == [*expected, ("space", "acme/app")]


def test_discussions_and_other_types_are_accepted_and_ignored(server: WebhookServer) -> None:
    for ignored in (event(scope="discussion.comment"), event(scope="repository"), event(type="bucket")):
        assert post(server.server_port, ignored) == (202, {"accepted": 0})
    assert reported(server) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        {},
        {"event": 3, "repo": 4},
        event(scope=None),
        event(None),
        event(["acme/one"]),
        event("../../etc/passwd"),
        event("../.."),
        event("acme/.."),
        event("./one"),
        event("."),
        event("acme/one?x=1"),
        event("acme/one\n--full"),
        event("a" * 97),
        event("-" * 97 + "/b"),
        event(type=["model"]),
    ],
    ids=str,
)
def test_what_is_no_event_is_refused_and_stores_nothing(server: WebhookServer, body: Any) -> None:
    assert post(server.server_port, body)[0] == 400
    assert reported(server) == []


def test_a_hostile_new_name_is_left_out() -> None:
    body = json.dumps(event(movedTo={"name": "x/../y", "owner": {}}, updatedRefs=[{"ref": "$(id)"}])).encode()
    assert list(changed_repos(body)) == [("model", NAME)]


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "x", "é" * 20])
def test_without_the_secret_nothing_is_stored(server: WebhookServer, secret: str | None) -> None:
    headers = {} if secret is None else {"X-Webhook-Secret": secret.encode().decode("latin-1")}
    assert post(server.server_port, event(), headers)[0] == 401
    assert reported(server) == []


def test_two_secrets_are_none(server: WebhookServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.putrequest("POST", "/webhook")
    body = json.dumps(event()).encode()
    for name, value in (("Content-Length", str(len(body))), *[("X-Webhook-Secret", SECRET)] * 2):
        connection.putheader(name, value)
    connection.endheaders(body)
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize(
    ("headers", "path", "method", "status"),
    [
        ({"Transfer-Encoding": "chunked"}, "/webhook", "POST", 411),
        ({"Content-Length": "-1"}, "/webhook", "POST", 411),
        ({"Content-Length": "9" * 400}, "/webhook", "POST", 413),
        (None, "/other", "POST", 404),
        (None, "/webhook", "PUT", 501),
    ],
)
def test_other_requests_are_refused(
    server: WebhookServer, headers: dict[str, str] | None, path: str, method: str, status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    body = json.dumps(event()).encode()
    connection.putrequest(method, path)
    for name, value in (headers or {"Content-Length": str(len(body)), "X-Webhook-Secret": SECRET}).items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.sock.sendall(body)
    with suppress(OSError):  # it may have its answer
        connection.sock.shutdown(socket.SHUT_WR)
    assert connection.getresponse().status == status
    connection.close()
    assert reported(server) == []


def test_a_body_that_is_too_large_is_refused(server: WebhookServer) -> None:
    large = event() | {"comment": {"content": "x" * webhook.MAX_BODY_BYTES}}
    assert post(server.server_port, large)[0] == 413
    assert post(server.server_port, event() | {"comment": {"content": "x" * 50_000}})[0] == 202


def test_rates_are_limited_and_senders_without_the_secret_take_nothing_from_the_hub(server: WebhookServer) -> None:
    now = [0.0]
    server.events, server.refusals = RateLimit(2, lambda: now[0]), RateLimit(1, lambda: now[0])
    wrong = {"X-Webhook-Secret": "wrong"}
    assert [post(server.server_port, event(), wrong)[0] for _ in range(3)] == [401, 429, 429]
    assert [post(server.server_port, event())[0] for _ in range(3)] == [202, 202, 429]
    now[0] = 30.0
    assert [post(server.server_port, event())[0] for _ in range(2)] == [202, 429], "two a minute"


def test_an_event_that_can_not_be_stored_is_not_accepted(
    server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.reported.MAX_REPORTS", 1)
    assert [post(server.server_port, event(name))[0] for name in ("acme/a", "acme/b")] == [202, 503]
    server.file.unlink()
    server.file.mkdir()
    assert post(server.server_port, event())[0] == 503


def test_the_secret_is_never_logged(
    server: WebhookServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "propagate", True)
    with caplog.at_level(logging.INFO, logger=log.name):
        post(server.server_port, event())
        post(server.server_port, event(), {"X-Webhook-Secret": SECRET + "?"})
    assert list(dict.fromkeys(record.getMessage() for record in caplog.records)) == ["webhook", "webhook refused"]
    assert SECRET not in repr([vars(record) for record in caplog.records])


def test_a_port_that_is_taken_is_an_error(server: WebhookServer, tmp_path: Path) -> None:
    taken = WebhookConfig("127.0.0.1", server.server_port, None, False)
    with pytest.raises(PortUnavailable, match=rf"\[webhook\] can't listen on port {server.server_port}"):
        WebhookServer(taken, b"", tmp_path, lambda: None)


# ---- the secret -----------------------------------------------------------------------------------------------------


def test_the_secret_is_in_the_environment_or_in_a_file_of_its_owner(tmp_path: Path) -> None:
    assert read_secret(CONFIG, {"HF_CATALOG_HUB_SECRET": f" {SECRET} "}) == SECRET.encode()
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\nnote\n")
    file.chmod(0o600)
    config = WebhookConfig("127.0.0.1", 0, file, False)
    assert read_secret(config, {"HF_CATALOG_HUB_SECRET": "another secret, not used"}) == SECRET.encode()
    for mode, text, why in (
        (0o640, SECRET, "others may read it"),
        (0o600, "short", "at least 16 characters"),
        (0o600, "x" * 5000, "no small file"),
    ):
        file.write_text(text)
        file.chmod(mode)
        with pytest.raises(SecretMissing, match=why) as caught:
            read_secret(config, {})
        assert text not in str(caught.value)
    with pytest.raises(SecretMissing, match="HF_CATALOG_HUB_SECRET"):
        read_secret(CONFIG, {})


# ---- from the event to the catalog ----------------------------------------------------------------------------------


def wait_until(condition: Any) -> None:
    while not condition():  # pytest's own limit ends a test that waits for ever
        time.sleep(0.1)


def test_a_repo_that_changed_is_in_the_catalog_though_the_service_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first report was stored by a service that was killed before the visit; the second comes by HTTP."""
    monkeypatch.setenv("HF_CATALOG_HUB_SECRET", SECRET)
    db = tmp_path / "catalog.db"
    text = '[jobs.yearly]\ncron = "0 0 1 1 *"\nrun = ["label", "x"]\n[webhook]\nport = 0\n'
    (tmp_path / "catalog.toml").write_text(text, encoding="utf-8")
    with SampleHub(catalog=small_catalog(5)) as sample:
        monkeypatch.setenv("HF_ENDPOINT", sample.endpoint)
        run_crawl(db, sample, depth="listing")
        plain_repos(sample.catalog, 2, start=5)
        first, second = (name for name in sample.catalog.repos if name.endswith(("-5", "-6")))
        with ReportedRepos(tmp_path / "catalog.db.reports") as reports:
            reports.add("model", first, datetime.now(UTC), datetime.now(UTC) + webhook.QUIET)
        service = Service(read_config(tmp_path / "catalog.toml"))
        ports: list[int] = []
        opened = service._open_webhook
        monkeypatch.setattr(service, "_open_webhook", lambda: note_port(opened(), ports))
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            wait_until(lambda: ports)
            assert post(ports[0], event(second, action="create", scope="repo"))[0] == 202
            known = f"select count(*) from repos where repo_id in ('{first}', '{second}')"
            wait_until(lambda: rows(db, known) == [(2,)])
        finally:
            service.stop()
            thread.join()
    state = json.loads((tmp_path / "catalog.state.json").read_text())
    assert state["jobs"]["webhook"]["last_outcome"] in ("done", "stopped")


def note_port(server: Any, ports: list[int]) -> Any:
    ports.append(server.server_port)
    return server

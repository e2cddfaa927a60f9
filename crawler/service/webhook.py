"""The listener for the Hub's webhooks: it stores which repo changed, for a visit, and answers at once.

https://huggingface.co/docs/hub/webhooks: the Hub posts JSON with the secret in clear in `X-Webhook-Secret`. Who
knows the secret can cause visits and nothing else: of the body only the repo's type and name are taken, checked as
those of a listing are, and what the repo is now comes from the Hub itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from analysis.untrusted import check_mapping, parse_json_text
from crawler.child_process import WEBHOOK_SECRET
from crawler.errors import SecretMissing
from crawler.service.config import WebhookConfig
from crawler.service.http_server import Answer, ShortHandler, ShortServer, json_answer
from crawler.service.logging import log
from crawler.sources.huggingface.parse import REPO_ID
from db.record_base import RepoType
from db.reported import ReportedRepos

PATH = "/webhook"

MAX_BODY_BYTES = 64 * 1024
"""A payload has about 2 kB, with a comment up to 20 kB."""

MAX_BODY_MEMORY_BYTES = 4_000_000
MAX_DRAINED_BYTES = 1024 * 1024
"""How much of a body is read after it was refused."""

EVENTS_PER_MINUTE = 600
"""Events that are accepted; an account's webhooks send a thousand a day."""

REFUSALS_PER_MINUTE = 30
"""Requests without the secret that are told so; further ones are only told to wait, and not logged."""

RETRY_SECONDS = 60

QUIET = timedelta(seconds=2)
"""From the first report of a repo until its visit: a push sends several events."""

MIN_SECRET_CHARS = 16
MAX_SECRET_BYTES = 4096

TYPES: Mapping[str, RepoType] = {"model": "model", "dataset": "dataset", "space": "space"}


def read_secret(config: WebhookConfig, environment: Mapping[str, str] = os.environ) -> bytes:
    """The webhook's secret: the first line of its file, or the environment variable. Raises SecretMissing."""
    file = config.secret_file
    try:
        text = environment.get(WEBHOOK_SECRET, "") if file is None else read_owner_only(file)
    except (OSError, ValueError) as error:
        raise SecretMissing(str(file), str(getattr(error, "strerror", None) or error)) from None
    if len(text.strip()) < MIN_SECRET_CHARS:
        source = f"the environment variable {WEBHOOK_SECRET}" if file is None else str(file)
        raise SecretMissing(source, f"it must hold a secret of at least {MIN_SECRET_CHARS} characters")
    return text.strip().encode()


def read_owner_only(path: Path) -> str:
    """The first line of a small file that no other user may read. Raises OSError and ValueError."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SECRET_BYTES:
        raise ValueError("it is no small file")
    if os.name == "posix" and status.st_mode & 0o077:
        raise ValueError(f"others may read it: chmod 600 {path}")
    return path.read_text(encoding="utf-8").partition("\n")[0]


class RateLimit:
    """At most `per_minute` in a minute, that many at once; used by several threads."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._left, self._at = float(per_minute), clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        with self._lock:
            now = self._clock()
            self._left = min(self._left + (now - self._at) * self._per_minute / 60, float(self._per_minute))
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


def changed_repos(body: bytes) -> Iterator[tuple[RepoType, str]]:
    """Type and id of each repo that an event is about: of a renamed one under both ids; none for a discussion.

    Raises ValueError for what is no event.
    """
    payload = check_mapping(parse_json_text(body, MAX_BODY_MEMORY_BYTES))
    event, repo = check_mapping(payload.get("event")), check_mapping(payload.get("repo"))
    scope, name, type_ = event.get("scope"), check_repo_id(repo.get("name")), repo.get("type")
    if not isinstance(scope, str) or not isinstance(type_, str) or name is None:
        raise ValueError("it is no event of a repo")
    if scope.partition(".")[0] != "repo" or type_ not in TYPES:
        return
    yield TYPES[type_], name
    moved_to = check_repo_id(check_mapping(payload.get("movedTo")).get("name"))
    if moved_to is not None and moved_to != name:
        yield TYPES[type_], moved_to


def check_repo_id(value: Any) -> str | None:
    return value if isinstance(value, str) and REPO_ID.fullmatch(value) else None


class WebhookServer(ShortServer):
    """Stores reports for as long as the `with` block lasts. Raises PortUnavailable.

    Args:
        secret: what the header must hold.
        file: of the reports.
        on_report: called after a report was stored.
    """

    def __init__(self, config: WebhookConfig, secret: bytes, file: Path, on_report: Callable[[], object]) -> None:
        self._digest = hashlib.sha256(secret).digest()
        self.file, self.on_report = file, on_report
        self.events, self.refusals = RateLimit(EVENTS_PER_MINUTE), RateLimit(REFUSALS_PER_MINUTE)
        super().__init__("webhook", config.address, config.port, WebhookHandler)

    def knows(self, secret: bytes) -> bool:
        """Whether it is the secret, in a time that depends on neither."""
        return hmac.compare_digest(hashlib.sha256(secret).digest(), self._digest)


class WebhookHandler(ShortHandler):
    """One event: POST of a small JSON body with the secret."""

    server: WebhookServer

    def do_POST(self) -> None:  # noqa: N802  # the name that http.server calls
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._refuse_body(HTTPStatus.LENGTH_REQUIRED, "the body must have a Content-Length")
        elif len(length) > 9 or int(length) > MAX_BODY_BYTES:
            self._refuse_body(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {MAX_BODY_BYTES:,} bytes")
        else:
            self.send_answer(self._receive(self.rfile.read(int(length))))

    def _refuse_body(self, status: int, why: str) -> None:
        """Answers without the body, of which some is read then: a connection that is closed before may lose the
        answer."""
        self.send_answer(refusal(status, why))
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.rfile.read(MAX_DRAINED_BYTES)

    def _receive(self, body: bytes) -> Answer:
        if self.path.partition("?")[0] != PATH:
            return refusal(HTTPStatus.NOT_FOUND, f"not found; the path is {PATH}")
        given = self.headers.get_all("X-Webhook-Secret", [])
        if len(given) != 1 or not self.server.knows(given[0].encode("latin-1", "replace")):
            return self._refuse_sender()
        if not self.server.events.take():
            return wait_answer(HTTPStatus.TOO_MANY_REQUESTS, "too many events")
        return self._store(body)

    def _refuse_sender(self) -> Answer:
        if not self.server.refusals.take():
            return wait_answer(HTTPStatus.TOO_MANY_REQUESTS, "too many requests without the secret")
        log.warning("webhook refused", extra={"facts": {"from": self.client_address[0], "why": "not the secret"}})
        return refusal(HTTPStatus.UNAUTHORIZED, "X-Webhook-Secret is missing or not the secret of this webhook")

    def _store(self, body: bytes) -> Answer:
        """Answers after all repos of the event are on the disk."""
        try:
            changed = list(changed_repos(body))
        except ValueError:
            return refusal(HTTPStatus.BAD_REQUEST, "the body is no event of the Hub's webhooks")
        now = datetime.now(UTC)
        try:
            with ReportedRepos(self.server.file) as reports:
                refused = [name for type_, name in changed if not reports.add(type_, name, now, now + QUIET)]
        except sqlite3.DatabaseError as error:
            log.error("webhook not stored", extra={"facts": {"error": str(error)}})
            return wait_answer(HTTPStatus.SERVICE_UNAVAILABLE, "the event could not be stored")
        if refused:
            return wait_answer(HTTPStatus.SERVICE_UNAVAILABLE, "too many repos wait to be visited")
        if changed:
            log.info("webhook", extra={"facts": {"repos": [name for _, name in changed]}})
            self.server.on_report()
        return json_answer(HTTPStatus.ACCEPTED, {"accepted": len(changed)})


def refusal(status: int, why: str) -> Answer:
    return json_answer(status, {"error": why})


def wait_answer(status: int, why: str) -> Answer:
    """A refusal that may be sent again after RETRY_SECONDS."""
    return json_answer(status, {"error": why}, {"Retry-After": str(RETRY_SECONDS)})

"""Messages of watches to where they are wanted: a feed, a webhook, whatever apprise knows, or the terminal.

Own webhooks are signed by the Standard Webhooks (https://www.standardwebhooks.com): `webhook-id` is the same at each
attempt, so that a receiver knows a message again that it got before its sender was killed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import stat
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from analysis.publish.atom import make_watch_feed
from crawler.errors import DeliveryFailed, TargetInvalid
from crawler.service import apprise_process
from crawler.service.chat import chat_message, chat_url, is_chat
from crawler.service.hooks import NO_HEADERS, describe_post_error, post
from db.new_file import new_file
from db.watches import Message, WatchEvent

SECRET_VARIABLE = "HF_CATALOG_WEBHOOK_SECRET"
MAX_LISTED = 50
"""Events that a message lists; the others are counted."""

MIN_SECRET_BYTES = 24
MAX_SECRET_FILE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes, with its secrets; never stored, never printed.

    `kind`: print, feed, atom, webhook, chat, apprise.
    """

    kind: str
    url: str = ""
    secret: str = ""


def check_target(text: str) -> str:
    """A target as it is stored. Raises TargetInvalid for an address that would store a secret."""
    check_url(text, text.partition(":")[0])
    kind, _, rest = text.partition(":")
    if text in ("print", "feed") or (kind in ("atom", "env", "file") and rest):
        return f"{kind}:{Path(rest).absolute()}" if kind in ("atom", "file") else text
    parts = urlsplit(text)
    if is_chat(text):
        raise TargetInvalid(
            f"{kind}://{parts.hostname}", "anyone who knows it can write to the chat: use env: or file:"
        )
    if kind in ("http", "https") and parts.hostname:
        if parts.query or parts.username or parts.password:
            raise TargetInvalid(f"{kind}://{parts.hostname}", "it has a password or parameters, which may be secret")
        return text
    raise TargetInvalid(kind or text, "it is no address that may be stored")


def find_address(target: str, environment: Mapping[str, str] = os.environ) -> Address:
    """The address of a stored target, with its secrets from the environment or a file. Raises TargetInvalid."""
    kind, _, rest = target.partition(":")
    if target in ("print", "feed") or kind == "atom":
        return Address(kind, rest)
    if kind == "env":
        url, secret = environment.get(rest, ""), environment.get(f"{rest}_SECRET", "")
        if not url:
            raise TargetInvalid(target, f"the environment variable {rest} is not set")
    elif kind == "file":
        url, secret = read_secret_file(Path(rest), target)
    else:
        url, secret = target, ""
    check_url(url, target)
    if is_chat(url):
        return Address("chat", chat_url(url))
    if urlsplit(url).scheme in ("http", "https"):
        return Address("webhook", url, secret or environment.get(SECRET_VARIABLE, ""))
    return Address("apprise", url)


def check_url(url: str, target: str) -> None:
    """Raises TargetInvalid, which names `target` alone, for what can't be taken apart: `http://[x`."""
    try:
        urlsplit(url)
    except ValueError:
        raise TargetInvalid(target, "its address is malformed") from None


def read_secret_file(path: Path, target: str) -> tuple[str, str]:
    """The URL in a file's first line and the secret in its second, if any. Raises TargetInvalid."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SECRET_FILE_BYTES:
            raise TargetInvalid(target, "it is no small file")
        if os.name == "posix" and status.st_mode & 0o077:
            raise TargetInvalid(target, f"others may read it: chmod 600 {path}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TargetInvalid(target, str(getattr(error, "strerror", None) or "it is not UTF-8")) from None
    if not lines or not lines[0].strip():
        raise TargetInvalid(target, "its first line is empty, not an address")
    return lines[0].strip(), lines[1].strip() if len(lines) > 1 else ""


def deliver(
    message: Message, recent: Sequence[WatchEvent], write: Callable[[str], object], now: datetime | None = None
) -> None:
    """Sends a message. `recent` are the last events of the watch, for its feed; `write` prints.

    Raises DeliveryFailed and TargetInvalid, without any secret in their text; MissingExtra without apprise.
    """
    address = find_address(message.target)
    if address.kind == "feed":
        return  # served from the outbox (crawler.web.pages.watches)
    if address.kind == "print":
        write(message_text(message))
    elif address.kind == "atom":
        write_atom(Path(address.url), message.watch, recent)
    elif address.kind == "chat":
        post_chat(address, message)
    elif address.kind == "webhook":
        post_signed(address, message, now or datetime.now(UTC))
    else:
        send_by_apprise(address, message)


def message_text(message: Message) -> str:
    """A line that says how many, then a line for each."""
    count = len(message.events)
    lines = [f"{message.watch}: {count:,} {'event' if count == 1 else 'events'}"]
    lines += [f"  {event.text}" for event in message.events[:MAX_LISTED]]
    if count > MAX_LISTED:
        lines.append(f"  and {count - MAX_LISTED:,} more")
    return "\n".join(lines)


def write_atom(path: Path, watch: str, recent: Sequence[WatchEvent]) -> None:
    """Rewrites the feed of a watch: an event has one place in it, however often it is written."""
    try:
        with new_file(path) as draft:
            draft.write_text(make_watch_feed(watch, recent), encoding="utf-8")
    except OSError as error:
        raise DeliveryFailed(f"{path}: {error.strerror or error}") from None


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. Raises ValueError for a secret that is none."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("the secret is not base64") from None
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"the secret has fewer than {MIN_SECRET_BYTES} bytes")
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def message_id(message: Message) -> str:
    """What identifies a message at its receiver: the same for each attempt."""
    parts = [message.watch, str(message.number), *(event.key for event in message.events)]
    return f"msg_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"


def message_body(message: Message, now: datetime) -> bytes:
    """The JSON of a webhook: type, timestamp and data, as the Standard Webhooks recommend."""
    events = [
        {"event": each.key, "repo_id": each.repo_id, "text": each.text, "at": each.at.isoformat()}
        for each in message.events
    ]
    data = {"watch": message.watch, "events": events}
    return json.dumps({"type": "watch.events", "timestamp": now.isoformat(), "data": data}).encode()


def post_signed(address: Address, message: Message, now: datetime) -> None:
    """Posts a message; a redirect is an error, because it would carry the message to another host."""
    if not address.secret:
        raise TargetInvalid(message.target, f"there is no secret to sign with: set {SECRET_VARIABLE}")
    body, identity, timestamp = message_body(message, now), message_id(message), int(now.timestamp())
    try:
        signature = sign(address.secret, identity, timestamp, body)
    except ValueError as error:
        raise DeliveryFailed(str(error)) from None
    send(
        address.url,
        body.decode(),
        {"webhook-id": identity, "webhook-timestamp": str(timestamp), "webhook-signature": signature},
    )


def send(url: str, text: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """Posts JSON. Raises DeliveryFailed, whose text has the host alone of the address."""
    try:
        post(url, text, headers)
    except (OSError, ValueError, HTTPException) as error:
        raise DeliveryFailed(f"{urlsplit(url).hostname}: {describe_post_error(error)}") from None


def post_chat(address: Address, message: Message) -> None:
    """Posts a message to a chat, whose address is the secret. Raises DeliveryFailed."""
    count = len(message.events)
    heading = f"{message.watch}: {count:,} {'event' if count == 1 else 'events'}"
    send(address.url, chat_message(heading, [event.text for event in message.events]))


def send_by_apprise(address: Address, message: Message) -> None:
    """Raises MissingExtra, TargetInvalid, DeliveryFailed."""
    scheme = urlsplit(address.url).scheme
    title, _, body = message_text(message).partition("\n")
    try:
        apprise_process.send(address.url, title, textwrap.dedent(body))
    except apprise_process.AddressUnknown:
        raise TargetInvalid(message.target, f"apprise knows no address like this ({scheme}://...)") from None
    except apprise_process.NotAccepted as error:
        raise DeliveryFailed(f"{scheme}: {error}") from None

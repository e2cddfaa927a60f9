"""Sends one message by apprise, in a process of its own, which gets it as JSON on its standard input.

apprise reads a receiver's answer as long as it goes on, into memory. The process has a limit of memory, and ends after
a time even if the one that started it does not.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

from analysis.errors import MissingExtra
from analysis.units import MIB
from crawler.child_process import without_token
from crawler.service.hooks import HOOK_TIMEOUT_SECONDS
from db.processes import limit_memory

MAX_MEMORY_BYTES = 256 * MIB
SENT, UNKNOWN_ADDRESS = 0, 3


class AddressUnknown(Exception):
    """apprise knows no address like this."""


class NotAccepted(Exception):
    """The receiver did not take the message; the text says why, without the address."""


def send(url: str, title: str, body: str) -> None:
    """Sends a message of plain text. Raises MissingExtra, AddressUnknown, NotAccepted."""
    if find_spec("apprise") is None:
        raise MissingExtra("notify", "apprise")
    order = json.dumps({"url": url, "title": title, "body": body})  # not as argument, which others can read
    command = [sys.executable, "-P", "-m", "crawler.service.apprise_process"]
    try:
        done = subprocess.run(
            command, input=order, text=True, env=without_token(), timeout=HOOK_TIMEOUT_SECONDS,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotAccepted("timed out") from None
    if done.returncode == UNKNOWN_ADDRESS:
        raise AddressUnknown
    if done.returncode != SENT:
        raise NotAccepted("it was not accepted")


def main() -> int:
    """Sends the message of standard input; the exit status says what came of it."""
    limit_process()
    import apprise

    order = json.load(sys.stdin)
    sender = apprise.Apprise()
    if not sender.add(order["url"]):
        return UNKNOWN_ADDRESS
    plain = apprise.NotifyFormat.TEXT  # else e-mail would show what the Hub's users wrote as HTML
    return SENT if sender.notify(title=order["title"], body=order["body"], body_format=plain) else 1


def limit_process() -> None:
    """Limits memory and time, where the system can."""
    limit_memory(MAX_MEMORY_BYTES)
    with suppress(AttributeError):  # Windows has no such signal
        signal.alarm(int(HOOK_TIMEOUT_SECONDS) + 5)


if __name__ == "__main__":
    sys.exit(main())

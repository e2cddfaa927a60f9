"""Messages for chats that take Slack's webhooks: Slack, Mattermost, Rocket.Chat, Discord (its address with `/slack`).

An address of hooks.slack.com gets such a message; for other hosts `slack+https://...` says so.
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

PREFIX = "slack+"
SLACK_HOST = "hooks.slack.com"
MAX_LINES = 20
"""Rows of a message; the others are counted."""

MAX_LINE_CHARACTERS = 300

BREAKS = re.compile(r"@(?=[\w!&])|\](?=[(\[:])")
"""What begins a mention, and what stands between a link's text and its address."""

SEPARATOR = "\u200b"
"""A space without width: none of the chats sees a mention or a link across it."""


def is_chat(url: str) -> bool:
    """Whether an address takes Slack's messages."""
    return url.startswith(PREFIX) or urlsplit(url).hostname == SLACK_HOST


def chat_url(url: str) -> str:
    """The address to post to."""
    return url.removeprefix(PREFIX)


def chat_message(heading: str, lines: Sequence[str]) -> str:
    """The JSON of a message: a heading, and a list of the lines."""
    listed = [f"\u2022 {escape(line[:MAX_LINE_CHARACTERS])}" for line in lines[:MAX_LINES]]
    if len(lines) > MAX_LINES:
        listed.append(f"and {len(lines) - MAX_LINES:,} more")
    return json.dumps({"text": "\n".join([f"*{escape(heading)}*", *listed])})


def escape(text: str) -> str:
    """Text without links and mentions of Slack, and of the chats that take Markdown and `@channel`: what others wrote
    would notify a whole channel, load a picture, or show one address and lead to another."""
    one_line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return BREAKS.sub(rf"\g<0>{SEPARATOR}", one_line)

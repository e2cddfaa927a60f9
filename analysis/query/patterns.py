"""Patterns of LIKE that are made of a user's text."""

from __future__ import annotations

import re

MAX_COMPARED_LENGTH = 300
"""Characters of a text that is looked for: no value is as long, and a pattern of SQLite has at most 1,000."""


def escape_like(text: str) -> str:
    """A text whose signs LIKE takes as they are, with `!` as the escape."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def wildcard_pattern(text: str) -> str | None:
    """The pattern of a text in which `*` stands for any text; None where it is longer than any value."""
    if len(text) - text.count("*") > MAX_COMPARED_LENGTH:
        return None
    return re.sub("[*]+", "%", escape_like(text))

"""Values of headers made small and safe enough to keep: headers come from anyone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.untrusted import MAX_TEXT_LENGTH


def clean_text(text: str | None, length: int = MAX_TEXT_LENGTH) -> str | None:
    """A text of at most `length` characters, on one line, without control characters; None if nothing is left."""
    if not text:
        return None
    kept = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * length])
    return " ".join(kept.split())[:length] or None


def drop_missing(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts without those that are None or empty."""
    return {key: value for key, value in facts.items() if value is not None and value != {} and value != []}

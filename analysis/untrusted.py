"""Checked types and limits of untrusted values (cards, configs, API answers). An invalid value is None or empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MAX_TEXT_LENGTH = 300
"""Characters of a short text: an author, a tag, a license, a value of a configuration."""

MAX_TAGS = 1000
"""Tags of one repo, and languages that its card names."""

MAX_BASE_MODELS = 50
"""Base models that one repo or header names; merges of more than 20 exist."""

MAX_CONFIG_BYTES = 1 << 20
"""One JSON configuration file beside the weights."""

MAX_PARAMETERS = 10**15
MAX_CONTEXT = 10**9


def word(value: object, most: int = MAX_TEXT_LENGTH) -> str | None:
    """A short printable text."""
    return value if isinstance(value, str) and 0 < len(value) <= most and value.isprintable() else None


def words(value: object, most: int) -> Sequence[str]:
    """One text or a list of them."""
    items = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return [item for item in items[:most] if word(item)]


def count(value: object, most: int = MAX_PARAMETERS) -> int | None:
    """A whole number between 1 and `most`; JSON may have made it a float."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= most:
        return None
    return int(value) if value == int(value) else None


def number(value: object, most: float) -> float | None:
    """A positive number up to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        return None
    return float(value)


def table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

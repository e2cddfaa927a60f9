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


def check_text(value: object, most: int = MAX_TEXT_LENGTH) -> str | None:
    """A printable text of at most `most` characters, else None."""
    return value if isinstance(value, str) and 0 < len(value) <= most and value.isprintable() else None


def check_texts(value: object, most: int) -> Sequence[str]:
    """The valid texts of a list, or of a single text, among its first `most`."""
    items = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return [item for item in items[:most] if check_text(item)]


def check_count(value: object, most: int = MAX_PARAMETERS) -> int | None:
    """An integer between 1 and `most`, which JSON may hold as a float, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= most:
        return None
    return int(value) if value == int(value) else None


def check_number(value: object, most: float) -> float | None:
    """A positive number up to `most`, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        return None
    return float(value)


def check_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}

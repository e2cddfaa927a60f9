"""Checked types and limits of untrusted values (cards, configs, API answers). An invalid value is None or empty."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

MAX_TEXT_LENGTH = 300
"""Characters of a short text: an author, a tag, a license, a value of a configuration."""

MAX_TAGS = 1000
"""Tags of one repo, and languages that its card names."""

MAX_BASE_MODELS = 50
"""Base models that one repo or header names; merges of more than 20 exist."""

MAX_CONFIG_BYTES = 1 << 20
"""One JSON configuration file beside the weights."""

MAX_JSON_MEMORY_BYTES = 300_000_000
"""Memory that the values of one JSON text may take, as `check_json_memory` estimates it."""

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


# ---- JSON -----------------------------------------------------------------------------------------------------------

JSON_OBJECT_BYTES, JSON_LIST_BYTES, JSON_VALUE_BYTES = 232, 88, 96
"""Bytes of an object, of a list, and of one value in them with its place, in CPython. Many small values take less."""

TOML_ERRORS = (ValueError, RecursionError)
"""What tomllib raises for a text that it can't read: numbers of thousands of digits and deep lists are no
TOMLDecodeError."""

_NEXT_STRUCTURE = re.compile(rb'(?:[^{,"\[]++|"(?:[^"\\]++|\\.)*+"?)*+([{,\[][^"]{0,4095}+|\Z)', re.DOTALL)
"""The next counted sign outside of texts, with what follows up to a text. Possessive, and it matches anywhere: a scan
is linear and takes no memory, and each match has a sign that counts, whatever the text holds."""

_STRUCTURES_AT_ONCE = 1024


class JsonTooLarge(ValueError):
    """The values of a JSON text would take more memory than allowed."""


def parse_json_text(raw: bytes, most_bytes: int = MAX_JSON_MEMORY_BYTES) -> Any:
    """The value of a JSON text.

    Raises ValueError for anything that is not valid JSON, among it nesting that is too deep, and JsonTooLarge before a
    text is parsed whose values would take more than `most_bytes` of memory.
    """
    check_json_memory(raw, most_bytes)
    try:
        return json.loads(raw)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def check_json_memory(raw: bytes, most_bytes: int = MAX_JSON_MEMORY_BYTES) -> None:
    """Raises JsonTooLarge if the values of a JSON text would take more than `most_bytes` of memory.

    Brackets and commas are counted, which is quick; only if there seem to be too many, those within texts are left out.
    """
    text_bytes = len(raw) if raw.isascii() else 4 * len(raw)  # one character of four bytes makes all of them as wide
    allowed = most_bytes - text_bytes
    objects, lists, commas = raw.count(b"{"), raw.count(b"["), raw.count(b",")
    if JSON_OBJECT_BYTES * objects + JSON_LIST_BYTES * lists + JSON_VALUE_BYTES * commas <= allowed:
        return
    costs = {b"{": JSON_OBJECT_BYTES, b"[": JSON_LIST_BYTES, b",": JSON_VALUE_BYTES}
    structures = (found[1] for found in _NEXT_STRUCTURE.finditer(raw))
    while several := b"".join(islice(structures, _STRUCTURES_AT_ONCE)):
        allowed -= sum(cost * several.count(sign) for sign, cost in costs.items())
        if allowed < 0:
            raise JsonTooLarge(f"its values take more than {most_bytes:,} bytes of memory")

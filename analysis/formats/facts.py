"""Values of headers made small and safe enough to keep: headers come from anyone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from analysis.formats import limits
from analysis.untrusted import MAX_CONTEXT, MAX_TEXT_LENGTH, check_count
from db.records import Header

MAX_COUNTS: Mapping[str, int] = {
    "layers": 10_000,
    "embedding": 10**7,
    "vocabulary": 10**8,
    "context": MAX_CONTEXT,
    "original_context": MAX_CONTEXT,
}
"""Of a model's geometry, by the names that analysis/fit reads."""

MAX_COUNT = 2**31
"""Of every other count of a model's geometry."""

MAX_FACT = 2**53
"""Of a number among the facts: JSON and both databases hold it exactly."""


def clean_text(text: str | None, length: int = MAX_TEXT_LENGTH) -> str | None:
    """A text of at most `length` characters, on one line, without control characters; None if nothing is left."""
    if not text:
        return None
    kept = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * length])
    return " ".join(kept.split())[:length] or None


def drop_missing(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts without those that are None or empty."""
    return {key: value for key, value in facts.items() if value is not None and value != {} and value != []}


def limit_header(header: Header) -> Header:
    """The header without numbers that no model has: those are unknown, and no database could hold them."""
    parameters = check_count(header.parameters)
    return replace(
        header,
        parameters=parameters,
        active_parameters=None if parameters is None else check_count(header.active_parameters, parameters),
        context=check_count(header.context, MAX_CONTEXT),
        size=header.size if header.size is not None and header.size < 2**63 else None,
        types=limit_numbers(dict(list(header.types.items())[: limits.MAX_TYPES])),
        facts=limit_numbers(header.facts),
    )


def limit_numbers(value: Any) -> Any:
    """A value of JSON without numbers that are not finite or exceed MAX_FACT: they are left out of objects, and None in
    lists."""
    if isinstance(value, Mapping):
        return {key: kept for key, each in value.items() if (kept := limit_numbers(each)) is not None or each is None}
    if isinstance(value, list | tuple):
        return [limit_numbers(each) for each in value]
    if isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= MAX_FACT):
        return None
    return value

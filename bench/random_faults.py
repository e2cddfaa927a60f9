"""Random faults of the sample Hub: every kind, each with parameters that make it strike."""

from __future__ import annotations

import random
from collections.abc import Sequence

from samplehub import Fault, Kind
from samplehub.server.faults import Place

PLACES: tuple[Place, ...] = ("listing", "info", "tree", "paths-info", "metadata", "resolve", "cdn", "any")

SLOW_KINDS = frozenset((Kind.DRIP, Kind.STALL, Kind.INFORMATIONAL, Kind.SLOW_HEAD))
"""Kinds that delay responses: once each, so that they do not fill the time of all crawls."""

LISTING_KINDS = frozenset((
    Kind.REPEATED_PAGE, Kind.SHIFTED_PAGE, Kind.SKIPPED_ROWS, Kind.CUT_LISTING, Kind.POISONED_ROW, Kind.NO_LINK,
    Kind.SHORT_PAGE, Kind.CHANGING_CURSOR, Kind.IGNORED_PARAMETER,
))  # fmt: skip
"""Kinds that only a listing can have."""

STATUSES = (400, 401, 403, 404, 405, 410, 413, 418, 422, 429, 451, 500, 502, 503, 504, 530)
"""HTTP statuses of random responses."""

BODIES = (b"", b"{}", b"[]", b"null", b"<html>blocked</html>", b'{"error":"Invalid request"}', b"[" * 100_000)
"""Bodies of random responses: none of them is a valid page or repo."""

HEADERS: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (("Content-Type", "application/json"),),
    (("Content-Type", "text/html"),),
    (("Retry-After", "0"),),
    (("Location", "http://[broken"),),
)

FIELDS = (
    "_id", "id", "author", "sha", "createdAt", "lastModified", "downloads", "likes", "tags", "gated", "config", "gguf",
    "cardData", "siblings", "safetensors", "pipeline_tag",
)  # fmt: skip
"""Keys of a repo whose values are altered."""

VALUES = (
    b"null",
    b"NaN",
    b"-1",
    b"1e400",
    b'"\xff"',
    b'"text"',
    b"[[]]",
    b'{"a":{}}',
    b"true",
    b"[" * 2000 + b"]" * 2000,
)
"""JSON texts, valid and not, that replace a value."""

PARAMETERS = ("sort", "direction", "limit", "expand", "cursor")
"""Parameters of a listing that are ignored."""


def make_random_fault(rng: random.Random, repo_ids: Sequence[str]) -> Fault:
    """A fault of any kind; `repo_ids` are the repos that one may name."""
    kind = rng.choice(list(Kind))
    is_slow = kind in SLOW_KINDS
    name = ""
    if kind is Kind.POISONED_ROW:
        name = rng.choice(repo_ids)
    elif kind is Kind.ALTERED_FIELD:
        name = rng.choice(FIELDS)
    elif kind is Kind.IGNORED_PARAMETER:
        name = rng.choice(PARAMETERS)
    return Fault(
        kind,
        on="listing" if kind in LISTING_KINDS else rng.choice(PLACES),
        after=rng.randrange(3),
        every=rng.randrange(1, 4),
        times=1 if is_slow else rng.randrange(1, 6),
        seconds=0.3 if is_slow else 1.0,
        bytes=64 if kind is Kind.DRIP else None,
        count=rng.randrange(1, 6),
        status=rng.choice(STATUSES),
        headers=rng.choice(HEADERS),
        body=rng.choice(VALUES if kind is Kind.ALTERED_FIELD else BODIES),
        name=name,
    )

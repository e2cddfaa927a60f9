"""Sixty-four bits that tell whether something is what it was.

Equal digests mean equal content for every purpose here: with three million repos, the chance that any changed one keeps
its digest is below one in a million million a crawl.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from db.records import RepoRecord


def _plain(value: Any) -> Any:
    """Mappings and tuples of any make, for json."""
    return dict(value) if isinstance(value, Mapping) else list(value)


_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain)


def to_json(value: Any) -> str:
    """Canonical JSON, ASCII alone: equal values give equal text, and no lone surrogate reaches the database."""
    return _encoder.encode(value)


def bits(text: str) -> int:
    """64 bits as a signed number, the way both engines keep integers."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def facts_of(repo: RepoRecord) -> str:
    """What repo_facts keeps: all that has no column of its own, without what is empty."""
    facts = {
        "card": repo.card,
        "config": repo.config,
        "safetensors": repo.safetensors,
        "gguf": repo.gguf,
        "languages": repo.languages,
        "extra": repo.extra,
    }
    return to_json({key: value for key, value in facts.items() if value})


def repo_digest(repo: RepoRecord, facts: str) -> int:
    """Over all that the listing says of a repo but its counters (downloads, likes, trend)."""
    rest = (
        repo.repo_id,
        repo.author,
        repo.sha,
        repo.created_at and repo.created_at.timestamp(),
        repo.last_modified and repo.last_modified.timestamp(),
        repo.private,
        repo.gated,
        repo.disabled,
        repo.pipeline_tag,
        repo.library_name,
        repo.license,
        repo.used_storage,
        repo.tags,
        [(edge.parent, edge.relation, edge.source) for edge in repo.edges],
        [(result.task, result.dataset, result.metric, result.value, result.source) for result in repo.evaluations],
    )
    return bits(to_json(rest) + facts)


ROW_RULES = 1
"""To be counted up when a row of the listing is parsed, labelled or stored in another way by the same vocabulary."""

COUNTER_KEYS = frozenset(("downloads", "downloadsAllTime", "likes", "trendingScore"))
"""Keys of a row whose values have columns of their own and decide nothing else."""

_MARSHAL_VERSION = 2
"""Of the format without references between equal values: equal rows give equal bytes."""


def row_digest(row: Mapping[str, Any], salt: bytes) -> int | None:
    """64 bits of all that a row of the listing says but its counters; None for one that is too deep.

    `salt` stands for what else decides what becomes of a row: the program and its vocabulary.
    """
    try:
        text = marshal.dumps({key: row[key] for key in row if key not in COUNTER_KEYS}, _MARSHAL_VERSION)
    except ValueError:
        return None
    return int.from_bytes(blake2b(text, digest_size=8, key=salt).digest(), "big", signed=True)


STATUS_BITS = {
    status: int.from_bytes(blake2b(status.encode(), digest_size=8).digest(), "big", signed=True)
    for status in ("available", "gated", "private", "disabled", "gone")
}


def stored_row_digest(row: int, digest: int, status: str) -> int:
    """The value of repos.row_digest: it holds as long as the repo has this `digest` and status.

    What else writes a repo need not know of it. Applied to repos.row_digest, it gives the digest of the row again.
    """
    return row ^ digest ^ STATUS_BITS[status]


Piece = tuple[str, str, str, str, int]
"""A piece of evidence: field, value, source, rule, weight."""


def evidence_key(piece: Piece) -> int:
    return bits("\x1f".join(map(str, piece)))

"""Rows of a listing that are as they were when the catalog stored them: they need no parsing, no labels, no writing.

In a walk of the whole Hub nearly every row is one. A row is known by a digest of all its keys but the counters
(downloads, likes, trend); the program's version and its vocabulary belong to the digest, since either may make other
labels of the same row. The catalog keeps the digest combined with what it stands for (db.derive.digest), so that
whatever else changes a repo makes its next row an unknown one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import version

from analysis.vocabulary.vocabulary import vocabulary_digest
from crawler.sources.source import RawPage, Source
from db.derive.digest import ROW_RULES, row_digest
from db.records import RepoRecord, Skipped


@dataclass(slots=True)
class KnownRows:
    """Which rows of the last page were known. `load` gives the digests of stored repos by hub_id."""

    load: Callable[[Sequence[str]], Mapping[str, int]]
    found: frozenset[str] = field(default_factory=frozenset)


@cache
def rules_of_rows() -> bytes:
    """What decides beside a row what is stored of it."""
    return f"{ROW_RULES} {version('hf-catalog')} {vocabulary_digest()}".encode()[:64]


def parse_rows(source: Source, raw: RawPage, now: datetime, known: KnownRows | None) -> list[RepoRecord | Skipped]:
    """The rows of a page as records, those that are known as records of ids, dates and counters alone."""
    if known is None or raw.thin:
        if known is not None:
            known.found = frozenset()
        return [source.parse_row(row, now) for row in raw.rows]
    rules = rules_of_rows()
    stored = known.load([key for row in raw.rows if (key := source.row_key(row)) is not None])
    parsed: list[RepoRecord | Skipped] = []
    found = set()
    for row in raw.rows:
        key = source.row_key(row)
        digest = None if key is None else row_digest(row, rules)
        light = source.parse_known_row(row, digest) if digest is not None and stored.get(key or "") == digest else None
        if light is not None:
            found.add(light.hub_id)
        parsed.append(light if light is not None else source.parse_row(row, now, digest))
    known.found = frozenset(found)
    return parsed

"""Requests for single repos, to learn what the listing does not tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor

from crawler.sources.source import Source
from db.records import LeasedRepo, RepoRecord, Skipped

PROBE_BATCH = 256
"""Probes that are submitted to the workers together."""


def probe_all(
    source: Source, executor: Executor, repos: Sequence[LeasedRepo]
) -> Iterable[tuple[LeasedRepo, RepoRecord | Skipped]]:
    """Each repo with what the Hub answers for it."""
    for start in range(0, len(repos), PROBE_BATCH):
        batch = repos[start : start + PROBE_BATCH]
        yield from zip(batch, executor.map(source.probe_repo, batch), strict=True)

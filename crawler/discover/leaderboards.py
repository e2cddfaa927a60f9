"""The leaderboards of datasets that are benchmarks: one request for each."""

from __future__ import annotations

from concurrent.futures import Executor

from crawler.run_recorder import RunRecorder
from crawler.sources.source import Leaderboard
from db.records import Skipped

MAX_LEADERBOARDS = 2000
"""Benchmarks that are requested in one run."""


def read_leaderboards(recorder: RunRecorder, executor: Executor) -> None:
    """Requests the leaderboard of each benchmark that the Hub lists, and stores it. One that fails is skipped."""
    benchmarks = recorder.source.list_benchmarks()[:MAX_LEADERBOARDS]
    skips: list[Skipped] = []
    for result in executor.map(recorder.source.fetch_leaderboard, benchmarks):
        if isinstance(result, Leaderboard):
            recorder.store.save_leaderboard(result.hub_id, result.entries)
        else:
            skips.append(result)
    recorder.store.save_skips(recorder.run, skips)
    recorder.add_skips(skips)

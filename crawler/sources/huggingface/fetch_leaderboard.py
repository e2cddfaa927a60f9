"""The leaderboards of benchmarks: GET /api/datasets/{owner}/{name}/leaderboard, which the Hub's OpenAPI documents."""

from __future__ import annotations

from typing import Any

from crawler.errors import HubServerError, InvalidResponse, RepoError, RequestRefused
from crawler.skips import make_skip_by_id
from crawler.sources.huggingface.client import HubClient
from crawler.sources.huggingface.parse import parse_float, parse_int, parse_repo_id, parse_short_text
from crawler.sources.source import Leaderboard
from db.records import LeaderboardEntry, RepoRecord, Skipped

MAX_ENTRIES = 10_000
"""Results of one leaderboard that are kept."""

MAX_BENCHMARKS = 1000
"""Benchmarks that are listed: one page."""


def list_benchmarks(client: HubClient) -> list[RepoRecord]:
    """The datasets that the Hub lists as benchmarks; none of a Hub that does not know the parameter."""
    params = [("benchmark", "true"), ("limit", str(MAX_BENCHMARKS)), ("expand", "tags")]
    try:
        rows = client.list_page(params, tries=client.tries).rows
    except (RequestRefused, HubServerError, InvalidResponse):
        return []
    parsed = [client.parse_repo(row) for row in rows]
    found = [repo for repo in parsed if isinstance(repo, RepoRecord)]
    # A Hub that ignores the parameter lists all datasets: those that are benchmarks have the tag.
    return [repo for repo in found if any(tag.startswith("benchmark:") for tag in repo.tags)]


def fetch_leaderboard(client: HubClient, dataset: RepoRecord) -> Leaderboard | Skipped:
    """The leaderboard of a benchmark, or why there is none."""
    try:
        rows = client.leaderboard(dataset.repo_id)
    except RepoError as error:
        return make_skip_by_id(dataset.repo_id, dataset.hub_id, error.reason, f"leaderboard: {error.detail}")
    entries = [entry for entry in map(parse_entry, rows[:MAX_ENTRIES]) if entry is not None]
    return Leaderboard(dataset.hub_id, tuple(entries))


def parse_entry(row: Any) -> LeaderboardEntry | None:
    """One result; None for a row without a model."""
    model = parse_repo_id({"id": row.get("modelId")}) if type(row) is dict else None
    if model is None:
        return None
    rank = row.get("rank")
    source = row.get("source")
    url = source.get("url") if type(source) is dict else source
    return LeaderboardEntry(
        model,
        parse_int(rank, "rank") if type(rank) is int and rank >= 0 else None,
        parse_float(row.get("value")),
        row.get("verified") is True,
        parse_short_text(url),
    )

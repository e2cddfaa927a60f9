"""What a crawl will cost before it is begun: requests by depth, and the time they take on each plan of the Hub.

    pages    = repos of the listing / 1,000
    requests = pages                                    listing
             + repos to visit                           files: one request each, whatever their number of files
             + headers to read                          headers: 1.6 file requests a repo with weights in GGUF or
                                                        safetensors, and 0.25 API requests, since the Hub gives the
                                                        headers of all shards at once
    time     = the slowest of: API requests / quota, file requests / quota (windows of 5 minutes), pages one by one

The quotas are those that the Hub documents (docs/hub/rate-limits.md); a crawl believes only what the Hub tells it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from db.record_base import Depth

WINDOW = 300.0
"""Seconds of one window of the quota."""

PLANS: Mapping[str, tuple[int, int]] = {
    # API and file requests in one window
    "anonymous": (500, 3_000), "free": (1_000, 5_000), "pro": (2_500, 12_000), "team": (3_000, 20_000),
    "enterprise": (6_000, 50_000), "enterprise_plus": (10_000, 100_000),
}  # fmt: skip

HUB_REPOS = 3_000_000
"""Model repos of the Hub late in 2026, where no catalog knows better: between 2.5 and 3.3 million."""

WITH_WEIGHTS = 0.75
"""Share of repos with weights in GGUF or safetensors, where no catalog knows better."""

FILE_REQUESTS = 1.6
"""Of one repo's headers: config.json and one range of a single file, or one range of a GGUF."""

SHARD_REQUESTS = 0.25
"""Of one repo's headers, on average: those of all shards in one API request."""

PAGE_SECONDS = 1.0
"""One page of the listing, which must be whole before the next can be asked for."""


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """What is to be done: repos to list, and of those to visit for files and for headers."""

    repos: int
    files: int
    headers: int
    page: int = 1000


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """One depth's cost. `seconds` by plan."""

    depth: Depth
    repos: int
    api_requests: int
    resolver_requests: int
    seconds: Mapping[str, float]


def estimate_cost(work: PlannedWork) -> tuple[CostEstimate, CostEstimate, CostEstimate]:
    """The cost of each depth; a deeper one holds the shallower ones."""
    pages = max(1, math.ceil(work.repos / work.page))
    shards = math.ceil(work.headers * SHARD_REQUESTS)
    return (
        _cost("listing", work.repos, pages, pages, 0),
        _cost("files", work.files, pages, pages + work.files, 0),
        _cost("headers", work.headers, pages, pages + work.files + shards, math.ceil(work.headers * FILE_REQUESTS)),
    )


def _cost(depth: Depth, repos: int, pages: int, api: int, resolver: int) -> CostEstimate:
    seconds = {
        plan: max(_time(api, quota), _time(resolver, files), pages * PAGE_SECONDS)
        for plan, (quota, files) in PLANS.items()
    }
    return CostEstimate(depth, repos, api, resolver, seconds)


def _time(requests: int, quota: int) -> float:
    """Seconds that so many requests take: whole windows waited out, the last one used as fast as one likes."""
    return max(0, math.ceil(requests / quota) - 1) * WINDOW

"""What a crawl will cost, before it starts: requests by depth, and the time they take on each plan of the Hub.

    pages    = repos of the listing / 1,000
    requests = pages                                    listing
             + repos to enrich                          files: one request each, whatever their number of files
             + headers to read                          headers: 1.6 file requests per repo with weights in GGUF or
                                                        safetensors, and 0.25 API requests, since the Hub sends the
                                                        headers of all shards together
    time     = the slowest of: API requests / quota, file requests / quota (windows of 5 minutes), pages one by one

The quotas are those that the Hub documents (docs/hub/rate-limits.md); a crawl itself uses only what the Hub states.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from db.record_base import Depth

WINDOW_SECONDS = 300.0
"""Length of a window of the quota."""

PLANS: Mapping[str, tuple[int, int]] = {
    # API and file requests in one window
    "anonymous": (500, 3_000), "free": (1_000, 5_000), "pro": (2_500, 12_000), "team": (3_000, 20_000),
    "enterprise": (6_000, 50_000), "enterprise_plus": (10_000, 100_000),
}  # fmt: skip

HUB_REPOS = 3_000_000
"""Model repos of the Hub late in 2026, used where no catalog knows better: between 2.5 and 3.3 million."""

SHARE_WITH_WEIGHTS = 0.75
"""Share of repos with weights in GGUF or safetensors, used where no catalog knows better."""

FILE_REQUESTS_PER_REPO = 1.6
"""For one repo's headers: config.json and one range of a single file, or one range of a GGUF."""

API_REQUESTS_PER_REPO = 0.25
"""For one repo's headers, on average: those of all shards come in one API request."""

PAGE_SECONDS = 1.0
"""For one page of the listing, which must be complete before the next can be requested."""


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """Repos to list, and those of them to enrich with files and with headers."""

    repos: int
    files: int
    headers: int
    page: int = 1000


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """The cost of one depth; `seconds` by plan."""

    depth: Depth
    repos: int
    api_requests: int
    resolver_requests: int
    seconds: Mapping[str, float]


def estimate_cost(work: PlannedWork) -> tuple[CostEstimate, CostEstimate, CostEstimate]:
    """The cost of each depth; a deeper one includes the others."""
    pages = max(1, math.ceil(work.repos / work.page))
    shards = math.ceil(work.headers * API_REQUESTS_PER_REPO)
    return (
        _cost("listing", work.repos, pages, pages, 0),
        _cost("files", work.files, pages, pages + work.files, 0),
        _cost(
            "headers",
            work.headers,
            pages,
            pages + work.files + shards,
            math.ceil(work.headers * FILE_REQUESTS_PER_REPO),
        ),
    )


def _cost(depth: Depth, repos: int, pages: int, api: int, resolver: int) -> CostEstimate:
    seconds = {
        plan: max(estimate_seconds(api, quota), estimate_seconds(resolver, files), pages * PAGE_SECONDS)
        for plan, (quota, files) in PLANS.items()
    }
    return CostEstimate(depth, repos, api, resolver, seconds)


def estimate_seconds(requests: int, quota: int) -> float:
    """Seconds that the requests take: all windows but the last are waited for, the last one's requests go at once."""
    return max(0, math.ceil(requests / quota) - 1) * WINDOW_SECONDS

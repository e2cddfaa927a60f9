"""What a crawl will cost, before it starts: requests by depth, and the time they take on each plan of the Hub.

    pages    = repos of the listing / 1,000
    requests = pages                                    listing
             + repos to enrich                          files: one request each, whatever their number of files
             + headers to read                          headers: 1.8 file requests per repo with weights in GGUF or
                                                        safetensors, and 0.45 API requests, since the Hub sends the
                                                        headers of all shards together. Files of pickles are not
                                                        counted: one file request each, up to eight of a repo
    time     = the slowest of: API requests in windows of their quota, file requests in windows of theirs, pages one
               by one. All windows but the last take their whole length, or as long as their requests need

The quotas are those that the Hub documents (docs/hub/rate-limits.md); a crawl itself uses only what the Hub states.
What a catalog's own crawls needed per repo and per request replaces the usual figures.
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

SHARE_OF_POPULAR = 0.95
"""The same of the most downloaded repos, which a crawl of few repos visits (292 of 300 of the sample Hub)."""

MANY_WINDOWS = 3

MARGIN_SECONDS = 1.0
"""By which a crawl waits longer than a window, whose end is stated in whole seconds (crawler/sources/rate_limit.py)."""

PAGE_SECONDS = 1.0
"""For one page of the listing, which must be complete before the next can be requested."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What crawls need; the figures are those of crawls of the sample Hub.

    `seconds`: of the crawl per request of either kind, without waits for the quota. The requests are those for one
    repo's headers beside the one for its files: config.json and one range of a single file, or one range of a GGUF; the
    headers of all shards come in one API request.
    """

    api_per_repo: float = 0.45
    files_per_repo: float = 1.8
    seconds: float = 0.05


USUAL = Rates()


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """Repos to list, and those of them to enrich with files and with headers."""

    repos: int
    files: int
    headers: int
    page: int = 1000
    rates: Rates = USUAL


@dataclass(frozen=True, slots=True)
class AccountQuota:
    """API and file requests that an account may send in a window."""

    api: int
    resolvers: int
    window: float = WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """The cost of one depth; `seconds` by plan."""

    depth: Depth
    repos: int
    api_requests: int
    resolver_requests: int
    seconds: Mapping[str, float]


def estimate_cost(
    work: PlannedWork, more: Mapping[str, AccountQuota] | None = None
) -> tuple[CostEstimate, CostEstimate, CostEstimate]:
    """The cost of each depth; a deeper one includes the others. `more`: quotas beside those of PLANS, by name."""
    pages = max(1, math.ceil(work.repos / work.page))
    shards, ranges = (math.ceil(work.headers * each) for each in (work.rates.api_per_repo, work.rates.files_per_repo))
    quotas = {name: AccountQuota(*each) for name, each in PLANS.items()} | dict(more or {})

    def cost(depth: Depth, repos: int, api: int, resolver: int) -> CostEstimate:
        seconds = {name: crawl_seconds(pages, api, resolver, each, work.rates) for name, each in quotas.items()}
        return CostEstimate(depth, repos, api, resolver, seconds)

    return (
        cost("listing", work.repos, pages, 0),
        cost("files", work.files, pages + work.files, 0),
        cost("headers", work.headers, pages + work.files + shards, ranges),
    )


def crawl_seconds(pages: int, api: int, resolver: int, quota: AccountQuota, rates: Rates) -> float:
    """Seconds that a crawl takes with a quota."""
    work = (api + resolver) * rates.seconds
    return max(
        estimate_seconds(api, quota.api, quota.window, work),
        estimate_seconds(resolver, quota.resolvers, quota.window, work),
        pages * PAGE_SECONDS,
    )


def estimate_seconds(requests: int, quota: int, window: float, work: float) -> float:
    """Seconds that requests take which a quota limits, during `work` seconds of crawling that are spread over them.

    Windows before the last are waited for unless the work in them takes longer; the last one's requests go at once. Of
    many windows it is the middle of what is likely, since the number of requests is an estimate itself.
    """
    windows = requests / quota
    waited = windows - 0.5 if windows > MANY_WINDOWS else max(0, math.ceil(windows) - 1)
    in_window = work / windows if waited else 0.0
    return waited * max(window + MARGIN_SECONDS, in_window) + work - waited * in_window

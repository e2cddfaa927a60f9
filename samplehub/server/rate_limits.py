"""Rate limits as the Hub counts them: fixed windows, a bucket each for the API and for files, by token or address."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import Literal

Bucket = Literal["api", "resolvers"]

UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests that each bucket allows in a window of seconds. The Hub's anonymous plan: 500, 3000, 300."""

    api: int = UNLIMITED
    resolvers: int = UNLIMITED
    window: float = 300.0


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """Where a caller stands after a request: what is left, until when, and whether this request is still allowed."""

    bucket: Bucket
    limit: int
    remaining: int
    reset: int  # seconds until the window ends, rounded up
    window: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit": f'"{self.bucket}";r={self.remaining};t={self.reset}',
            "RateLimit-Policy": f'"fixed window";"{self.bucket}";q={self.limit};w={self.window}',
        }


class RateLimiter:
    """Counts requests by bucket and caller."""

    def __init__(self, quota: Quota | None = None) -> None:
        self.quota = quota or Quota()
        self._lock = threading.Lock()
        self._windows: dict[tuple[Bucket, str], tuple[float, int]] = {}  # when it ends, how many so far

    def count(self, bucket: Bucket, caller: str) -> RateLimitState:
        quota = self.quota
        limit = quota.api if bucket == "api" else quota.resolvers
        now = time.monotonic()
        with self._lock:
            ends, used = self._windows.get((bucket, caller), (0.0, 0))
            if now >= ends:
                ends, used = now + quota.window, 0
            used += 1
            self._windows[bucket, caller] = ends, used
        left = max(0, limit - used)
        return RateLimitState(bucket, limit, left, math.ceil(ends - now), math.ceil(quota.window), used <= limit)

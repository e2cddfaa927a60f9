"""Counters of the requests that were sent to the Hub."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

RequestKind = Literal["list", "info", "tree", "headers", "resolve", "cdn"]


@dataclass(slots=True)
class RequestCounters:
    """Requests and bytes of one client. API and resolver requests count against the Hub's quotas, CDN requests do not.

    Any thread may count.
    """

    api_requests: int = 0
    resolver_requests: int = 0
    cdn_requests: int = 0
    bytes_read: int = 0
    wrong_fields: Counter[str] = field(default_factory=Counter)  # of repos: values of a wrong type, by key
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count_request(self, kind: RequestKind) -> None:
        with self._lock:
            if kind == "cdn":
                self.cdn_requests += 1
            elif kind == "resolve":
                self.resolver_requests += 1
            else:
                self.api_requests += 1

    def count_wrong_field(self, key: str) -> None:
        with self._lock:
            self.wrong_fields[key] += 1

    def count_bytes(self, count: int) -> None:
        with self._lock:
            self.bytes_read += count

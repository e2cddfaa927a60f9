"""What the Hub was asked, counted."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

RequestKind = Literal["list", "info", "tree", "headers", "resolve", "cdn"]


@dataclass(slots=True)
class Usage:
    """What the Hub was asked. `api` and `resolver` requests count against its quotas, `cdn` ones do not."""

    api_requests: int = 0
    resolver_requests: int = 0
    cdn_requests: int = 0
    bytes_read: int = 0

    def request(self, kind: RequestKind) -> None:
        if kind == "cdn":
            self.cdn_requests += 1
        elif kind == "resolve":
            self.resolver_requests += 1
        else:
            self.api_requests += 1


class RequestCounters(Usage):
    """All that was asked so far, by any thread; and by one thread alone while it has `own`."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._here = threading.local()

    def count_request(self, kind: RequestKind) -> None:
        with self._lock:
            self.request(kind)
        if self.own is not None:
            self.own.request(kind)

    def count_bytes(self, count: int) -> None:
        with self._lock:
            self.bytes_read += count
        if self.own is not None:
            self.own.bytes_read += count

    def add(self, usage: Usage) -> None:
        """What was asked elsewhere on our behalf."""
        with self._lock:
            self.api_requests += usage.api_requests
            self.resolver_requests += usage.resolver_requests
            self.cdn_requests += usage.cdn_requests
            self.bytes_read += usage.bytes_read

    @property
    def own(self) -> Usage | None:
        return getattr(self._here, "usage", None)

    @own.setter
    def own(self, usage: Usage | None) -> None:
        self._here.usage = usage

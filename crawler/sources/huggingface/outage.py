"""Tells a request that fails from a Hub that fails, and waits for that Hub to come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from crawler.errors import HubUnreachable, InvalidResponse
from crawler.sources.pacer import Pacer

PATIENCE_SECONDS = 600.0
"""How long a crawl waits for a Hub that responds with server errors, or no longer responds."""

FOREIGN_PATIENCE_SECONDS = 60.0
"""How long it waits where something else than the Hub responds: a proxy, a captive portal, a challenge."""

FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 60.0
"""The first pause between two health requests, and the longest; each is twice the one before."""


@dataclass(slots=True)
class OutageWatch:
    """Waits while the Hub is down, one thread for all."""

    endpoint: str
    pacer: Pacer
    patience: float = PATIENCE_SECONDS
    first_pause: float = FIRST_PAUSE_SECONDS
    was_healthy: bool = False  # it sent a valid response at least once: there is a Hub
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: int = 0  # outages that ended

    def wait_until_healthy(self, check_health: Callable[[], None]) -> bool:
        """Whether the Hub was down, and had to be waited for. False at once if it responds to other requests than the
        one that failed: to those of `check_health`, which raises HubUnreachable if it does not.

        Raises HubUnreachable where the Hub does not come back in time.
        """
        ended = self._ended
        with self._lock:
            if self._ended != ended:
                return True  # another thread has waited meanwhile
            problem = find_problem(check_health)
            if problem is None:
                return False
            self._wait(problem, check_health)
            self._ended += 1
            return True

    def _wait(self, problem: HubUnreachable, check_health: Callable[[], None]) -> None:
        started, pause = time.monotonic(), self.first_pause
        latest: HubUnreachable | None = problem
        while latest is not None:
            patience = self.patience
            if isinstance(latest, InvalidResponse):
                patience = min(patience, FOREIGN_PATIENCE_SECONDS) if self.was_healthy else 0.0
            left = self.pacer.seconds_left()
            if time.monotonic() - started >= patience or (left is not None and left <= pause):
                raise HubUnreachable(self.endpoint, latest.why) from latest
            self.pacer.pause(pause, f"the Hub ({latest.why})")
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
            latest = find_problem(check_health)


def find_problem(check_health: Callable[[], None]) -> HubUnreachable | None:
    """The error of a health check; None if there is none."""
    try:
        check_health()
    except HubUnreachable as error:
        return error
    return None

"""One pacer for all workers: how many requests the Hub allows now, and until when to wait for more.

The Hub counts requests in fixed windows of five minutes, a quota for each kind of request (`api`, `resolvers`), and
says with every answer how many are left (`RateLimit: "api";r=487;t=71`) and how many there are (`RateLimit-Policy:
...;q=500;w=300`). So nothing here is configured and nothing is guessed:

- free = left - in flight, where `left` is the least that any answer of this window told. A request is asked only where
  one is free; in flight ones are counted as if the Hub had not counted them yet, and when they return `left` is exact.
- the next window opens a second after the earliest end that any answer told (they tell whole seconds).
- until the first answer of a bucket, and again after a 429, one request goes at a time: nobody stampedes.
- only answers that grant what was asked (2xx, and redirects to it) are believed: a 401 tells somebody else's quota.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from crawler.errors import CrawlStopped, QuotaSpent

WINDOW_MARGIN = 1.0
"""Seconds after the told end of a window: `t` is in whole seconds."""

RETRY_DELAYS_AFTER_429 = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Seconds to wait after the first, second ... 429 in a row that does not say how long."""

MAX_WAIT = 900.0
"""The longest wait that the Hub is believed, in seconds."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What an answer tells: `left` requests until the window ends in `reset` seconds, of `quota` a `window`."""

    bucket: str
    left: int
    reset: float
    quota: int | None = None
    window: float | None = None


@dataclass(slots=True)
class Bucket:
    """One quota, as far as it is known. Times are the pacer's clock."""

    in_flight: int = 0
    known: bool = False  # an answer has come; before, and after a 429, one request goes at a time
    left: int | None = None  # None: the Hub does not count
    quota: int | None = None
    window: float | None = None
    ends: float | None = None  # of the window that `left` is about
    assumed: bool = False  # nobody has told `ends`: it is the last window's and one window more
    closed_until: float = 0.0  # after a 429
    refusals: int = 0  # 429s in a row
    requests: int = 0

    def wait(self, now: float) -> float | None:
        """Seconds until a request may go; 0 for now, None for when one of those in flight has returned."""
        if now < self.closed_until:
            return self.closed_until - now
        self._turn(now)
        if not self.known:
            return None if self.in_flight else 0.0
        if self.left is None or self.left - self.in_flight > 0:
            return 0.0
        if self.in_flight:
            return None
        return max(0.05, (self.ends or now) + WINDOW_MARGIN - now)

    def _turn(self, now: float) -> None:
        """Opens the next window, if this one is over. Those in flight are counted into the new one, to be safe.

        Where the next one is over too (nobody asked, the machine slept) nothing is known any more, as in the beginning.
        """
        if self.ends is None or now < self.ends + WINDOW_MARGIN:
            return
        if self.window is not None and self.quota is not None and now < self.ends + self.window:
            self.left, self.ends, self.assumed = self.quota, self.ends + self.window, True
        else:
            self.left, self.ends, self.known = None, None, False

    def update_from(self, told: RateLimit, now: float) -> None:
        """From a 2xx answer."""
        ends = now + told.reset
        self.quota = told.quota if told.quota is not None else self.quota
        self.window = told.window if told.window is not None else self.window
        half = (self.window or 300.0) / 2
        if self.left is None or self.ends is None or ends > self.ends + half:
            self.left, self.ends, self.assumed = told.left, ends, False  # the first word, or of a window unheard of
        elif ends > self.ends - half:
            self.left = min(self.left, told.left)
            self.ends, self.assumed = (ends if self.assumed else min(self.ends, ends)), False
        # else: a late answer of the window before, whose numbers mean nothing now

    def on_429(self, told: RateLimit | None, retry_after: float | None, now: float) -> float:
        """A 429. Returns the seconds that nobody asks; afterwards one asks alone."""
        if told is not None and told.left == 0:
            pause = told.reset + WINDOW_MARGIN
            self.left, self.ends, self.assumed = 0, now + told.reset, False
        elif retry_after is not None:
            pause = retry_after
        else:
            pause = RETRY_DELAYS_AFTER_429[min(self.refusals, len(RETRY_DELAYS_AFTER_429) - 1)]
        pause = min(max(pause, 0.05), MAX_WAIT)
        self.refusals += 1
        self.known = False
        self.closed_until = max(self.closed_until, now + pause)
        return pause


class Pacer:
    """Lets requests go as the Hub allows, for any number of threads.

    Args:
        budget: requests that may go in all; the next raises Stopped.
        max_time: seconds from now; a request or a wait beyond raises Stopped, QuotaSpent where none was granted yet.
        clock: seconds, never running backwards.
    """

    def __init__(
        self,
        *,
        budget: int | None = None,
        max_time: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._buckets: dict[str, Bucket] = {}
        self._budget = budget
        self._spent = 0
        self._deadline = None if max_time is None else clock() + max_time
        self._stopped: str | None = None
        self._max_time = max_time
        self.seconds_waited = 0.0
        self.waiting_until: float | None = None  # of the clock, for whoever shows progress
        self._idle_since: float | None = None
        self._waiters = 0

    # ---- the end of it all --------------------------------------------------------------------------------------

    def stop(self, why: str) -> None:
        """From now on every request raises Stopped; those that wait are woken."""
        self._stopped = self._stopped or why  # no lock: a signal may come while this very thread holds it
        if self._changed.acquire(blocking=False):
            try:
                self._changed.notify_all()
            finally:
                self._changed.release()

    @property
    def asked_to_stop(self) -> bool:
        """Somebody said stop; a spent budget or time is not meant."""
        return self._stopped is not None

    @property
    def stopped(self) -> str | None:
        """Why no request may go any more; None while they may."""
        if self._stopped is None and self._budget is not None and self._spent >= self._budget:
            return f"the budget of {self._budget:,} requests is spent"
        if self._stopped is None and self._deadline is not None and self._clock() >= self._deadline:
            return f"the time of {self._max_time:g} s is over"
        return self._stopped

    def check(self) -> None:
        if self.stopped is not None:
            raise CrawlStopped(self.stopped)

    def seconds_left(self) -> float | None:
        return None if self._deadline is None else self._deadline - self._clock()

    # ---- requests -------------------------------------------------------------------------------------------------

    def acquire(self, bucket: str) -> None:
        """Waits until a request of this bucket may go, and counts it as gone. Raises Stopped or QuotaSpent."""
        with self._changed:
            state = self._buckets.setdefault(bucket, Bucket())
            while True:
                self.check()
                wait = state.wait(self._clock())
                if wait == 0.0:
                    break
                self._wait(bucket, wait)
            state.in_flight += 1
            state.requests += 1
            self._spent += 1

    def _wait(self, bucket: str, seconds: float | None) -> None:
        """Sleeps until something changes, or for so long. Only waits for the quota count as waiting."""
        left = self.seconds_left()
        if seconds is not None and left is not None and seconds > left:
            if self._spent == 0 or all(state.requests == 0 or state.refusals for state in self._buckets.values()):
                raise QuotaSpent(bucket, seconds)
            raise CrawlStopped(
                f"the quota of {bucket} requests is spent for {seconds:.0f} s, longer than --max-time leaves"
            )
        counted = seconds is not None
        if counted:
            self._waiters += 1
            if self._waiters == 1:
                self._idle_since = self._clock()
            self.waiting_until = self._clock() + (seconds or 0.0)
        try:
            # A second at most, so that a stop that found the lock taken is noticed.
            self._changed.wait(1.0 if seconds is None else min(seconds, 1.0))
        finally:
            if counted:
                self._waiters -= 1
                if self._waiters == 0 and self._idle_since is not None:
                    self.seconds_waited += self._clock() - self._idle_since
                    self.waiting_until = None

    def done(
        self, bucket: str, status: int | None, told: RateLimit | None = None, retry_after: float | None = None
    ) -> None:
        """A request of this bucket came back; `status` None if without an answer."""
        with self._changed:
            state, now = self._buckets[bucket], self._clock()
            state.in_flight -= 1
            if status == 429:
                state.on_429(told, retry_after, now)
            elif status is not None and 200 <= status < 400:
                state.known, state.refusals = True, 0
                if told is not None:
                    self._buckets.setdefault(told.bucket, Bucket(known=True)).update_from(told, now)
                if (told is None or told.bucket != bucket) and state.left is not None:
                    state.left -= 1
            else:
                state.known = state.known or (status is not None and state.refusals == 0)
                if state.left is not None:
                    state.left -= 1
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Sleeps between two tries of one request; ends early, by Stopped, if the crawl is to end."""
        until = self._clock() + seconds
        with self._changed:
            while (left := until - self._clock()) > 0:
                self.check()
                limit = self.seconds_left()
                self._changed.wait(min(left, 1.0, *([] if limit is None else [max(limit, 0.01)])))

    def refusals(self, bucket: str) -> int:
        """429s in a row."""
        with self._changed:
            state = self._buckets.get(bucket)
            return 0 if state is None else state.refusals

    def closed_for(self, bucket: str) -> float:
        """Seconds until the next request of a bucket that was refused."""
        with self._changed:
            state = self._buckets.get(bucket)
            return 0.0 if state is None else max(0.0, state.closed_until - self._clock())

    def quota(self, bucket: str) -> tuple[int | None, int | None]:
        """(left, of how many) as far as the Hub told; for whoever shows it."""
        with self._changed:
            state = self._buckets.get(bucket)
            return (None, None) if state is None else (state.left, state.quota)

"""One pacer for all workers: how many requests the Hub allows now, and how long to wait for more.

The Hub counts requests in fixed windows of five minutes, with a quota for each kind of request (`api`, `resolvers`).
Every response states how many are left (`RateLimit: "api";r=487;t=71`) and the quota (`RateLimit-Policy:
...;q=500;w=300`). So nothing is configured here and nothing is guessed:

- free = left - in flight, where `left` is the smallest number that a response of this window stated. A request is sent
  only if one is free. Those in flight count as if the Hub had not counted them yet; once they return, `left` is exact.
- The next window opens a second after the earliest end that a response stated, since ends are in whole seconds.
- Until the first response of a bucket, and again after a 429, requests go one at a time.
- Only successful responses and redirects are used: the numbers of a 401 belong to another quota.

Where other crawlers of the catalog use the same account, a request also needs a grant of what is left for all of them
(`share`, `crawler.sources.shared_quota`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from crawler.errors import CrawlStopped, QuotaSpent
from crawler.sources.rate_limit import DEFAULT_WINDOW_SECONDS, MAX_RESET_SECONDS, WINDOW_MARGIN_SECONDS, RateLimit
from crawler.sources.shared_quota import Grant, SharedQuota

RETRY_DELAYS_AFTER_429_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Waits after the first, second ... 429 in a row that states none."""

MAX_WAIT_SECONDS = 900.0
"""The longest wait after a 429, whatever the response states."""

MIN_WAIT_SECONDS = 0.05

STOP_GRACE_SECONDS = 3.0
"""How long responses are waited for after the crawl was asked to end."""

MIN_WAIT_REPORTED_SECONDS = 3.0
"""Shorter waits are not reported."""

PATIENCE_AFTER_429_SECONDS = 1800.0
"""How long a bucket may answer nothing but 429 before its quota counts as spent."""

MAX_SLEEP_SECONDS = 1.0
"""A waiting thread looks for a stop that often: a signal handler may fail to wake it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What all requests wait for, and for how many more seconds."""

    reason: str
    seconds_left: float


@dataclass(slots=True)
class Bucket:
    """One quota, as far as it is known. Times are of the pacer's clock."""

    in_flight: int = 0
    known: bool = False  # a response has come; before it, and after a 429, requests go one at a time
    left: int | None = None  # None: the Hub states no quota
    quota: int | None = None
    window: float | None = None
    ends: float | None = None  # of the window that `left` is about
    assumed: bool = False  # `ends` was not stated: it is one window after the last window's end
    closed_until: float = 0.0  # after a 429
    refusals: int = 0  # 429s in a row
    refused_since: float | None = None  # the first of these
    requests: int = 0

    def wait(self, now: float) -> float | None:
        """Seconds until a request may go; 0 for now, None for after the next response."""
        if now < self.closed_until:
            return self.closed_until - now
        self._open_next_window(now)
        if not self.known:
            return None if self.in_flight else 0.0
        if self.left is None or self.left - self.in_flight > 0:
            return 0.0
        if self.in_flight:
            return None
        return max(MIN_WAIT_SECONDS, (self.ends or now) + WINDOW_MARGIN_SECONDS - now)

    def _open_next_window(self, now: float) -> None:
        """Opens the next window, if this one is over. Requests in flight count in the new one, to be safe.

        If that one is over too (no requests, or the machine slept), nothing is known any more, as at the start.
        """
        if self.ends is None or now < self.ends + WINDOW_MARGIN_SECONDS:
            return
        if self.window is not None and self.quota is not None and now < self.ends + self.window:
            self.left, self.ends, self.assumed = self.quota, self.ends + self.window, True
        else:
            self.left, self.ends, self.known = None, None, False

    def update_from(self, limit: RateLimit, now: float) -> None:
        """Takes over what a successful response states."""
        ends = now + min(limit.reset, MAX_RESET_SECONDS)
        self.quota = limit.quota if limit.quota is not None else self.quota
        self.window = limit.window if limit.window is not None else self.window
        half = (self.window or DEFAULT_WINDOW_SECONDS) / 2
        if self.left is None or self.ends is None or ends > self.ends + half:
            self.left, self.ends, self.assumed = limit.left, ends, False  # the first of this window
        elif ends > self.ends - half:
            self.left = min(self.left, limit.left)
            self.ends, self.assumed = (ends if self.assumed else min(self.ends, ends)), False
        # else: a late response of the last window, whose numbers are out of date

    def on_429(self, limit: RateLimit | None, retry_after: float | None, now: float) -> float:
        """Closes the bucket after a 429; afterwards requests go one at a time. Returns the seconds it is closed."""
        growing = RETRY_DELAYS_AFTER_429_SECONDS[min(self.refusals, len(RETRY_DELAYS_AFTER_429_SECONDS) - 1)]
        if limit is not None and limit.left == 0:
            reset = min(limit.reset, MAX_RESET_SECONDS)
            pause = reset + WINDOW_MARGIN_SECONDS
            self.left, self.ends, self.assumed = 0, now + reset, False
        elif retry_after is not None:
            pause = retry_after if self.refusals == 0 else max(retry_after, growing)
        else:
            pause = growing
        pause = min(max(pause, MIN_WAIT_SECONDS), MAX_WAIT_SECONDS)
        self.refusals += 1
        self.refused_since = now if self.refused_since is None else self.refused_since
        self.known = False
        self.closed_until = max(self.closed_until, now + pause)
        return pause


@dataclass(slots=True)
class Allowance:
    """What this crawler may use of a bucket that it shares with others. Times are of the pacer's clock."""

    count: int | None = 0  # None: no limit
    until: float = 0.0  # a count of 0 is not asked again before, any other is void afterwards
    is_probe: bool = False
    asking: bool = False  # a thread asks for more
    stated: RateLimit | None = None  # by the last response, to be reported with the next question
    stated_at: float = 0.0

    def use(self, now: float) -> float | None:
        """Seconds until a request may go; 0 for now, None for when more were asked for."""
        if self.asking:
            return None
        if now >= self.until:
            return None
        if self.count == 0:
            return None if self.is_probe else self.until - now
        if self.count is not None:
            self.count -= 1
            if self.count == 0 and not self.is_probe:
                self.until = 0.0  # used up: more may be asked for
        return 0.0


class Pacer:
    """Lets requests go as the Hub allows, for any number of threads.

    Args:
        budget: requests in all; the next one raises CrawlStopped.
        max_time: seconds from now; a request or a wait beyond raises CrawlStopped, or QuotaSpent if no request was
            granted yet.
        clock: a monotonic clock in seconds.
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
        self._stopped_at: float | None = None  # time.monotonic()
        self._ends_at = None if max_time is None else time.monotonic() + max_time  # the same for `max_time`
        self._max_time = max_time
        self.seconds_waited = 0.0
        self.on_wait: Callable[[Wait], None] = lambda wait: None  # called when a long wait begins, by any thread
        self._waiting_for = ""
        self._waiting_until: float | None = None  # of the clock
        self._idle_since: float | None = None
        self._waiters = 0
        self._shared: SharedQuota | None = None
        self._allowances: dict[str, Allowance] = {}

    # ---- stopping -----------------------------------------------------------------------------------------------

    def stop(self, why: str) -> None:
        """Makes every request raise CrawlStopped from now on, and wakes those that wait."""
        self._stopped = self._stopped or why  # no lock: a signal may arrive while this thread holds it
        self._stopped_at = self._stopped_at or time.monotonic()
        if self._changed.acquire(blocking=False):
            try:
                self._changed.notify_all()
            finally:
                self._changed.release()

    @property
    def is_stop_requested(self) -> bool:
        """Whether `stop` was called; a spent budget or time does not count."""
        return self._stopped is not None

    @property
    def stop_reason(self) -> str | None:
        """Why no more requests may go; None while they may."""
        if self._stopped is None and self._budget is not None and self._spent >= self._budget:
            return f"the budget of {self._budget:,} requests is spent"
        if self._stopped is None and self._deadline is not None and self._clock() >= self._deadline:
            return f"the time of {self._max_time:g} s is over"
        return self._stopped

    @property
    def response_deadline(self) -> float:
        """When the responses of requests that are under way must be there: some seconds after the crawl was stopped or
        its time was over. Of `time.monotonic`; infinite while it is not known."""
        ends = [at for at in (self._stopped_at, self._ends_at) if at is not None]
        return min(ends, default=float("inf")) + STOP_GRACE_SECONDS

    def raise_if_stopped(self) -> None:
        """Raises CrawlStopped."""
        if self.stop_reason is not None:
            raise CrawlStopped(self.stop_reason)

    def seconds_left(self) -> float | None:
        return None if self._deadline is None else self._deadline - self._clock()

    # ---- requests -------------------------------------------------------------------------------------------------

    def acquire(self, bucket: str) -> None:
        """Waits until a request of this bucket may go, and counts it. Raises CrawlStopped or QuotaSpent."""
        with self._changed:
            state = self._buckets.setdefault(bucket, Bucket())
            while True:
                self.raise_if_stopped()
                wait = state.wait(self._clock())
                if wait == 0.0 and self._shared is not None:
                    wait = self._use_grant(self._shared, bucket)
                if wait == 0.0:
                    break
                self._wait(bucket, wait)
            state.in_flight += 1
            state.requests += 1
            self._spent += 1

    def _wait(self, bucket: str, seconds: float | None) -> None:
        """Sleeps until something changes, `seconds` at most. Only waits for the quota count in `seconds_waited`."""
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
            self._begin_wait(f"the quota of {bucket} requests", seconds or 0.0)
        try:
            self._changed.wait(MAX_SLEEP_SECONDS if seconds is None else min(seconds, MAX_SLEEP_SECONDS))
        finally:
            if counted:
                self._waiters -= 1
                if self._waiters == 0 and self._idle_since is not None:
                    self.seconds_waited += self._clock() - self._idle_since
                    self._waiting_until = None

    def on_response(
        self, bucket: str, status: int | None, limit: RateLimit | None = None, retry_after: float | None = None
    ) -> None:
        """Records that a request of this bucket returned; `status` is None if there was no response."""
        report: Callable[[SharedQuota], None] | None = None
        with self._changed:
            state, now = self._buckets[bucket], self._clock()
            state.in_flight -= 1
            allowance = self._allowances.get(bucket)
            if allowance is not None:
                report = self._report_of(allowance, bucket, status, limit, now)
            if status == 429:
                pause = state.on_429(limit, retry_after, now)
                if allowance is not None:
                    report = partial(SharedQuota.close, bucket=bucket, seconds=pause)
            elif status is not None and 200 <= status < 400:
                state.known, state.refusals, state.refused_since = True, 0, None
                if limit is not None:
                    self._buckets.setdefault(limit.bucket, Bucket(known=True)).update_from(limit, now)
                if (limit is None or limit.bucket != bucket) and state.left is not None:
                    state.left -= 1
            else:
                state.known = state.known or (status is not None and state.refusals == 0)
                if state.left is not None:
                    state.left -= 1
            self._changed.notify_all()
        if report is not None and self._shared is not None:
            report(self._shared)

    # ---- a quota that other crawlers use too ------------------------------------------------------------------------

    @contextmanager
    def share(self, quota: SharedQuota | None) -> Iterator[None]:
        """Requests of the block also need grants of `quota`; what is left of these is given back at its end."""
        self._shared = quota
        try:
            yield
        finally:
            self._shared = None
            for bucket, allowance in self._allowances.items():
                if quota is not None and allowance.count and self._clock() < allowance.until:
                    quota.give_back(bucket, allowance.count)
            self._allowances.clear()

    def _use_grant(self, shared: SharedQuota, bucket: str) -> float | None:
        """As Bucket.wait. One thread asks for the next grant, without the lock; the others wait for it."""
        allowance = self._allowances.setdefault(bucket, Allowance())
        wait = allowance.use(self._clock())
        if wait is not None or allowance.asking or (allowance.is_probe and self._clock() < allowance.until):
            return wait
        allowance.asking = True
        stated, age = allowance.stated, self._clock() - allowance.stated_at
        self._changed.release()
        try:
            grant = shared.take(bucket, stated, age)
        except BaseException:
            grant = Grant(0, 0.0)
            raise
        finally:
            self._changed.acquire()
            allowance.asking, allowance.stated = False, None
            self._changed.notify_all()
        allowance.count, allowance.until = grant.count, self._clock() + grant.seconds
        allowance.is_probe = grant.is_probe
        return allowance.use(self._clock())

    def _report_of(
        self, allowance: Allowance, bucket: str, status: int | None, limit: RateLimit | None, now: float
    ) -> Callable[[SharedQuota], None] | None:
        """What the other crawlers are to know of a response at once; the rest is told with the next question."""
        is_success = status is not None and 200 <= status < 400
        if is_success and limit is not None and limit.bucket == bucket:
            allowance.stated, allowance.stated_at = limit, now
        if not allowance.is_probe or status == 429:
            return None
        allowance.is_probe, allowance.until = False, 0.0  # to ask again at once
        if status is None:
            return partial(SharedQuota.end_probe, bucket=bucket)
        return partial(SharedQuota.observe, bucket=bucket, limit=limit if is_success else None)

    @property
    def wait(self) -> Wait | None:
        """What requests wait for; None while they may go, or wait for a moment only."""
        until = self._waiting_until
        left = 0.0 if until is None else until - self._clock()
        return Wait(self._waiting_for, left) if left > 0 else None

    def _begin_wait(self, reason: str, seconds: float) -> None:
        until = self._clock() + seconds
        is_known = self._waiting_until is not None and until - self._waiting_until < MIN_WAIT_REPORTED_SECONDS
        self._waiting_for, self._waiting_until = reason, until
        if seconds >= MIN_WAIT_REPORTED_SECONDS and not is_known:
            self.on_wait(Wait(reason, seconds))

    def pause(self, seconds: float, reason: str | None = None) -> None:
        """Sleeps between two attempts of a request; `reason` is what all requests wait for, if it is not this one's
        own. Raises CrawlStopped as soon as the crawl is to end."""
        until = self._clock() + seconds
        with self._changed:
            if reason is not None:
                self._begin_wait(reason, seconds)
            while (left := until - self._clock()) > 0:
                self.raise_if_stopped()
                time_left = self.seconds_left()
                self._changed.wait(min(left, MAX_SLEEP_SECONDS, *([] if time_left is None else [max(time_left, 0.01)])))

    def is_refused_for_long(self, bucket: str) -> bool:
        """Whether all responses of a bucket had status 429 for longer than the crawl waits for another one."""
        with self._changed:
            state = self._buckets.get(bucket)
            if state is None or state.refused_since is None:
                return False
            return self._clock() - state.refused_since > PATIENCE_AFTER_429_SECONDS

    def closed_for(self, bucket: str) -> float:
        """Seconds until a bucket opens again after a 429."""
        with self._changed:
            state = self._buckets.get(bucket)
            return 0.0 if state is None else max(0.0, state.closed_until - self._clock())

    def quota(self, bucket: str) -> tuple[int | None, int | None]:
        """(left, quota) as far as the Hub stated them."""
        with self._changed:
            state = self._buckets.get(bucket)
            return (None, None) if state is None else (state.left, state.quota)

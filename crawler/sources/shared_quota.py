"""One quota for several crawlers: what is left of it lies in the catalog, and each takes a few requests at a time.

The Hub counts the requests of an account, whichever machine sends them. Crawlers of one catalog that use one account
therefore draw from one row of `request_quotas` for each bucket. A grant is a number of requests that its crawler may
send until the window ends; the more are left, the larger it is, so that hundreds of requests cost one transaction, and
the last ones are given one by one. A refusal closes the bucket for all of them.

What the responses of any crawler state corrects the row: it is never above the smallest number of this window. The
rules are those of `crawler.sources.pacer`, which each crawler keeps to as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from crawler.sources.rate_limit import DEFAULT_WINDOW_SECONDS, MAX_RESET_SECONDS, WINDOW_MARGIN_SECONDS, RateLimit

SHARE_OF_A_GRANT = 16
"""A grant is at most this part of what is left, so that crawlers of different speed all use the quota to its end."""

MAX_GRANT = 100
"""Requests of one grant: a crawler that dies takes no more with it, until the window ends."""

UNLIMITED_SECONDS = 30.0
"""How long a crawler does not ask again where the Hub states no quota."""

PROBE_SECONDS = 30.0
"""How long the others wait for the first response, until one of them sends another request."""

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Grant:
    """`count` requests that may be sent within `seconds`; with a count of 0, when to ask again.

    The response of a probe is to be reported at once, since the other crawlers wait for it. `count` None is no limit.
    """

    count: int | None
    seconds: float
    is_probe: bool = False


@dataclass(slots=True)
class QuotaState:
    """A row of `request_quotas`. Times are seconds since 1970 by the clock of the catalog's server."""

    known: bool = False  # a response has come since the start, the last refusal, or a pause of a whole window
    remaining: int | None = None  # that no crawler was granted yet; None: the Hub states no quota
    quota: int | None = None
    window_seconds: float | None = None
    window_ends: float | None = None  # of the window that `remaining` is about
    assumed: bool = False  # `window_ends` was not stated, but follows from the last window's
    closed_until: float = 0.0
    probed_until: float = 0.0  # one crawler waits for the first response; the others do until then

    def grant(self, now: float) -> Grant:
        """Takes requests from what is left."""
        if now < self.closed_until:
            return Grant(0, self.closed_until - now)
        if self.window_ends is not None and now >= self.window_ends + WINDOW_MARGIN_SECONDS:
            self._open_next_window(now)
        if not self.known:
            if now < self.probed_until:
                return Grant(0, min(POLL_SECONDS, self.probed_until - now))
            self.probed_until = now + PROBE_SECONDS
            return Grant(1, PROBE_SECONDS, is_probe=True)
        if self.remaining is None or self.window_ends is None:
            return Grant(None, UNLIMITED_SECONDS)
        if self.remaining <= 0 or now >= self.window_ends:
            return Grant(0, self.window_ends + WINDOW_MARGIN_SECONDS - now)
        count = max(1, min(MAX_GRANT, self.remaining // SHARE_OF_A_GRANT))
        self.remaining -= count
        return Grant(count, self.window_ends - now)

    def _open_next_window(self, now: float) -> None:
        assert self.window_ends is not None
        if self.quota is not None and self.window_seconds is not None and now < self.window_ends + self.window_seconds:
            self.remaining, self.window_ends, self.assumed = self.quota, self.window_ends + self.window_seconds, True
        else:
            self.remaining, self.window_ends, self.known = None, None, False

    def give_back(self, count: int, now: float) -> None:
        """Takes requests back that a crawler was granted in this window and did not send."""
        if self.remaining is not None and self.window_ends is not None and now < self.window_ends:
            self.remaining += count

    def observe(self, limit: RateLimit | None, now: float) -> None:
        """Takes over what a successful response stated a moment ago; None: it stated nothing."""
        self.known, self.probed_until = True, 0.0
        if limit is None:
            return
        self.quota = limit.quota if limit.quota is not None else self.quota
        self.window_seconds = limit.window if limit.window is not None else self.window_seconds
        ends, half = now + min(limit.reset, MAX_RESET_SECONDS), (self.window_seconds or DEFAULT_WINDOW_SECONDS) / 2
        if self.remaining is None or self.window_ends is None or ends > self.window_ends + half:
            self.remaining, self.window_ends, self.assumed = limit.left, ends, False
        elif ends > self.window_ends - half:
            self.remaining = min(self.remaining, limit.left)
            self.window_ends, self.assumed = (ends if self.assumed else min(self.window_ends, ends)), False

    def close(self, seconds: float, now: float) -> None:
        """After a 429: no crawler sends a request for this time, and then one does."""
        self.closed_until = max(self.closed_until, now + seconds)
        self.known, self.probed_until = False, 0.0

    def end_probe(self) -> None:
        """The first request had no response: another crawler may send it."""
        self.probed_until = 0.0


class QuotaRows(Protocol):
    """Where states are kept, such as `db.write.quotas.AccountQuotas`."""

    def locked(self, bucket: str, empty: QuotaState) -> AbstractContextManager[tuple[QuotaState, float] | None]:
        """The state of a bucket and the time, held until the block ends and stored then; None where it can't be had.

        `empty` is filled, and is what a bucket begins with.
        """
        ...


class SharedQuota:
    """The quota of one account, for the pacer of each of its crawlers. Used by several threads."""

    def __init__(self, rows: QuotaRows) -> None:
        self._rows = rows

    def take(self, bucket: str, limit: RateLimit | None, age: float) -> Grant:
        """Takes requests. `limit` is what a response stated `age` seconds ago.

        Where the catalog can't be asked, each crawler paces itself for a while.
        """
        with self._rows.locked(bucket, QuotaState()) as held:
            if held is None:
                return Grant(None, UNLIMITED_SECONDS)
            state, now = held
            if limit is not None:
                state.observe(limit, now - age)
            return state.grant(now)

    def observe(self, bucket: str, limit: RateLimit | None) -> None:
        """Reports the response of a probe."""
        for state, now in self._held(bucket):
            state.observe(limit, now)

    def end_probe(self, bucket: str) -> None:
        for state, _ in self._held(bucket):
            state.end_probe()

    def close(self, bucket: str, seconds: float) -> None:
        """Reports a 429, after which requests wait for `seconds`."""
        for state, now in self._held(bucket):
            state.close(seconds, now)

    def give_back(self, bucket: str, count: int) -> None:
        for state, now in self._held(bucket):
            state.give_back(count, now)

    def _held(self, bucket: str) -> Iterator[tuple[QuotaState, float]]:
        with self._rows.locked(bucket, QuotaState()) as held:
            if held is not None:
                yield held

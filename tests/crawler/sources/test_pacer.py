"""The pacer with a clock that the test sets: what the Hub states, and what follows from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from crawler.errors import CrawlStopped, QuotaSpent
from crawler.sources.pacer import Bucket, Pacer
from crawler.sources.rate_limit import WINDOW_MARGIN_SECONDS, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limit(left: int, reset: float, quota: int = 500, window: float = 300.0) -> RateLimit:
    return RateLimit("api", left, reset, quota, window)


def test_the_first_request_goes_alone_then_as_many_as_are_left() -> None:
    bucket = Bucket()
    assert bucket.wait(0.0) == 0.0
    bucket.in_flight = 1
    assert bucket.wait(0.0) is None, "it is not known yet how many are left"
    bucket.in_flight, bucket.known = 0, True
    bucket.update_from(limit(left=2, reset=60), 0.0)
    assert bucket.wait(0.0) == 0.0
    bucket.in_flight = 1
    assert bucket.wait(0.0) == 0.0
    bucket.in_flight = 2
    assert bucket.wait(0.0) is None, "both that are left are under way"


def test_a_spent_window_is_waited_for_and_the_next_one_used_fully() -> None:
    bucket = Bucket(known=True)
    bucket.update_from(limit(left=0, reset=60), 0.0)
    assert bucket.wait(0.0) == 60 + WINDOW_MARGIN_SECONDS
    assert bucket.wait(59.0) == pytest.approx(1 + WINDOW_MARGIN_SECONDS)
    assert bucket.wait(60 + WINDOW_MARGIN_SECONDS) == 0.0
    assert bucket.left == 500


def test_a_late_response_of_the_last_window_does_not_change_the_next() -> None:
    bucket = Bucket(known=True)
    bucket.update_from(limit(left=0, reset=1), 0.0)
    bucket.wait(2.5)
    bucket.update_from(limit(left=0, reset=0), 2.6)  # of the window that ended at 1
    assert bucket.left == 500
    bucket.update_from(limit(left=499, reset=300), 2.7)
    assert bucket.left == 499
    assert bucket.ends == pytest.approx(302.7), "the Hub's own word on the new window's end"


def test_responses_out_of_order_never_raise_what_is_left() -> None:
    bucket = Bucket(known=True)
    for left in (480, 470, 475, 490):
        bucket.update_from(limit(left, 100), 0.0)
    assert bucket.left == 470


@pytest.mark.parametrize("asleep", [200.0, 7_200.0, 400_000.0])
def test_after_suspension_the_hubs_numbers_of_a_new_window_are_used(asleep: float) -> None:
    """The clock jumps over one window or over many: no wait, and what others took meanwhile is not counted on."""
    bucket = Bucket(known=True)
    bucket.update_from(limit(left=0, reset=100), 0.0)
    assert bucket.wait(50.0) == pytest.approx(50 + WINDOW_MARGIN_SECONDS)
    assert bucket.wait(50.0 + asleep) == 0.0
    bucket.in_flight = 1
    if asleep > 600:
        assert bucket.wait(50.0 + asleep) is None, "one request goes first: it is not known which window this is"
    bucket.in_flight, bucket.known = 0, True
    bucket.update_from(limit(left=120, reset=40), 51.0 + asleep)
    assert bucket.left == 120, "others were awake"
    assert bucket.wait(51.0 + asleep) == 0.0


def test_a_clock_that_stops_during_suspension_only_waits_too_long() -> None:
    """Some systems' clocks do not count suspension: the rest of the window is waited for again, and no 429 comes."""
    bucket = Bucket(known=True)
    bucket.update_from(limit(left=0, reset=100), 0.0)
    assert bucket.wait(10.0) == pytest.approx(90 + WINDOW_MARGIN_SECONDS)
    assert bucket.wait(100 + WINDOW_MARGIN_SECONDS) == 0.0


def test_other_users_of_the_same_token_are_noticed() -> None:
    bucket = Bucket(known=True)
    bucket.update_from(limit(400, 100), 0.0)
    bucket.update_from(limit(3, 90), 10.0)
    assert bucket.left == 3


def test_after_a_429_the_bucket_closes_and_then_requests_go_one_at_a_time() -> None:
    bucket = Bucket(known=True)
    assert bucket.on_429(limit(left=0, reset=20), None, 0.0) == 20 + WINDOW_MARGIN_SECONDS
    assert bucket.wait(5.0) == pytest.approx(16.0)
    assert bucket.wait(21.5) == 0.0
    bucket.in_flight = 1
    assert bucket.wait(21.5) is None, "no stampede"


@pytest.mark.parametrize(
    ("refusals", "retry_after", "pause"), [(0, 7.0, 7.0), (0, None, 5.0), (2, None, 20.0), (50, None, 300.0)]
)
def test_a_429_without_a_rate_limit(refusals: int, retry_after: float | None, pause: float) -> None:
    bucket = Bucket(known=True, refusals=refusals)
    assert bucket.on_429(None, retry_after, 0.0) == pause


def test_only_successful_responses_state_the_quota() -> None:
    pacer = Pacer()
    pacer.acquire("api")
    pacer.on_response("api", 401, limit(left=10_000, reset=1, quota=10_000))
    assert pacer.quota("api") == (None, None)
    pacer.acquire("api")
    pacer.on_response("api", 200, limit(left=498, reset=200))
    assert pacer.quota("api") == (498, 500)


def test_the_budget_counts_every_request() -> None:
    pacer = Pacer(budget=2)
    for _ in range(2):
        pacer.acquire("api")
        pacer.on_response("api", 200)
    with pytest.raises(CrawlStopped, match="budget of 2 requests"):
        pacer.acquire("resolvers")


def test_the_time_limit_ends_a_crawl() -> None:
    clock = Clock()
    pacer = Pacer(max_time=10, clock=clock)
    pacer.acquire("api")
    pacer.on_response("api", 200)
    clock.now += 11
    with pytest.raises(CrawlStopped, match="10 s is over"):
        pacer.acquire("api")


def test_a_wait_longer_than_the_time_left_does_not_start() -> None:
    pacer = Pacer(max_time=5)
    pacer.acquire("api")
    pacer.on_response("api", 429, limit(left=0, reset=100))
    with pytest.raises(QuotaSpent, match="allowed in 10"):
        pacer.acquire("api")
    pacer = Pacer(max_time=5)
    pacer.acquire("api")
    pacer.on_response("api", 200, limit(left=0, reset=100))
    with pytest.raises(CrawlStopped, match="longer than --max-time leaves"):
        pacer.acquire("api")


def test_a_stop_wakes_waiting_threads() -> None:
    pacer = Pacer()
    pacer.acquire("api")
    pacer.on_response("api", 200, limit(left=0, reset=100))
    ended: list[str] = []

    def ask() -> None:
        try:
            pacer.acquire("api")
        except CrawlStopped as stopped:
            ended.append(stopped.why)

    waiting = [threading.Thread(target=ask) for _ in range(4)]
    for thread in waiting:
        thread.start()
    time.sleep(0.1)
    pacer.stop("a signal")
    for thread in waiting:
        thread.join(5)
    assert ended == ["a signal"] * 4
    assert 0.05 < pacer.seconds_waited < 3, "several who wait at once wait once"


class Window:
    """The Hub's own count: a number of requests in a window that begins with its first."""

    def __init__(self, quota: int, seconds: float) -> None:
        self.quota, self.seconds = quota, seconds
        self.ends, self.used, self.refused = 0.0, 0, 0
        self.windows: list[int] = []
        self.lock = threading.Lock()

    def ask(self) -> tuple[int, RateLimit]:
        with self.lock:
            now = time.monotonic()
            if now >= self.ends:
                self.ends, self.used = now + self.seconds, 0
                self.windows.append(0)
            self.used += 1
            granted = self.used <= self.quota
            self.windows[-1] += granted
            self.refused += not granted
            left = max(0, self.quota - self.used)
            reset = -(-(self.ends - now) // 1)
            return (200 if granted else 429), RateLimit("api", left, reset, self.quota, self.seconds)


@pytest.fixture
def window() -> Iterator[Window]:
    yield Window(quota=60, seconds=2.0)


def test_eight_workers_use_the_whole_quota_and_are_never_refused(window: Window) -> None:
    pacer = Pacer()
    stop = time.monotonic() + 5.5

    def work() -> None:
        while time.monotonic() < stop:
            try:
                pacer.acquire("api")
            except CrawlStopped:
                return
            status, limit = window.ask()
            time.sleep(0.002)
            pacer.on_response("api", status, limit)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(5.6)
    pacer.stop("done")
    for thread in threads:
        thread.join(5)
    assert window.refused == 0
    assert len(window.windows) >= 2
    assert all(used >= 0.97 * window.quota for used in window.windows[:-1])

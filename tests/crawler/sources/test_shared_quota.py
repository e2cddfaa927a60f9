"""Several crawlers that draw on one quota, with a clock and rows in memory that the test holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from crawler.sources.pacer import Pacer
from crawler.sources.rate_limit import WINDOW_MARGIN_SECONDS, RateLimit
from crawler.sources.shared_quota import (
    MAX_GRANT,
    PROBE_SECONDS,
    SHARE_OF_A_GRANT,
    UNLIMITED_SECONDS,
    Grant,
    QuotaState,
    SharedQuota,
)

QUOTA = 500
WINDOW = 300.0


class Rows:
    """Rows in memory, with a clock that stands still until the test sets it."""

    def __init__(self) -> None:
        self.states: dict[str, QuotaState] = {}
        self.now = 1_000.0
        self.is_away = False

    @contextmanager
    def locked(self, bucket: str, empty: QuotaState) -> Iterator[tuple[QuotaState, float] | None]:
        yield None if self.is_away else (self.states.setdefault(bucket, empty), self.now)


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def quota(rows: Rows) -> SharedQuota:
    return SharedQuota(rows)


def stated(left: int, reset: float = 100.0) -> RateLimit:
    return RateLimit("api", left, reset, QUOTA, WINDOW)


def test_one_crawler_sends_the_first_request_and_the_others_wait(rows: Rows, quota: SharedQuota) -> None:
    assert quota.take("api", None, 0.0) == Grant(1, PROBE_SECONDS, is_probe=True)
    assert quota.take("api", None, 0.0).count == 0
    quota.observe("api", stated(left=480))
    assert quota.take("api", None, 0.0) == Grant(480 // SHARE_OF_A_GRANT, 100.0)
    assert rows.states["api"].remaining == 480 - 30


def test_a_probe_without_a_response_is_repeated_by_another_crawler(rows: Rows, quota: SharedQuota) -> None:
    quota.take("api", None, 0.0)
    quota.end_probe("api")
    assert quota.take("api", None, 0.0).is_probe
    rows.now += PROBE_SECONDS
    assert quota.take("api", None, 0.0).is_probe, "the crawler that sent it has died"


def test_grants_become_smaller_and_add_up_to_the_quota(rows: Rows, quota: SharedQuota) -> None:
    quota.observe("api", stated(left=QUOTA))
    grants = []
    while (grant := quota.take("api", None, 0.0)).count:
        grants.append(grant.count)
    assert sum(grants) == QUOTA
    assert grants[0] == QUOTA // SHARE_OF_A_GRANT and grants[-1] == 1 and grants == sorted(grants, reverse=True)
    assert grant == Grant(0, 100.0 + WINDOW_MARGIN_SECONDS)
    quota.observe("resolvers", RateLimit("resolvers", 10**6, 100.0, 10**6, WINDOW))
    assert quota.take("resolvers", None, 0.0).count == MAX_GRANT


def test_the_next_window_opens_a_second_after_the_end(rows: Rows, quota: SharedQuota) -> None:
    quota.observe("api", stated(left=0))
    rows.now += 100.5
    assert quota.take("api", None, 0.0) == Grant(0, 0.5)
    rows.now += 0.5
    assert quota.take("api", None, 0.0) == Grant(QUOTA // SHARE_OF_A_GRANT, WINDOW - WINDOW_MARGIN_SECONDS)
    rows.now += 2 * WINDOW
    assert quota.take("api", None, 0.0).is_probe, "nothing is known after a pause of a whole window"


def test_the_smallest_number_of_a_window_counts(rows: Rows, quota: SharedQuota) -> None:
    quota.observe("api", stated(left=400))
    assert quota.take("api", stated(left=90), 0.0).count == 90 // SHARE_OF_A_GRANT
    quota.observe("api", stated(left=399))
    assert rows.states["api"].remaining == 85
    rows.now += 100.0 + WINDOW_MARGIN_SECONDS
    assert quota.take("api", stated(left=3), 5.0).count == QUOTA // SHARE_OF_A_GRANT, "a response of the last window"


def test_a_refusal_closes_the_bucket_for_all_and_then_one_request_goes(rows: Rows, quota: SharedQuota) -> None:
    quota.observe("api", stated(left=400))
    quota.close("api", 20.0)
    quota.close("api", 5.0)
    assert quota.take("api", None, 0.0) == Grant(0, 20.0)
    rows.now += 20.0
    assert quota.take("api", None, 0.0).is_probe


def test_what_was_not_sent_is_given_back_within_the_window(rows: Rows, quota: SharedQuota) -> None:
    quota.observe("api", stated(left=400))
    quota.take("api", None, 0.0)
    quota.give_back("api", 20)
    assert rows.states["api"].remaining == 400 - 25 + 20
    rows.now += 100.0
    quota.give_back("api", 5)
    assert rows.states["api"].remaining == 395


def test_without_a_stated_quota_or_a_server_nobody_waits(rows: Rows, quota: SharedQuota) -> None:
    quota.observe("api", None)
    assert quota.take("api", None, 0.0) == Grant(None, UNLIMITED_SECONDS)
    rows.is_away = True
    quota.close("api", 5.0)
    assert quota.take("api", None, 0.0) == Grant(None, UNLIMITED_SECONDS)


# ---- pacers ---------------------------------------------------------------------------------------------------------


def send(pacer: Pacer, left: int, status: int = 200) -> None:
    pacer.acquire("api")
    pacer.on_response("api", status, stated(left))


def test_two_pacers_send_no_more_than_is_left_for_both(rows: Rows) -> None:
    """The Hub states 40 after the first request; each pacer alone would send 40 more."""
    one, two = (Pacer(budget=41, clock=lambda: rows.now) for _ in range(2))
    with one.share(SharedQuota(rows)), two.share(SharedQuota(rows)):
        send(one, 40)
        for left in range(39, -1, -1):
            send(one if left % 3 else two, left)
        assert rows.states["api"].remaining == 0
        assert SharedQuota(rows).take("api", None, 0.0).count == 0


def test_a_pacer_gives_back_what_it_did_not_send(rows: Rows) -> None:
    pacer = Pacer(clock=lambda: rows.now)
    with pacer.share(SharedQuota(rows)):
        send(pacer, 320)
        send(pacer, 319)
        assert rows.states["api"].remaining == 320 - 320 // SHARE_OF_A_GRANT
    assert rows.states["api"].remaining == 319
    send(pacer, 318)
    assert rows.states["api"].remaining == 319, "outside of the block it does not ask"


def test_a_429_of_one_pacer_is_known_to_the_other(rows: Rows) -> None:
    one, two = (Pacer(max_time=1.0, clock=lambda: rows.now) for _ in range(2))
    with one.share(SharedQuota(rows)), two.share(SharedQuota(rows)):
        send(one, 400)
        send(two, 399)
        one.acquire("api")
        one.on_response("api", 429, None, retry_after=60.0)
    assert rows.states["api"].closed_until == rows.now + 60.0

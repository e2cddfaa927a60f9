"""What workers ask is counted, for the crawl and for each piece of work."""

from __future__ import annotations

from crawler.hub import Counters
from crawler.samplehub import SampleHub
from tests.crawler.hubs import hub_of, small_catalog


def test_what_a_thread_asks_is_counted_for_itself_and_for_all() -> None:
    counters = Counters()
    counters.asked("list")
    with SampleHub(catalog=small_catalog(1)) as sample:
        hub = hub_of(sample)
        with hub.counted() as usage:
            hub.greet()
        hub.greet()
        assert (usage.api_requests, hub.counters.api_requests) == (1, 2)
        assert usage.bytes_read * 2 == hub.counters.bytes_read
        counters.add(usage)
    assert counters.api_requests == 2

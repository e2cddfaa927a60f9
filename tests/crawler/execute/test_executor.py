"""What workers ask is counted, for the crawl and for each piece of work."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from crawler.errors import ClusterError, RepoError
from crawler.execute.executor import DaskExecutor, Done
from crawler.sources.huggingface.usage import RequestCounters
from samplehub import SampleHub
from tests.crawler.hubs import hub_of, small_catalog


def test_what_a_thread_asks_is_counted_for_itself_and_for_all() -> None:
    counters = RequestCounters()
    counters.count_request("list")
    with SampleHub(catalog=small_catalog(1)) as sample:
        hub = hub_of(sample)
        with hub.counted() as usage:
            hub.check_connection()
        hub.check_connection()
        assert (usage.api_requests, hub.counters.api_requests) == (1, 2)
        assert usage.bytes_read * 2 == hub.counters.bytes_read
        counters.add(usage)
    assert counters.api_requests == 2


class Client:
    """As much of Dask's client as an executor takes: work that ends as the test says."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def get_executor(self, pure: bool) -> Client:
        return self

    def submit(self, *_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(self.error)
        return future

    def shutdown(self, wait: bool) -> None: ...

    def subscribe_topic(self, topic: str, handler: Any) -> None: ...

    def unsubscribe_topic(self, topic: str) -> None: ...

    def nthreads(self) -> dict[str, int]:
        return {"tcp://worker": 1}


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (TypeError(f"exception {Done(value=1)!r} is none"), RepoError, "went before its result was handed on"),
        (TypeError("unhashable type"), ClusterError, "unhashable"),
        (ImportError("no module named analysis.new"), ClusterError, "does not run the same hf-catalog"),
        (OSError("connection reset"), ClusterError, "connection reset"),
    ],
)
def test_what_goes_wrong_in_a_cluster_is_a_visit_to_repeat_or_the_end(
    error: BaseException, kind: type[Exception], said: str
) -> None:
    pytest.importorskip("distributed")
    with SampleHub(catalog=small_catalog(1)) as sample:
        cluster = DaskExecutor(Client(error), "tcp://127.0.0.1:1", hub_of(sample))
        try:
            with pytest.raises(kind, match=said):
                cluster.submit(print).result(5)
        finally:
            cluster.shutdown()

"""Who does the visits: a concurrent.futures.Executor, threads here, a Dask cluster there.

On a cluster each process has its own door to the Hub and its own pacer, both fed by the Hub's answers; each leaves as
many requests unused at the end of a window as the others may have under way, so that all of them together stay inside
one quota. No token travels: a worker that is to use one has it in its own environment.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from crawler.hub import Hub
from crawler.pace import Pacer


@contextmanager
def workers(count: int, cluster: str | None = None) -> Iterator[Executor]:
    """An executor of so many threads, or the cluster of the Dask scheduler at an address."""
    if cluster is None:
        pool = ThreadPoolExecutor(count, "visit")
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return
    from distributed import Client

    with Client(cluster) as client:  # type: ignore[no-untyped-call]
        threads = sum(client.nthreads().values())
        yield Cluster(client.get_executor(pure=False), threads)


class Cluster(Executor):
    """Dask's executor for functions whose first argument is the Hub: there they get one of their own process."""

    def __init__(self, inner: Executor, threads: int) -> None:
        self._inner = inner
        self._threads = threads

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        hub: Hub = args[0]
        told: Future[Any] = Future()
        there = self._inner.submit(elsewhere, fn, hub.place, self._threads, *args[1:], **kwargs)
        there.add_done_callback(functools.partial(_pass_on, hub, told))
        return told


def _pass_on(hub: Hub, told: Future[Any], there: Future[Any]) -> None:
    """The result to whoever waits for it; what it cost to our own counters."""
    if there.cancelled():
        told.cancel()
        told.set_running_or_notify_cancel()
        return
    if not told.set_running_or_notify_cancel():
        return
    error = there.exception()
    if error is not None:
        told.set_exception(error)
        return
    result, usage = there.result()
    hub.counters.add(usage)
    hub.pacer.charge(usage.api_requests + usage.resolver_requests)
    told.set_result(result)


def elsewhere(fn: Callable[..., Any], place: tuple[Any, ...], threads: int, *args: Any, **kwargs: Any) -> Any:
    """Runs in a worker's process: (result, what it cost)."""
    hub = door(place, threads)
    with hub.counted() as usage:
        result = fn(hub, *args, **kwargs)
    return result, usage


@functools.lru_cache(maxsize=4)
def door(place: tuple[Any, ...], threads: int) -> Hub:
    """This process's door to a Hub."""
    endpoint, timeout, tries, backoff = place
    return Hub(endpoint, pacer=Pacer(reserve=threads), timeout=timeout, tries=tries, backoff=backoff)

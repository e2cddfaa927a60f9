"""Who does the visits: a concurrent.futures.Executor, threads here, a Dask cluster there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager


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

    with Client(cluster) as client:
        yield client.get_executor(pure=False)

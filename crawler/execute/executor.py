"""Where the work of a crawl is done: requests by threads of this process, labels also by workers of a Dask cluster.

A cluster's workers compute and do nothing else. They are sent a function of this program with its arguments and return
its result; they get no token, no quota and no connection to the Hub, so one process fetches whatever the size of the
cluster. A result that does not come back (the worker died, the scheduler is gone, no worker is left) is computed in
this process: losing a cluster costs time and no data.

Addresses: `local:N` starts N processes on this machine, reachable over loopback only, with TLS and credentials that
exist in memory for as long as the cluster runs. `tls://host:8786` uses the certificates of Dask's own configuration
(https://distributed.dask.org/en/stable/tls.html). Anyone who can talk to a scheduler over `tcp://` can run code in this
process, so such an address is only accepted with `insecure`.
"""

from __future__ import annotations

import logging
import pickle
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from analysis.vocabulary.vocabulary import vocabulary
from crawler.child_process import TOKENS
from crawler.errors import ClusterError
from crawler.execute.end_process import REQUEST_THREADS
from crawler.execute.gc_tuning import tune_gc
from crawler.sources.pacer import Pacer

CLUSTER_ADDRESS = re.compile(r"(?:tcp|tls|ws|wss)://[^\s/@]+:\d{1,5}|local:[1-9]\d?")
ENCRYPTED = ("local:", "tls://", "wss://")

CONNECT_TIMEOUT_SECONDS = 30.0
"""How long to wait for the scheduler, and then for its first worker."""

NO_WORKERS_TIMEOUT_SECONDS = 60.0
"""How long a cluster may be without any worker before it is abandoned."""

WORKER_POLL_SECONDS = 2.0
"""How often the cluster is asked for its workers."""

MAX_ERROR_CHARS = 300

DASK_CONFIG = {
    "distributed.admin.large-graph-warning-threshold": "1GB",  # a page of the listing is megabytes
    "distributed.nanny.pre-spawn-environ.PYTHONSAFEPATH": "1",  # imports nothing from the current directory
    "distributed.scheduler.http.routes": [],  # pages that anybody on this machine could read
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
}


def parse_cluster_address(text: str) -> str:
    """The address of a cluster, without surrounding blanks. Raises ValueError where it is not one."""
    if not CLUSTER_ADDRESS.fullmatch(text.strip()):
        raise ValueError(text)
    return text.strip()


@contextmanager
def open_threads(count: int, pacer: Pacer) -> Iterator[Executor]:
    """An executor of `count` threads; on exit it waits for the calls that run and cancels those that do not yet.

    Once the crawl is to end it does not wait: a call that is stuck must not keep it from ending.
    """
    pool = ThreadPoolExecutor(count, REQUEST_THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=pacer.stop_reason is None, cancel_futures=True)


@contextmanager
def open_executor(cluster: str | None, *, insecure: bool = False) -> Iterator[DaskExecutor | None]:
    """The executor of the cluster at an address; None where there is no cluster, and the caller computes by itself.

    Raises ClusterError where the cluster can't be reached, has no workers, or has an address that is not encrypted
    though `insecure` does not allow it.
    """
    if cluster is None:
        yield None
        return
    if not insecure and not cluster.startswith(ENCRYPTED):
        why = "its connections are neither encrypted nor authenticated: use tls://, or --insecure on a trusted network"
        raise ClusterError(cluster, why)
    with open_dask_client(cluster) as client:
        executor = DaskExecutor(client, cluster)
        try:
            yield executor
        finally:
            executor.shutdown()


@contextmanager
def open_dask_client(cluster: str) -> Iterator[Any]:
    """Dask's client of a cluster; a local cluster starts and ends with it. Raises ClusterError."""
    import dask
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    with ExitStack() as stack:
        stack.enter_context(dask.config.set(DASK_CONFIG))
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))  # what goes wrong is reported once, by us
        security, address = None, cluster
        if cluster.startswith("local:"):
            local = stack.enter_context(open_local_cluster(int(cluster.removeprefix("local:"))))
            security, address = local.security, local.scheduler_address
        try:
            client = stack.enter_context(
                Client(  # type: ignore[no-untyped-call]
                    address, timeout=CONNECT_TIMEOUT_SECONDS, security=security, set_as_default=False
                )
            )
            client.wait_for_workers(1, timeout=CONNECT_TIMEOUT_SECONDS)
        except (OSError, ValueError, TypeError) as error:  # TypeError: tls:// without any certificate
            why = "it has no workers" if isinstance(error, TimeoutError) else "no Dask scheduler answers there"
            raise ClusterError(cluster, why) from error
        yield client


@contextmanager
def open_local_cluster(processes: int) -> Iterator[Any]:
    """Dask's LocalCluster of one thread a process: labelling is all computation, and one Python uses one core."""
    from distributed import LocalCluster
    from distributed.security import Security

    with (
        TemporaryDirectory(prefix="hf-catalog-", ignore_cleanup_errors=True) as folder,
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=processes,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            security=Security.temporary(),  # type: ignore[no-untyped-call]
            silence_logs=logging.CRITICAL,
            local_directory=folder,
            preload=["crawler.execute.executor"],
            env=dict.fromkeys(TOKENS, ""),
        ) as local,
    ):
        yield local


def dask_setup(worker: Any) -> None:
    """Dask calls this in each worker of a local cluster: Ctrl-C is for the crawl, which ends its workers itself."""
    with suppress(ValueError):  # raised outside the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class DaskExecutor(Executor):
    """Runs pure functions on the workers of a cluster, and in this process what the cluster does not return.

    Attributes:
        lost: why the cluster is not used any more; None as long as it is.
    """

    def __init__(self, client: Any, address: str) -> None:
        self.lost: str | None = None
        self._client, self._address = client, address
        self._inner = client.get_executor(pure=False)
        self._here = ThreadPoolExecutor(1, "cluster-fallback")
        self._lock = threading.Lock()  # never held while Dask is called: its own thread takes it too
        self._pending: dict[Future[Any], Callable[[], Any]] = {}
        self._workers_seen_at = monotonic()
        self._closed = threading.Event()
        threading.Thread(target=self._watch_workers, name="cluster-workers", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a module-level function, whose arguments and result can be pickled, and which may run twice.

        The future raises what the function raises, and ClusterError where the workers run another version of this
        program or of its vocabulary: their labels would differ from those made here.
        """
        outer: Future[Any] = Future()
        outer.set_running_or_notify_cancel()
        with self._lock:
            self._pending[outer] = partial(fn, *args, **kwargs)
        if self.lost is not None:
            self._compute_here(outer)
            return outer
        try:
            inner = self._inner.submit(run_task, vocabulary().digest, pickle.dumps((fn, args, kwargs)))
        except Exception as error:  # Dask's client has closed itself
            self._abandon(one_line_error(error))
        else:
            inner.add_done_callback(partial(self._on_done, outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed.set()
        with suppress(Exception):  # the scheduler may be gone
            self._inner.shutdown(wait=False)
        self._here.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _on_done(self, outer: Future[Any], inner: Future[Any]) -> None:
        if inner.cancelled():  # by Dask alone, when it loses its connection
            self._abandon("the connection to its scheduler was lost")
            return
        error = inner.exception()
        if error is None:
            if self._take(outer) is not None:
                outer.set_result(inner.result())
        elif isinstance(error, OtherVersion | ImportError) or "deserializ" in str(error):
            if self._take(outer) is not None:
                why = f"its workers run another version of hf-catalog: {one_line_error(error)}"
                outer.set_exception(ClusterError(self._address, why))
        else:  # workers died over it, or the function raised, which it then does here too
            self._compute_here(outer)

    def _take(self, outer: Future[Any]) -> Callable[[], Any] | None:
        """The call behind a pending future, for the one who settles it; None where it was taken before."""
        with self._lock:
            return self._pending.pop(outer, None)

    def _compute_here(self, outer: Future[Any]) -> None:
        call = self._take(outer)
        if call is not None:
            with suppress(RuntimeError):  # shut down: the result is not needed
                self._here.submit(settle, outer, call)

    def _watch_workers(self) -> None:
        while not self._closed.wait(WORKER_POLL_SECONDS):
            self.check_workers(monotonic())

    def check_workers(self, now: float) -> None:
        """Abandons the cluster where it has had no worker for too long; `now` is seconds of the monotonic clock."""
        try:
            workers = self._client.nthreads()
        except Exception:
            workers = {}
        if workers:
            self._workers_seen_at = now
        elif now - self._workers_seen_at > NO_WORKERS_TIMEOUT_SECONDS:
            self._abandon(f"it has had no workers for {NO_WORKERS_TIMEOUT_SECONDS:.0f} s")

    def _abandon(self, why: str) -> None:
        """Computes all that is pending, and all that is still to come, in this process."""
        if self._closed.is_set():
            return
        self.lost = self.lost or f"the cluster {self._address} was abandoned and its work done here: {why}"
        with self._lock:
            pending = list(self._pending)
        for outer in pending:
            self._compute_here(outer)


def settle(future: Future[Any], call: Callable[[], Any]) -> None:
    """Makes a call and gives its result, or what it raises, to a future."""
    try:
        future.set_result(call())
    except Exception as error:
        future.set_exception(error)


def one_line_error(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:MAX_ERROR_CHARS]


# ---- in a worker's process -----------------------------------------------------------------------------------------


class OtherVersion(Exception):
    """A worker has other modules or another vocabulary than the process that sent it a task."""


def run_task(vocabulary_digest: str, task: bytes) -> Any:
    """Runs a pickled (function, arguments, keyword arguments). Raises OtherVersion, and what the function raises."""
    tune_gc_once()
    if vocabulary().digest != vocabulary_digest:
        raise OtherVersion("its vocabulary differs")
    try:
        function, args, kwargs = pickle.loads(task)  # noqa: S301  # from the crawl: a worker runs what it is sent
    except (ImportError, AttributeError, TypeError) as error:
        raise OtherVersion(one_line_error(error)) from None
    return function(*args, **kwargs)


@cache
def tune_gc_once() -> None:
    """Sets this process's garbage collector as a crawl's is set (crawler.execute.gc_tuning)."""
    tune_gc()

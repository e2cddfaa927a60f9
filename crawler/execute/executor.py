"""Who does the work: a concurrent.futures.Executor, threads of this process or the workers of a Dask cluster.

A cluster is the scheduler at an address (`tcp://host:8786`) or so many processes of this machine (`local:4`). Whatever
the pipeline hands to the executor goes there pickled, the Hub left out: each worker's process opens a door of its own
and asks this process's pacer for every request (crawler.execute.desk), so that all of them together keep within one
quota. Questions travel as events of a topic, answers through a queue of the thread that asked, both by way of the
scheduler: workers need reach nobody else. What the Hub was asked comes back with each result. No token travels: a
worker takes it from its own environment, and is refused where it is not this crawl's.
"""

from __future__ import annotations

import gc
import logging
import pickle
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, partial
from itertools import count
from secrets import token_hex
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

from analysis.vocabulary.vocabulary import vocabulary
from crawler.errors import ClusterError, CrawlError, CrawlStopped, RepoError
from crawler.execute.desk import Desk, FarPacer, heard
from crawler.execute.gc_tuning import GC_THRESHOLDS

if TYPE_CHECKING:
    from crawler.sources.huggingface.client import HubClient
    from crawler.sources.huggingface.usage import Usage

ADDRESS = re.compile(r"(?:tcp|tls|ws|wss)://[^\s/@]+:\d{1,5}|local:[1-9]\d?")

CONFIG = {
    "distributed.admin.large-graph-warning-threshold": "1GB",  # a repo of 100,000 files is no reason for a word
    "distributed.worker.profile.enabled": False,
}

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for the scheduler, and for its first worker."""

NO_WORKERS_TIMEOUT = 60.0
"""Seconds without any worker after which the work is given up."""

WORKER_POLL_INTERVAL = 2.0
"""Seconds from one look at the workers to the next."""

SILENCE = 60.0
"""Seconds without a word after which a worker believes that the crawl is no more."""


def parse_cluster_address(text: str) -> str:
    """An address of a cluster. Raises ValueError for what is none."""
    if not ADDRESS.fullmatch(text.strip()):
        raise ValueError(text)
    return text.strip()


@contextmanager
def open_executor(threads: int, cluster: str | None = None, hub: HubClient | None = None) -> Iterator[Executor]:
    """An executor of so many threads here, or of a cluster; `hub` is the one that the work is handed.

    Raises ClusterTrouble where there is no such cluster.
    """
    if cluster is None:
        pool = ThreadPoolExecutor(threads, "visit")
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return
    with open_dask_client(cluster, threads, hub) as client, DaskExecutor(client, cluster, hub) as executor:
        yield executor


@contextmanager
def open_dask_client(cluster: str, threads: int, hub: HubClient | None) -> Iterator[Any]:
    """Dask's client of a cluster; a local one is started and ended with it."""
    import dask
    from distributed import Client
    from distributed.utils import silence_logging_cmgr

    with ExitStack() as stack:
        stack.enter_context(dask.config.set(CONFIG))
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))  # what goes wrong is told by us, once
        address = stack.enter_context(local_cluster(cluster, threads, hub)) if cluster.startswith("local:") else cluster
        try:
            asked = Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)  # type: ignore[no-untyped-call]
            client = stack.enter_context(asked)
            client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
        except (OSError, ValueError) as error:
            why = "it has no workers" if isinstance(error, TimeoutError) else "no Dask scheduler answers there"
            raise ClusterError(cluster, why) from error
        yield client


@contextmanager
def local_cluster(cluster: str, threads: int, hub: HubClient | None) -> Iterator[str]:
    """Processes of this machine that share the threads among them; yields their scheduler's address."""
    from distributed import LocalCluster

    processes = int(cluster.removeprefix("local:"))
    given = {} if hub is None or hub.explicit_token is None else {"HF_TOKEN": hub.explicit_token}
    with (
        TemporaryDirectory(prefix="hf-catalog-", ignore_cleanup_errors=True) as folder,
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=processes,
            threads_per_worker=-(-threads // processes),
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            local_directory=folder,
            preload=["crawler.execute.executor"],
            env=given,
        ) as started,
    ):
        yield started.scheduler_address


def dask_setup(worker: Any) -> None:
    """Dask calls this in each local worker: Ctrl-C is for the crawl, which ends them itself."""
    import signal

    with suppress(ValueError):  # no main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


# ---- here: what is sent, and what comes back -----------------------------------------------------------------------


class Stand(Enum):
    """Stands where the worker's own Hub goes."""

    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Door:
    """What a worker's process opens its Hub by; holds no secret."""

    crawl: str  # the topic of its questions, and the salt of `token`
    cluster: str
    place: tuple[Any, ...]
    token: str | None  # fingerprint; None: no token
    vocabulary: str


@dataclass(frozen=True, slots=True)
class Done:
    """How a piece of work ended, and what it asked of the Hub."""

    value: Any = None
    error: BaseException | None = None
    usage: Usage | None = None


class DaskExecutor(Executor):
    """Dask's workers as an executor. Work under way can't be cancelled: it ends by the pacer, as threads' work does."""

    def __init__(self, client: Any, address: str, hub: HubClient | None) -> None:
        self._client, self._address, self._hub = client, address, hub
        self._inner = client.get_executor(pure=False)
        self._lock = threading.Lock()  # never held while Dask is asked: its own thread takes it too
        self._pending: set[Future[Any]] = set()
        self._queues: dict[str, Any] = {}
        self._answering = threading.Lock()
        self._askers: dict[str, str] = {}  # a worker's address -> the process that was last heard from there
        self._ended = threading.Event()
        self._lost: ClusterError | None = None  # why there is no cluster any more
        self._door: Door | None = None
        self._desk: Desk | None = None
        if hub is not None:
            crawl = f"hf-catalog-{token_hex(8)}"
            self._door = Door(crawl, address, hub.place, hub.fingerprint(crawl), vocabulary().digest)
            self._desk = Desk(hub.pacer, self._send)
            client.subscribe_topic(crawl, lambda event: self._asked(event[1]))
        threading.Thread(target=self._watch, name="cluster", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        sent = pickle.dumps((fn, [Stand.HUB if each is self._hub is not None else each for each in args], kwargs))
        outer: Future[Any] = Future()
        outer.set_running_or_notify_cancel()
        if self._lost is not None:
            outer.set_exception(self._lost)
            return outer
        with self._lock:
            self._pending.add(outer)
        inner = self._inner.submit(work, self._door, sent)
        inner.add_done_callback(partial(self._arrived, outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._ended.set()
        with suppress(Exception):  # the scheduler may be gone
            self._inner.shutdown(wait=False)
            if self._door is not None:
                self._client.unsubscribe_topic(self._door.crawl)
            for queue in self._queues.values():
                queue.close()

    def _arrived(self, outer: Future[Any], inner: Future[Any]) -> None:
        with self._lock:
            self._pending.discard(outer)
        try:
            if inner.cancelled():  # by Dask alone, when its connection breaks
                self._give_up("the connection to its scheduler is lost")
            done = Done(error=self._lost) if self._lost is not None else inner.result()
        except BaseException as error:  # Dask's own: the work itself returns what went wrong with it
            done = Done(error=self._troubled(error))
        if done.usage is not None and self._hub is not None:
            self._hub.counters.add(done.usage)
        with suppress(InvalidStateError):  # it was given up before
            outer.set_exception(done.error) if done.error is not None else outer.set_result(done.value)

    def _troubled(self, error: BaseException) -> Exception:
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker) and self._hub is not None:
            return RepoError("failed", f"{error.allowed_failures + 1} workers in a row died over it")
        if isinstance(error, TypeError) and Done.__name__ in str(error) and self._hub is not None:
            # Dask's executor takes a result for an exception where its worker or scheduler goes in that very moment.
            return RepoError("failed", "its worker went before its result was handed on")
        if isinstance(error, ImportError) or "deserializ" in str(error):
            return ClusterError(self._address, f"it does not run the same hf-catalog: {one_line_error(error)}")
        return ClusterError(self._address, one_line_error(error))

    def _asked(self, ask: Any) -> None:
        if self._desk is not None and not self._ended.is_set():
            self._askers[ask[2].partition(" ")[2]] = ask[2]
            self._desk.take(ask)

    def _send(self, place: str, answer: Any) -> None:
        with suppress(Exception):  # the worker, the scheduler or the crawl is no more: nobody waits
            with self._answering:
                queue = self._queues.get(place)
                if queue is None:
                    queue = self._queues[place] = queue_of(place, self._client)
            queue.put(answer)

    def _watch(self) -> None:
        """Looks after the workers: settles for those that died, gives the work up when there is none left."""
        seen = monotonic()
        while not self._ended.wait(WORKER_POLL_INTERVAL):
            try:
                alive = self._client.nthreads()
            except Exception:
                alive = {}
            if alive:
                seen = monotonic()
            if self._desk is not None:
                self._desk.settle({self._askers.get(address, "") for address in alive})
                self._desk.reassure()
            if monotonic() - seen > NO_WORKERS_TIMEOUT:
                self._give_up(f"it has had no workers for {NO_WORKERS_TIMEOUT:.0f} s")

    def _give_up(self, why: str) -> None:
        """Ends all work that is under way, and takes no more."""
        self._lost = self._lost or ClusterError(self._address, why)
        with self._lock:
            pending, self._pending = self._pending, set()
        for future in pending:
            with suppress(InvalidStateError):
                future.set_exception(self._lost)


def queue_of(name: str, client: Any = None) -> Any:
    """The scheduler's queue of a name; `client` is the one to ask it by, None for a worker's own."""
    from distributed import Queue

    return Queue(name, client=client)  # type: ignore[no-untyped-call]


def one_line_error(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


# ---- there: in a worker's process ----------------------------------------------------------------------------------


def work(door: Door | None, sent: bytes) -> Done:
    """Does what was sent, with this process's Hub where the crawl's own stood."""
    tune_gc_once()
    try:
        hub = None if door is None else hub_behind(door)
        function, arguments, named = pickle.loads(sent)  # noqa: S301  # from the crawl; a worker runs whatever is sent
        ready = [hub if each is Stand.HUB else each for each in arguments]
    except CrawlError as error:
        return Done(error=error)
    if hub is None:
        return run_task(function, ready, named)
    with hub.counted() as usage:
        done = run_task(function, ready, named)
    return replace(done, usage=usage)


@cache
def tune_gc_once() -> None:
    """Sets this process's collector as a crawl's is set (crawler.execute.gc_tuning): a third of the work's time is
    saved.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def run_task(function: Callable[..., Any], arguments: Sequence[Any], named: dict[str, Any]) -> Done:
    try:
        return Done(function(*arguments, **named))
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301  # just made
        except Exception:
            return Done(error=RuntimeError(one_line_error(error)))
        return Done(error=error)


_hubs: dict[str, HubClient] = {}
_opening = threading.Lock()


def hub_behind(door: Door) -> HubClient:
    """This process's door to the Hub of a crawl, opened once. Raises ClusterTrouble where it would not be the same."""
    with _opening:
        if door.crawl not in _hubs:
            hub = opened(door)
            while len(_hubs) > 3:
                del _hubs[next(iter(_hubs))]
            _hubs[door.crawl] = hub
        return _hubs[door.crawl]


def opened(door: Door) -> HubClient:
    from distributed import get_worker

    from crawler.sources.huggingface.client import HubClient

    here = str(get_worker().address)
    if vocabulary().digest != door.vocabulary:
        raise ClusterError(door.cluster, f"its worker {here} labels by another vocabulary than this hf-catalog")
    endpoint, timeout, tries, backoff = door.place
    pacer = FarPacer(partial(ask, door.crawl, f"{_process} {here}"), partial(tell, door.crawl, f"{_process} {here}"))
    hub = HubClient(
        endpoint, False if door.token is None else None, pacer, timeout=timeout, tries=tries, backoff=backoff
    )
    if hub.fingerprint(door.crawl) != door.token:
        found = "another token than" if hub.has_token else "no token, unlike"
        raise ClusterError(door.cluster, f"its worker {here} has {found} this crawl: set HF_TOKEN there")
    return hub


_here = threading.local()
_process = f"hf-catalog-{token_hex(8)}"


def ask(crawl: str, who: str, what: str, *arguments: Any) -> Any:
    """Asks the crawl's pacer, and waits for its answer. Raises what that says, and Stopped where nobody answers."""
    from distributed import get_worker

    if not hasattr(_here, "queue"):
        _here.queue, _here.numbers = queue_of(f"{_process}-{threading.get_ident()}"), count()
    number = next(_here.numbers)
    get_worker().log_event(crawl, (_here.queue.name, number, who, what, arguments))
    while True:
        try:
            answered, kind, value = _here.queue.get(timeout=SILENCE)
        except TimeoutError:
            raise CrawlStopped("the crawl that this work is for does not answer") from None
        if answered == number and kind != "wait":
            return heard(kind, value)


def tell(crawl: str, who: str, what: str, *arguments: Any) -> None:
    """Tells the crawl's pacer."""
    from distributed import get_worker

    get_worker().log_event(crawl, ("", 0, who, what, arguments))

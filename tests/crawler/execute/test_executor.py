"""The executor of a cluster: what the cluster does not return is computed in this process.

Dask is replaced by a client whose tasks end as each test says, so that nothing here waits for processes to die.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from analysis.vocabulary.vocabulary import vocabulary
from crawler.errors import ClusterError
from crawler.execute import executor as executor_module
from crawler.execute.executor import (
    DaskExecutor,
    OtherVersion,
    open_executor,
    open_threads,
    parse_cluster_address,
    run_task,
)
from crawler.sources.pacer import Pacer

ADDRESS = "tls://scheduler.example:8786"


class FakeClient:
    """The methods of distributed.Client that DaskExecutor calls; a test settles the futures itself."""

    def __init__(self) -> None:
        self.tasks: list[tuple[Any, ...]] = []
        self.futures: list[Future[Any]] = []
        self.workers: dict[str, int] | OSError = {"tls://worker:1": 1}
        self.closed = False

    def get_executor(self, pure: bool) -> FakeClient:
        assert not pure, "equal calls must not share one result"
        return self

    def submit(self, *task: Any) -> Future[Any]:
        if self.closed:
            raise RuntimeError("Client is closed. Can't send update-graph message.")
        self.tasks.append(task)
        self.futures.append(Future())
        return self.futures[-1]

    def nthreads(self) -> dict[str, int]:
        if isinstance(self.workers, OSError):
            raise self.workers
        return self.workers

    def shutdown(self, wait: bool) -> None: ...


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def cluster(client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaskExecutor]:
    monkeypatch.setattr(executor_module, "WORKER_POLL_SECONDS", 3600.0)  # tests call check_workers themselves
    executor = DaskExecutor(client, ADDRESS)
    yield executor
    executor.shutdown()


def double(number: int, *, plus: int = 0) -> int:
    return 2 * number + plus


def fail() -> None:
    raise LookupError("as the function says")


# ---- results -------------------------------------------------------------------------------------------------------


def test_a_result_of_the_cluster_is_the_futures_result(cluster: DaskExecutor, client: FakeClient) -> None:
    future = cluster.submit(double, 4, plus=1)
    client.futures[0].set_result("of the worker")
    assert future.result() == "of the worker"
    assert client.tasks[0][:2] == (run_task, vocabulary().digest)
    assert cluster.lost is None


def test_a_task_runs_its_function_on_a_worker() -> None:
    assert run_task(vocabulary().digest, pickle.dumps((double, (4,), {"plus": 1}))) == 9


def break_by_worker(client: FakeClient) -> None:
    client.futures[0].set_exception(RuntimeError("KilledWorker: 4 workers died over it"))


def break_by_connection(client: FakeClient) -> None:
    client.futures[0].cancel()
    client.futures[0].set_running_or_notify_cancel()


@pytest.mark.parametrize("break_task", [break_by_worker, break_by_connection])
def test_a_result_that_does_not_come_back_is_computed_here(
    cluster: DaskExecutor, client: FakeClient, break_task: Callable[[FakeClient], None]
) -> None:
    future = cluster.submit(double, 4, plus=1)
    break_task(client)
    assert future.result() == 9


def test_an_error_of_the_function_is_raised_as_it_is(cluster: DaskExecutor, client: FakeClient) -> None:
    future = cluster.submit(fail)
    client.futures[0].set_exception(LookupError("as the function says"))
    with pytest.raises(LookupError, match="as the function says"):
        future.result()


# ---- when the cluster is abandoned ----------------------------------------------------------------------------------


def test_after_a_lost_connection_everything_is_computed_here(cluster: DaskExecutor, client: FakeClient) -> None:
    futures = [cluster.submit(double, number) for number in range(3)]
    break_by_connection(client)
    futures.append(cluster.submit(double, 3))
    assert [future.result() for future in futures] == [0, 2, 4, 6]
    assert len(client.tasks) == 3, "the last one was not sent"
    assert "connection to its scheduler was lost" in (cluster.lost or "")


def test_a_client_that_has_closed_itself_is_abandoned(cluster: DaskExecutor, client: FakeClient) -> None:
    client.closed = True
    assert cluster.submit(double, 4).result() == 8
    assert "Client is closed" in (cluster.lost or "")


@pytest.mark.parametrize("workers", [{}, OSError("no scheduler")])
def test_a_cluster_without_workers_is_abandoned_after_a_minute(
    cluster: DaskExecutor, client: FakeClient, workers: dict[str, int] | OSError
) -> None:
    future = cluster.submit(double, 4)
    cluster.check_workers(now=1000.0)
    client.workers = workers
    cluster.check_workers(now=1059.0)
    assert cluster.lost is None and not future.done(), "workers may come back"
    cluster.check_workers(now=1061.0)
    assert future.result() == 8
    assert "no workers for 60 s" in (cluster.lost or "")


def test_a_result_that_arrives_after_the_cluster_was_abandoned_is_ignored(
    cluster: DaskExecutor, client: FakeClient
) -> None:
    future = cluster.submit(double, 4)
    cluster.check_workers(now=1000.0)
    client.workers = {}
    cluster.check_workers(now=1061.0)
    client.futures[0].set_result("late")
    assert future.result() == 8


# ---- workers of another version ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OtherVersion("its vocabulary differs"),
        ImportError("No module named 'crawler'"),
        RuntimeError("Error during deserialization of the task graph"),
    ],
)
def test_workers_of_another_version_are_refused(cluster: DaskExecutor, client: FakeClient, error: Exception) -> None:
    future = cluster.submit(double, 4)
    client.futures[0].set_exception(error)
    with pytest.raises(ClusterError, match=rf"{ADDRESS}: its workers run another version of hf-catalog"):
        future.result()


def test_a_worker_refuses_tasks_of_another_vocabulary_or_unknown_functions() -> None:
    with pytest.raises(OtherVersion, match="vocabulary"):
        run_task("digest of another vocabulary", pickle.dumps((double, (4,), {})))
    unknown = pickle.dumps((double, (4,), {})).replace(b"double", b"triple")
    with pytest.raises(OtherVersion, match="triple"):
        run_task(vocabulary().digest, unknown)


# ---- addresses and threads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:8786", "tls://scheduler.example:8786", "local:2", " local:16 "])
def test_valid_addresses(text: str) -> None:
    assert parse_cluster_address(text) == text.strip()


@pytest.mark.parametrize("text", ["", "local", "local:0", "scheduler:8786", "tcp://host", "tcp://me:secret@host:1"])
def test_invalid_addresses(text: str) -> None:
    with pytest.raises(ValueError):
        parse_cluster_address(text)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "ws://scheduler.example:8786"])
def test_a_cluster_without_encryption_is_refused_unless_allowed(address: str) -> None:
    with pytest.raises(ClusterError, match="neither encrypted nor authenticated"), open_executor(address):
        raise AssertionError("it was opened")


def test_without_a_cluster_there_is_no_executor() -> None:
    with open_executor(None) as executor:
        assert executor is None


def test_threads_that_did_not_start_their_call_are_cancelled_on_exit() -> None:
    with pytest.raises(KeyError), open_threads(1, Pacer()) as threads:
        first = threads.submit(double, 1)
        first.result()
        raise KeyError
    assert first.result() == 2

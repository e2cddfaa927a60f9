"""Labels made by the workers of a real Dask cluster: the same catalog, no token in its processes, only loopback."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.vocabulary.vocabulary import vocabulary
from crawler.cli.relabel import relabel_batches
from crawler.errors import ClusterError
from crawler.execute import executor as executor_module
from crawler.execute.executor import DaskExecutor, open_executor
from crawler.label_pages import LabelledPage, label_repos
from db.records import RepoRecord
from db.write.store import Store
from samplehub import MEMBER, SampleHub
from tests.crawler.dump import differences, dump
from tests.crawler.hubs import run_crawl, small_catalog

pytestmark = pytest.mark.timeout(600)  # each worker process imports Dask, which a busy machine does slowly
RESULT_TIMEOUT_SECONDS = 300

distributed: Any = pytest.importorskip("distributed", reason="pip install '.[cluster]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskExecutor]:
    """Two worker processes of this machine, started by a process whose environment holds a token."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", MEMBER)
        with open_executor("local:2") as executor:
            assert executor is not None
            yield executor


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog that was made without a cluster."""
    path = tmp_path_factory.mktemp("threads") / "catalog.db"
    with SampleHub(catalog=small_catalog(30)) as hub:
        run_crawl(path, hub, depth="headers", token=MEMBER)
    return path


def test_a_crawl_with_a_cluster_makes_the_same_catalog_and_prints_nothing_else(catalog: Path, tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "COV"))} | {"HF_TOKEN": MEMBER}
    db = tmp_path / "catalog.db"
    with SampleHub(catalog=small_catalog(30)) as hub:
        command = [sys.executable, "-m", "crawler.cli", "crawl", "--db", str(db), "--endpoint", hub.endpoint]
        options = ["--depth", "headers", "--cluster", "local:2", "--json"]
        run = subprocess.run([*command, *options], env=env, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout)["outcome"] == "complete"
    assert differences(catalog, db) == []


def test_pages_are_labelled_by_the_workers(cluster: DaskExecutor) -> None:
    repos = [RepoRecord(f"{at:024x}", f"acme/gemma-3-{at + 1}b-it") for at in range(5)]
    page, process = cluster.submit(label_repos_and_say_where, repos).result(RESULT_TIMEOUT_SECONDS)
    assert page == label_repos(repos)
    assert process != os.getpid()


def label_repos_and_say_where(repos: Sequence[RepoRecord]) -> tuple[LabelledPage, int]:
    return label_repos(repos), os.getpid()


def test_relabelling_on_a_cluster_equals_relabelling_here(cluster: DaskExecutor, catalog: Path, tmp_path: Path) -> None:
    digest, counts = vocabulary().digest, []
    for name, executor in (("here", None), ("cluster", cluster)):
        db = tmp_path / name
        db.write_bytes(catalog.read_bytes())
        with sqlite3.connect(db) as connection:
            connection.execute("update vocabularies set digest = 'of last year'")
            connection.execute("update repo_labels set family = 'nonsense'")
            connection.execute("update artifacts set quant = 'nonsense' where quant is not null")
        connection.close()
        with Store.open(db) as store:
            counts.append(list(relabel_batches(store, digest, executor)))
    assert counts[0] == counts[1]
    assert sum(batch.fields["family"] for batch in counts[1]) > 30
    assert dump(tmp_path / "cluster") == dump(tmp_path / "here")
    assert dump(tmp_path / "cluster")["labels"] == dump(catalog)["labels"]


def test_workers_have_no_token_and_import_nothing_from_the_current_directory(cluster: DaskExecutor) -> None:
    token, directories = cluster.submit(token_and_path).result(RESULT_TIMEOUT_SECONDS)
    assert not token
    assert "" not in directories and "." not in directories


def token_and_path() -> tuple[str | None, list[str]]:
    return os.environ.get("HF_TOKEN"), sys.path


def test_a_local_cluster_is_encrypted_and_listens_on_loopback_alone(cluster: DaskExecutor) -> None:
    info = cluster._client.scheduler_info(n_workers=-1)
    addresses = [info["address"], *info["workers"], *(worker["nanny"] for worker in info["workers"].values())]
    assert len(addresses) == 5
    assert all(address.startswith("tls://127.0.0.1:") for address in addresses), addresses
    with pytest.raises((OSError, TypeError)):
        distributed.Client(info["address"], timeout=2, set_as_default=False)


def test_a_task_whose_worker_dies_is_repeated(cluster: DaskExecutor, tmp_path: Path) -> None:
    process = cluster.submit(die_at_the_first_run, tmp_path / "ran").result(RESULT_TIMEOUT_SECONDS)
    assert process != os.getpid()
    assert cluster.lost is None


def die_at_the_first_run(marker: Path) -> int:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_work_continues_here_when_the_scheduler_is_gone() -> None:
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0", silence_logs=50
        ) as scheduler,
        open_executor(scheduler.scheduler_address, insecure=True) as executor,
    ):
        assert executor is not None
        assert executor.submit(sum, (1, 2)).result(RESULT_TIMEOUT_SECONDS) == 3
        scheduler.close(timeout=10)
        assert executor.submit(sum, (3, 4)).result(RESULT_TIMEOUT_SECONDS) == 7
        assert "was abandoned and its work done here" in (executor.lost or "")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "CONNECT_TIMEOUT_SECONDS", 0.5)
    with (
        pytest.raises(ClusterError, match=r"tcp://127.0.0.1:9: no Dask scheduler"),
        open_executor("tcp://127.0.0.1:9", insecure=True),
    ):
        raise AssertionError("it was opened")

"""What a cluster brings over threads, and what it costs: visits of the sample Hub, and relabelling.

    python bench/cluster.py visits  [--seconds 0.0] [--workers 8]    threads, local:1, local:2 against one sample Hub in
                                                                     a process of its own; each answer `seconds` late
    python bench/cluster.py relabel [--repos 5000] [--names FILE]    this process, local:1, local:2; an imagined catalog
    python bench/cluster.py ask     [--asks 1000]                    one question to the crawl's pacer from a worker

Told are seconds by the clock, of them those until the workers were there, and seconds of processors: this process's and
its workers', the Hub left out. On a busy machine only the processors' seconds mean something.

Last figures: see the end of this text.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_ENDPOINT"):
    os.environ.pop(name, None)

from bench.imagined import ImaginedHub, pages, read_names  # noqa: E402
from crawler.execute.executor import open_executor  # noqa: E402
from db.records import Page  # noqa: E402
from db.write.store import Store  # noqa: E402
from samplehub import MEMBER, Fault, Kind, SampleHub  # noqa: E402


@dataclass
class Cost:
    seconds: float = 0.0
    ready: float = 0.0  # of the seconds: until the workers were there
    busy: float = 0.0  # seconds of processors, here and in workers


@contextmanager
def measured() -> Iterator[Cost]:
    """Workers' processes are counted when they have ended, which they have at the end of the block."""
    cost, begun, used = Cost(), time.perf_counter(), processors()
    yield cost
    cost.seconds, cost.busy = time.perf_counter() - begun, processors() - used


def processors() -> float:
    both = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def say(what: str, cost: Cost, more: str = "") -> None:
    print(f"{what:8} {cost.seconds:6.1f} s, {cost.ready:4.1f} to begin, {cost.busy:6.1f} of processors{more}")


# ---- visits ---------------------------------------------------------------------------------------------------------


def serve(line: Connection, seconds: float) -> None:
    late = [Fault(Kind.STALL, on="any", seconds=seconds, times=None)] if seconds else []
    with SampleHub(faults=late) as hub:
        line.send(hub.endpoint)
        line.recv()


def visits(options: argparse.Namespace, folder: Path) -> None:
    from crawler.pipeline import crawl
    from crawler.settings import CrawlSettings
    from crawler.sources.huggingface.client import HubClient

    context = multiprocessing.get_context("spawn")
    line, far = context.Pipe()
    process = context.Process(target=serve, args=(far, options.seconds), daemon=True)
    process.start()
    endpoint = line.recv()
    for cluster in (None, "local:1", "local:2"):
        db = folder / f"{cluster}.db"
        with measured() as cost:
            begun = time.time()
            with Store.open(db, create=True) as store:
                orders = CrawlSettings(depth="headers", workers=options.workers, cluster=cluster)
                run = crawl(store, HubClient(endpoint, MEMBER), orders)[-1]
        cost.ready = run.started_at.timestamp() - begun
        asked = run.api_requests + run.resolver_requests
        say(
            cluster or "threads",
            cost,
            f", {run.repos_enriched} visits, {asked} requests",
        )
    line.send("done")
    process.join(10)


# ---- labels ---------------------------------------------------------------------------------------------------------


def imagined(db: Path, count: int, names: Sequence[str]) -> None:
    """A catalog of repos that are all visited; a tenth of them with the labels of headers."""
    hub = ImaginedHub(count, names)
    with Store.open(db, create=True) as store:
        run = store.start_run("full", "", "https://hub.example")
        for records in pages(hub, range(1, count + 1), 1000):
            store.save_page(run, "", Page(tuple((record, hub.labelled(record)) for record in records), (), None))
        for start in range(1, count + 1, 100):
            store.save_enrichments(run, [(hub.enrichment(at), 0) for at in range(start, min(start + 100, count + 1))])
    with sqlite3.connect(db) as connection:
        connection.execute("update vocabularies set digest = 'of another time'")
    connection.close()


def relabel(options: argparse.Namespace, folder: Path) -> None:
    from analysis.vocabulary.vocabulary import vocabulary
    from crawler.cli.relabel import labels_of, open_executor, relabel_batches
    from crawler.execute.gc_tuning import tuned_gc

    imagined(folder / "before.db", options.repos, read_names(options.names))
    digest = vocabulary().digest
    with Store.open(folder / "before.db") as store, tuned_gc(), measured() as cost:
        for batch in store.stale_batches(digest):
            labels_of(batch)
    say("(read and label alone)", cost)
    for cluster in (None, "local:1", "local:2"):
        db = Path(shutil.copy(folder / "before.db", folder / f"{cluster}.db"))
        with measured() as cost:
            begun = time.perf_counter()
            with Store.open(db) as store, store.crawling(), open_executor(cluster) as executor, tuned_gc():
                cost.ready = time.perf_counter() - begun
                counts = sum(done.repos for done in relabel_batches(store, digest, executor))
        say(cluster or "here", cost, f", {counts / (cost.seconds - cost.ready):,.0f} repos a second")


# ---- questions ------------------------------------------------------------------------------------------------------


def ask(options: argparse.Namespace, folder: Path) -> None:
    from crawler.sources.huggingface.client import HubClient

    hub = HubClient("http://127.0.0.1:1", False)
    with measured() as cost, open_executor(1, "local:1", hub) as executor:
        executor.submit(asks, hub, 10).result()
        took = executor.submit(asks, hub, options.asks).result()
    say("local:1", cost, f", {1000 * took / options.asks:.1f} ms a question")


def asks(hub: object, count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        hub.pacer.acquire("api")  # type: ignore[attr-defined]
        hub.pacer.done("api", 200)  # type: ignore[attr-defined]
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=("visits", "relabel", "ask"))
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--repos", type=int, default=5000)
    parser.add_argument("--names", type=Path, help="of relabel: real ids, one a line")
    parser.add_argument("--asks", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"visits": visits, "relabel": relabel, "ask": ask}[options.measure](options, Path(folder))


if __name__ == "__main__":
    main()


# Last figures, on two cores that other work kept busy (seconds of processors are the ones to compare):
#
#   visits       threads  34.5 s, 0.2 to begin, 22.1 of processors, 463 visits, 1604 requests
#                local:1  36.0 s, 1.0 to begin, 31.1
#                local:2  31.1 s, 1.8 to begin, 33.2
#   visits --seconds 0.15, when the cores were busier still
#                threads 117.3 s, 0.4 to begin, 22.5; local:1 143.2 s
#   relabel      here      4.3 s, 2.8 of processors, 1,173 repos a second (read 0.2, label 1.4, write 1.2)
#                local:1   6.7 s, 1.2 to begin, 5.1, 915 repos a second
#                local:2   6.7 s, 1.4 to begin, 5.6, 951 repos a second
#   ask          1.4 ms of processors a question, here and in the worker together

"""What a Dask cluster gains and costs where it labels: pages of a listing, and relabelling.

    python bench/cluster.py pages   [--repos 20000] [--names FILE]   a listing's pages labelled one after the other: by
                                                                     this process, its second process, local:1, local:2
    python bench/cluster.py relabel [--repos 5000]  [--names FILE]   a synthetic catalog relabelled: by this process,
                                                                     local:1, local:2

Prints wall seconds, those of them until the workers were ready, and CPU seconds of this process and its workers. On a
busy machine only the CPU seconds can be compared.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis.vocabulary.vocabulary import vocabulary
from bench.imagined import ImaginedHub, pages, read_names
from crawler.cli.relabel import label_batch, relabel_batches
from crawler.execute.executor import open_executor
from crawler.execute.gc_tuning import tuned_gc
from crawler.label_pages import PageLabeller, label_repos
from db.records import Page
from db.write.store import Store

CLUSTERS = (None, "local:1", "local:2")


@dataclass
class Cost:
    wall: float = 0.0
    until_ready: float = 0.0
    cpu: float = 0.0


@contextmanager
def measure() -> Iterator[Cost]:
    """The cost of a block. Worker processes are counted when they have ended, so the block must end them."""
    cost, started, cpu = Cost(), time.perf_counter(), cpu_seconds()
    yield cost
    cost.wall, cost.cpu = time.perf_counter() - started, cpu_seconds() - cpu


def cpu_seconds() -> float:
    both = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def report(name: str, cost: Cost, repos: int) -> None:
    rate = repos / (cost.wall - cost.until_ready)
    print(f"{name:20} {cost.wall:6.1f} s, {cost.until_ready:4.1f} to start, {cost.cpu:6.1f} CPU, {rate:,.0f} repos/s")


def label_listing(count: int, names: Sequence[str], folder: Path) -> None:
    hub = ImaginedHub(count, names)
    listing = list(pages(hub, range(1, count + 1), 1000))
    with measure() as cost, tuned_gc():
        for repos in listing:
            label_repos(repos)
    report("this process", cost, count)
    for cluster in CLUSTERS:
        with measure() as cost:
            started = time.perf_counter()
            with open_executor(cluster) as executor, PageLabeller(executor) as labeller, tuned_gc():
                cost.until_ready = time.perf_counter() - started
                for repos in listing:
                    labeller.submit(repos)()
        report(cluster or "second process", cost, count)


def make_catalog(db: Path, count: int, names: Sequence[str]) -> None:
    """A catalog of repos with their files and labels of another vocabulary; a tenth of them with header labels."""
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


def relabel_catalog(count: int, names: Sequence[str], folder: Path) -> None:
    original = folder / "original.db"
    make_catalog(original, count, names)
    digest = vocabulary().digest
    with Store.open(original) as store, tuned_gc(), measure() as cost:
        for batch in store.stale_batches(digest):
            label_batch(batch)
    report("read and label only", cost, count)
    for cluster in CLUSTERS:
        db = Path(shutil.copy(original, folder / f"{cluster}.db"))
        with measure() as cost:
            started = time.perf_counter()
            with Store.open(db) as store, store.crawling(), open_executor(cluster) as executor, tuned_gc():
                cost.until_ready = time.perf_counter() - started
                for _ in relabel_batches(store, digest, executor):
                    pass
        report(cluster or "this process", cost, count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=("pages", "relabel"))
    parser.add_argument("--repos", type=int)
    parser.add_argument("--names", type=Path, help="real repo ids, one a line")
    options = parser.parse_args()
    names = read_names(options.names)
    with tempfile.TemporaryDirectory() as folder:
        if options.measure == "pages":
            label_listing(options.repos or 20_000, names, Path(folder))
        else:
            relabel_catalog(options.repos or 5_000, names, Path(folder))


if __name__ == "__main__":
    main()

"""`hf-catalog relabel`: recomputes stored labels with the current vocabulary, without any request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.options import CLUSTER, db_option, output_options
from crawler.cli.printer import Column, Printer

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from db.read.load import Relabelled, StoredRepo
    from db.records import Labelled
    from db.write.relabel import RelabelCounts
    from db.write.store import Store

BatchLabels = Sequence[tuple["Labelled", Sequence["Labelled"]]]
"""For each repo of a batch: its labels, and those of its artifacts in their order."""

MAX_BATCHES_IN_FLIGHT = 8
"""Batches that a cluster labels while earlier ones are written."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would change and write nothing.")
@click.option(
    "--cluster",
    type=CLUSTER,
    metavar="ADDRESS",
    help="Label on a Dask cluster: local:2 for two processes of this machine, or tls://host:8786.",
)
@click.option("--insecure", is_flag=True, help="Accept a cluster without encryption: tcp://host:8786.")
@db_option
@output_options(table=False)
def relabel(dry_run: bool, cluster: str | None, insecure: bool, db: str, out: Printer) -> None:
    """Bring the catalog's labels to the current vocabulary, with no network.

    Only repos whose labels were made with another vocabulary are read. Each batch is written by itself: after an
    interruption the same command continues where it was.

    \b
    Examples:
      hf-catalog relabel --dry-run
      hf-catalog relabel --db catalog.db --json
      hf-catalog relabel --cluster local:4
    """
    from analysis.catalog.fit_index import fill_fit_candidates
    from analysis.vocabulary.vocabulary import vocabulary
    from crawler.execute.executor import open_executor
    from crawler.execute.gc_tuning import tuned_gc
    from db.write.relabel import RelabelCounts
    from db.write.store import Store

    digest = vocabulary().digest
    started = monotonic()
    counts = RelabelCounts()
    with (
        Store.open(db) as store,
        nullcontext() if dry_run else store.crawling(),
        open_executor(cluster, insecure=insecure) as executor,
        tuned_gc(),
        progress_bar(db, digest, out) as report_progress,
    ):
        for batch_counts in relabel_batches(store, digest, executor, dry_run=dry_run):
            counts += batch_counts
            report_progress(counts)
    if executor is not None and executor.lost is not None:
        out.message(executor.lost)
    if not dry_run and counts.repos:
        with Store.open(db) as store:
            store.index()
            fill_fit_candidates(store)
    print_result(counts, digest, monotonic() - started, dry_run, out)


@contextmanager
def progress_bar(db: str, digest: str, out: Printer) -> Iterator[Callable[[RelabelCounts], None]]:
    """A callback that reports progress: a bar on a terminal, a line a batch with `-v`, otherwise nothing."""
    if not out.shows_progress:
        yield lambda counts: out.detail(f"{counts.repos:,} repos, {counts.labels:,} labels changed")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        (row,) = reader.all(COUNT_STALE, {"digest": digest})
    columns = (TextColumn("relabel"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=out.stderr), transient=True) as bar:
        task = bar.add_task("relabel", total=row["n"])
        yield lambda counts: bar.update(task, completed=counts.repos)


COUNT_STALE = (
    "select count(*) as n from repos r left join repo_labels l on l.repo = r.id"
    " left join vocabularies v on v.id = l.vocabulary where l.repo is null or v.digest <> :digest"
)


def relabel_batches(
    store: Store, digest: str, executor: Executor | None = None, *, dry_run: bool = False
) -> Iterator[RelabelCounts]:
    """Reads, labels and writes batch by batch, always in the same order; labels on `executor` where there is one."""
    batches = store.stale_batches(digest)
    for batch, labels in label_inline(batches) if executor is None else label_on_executor(batches, executor):
        yield store.save_labels(None, add_labels(batch, labels), dry_run=dry_run)


def label_inline(batches: Iterable[list[StoredRepo]]) -> Iterator[tuple[list[StoredRepo], BatchLabels]]:
    for batch in batches:
        yield batch, label_batch(batch)


def label_on_executor(
    batches: Iterable[list[StoredRepo]], executor: Executor
) -> Iterator[tuple[list[StoredRepo], BatchLabels]]:
    in_flight: deque[tuple[list[StoredRepo], Future[BatchLabels]]] = deque()
    for batch in batches:
        in_flight.append((batch, executor.submit(label_batch, batch)))
        if len(in_flight) > MAX_BATCHES_IN_FLIGHT:
            first, labels = in_flight.popleft()
            yield first, labels.result()
    for first, labels in in_flight:
        yield first, labels.result()


def label_batch(batch: Sequence[StoredRepo]) -> BatchLabels:
    """Labels each repo of a batch and its artifacts with the current vocabulary."""
    from analysis.labels.resolve import label_repo_and_artifacts

    found = []
    for stored in batch:
        own, artifacts = label_repo_and_artifacts(stored.record, stored.artifacts, stored.headers)
        found.append((own, [labelled for _, labelled in artifacts]))
    return found


def add_labels(batch: Sequence[StoredRepo], labels: BatchLabels) -> list[Relabelled]:
    """The repos of a batch with their new labels: a cluster returns the labels alone."""
    from db.read.load import Relabelled

    return [
        Relabelled(stored, own, tuple(zip(stored.artifacts, artifacts, strict=True)))
        for stored, (own, artifacts) in zip(batch, labels, strict=True)
    ]


def print_result(counts: RelabelCounts, digest: str, seconds: float, dry_run: bool, out: Printer) -> None:
    result: dict[str, Any] = {
        "vocabulary": digest,
        "dry_run": dry_run,
        "repos": counts.repos,
        "labels": counts.labels,
        "fields": sort_by_count(counts.fields),
        "artifact_labels": counts.artifact_labels,
        "artifact_fields": sort_by_count(counts.artifact_fields),
        "examples": [asdict(example) for example in counts.examples],
        "seconds": round(seconds, 3),
    }
    out.object(result, human=lambda: print_summary(result, out))


def sort_by_count(counts: Mapping[str, int]) -> dict[str, int]:
    """The same counts, largest first; equal ones by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def print_summary(result: Mapping[str, Any], out: Printer) -> None:
    """Prints how many labels changed, which they are, and one example of each."""
    if not result["repos"]:
        out.line(f"All labels are of the current vocabulary ({result['vocabulary']}).")
        return
    be, change = ("would be", "would change") if result["dry_run"] else ("were", "changed")
    out.line(
        f"{result['repos']:,} repos {be} relabelled with vocabulary {result['vocabulary']};"
        f" {result['labels']:,} labels of repos and {result['artifact_labels']:,} labels of files {change}."
    )
    example_of = {(each["field"], each["artifact"] is None): each for each in reversed(result["examples"])}
    rows = [
        {"of": of, "label": field, "changes": count, **example_of.get((field, of == "repos"), {})}
        for of, counts in (("repos", result["fields"]), ("files", result["artifact_fields"]))
        for field, count in counts.items()
    ]
    if rows and not out.quiet:
        out.line()
        example = Column("repo_id", "for example", clip=False)
        out.rows(rows, ["label", "of", "changes", example, "before", "after"])

"""`hf-catalog relabel`: labels by the vocabulary of today, from what the catalog holds."""

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

Labels = Sequence[tuple["Labelled", Sequence["Labelled"]]]
"""Of each repo of a batch: its own, and those of its artifacts in their order."""

MAX_BATCHES_IN_FLIGHT = 8
"""Batches that a cluster labels while earlier ones are written."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would change and write nothing.")
@click.option(
    "--cluster",
    type=CLUSTER,
    metavar="ADDRESS",
    help="Label by a Dask cluster: tcp://host:8786, or local:2 for so many processes of this machine.",
)
@db_option
@output_options(table=False)
def relabel(dry_run: bool, cluster: str | None, db: str, out: Printer) -> None:
    """Bring the catalog's labels to the current vocabulary, with no network.

    Only repos whose labels another vocabulary made are looked at. Each batch is written by itself: broken off, the same
    command goes on where it was.

    \b
    Examples:
      hf-catalog relabel --dry-run
      hf-catalog relabel --db catalog.db --json
      hf-catalog relabel --cluster local:4
    """
    from analysis.vocabulary.vocabulary import vocabulary
    from crawler.execute.gc_tuning import tuned_gc
    from db.write.relabel import RelabelCounts
    from db.write.store import Store

    digest = vocabulary().digest
    started = monotonic()
    done = RelabelCounts()
    with (
        Store.open(db) as store,
        nullcontext() if dry_run else store.crawling(),
        open_executor(cluster) as executor,
        tuned_gc(),
        progress_bar(db, digest, out) as tell_of,
    ):
        for counts in relabel_batches(store, digest, executor, dry_run=dry_run):
            done += counts
            tell_of(done)
    if not dry_run and done.repos:
        with Store.open(db) as store:
            store.index()
    show(done, digest, monotonic() - started, dry_run, out)


@contextmanager
def progress_bar(db: str, digest: str, out: Printer) -> Iterator[Callable[[RelabelCounts], None]]:
    """A progress bar where somebody looks, a line a batch with `-v`, else silence."""
    if not out.shows_progress:
        yield lambda done: out.detail(f"{done.repos:,} repos, {done.labels:,} labels changed")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        (row,) = reader.all(STALE, {"digest": digest})
    columns = (TextColumn("relabel"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=out.stderr), transient=True) as bar:
        task = bar.add_task("relabel", total=row["n"])
        yield lambda done: bar.update(task, completed=done.repos)


STALE = (
    "select count(*) as n from repos r left join repo_labels l on l.repo = r.id"
    " left join vocabularies v on v.id = l.vocabulary where l.repo is null or v.digest <> :digest"
)


@contextmanager
def open_executor(cluster: str | None) -> Iterator[Executor | None]:
    """Who labels: a cluster of one thread a process, for labelling is all reckoning; None: this thread itself."""
    if cluster is None:
        yield None
        return
    from crawler.execute.executor import open_executor

    with open_executor(1, cluster) as executor:
        yield executor


def relabel_batches(
    store: Store, digest: str, executor: Executor | None = None, *, dry_run: bool = False
) -> Iterator[RelabelCounts]:
    """Batch by batch: read, label, write; in one order, whoever labels."""
    batches = store.stale_batches(digest)
    for batch, labels in label_inline(batches) if executor is None else label_on_executor(batches, executor):
        yield store.save_labels(None, joined(batch, labels), dry_run=dry_run)


def label_inline(batches: Iterable[list[StoredRepo]]) -> Iterator[tuple[list[StoredRepo], Labels]]:
    for batch in batches:
        yield batch, labels_of(batch)


def label_on_executor(
    batches: Iterable[list[StoredRepo]], executor: Executor
) -> Iterator[tuple[list[StoredRepo], Labels]]:
    ahead: deque[tuple[list[StoredRepo], Future[Labels]]] = deque()
    for batch in batches:
        ahead.append((batch, executor.submit(labels_of, batch)))
        if len(ahead) > MAX_BATCHES_IN_FLIGHT:
            first, labels = ahead.popleft()
            yield first, labels.result()
    for first, labels in ahead:
        yield first, labels.result()


def joined(batch: Sequence[StoredRepo], labels: Labels) -> list[Relabelled]:
    from db.read.load import Relabelled

    return [
        Relabelled(stored, own, tuple(zip(stored.artifacts, artifacts, strict=True)))
        for stored, (own, artifacts) in zip(batch, labels, strict=True)
    ]


def labels_of(batch: Sequence[StoredRepo]) -> Labels:
    """Each repo's labels by the current vocabulary, its artifacts' too."""
    from analysis.labels.resolve import label_repo_and_artifacts

    found = []
    for stored in batch:
        own, artifacts = label_repo_and_artifacts(stored.record, stored.artifacts, stored.headers)
        found.append((own, [labelled for _, labelled in artifacts]))
    return found


def show(done: RelabelCounts, digest: str, seconds: float, dry_run: bool, out: Printer) -> None:
    found: dict[str, Any] = {
        "vocabulary": digest,
        "dry_run": dry_run,
        "repos": done.repos,
        "labels": done.labels,
        "fields": most_first(done.fields),
        "artifact_labels": done.artifact_labels,
        "artifact_fields": most_first(done.artifact_fields),
        "examples": [asdict(each) for each in done.examples],
        "seconds": round(seconds, 3),
    }
    out.object(found, human=lambda: print_summary(found, out))


def most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def print_summary(found: Mapping[str, Any], out: Printer) -> None:
    """For people: how much, which labels, and what it looks like."""
    if not found["repos"]:
        out.line(f"All labels are of the current vocabulary ({found['vocabulary']}).")
        return
    be, change = ("would be", "would change") if found["dry_run"] else ("were", "changed")
    out.line(
        f"{found['repos']:,} repos {be} labelled anew with vocabulary {found['vocabulary']};"
        f" {found['labels']:,} labels of theirs and {found['artifact_labels']:,} of their files {change}."
    )
    first = {(each["field"], each["artifact"] is None): each for each in reversed(found["examples"])}
    rows = [
        {"of": of, "label": field, "changes": count, **first.get((field, of == "repos"), {})}
        for of, counts in (("repos", found["fields"]), ("files", found["artifact_fields"]))
        for field, count in counts.items()
    ]
    if rows and not out.quiet:
        out.line()
        example = Column("repo_id", "for example", clip=False)
        out.rows(rows, ["label", "of", "changes", example, "before", "after"])

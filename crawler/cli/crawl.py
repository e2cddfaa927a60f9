"""`hf-catalog crawl`: from the Hub into the catalog."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.crawl_options import crawl_options
from crawler.cli.errors import DONE, HUB, INTERRUPTED, NO, USAGE, CommandError, print_error
from crawler.cli.options import db_argument, db_option, output_options
from crawler.cli.printer import Printer, size_text
from crawler.cli.problems import SKIPS_COMMAND

if TYPE_CHECKING:
    from crawler.settings import CrawlSettings
    from crawler.sources.huggingface.client import HubClient
    from crawler.sources.pacer import Pacer, Wait
    from db.records import RunRecord
    from db.reported import ReportedRepos
    from db.write.store import Store


@click.command()
@crawl_options
@click.option("--dry-run", is_flag=True, help="Print what would be done; send no request, write nothing.")
@click.option("--reported", is_flag=True, help="Only the repos that the Hub's webhook reported to hf-catalog schedule.")
@click.option("--mirror", is_flag=True, help="The endpoint is a mirror of the Hub of this catalog.")
@db_option
@output_options(table=False)
def crawl(
    settings: CrawlSettings,
    endpoint: str | None,
    dry_run: bool,
    reported: bool,
    mirror: bool,
    db: str,
    out: Printer,
) -> int | None:
    """Crawl the Hub: discover repos, read their files and headers, label and store them.

    The first crawl reads the whole listing, later ones only what changed since; --full reads it all again. An
    interrupted crawl resumes. Ctrl-C finishes the current page; a second one stops at once.

    \b
    Examples:
      hf-catalog crawl --limit 2000 --depth listing
      hf-catalog crawl --author google --depth headers
      hf-catalog crawl --repo google/gemma-3-4b-it-qat-q4_0-gguf --depth headers
      hf-catalog crawl --budget 900 --max-time 1h
      hf-catalog crawl --type dataset --limit 2000 --depth listing
    """
    if reported:
        settings = only_reported(settings)
    if dry_run:
        from crawler.cli.plan import print_dry_run

        print_dry_run(settings, db, out)
        return None
    from crawler.execute.end_process import end_guard, exit_at_once
    from crawler.sources.huggingface.client import HubClient
    from crawler.sources.pacer import Pacer
    from db.write.store import Store

    seconds = None if settings.max_time is None else settings.max_time.total_seconds()
    pacer = Pacer(budget=settings.budget, max_time=seconds)
    hub = HubClient(endpoint, pacer=pacer, repo_type=settings.scope.type)
    if not mirror:
        check_same_endpoint(db, hub.endpoint)
    if is_new(db) and not settings.scope.repo_ids:
        hub.check_connection()  # without a network no empty catalog is made
    if not out.shows_progress:  # the progress bar shows waits itself
        pacer.on_wait = partial(print_wait, out)

    def end() -> None:
        exit_at_once(DONE, "Stopped, though a request did not end. The same command resumes the crawl.\n")

    with Store.open(db, create=True) as store, stop_on_signal(pacer, out), end_guard(pacer, end):
        runs = crawled(store, hub, settings, db, out)
    if not runs:
        out.object({"outcome": "complete", "repos_seen": 0}, lambda: out.line("No reported repo is due."))
        return None
    print_result(runs, hub, db, out)
    if settings.cards and out.mode == "human" and not out.quiet:
        print_cards(db, out)
    incomplete = next((run for run in runs if run.outcome == "incomplete"), None)
    if incomplete is not None:
        print_error(f"the crawl is incomplete: {incomplete.detail}", "run it again: it resumes where the listing ended")
        return HUB
    nothing_read = settings.scope.repo_ids and all(run.repos_seen == 0 for run in runs if run.outcome == "complete")
    revision_missing = settings.revisions and any(run.repos_skipped for run in runs)
    return NO if nothing_read or revision_missing else None


def print_wait(out: Printer, wait: Wait) -> None:
    """Say what the crawl waits for, where no progress bar shows it."""
    until = datetime.now().astimezone() + timedelta(seconds=wait.seconds_left)
    out.message(f"Waiting for {wait.reason}: the next request is at {until:%H:%M:%S}.")


def is_new(db: str) -> bool:
    return "://" not in db and not os.path.exists(db)  # noqa: PTH110  # a URL is no path


def only_reported(settings: CrawlSettings) -> CrawlSettings:
    """The settings of a crawl of reported repos. Raises UsageError where they name other ones."""
    from db.records import RepoFilter

    if settings.scope != RepoFilter(type=settings.scope.type) or settings.full:
        raise click.UsageError("--reported: the webhook names the repos; leave out other filters and --full")
    return replace(settings, reported=True)


def crawled(store: Store, hub: HubClient, settings: CrawlSettings, db: str, out: Printer) -> list[RunRecord]:
    """The crawl, with a progress bar on a terminal."""
    from crawler.pipeline import crawl as walk
    from crawler.sources.huggingface.source import HuggingFaceSource

    source = HuggingFaceSource(hub)
    with open_reports(db) as reports:
        if not out.shows_progress:
            return walk(store, source, settings, reports=reports)
        from crawler.cli.progress import Bar

        with Bar(hub.pacer, settings) as bar:
            return walk(store, source, settings, bar.update, reports)


@contextmanager
def open_reports(db: str) -> Iterator[ReportedRepos | None]:
    """The repos that the webhook of this catalog's service reported; None where it never did."""
    from db.reported import ReportedRepos, reports_file

    path = reports_file(db)
    if not path.is_file():
        yield None
        return
    with ReportedRepos(path) as reports:
        yield reports


@contextmanager
def stop_on_signal(pacer: Pacer, out: Printer) -> Iterator[None]:
    """SIGINT and SIGTERM end the crawl after the current page or visit; a second one ends it at once."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        if pacer.is_stop_requested:
            sys.stderr.write("\nInterrupted.\n")
            sys.stderr.flush()
            os._exit(INTERRUPTED)  # transactions are atomic at any moment
        pacer.stop(f"stopped by {signal.Signals(number).name}")
        out.message("Finishing the current work; once more to stop now.")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_same_endpoint(db: str, endpoint: str) -> None:
    """Refuse to crawl another Hub into a catalog: its repos would count as gone. On loopback the port may differ."""
    from urllib.parse import urlsplit

    from db.errors import CatalogError

    def host(url: str) -> str:
        parts = urlsplit(url)
        name = parts.hostname or ""
        return "loopback" if name in ("localhost", "127.0.0.1", "::1") else f"{name}:{parts.port or parts.scheme}"

    if is_new(db):
        return
    from analysis.query.reader import CatalogReader

    try:
        with CatalogReader(db) as reader:
            known = reader.all("select endpoint from crawl_runs order by id desc limit 1")
    except CatalogError:
        return  # Store.open reports what is wrong with it, or repairs it
    if known and host(known[0]["endpoint"]) != host(endpoint):
        raise CommandError(
            f"{db} is a catalog of {known[0]['endpoint']}, not of {endpoint}",
            "name another catalog with --db; for a mirror of that Hub add --mirror",
            USAGE,
        )


# ---- the result -----------------------------------------------------------------------------------------------------


def sum_runs(runs: Sequence[RunRecord]) -> RunRecord:
    """Several runs as one: counts added up, outcome of the last."""
    whole = runs[-1]
    for run in runs[:-1]:
        counts = {
            name: getattr(whole, name) + getattr(run, name)
            for name in run.__dataclass_fields__
            if name.startswith("repos_")
            or name in ("api_requests", "resolver_requests", "bytes_read", "seconds_waited")
        }
        whole = replace(whole, **counts, started_at=min(run.started_at, whole.started_at))
    return whole


def print_result(runs: Sequence[RunRecord], hub: HubClient, db: str, out: Printer) -> None:
    run = sum_runs(runs)
    seconds = ((run.finished_at or run.started_at) - run.started_at).total_seconds()
    quota = {bucket: hub.pacer.quota(bucket) for bucket in ("api", "resolvers")}
    facts: dict[str, Any] = asdict(run)
    facts |= {"seconds": round(seconds, 3), "endpoint": hub.endpoint, "db": db}
    facts["quota"] = {bucket: {"left": left, "of": of} for bucket, (left, of) in quota.items() if of is not None}
    if out.quiet and out.mode != "json":
        return
    out.object(facts, lambda: format_result(run, seconds, hub, db, out))
    if run.outcome == "stopped":
        out.message(f"Stopped: {run.detail}. The same command resumes it.")


def print_cards(db: str, out: Printer) -> None:
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        (found,) = reader.all("select count(*) as cards from model_cards")
    out.line(f"  cards     {found['cards']:,} read in all (hf-catalog query card-sections{db_argument(db)})")


def format_result(run: RunRecord, seconds: float, hub: HubClient, db: str, out: Printer) -> None:
    kinds = {"full": "full crawl", "incremental": "changes", "repos": "selected repos"}
    out.heading(f"{hub.endpoint} into {db}: {kinds.get(run.kind, run.kind)}, {run.outcome}")
    skipped = f"; {run.repos_skipped:,} skipped ({SKIPS_COMMAND}{db_argument(db)})" if run.repos_skipped else ""
    out.line(
        f"  repos     {run.repos_seen:,} seen: {run.repos_new:,} new, {run.repos_changed:,} changed,"
        f" {run.repos_unchanged:,} unchanged{skipped}"
    )
    out.line(f"  visited   {run.repos_enriched:,}")
    out.line(
        f"  requests  {run.api_requests:,} API, {run.resolver_requests:,} file,"
        f" {size_text(run.bytes_read)}, {run.seconds_waited:.0f} s waited for quota"
    )
    left, of = hub.pacer.quota("api")
    if left is not None and of is not None:
        out.line(f"  quota     {left:,} of {of:,} API requests left in this window")
    rate = run.repos_seen / seconds if seconds else 0.0
    out.line(f"  took      {seconds:.1f} s{f', {rate:,.0f} repos per second' if run.repos_seen >= 1000 else ''}")
    if run.detail and run.outcome not in ("stopped", "incomplete"):
        out.line(f"  note      {run.detail}")

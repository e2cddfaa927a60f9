"""`hf-catalog demo`: crawl a sample Hub on this machine into a catalog."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.options import LAPTOP_RAM_BYTES, output_options
from crawler.cli.printer import Column, Printer, count_text, size_text

if TYPE_CHECKING:
    from analysis.query.reader import CatalogReader
    from db.records import RunRecord

CONTEXT = 8192
SHOWN = 8
FAMILY = "gemma-"
CARDS = 60
"""Models whose card is read."""

ACCOUNTS = 40
"""Owners of whom the Hub is asked what kind of account they are."""

MEASURED = 40


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    show_default=True,
    help="The folder of demo.db.",
)
@output_options(table=False)
def demo(folder: Path, out: Printer) -> None:
    """Start a sample Hub on this machine, crawl it over HTTP like the real one, and show the result.

    Needs no network and no token. A second run shows that an unchanged Hub costs few requests.

    \b
    Examples:
      hf-catalog demo
      hf-catalog demo --dir /tmp
    """
    from analysis.query.reader import CatalogReader

    db = folder / "demo.db"
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    run, repos = crawled(db, out)
    seconds = time.monotonic() - started
    with CatalogReader(db) as reader:
        facts = {"db": str(db), "seconds": round(seconds, 3), "hub_repos": repos, "crawl": asdict(run), **shown(reader)}
    if out.mode == "json" or not out.quiet:
        out.object(facts, lambda: format_result(facts, run, out))


def crawled(db: Path, out: Printer) -> tuple[RunRecord, int]:
    """Start the sample Hub, crawl it with a token that may read gated repos, and stop it.

    Files are read for every repo; headers for the most downloaded ones and for one family with all its copies, which
    takes seconds where all headers would take a minute. After the first step the Hub changes, as the real one does.
    """
    from crawler.cli.crawl import check_same_endpoint, sum_runs
    from crawler.cli.crawl import crawled as crawl_with_progress
    from crawler.settings import CrawlSettings
    from crawler.sources.huggingface.client import HubClient
    from db.records import RepoFilter
    from db.write.store import Store
    from samplehub import MEMBER, SampleHub
    from samplehub.content.later import apply_later_changes

    is_second = db.exists()
    steps = (
        CrawlSettings(depth="files", cards=0 if is_second else CARDS, account_kinds=0 if is_second else ACCOUNTS),
        CrawlSettings(depth="headers", scope=RepoFilter(search=(FAMILY,))),
        CrawlSettings(depth="headers", scope=RepoFilter(limit=MEASURED)),
    )
    with SampleHub() as sample:
        check_same_endpoint(str(db), sample.endpoint)
        out.message(f"A Hub with {len(sample.catalog):,} repos at {sample.endpoint}; crawling it into {db}.")
        hub = HubClient(sample.endpoint, MEMBER, offline=False)
        runs: list[RunRecord] = []
        with Store.open(db, create=True) as store:
            for settings in steps:
                if runs or is_second:
                    apply_later_changes(sample.catalog)
                runs += crawl_with_progress(store, hub, settings, str(db), out)
    return sum_runs(runs), len(sample.catalog)


def shown(reader: CatalogReader) -> dict[str, Any]:
    """The data of the summary."""
    from analysis.catalog.fit_request import FitRequest
    from analysis.catalog.fits import find_fits
    from analysis.fit.machines import Machine

    counts = reader.all(
        "select count(*) as repos, count(distinct family) as families, count(distinct author) as publishers,"
        " sum(total_size) as bytes, sum(artifact_count) as artifacts from models"
    )[0]
    counts["headers"] = reader.all("select count(*) as n from headers")[0]["n"]
    fitting = find_fits(reader, Machine(ram=LAPTOP_RAM_BYTES), FitRequest(context=CONTEXT, limit=SHOWN)).fits
    return {
        "counts": counts,
        "families": reader.all(
            "select family, count(*) as repos, sum(total_size) as total_size from models"
            f" where family is not null group by family order by repos desc, family limit {SHOWN}"
        ),
        "schemes": reader.all(
            "select quant, quant_method, count(*) as artifacts, count(distinct repo_id) as repos,"
            " avg(bits_per_weight) as bits_per_weight from artifacts_wide where role = 'weights' and quant is not null"
            f" group by quant, quant_method order by artifacts desc, quant limit {SHOWN}"
        ),
        "fits_16gb": [fit.row() for fit in fitting],
        "conflicts": reader.all("select count(*) as n from label_conflicts")[0]["n"],
    }


def format_result(facts: dict[str, Any], run: RunRecord, out: Printer) -> None:
    counts = facts["counts"]
    out.heading(
        f"{counts['repos']:,} repos of {counts['families']:,} families by {counts['publishers']:,} publishers:"
        f" {counts['artifacts']:,} artifacts, {size_text(counts['bytes'])}"
    )
    out.line()
    out.heading("Families")
    out.rows(facts["families"], [Column("family"), Column("repos"), Column("total_size", "size", text=size_text)])
    out.line()
    out.heading("Quantization schemes, and their measured bits per weight")
    bits = Column("bits_per_weight", "bits per weight", text=lambda value: "" if value is None else f"{value:.2f}")
    out.rows(
        facts["schemes"], [Column("quant", "quantization"), Column("quant_method", "method"), Column("artifacts"), bits]
    )
    out.line()
    out.heading(f"The most capable models that fit 16 GB of memory with a context of {CONTEXT:,}")
    columns = [
        Column("repo_id", "repo"),
        Column("quant", "quantization", clip=False, must=True, short="quant"),
        Column("parameters", "size", text=count_text, right=True, clip=False, must=True),
        Column("needs", "memory", text=size_text, right=True, clip=False, must=True),
    ]
    out.rows(facts["fits_16gb"], columns, empty="Nothing fits.")
    out.line()
    out.heading("Requests and time")
    out.line(
        f"  {run.api_requests:,} API and {run.resolver_requests:,} file requests, {size_text(run.bytes_read)},"
        f" {facts['seconds']:.1f} s; {run.repos_new:,} repos new, {run.repos_enriched:,} visited,"
        f" {counts['headers']:,} headers read, {facts['conflicts']:,} label conflicts"
    )
    out.line()
    out.heading("Next commands")
    for line in NEXT:
        out.line(f"  {line.format(db=facts['db'])}")


NEXT = (
    "hf-catalog models info google/gemma-3-4b-it-qat-q4_0-gguf --db {db}",
    "hf-catalog fits --ram 16GB --context 8192 --family gemma --db {db}",
    'hf-catalog query "select repo_id, quant, size, total_size from quantized_models limit 10" --db {db}',
    "hf-catalog export summaries --db {db}",
    "hf-catalog crawl --limit 2000 --depth listing    (the real Hub, into catalog.db)",
)

"""`hf-catalog plan`: what a crawl would cost."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.crawl_options import crawl_options
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Column, Printer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.query.reader import CatalogReader
    from crawler.estimate import CostEstimate, PlannedWork, Rates
    from crawler.settings import CrawlSettings

SHOWN = ("anonymous", "free", "pro", "enterprise")
FILE_REQUESTS = 6  # for each API request of a quota: as the Hub grants without an account, and `sample-hub --quota`


@click.command()
@crawl_options
@click.option(
    "--quota", type=click.IntRange(min=1), metavar="N", help="Also for an account of N API requests in a window."
)
@click.option(
    "--window", type=click.FloatRange(min=1), default=300.0, show_default=True, metavar="SECONDS",
    help="Length of the window of --quota.",
)  # fmt: skip
@db_option
@output_options
def plan(
    settings: CrawlSettings, endpoint: str | None, quota: int | None, window: float, db: str, out: Printer
) -> None:
    """Requests and time that each depth of a crawl needs, by kind of account. Sends no request.

    With a catalog the estimate uses what it has and lacks, and what its crawls needed; without one, the published size
    of the Hub.

    \b
    Examples:
      hf-catalog plan
      hf-catalog plan --limit 2000
      hf-catalog plan --author google --json
      hf-catalog plan --limit 300 --quota 100 --window 60
    """
    from crawler.estimate import PLANS, AccountQuota, estimate_cost

    work, known = work_of(settings, db)
    own = {"quota": AccountQuota(quota, FILE_REQUESTS * quota, window)} if quota else {}
    costs = estimate_cost(work, own)
    rows: list[dict[str, Any]] = []
    for cost in costs:
        row = {"depth": cost.depth, "repos": cost.repos, "api_requests": cost.api_requests}
        row |= {"resolver_requests": cost.resolver_requests}
        rows.append(row | {f"{name}_seconds": round(cost.seconds[name]) for name in (*PLANS, *own)})
    columns = [
        Column("depth", clip=False),
        Column("repos", text=lambda n: f"{n:,}"),
        Column("api_requests", "API requests", text=lambda n: f"{n:,}"),
        Column("resolver_requests", "file requests", text=lambda n: f"{n:,}"),
        *(Column(f"{name}_seconds", name, text=duration_text, right=True) for name in own or SHOWN),
    ]
    out.rows(rows, columns, names=list(rows[0]), id_key="depth")
    if out.is_human_output:
        out.message(known)
        out.message(default_text(settings, costs))
        out.message(
            "The requests and times of a depth include those of the depths above it."
            " Stored data is not requested again."
        )


def default_text(settings: CrawlSettings, costs: Sequence[CostEstimate]) -> str:
    """To which depth this crawl reads, and what that costs without an account."""
    cost = next(each for each in costs if each.depth == settings.depth)
    return (
        f"This crawl reads to the depth {settings.depth}: {cost.api_requests:,} API and {cost.resolver_requests:,} file"
        f" requests, {duration_text(cost.seconds['anonymous'])} without a token. --depth chooses another."
    )


def duration_text(seconds: Any) -> str:
    """A duration as text: 40 s, 12 min, 5.2 h, 20.8 d."""
    value = float(seconds or 0)
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if value >= 1.5 * size:
            return f"{value / size:.3g} {unit}"
    return "at once" if value < 1 else f"{value:.0f} s"


def work_of(settings: CrawlSettings, db: str) -> tuple[PlannedWork, str]:
    """The planned work, and a sentence on what the estimate rests on."""
    from crawler.estimate import HUB_REPOS, SHARE_OF_POPULAR, SHARE_WITH_WEIGHTS, PlannedWork
    from db.errors import CatalogMissing

    try:
        return _work_with_catalog(settings, db)
    except CatalogMissing:
        pass
    scope = settings.scope
    count = len(scope.repo_ids) or scope.limit or HUB_REPOS
    where = f"No catalog at {db}: estimated for {count:,} repos"
    where += "." if scope.limit or scope.repo_ids else ", the size of the Hub late in 2026."
    share = SHARE_OF_POPULAR if scope.limit or scope.min_downloads else SHARE_WITH_WEIGHTS
    return PlannedWork(count, count, round(count * share)), where


def _work_with_catalog(settings: CrawlSettings, db: str) -> tuple[PlannedWork, str]:
    from analysis.query.reader import CatalogReader
    from crawler.discover.plan import choose_run_kind
    from crawler.estimate import HUB_REPOS, SHARE_OF_POPULAR, SHARE_WITH_WEIGHTS, PlannedWork
    from crawler.settings import scope_text
    from db.write.store import Store

    with CatalogReader(db) as reader:
        sql = "select count(*) as repos from repos where type = :type"
        known = int(reader.all(sql, {"type": settings.scope.type})[0]["repos"])
        weights = reader.all("select count(*) as n from models where format in ('gguf', 'safetensors', 'mlx')")[0]["n"]
        rates = measured_rates(reader, weights / known if known else 1.0)
    with Store.open(db) as store:
        kind = choose_run_kind(store, settings)
        has_listing = store.has_full_listing(scope_text(settings.scope)) or store.has_full_listing("")
        files, headers = store.backlog("files", settings.scope), store.backlog("headers", settings.scope)
    scope = settings.scope
    usual = SHARE_OF_POPULAR if scope.limit or scope.min_downloads else SHARE_WITH_WEIGHTS
    share = weights / known if known else usual
    if scope.type != "model":
        share = 0.0  # they have no headers
    if kind == "incremental":
        work = PlannedWork(0, files, round(headers * share), rates=rates)
        return work, f"{db} has {known:,} repos; only changed ones are listed again."
    if has_listing and kind == "full":
        work = PlannedWork(known, files, round(headers * share), rates=rates)
        return work, f"{db} has {known:,} repos; all are listed again."
    count = len(scope.repo_ids) or scope.limit or max(known, HUB_REPOS)
    new = max(0, count - known)
    work = PlannedWork(count, files + new, round((headers + new) * share), rates=rates)
    return work, f"{db} has {known:,} repos; estimated for {count:,}."


LAST_RUN = """
select repos_seen, repos_enriched, api_requests, resolver_requests, seconds_waited, started_at, finished_at
from crawl_runs
where outcome = 'complete' and repos_enriched >= 50 and resolver_requests > repos_enriched
order by id desc limit 1
"""


def measured_rates(reader: CatalogReader, share: float) -> Rates:
    """What the last crawl that read the headers of many repos needed; the usual figures where there was none.

    `share`: of repos that have weights with headers.
    """
    from crawler.estimate import USUAL, Rates
    from crawler.settings import LISTING_PAGE_SIZE

    for run in reader.all(LAST_RUN):
        visited, api, files = run["repos_enriched"], run["api_requests"], run["resolver_requests"]
        pages = -(-run["repos_seen"] // LISTING_PAGE_SIZE)
        started, finished = (datetime.fromisoformat(str(run[f"{end}_at"])) for end in ("started", "finished"))
        busy = max(0.0, (finished - started).total_seconds() - run["seconds_waited"])
        with_headers = visited * share
        return Rates(max(0, api - visited - pages) / with_headers, files / with_headers, busy / (api + files))
    return USUAL


def print_dry_run(settings: CrawlSettings, db: str, out: Printer) -> None:
    """Print the kind of crawl, where it starts and its estimated requests (`crawl --dry-run`)."""
    from crawler.discover.plan import choose_run_kind
    from crawler.estimate import estimate_cost
    from crawler.settings import scope_text
    from db.errors import CatalogMissing
    from db.write.store import Store

    scope = scope_text(settings.scope)
    try:
        with Store.open(db) as store:
            kind: str = choose_run_kind(store, settings)
            resumes = kind != "repos" and store.position(scope, kind) is not None
    except CatalogMissing:
        kind, resumes = ("full" if settings.is_unbounded else "repos"), False
    work, known = work_of(settings, db)
    cost = next(cost for cost in estimate_cost(work) if cost.depth == settings.depth)
    facts = {
        "kind": kind,
        "scope": scope,
        "resumes": resumes,
        "depth": settings.depth,
        "repos_to_visit": 0 if settings.depth == "listing" else cost.repos,
        "api_requests": cost.api_requests,
        "resolver_requests": cost.resolver_requests,
    }

    def human() -> None:
        start = "resumes" if resumes else "starts from the beginning"
        out.line(f"{kind} crawl{f' of {scope}' if scope else ' of the whole Hub'} at depth {settings.depth}; {start}")
        out.line(f"about {cost.api_requests:,} API and {cost.resolver_requests:,} file requests")
        out.message(f"{known} No request was sent, nothing was written.")

    out.object(facts, human)

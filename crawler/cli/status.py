"""`hf-catalog status`: the state of the catalog, its crawls and the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analysis.catalog.catalog_status import parse_time
from crawler.cli.errors import CommandError
from crawler.cli.options import SPAN_OF_TIME, db_argument, db_option, output_options
from crawler.cli.printer import Printer, size_text
from crawler.cli.problems import MAX_CLOCK_DIFFERENCE, SKIPS_COMMAND, find_problems

if TYPE_CHECKING:
    from crawler.service.state import State

DEFAULT_CONFIG = "catalog.toml"

JOB_KEYS = ("last_start", "last_end", "last_success", "last_failure", "next_run", "errors", "detail")
"""What is shown of a job of the service."""
"""The service's configuration where none is named."""


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    metavar="FILE",
    help="The service's configuration, if there is one: here, or beside the catalog.",
)
@click.option(
    "--max-age",
    type=SPAN_OF_TIME,
    metavar="SPAN",
    help="Exit status 1 where no crawl has completed for longer, or a job fails: 2h, 1d.",
)
@db_option
@output_options(table=False)
def status(config: Path, max_age: timedelta | None, db: str, out: Printer) -> None:
    """Show how much of the Hub the catalog knows, how deep, how fresh it is, what waits and what failed.

    \b
    Examples:
      hf-catalog status
      hf-catalog status --db demo.db --json
      hf-catalog status --max-age 2h --quiet
    """
    from analysis.catalog.catalog_status import read_catalog_status

    facts = read_catalog_status(db) | {"service": read_service_status(config, db)}
    problems = find_problems(facts)
    facts["problems"] = [{"problem": problem.what, "remedy": problem.remedy} for problem in problems]
    reason = None if max_age is None else find_staleness(facts, max_age, datetime.now(UTC))
    if max_age is not None:
        facts |= {"max_age_seconds": max_age.total_seconds(), "fresh": reason is None, "stale_because": reason}
    if not out.quiet or out.mode == "json":
        out.object(facts, lambda: print_status(facts, out))
    if reason is not None:
        raise CommandError(f"{db}: {reason}", "hf-catalog status; hf-catalog doctor")


def find_staleness(facts: dict[str, Any], max_age: timedelta, now: datetime) -> str | None:
    """Why monitoring should raise an alarm: the last listing that completed is too old, or a job fails; else None."""
    last = parse_time(facts["last_listing"])
    if last is None:
        return "no crawl has completed"
    if last > now + MAX_CLOCK_DIFFERENCE:
        return f"the last complete crawl ended {last:%Y-%m-%d %H:%M} UTC, in the future"
    if now - last > max_age:
        hours = (now - last).total_seconds() / 3600
        return f"the last complete crawl ended {last:%Y-%m-%d %H:%M} UTC, {hours:,.1f} hours ago"
    service = facts["service"] or {}
    if service.get("problem"):
        return f"the service: {service['problem']}"
    failing = [name for name, job in service.get("jobs", {}).items() if job["errors"]]
    return f"jobs fail: {', '.join(failing)}" if failing else None


def read_service_status(config: Path, db: str) -> dict[str, Any] | None:
    """The contents of the service's health file; None where no service is configured for this catalog."""
    from crawler.errors import ScheduleError
    from crawler.service.config import read_config
    from crawler.service.state import read_state

    beside = Path(db).with_name(config.name)
    if not config.is_file() and "://" not in db and beside.is_file():
        config = beside
    if not config.is_file():
        return None
    try:
        settings = read_config(config)
        if "://" not in db and Path(settings.db).resolve() != Path(db).resolve():
            return None
        state = read_state(settings.state)
    except ScheduleError as error:
        return {"alive": False, "problem": str(error), "remedy": error.hint, "jobs": {}}
    jobs = {name: {key: getattr(job, key) for key in JOB_KEYS} for name, job in state.jobs.items()}
    alive = {"alive": state.is_alive(), "alive_at": state.alive_at, "once": state.once}
    return {**alive, "jobs": jobs, "quota": last_quota(state)}


def last_quota(state: State) -> dict[str, Any] | None:
    """The quota that the Hub last reported to a job, and when; its windows of five minutes end soon after."""
    reports = [(job.last_end or "", job.quota) for job in state.jobs.values() if job.quota]
    at, quota = max(reports, key=lambda pair: pair[0], default=("", None))
    return {"at": at, **quota} if quota else None


# ---- human output ---------------------------------------------------------------------------------------------------


def print_status(facts: dict[str, Any], out: Printer) -> None:
    line = partial(out.paragraph, indent=13)
    out.heading(f"{facts['db']}: {facts['repos']:,} models of {facts['endpoint'] or 'no Hub yet'}")
    line(f"  status     {join_counts(facts['by_status'])}")
    others = {f"{kind}s": count for kind, count in facts["by_type"].items() if kind != "model"}
    if others:
        line(f"  beside     {join_counts(others)}")
    line(
        f"  depth      {join_counts(facts['by_depth'])}; {facts['artifacts']:,} artifacts, {facts['headers']:,} headers"
    )
    line(f"  fresh      {freshness_text(facts)}")
    backlog = facts["backlog"]
    line(f"  waits      {backlog['files']:,} repos for their files, {backlog['headers']:,} for their headers")
    for listing in facts["unfinished"]:
        scope = f" of {listing['scope']}" if listing["scope"] else ""
        pages, since = f"{listing['pages']:,} pages", time_text(listing["started_at"])
        line(f"  unfinished {listing['kind']} listing{scope}: {pages} since {since}")
    last = facts["last_crawl"]
    if last:
        end = last["outcome"] or "running or interrupted"
        line(f"  last crawl {last['kind']}, {end}, {time_text(last['finished_at'] or last['started_at'])}")
        if last["detail"] and last["outcome"] not in ("failed", "incomplete"):
            line(f"             {last['detail']}")
    if facts["held_by"]:
        line(f"  held       by process {facts['held_by']['pid']} on {facts['held_by']['host']}")
    requests = facts["requests"]
    line(
        f"  asked      {requests['api']:,} API and {requests['resolvers']:,} file requests"
        f" in {facts['crawls']:,} {'crawl' if facts['crawls'] == 1 else 'crawls'}, {size_text(requests['bytes'])}"
    )
    if facts["skips"]:
        line(f"  skipped    {join_counts(facts['skips'])} ({SKIPS_COMMAND}{db_argument(facts['db'])})")
    if facts["absent"]:
        line(f"  missing    {facts['absent']:,} repos that a full crawl did not see")
    if facts["failed_crawls"]:
        line(f"  failed     {facts['failed_crawls']:,} of the last 200 crawls, or incomplete")
    service = facts["service"]
    if service:
        line(f"  service    {service_text(service)}{after_colon(service.get('problem'))}")
        quota = service.get("quota") or {}
        for bucket, left in quota.items():
            if isinstance(left, dict) and type(left.get("left")) is type(left.get("of")) is int:
                line(f"    {bucket}: {left['left']:,} of {left['of']:,} requests left, {time_text(quota['at'])}")
        for name, job in service["jobs"].items():
            errors = f", failed {job['errors']} times{after_colon(job['detail'])}" if job["errors"] else ""
            last, following = time_text(job["last_success"]), time_text(job["next_run"])
            line(f"    {name}: last success {last}, next {following}{errors}")
    for problem in facts["problems"]:
        line(f"  problem    {problem['problem']}")
        line(f"             to do: {problem['remedy']}")


def service_text(service: dict[str, Any]) -> str:
    if service["alive"]:
        return "alive"
    return f"last run by --once {time_text(service['alive_at'])}" if service.get("once") else "not running"


def join_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing"


def after_colon(text: str | None) -> str:
    return f": {text}" if text else ""


def freshness_text(facts: dict[str, Any]) -> str:
    listed_at, last = facts["last_sweep"], facts["last_success"]
    whole = f"fully listed {time_text(listed_at)}" if listed_at else "never fully listed"
    return f"{whole}; last complete crawl {time_text(last['finished_at'])}" if last else whole


def time_text(value: Any) -> str:
    """A time, and how long ago it was: `2026-11-24 03:17 UTC (2 hours ago)`."""
    if not value:
        return "never"
    at = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    seconds = (datetime.now(UTC) - at).total_seconds()
    text = f"{at:%Y-%m-%d %H:%M} UTC"
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if abs(seconds) >= 2 * size:
            span = f"{abs(seconds) / size:.0f} {unit}"
            return f"{text} ({span} ago)" if seconds > 0 else f"{text} (in {span})"
    return f"{text} (now)"

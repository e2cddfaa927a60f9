"""`hf-catalog status`: how the catalog and its crawls are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Printer, size_text

if TYPE_CHECKING:
    from crawler.service.config import State


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default="catalog.toml",
    show_default=True,
    metavar="FILE",
    help="The service's timetable, if there is one: here, or beside the catalog.",
)
@db_option
@output_options(table=False)
def status(config: Path, db: str, out: Printer) -> None:
    """How the catalog is: how much of the Hub it knows and how deep, how fresh it is, what waits, what failed.

    \b
    Examples:
      hf-catalog status
      hf-catalog status --db demo.db --json
    """
    facts = facts_of(db) | {"service": service_of(config, db)}
    out.object(facts, lambda: for_people(facts, out))


def facts_of(db: str) -> dict[str, Any]:
    """All that the catalog tells of itself; asks nothing of the network."""
    from analysis.query.reader import CatalogReader

    with CatalogReader(db, snapshot=True) as reader:

        def one(sql: str) -> dict[str, Any]:
            found = reader.all(sql)
            return found[0] if found else {}

        def counts(sql: str) -> dict[str, int]:
            return {str(row["name"]): int(row["n"]) for row in reader.all(sql)}

        repos = counts("select status as name, count(*) as n from repos group by status order by n desc")
        last = one("select * from crawl_runs order by id desc limit 1")
        return {
            "db": db,
            "repos": sum(repos.values()),
            "by_status": repos,
            "by_depth": counts(DEPTHS),
            "backlog": one(BACKLOG),
            "artifacts": one("select count(*) as n from artifacts").get("n"),
            "headers": one("select count(*) as n from headers").get("n"),
            "crawls": one("select count(*) as n from crawl_runs").get("n"),
            "endpoint": last.get("endpoint"),
            "last_crawl": shortened(last),
            "last_success": shortened(
                one("select * from crawl_runs where outcome = 'complete' order by id desc limit 1")
            ),
            "last_sweep": one("select max(swept_from) as at from crawl_runs where scope = '' and kind = 'full'").get(
                "at"
            ),
            "newest_change": one("select max(last_modified) as at from repos").get("at"),
            "unfinished": reader.all(
                "select scope, kind, pages, started_at from cursors where cursor is not null order by started_at"
            ),
            "absent": one("select count(*) as n from missing_repos").get("n"),
            "skips": counts("select reason as name, count(*) as n from skips group by reason order by n desc"),
            "failed_crawls": one(FAILED).get("n"),
            "requests": one(REQUESTS),
            "held_by": one("select pid, host, started_at from crawl_locks order by started_at limit 1") or None,
        }


DEPTHS = """
select
    case when v.sha is null or v.sha <> r.sha or v.depth is null then 'listing' else v.depth end as name,
    count(*) as n
from repos r left join enrichments v on v.repo = r.id where r.status <> 'gone' group by 1 order by n desc
"""
BACKLOG = """
select
    coalesce(sum(case when v.sha is null or v.sha <> r.sha or v.depth is null then 1 else 0 end), 0) as files,
    coalesce(sum(case when v.sha is null or v.sha <> r.sha or coalesce(v.depth, '') <> 'headers' then 1 else 0 end), 0)
        as headers
from repos r left join enrichments v on v.repo = r.id where r.status in ('available', 'gated')
"""
FAILED = """
select count(*) as n from crawl_runs
where outcome = 'failed' and id > (select coalesce(max(id), 0) - 200 from crawl_runs)
"""
REQUESTS = """
select coalesce(sum(api_requests), 0) as api, coalesce(sum(resolver_requests), 0) as resolvers,
    coalesce(sum(bytes_read), 0) as bytes, coalesce(sum(seconds_waited), 0) as seconds_waited
from crawl_runs
"""
RUN_KEYS = (
    "id kind scope outcome started_at finished_at repos_seen repos_new repos_changed repos_unchanged repos_skipped "
    "repos_enriched api_requests resolver_requests bytes_read seconds_waited detail"
)


def shortened(run: dict[str, Any]) -> dict[str, Any] | None:
    return {key: run.get(key) for key in RUN_KEYS.split()} if run else None


def service_of(config: Path, db: str) -> dict[str, Any] | None:
    """What the service's health file says, if a service keeps this catalog."""
    from crawler.errors import ConfigError
    from crawler.service.config import read_config, read_state

    beside = Path(db).with_name(config.name)
    if not config.is_file() and "://" not in db and beside.is_file():
        config = beside
    if not config.is_file():
        return None
    try:
        timetable = read_config(config)
    except ConfigError as error:
        return {"alive": False, "problem": str(error), "jobs": {}}
    if "://" not in db and Path(timetable.db).resolve() != Path(db).resolve():
        return None
    state = read_state(timetable.state)
    jobs = {
        name: {"last_success": job.last_success, "next_run": job.next_run, "errors": job.errors, "detail": job.detail}
        for name, job in state.jobs.items()
    }
    return {"alive": state.alive(), "alive_at": state.alive_at, "jobs": jobs, "quota": quota_of(state)}


def quota_of(state: State) -> dict[str, Any] | None:
    """What the Hub last told a job of its quota, and when; windows of five minutes end soon after."""
    told = [(job.last_end or "", job.quota) for job in state.jobs.values() if job.quota]
    at, quota = max(told, key=lambda pair: pair[0], default=("", None))
    return {"at": at, **quota} if quota else None


# ---- for people -----------------------------------------------------------------------------------------------------


def for_people(facts: dict[str, Any], out: Printer) -> None:
    out.heading(f"{facts['db']}: {facts['repos']:,} repos of {facts['endpoint'] or 'no Hub yet'}")
    out.line(f"  status     {listed(facts['by_status'])}")
    out.line(
        f"  depth      {listed(facts['by_depth'])}; {facts['artifacts']:,} artifacts, {facts['headers']:,} headers"
    )
    out.line(f"  fresh      {freshness(facts)}")
    waits = facts["backlog"]
    out.line(f"  waits      {waits['files']:,} repos for their files, {waits['headers']:,} for their headers")
    for walk in facts["unfinished"]:
        scope = f" of {walk['scope']}" if walk["scope"] else ""
        out.line(f"  unfinished {walk['kind']} walk{scope}: {walk['pages']:,} pages since {when(walk['started_at'])}")
    last = facts["last_crawl"]
    if last:
        end = last["outcome"] or "under way, or broken off"
        out.line(f"  last crawl {last['kind']}, {end}, {when(last['finished_at'] or last['started_at'])}")
        if last["detail"]:
            out.line(f"             {last['detail']}")
    if facts["held_by"]:
        out.line(f"  held       by process {facts['held_by']['pid']} on {facts['held_by']['host']}")
    asked = facts["requests"]
    out.line(
        f"  asked      {asked['api']:,} API and {asked['resolvers']:,} file requests in {facts['crawls']:,} crawls,"
        f" {size_text(asked['bytes'])}"
    )
    if facts["skips"]:
        out.line(f"  left out   {listed(facts['skips'])} (hf-catalog query 'select * from skips')")
    if facts["absent"]:
        out.line(f"  missing    {facts['absent']:,} repos that a full crawl did not see")
    if facts["failed_crawls"]:
        out.line(f"  failed     {facts['failed_crawls']:,} of the last 200 crawls")
    service = facts["service"]
    if service:
        out.line(f"  service    {'alive' if service['alive'] else 'not running'}{said(service.get('problem'))}")
        quota = service.get("quota") or {}
        for bucket, left in quota.items():
            if isinstance(left, dict) and type(left.get("left")) is type(left.get("of")) is int:
                out.line(f"    {bucket}: {left['left']:,} of {left['of']:,} requests left, {when(quota['at'])}")
        for name, job in service["jobs"].items():
            errors = f", failed {job['errors']} times{said(job['detail'])}" if job["errors"] else ""
            out.line(f"    {name}: last success {when(job['last_success'])}, next {when(job['next_run'])}{errors}")


def listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing"


def said(text: str | None) -> str:
    return f": {text}" if text else ""


def freshness(facts: dict[str, Any]) -> str:
    sweep, last = facts["last_sweep"], facts["last_success"]
    whole = f"all of it seen {when(sweep)}" if sweep else "never seen whole"
    return f"{whole}; last whole crawl {when(last['finished_at'])}" if last else whole


def when(moment: Any) -> str:
    """A time with how long ago it was."""
    if not moment:
        return "never"
    at = datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    seconds = (datetime.now(UTC) - at).total_seconds()
    text = f"{at:%Y-%m-%d %H:%M} UTC"
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if abs(seconds) >= 2 * size:
            span = f"{abs(seconds) / size:.0f} {unit}"
            return f"{text} ({span} ago)" if seconds > 0 else f"{text} (in {span})"
    return f"{text} (now)"

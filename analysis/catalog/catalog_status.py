"""The state of a catalog by what it holds: how much of the Hub, how deep, how fresh, what waits and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from analysis.query.reader import CatalogReader

STATES = """
select a as type, b as status, member as depth, repos as n from total_members where "of" = 'state' order by 1, 2, 3
"""
"""Repos by type, status and how deep their present commit was read, as every write counts them."""

ARTIFACTS = """select coalesce(sum(artifacts), 0) as n from totals where "of" = 'all'"""

FAILED = """
select count(*) as n from crawl_runs
where outcome in ('failed', 'incomplete') and id > (select coalesce(max(id), 0) - 200 from crawl_runs)
"""
COUNTERS = """
select coalesce(sum(api_requests), 0) as api, coalesce(sum(resolver_requests), 0) as resolvers,
    coalesce(sum(bytes_read), 0) as bytes, coalesce(sum(seconds_waited), 0) as seconds_waited,
    coalesce(sum(repos_seen), 0) as seen, coalesce(sum(repos_new), 0) as new,
    coalesce(sum(repos_changed), 0) as changed, coalesce(sum(repos_unchanged), 0) as unchanged,
    coalesce(sum(repos_skipped), 0) as skipped, coalesce(sum(repos_enriched), 0) as enriched
from crawl_runs
"""
REQUEST_KEYS = ("api", "resolvers", "bytes", "seconds_waited")
REPO_KEYS = ("seen", "new", "changed", "unchanged", "skipped", "enriched")
LAST_LISTING = """
select coalesce(max(case when kind <> 'repos' then finished_at end), max(finished_at)) as at
from crawl_runs where outcome = 'complete'
"""  # a crawl of named repos counts only where the catalog has no other
WAITING = """
select id, waiting_for, waiting_until from crawl_runs
where finished_at is null and waiting_for is not null order by id desc limit 1
"""
RUN_KEYS = (
    "id kind scope outcome started_at finished_at repos_seen repos_new repos_changed repos_unchanged repos_skipped "
    "repos_enriched api_requests resolver_requests bytes_read seconds_waited detail waiting_for waiting_until "
    "wrong_fields"
)


def read_catalog_status(db: str) -> dict[str, Any]:
    """The state of the catalog, without any request. Raises CatalogError."""
    with CatalogReader(db, snapshot=True) as reader:

        def one(sql: str) -> dict[str, Any]:
            found = reader.all(sql)
            return found[0] if found else {}

        def counts(sql: str) -> dict[str, int]:
            return {str(row["name"]): int(row["n"]) for row in reader.all(sql)}

        states = reader.all(STATES)
        models = [row for row in states if row["type"] == "model"]
        repos = count_by(models, "status")
        last = one("select * from crawl_runs order by id desc limit 1")
        complete = one("select * from crawl_runs where outcome = 'complete' order by id desc limit 1")
        counters = one(COUNTERS)
        return {
            "db": db,
            "repos": sum(repos.values()),
            "by_status": repos,
            "by_type": count_by(states, "type"),
            "by_depth": count_by([row for row in models if row["status"] != "gone"], "depth"),
            "backlog": count_backlog(models),
            "artifacts": one(ARTIFACTS).get("n"),
            "headers": one("select count(*) as n from headers").get("n"),
            "crawls": one("select count(*) as n from crawl_runs").get("n"),
            "endpoint": last.get("endpoint"),
            "last_crawl": select_run_keys(last),
            "last_success": select_run_keys(complete),
            "last_listing": one(LAST_LISTING).get("at"),
            "last_sweep": one("select max(swept_from) as at from crawl_runs where scope = '' and kind = 'full'").get(
                "at"
            ),
            "newest_change": one("select max(last_modified) as at from repos").get("at"),
            "latest_start": one("select max(started_at) as at from crawl_runs").get("at"),
            "unfinished": reader.all(
                "select scope, kind, pages, started_at from cursors where cursor is not null order by started_at"
            ),
            "absent": one("select count(*) as n from missing_repos").get("n"),
            "partial": one("select count(*) as n from partial_repos").get("n"),
            "skips": counts("select reason as name, count(*) as n from skips group by reason order by n desc"),
            "failed_crawls": one(FAILED).get("n"),
            "interrupted": one("select count(*) as n from crawl_runs where finished_at is null").get("n"),
            "outcomes": counts(
                "select outcome as name, count(*) as n from crawl_runs where outcome is not null group by outcome"
            ),
            "requests": {key: counters[key] for key in REQUEST_KEYS},
            "processed": {key: counters[key] for key in REPO_KEYS},
            "held_by": one("select pid, host, started_at from crawl_locks order by started_at limit 1") or None,
        }


def count_by(states: Iterable[Mapping[str, Any]], key: str) -> dict[str, int]:
    """The repos of STATES by one of its columns, the most first."""
    found: Counter[str] = Counter()
    for row in states:
        found[str(row[key])] += int(row["n"])
    return dict(found.most_common())


def count_backlog(models: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Models on the Hub whose files, and whose headers, are not read at their present commit."""
    depths = count_by([row for row in models if row["status"] in ("available", "gated")], "depth")
    files = depths.get("listing", 0)
    return {"files": files, "headers": files + depths.get("files", 0)}


def read_wait(db: str) -> dict[str, Any] | None:
    """What the crawl under way waits for: {id, waiting_for, waiting_until}; None if it does not. Raises
    CatalogError."""
    with CatalogReader(db) as reader:
        found = reader.all(WAITING)
    return found[0] if found else None


def select_run_keys(run: dict[str, Any]) -> dict[str, Any] | None:
    return {key: run.get(key) for key in RUN_KEYS.split()} if run else None


def parse_time(value: Any) -> datetime | None:
    """A time of the catalog, which is text on SQLite; None where there is none."""
    if not value:
        return None
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))

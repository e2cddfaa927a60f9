"""Crawl runs and their walks of the listing: where an unfinished walk continues, and which repos a full one missed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from db.derive.digest import to_json
from db.processes import is_running
from db.read.scope_sql import filter_sql
from db.record_base import RepoType
from db.records import LeasedRepo, ListingPosition, Page, PageCounts, RepoFilter, RunRecord
from db.rows import Rows
from db.schema.tables import crawl_runs, cursors, endpoints, events, listing_pages, missing_repos, repos, watermarks

RUN_COUNTERS = (
    "repos_seen", "repos_new", "repos_changed", "repos_unchanged", "repos_skipped", "repos_enriched", "api_requests",
    "resolver_requests", "bytes_read", "seconds_waited",
)  # fmt: skip

_POSITION_COLUMNS = ("cursor", "ascending", "created_at", "stop_at")

MISSING_BATCH = 20_000
"""Repos that one query for missing ones compares with the listing."""


@dataclass(frozen=True, slots=True)
class MissingBatch:
    """Repos that a full walk did not see. `last` is the number to continue after; None at the end."""

    repos: list[LeasedRepo]
    last: int | None


@dataclass(frozen=True, slots=True)
class ReassignedRepo:
    """A repo whose id belongs to another repo now."""

    hub_id: str
    author: str


def start_run(rows: Rows, kind: str, scope: str, endpoint: str, now: datetime) -> RunRecord:
    """Adds a run, after closing runs of this machine whose process ended without closing them."""
    host, pid = socket.gethostname(), os.getpid()
    close_abandoned_runs(rows, host, pid, now)
    run = RunRecord(id=rows.next_id(crawl_runs), started_at=now, kind=kind)
    columns = ("id", "kind", "scope", "endpoint", "started_at", *RUN_COUNTERS, "pid", "host")
    zeros = [0] * len(RUN_COUNTERS)
    rows.insert(crawl_runs, columns, [(run.id, kind, scope, endpoint, now, *zeros, pid, host)])
    return run


def close_abandoned_runs(rows: Rows, host: str, pid: int, now: datetime) -> None:
    """Marks unfinished runs of this machine as failed: on SQLite all, as the caller holds the only lock; on PostgreSQL
    those whose process has ended."""
    on_sqlite = rows.dialect.name == "sqlite"
    sql = "select id, pid from crawl_runs where finished_at is null and host = ?"
    abandoned = [
        ("failed", now, "interrupted: its process ended without closing the run", number)
        for number, holder in rows.select(sql, (host,))
        if on_sqlite or (holder != pid and not is_running(holder))
    ]
    rows.update(crawl_runs, ("outcome", "finished_at", "detail"), "id", abandoned)
    waiting = [(None, None, number) for *_, number in abandoned]
    rows.update(crawl_runs, ("waiting_for", "waiting_until"), "id", waiting)


def update_run(rows: Rows, run: RunRecord) -> None:
    """Writes the kind, the counters and the outcome of a run, and what it waits for."""
    columns = ("kind", *RUN_COUNTERS, "outcome", "finished_at", "detail", "waiting_for", "waiting_until")
    wrong_fields = to_json(dict(run.wrong_fields)) if run.wrong_fields else None
    values = (*(getattr(run, name) for name in columns), wrong_fields, run.id)
    rows.update(crawl_runs, (*columns, "wrong_fields"), "id", [values])


def finish_run(rows: Rows, run: RunRecord) -> None:
    """Writes a run that has ended. A complete one closes its walk; a full one also deletes the pages that it saw."""
    update_run(rows, run)
    if run.outcome != "complete":
        return
    scope = rows.scalar("select scope from crawl_runs where id = ?", (run.id,))
    close_listing(rows, run, scope)
    restart_listing(rows, scope, run.kind)


def count_page(rows: Rows, run: RunRecord, counts: PageCounts) -> None:
    """Adds the counts of a page to its run's row, so that a run that is killed has counted what it stored."""
    sets = ", ".join(f"repos_{name} = repos_{name} + ?" for name in ("seen", "new", "changed", "unchanged", "skipped"))
    sql = f"update crawl_runs set {sets} where id = ?"
    rows.execute(sql, (counts.seen, counts.new, counts.changed, counts.unchanged, counts.skipped, run.id))


def load_capabilities(rows: Rows, endpoint: str, since: datetime) -> str | None:
    """What crawls found of a Hub's API at `since` or later, as JSON."""
    sql = "select capabilities from endpoints where endpoint = ? and found_at >= ?"
    found = rows.scalar(sql, (endpoint, rows.value(endpoints, "found_at", since)))
    return None if found is None else str(found)


def save_capabilities(rows: Rows, endpoint: str, capabilities: str, now: datetime) -> None:
    columns = ("endpoint", "capabilities", "found_at")
    rows.upsert(endpoints, ("endpoint",), columns, [(endpoint, capabilities, now)])


# ---- walks of the listing -------------------------------------------------------------------------------------------


def advance_cursor(rows: Rows, run: RunRecord, scope: str, page: Page, seen: Sequence[int]) -> None:
    """Moves the walk's cursor past a page, whose repos have the numbers `seen`.

    After the last page the cursor's row stays until the run is finished, so that missing repos can be looked for.
    """
    if run.kind not in ("full", "incremental"):
        return
    to_time = rows.result(cursors, "started_at")
    sql = "select cursor, started_at, newest, pages from cursors where scope = ? and kind = ?"
    earlier = rows.first(sql, (scope, run.kind))
    if earlier is not None and earlier.cursor is None:
        earlier = None  # that walk is over: this page is the first of another
    started = run.started_at if earlier is None else to_time(earlier.started_at)
    pages = 0 if earlier is None else int(earlier.pages)
    records = [*(record for record, _ in page.repos), *page.known]
    moments = [record.last_modified for record in records if record.last_modified is not None]
    if earlier is not None and earlier.newest is not None:
        moments.append(to_time(earlier.newest))
    if run.kind == "full":
        if earlier is None:
            rows.delete(listing_pages, ("scope",), [(scope,)])
        rows.insert(listing_pages, ("scope", "page", "seen"), [(scope, pages, to_json(list(seen)))])
    at = page.position
    position = (None, None, None, None) if at is None else (at.cursor, at.ascending, at.created_at, at.stop_at)
    columns = ("scope", "kind", *_POSITION_COLUMNS, "started_at", "newest", "pages", "run")
    values = (scope, run.kind, *position, started, max(moments, default=None), pages + 1, run.id)
    rows.upsert(cursors, ("scope", "kind"), columns, [values])
    if at is None:
        close_listing(rows, run, scope)


def close_listing(rows: Rows, run: RunRecord, scope: str) -> None:
    """Records that a walk reached its end: the catalog is complete up to the newest change that it saw."""
    walk = rows.first("select started_at, newest from cursors where scope = ? and kind = ?", (scope, run.kind))
    if walk is None:
        return
    if run.kind == "full":
        rows.execute("update crawl_runs set swept_from = ? where id = ?", (walk.started_at, run.id))
    if walk.newest is not None:
        known = rows.scalar("select newest from watermarks where scope = ?", (scope,))
        if known is None or known < walk.newest:
            newest = rows.result(watermarks, "newest")(walk.newest)
            rows.upsert(watermarks, ("scope",), ("scope", "newest"), [(scope, newest)])


def load_position(rows: Rows, scope: str, kind: str) -> ListingPosition | None:
    """Where an unfinished walk continues; None if there is none."""
    sql = f"select {', '.join(_POSITION_COLUMNS)} from cursors where scope = ? and kind = ?"
    found = rows.first(sql, (scope, kind))
    if found is None or found.cursor is None:
        return None
    to_time = rows.result(cursors, "created_at")
    is_ascending = found.ascending is None or bool(found.ascending)
    return ListingPosition(found.cursor, is_ascending, to_time(found.created_at), to_time(found.stop_at))


def reject_listing(rows: Rows, run: RunRecord, scope: str) -> None:
    """Makes a full walk that reached its end count as none, since it left out too much: the next run starts another."""
    rows.execute("update crawl_runs set swept_from = null where id = ?", (run.id,))
    restart_listing(rows, scope, run.kind)


def has_rejected_listing(rows: Rows, scope: str) -> bool:
    """Whether the latest run of a scope was a full walk that left something out."""
    sql = "select kind, outcome, swept_from from crawl_runs where scope = ? and outcome is not null"
    latest = rows.first(f"{sql} order by id desc limit 1", (scope,))
    return latest is not None and tuple(latest) == ("full", "incomplete", None)


def restart_listing(rows: Rows, scope: str, kind: str) -> None:
    """Deletes the state of a walk: the next page starts a new one."""
    rows.delete(cursors, ("scope", "kind"), [(scope, kind)])
    if kind == "full":
        rows.delete(listing_pages, ("scope",), [(scope,)])


def load_full_listing_time(rows: Rows, scope: str) -> datetime | None:
    """When the latest full walk that reached its end was started."""
    sql = "select max(swept_from) from crawl_runs where scope = ? and kind = 'full'"
    return _to_time(rows, rows.scalar(sql, (scope,)))


def load_watermark(rows: Rows, scope: str) -> datetime | None:
    """The greatest last_modified of a walk that reached its end."""
    return _to_time(rows, rows.scalar("select newest from watermarks where scope = ?", (scope,)))


def _to_time(rows: Rows, value: Any) -> datetime | None:
    moment: datetime | None = None if value is None else rows.result(watermarks, "newest")(value)
    return moment


# ---- missing repos --------------------------------------------------------------------------------------------------


def has_unchecked_listing(rows: Rows, scope: str) -> bool:
    """Whether a full walk reached its end, but its run ended before the repos that it missed were looked for."""
    return rows.exists("select 1 from cursors where scope = ? and kind = 'full' and cursor is null", (scope,))


def load_listed_repos(rows: Rows, scope: str) -> bytearray:
    """Which repos the last full walk saw: a byte, 0 or 1, for each number of a repo. Empty if it saw none."""
    listed = bytearray()
    sql = f"select seen from listing_pages where scope = {rows.mark}"
    for (numbers,) in rows.connection.exec_driver_sql(sql, (scope,)):
        for number in map(int, filter(None, numbers[1:-1].split(","))):
            if number >= len(listed):
                listed.extend(bytes(2 * number + 1000 - len(listed)))
            listed[number] = 1
    return listed


def load_missing_batch(
    rows: Rows, scope: str, scope_filter: RepoFilter | None, listed: bytearray, after: int
) -> MissingBatch:
    """The next repos, after the number `after`, that the last full walk did not see and that may still exist.

    `listed` is what `load_listed_repos` gave. A walk with a filter misses only what passes it: `scope_filter`.
    """
    run = rows.scalar("select run from cursors where scope = ? and kind = 'full'", (scope,))
    if not listed or run is None:
        return MissingBatch([], None)
    # Repos that this run itself added were seen. Compared by its number, not by time: clocks are set back and forth.
    conditions = [
        repos.c.status.notin_(("gone", "private", "disabled")),
        or_(repos.c.first_run.is_(None), repos.c.first_run < run),
    ]
    conditions += [repos.c.id > after, *([] if scope_filter is None else filter_sql(scope_filter))]
    statement = select(repos.c.id, repos.c.hub_id, repos.c.repo_id, repos.c.sha).where(*conditions)
    batch = rows.connection.execute(statement.order_by(repos.c.id).limit(MISSING_BATCH)).all()
    missing = [
        LeasedRepo(row.hub_id, row.repo_id, row.sha, None, 0)
        for row in batch
        if row.id >= len(listed) or not listed[row.id]
    ]
    return MissingBatch(missing, batch[-1].id if len(batch) == MISSING_BATCH else None)


def record_missing(rows: Rows, scope: str, hub_ids: Iterable[str], now: datetime) -> None:
    """Stores that the last full walk of a scope did not see these repos."""
    started = rows.scalar("select started_at from cursors where scope = ? and kind = 'full'", (scope,))
    since = now if started is None else rows.result(cursors, "started_at")(started)
    found = rows.select_in("select id from repos where hub_id in ({})", hub_ids)
    rows.insert_new(missing_repos, ("repo", "since", "probes"), [(number, since, 0) for (number,) in found])


def unconfirmed_missing(rows: Rows, type_: RepoType, limit: int, before: datetime, now: datetime) -> list[LeasedRepo]:
    """At most `limit` missing repos of a type that were not probed since `before`: never probed ones first.

    A probe in the future has a wrong date.
    """
    sql = (
        "select r.hub_id, r.repo_id, r.sha from missing_repos a join repos r on r.id = a.repo"
        " where r.type = ? and (a.probed_at is null or a.probed_at < ? or a.probed_at > ?)"
        " order by a.probed_at nulls first, a.repo limit ?"
    )
    moments = (rows.value(missing_repos, "probed_at", before), rows.value(missing_repos, "probed_at", now))
    return [
        LeasedRepo(hub_id, repo_id, sha, None, 0) for hub_id, repo_id, sha in rows.select(sql, (type_, *moments, limit))
    ]


def load_partial_repos(rows: Rows, type_: RepoType, limit: int) -> list[LeasedRepo]:
    """At most `limit` repos of a type that were listed without their details."""
    sql = (
        "select r.hub_id, r.repo_id, r.sha from partial_repos p join repos r on r.id = p.repo"
        " where r.type = ? and r.status in ('available', 'gated') order by p.repo limit ?"
    )
    return [LeasedRepo(hub_id, repo_id, sha, None, 0) for hub_id, repo_id, sha in rows.select(sql, (type_, limit))]


def record_probe(rows: Rows, hub_id: str, *, found: bool, at: datetime) -> int:
    """Stores what a request for a missing repo itself found; returns how many in a row did not find it."""
    sql = "select r.id, a.probes from repos r left join missing_repos a on a.repo = r.id where r.hub_id = ?"
    stored = rows.first(sql, (hub_id,))
    if stored is None:
        return 0
    if found:
        rows.delete(missing_repos, ("repo",), [(stored.id,)])
        return 0
    count = int(stored.probes or 0) + 1
    if stored.probes is None:
        rows.insert(missing_repos, ("repo", "since", "probes", "probed_at"), [(stored.id, at, count, at)])
    else:
        rows.update(missing_repos, ("probes", "probed_at"), "repo", [(count, at, stored.id)])
    return count


def reassigned_repos(rows: Rows, run: RunRecord) -> list[ReassignedRepo]:
    """Repos that this run marked as gone because another repo has their id."""
    sql = (
        "select distinct r.hub_id, r.author from events e join repos r on r.id = e.repo"
        " where e.at >= ? and e.run = ? and e.kind = 'gone' and r.status = 'gone' and r.author is not null"
        " and exists (select 1 from repos o where o.repo_id = r.repo_id and o.type = r.type and o.id <> r.id)"
        " order by r.author, r.hub_id"
    )
    found = rows.select(sql, (rows.value(events, "at", run.started_at), run.id))
    return [ReassignedRepo(hub_id, author) for hub_id, author in found]

"""Crawls and their walks: where a broken one goes on, what a whole one has not seen."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import or_, select

from db.derive.digest import to_json
from db.processes import is_running
from db.read.scope_sql import filter_sql
from db.records import LeasedRepo, Page, PageCounts, RepoFilter, RunRecord
from db.rows import Rows
from db.schema.tables import crawl_runs, cursors, events, listing_pages, missing_repos, repos, watermarks

COUNTERS = [
    "repos_seen",
    "repos_new",
    "repos_changed",
    "repos_unchanged",
    "repos_skipped",
    "repos_enriched",
    "api_requests",
    "resolver_requests",
    "bytes_read",
    "seconds_waited",
]

PROBE_BATCH = 20_000
"""How many repos one look for missing ones goes through."""


def start_run(rows: Rows, kind: str, scope: str, endpoint: str, now: datetime) -> RunRecord:
    """A new row of crawl_runs. Crawls of this machine that never came to an end are closed as failed first."""
    host, pid = socket.gethostname(), os.getpid()
    close_abandoned_runs(rows, host, pid, now)
    run = RunRecord(id=rows.next_id(crawl_runs), started_at=now, kind=kind)
    columns = ("id", "kind", "scope", "endpoint", "started_at", *COUNTERS, "pid", "host")
    zeros = [0] * len(COUNTERS)
    rows.insert(crawl_runs, columns, [(run.id, kind, scope, endpoint, now, *zeros, pid, host)])
    return run


def close_abandoned_runs(rows: Rows, host: str, pid: int, now: datetime) -> None:
    """Runs without an end whose process is gone; the lock makes sure that on SQLite nobody else is at it."""
    sql = "select id, pid from crawl_runs where finished_at is null and host = ?"
    for number, holder in rows.select(sql, (host,)):
        if rows.dialect.name == "sqlite" or not is_running(holder):
            values = [("failed", now, "broken off: its process ended without a word", number)]
            if holder != pid or rows.dialect.name == "sqlite":
                rows.update(crawl_runs, ("outcome", "finished_at", "detail"), "id", values)


def update(rows: Rows, run: RunRecord) -> None:
    columns = (*COUNTERS, "outcome", "finished_at", "detail")
    rows.update(crawl_runs, columns, "id", [(*(getattr(run, name) for name in columns), run.id)])


def finish_run(rows: Rows, run: RunRecord) -> None:
    """The last word on a run. A complete one closes its walk, and a full one forgets which repos it saw."""
    update(rows, run)
    if run.outcome != "complete":
        return
    scope = rows.select("select scope from crawl_runs where id = ?", (run.id,))[0][0]
    close_listing(rows, run, scope)
    rows.delete(cursors, ("scope", "kind"), [(scope, run.kind)])
    if run.kind == "full":
        rows.delete(listing_pages, ("scope",), [(scope,)])


def count_page(rows: Rows, run: RunRecord, counts: PageCounts) -> None:
    """Adds a page to its run, so that a run that is killed has counted what it stored."""
    sets = ", ".join(f"repos_{name} = repos_{name} + ?" for name in ("seen", "new", "changed", "unchanged", "skipped"))
    sql = f"update crawl_runs set {sets} where id = ?"
    rows.execute(sql, (counts.seen, counts.new, counts.changed, counts.unchanged, counts.skipped, run.id))


# ---- walks ----------------------------------------------------------------------------------------------------------


def advance(rows: Rows, run: RunRecord, scope: str, page: Page, seen: Sequence[int]) -> None:
    """Moves the walk's cursor past a page; after the last page the walk is over, its sweep still to be closed."""
    if run.kind not in ("full", "incremental"):
        return
    read_time = rows.result(cursors, "started_at")
    sql = "select cursor, started_at, newest, pages from cursors where scope = ? and kind = ?"
    found = rows.select(sql, (scope, run.kind))
    going_on = bool(found) and found[0][0] is not None
    started = read_time(found[0][1]) if going_on else run.started_at
    pages = int(found[0][3]) if going_on else 0
    moments = [record.last_modified for record, _ in page.repos if record.last_modified is not None]
    if going_on and found[0][2] is not None:
        moments.append(read_time(found[0][2]))
    if run.kind == "full":
        if not going_on:
            rows.delete(listing_pages, ("scope",), [(scope,)])
        rows.insert(listing_pages, ("scope", "page", "seen"), [(scope, pages, to_json(list(seen)))])
    columns = ("scope", "kind", "cursor", "started_at", "newest", "pages", "run")
    values = (scope, run.kind, page.cursor, started, max(moments, default=None), pages + 1, run.id)
    rows.upsert(cursors, ("scope", "kind"), columns, [values])
    if page.cursor is None:
        close_listing(rows, run, scope)


def close_listing(rows: Rows, run: RunRecord, scope: str) -> None:
    """The walk saw all there was: from its start, and up to the newest change that it saw, the catalog is complete."""
    sql = "select started_at, newest from cursors where scope = ? and kind = ?"
    found = rows.select(sql, (scope, run.kind))
    if not found:
        return
    started, newest = found[0]
    if run.kind == "full":
        rows.execute("update crawl_runs set swept_from = ? where id = ?", (started, run.id))
    if newest is not None:
        known = rows.select("select newest from watermarks where scope = ?", (scope,))
        if not known or known[0][0] < newest:
            value = rows.result(watermarks, "newest")(newest)
            rows.upsert(watermarks, ("scope",), ("scope", "newest"), [(scope, value)])


def cursor(rows: Rows, scope: str, kind: str) -> str | None:
    found = rows.select("select cursor from cursors where scope = ? and kind = ?", (scope, kind))
    return None if not found else found[0][0]


def restart(rows: Rows, scope: str, kind: str) -> None:
    """Forgets an unfinished walk: the next page starts a new one."""
    rows.delete(cursors, ("scope", "kind"), [(scope, kind)])
    if kind == "full":
        rows.delete(listing_pages, ("scope",), [(scope,)])


def sweep_done(rows: Rows, scope: str) -> datetime | None:
    sql = "select max(swept_from) from crawl_runs where scope = ? and kind = 'full'"
    return _moment(rows, rows.select(sql, (scope,)))


def watermark(rows: Rows, scope: str) -> datetime | None:
    return _moment(rows, rows.select("select newest from watermarks where scope = ?", (scope,)))


def _moment(rows: Rows, found: Sequence[Sequence[str]]) -> datetime | None:
    if not found or found[0][0] is None:
        return None
    moment: datetime = rows.result(watermarks, "newest")(found[0][0])
    return moment


# ---- missing repos --------------------------------------------------------------------------------------------------


def open_sweep(rows: Rows, scope: str) -> bool:
    """A full walk came to its end, but its run died before the repos that it did not see were looked into."""
    sql = "select 1 from cursors where scope = ? and kind = 'full' and cursor is null"
    return bool(rows.select(sql, (scope,)))


def seen_repos(rows: Rows, scope: str) -> bytearray:
    """Which repos the last full walk saw: a byte for each of the catalog's numbers. Empty if it saw none."""
    seen = bytearray()
    sql = f"select seen from listing_pages where scope = {rows.mark}"
    for (numbers,) in rows.connection.exec_driver_sql(sql, (scope,)):
        for number in map(int, filter(None, numbers[1:-1].split(","))):
            if number >= len(seen):
                seen.extend(bytes(2 * number + 1000 - len(seen)))
            seen[number] = 1
    return seen


def missing(
    rows: Rows, scope: str, scope_filter: RepoFilter | None, seen: bytearray, after: int
) -> tuple[list[LeasedRepo], int | None]:
    """Repos of the scope that the last full walk did not see and that are not known to be gone, a batch of them.

    A walk of a filter can only miss what its filter would show: `scope_filter` says what that is. Returns also the
    number to go on after, None at the end.
    """
    found = rows.select("select run from cursors where scope = ? and kind = 'full'", (scope,))
    if not seen or not found:
        return [], None
    # Those that this very crawl brought in it has seen. By its number, not by a date: clocks are set back and forth.
    conditions = [
        repos.c.status.notin_(("gone", "private", "disabled")),
        or_(repos.c.first_run.is_(None), repos.c.first_run < found[0][0]),
    ]
    conditions += [repos.c.id > after, *([] if scope_filter is None else filter_sql(scope_filter))]
    statement = select(repos.c.id, repos.c.hub_id, repos.c.repo_id, repos.c.sha).where(*conditions)
    batch = rows.connection.execute(statement.order_by(repos.c.id).limit(PROBE_BATCH)).all()
    unseen = [LeasedRepo(row[1], row[2], row[3], None, 0) for row in batch if row[0] >= len(seen) or not seen[row[0]]]
    return unseen, batch[-1][0] if len(batch) == PROBE_BATCH else None


def record_missing(rows: Rows, scope: str, hub_ids: Iterable[str], now: datetime) -> None:
    found = rows.select("select started_at from cursors where scope = ? and kind = 'full'", (scope,))
    since = rows.result(cursors, "started_at")(found[0][0]) if found else now
    numbers = list(rows.select_in("select id from repos where hub_id in ({})", hub_ids))
    rows.insert_new(missing_repos, ("repo", "since", "probes"), [(row[0], since, 0) for row in numbers])


def unconfirmed_missing(rows: Rows, most: int) -> list[LeasedRepo]:
    """Repos with an absence, at most so many, those that were looked at longest ago or never first."""
    sql = (
        "select r.hub_id, r.repo_id, r.sha from missing_repos a join repos r on r.id = a.repo"
        " order by a.probed_at nulls first, a.repo limit ?"
    )
    return [LeasedRepo(hub_id, repo_id, sha, None, 0) for hub_id, repo_id, sha in rows.select(sql, (most,))]


def record_probe(rows: Rows, hub_id: str, *, found: bool, at: datetime) -> int:
    """A direct look at a missing repo; returns how many in a row did not find it."""
    sql = "select r.id, a.probes from repos r left join missing_repos a on a.repo = r.id where r.hub_id = ?"
    known = rows.select(sql, (hub_id,))
    if not known:
        return 0
    repo, probes = known[0]
    if found:
        rows.delete(missing_repos, ("repo",), [(repo,)])
        return 0
    count = (probes or 0) + 1
    if probes is None:
        rows.insert(missing_repos, ("repo", "since", "probes", "probed_at"), [(repo, at, count, at)])
    else:
        rows.update(missing_repos, ("probes", "probed_at"), "repo", [(count, at, repo)])
    return count


def reassigned_repos(rows: Rows, run: RunRecord) -> list[tuple[str, str]]:
    """(hub_id, owner) of repos that this run lost sight of since another one has their id now."""
    sql = (
        "select distinct r.hub_id, r.author from events e join repos r on r.id = e.repo"
        " where e.at >= ? and e.run = ? and e.kind = 'gone' and r.status = 'gone' and r.author is not null"
        " and exists (select 1 from repos o where o.repo_id = r.repo_id and o.id <> r.id) order by r.author, r.hub_id"
    )
    return list(rows.select(sql, (rows.value(events, "at", run.started_at), run.id)))

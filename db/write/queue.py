"""Which repos are enriched next, and which crawler holds the lease of each.

    priority = value x need / (1 + failures)^2
    value    = 1 + ln(1 + downloads) + 2 ln(1 + trend) + ln(1 + likes) / 2
    need     = base + 0.5 (no family, or unknown whether quantized) + 0.5 (a claim and a measurement disagree)
    base     = 2 never enriched
               1 + min(1, age / rhythm) enriched at an earlier commit: age is the time since then, rhythm the repo's
                 usual time between commits, taken as its age at the last commit, a day at least
               1 enriched at this commit, but less deeply than is asked for

A lease is a number that grows with each lease of its repo: a fencing token. When a crawler stores a result after its
lease ran out and another crawler leased the repo, the numbers differ and the result is dropped, so that two crawlers
never write one repo twice. On PostgreSQL leases are claimed with SKIP LOCKED, so that crawlers never wait for each
other. A lease names its holder, so that the leases of a crawler that died (db.write.lock) are freed before they run
out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select

from db.read.scope_sql import filter_sql
from db.record_base import Depth
from db.records import LeasedRepo, RepoFilter, Skipped
from db.rows import CHUNK, Rows
from db.schema.tables import conflicts, enrichments, repo_labels, repos
from db.totals import kept_totals

LEASE_DURATION = timedelta(minutes=15)
"""How long a lease is valid. Enriching the largest repo takes a minute or two."""

RETRY_DELAY = timedelta(hours=1)
"""Until a repo is tried again after its first failure; doubled with each further one."""

MAX_RETRY_DELAY = timedelta(days=30)

RANKED_BATCH = 20_000
"""Repos that are ranked at once: ranking reads every repo, claiming only a few."""

MAX_ATTEMPTS = 4
"""Attempts in a row that may end with their process before they count as a failure of the repo."""

DAY = 86_400.0


def priority(
    *,
    downloads: int,
    likes: int = 0,
    trend: float = 0.0,
    visited: bool = False,
    changed: bool = False,
    age: float = 0.0,
    rhythm: float = DAY,
    unclear: bool = False,
    conflict: bool = False,
    failures: int = 0,
) -> float:
    """The formula above; `age` and `rhythm` in seconds. `priority_sql` is the same in SQL."""
    value = 1 + math.log(1 + downloads) + 2 * math.log(1 + max(trend, 0.0)) + math.log(1 + likes) / 2
    base = 2.0 if not visited else 1 + min(1.0, max(age, 0.0) / max(rhythm, DAY)) if changed else 1.0
    return float(value * (base + 0.5 * unclear + 0.5 * conflict) / (1 + failures) ** 2)


def _seconds(dialect: str, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    if dialect == "sqlite":
        return func.julianday(moment) * DAY
    return func.extract("epoch", moment)


def _greater(dialect: str, left: Any, right: Any) -> ColumnElement[Any]:
    return func.max(left, right) if dialect == "sqlite" else func.greatest(left, right)


def _less(dialect: str, left: Any, right: Any) -> ColumnElement[Any]:
    return func.min(left, right) if dialect == "sqlite" else func.least(left, right)


def priority_sql(dialect: str, now: datetime) -> ColumnElement[Any]:
    """The formula as SQL over repos, enrichments and repo_labels."""
    moment = literal(now, enrichments.c.visited_at.type)
    zero = literal(0.0)
    value = (
        1
        + func.ln(1.0 + func.coalesce(repos.c.downloads, 0))
        + 2 * func.ln(1.0 + _greater(dialect, func.coalesce(repos.c.trending_score, zero), zero))
        + func.ln(1.0 + func.coalesce(repos.c.likes, 0)) / 2
    )
    age = _seconds(dialect, moment) - _seconds(dialect, enrichments.c.visited_at)
    rhythm = _seconds(dialect, repos.c.last_modified) - _seconds(dialect, repos.c.created_at)
    ratio = _greater(dialect, age, zero) / _greater(dialect, func.coalesce(rhythm, literal(DAY)), literal(DAY))
    base = case(
        (enrichments.c.visited_at.is_(None), 2.0),
        (or_(enrichments.c.sha.is_(None), enrichments.c.sha != repos.c.sha), 1 + _less(dialect, ratio, literal(1.0))),
        else_=1.0,
    )
    unclear = case((or_(repo_labels.c.family.is_(None), repo_labels.c.quantized.is_(None)), 0.5), else_=0.0)
    disputed = case((exists().where(conflicts.c.repo == repos.c.id), 0.5), else_=0.0)
    failures = 1 + func.coalesce(enrichments.c.failures, 0)
    return value * (base + unclear + disputed) / (failures * failures)


_JOINED = repos.outerjoin(enrichments, enrichments.c.repo == repos.c.id).outerjoin(
    repo_labels, repo_labels.c.repo == repos.c.id
)


def _is_reachable(scope: RepoFilter | None) -> ColumnElement[bool]:
    private = ("private",) if scope is not None and scope.private else ()
    return repos.c.status.in_(("available", "gated", *private))


def _is_due(depth: Depth) -> ColumnElement[bool]:
    """Its present commit was not read to this depth."""
    shallow = enrichments.c.depth.is_(None) if depth == "files" else func.coalesce(enrichments.c.depth, "") != "headers"
    return or_(enrichments.c.sha.is_(None), enrichments.c.sha != repos.c.sha, shallow)


def _is_free(now: datetime) -> ColumnElement[bool]:
    moment = literal(now, enrichments.c.leased_until.type)
    return or_(enrichments.c.leased_until.is_(None), enrichments.c.leased_until < moment)


def _conditions(depth: Depth, scope: RepoFilter | None, now: datetime | None) -> ColumnElement[bool]:
    narrow = [] if scope is None else filter_sql(scope)
    free = [] if now is None else [_is_free(now)]
    if scope is not None and scope.limit is not None:
        top = (
            select(repos.c.id)
            .where(_is_reachable(scope), *narrow)
            .order_by(repos.c.downloads.desc().nulls_last(), repos.c.id)
        )
        narrow = [repos.c.id.in_(top.limit(scope.limit))]
    return and_(_is_reachable(scope), _is_due(depth), *free, *narrow)


class LeaseQueue:
    """The repos that are worth enriching, best first: ranked RANKED_BATCH at a time, leased a few at a time."""

    def __init__(self) -> None:
        self.holder: str | None = None  # this crawler's name in its leases (db.write.lock); None outside a crawl
        self._ranked: deque[int] = deque()
        self._ranked_for: tuple[Depth, RepoFilter | None] | None = None

    def forget(self) -> None:
        """Drops the ranking, so that the next claim ranks again."""
        self._ranked.clear()

    def count(self, rows: Rows, depth: Depth, scope: RepoFilter | None) -> int:
        """How many repos of the scope are to be enriched to this depth, leased ones among them."""
        if depth == "listing":
            return 0
        statement = select(func.count()).select_from(_JOINED).where(_conditions(depth, scope, None))
        return int(rows.connection.execute(statement).scalar_one())

    def count_held_by_others(self, rows: Rows, depth: Depth, scope: RepoFilter | None, now: datetime) -> int:
        """How many repos of the scope, to be enriched to this depth, other crawlers hold leases of."""
        moment = literal(now, enrichments.c.leased_until.type)
        held = (enrichments.c.leased_until >= moment, enrichments.c.holder != self.holder)
        statement = select(func.count()).select_from(_JOINED).where(_conditions(depth, scope, None), *held)
        return int(rows.connection.execute(statement).scalar_one())

    def claim(self, rows: Rows, n: int, depth: Depth, scope: RepoFilter | None, now: datetime) -> list[LeasedRepo]:
        """Leases the best n repos that are free; fewer only if there are no more. In the caller's transaction."""
        if depth == "listing" or n <= 0:
            return []
        if self._ranked_for != (depth, scope):
            self._ranked.clear()
            self._ranked_for = (depth, scope)
        leased: list[LeasedRepo] = []
        has_ranked = False
        while len(leased) < n:
            if not self._ranked:
                if has_ranked:
                    break  # other crawlers are leasing the rest at this moment
                self._ranked.extend(self._rank(rows, max(n, RANKED_BATCH), depth, scope, now))
                has_ranked = True
            ids = [self._ranked.popleft() for _ in range(min(n - len(leased), len(self._ranked), CHUNK))]
            leased += self._lease(rows, ids, depth, scope, now)
        return leased

    def _rank(self, rows: Rows, n: int, depth: Depth, scope: RepoFilter | None, now: datetime) -> Sequence[int]:
        moment = literal(now, enrichments.c.visited_at.type)
        # Last those whose attempt ended with its process: perhaps it was their fault.
        order = (func.coalesce(enrichments.c.attempts, 0), priority_sql(rows.dialect.name, now).desc(), repos.c.id)
        conditions = (_conditions(depth, scope, now), _may_retry(rows, moment))
        statement = select(repos.c.id).select_from(_JOINED).where(*conditions)
        return rows.connection.execute(statement.order_by(*order).limit(n)).scalars().all()

    def _lease(
        self, rows: Rows, ids: Sequence[int], depth: Depth, scope: RepoFilter | None, now: datetime
    ) -> list[LeasedRepo]:
        rank = {number: place for place, number in enumerate(ids)}
        if rows.dialect.name == "postgresql":
            # Lock first, then read: a single statement would see the leases as they were before it had the locks.
            unlocked = select(repos.c.id).where(repos.c.id.in_(ids)).with_for_update(skip_locked=True)
            ids = rows.connection.execute(unlocked).scalars().all()
        statement = (
            select(
                *(repos.c.id, repos.c.hub_id, repos.c.repo_id, repos.c.sha),
                *(enrichments.c.sha.label("enriched_sha"), enrichments.c.depth, enrichments.c.lease),
                enrichments.c.attempts,
            )
            .select_from(repos.outerjoin(enrichments, enrichments.c.repo == repos.c.id))
            .where(repos.c.id.in_(ids), _is_reachable(scope), _is_due(depth), _is_free(now))
        )
        found = sorted(rows.connection.execute(statement).all(), key=lambda row: rank[row.id])
        until = now + LEASE_DURATION
        leases = {row.id: (row.lease or 0) + 1 for row in found}
        new_rows = [(repo, lease, until, 0) for repo, lease in leases.items()]
        rows.insert_new(enrichments, ("repo", "lease", "leased_until", "failures"), new_rows)
        attempts = {row.id: (row.attempts or 0) + 1 for row in found}
        values = [(lease, until, self.holder, attempts[repo], repo) for repo, lease in leases.items()]
        rows.update(enrichments, ("lease", "leased_until", "holder", "attempts"), "repo", values)
        return [
            LeasedRepo(
                row.hub_id,
                row.repo_id,
                row.sha,
                row.depth if row.enriched_sha is not None and row.enriched_sha == row.sha else None,
                leases[row.id],
            )
            for row in found
        ]

    @staticmethod
    def count_unended_attempts(rows: Rows, now: datetime) -> list[Skipped]:
        """Makes failures of repos whose attempts ended with their process MAX_ATTEMPTS times; returns their skips."""
        sql = (
            "select r.id, r.repo_id, r.hub_id from enrichments v join repos r on r.id = v.repo"
            " where v.attempts >= ? and v.leased_until is null"
        )
        found = rows.select(sql, (MAX_ATTEMPTS,))
        for repo, _, _ in found:
            rows.execute("update enrichments set failures = failures + 1, attempts = null where repo = ?", (repo,))
        rows.update(enrichments, ("visited_at",), "repo", [(now, repo) for repo, _, _ in found])
        detail = f"the process ended {MAX_ATTEMPTS} times while it was read"
        return [Skipped(repo_id, "failed", detail, now, hub_id) for _, repo_id, hub_id in found]

    @staticmethod
    def release(rows: Rows, leases: Iterable[LeasedRepo]) -> None:
        """Frees unused leases; one that another crawler holds meanwhile stays."""
        by_hub_id = {leased.hub_id: leased.lease for leased in leases}
        sql = "select r.hub_id, v.repo, v.lease from repos r join enrichments v on v.repo = r.id where r.hub_id in ({})"
        held = [
            (None, None, None, repo)
            for hub_id, repo, lease in rows.select_in(sql, by_hub_id)
            if by_hub_id[hub_id] == lease
        ]
        rows.update(enrichments, ("leased_until", "holder", "attempts"), "repo", held)

    @staticmethod
    def release_all(rows: Rows) -> None:
        """Frees every lease, for when no other crawl runs. A result that arrives late still has an outdated lease."""
        rows.execute("update enrichments set leased_until = null, holder = null where leased_until is not null")

    @staticmethod
    def release_held_by(rows: Rows, holders: Iterable[str]) -> None:
        """Frees the leases of crawlers that have ended. Their attempts stay: one of these repos may have ended them."""
        for holder in holders:
            rows.execute("update enrichments set leased_until = null, holder = null where holder = ?", (holder,))

    @staticmethod
    def record_failure(
        rows: Rows, hub_id: str, lease: int | None, now: datetime, *, settled: str | None, repeat: bool = False
    ) -> None:
        """Stores that reading a repo failed.

        `settled` is the depth that counts as read until the next commit; with None the repo is tried again later, with
        `repeat` also if its present commit was read.
        """
        joined = "repos r left join enrichments v on v.repo = r.id"
        sql = f"select r.id, r.sha, v.lease, v.failures from {joined} where r.hub_id = ?"
        stored = rows.first(sql, (hub_id,))
        if stored is None or (lease and stored.lease != lease):
            return
        columns: tuple[str, ...] = ("repo", "lease", "leased_until", "holder", "attempts", "visited_at", "failures")
        values: tuple[Any, ...] = (stored.id, stored.lease or 0, None, None, None, now)
        if settled is not None:
            columns += ("sha", "depth")
            values += (0, stored.sha, settled)
        else:
            values += ((stored.failures or 0) + 1,)
        if repeat:
            columns += ("sha",)
            values += (None,)
        with kept_totals(rows, [stored.id]) if "sha" in columns else nullcontext():
            rows.upsert(enrichments, ("repo",), columns, [values])


def _may_retry(rows: Rows, now: ColumnElement[Any]) -> ColumnElement[bool]:
    """The last attempt did not fail, or RETRY_DELAY x 2^(failures - 1) ago. One in the future has a wrong date."""
    dialect = rows.dialect.name
    waited = _seconds(dialect, now) - _seconds(dialect, enrichments.c.visited_at)
    doubled = RETRY_DELAY.total_seconds() * func.power(2.0, enrichments.c.failures - 1)
    delay = _less(dialect, doubled, MAX_RETRY_DELAY.total_seconds())
    return or_(func.coalesce(enrichments.c.failures, 0) == 0, waited >= delay, waited < 0)

"""Which repo the next request buys most at, and who holds it.

    priority = value x need / (1 + failures)^2
    value    = 1 + ln(1 + downloads) + 2 ln(1 + trend) + ln(1 + likes) / 2
    need     = base + 0.5 (no family or no word on quantization) + 0.5 (a claim and a measurement disagree)
    base     = 2 never visited at this commit's contents and never before
               1 + min(1, age / rhythm) visited at an earlier commit: age is the time since that visit, rhythm
                 the repo's own usual time between commits, taken as its age at the last commit, a day at least
               1 visited at this commit, but less deeply than is wanted now

A lease is a row's number that grows with every lease of that repo: the fencing token. A crawler that was away for
longer than its lease finds the number changed and its result is dropped, so two crawlers never write one repo twice.
On PostgreSQL the claim takes rows with SKIP LOCKED, so several crawlers never wait for each other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select

from db.read.scope_sql import filter_sql
from db.record_base import Depth
from db.records import LeasedRepo, RepoFilter
from db.rows import CHUNK, Rows
from db.schema.tables import conflicts, enrichments, repo_labels, repos

LEASE_DURATION = timedelta(minutes=15)
"""How long a lease holds. A visit of the largest repo takes a minute or two."""

RETRY_DELAY = timedelta(hours=1)
"""After the first failed visit; doubled with each further one, thirty days at most."""

RANKED_BATCH = 20_000
"""How many of the most wanted are ranked at once: ranking looks at every repo, claiming at a few."""

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
    """The formula above; `age` and `rhythm` in seconds. The store ranks by the same in SQL."""
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


def _reachable() -> ColumnElement[bool]:
    return repos.c.status.in_(("available", "gated"))


def _unmet(depth: Depth) -> ColumnElement[bool]:
    """Its files, or its headers, at its present commit are not known."""
    shallow = enrichments.c.depth.is_(None) if depth == "files" else func.coalesce(enrichments.c.depth, "") != "headers"
    return or_(enrichments.c.sha.is_(None), enrichments.c.sha != repos.c.sha, shallow)


def _free(now: datetime) -> ColumnElement[bool]:
    moment = literal(now, enrichments.c.leased_until.type)
    return or_(enrichments.c.leased_until.is_(None), enrichments.c.leased_until < moment)


def _conditions(depth: Depth, scope: RepoFilter | None, now: datetime | None) -> ColumnElement[bool]:
    narrow = [] if scope is None else filter_sql(scope)
    free = [] if now is None else [_free(now)]
    if scope is not None and scope.limit is not None:
        top = (
            select(repos.c.id).where(_reachable(), *narrow).order_by(repos.c.downloads.desc().nulls_last(), repos.c.id)
        )
        narrow = [repos.c.id.in_(top.limit(scope.limit))]
    return and_(_reachable(), _unmet(depth), *free, *narrow)


class Frontier:
    """Ranks the most wanted once, then hands them out a few at a time."""

    def __init__(self) -> None:
        self._ranked: deque[int] = deque()
        self._asked: tuple[Depth, RepoFilter | None] | None = None

    def forget(self) -> None:
        self._ranked.clear()

    def count(self, rows: Rows, depth: Depth, scope: RepoFilter | None) -> int:
        if depth == "listing":
            return 0
        statement = select(func.count()).select_from(_JOINED).where(_conditions(depth, scope, None))
        return int(rows.connection.execute(statement).scalar_one())

    def claim(self, rows: Rows, n: int, depth: Depth, scope: RepoFilter | None, now: datetime) -> list[LeasedRepo]:
        """Leases up to n of the most wanted; fewer only if no more are free. In the caller's transaction."""
        if depth == "listing" or n <= 0:
            return []
        if self._asked != (depth, scope):
            self._ranked.clear()
            self._asked = (depth, scope)
        claimed: list[LeasedRepo] = []
        ranked = False
        while len(claimed) < n:
            if not self._ranked:
                if ranked:
                    break  # what is left is being taken by others at this moment
                self._ranked.extend(self._rank(rows, max(n, RANKED_BATCH), depth, scope, now))
                ranked = True
            ids = [self._ranked.popleft() for _ in range(min(n - len(claimed), len(self._ranked), CHUNK))]
            claimed += self._lease(rows, ids, depth, now)
        return claimed

    def _rank(self, rows: Rows, n: int, depth: Depth, scope: RepoFilter | None, now: datetime) -> Sequence[int]:
        moment = literal(now, enrichments.c.visited_at.type)
        order = priority_sql(rows.dialect.name, now).desc()
        statement = select(repos.c.id).select_from(_JOINED).where(_conditions(depth, scope, now), _rested(rows, moment))
        return rows.connection.execute(statement.order_by(order, repos.c.id).limit(n)).scalars().all()

    def _lease(self, rows: Rows, ids: Sequence[int], depth: Depth, now: datetime) -> list[LeasedRepo]:
        place = {number: index for index, number in enumerate(ids)}
        if rows.dialect.name == "postgresql":
            # First the locks, then the look: one statement would see the leases as they were before it had the locks.
            held = select(repos.c.id).where(repos.c.id.in_(ids)).with_for_update(skip_locked=True)
            ids = rows.connection.execute(held).scalars().all()
        columns = [repos.c.id, repos.c.hub_id, repos.c.repo_id, repos.c.sha]
        columns += [enrichments.c.sha, enrichments.c.depth, enrichments.c.lease]
        statement: Select[Any] = (
            select(*columns)
            .select_from(repos.outerjoin(enrichments, enrichments.c.repo == repos.c.id))
            .where(repos.c.id.in_(ids), _reachable(), _unmet(depth), _free(now))
        )
        found = sorted(rows.connection.execute(statement).all(), key=lambda row: place[row[0]])
        until = now + LEASE_DURATION
        leases = [(row[0], (row[6] or 0) + 1) for row in found]
        rows.insert_new(
            enrichments,
            ("repo", "lease", "leased_until", "failures"),
            [(repo, lease, until, 0) for repo, lease in leases],
        )
        rows.update(enrichments, ("lease", "leased_until"), "repo", [(lease, until, repo) for repo, lease in leases])
        return [
            LeasedRepo(hub_id, repo_id, sha, depth if seen is not None and seen == sha else None, lease)
            for (_, hub_id, repo_id, sha, seen, depth, _), (_, lease) in zip(found, leases, strict=True)
        ]

    @staticmethod
    def release(rows: Rows, leases: Iterable[LeasedRepo]) -> None:
        """Gives leases back that were not used; those that were lost meanwhile stay their new holder's."""
        given = {wanted.hub_id: wanted.lease for wanted in leases}
        sql = "select r.hub_id, v.repo, v.lease from repos r join enrichments v on v.repo = r.id where r.hub_id in ({})"
        held = [row for row in rows.select_in(sql, given) if given[row[0]] == row[2]]
        rows.update(enrichments, ("leased_until",), "repo", [(None, row[1]) for row in held])

    @staticmethod
    def free(rows: Rows) -> None:
        """Takes back every lease, for when nobody crawls. A late result is still known by its token."""
        rows.execute("update enrichments set leased_until = null where leased_until is not null")

    @staticmethod
    def fail(rows: Rows, hub_id: str, lease: int | None, now: datetime, *, settled: str | None) -> None:
        """A visit brought nothing. `settled`: the depth that counts as reached until the next commit, None to retry."""
        joined = "repos r left join enrichments v on v.repo = r.id"
        sql = f"select r.id, r.sha, v.lease, v.failures from {joined} where r.hub_id = ?"
        found = rows.select(sql, (hub_id,))
        if not found or (lease and found[0][2] != lease):
            return
        repo, sha, held, failures = found[0]
        if settled is not None:
            columns: tuple[str, ...] = ("repo", "lease", "leased_until", "visited_at", "failures", "sha", "depth")
            values: tuple[Any, ...] = (repo, held or 0, None, now, 0, sha, settled)
        else:
            columns = ("repo", "lease", "leased_until", "visited_at", "failures")
            values = (repo, held or 0, None, now, (failures or 0) + 1)
        rows.upsert(enrichments, ("repo",), columns, [values])


def _rested(rows: Rows, now: ColumnElement[Any]) -> ColumnElement[bool]:
    """Its last visit did not fail, or long enough ago: RETRY x 2^(failures - 1). One in the future was misdated."""
    waited = _seconds(rows.dialect.name, now) - _seconds(rows.dialect.name, enrichments.c.visited_at)
    pause = _less(
        rows.dialect.name, RETRY_DELAY.total_seconds() * func.power(2.0, enrichments.c.failures - 1), 30 * DAY
    )
    return or_(func.coalesce(enrichments.c.failures, 0) == 0, waited >= pause, waited < 0)

"""The artifacts that may fit, best first, without reading those that can't be among the best.

The rows of fit_candidates lie by size class and, within one, by a bound of the score. The classes that a machine holds
are merged, the greatest bound first; what is read is evaluated exactly, and given out once no row that follows can be
better. So the order is the one that evaluating every artifact would give, whatever the size of the catalog.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

from analysis.catalog.fit_candidates import (
    Candidate,
    Reason,
    RepoConditions,
    load_candidates,
    platforms_of,
)
from analysis.catalog.fit_index import greatest_score, least_bytes, step_of
from analysis.catalog.fit_places import estimate_speed, is_usable, most_read_bytes, place_on_devices
from analysis.catalog.fit_ranking import Context, Score, score
from analysis.catalog.fit_request import FitRequest
from analysis.catalog.published_results import load_results
from analysis.fit.geometry import kv_element_bytes
from analysis.fit.machines import Machine
from analysis.fit.memory import RUNTIME_OVERHEAD_BYTES
from analysis.query.patterns import MAX_COMPARED_LENGTH, escape_like
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values

ROWS_PER_STEP = 50  # rows of one size class that one query reads
ROWS_OF_ALL_STEPS = 2000
EVALUATED_TOGETHER = 100
ROUNDING = 1e-5  # of scores, which are compared to a millionth

Tier = bool | None
"""Usable speed, unknown speed (None), slower: in this order."""

TIERS: Sequence[Tier] = (True, None, False)

Key = tuple[int, int, int]
"""points, repo, artifact."""

BEYOND: Key = (2**31 - 1, 2**62, 2**62)

ROWS = """
select f.points, f.repo, f.artifact
from fit_candidates f join repos r on r.id = f.repo
where {steps} and (f.points, f.repo, f.artifact) < (:points, :repo, :artifact)
    and f.weights + f.fixed_bytes + f.token_elements * :token_bytes <= :room
    and (f.context is null or f.context >= :context)
    and {conditions}
order by f.points desc, f.repo desc, f.artifact desc
limit {rows}
"""

ENDS = """
select (select min(step) from fit_candidates) as least, (select max(step) from fit_candidates) as greatest
"""
"""The size classes that there are; two selects, since SQLite finds one end by the index and both by a scan."""

FAST_ENOUGH = """f.read_bytes <= case f.format
    when 'gguf' then case when f.mixture then :gguf_moe else :gguf_dense end
    when 'mlx' then case when f.mixture then :mlx_moe else :mlx_dense end
    else case when f.mixture then :other_moe else :other_dense end end"""


class Named(Protocol):
    """What breaks ties in the ranking."""

    @property
    def downloads(self) -> int | None: ...
    @property
    def repo_id(self) -> str: ...
    @property
    def artifact(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with its score and whether it is fast enough, before its cache is known."""

    candidate: Candidate
    score: Score
    is_usable: Tier

    @property
    def order(self) -> tuple[Any, ...]:
        return order_of(self.is_usable, self.score, self.candidate)


def order_of(usable: Tier, points: Score, named: Named) -> tuple[Any, ...]:
    """The sort key of the ranking: usable speed, unknown speed, slower; then the score, downloads and name."""
    return (TIERS.index(usable), -round(points.total, 6), -(named.downloads or 0), named.repo_id, named.artifact or "")


def rank(candidate: Candidate, machine: Machine, request: FitRequest, context: Context) -> Ranked:
    """The candidate with its place in the order."""
    needs = candidate.total_size + RUNTIME_OVERHEAD_BYTES
    place = place_on_devices(needs, machine)
    speed = estimate_speed(candidate, needs, machine, place, 0) if place else None
    return Ranked(candidate, score(candidate, context), is_usable(speed, request))


def rank_all(
    reader: CatalogReader,
    candidates: Sequence[Candidate],
    machine: Machine,
    request: FitRequest,
    generations: Mapping[tuple[str, str], float],
) -> list[Ranked]:
    """The candidates with their places, in no order."""
    context = Context(generations, load_results(reader, {each.base_model for each in candidates}))
    return [rank(each, machine, request, context) for each in candidates]


@dataclass(slots=True)
class IndexedCandidates:
    """The candidates of fit_candidates that match a request, best first; iterated once.

    `room`: bytes for weights, cache and buffers. `left_out` and `repos` count what was looked at until then.
    """

    reader: CatalogReader
    machine: Machine
    request: FitRequest
    room: int
    where: RepoConditions
    generations: Mapping[tuple[str, str], float]
    left_out: Counter[Reason] = field(default_factory=Counter)
    repos: set[int] = field(default_factory=set)
    _given: set[tuple[int, int]] = field(default_factory=set)

    def __iter__(self) -> Iterator[Ranked]:
        for tier in TIERS:
            yield from self._in_order(tier)

    def _in_order(self, tier: Tier) -> Iterator[Ranked]:
        """The candidates of one tier."""
        rows = self._rows(tier)
        best: list[tuple[tuple[Any, ...], Ranked]] = []
        following = next(rows, None)
        while following is not None:
            batch: list[Key] = []
            while following is not None and len(batch) < EVALUATED_TOGETHER:
                batch.append(following)
                following = next(rows, None)
            bound = greatest_score(following[0]) if following is not None else 0.0
            for each in self._evaluate(batch, tier):
                heappush(best, (each.order, each))
            while best and (following is None or best[0][1].score.total > bound + ROUNDING):
                yield heappop(best)[1]

    def _evaluate(self, batch: Sequence[Key], tier: Tier) -> list[Ranked]:
        new = [key for key in batch if key[1:] not in self._given]
        found = load_candidates(
            self.reader, self.machine, self.request, self.room, [key[1:] for key in new], self.left_out
        )
        self.repos.update(repo for _, repo, _ in new)
        ranked = rank_all(self.reader, [candidate for _, candidate in found], self.machine, self.request,
                          self.generations)  # fmt: skip
        chosen = [(key, each) for (key, _), each in zip(found, ranked, strict=True) if each.is_usable == tier]
        self._given.update(key for key, _ in chosen)
        return [each for _, each in chosen]

    def _rows(self, tier: Tier) -> Iterator[Key]:
        """Keys of the rows that may be of a tier, the greatest bound first, merged over the size classes."""
        ordered: list[tuple[Key, int, Iterator[Key]]] = []
        for at, stream in enumerate(self._streams(tier)):
            if (first := next(stream, None)) is not None:
                ordered.append((negative(first), at, stream))
        heapify(ordered)
        while ordered:
            key, at, stream = heappop(ordered)
            yield negative(key)
            if (following := next(stream, None)) is not None:
                heappush(ordered, (negative(following), at, stream))

    def _streams(self, tier: Tier) -> Iterator[Iterator[Key]]:
        """The rows of each size class; of all of them together where few repos match."""
        conditions, values = self._conditions(tier)
        if not self.where.are_common:
            sql = ROWS.format(steps="f.step <= :step", conditions=conditions, rows=ROWS_OF_ALL_STEPS)
            yield rows_of(self.reader, sql, {**values, "step": step_of(self.room)}, ROWS_OF_ALL_STEPS)
            return
        sql = ROWS.format(steps="f.step = :step", conditions=conditions, rows=ROWS_PER_STEP)
        (ends,) = self.reader.all(ENDS)
        for step in range(ends["least"] or 0, min(step_of(self.room), ends["greatest"] or 0) + 1):
            yield rows_of(self.reader, sql, {**values, **self._limits(step, tier), "step": step}, ROWS_PER_STEP)

    def _conditions(self, tier: Tier) -> tuple[str, dict[str, Any]]:
        """SQL on fit_candidates f and repos r, and its values."""
        request = self.request
        conditions = list(self.where.conditions)
        values = {
            **self.where.values,
            "room": self.room + 2,  # sizes are rounded
            "token_bytes": request.context * kv_element_bytes(request.kv_type),
            "context": request.context,
        }
        conditions.append("f.read_bytes is null" if tier is None else "f.read_bytes is not null")
        conditions += [FAST_ENOUGH] * (tier is True and self.where.are_common)
        if request.task is None:
            conditions.append("f.text")
        else:
            use = json.dumps(request.task.lower(), ensure_ascii=False)[:MAX_COMPARED_LENGTH]  # no use is as long
            values["use"] = f"%{escape_like(use)}%"
            conditions.append("f.uses like :use escape '!'")
        if not (request.formats or request.quants):
            conditions.append(f"f.platform in ({', '.join(repr(each) for each in sorted(platforms_of(self.machine)))})")
        for name, texts in (("format", request.formats), ("quant", request.quants)):
            if texts:
                listed, named = name_values(f"own_{name}", [text.lower() for text in texts])
                values |= named
                conditions.append(f"lower(f.{name}) in ({listed})")
        if request.bits is not None:
            values["bits"] = round(request.bits)
            conditions.append("f.bits = :bits")
        if self.reader.all("select 1 as n from fit_pending limit 1"):
            conditions.append("not exists (select 1 from fit_pending p where p.repo = f.repo)")
        return "\n    and ".join(conditions), values

    def _limits(self, step: int, tier: Tier) -> dict[str, float]:
        """What a token may read of weights of this size class, by format and kind, in bytes."""
        if tier is not True:
            return {}
        least = least_bytes(step) + RUNTIME_OVERHEAD_BYTES
        most = max(least, min(least_bytes(step + 1), self.room) + RUNTIME_OVERHEAD_BYTES)
        return {
            f"{format_}_{kind}": min(
                most_read_bytes(least, most, kind, format_, self.machine, self.request), float(2**62)
            )
            for format_ in ("gguf", "mlx", "other")
            for kind in ("dense", "moe")
        }


def rows_of(reader: CatalogReader, sql: str, values: dict[str, Any], limit: int) -> Iterator[Key]:
    """Keys of the rows of a select, the greatest first, `limit` by `limit`."""
    after = BEYOND
    while True:
        values |= dict(zip(("points", "repo", "artifact"), after, strict=True))
        rows: list[Key] = [(row[0], row[1], row[2]) for row in reader.rows(sql, values)]
        yield from rows
        if len(rows) < limit:
            return
        after = rows[-1]


def negative(key: Key) -> Key:
    """Turns the order round."""
    return -key[0], -key[1], -key[2]

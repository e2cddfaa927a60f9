"""Rows by which `fits` finds its candidates: which of them are outdated, and writing those that were made again.

What changes a model's labels, files or headers marks it in `fit_pending`, in the same transaction. Its rows are made
from what is stored, so also those of its copies, which take over what they lack themselves.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from db.records import FitUpdate
from db.rows import Row, Rows
from db.schema.tables import fit_candidates, fit_pending, fit_sources, fit_uses, generations, result_scales

COLUMNS = tuple(column.name for column in fit_candidates.columns)
"""Of fit_candidates, in the order of `FitUpdate.candidates`."""

_OWNED_COLUMNS = ("repo", *(name for name in COLUMNS if name != "repo"))
_to_owned = itemgetter(*(COLUMNS.index(name) for name in _OWNED_COLUMNS))

MAX_QUANTILES = 33
"""Results of one metric that are kept: all where there are no more, else the least, the greatest and some between."""

MIN_MODELS = 3
"""Models with a result of one metric, below which its order tells nothing."""


Build = Callable[[Sequence[int]], FitUpdate]
"""Makes the rows of models by their numbers, from what is committed."""


@dataclass(slots=True)
class FitProgress:
    """The models whose rows were made since a certain moment, one byte for each number."""

    made: bytearray = field(default_factory=bytearray)

    def add(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number >= len(self.made):
                self.made.extend(bytes(number + 1 - len(self.made)))
            self.made[number] = 1

    def __contains__(self, number: int) -> bool:
        return number < len(self.made) and self.made[number] == 1


def mark_fits(rows: Rows, numbers: Iterable[int]) -> None:
    """Has the rows of these models made again."""
    rows.insert_new(fit_pending, ("repo",), [(number,) for number in numbers])


def update_fits(rows: Rows, build: Build, progress: FitProgress, most: int) -> int:
    """Makes the rows of at most `most` pending models again; returns how many. In the caller's transaction."""
    pending = [row[0] for row in rows.select("select repo from fit_pending order by repo limit ?", (most,))]
    if not pending:
        return 0
    _save_generations(rows, pending)
    update = build(pending)
    owners = [(number,) for number in pending]
    rows.replace(fit_candidates, ("repo",), _OWNED_COLUMNS, owners, map(_to_owned, update.candidates))
    rows.replace(fit_uses, ("repo",), ("repo", "use"), owners, update.uses)
    rows.delete(fit_pending, ("repo",), owners)
    _mark_copies(rows, update.digests, progress)
    progress.add(pending)
    return len(pending)


def _mark_copies(rows: Rows, digests: Mapping[int, int], progress: FitProgress) -> None:
    """Marks the copies of models that changed in what copies take over, but for those that were made since."""
    names: dict[str, int] = {}
    for table in ("aliases", "repos"):  # the present ids last, for another repo may have got an earlier one
        column = "repo" if table == "aliases" else "id"
        sql = f"select lower(repo_id), {column} from {table} where {column} in ({{}})"
        names.update(rows.select_in(sql, list(digests)))
    copies: dict[int, list[int]] = defaultdict(list)
    sql = "select lower(base_model), repo from repo_labels where lower(base_model) in ({})"
    for name, repo in rows.select_in(sql, list(names)):
        copies[names[name]].append(repo)
    stored = dict(rows.select_in("select repo, digest from fit_sources where repo in ({})", list(copies)))
    changed = [(repo, digests[repo]) for repo in copies if stored.get(repo) != digests[repo]]
    for repo, _ in changed:
        is_current = repo not in progress  # what was made since then was made from this state
        mark_fits(rows, [copy for copy in copies[repo] if not (is_current and copy in progress)])
    rows.upsert(fit_sources, ("repo",), ("repo", "digest"), changed)


# ---- what the ranking compares with ---------------------------------------------------------------------------------


def _save_generations(rows: Rows, numbers: Sequence[int]) -> None:
    """Lets each version of a family be as old as the oldest of these models that is one."""
    sql = (
        "select l.family, coalesce(l.version, ''), r.created_at from repo_labels l join repos r on r.id = l.repo"
        " where l.repo in ({}) and l.family is not null and r.created_at is not null"
    )
    found: dict[tuple[str, str], object] = {}
    for family, version, created_at in rows.select_in(sql, numbers):
        found[family, version] = min(created_at, found.get((family, version), created_at))
    mark = rows.mark
    rows.many(
        f"insert into {generations.name} (family, version, created_at) values ({mark}, {mark}, {mark})"
        " on conflict (family, version) do update set created_at = excluded.created_at"
        f" where excluded.created_at < {generations.name}.created_at",
        [(*key, moment) for key, moment in sorted(found.items())],
    )


def update_result_scales(rows: Rows) -> None:
    """Makes result_scales again from all published results of models."""
    sql = (
        "select lower(e.dataset), lower(e.metric), e.repo, max(e.value) from evaluations e"
        " join repos r on r.id = e.repo and r.type = 'model' where e.value is not null"
        " group by lower(e.dataset), lower(e.metric), e.repo order by 1, 2"
    )
    rows.execute(f"delete from {result_scales.name}")
    rows.insert(result_scales, ("dataset", "metric", "models", "quantiles"), list(_scales(rows.select(sql))))


def _scales(results: Iterable[Sequence[object]]) -> Iterator[Row]:
    """Rows of result_scales, from (dataset, metric, repo, value) in this order."""
    for (dataset, metric), some in groupby(results, key=lambda row: (row[0], row[1])):
        values: list[float] = [row[3] for row in some]  # type: ignore[misc]
        ordered = sorted(set(values))
        if len(values) < MIN_MODELS or len(ordered) < 2:
            continue
        last, count = len(ordered) - 1, min(len(ordered), MAX_QUANTILES)
        yield dataset, metric, len(values), json.dumps([ordered[round(at * last / (count - 1))] for at in range(count)])

"""Downloads, likes, size and changes of one model over time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from analysis.query.reader import CatalogReader

MAX_POINTS = 400

METRICS = """
select m.day, m.downloads, m.likes from metrics m join repos r on r.id = m.repo
where r.type = 'model' and r.repo_id = :id order by m.day desc limit {limit}
"""

EVENTS = """
select e.at from events e join repos r on r.id = e.repo
where r.type = 'model' and r.repo_id = :id order by e.at desc limit {limit}
"""


SIZES = """
select e.at, e.before, e.after, r.total_size from events e join repos r on r.id = e.repo
where r.type = 'model' and r.repo_id = :id and e.kind in ('new file', 'changed file', 'removed file')
order by e.at desc, e.id desc limit {limit}
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One number over time, oldest first: (yyyy-mm-dd, value), which holds until the next; of changes (yyyy-mm, n)."""

    name: str
    points: Sequence[tuple[str, int]]

    def row(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def load_history(reader: CatalogReader, repo_id: str) -> list[Series]:
    """The series of a repo of which more than one value is known."""
    rows = reader.all(METRICS.format(limit=MAX_POINTS), {"id": repo_id})[::-1]
    found = []
    for name in ("downloads", "likes"):
        points = [(day_of(row["day"]), row[name]) for row in rows if row[name] is not None]
        if len(points) > 1:
            found.append(Series(name, points))
    if len(sizes := load_sizes(reader, repo_id)) > 1:
        found.append(Series("size", sizes))
    times = sorted(str(row["at"]) for row in reader.all(EVENTS.format(limit=MAX_POINTS), {"id": repo_id}))
    months = count_months(times)
    return [*found, Series("changes", months)] if len(months) > 1 else found


def load_sizes(reader: CatalogReader, repo_id: str) -> list[tuple[str, int]]:
    """(yyyy-mm-dd, bytes of all files) at the end of each day on which files changed, and before the first of these.

    Counted back from the size now, by what each change added. Empty where no change of files was seen.
    """
    rows = reader.all(SIZES.format(limit=MAX_POINTS), {"id": repo_id})
    if not rows or rows[0]["total_size"] is None:
        return []
    size: int = rows[0]["total_size"]
    days: dict[str, int] = {}
    for row in rows:  # the latest first
        days.setdefault(str(row["at"])[:10], size)
        size -= size_of(row["after"]) - size_of(row["before"])
    first = date.fromisoformat(min(days)) - timedelta(days=1)
    return [(first.isoformat(), max(0, size)), *sorted(days.items())]


def size_of(file: Any) -> int:
    """The bytes of a file as an event describes it: a JSON object; 0 where there was no file."""
    described = json.loads(file) if isinstance(file, str) else file
    size = described.get("size") if isinstance(described, dict) else None
    return size if isinstance(size, int) else 0


def day_of(number: int) -> str:
    """2026-11-02 of 20261102."""
    text = str(number)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def count_months(times: Sequence[str]) -> list[tuple[str, int]]:
    """(yyyy-mm, number) for each month from the first of these sorted ISO 8601 times to the last."""
    return fill_months(Counter(time[:7] for time in times))


def fill_months(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """(yyyy-mm, number) for each month from the first of these to the last."""
    if not counts:
        return []
    first, last = (int(month[:4]) * 12 + int(month[5:7]) - 1 for month in (min(counts), max(counts)))
    months = [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(first, last + 1)]
    return [(month, counts.get(month, 0)) for month in months]

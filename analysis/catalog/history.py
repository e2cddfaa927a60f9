"""Downloads, likes and size of one model over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.query.reader import CatalogReader

MAX_POINTS = 400

METRICS = """
select m.day, m.downloads, m.likes from metrics m join repos r on r.id = m.repo
where r.type = 'model' and r.repo_id = :id order by m.day desc limit {limit}
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One number by day: (yyyy-mm-dd, value), oldest first; a value holds until the next."""

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
    return found


def day_of(number: int) -> str:
    """2026-11-02 of 20261102."""
    text = str(number)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"

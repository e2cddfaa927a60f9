"""A family and a publisher: how many models, since when, of which sizes, in which quantizations, by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from analysis.catalog.browse import load_rows
from analysis.catalog.history import count_months
from analysis.errors import UnknownGroup
from analysis.query.reader import CatalogReader

MAX_GROUPS = 12
MAX_MODELS = 10

MAX_SCANNED = 50_000
"""Models of a group that are counted: more would take longer than a visitor waits."""

SCAN = """
select r.id, r.repo_id, r.author, r.created_at, r.last_modified, r.downloads, r.license, l.family, l.version, l.size,
    l.quant, l.quantized
from repos r join repo_labels l on l.repo = r.id
where r.type = 'model' and r.status <> 'gone' and {condition} limit {limit}
"""
SCHEMES = """
select distinct a.repo as id, a.quant
from repos r join repo_labels l on l.repo = r.id join artifacts a on a.repo = r.id
where r.type = 'model' and r.status <> 'gone' and a.role = 'weights' and a.quant is not null and {condition}
limit {limit}
"""
CONDITIONS = {"family": "l.family = :name", "publisher": "lower(r.author) = :name"}
NAMES = {
    "family": "select distinct family as name from repo_labels where family is not null",
    "publisher": "select distinct lower(author) as name from repos where lower(author) like :like escape '!' limit 200",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Models with one value of one column. `first`: when the earliest was created on the Hub."""

    name: str
    models: int
    downloads: int
    first: str | None


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """The models of a family or a publisher, at most MAX_SCANNED (`is_whole`: all of them).

    `months`: (yyyy-mm, models created) in order, without gaps.
    """

    name: str
    models: int
    is_whole: bool
    quantized: int
    downloads: int
    first: str | None
    last: str | None
    families: Sequence[Group]
    versions: Sequence[Group]
    sizes: Sequence[Group]
    quants: Sequence[Group]
    publishers: Sequence[Group]
    licenses: Sequence[Group]
    months: Sequence[tuple[str, int]]
    top: Sequence[dict[str, Any]]

    def row(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def load_group(reader: CatalogReader, kind: str, name: str) -> ModelGroup:
    """`kind` is `family` or `publisher`; the name in any case. Raises UnknownGroup with similar names."""
    rows = reader.all(SCAN.format(condition=CONDITIONS[kind], limit=MAX_SCANNED), {"name": name.lower()})
    if not rows:
        raise UnknownGroup(kind, name, similar_names(reader, kind, name))
    ranked = sorted(rows, key=lambda row: (-(row["downloads"] or 0), row["repo_id"]))
    created = sorted(str(row["created_at"]) for row in rows if row["created_at"])
    return ModelGroup(
        name=rows[0]["author"] if kind == "publisher" else name.lower(),
        models=len(rows),
        is_whole=len(rows) < MAX_SCANNED,
        quantized=sum(bool(row["quantized"]) for row in rows),
        downloads=sum(row["downloads"] or 0 for row in rows),
        first=created[0] if created else None,
        last=created[-1] if created else None,
        families=group_by(rows, "family"),
        versions=sorted(group_by(rows, "version"), key=lambda group: (group.first or "", group.name)),
        sizes=group_by(rows, "size"),
        quants=group_by(rows_by_scheme(reader, kind, name, rows), "quant"),
        publishers=group_by(rows, "author"),
        licenses=group_by(rows, "license"),
        months=count_months(created),
        top=load_rows(reader, [row["repo_id"] for row in ranked[:MAX_MODELS]]),
    )


def rows_by_scheme(
    reader: CatalogReader, kind: str, name: str, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Each model once for each quantization that its files hold; once for its own where no file says one."""
    sql = SCHEMES.format(condition=CONDITIONS[kind], limit=MAX_SCANNED)
    held: dict[int, list[str]] = {}
    for row in reader.all(sql, {"name": name.lower()}):
        held.setdefault(row["id"], []).append(row["quant"])
    return [{**row, "quant": quant} for row in rows for quant in held.get(row["id"], [row["quant"]])]


def group_by(rows: Sequence[Mapping[str, Any]], column: str) -> list[Group]:
    """The largest groups by downloads; rows without a value belong to none."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row[column]:
            groups.setdefault(str(row[column]), []).append(row)
    found = []
    for name, members in groups.items():
        first = min((str(row["created_at"]) for row in members if row["created_at"]), default=None)
        found.append(Group(name, len(members), sum(row["downloads"] or 0 for row in members), first))
    return sorted(found, key=lambda group: (-group.downloads, -group.models, group.name))[:MAX_GROUPS]


def similar_names(reader: CatalogReader, kind: str, name: str) -> tuple[str, ...]:
    """Up to three names that may have been meant."""
    escaped = name.lower()[:2].replace("!", "!!").replace("%", "!%").replace("_", "!_")
    values = {"like": f"{escaped}%"} if kind == "publisher" else {}
    return tuple(get_close_matches(name.lower(), [row["name"] for row in reader.all(NAMES[kind], values)], n=3))

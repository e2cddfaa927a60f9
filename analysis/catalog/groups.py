"""A family and a publisher: how many models, since when, of which sizes, in which quantizations, by whom.

Of a large group the totals (db.derive.totals) give the numbers of all models, and its most downloaded models the rest:
reading tens of thousands would take longer than a visitor waits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from typing import Any

from analysis.catalog.browse import load_rows
from analysis.catalog.history import count_months, fill_months
from analysis.errors import UnknownGroup
from analysis.query.patterns import escape_like
from analysis.query.reader import CatalogReader

MAX_GROUPS = 12
MAX_MODELS = 10

MAX_WHOLE = 2_000
"""Models up to which all of a group are read."""

MAX_SCANNED = 4_000
"""The most downloaded models of the catalog, among which those of a larger group are looked for."""

COLUMNS = (
    "r.id, r.repo_id, r.author, r.created_at, r.downloads, r.license, l.family, l.version, l.size, l.quant, l.quantized"
)
IS_COUNTED = "r.type = 'model' and r.status <> 'gone'"
WHOLE = f"""
select {COLUMNS} from repos r join repo_labels l on l.repo = r.id
where {IS_COUNTED} and {{condition}} limit {{limit}}
"""
MOST_DOWNLOADED = f"""
select {COLUMNS}
from (
    select r.id, r.repo_id, r.author, r.created_at, r.downloads, r.license
    from repos r where {IS_COUNTED} order by r.downloads desc nulls last limit {{limit}}
) as r
join repo_labels l on l.repo = r.id
where {{condition}}
"""
SCHEMES = (
    "select distinct repo, quant from artifacts where repo in ({numbers}) and role = 'weights' and quant is not null"
)
CONDITIONS = {"family": "l.family = :name", "publisher": "lower(r.author) = :name"}
NAMES = {
    "family": "select a as name from totals where of = 'family'",
    "publisher": "select distinct lower(author) as name from repos where lower(author) like :like escape '!' limit 200",
}
TOTALS = {
    "family": "select repos, quantized_repos, downloads from totals where of = 'family' and a = :name",
    "publisher": "select repos, quantized_repos, downloads from author_totals"
    " where author in (select author from repos where lower(author) = :name limit 1)",
}
DAYS = {
    "family": "select b as month, repos from totals where of = 'day' and a = :name",
    "publisher": "select substr(cast(r.created_at as varchar), 1, 10) as month, count(*) as repos from repos r"
    f" where {IS_COUNTED} and lower(r.author) = :name and r.created_at is not null group by 1",
}
"""Kind of group -> the days on which its models were created, with their number."""

LICENCES = """
select b as name, repos as models, downloads from totals where of = 'licence' and a = :name and b <> '' and repos > 0
order by downloads desc, repos desc, b
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Models with one value of one column. `first`: when the earliest was created on the Hub, if that was counted."""

    name: str
    models: int
    downloads: int
    first: str | None


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """The models of a family or a publisher.

    `models`, `quantized`, `downloads`, `first`, `last`, `months` and a family's licences are of all of them, the other
    groups of `read` models: the most downloaded ones, unless `is_whole`. `first`, `last`: when the earliest and the
    latest was created; `months`: (yyyy-mm, models created) in order, without gaps.
    """

    name: str
    models: int
    read: int
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

    @property
    def is_whole(self) -> bool:
        return self.read >= self.models

    def row(self) -> dict[str, Any]:
        """As a JSON object."""
        return {**asdict(self), "is_whole": self.is_whole}


def load_group(reader: CatalogReader, kind: str, name: str) -> ModelGroup:
    """`kind` is `family` or `publisher`; the name in any case. Raises UnknownGroup with similar names."""
    values = {"name": name.lower()}
    totals = next(iter(reader.all(TOTALS[kind], values)), {"repos": 0})
    condition, rows = CONDITIONS[kind], []
    is_large = totals["repos"] > MAX_WHOLE
    if is_large:
        rows = reader.all(MOST_DOWNLOADED.format(condition=condition, limit=MAX_SCANNED), values)
    if len(rows) < MAX_MODELS:  # a small group, or none of its models is downloaded much
        rows = reader.all(WHOLE.format(condition=condition, limit=MAX_WHOLE), values)
    if not rows:
        raise UnknownGroup(kind, name, similar_names(reader, kind, name))
    found = group_rows(reader, kind, name, rows)
    return with_totals(reader, kind, values, totals, found) if is_large else found


def group_rows(reader: CatalogReader, kind: str, name: str, rows: Sequence[Mapping[str, Any]]) -> ModelGroup:
    """The group as these rows show it."""
    ranked = sorted(rows, key=lambda row: (-(row["downloads"] or 0), row["repo_id"]))
    created = sorted(str(row["created_at"]) for row in rows if row["created_at"])
    return ModelGroup(
        name=rows[0]["author"] if kind == "publisher" else name.lower(),
        models=len(rows),
        read=len(rows),
        quantized=sum(bool(row["quantized"]) for row in rows),
        downloads=sum(row["downloads"] or 0 for row in rows),
        first=created[0] if created else None,
        last=created[-1] if created else None,
        families=group_by(rows, "family"),
        versions=sorted(group_by(rows, "version"), key=lambda group: (group.first or "", group.name)),
        sizes=group_by(rows, "size"),
        quants=group_pairs(pair_schemes(reader, rows)),
        publishers=group_by(rows, "author"),
        licenses=group_by(rows, "license"),
        months=count_months(created),
        top=load_rows(reader, [row["repo_id"] for row in ranked[:MAX_MODELS]]),
    )


def with_totals(
    reader: CatalogReader, kind: str, values: Mapping[str, Any], totals: Mapping[str, Any], found: ModelGroup
) -> ModelGroup:
    """The group with the numbers of all its models instead of those that were read."""
    days = {str(row["month"]): row["repos"] for row in reader.all(DAYS[kind], values)}
    months: Counter[str] = Counter()
    for day, number in days.items():
        months[day[:7]] += number
    licences = [
        Group(row["name"], row["models"], row["downloads"], None)
        for row in (reader.all(LICENCES, values)[:MAX_GROUPS] if kind == "family" else ())
    ]
    return replace(
        found,
        models=totals["repos"],
        quantized=totals["quantized_repos"],
        downloads=totals["downloads"],
        first=min(days, default=None),
        last=max(days, default=None),
        months=fill_months(months),
        licenses=licences or found.licenses,
    )


def pair_schemes(
    reader: CatalogReader, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[str | None, Mapping[str, Any]]]:
    """Each model with each quantization that its files hold; with its own where no file says one."""
    held: dict[int, list[str]] = defaultdict(list)
    for row in reader.rows(SCHEMES.format(numbers=", ".join(str(int(row["id"])) for row in rows))).dicts():
        held[row["repo"]].append(row["quant"])
    return [(quant, row) for row in rows for quant in held.get(row["id"], (row["quant"],))]


def group_by(rows: Sequence[Mapping[str, Any]], column: str) -> list[Group]:
    """The largest groups by downloads; rows without a value belong to none."""
    return group_pairs((row[column], row) for row in rows)


def group_pairs(pairs: Iterable[tuple[str | None, Mapping[str, Any]]]) -> list[Group]:
    """The largest groups by downloads of (name of the group, row); rows without a name belong to none."""
    members: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for name, row in pairs:
        if name:
            members[name].append(row)
    found = []
    for name, rows in members.items():
        first = min((row["created_at"] for row in rows if row["created_at"]), default=None)
        downloads = sum(row["downloads"] or 0 for row in rows)
        found.append(Group(name, len(rows), downloads, None if first is None else str(first)))
    return sorted(found, key=lambda group: (-group.downloads, -group.models, group.name))[:MAX_GROUPS]


def similar_names(reader: CatalogReader, kind: str, name: str) -> tuple[str, ...]:
    """Up to three names that may have been meant."""
    values = {"like": f"{escape_like(name.lower()[:2])}%"} if kind == "publisher" else {}
    return tuple(get_close_matches(name.lower(), [row["name"] for row in reader.all(NAMES[kind], values)], n=3))

"""The lineage around one model: what it was made from, and the most downloaded models made from it, by relation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.catalog.lineage import load_ancestors
from analysis.query.reader import CatalogReader

MAX_PER_RELATION = 4
RELATIONS = ("finetune", "quantized", "adapter", "merge", "unknown")

COUNTS = """
select e.relation, count(distinct e.repo) as n
from edges e join repos r on r.id = e.repo and r.type = 'model' and r.status <> 'gone'
where lower(e.parent) = lower(:id) and lower(r.repo_id) <> lower(:id) group by e.relation
"""
LARGEST = """
select r.repo_id, r.license, l.quant, max(r.downloads) as downloads
from edges e join repos r on r.id = e.repo and r.type = 'model' and r.status <> 'gone'
join repo_labels l on l.repo = r.id
where lower(e.parent) = lower(:id) and e.relation = :relation and lower(r.repo_id) <> lower(:id)
group by r.repo_id, r.license, l.quant order by max(r.downloads) desc nulls last, r.repo_id limit {limit}
"""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One model beside another. `known`: it is in the catalog."""

    repo_id: str
    relation: str | None
    quant: str | None
    downloads: int | None
    license: str | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Descendants:
    """The models made from one model in one way: how many, and the most downloaded ones."""

    relation: str
    count: int
    shown: Sequence[Neighbour]


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """`ancestors`: from the most distant one to the parent."""

    repo_id: str
    ancestors: Sequence[Neighbour]
    descendants: Sequence[Descendants]


def load_neighbourhood(reader: CatalogReader, repo_id: str) -> Neighbourhood:
    """The lineage around a repo that is in the catalog, by its exact id."""
    ancestors = []
    for parent, relation in reversed(load_ancestors(reader, repo_id)):
        found = reader.all("select quant, downloads, license from models where repo_id = :id", {"id": parent})
        own = found[0] if found else dict.fromkeys(("quant", "downloads", "license"))
        ancestors.append(Neighbour(parent, relation, known=bool(found), **own))
    counts = {row["relation"]: row["n"] for row in reader.all(COUNTS, {"id": repo_id})}
    groups = []
    for relation in sorted(counts, key=lambda each: RELATIONS.index(each) if each in RELATIONS else len(RELATIONS)):
        rows = reader.all(LARGEST.format(limit=MAX_PER_RELATION), {"id": repo_id, "relation": relation})
        shown = [Neighbour(relation=relation, **row) for row in rows]
        groups.append(Descendants(relation, counts[relation], shown))
    return Neighbourhood(repo_id, ancestors, groups)

"""Which model was made from which: the full tree of one model, and the largest trees of a whole family.

`load_tree` reads one tree node by node (`models tree`). `lineage_trees` reads a family at once and keeps as many nodes
as a page can show (the report).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.catalog.models import find_model
from analysis.query.reader import CatalogReader

MAX_TREE_DEPTH = 12
MAX_ROOTS = 6  # trees of one family
MAX_CHILDREN = 8  # of one model
MAX_BRANCH_DEPTH = 5

FAMILY_ROWS = """
select
    m.repo_id, m.author, m.quant, m.quantized, m.format, m.downloads, coalesce(m.parameters_measured, m.parameters)
    as parameters, coalesce(p.parent_id, p.parent) as parent, p.relation
from models as m
left join parents as p on p.repo_id = m.repo_id and p.parent <> m.repo_id
where (m.family = :family or m.base_family = :family) and m.status <> 'gone'
order by m.repo_id, p.declared desc, case p.relation when 'unknown' then 1 else 0 end, p.parent
"""


@dataclass(frozen=True, slots=True)
class Node:
    """One model in a tree, `depth` levels below the root. `missing`: it is not in the catalog."""

    repo_id: str
    relation: str | None
    depth: int
    missing: bool
    quant: str | None = None
    downloads: int | None = None
    children: tuple[Node, ...] = ()


def load_tree(reader: CatalogReader, repo_id: str) -> Node:
    """The lineage of a model, from its most distant known ancestor down. Raises UnknownModel."""
    start = find_model(reader, repo_id)["repo_id"]
    ancestors = load_ancestors(reader, start)
    return load_node(reader, ancestors[-1][0] if ancestors else start, None, 0, set())


def load_ancestors(reader: CatalogReader, repo_id: str) -> list[tuple[str, str]]:
    """(id, relation of its child to it) of the most likely parent, of its parent, and so on; a cycle ends it."""
    found: list[tuple[str, str]] = []
    child, seen = repo_id, {repo_id}
    while len(found) < MAX_TREE_DEPTH:
        parents = reader.all(
            "select coalesce(parent_id, parent) as parent, relation from parents where repo_id = :id"
            " order by declared desc, case relation when 'unknown' then 1 else 0 end, parent limit 1",
            {"id": child},
        )
        if not parents or parents[0]["parent"] in seen:
            break
        child = parents[0]["parent"]
        found.append((child, parents[0]["relation"]))
        seen.add(child)
    return found


def load_node(reader: CatalogReader, repo_id: str, relation: str | None, depth: int, seen: set[str]) -> Node:
    """A model and the models made from it, most downloaded first; `seen` collects ids, so that a cycle ends."""
    seen.add(repo_id)
    own = reader.all("select quant, downloads from models where repo_id = :id", {"id": repo_id})
    derived = reader.all(
        "select p.repo_id, p.relation from parents p join repos r on r.repo_id = p.repo_id and r.type = 'model'"
        " where lower(p.parent) in (select lower(cast(:id as text)) union all"
        " select lower(a.repo_id) from aliases a join repos o on o.id = a.repo"
        " where o.type = 'model' and o.repo_id = :id)"
        " order by p.relation, r.downloads desc nulls last, p.repo_id",
        {"id": repo_id},
    )
    children = tuple(
        load_node(reader, row["repo_id"], row["relation"], depth + 1, seen)
        for row in derived
        if row["repo_id"] not in seen and depth < MAX_TREE_DEPTH
    )
    quant, downloads = (own[0]["quant"], own[0]["downloads"]) if own else (None, None)
    return Node(repo_id, relation, depth, not own, quant, downloads, children)


def walk_tree(node: Node) -> Iterator[Node]:
    """The nodes of a tree, parents before children."""
    yield node
    for child in node.children:
        yield from walk_tree(child)


@dataclass(frozen=True, slots=True)
class Branch:
    """One model with the models made from it. `hidden` children are not included; `descendants` counts all below it."""

    repo_id: str
    relation: str | None
    known: bool  # it is in the catalog, in this family
    quant: str | None
    downloads: int | None
    descendants: int
    children: tuple[Branch, ...]
    hidden: int


def largest_family(reader: CatalogReader) -> str | None:
    """The family with most models that state their base model."""
    rows = reader.all(
        "select m.family, count(*) as copies from models m where m.family is not null and m.base_model is not null"
        " and m.status <> 'gone' group by m.family order by copies desc, m.family limit 1"
    )
    return rows[0]["family"] if rows else None


def lineage_trees(
    reader: CatalogReader,
    family: str,
    *,
    roots: int = MAX_ROOTS,
    children: int = MAX_CHILDREN,
    depth: int = MAX_BRANCH_DEPTH,
) -> tuple[Branch, ...]:
    """The largest trees of a family. Each model is placed under its most likely parent."""
    rows: dict[str, dict[str, Any]] = {}
    for row in reader.all(FAMILY_ROWS, {"family": family}):
        rows.setdefault(row["repo_id"], row)  # the first parent is the most likely
    children_of: dict[str, list[str]] = {}
    for row in rows.values():
        if row["parent"] is not None:
            children_of.setdefault(row["parent"], []).append(row["repo_id"])
    tops = {*rows, *children_of} - {child for below in children_of.values() for child in below}
    counts: dict[str, int] = {}
    for top in tops:
        count_descendants(top, children_of, counts)
    ranked = sorted(tops, key=lambda top: (-counts[top], -(rows.get(top, {}).get("downloads") or 0), top))
    return tuple(build_branch(top, rows, children_of, counts, children, depth) for top in ranked[:roots] if counts[top])


def count_descendants(top: str, children_of: Mapping[str, Sequence[str]], counts: dict[str, int]) -> None:
    """Add the number of descendants of each model of a tree to `counts`.

    Without recursion, because the depth of a tree is untrusted input.
    """
    order, seen = [top], {top}
    for repo_id in order:
        for child in children_of.get(repo_id, ()):
            if child not in seen:
                seen.add(child)
                order.append(child)
    for repo_id in reversed(order):
        counts[repo_id] = sum(1 + counts.get(child, 0) for child in children_of.get(repo_id, ()))


def build_branch(
    repo_id: str,
    rows: Mapping[str, Mapping[str, Any]],
    children_of: Mapping[str, Sequence[str]],
    counts: Mapping[str, int],
    max_children: int,
    depth: int,
) -> Branch:
    row = rows.get(repo_id, {})
    below = sorted(children_of.get(repo_id, ()), key=lambda child: (-(rows[child]["downloads"] or 0), child))
    shown = below[:max_children] if depth > 1 else []
    return Branch(
        repo_id=repo_id,
        relation=row.get("relation"),
        known=bool(row),
        quant=row.get("quant"),
        downloads=row.get("downloads"),
        descendants=counts.get(repo_id, 0),
        children=tuple(build_branch(child, rows, children_of, counts, max_children, depth - 1) for child in shown),
        hidden=len(below) - len(shown),
    )

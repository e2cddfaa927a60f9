"""The families of models as trees: what came from what, drawn only as far as a page has room for.

`models tree` draws one model's line in full (analysis/catalog/models.py); here a whole family is read at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.query.reader import CatalogReader

ROOTS = 6  # trees of one family
CHILDREN = 8  # of one model
DEPTH = 5

FAMILY = """
select
    m.repo_id, m.author, m.quant, m.quantized, m.format, m.downloads, coalesce(m.parameters_measured, m.parameters)
    as parameters, coalesce(p.parent_id, p.parent) as parent, p.relation
from models as m
left join parents as p on p.repo_id = m.repo_id and p.parent <> m.repo_id
where (m.family = :family or m.base_family = :family) and m.status <> 'gone'
order by m.repo_id, p.declared desc, case p.relation when 'unknown' then 1 else 0 end, p.parent
"""


@dataclass(frozen=True, slots=True)
class Branch:
    """One model with what was made from it. `hidden` children are left out, `descendants` counts all below it."""

    repo_id: str
    relation: str | None
    known: bool  # the catalog holds it, in this family
    quant: str | None
    downloads: int | None
    descendants: int
    children: tuple[Branch, ...]
    hidden: int


def largest_family(reader: CatalogReader) -> str | None:
    """The family with most quantized copies that say what they come from."""
    rows = reader.all(
        "select m.family, count(*) as copies from models m where m.family is not null and m.base_model is not null"
        " and m.status <> 'gone' group by m.family order by copies desc, m.family limit 1"
    )
    return rows[0]["family"] if rows else None


def lineage_trees(
    reader: CatalogReader, family: str, *, roots: int = ROOTS, children: int = CHILDREN, depth: int = DEPTH
) -> tuple[Branch, ...]:
    """The largest trees of a family. Each model stands under its likeliest parent."""
    rows: dict[str, dict[str, Any]] = {}
    for row in reader.all(FAMILY, {"family": family}):
        rows.setdefault(row["repo_id"], row)  # the first parent is the likeliest
    made: dict[str, list[str]] = {}
    for row in rows.values():
        if row["parent"] is not None:
            made.setdefault(row["parent"], []).append(row["repo_id"])
    tops = {*rows, *made} - {child for children_of in made.values() for child in children_of}
    counts: dict[str, int] = {}
    for top in tops:
        count(top, made, counts)
    ranked = sorted(tops, key=lambda top: (-counts[top], -(rows.get(top, {}).get("downloads") or 0), top))
    return tuple(branch(top, rows, made, counts, children, depth) for top in ranked[:roots] if counts[top])


def count(top: str, made: Mapping[str, Sequence[str]], counts: dict[str, int]) -> None:
    """How many models are below each, without recursion: lines may be as long as strangers make them."""
    order, seen = [top], {top}
    for repo_id in order:
        for child in made.get(repo_id, ()):
            if child not in seen:
                seen.add(child)
                order.append(child)
    for repo_id in reversed(order):
        counts[repo_id] = sum(1 + counts.get(child, 0) for child in made.get(repo_id, ()))


def branch(
    repo_id: str,
    rows: Mapping[str, Mapping[str, Any]],
    made: Mapping[str, Sequence[str]],
    counts: Mapping[str, int],
    most: int,
    depth: int,
) -> Branch:
    row = rows.get(repo_id, {})
    below = sorted(made.get(repo_id, ()), key=lambda child: (-(rows[child]["downloads"] or 0), child))
    shown = below[:most] if depth > 1 else []
    return Branch(
        repo_id=repo_id,
        relation=row.get("relation"),
        known=bool(row),
        quant=row.get("quant"),
        downloads=row.get("downloads"),
        descendants=counts.get(repo_id, 0),
        children=tuple(branch(child, rows, made, counts, most, depth - 1) for child in shown),
        hidden=len(below) - len(shown),
    )

"""Models for people: the list with its filters, one model with all that is known of it, its lineage as a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analysis.errors import UnknownModel
from analysis.query.reader import CatalogReader
from analysis.query.statement import parameter_names

SORTS: Mapping[str, str] = {
    "downloads": "downloads desc",
    "likes": "likes desc",
    "trending": "trending_score desc",
    "created": "created_at desc",
    "modified": "last_modified desc",
    "size": "total_size desc",
    "parameters": "coalesce(parameters_measured, parameters) desc",
    "name": "lower(repo_id)",
    "first-seen": "first_seen desc",
}
MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class Filter:
    """What to list. None and empty do not limit; several values of one kind are alternatives, `*` stands for any text.

    `least` and `most` are ("parameters" | "bytes", number).
    """

    families: Sequence[str] = ()
    quants: Sequence[str] = ()
    formats: Sequence[str] = ()
    authors: Sequence[str] = ()
    tunings: Sequence[str] = ()
    licenses: Sequence[str] = ()
    tasks: Sequence[str] = ()
    least: tuple[str, int] | None = None
    most: tuple[str, int] | None = None
    quantized: bool | None = None
    qat: bool | None = None
    gone: bool = False


class Where:
    """Conditions and their values, put together piece by piece."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.values: dict[str, Any] = {}

    def name(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def any_of(self, pattern: str, wanted: Sequence[str], fold: Callable[[str], str] = str.lower) -> None:
        """`pattern` holds for one of these; {} in it is the comparison with one, folded to the column's own case."""
        if wanted:
            self.conditions.append("(" + " or ".join(pattern.format(self.like(fold(each))) for each in wanted) + ")")

    def like(self, text: str) -> str:
        """A comparison; `*` stands for any text, all else for itself."""
        if "*" not in text:
            return f"= {self.name(text)}"
        escaped = text.replace("!", "!!").replace("%", "!%").replace("_", "!_").replace("*", "%")
        return f"like {self.name(escaped)} escape '!'"

    def __str__(self) -> str:
        return " where " + " and ".join(self.conditions) if self.conditions else ""


def list_models(reader: CatalogReader, wanted: Filter, *, sort: str, limit: int | None) -> Iterator[dict[str, Any]]:
    """Rows of the view `models`, tidied, in a stable order."""
    from analysis.query.values import normalize_row

    where = conditions(reader, wanted)
    order = f"order by {SORTS[sort]} nulls last, repo_id"
    sql = f"select * from models{where} {order}"
    if limit:  # first which, then all of these: a wide row is dear
        chosen = f"select hub_id from models{where} {order} limit {int(limit)}"
        sql = f"select * from models where hub_id in ({chosen}) {order}"
    return (normalize_row(row) for row in reader.rows(sql, where.values).dicts())


COMMON = 5000
"""A label that more models have is met often enough on the way down any order; a rarer one is looked up."""


def conditions(reader: CatalogReader, wanted: Filter) -> Where:
    where = Where()
    kinship = [f"select hub_id from models where {column} {{0}}" for column in ("family", "base_family")]
    walked = "(coalesce(family, '') {0} or coalesce(base_family, '') {0})"  # so put that no index leads off the walk
    labelled(reader, where, kinship, walked, wanted.families, str.lower)
    for column, names, fold in (("quant", wanted.quants, str.upper), ("format", wanted.formats, str.lower)):
        lookups = [f"select hub_id from models where {column} {{0}}"]
        lookups.append(f"select hub_id from artifacts_wide where {column} {{0}} and role = 'weights'")
        held = f"a.repo_id = models.repo_id and a.{column} {{0}} and a.role = 'weights'"
        walked = f"({column} {{0}} or exists (select 1 from artifacts_wide as a where {held}))"
        labelled(reader, where, lookups, walked, names, fold)
    where.any_of("lower(author) {}", wanted.authors)
    where.any_of("lower(license) {}", wanted.licenses)
    where.any_of("lower(pipeline_tag) {}", wanted.tasks)
    for tuning in wanted.tunings:  # lists are JSON text
        pattern = '%"' + tuning.lower() + '"%'
        where.conditions.append(f"lower(tuning) like {where.name(pattern)}")
    for bound, sign in ((wanted.least, ">="), (wanted.most, "<=")):
        if bound is not None:
            column = "coalesce(parameters_measured, parameters)" if bound[0] == "parameters" else "total_size"
            where.conditions.append(f"{column} {sign} {where.name(bound[1])}")
    if wanted.quantized is not None:
        where.conditions.append("quantized" if wanted.quantized else "not coalesce(quantized, false)")
    if wanted.qat is not None:
        where.conditions.append("qat" if wanted.qat else "not coalesce(qat, false)")
    if not wanted.gone:
        where.conditions.append("status <> 'gone'")
    return where


def labelled(
    reader: CatalogReader,
    where: Where,
    lookups: Sequence[str],
    walked: str,
    wanted: Sequence[str],
    fold: Callable[[str], str],
) -> None:
    """Models with one of these labels. Labels have one spelling, to which `fold` brings what a person wrote."""
    if not wanted:
        return
    comparisons = [where.like(fold(each)) for each in wanted]
    found = " union all ".join(lookup.format(comparison) for lookup in lookups for comparison in comparisons)
    count = f"select count(*) as n from (select 1 from ({found}) as f limit {COMMON + 1}) as g"
    values = {name: where.values[name] for name in parameter_names(count)}
    if reader.all(count, values)[0]["n"] > COMMON:
        where.conditions.append("(" + " or ".join(walked.format(comparison) for comparison in comparisons) + ")")
    else:
        where.conditions.append(f"hub_id in ({found})")


def find_model(reader: CatalogReader, repo_id: str) -> dict[str, Any]:
    """One row of `models` by id: in any case of letters, under an earlier name, or by the Hub's `_id`.

    Raises UnknownModel with ids that are close.
    """
    asked = repo_id.strip().removeprefix("https://huggingface.co/").strip("/")
    for condition in (
        "repo_id = :id",
        "lower(repo_id) = lower(:id)",
        "repo_id in (select r.repo_id from aliases a join repos r on r.id = a.repo where a.repo_id = :id)",
        "hub_id = :id",
    ):
        found = reader.all(
            f"select * from models where {condition} order by downloads desc nulls last limit 1", {"id": asked}
        )
        if found:
            return found[0]
    raise UnknownModel(asked, close_ids(reader, asked))


def close_ids(reader: CatalogReader, asked: str) -> tuple[str, ...]:
    """Ids that were perhaps meant: the same name of another owner, then names that begin alike."""
    name = asked.rpartition("/")[2].lower()
    escaped = name.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    rows = reader.all(
        "select repo_id from repos where lower(repo_id) like :same escape '!' or lower(repo_id) like :begins escape '!'"
        " order by length(repo_id), downloads desc nulls last, repo_id limit 3",
        {"same": f"%/{escaped}", "begins": f"%{escaped}%"},
    )
    return tuple(row["repo_id"] for row in rows)


@dataclass(frozen=True, slots=True)
class Info:
    """All that is known of one model: rows of the catalog, tidied."""

    model: dict[str, Any]
    artifacts: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    conflicts: list[dict[str, Any]]
    parents: list[dict[str, Any]]
    relatives: list[dict[str, Any]]  # quantized copies of it, or of what it was made from
    evaluations: list[dict[str, Any]]
    base_evaluations: list[dict[str, Any]]  # of the model it was made from
    changes: list[dict[str, Any]]
    skips: list[dict[str, Any]]


def info(reader: CatalogReader, repo_id: str) -> Info:
    """One model and what belongs to it. Raises UnknownModel."""
    model = find_model(reader, repo_id)
    values = {"id": model["repo_id"]}
    family_of = model["base_model"] if model["base_model_relation"] == "quantized" else model["repo_id"]
    return Info(
        model=model,
        artifacts=reader.all(
            "select * from artifacts_wide where repo_id = :id"
            " order by role <> 'weights', total_size nulls last, artifact",
            values,
        ),
        evidence=reader.all(
            "select artifact, field, value, source, rule, weight, resolved from labels"
            " where repo_id = :id and artifact is null order by field, weight desc, value",
            values,
        ),
        conflicts=reader.all(
            "select * from label_conflicts where repo_id = :id order by field, artifact nulls first", values
        ),
        parents=reader.all("select * from parents where repo_id = :id order by declared desc, parent", values),
        relatives=reader.all(
            "select m.repo_id, m.author, m.format, m.quant, m.bits_per_weight, m.qat, m.total_size, m.downloads"
            " from (select hub_id from models where lower(base_model) = lower(:family)"
            " union select hub_id from models where lower(repo_id) = lower(:family)) as f"
            " join models as m on m.hub_id = f.hub_id where m.repo_id <> :id and m.status <> 'gone'"
            " order by m.downloads desc nulls last, m.repo_id limit 12",
            {"family": family_of, **values},
        ),
        evaluations=evaluations(reader, model["repo_id"]),
        base_evaluations=evaluations(reader, model["base_model"]),
        changes=reader.all("select * from changes where repo_id = :id order by seen_at desc limit 12", values),
        skips=reader.all("select reason, detail, seen_at from skips where repo_id = :id order by seen_at", values),
    )


def evaluations(reader: CatalogReader, repo_id: str | None) -> list[dict[str, Any]]:
    """What the card of a repo reports."""
    if repo_id is None:
        return []
    return reader.all(
        "select e.task, e.dataset, e.metric, e.value, e.source from evaluations e join repos r on r.id = e.repo"
        " where r.repo_id = :id order by e.position",
        {"id": repo_id},
    )


@dataclass(frozen=True, slots=True)
class Node:
    """One model in a tree. `missing`: the catalog does not hold it."""

    repo_id: str
    relation: str | None
    depth: int
    missing: bool
    quant: str | None = None
    downloads: int | None = None
    children: tuple[Node, ...] = ()


def tree(reader: CatalogReader, repo_id: str) -> Node:
    """The lineage of a model from its furthest known ancestor down. Raises UnknownModel."""
    start = find_model(reader, repo_id)["repo_id"]
    root, seen = start, {start}
    while len(seen) <= MAX_DEPTH:
        parents = reader.all(
            "select coalesce(parent_id, parent) as parent, relation from parents where repo_id = :id"
            " order by declared desc, case relation when 'unknown' then 1 else 0 end, parent limit 1",
            {"id": root},
        )
        if not parents or parents[0]["parent"] in seen:
            break
        root = parents[0]["parent"]
        seen.add(root)
    return branch(reader, root, None, 0, set())


def branch(reader: CatalogReader, repo_id: str, relation: str | None, depth: int, seen: set[str]) -> Node:
    """A model and what was made from it, most downloaded first."""
    seen.add(repo_id)
    own = reader.all("select quant, downloads from models where repo_id = :id", {"id": repo_id})
    made = reader.all(
        "select p.repo_id, p.relation from parents p join repos r on r.repo_id = p.repo_id"
        " where lower(p.parent) in (select lower(cast(:id as text)) union all"
        " select lower(a.repo_id) from aliases a join repos o on o.id = a.repo where o.repo_id = :id)"
        " order by p.relation, r.downloads desc nulls last, p.repo_id",
        {"id": repo_id},
    )
    children = tuple(
        branch(reader, row["repo_id"], row["relation"], depth + 1, seen)
        for row in made
        if row["repo_id"] not in seen and depth < MAX_DEPTH
    )
    quant, downloads = (own[0]["quant"], own[0]["downloads"]) if own else (None, None)
    return Node(repo_id, relation, depth, not own, quant, downloads, children)


def walk(node: Node) -> Iterator[Node]:
    """The tree's nodes, parents before children."""
    yield node
    for child in node.children:
        yield from walk(child)


def changes(
    reader: CatalogReader,
    *,
    since: datetime,
    families: Sequence[str] = (),
    quants: Sequence[str] = (),
    kinds: Sequence[str] = (),
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """What happened since a moment, newest first: rows of the view `changes`."""
    from analysis.query.values import normalize_row

    where = Where()
    where.conditions.append(f"seen_at >= {where.name(since)}")
    where.any_of("lower(family) {}", families)
    where.any_of("lower(quant) {}", quants)
    where.any_of("kind {}", kinds)
    sql = f"select * from changes{where} order by seen_at desc, repo_id, kind, subject"
    if limit:
        sql += f" limit {int(limit)}"
    return (normalize_row(row) for row in reader.rows(sql, where.values).dicts())

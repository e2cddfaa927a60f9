"""The list of models with its filters, and one model with everything that the catalog knows about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from analysis.catalog.match_count import count_matches
from analysis.catalog.revisions import load_revisions
from analysis.errors import UnknownModel
from analysis.names.references import find_repo_id
from analysis.query.patterns import MAX_COMPARED_LENGTH, escape_like, wildcard_pattern
from analysis.query.reader import CatalogReader
from analysis.query.values import normalize_row
from db.derive.search_document import named_repos_sql

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
MAX_INDEX_MATCHES = 5000
"""How many models may have a label for it to be looked up by index. A more common label is tested on each row, because
rows with it come up soon enough in any order."""

MAX_NAME_LENGTH = 96
"""Characters of a repo's name on the Hub; SQLite refuses patterns of more than 50,000."""

MAX_RELATIVES = 12  # in a model's info
MAX_CHANGES = 12  # in a model's info


@dataclass(frozen=True, slots=True)
class ModelFilter:
    """Which models to list. None and empty do not limit; several values of one field are alternatives, `*` is any text.

    `least` and `most` are ("parameters" | "bytes", number).
    """

    families: Sequence[str] = ()
    quants: Sequence[str] = ()
    formats: Sequence[str] = ()
    authors: Sequence[str] = ()
    tunings: Sequence[str] = ()
    licenses: Sequence[str] = ()
    tasks: Sequence[str] = ()
    kinds: Sequence[str] = ()
    repo_ids: Sequence[str] = ()
    least: tuple[str, int] | None = None
    most: tuple[str, int] | None = None
    quantized: bool | None = None
    qat: bool | None = None
    gone: bool = False


COLUMNS = """
    select l.repo as id, r.hub_id, r.repo_id, r.author, r.license, r.pipeline_tag, r.downloads, r.likes,
        r.trending_score, r.created_at, r.last_modified, r.first_seen, r.total_size, l.family, l.base_family, l.quant,
        l.format, l.tuning, l.quantized, l.qat, l.parameters, l.parameters_measured
"""
ROWS = f"({COLUMNS}, r.status from repos r join repo_labels l on l.repo = r.id) as models"
"""The columns of the view `models` that filters and orders name, with the repo's number: the view computes others."""

ROWS_BY_LABEL = f"""(
    {COLUMNS}, case when l.repo > 0 then r.status end as status
    from repo_labels l cross join repos r where r.id = l.repo
) as models"""
"""The same for an order by a label: the cross join makes SQLite follow the label's index, and the case, which holds of
every row, keeps it from reading all repos into a Bloom filter."""


class WhereClause:
    """The conditions of a select from ROWS, joined by `and`, and the values of their parameters.

    `is_indexed`: one of them names few rows, which an index finds.
    """

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.values: dict[str, Any] = {}
        self.is_indexed = False

    def bind(self, value: Any) -> str:
        """The parameter that stands for a value."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def add_any_of(self, pattern: str, texts: Sequence[str], fold: Callable[[str], str] = str.lower) -> None:
        """Add the condition that `pattern` holds for one of the texts, if there are any.

        `{}` in the pattern stands for the comparison with a text; `fold` gives the text the column's case.
        """
        if texts:
            self.conditions.append("(" + " or ".join(pattern.format(self.compare(fold(each))) for each in texts) + ")")

    def compare(self, text: str) -> str:
        """The right side of a comparison with a text, in which `*` stands for any text."""
        if "*" not in text:
            return f"= {self.bind(text)}"
        pattern = wildcard_pattern(text)
        return "= null" if pattern is None else f"like {self.bind(pattern)} escape '!'"  # nothing is equal to null

    def __str__(self) -> str:
        return " where " + " and ".join(self.conditions) if self.conditions else ""


def list_models(
    reader: CatalogReader, model_filter: ModelFilter, *, sort: str, limit: int | None
) -> Iterator[dict[str, Any]]:
    """Normalized rows of the view `models` in a stable order; `sort` is a key of SORTS."""
    where = filter_conditions(reader, model_filter)
    order = f"order by {SORTS[sort]} nulls last, repo_id"
    # select the ids first: the columns of the view are expensive to compute
    ids = f"select hub_id from {ROWS}{where}" + (f" {order} limit {int(limit)}" if limit else "")
    sql = f"select * from models where hub_id in ({ids}) {order}"
    return (normalize_row(row) for row in reader.rows(sql, where.values).dicts())


def filter_conditions(reader: CatalogReader, model_filter: ModelFilter) -> WhereClause:
    where = WhereClause()
    lookups = [f"select repo from repo_labels where {column} {{0}}" for column in ("family", "base_family")]
    on_row = "(coalesce(family, '') {0} or coalesce(base_family, '') {0})"  # coalesce: so that no index is used here
    add_label_condition(reader, where, lookups, on_row, model_filter.families, str.lower)
    for column, names, fold in (("quant", model_filter.quants, str.upper), ("format", model_filter.formats, str.lower)):
        lookups = [f"select repo from repo_labels where {column} {{0}}"]
        lookups.append(f"select repo from artifacts where {column} {{0}} and role = 'weights'")
        held = f"a.repo = models.id and a.{column} {{0}} and a.role = 'weights'"
        on_row = f"({column} {{0}} or exists (select 1 from artifacts as a where {held}))"
        add_label_condition(reader, where, lookups, on_row, names, fold)
    where.add_any_of("lower(author) {}", model_filter.authors)
    where.is_indexed = where.is_indexed or bool(model_filter.authors)
    for column, names in (("license", model_filter.licenses), ("pipeline_tag", model_filter.tasks)):
        lookup = f"select id from repos where lower({column}) {{0}}"
        on_row = f"coalesce(lower({column}), '') {{0}}"  # coalesce: so that no index is used here
        add_label_condition(reader, where, [lookup], on_row, names, str.lower)
    where.add_any_of("(select m.kind from models as m where m.hub_id = models.hub_id) {}", model_filter.kinds)
    if model_filter.repo_ids:
        where.conditions.append(f"repo_id in ({', '.join(where.bind(each) for each in model_filter.repo_ids)})")
        where.is_indexed = True
    for tuning in model_filter.tunings:  # lists are JSON text
        pattern = '%"' + tuning.lower()[:MAX_NAME_LENGTH] + '"%'  # no tuning is as long
        where.conditions.append(f"lower(tuning) like {where.bind(pattern)}")
    add_size_conditions(reader, where, model_filter)
    if model_filter.quantized is not None:
        where.conditions.append("quantized" if model_filter.quantized else "not coalesce(quantized, false)")
    if model_filter.qat is not None:
        where.conditions.append("qat" if model_filter.qat else "not coalesce(qat, false)")
    if not model_filter.gone:
        where.conditions.append("status <> 'gone'")
    return where


SIZES: Mapping[str, tuple[str, str]] = {
    "parameters": ("select repo from repo_labels", "coalesce(parameters_measured, parameters)"),
    "bytes": ("select id from repos", "total_size"),
}
"""Kind of a bound -> a select of repos' numbers, and the indexed expression that it limits."""


def add_size_conditions(reader: CatalogReader, where: WhereClause, model_filter: ModelFilter) -> None:
    """Add the bounds of a model's size: by index where few models are within them, as far as the same index finds."""
    bounds = [(bound, sign) for bound, sign in ((model_filter.least, ">="), (model_filter.most, "<=")) if bound]
    for kind, (lookup, column) in SIZES.items():
        limits = [f"{column} {sign} {where.bind(bound[1])}" for bound, sign in bounds if bound[0] == kind]
        if not limits:
            continue
        matches = f"{lookup} where {' and '.join(limits)}"
        if count_matches(reader, matches, where.values, MAX_INDEX_MATCHES) > MAX_INDEX_MATCHES:
            # + so that no index is used: it would find most models, which then are sorted
            where.conditions += [f"+{limit}" for limit in limits]
        else:
            where.conditions.append(f"id in ({matches})")
            where.is_indexed = True


def add_label_condition(
    reader: CatalogReader,
    where: WhereClause,
    lookups: Sequence[str],
    on_row: str,
    texts: Sequence[str],
    fold: Callable[[str], str],
) -> None:
    """Add the condition that a model has one of these labels, if there are any.

    `lookups` are selects of repos' numbers that use an index, `on_row` is the same condition on one of ROWS; `{0}` in
    both is the comparison. `fold` gives a text the one spelling that labels have.
    """
    if not texts:
        return
    comparisons = [where.compare(fold(each)) for each in texts]
    matches = " union all ".join(lookup.format(comparison) for lookup in lookups for comparison in comparisons)
    if count_matches(reader, matches, where.values, MAX_INDEX_MATCHES) > MAX_INDEX_MATCHES:
        where.conditions.append("(" + " or ".join(on_row.format(comparison) for comparison in comparisons) + ")")
    else:
        where.conditions.append(f"id in ({matches})")
        where.is_indexed = True


def find_model(reader: CatalogReader, repo_id: str, *, suggest: bool = True) -> dict[str, Any]:
    """One row of `models` by repo id in any letter case, by a pasted reference to it (`analysis.names.references`), by
    an earlier id of the repo, or by the Hub's `_id`.

    Raises UnknownModel with similar ids, unless these are not wanted.
    """
    requested = find_repo_id(repo_id)
    for condition in (
        "repo_id = :id",
        "lower(repo_id) = lower(:id)",
        "repo_id in (select r.repo_id from aliases a cross join repos r"  # in this order: an index finds the alias
        " where lower(a.repo_id) = lower(:id) and r.id = a.repo and r.type = 'model')",
        "hub_id = :id",
    ):
        # `+` keeps SQLite from walking the index of downloads
        sql = f"select * from models where {condition} order by +downloads desc nulls last limit 1"
        found = reader.all(sql, {"id": requested})
        if found:
            return found[0]
    raise UnknownModel(requested, find_similar_ids(reader, requested) if suggest else ())


def list_ids_from(reader: CatalogReader, begin: str, limit: int) -> list[str]:
    """Ids of models that begin so, in any letter case, the most downloaded first."""
    if len(begin) > MAX_COMPARED_LENGTH:
        return []
    where = WhereClause()
    where.conditions.append("type = 'model' and status <> 'gone'")
    where.conditions.append(f"lower(repo_id) like {where.bind(escape_like(begin.lower()) + '%')} escape '!'")
    sql = f"select repo_id from repos{where} order by downloads desc nulls last, repo_id limit {int(limit)}"
    return [row["repo_id"] for row in reader.all(sql, where.values)]


MAX_OWNED = 2000
"""Repos of an owner among which the ones with similar names are looked for, the most downloaded first."""


def find_similar_ids(reader: CatalogReader, repo_id: str) -> tuple[str, ...]:
    """Up to three ids that may have been meant: the same name of another owner, names that begin with it, else the
    nearest names of the same owner."""
    name = repo_id.rpartition("/")[2].lower()
    if len(name) > MAX_NAME_LENGTH:
        return ()
    rows = _find_named(reader, name)
    if not rows:
        owner = repo_id.rpartition("/")[0]
        sql = (
            "select repo_id from repos where lower(author) = lower(:owner) and type = 'model'"
            " order by +downloads desc nulls last, repo_id limit :most"
        )
        owned = [row["repo_id"] for row in reader.all(sql, {"owner": owner, "most": MAX_OWNED})] if owner else []
        return tuple(get_close_matches(repo_id, owned, n=3))
    return tuple(row["repo_id"] for row in rows)


def _find_named(reader: CatalogReader, name: str) -> list[dict[str, Any]]:
    """Up to three repos in whose id a name in small letters is, the shortest ids first, by the search index."""
    found = named_repos_sql(name, reader.dialect)
    if found is None:
        return []
    named, values = found
    return reader.all(
        f"select repo_id from repos where id in ({named}) and type = 'model' and lower(repo_id) like :holds escape '!'"
        " order by length(repo_id), downloads desc nulls last, repo_id limit 3",
        {"holds": f"%{escape_like(name)}%", **values},
    )


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Everything that the catalog knows about one model, as normalized rows."""

    model: dict[str, Any]
    artifacts: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    conflicts: list[dict[str, Any]]
    parents: list[dict[str, Any]]
    relatives: list[dict[str, Any]]  # quantized copies of it or of its base model
    evaluations: list[dict[str, Any]]
    base_evaluations: list[dict[str, Any]]  # of its base model
    changes: list[dict[str, Any]]
    skips: list[dict[str, Any]]
    revisions: list[dict[str, Any]]  # branches, tags and pinned commits, where they were crawled


def load_info(reader: CatalogReader, repo_id: str) -> ModelInfo:
    """One model with its artifacts, evidence, parents, relatives, results and changes. Raises UnknownModel."""
    model = find_model(reader, repo_id)
    values = {"id": model["repo_id"]}
    original = model["base_model"] if model["base_model_relation"] == "quantized" else model["repo_id"]
    return ModelInfo(
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
            " from (select hub_id from models where lower(base_model) = lower(:original)"
            " union select hub_id from models where lower(repo_id) = lower(:original)) as f"
            " join models as m on m.hub_id = f.hub_id where m.repo_id <> :id and m.status <> 'gone'"
            f" order by m.downloads desc nulls last, m.repo_id limit {MAX_RELATIVES}",
            {"original": original, **values},
        ),
        evaluations=load_evaluations(reader, model["repo_id"]),
        base_evaluations=load_evaluations(reader, model["base_model"]),
        changes=reader.all(
            f"select * from changes where repo_id = :id order by seen_at desc limit {MAX_CHANGES}", values
        ),
        skips=reader.all("select reason, detail, seen_at from skips where repo_id = :id order by seen_at", values),
        revisions=load_revisions(reader, model["repo_id"]),
    )


def load_evaluations(reader: CatalogReader, repo_id: str | None) -> list[dict[str, Any]]:
    """The results that the card of a repo reports."""
    if repo_id is None:
        return []
    return reader.all(
        "select e.task, e.dataset, e.metric, e.value, e.source from evaluations e join repos r on r.id = e.repo"
        " and r.type = 'model' where r.repo_id = :id order by e.position",
        {"id": repo_id},
    )

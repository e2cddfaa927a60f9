"""Models by words, as people look for them: the best match first, the copies of one base model together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.catalog.base_models import load_base_models
from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values
from db.read.search import Found, find
from db.record_base import RepoType

MAX_COPIES = 5
"""Repos that are shown of one base model unless every one is asked for: a popular one has hundreds of copies."""

MIN_RANKED = 200
"""So many hits at least are grouped, so that copies of one model do not hide all others."""


@dataclass(frozen=True, slots=True)
class FoundModels:
    """Rows of the view with `score` and `base` (the model that a repo is a copy of, or itself), grouped by base.

    A base stands where its best match does; `more` are the numbers of its further matches that are not among the rows.
    """

    rows: list[dict[str, Any]]
    more: Mapping[str, int]
    found: Found


def search_repos(
    reader: CatalogReader, db: str, text: str, *, limit: int, type_: RepoType = "model", every: bool = False
) -> FoundModels:
    """At most `limit` repos of a type that match all the words, in groups of the same base model.

    Raises CatalogError.
    """
    found = find(db, text, max(limit, MIN_RANKED), type_)
    scores = {hit.repo_id: hit.score for hit in found.hits}
    bases = load_bases_of(reader, list(scores)) if type_ == "model" else {}
    groups: dict[str, list[str]] = {}
    for repo_id in scores:
        groups.setdefault(bases.get(repo_id, repo_id).lower(), []).append(repo_id)
    shown = [repo_id for group in groups.values() for repo_id in (group if every else group[:MAX_COPIES])][:limit]
    rows = {row["repo_id"]: row for row in select_rows(reader, f"select * from {type_}s", shown)}
    listed = [{**rows[each], "score": scores[each], "base": bases.get(each, each)} for each in shown if each in rows]
    counts = Counter(row["base"].lower() for row in listed)
    more = {row["base"]: len(groups[key]) - counts[key] for row in listed if (key := row["base"].lower()) in groups}
    return FoundModels(listed, {base: count for base, count in more.items() if count}, found)


def load_bases_of(reader: CatalogReader, repo_ids: Sequence[str]) -> dict[str, str]:
    """The model of which each repo is a quantized copy, or the repo itself."""
    rows = select_rows(reader, "select repo_id, base_model, base_model_relation from models", repo_ids)
    models = load_base_models(reader, rows)
    return {row["repo_id"]: models.original(row) for row in rows}


def select_rows(reader: CatalogReader, select: str, repo_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of these repos, in any order."""
    if not repo_ids:
        return []
    listed, values = name_values("id", repo_ids)
    return reader.all(f"{select} where repo_id in ({listed})", values)

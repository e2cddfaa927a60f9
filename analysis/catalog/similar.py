"""Re-uploads and near-duplicates of a model: equal bytes are proof, a similar name is only a hint.

Equal bytes are equal `content` (sha256) of artifacts that hold weights. A name is compared with the names of the same
family and size, its words in any order and without the owner (rapidfuzz's token_sort_ratio, 0 to 100).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from analysis.catalog.models import find_model
from analysis.query.reader import CatalogReader
from db.derive.search_document import words

MIN_NAME_SIMILARITY = 80.0
MAX_CANDIDATES = 20_000  # names of one family that are compared, those of the most downloaded repos
WEIGHT_ROLES = ("weights", "adapter", "draft")


@dataclass(frozen=True, slots=True)
class Similar:
    """One model that resembles the requested one. `similarity` is 100 for equal bytes or an equal name."""

    repo_id: str
    why: str  # same weights, same part, same name, like name
    similarity: float
    artifact: str | None  # of the requested model, where bytes are equal: the largest such artifact
    shared_artifacts: int
    shared_size: int | None  # bytes
    downloads: int | None
    created_at: str | None
    earlier: bool | None  # created before the requested model


def find_similar(reader: CatalogReader, repo_id: str, *, limit: int = 20) -> list[Similar]:
    """Re-uploads first, then models by similarity of their names, at most `limit`. Raises UnknownModel."""
    model = find_model(reader, repo_id)
    copies = list(find_same_bytes(reader, model))
    known = {copy.repo_id for copy in copies} | {model["repo_id"]}
    named = [other for other in find_similar_names(reader, model) if other.repo_id not in known]
    return [*copies, *named][:limit]


def find_same_bytes(reader: CatalogReader, model: dict[str, Any]) -> Iterable[Similar]:
    """Repos that hold an artifact with the same bytes, those with most shared bytes first."""
    rows = reader.all(
        "select o.repo_id, o.downloads, o.created_at, a.artifact, a.role, a.total_size"
        " from repos r join artifacts a on a.repo = r.id join artifacts b on b.content = a.content and b.repo <> a.repo"
        " join repos o on o.id = b.repo where r.repo_id = :id and o.status <> 'gone'"
        " order by coalesce(a.total_size, 0) desc, a.artifact",
        {"id": model["repo_id"]},
    )
    shared_rows: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        shared_rows.setdefault(row["repo_id"], []).append(row)
    found = [_make_copy(model, repo_id, shared) for repo_id, shared in shared_rows.items()]
    return sorted(found, key=lambda copy: (copy.why != "same weights", -(copy.shared_size or 0), copy.repo_id))


def _make_copy(model: dict[str, Any], repo_id: str, shared: list[dict[str, Any]]) -> Similar:
    weights = [row for row in shared if row["role"] in WEIGHT_ROLES]
    sizes_by_artifact = {row["artifact"]: row["total_size"] for row in weights or shared}
    sizes = [size for size in sizes_by_artifact.values() if size is not None]
    first = (weights or shared)[0]
    return Similar(
        repo_id=repo_id,
        why="same weights" if weights else "same part",
        similarity=100.0,
        artifact=first["artifact"],
        shared_artifacts=len(sizes_by_artifact),
        shared_size=sum(sizes) if sizes else None,
        downloads=first["downloads"],
        created_at=first["created_at"],
        earlier=_is_earlier(model, first),
    )


def find_similar_names(reader: CatalogReader, model: dict[str, Any]) -> list[Similar]:
    """Models of the same family and size with similar names, the most similar first."""
    from rapidfuzz import fuzz, process

    known = {name: model[name] for name in ("family", "size") if model[name] is not None}
    same_family = "family = :family" if "family" in known else "family is null"
    same_size = " and (size = :size or size is null)" if "size" in known else ""
    rows = reader.all(
        f"select repo_id, downloads, created_at from models where {same_family}{same_size} and status <> 'gone'"
        " and repo_id <> :id order by downloads desc nulls last, repo_id limit :most",
        {"id": model["repo_id"], "most": MAX_CANDIDATES, **known},
    )
    name_words = bare_name(model["repo_id"])
    names = [bare_name(row["repo_id"]) for row in rows]
    matches = process.extract(
        name_words, names, scorer=fuzz.token_sort_ratio, score_cutoff=MIN_NAME_SIMILARITY, limit=None
    )
    found = [
        Similar(
            repo_id=rows[at]["repo_id"],
            why="same name" if name == name_words else "like name",
            similarity=round(score, 1),
            artifact=None,
            shared_artifacts=0,
            shared_size=None,
            downloads=rows[at]["downloads"],
            created_at=rows[at]["created_at"],
            earlier=_is_earlier(model, rows[at]),
        )
        for name, score, at in matches
    ]
    return sorted(found, key=lambda other: (-other.similarity, -(other.downloads or 0), other.repo_id))


def bare_name(repo_id: str) -> str:
    """The words of a repo's name, without its owner."""
    return words(repo_id.rpartition("/")[2])


def _is_earlier(model: dict[str, Any], other: dict[str, Any]) -> bool | None:
    if model["created_at"] is None or other["created_at"] is None:
        return None
    return bool(other["created_at"] < model["created_at"])

"""What the catalog holds of a repo, and the rows that a listing and an enrichment both write: tags, base models,
evaluations and facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

from db.derive.digest import stored_row_digest
from db.labels import INDEXED_LABELS
from db.records import Labelled, RepoRecord
from db.rows import Row, Rows
from db.schema.tables import edges, evaluations, repo_facts, repo_links, repo_tags
from db.write.label_rows import InternedIds

EMPTY_FACTS = "{}"
"""Facts of a repo that has none: they take no row."""

INFERRED_SOURCES = frozenset(("name", "owner", "file", "size", "lineage", "fuzzy"))
"""Sources that infer a base model; the others declare it."""

TAG_COLUMNS = ("repo", "position", "tag")
BASE_MODEL_COLUMNS = ("repo", "parent", "relation", "source", "declared")
LINK_COLUMNS = ("repo", "target_type", "target")
EVALUATION_COLUMNS = ("repo", "position", "task", "dataset", "metric", "value", "source")

_STORED_STATES = (
    "select r.hub_id, r.id, r.repo_id, r.sha, r.digest, r.status, r.downloads, r.downloads_all_time, r.likes,"
    " r.trending_score, l.depth, l.vocabulary, v.sha, r.last_modified, r.license,"
    f" r.row_digest, {', '.join(f'l.{name}' for name in INDEXED_LABELS)} from repos r"
    " left join repo_labels l on l.repo = r.id left join enrichments v on v.repo = r.id where r.hub_id in ({})"
)


_KNOWN_STATES = (
    "select hub_id, id, type, digest, status, row_digest, downloads, downloads_all_time, likes, trending_score"
    " from repos where hub_id in ({})"
)


class Counters(NamedTuple):
    """The figures that the Hub changes every day. A tuple, since a page compares a thousand of them."""

    downloads: int | None
    downloads_all_time: int | None
    likes: int | None
    trending_score: float | None


_read_counters: Callable[[RepoRecord], Any] = attrgetter(*Counters._fields)


def counters_of(record: RepoRecord, stored: Counters | None = None) -> Counters:
    """The counters of a record; where the listing did not give one, that of the catalog."""
    values = _read_counters(record)
    if stored is None:
        return Counters._make(values)
    if values == stored:
        return stored
    return Counters._make(old if new is None else new for new, old in zip(values, stored, strict=True))


@dataclass(slots=True)
class StoredState:
    """What the catalog holds of a repo before a listing page or an enrichment is stored.

    Not frozen: a page loads a thousand, and creating a frozen object takes three times as long.
    """

    repo: int
    repo_id: str
    sha: str | None
    digest: int
    status: str
    counters: Counters
    depth: str | None  # of its labels
    vocabulary: int | None  # that made its labels
    enriched_sha: str | None  # the commit that was enriched
    last_modified: Any  # the driver's own value
    license: str | None
    indexed: tuple[str | int | None, ...]  # the labels of INDEXED_LABELS
    row_digest: int | None

    @property
    def has_labels(self) -> bool:
        return self.depth is not None

    @property
    def is_enriched(self) -> bool:
        """Whether its labels rest on more than the listing, which must not replace them."""
        return self.depth not in (None, "listing")


class RepoContent(Protocol):
    """A repo's number in the catalog with what is to be stored of it."""

    @property
    def repo(self) -> int: ...
    @property
    def record(self) -> RepoRecord: ...
    @property
    def labelled(self) -> Labelled: ...


class RepoUpdate(Protocol):
    """A repo that the catalog holds, with its record now."""

    @property
    def stored(self) -> StoredState: ...
    @property
    def record(self) -> RepoRecord: ...


def load_stored_states(rows: Rows, hub_ids: Iterable[str]) -> dict[str, StoredState]:
    """The state of those of the repos that the catalog holds, by hub_id."""
    states = {}
    for (
        hub_id, repo, repo_id, sha, digest, status, downloads, all_time, likes, trending,
        depth, vocabulary, enriched_sha, last_modified, license_, row_digest, *indexed,
    ) in rows.select_in(_STORED_STATES, hub_ids):  # fmt: skip
        states[hub_id] = StoredState(
            repo,
            repo_id,
            sha,
            digest,
            status,
            Counters(downloads, all_time, likes, trending),
            depth,
            vocabulary,
            enriched_sha,
            last_modified,
            license_,
            tuple(indexed),
            row_digest,
        )
    return states


@dataclass(slots=True)
class KnownState:
    """What the catalog holds of a repo whose row is known: enough to write its counters."""

    repo: int
    counters: Counters
    row: int | None  # digest of the row that the stored values come from
    has_labels: bool


def load_known_states(rows: Rows, hub_ids: Iterable[str]) -> dict[str, KnownState]:
    """The same for repos that are probably unchanged, by hub_id."""
    return {
        hub_id: KnownState(
            repo,
            Counters(downloads, all_time, likes, trending),
            None if row_digest is None else stored_row_digest(row_digest, digest, status),
            type_ == "model",
        )
        for hub_id, repo, type_, digest, status, row_digest, downloads, all_time, likes, trending in rows.select_in(
            _KNOWN_STATES, hub_ids
        )
    }


def load_row_digests(rows: Rows, hub_ids: Iterable[str]) -> dict[str, int]:
    """Digests of the rows that the stored values come from, by hub_id; without repos that something else changed."""
    sql = "select hub_id, row_digest, digest, status from repos where row_digest is not null and hub_id in ({})"
    return {
        hub_id: stored_row_digest(row_digest, digest, status)
        for hub_id, row_digest, digest, status in rows.select_in(sql, hub_ids)
    }


def write_content(rows: Rows, interned: InternedIds, items: Sequence[RepoContent], *, fresh: bool) -> None:
    """Writes tags, base models and evaluations of repos; `fresh` says that the repos have none yet."""
    tag_ids = interned.tags(rows, (tag for item in items for tag in item.record.tags))
    tag_rows = [(item.repo, place, tag_ids[tag]) for item in items for place, tag in enumerate(item.record.tags)]
    results = [
        (item.repo, place, result.task, result.dataset, result.metric, result.value, result.source)
        for item in items
        for place, result in enumerate(item.record.evaluations)
    ]
    write_links(rows, items, fresh=fresh)
    if fresh:
        rows.insert(repo_tags, TAG_COLUMNS, tag_rows)
        rows.insert(edges, BASE_MODEL_COLUMNS, _base_model_rows(items))
        rows.insert(evaluations, EVALUATION_COLUMNS, results)
    else:
        owners = [(item.repo,) for item in items]
        rows.replace(repo_tags, ("repo",), TAG_COLUMNS, owners, tag_rows)
        replace_base_models(rows, items)
        rows.replace(evaluations, ("repo",), EVALUATION_COLUMNS, owners, results)


def write_links(rows: Rows, items: Sequence[RepoContent], *, fresh: bool) -> None:
    """Writes the models and datasets that spaces say they use."""
    spaces = [item for item in items if item.record.type == "space"]
    if not spaces:
        return
    links = [
        (item.repo, target_type, target)
        for item in spaces
        for target_type in ("model", "dataset")
        for target in dict.fromkeys(item.record.extra.get(f"{target_type}s", ()))
    ]
    if fresh:
        rows.insert(repo_links, LINK_COLUMNS, links)
    else:
        rows.replace(repo_links, ("repo",), LINK_COLUMNS, [(item.repo,) for item in spaces], links)


def replace_base_models(rows: Rows, items: Sequence[RepoContent]) -> None:
    """Makes the base models of the records and of the labels all that the repos have."""
    rows.replace(edges, ("repo",), BASE_MODEL_COLUMNS, [(item.repo,) for item in items], _base_model_rows(items))


_edge_values = attrgetter("parent", "relation", "source")


def _base_model_rows(items: Iterable[RepoContent]) -> Iterator[Row]:
    """The values of `BASE_MODEL_COLUMNS`, each edge once."""
    for item in items:
        declared, inferred = item.record.edges, item.labelled.edges
        if declared or inferred:
            for parent, relation, source in dict.fromkeys(map(_edge_values, (*declared, *inferred))):
                yield item.repo, parent, relation, source, source not in INFERRED_SOURCES


def write_facts(rows: Rows, facts: dict[int, str], *, fresh: bool) -> None:
    """Writes the facts (JSON text) of repos by number, where there are any; `fresh` says that none has a row yet."""
    stated = [(repo, text) for repo, text in facts.items() if text != EMPTY_FACTS]
    if fresh:
        rows.insert(repo_facts, ("repo", "facts"), stated)
    else:
        rows.upsert(repo_facts, ("repo",), ("repo", "facts"), stated)
        rows.delete(repo_facts, ("repo",), [(repo,) for repo, text in facts.items() if text == EMPTY_FACTS])

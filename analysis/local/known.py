"""What the catalog knows that local files are compared with: contents, former contents, repos, sizes, tensors.

All look-ups are by lists, a query for each few hundred values, so that ten thousand files take some dozen queries.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from analysis.query.reader import CatalogReader
from analysis.query.statement import name_values
from analysis.untrusted import check_text

VALUES_PER_QUERY = 400

MAX_ALIKE = 300
"""Artifacts with equal tensors that are compared: of a popular model there are thousands of finetunes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KnownRepo:
    """A repo of the catalog, or one that the Hub was just asked for. Times are ISO 8601 text."""

    repo_id: str
    status: str
    sha: str | None
    license: str | None
    created_at: str | None
    last_modified: str | None
    downloads: int | None
    base_model: str | None
    base_model_relation: str | None = None
    visited_at: str | None = None  # when its files were last read; None: never
    changed_at: str | None = None  # since when it is gone, or has another id than the one that was asked for
    renamed_from: str | None = None  # that id

    @property
    def is_there(self) -> bool:
        return self.status != "gone"


@dataclass(frozen=True, slots=True)
class KnownArtifact:
    """An artifact of a repo."""

    repo: KnownRepo
    artifact: str
    paths: tuple[str, ...]
    role: str
    size: int | None
    content: str | None
    quant: str | None
    tensor_layout: int | None = None
    tensor_shapes: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # of its header
    parameters: int | None = None

    @property
    def file_name(self) -> str:
        """The last part of the artifact's name, in lower case."""
        return self.artifact.rpartition("/")[2].lower()


@dataclass(frozen=True, slots=True)
class FormerFile:
    """A content that a file of a repo had, and what the file holds now; None: the repo has no such file any more."""

    repo: KnownRepo
    path: str
    sha256: str
    size: int | None
    revision: str | None
    until: str
    current_size: int | None
    current_sha256: str | None
    current_artifact: str | None


_REPO = """
r.repo_id, r.status, r.sha, r.license, r.created_at, r.last_modified, r.downloads, l.base_model,
l.base_model_relation,
case when r.status = 'gone' then
    (select max(c.at) from events c where c.repo = r.id and c.kind = 'gone') end as gone_at,
(select e.visited_at from enrichments e where e.repo = r.id) as visited_at"""
_ARTIFACTS = f"""
select {_REPO}, a.artifact, a.paths, a.role, a.total_size, lower(hex(a.content)) as content, a.quant,
    a.parameters_measured, h.tensor_layout, h.tensor_shapes, h.facts
from {{source}}
join repos r on r.id = a.repo join repo_labels l on l.repo = r.id left join headers h on h.id = a.header
where {{where}} and r.type = 'model'"""
_FORMER = f"""
select {_REPO}, f.path, f.size, lower(hex(f.sha256)) as sha256, f.sha as former_sha, f.until,
    n.size as current_size, lower(hex(n.sha256)) as current_sha256, n.path as current_path
from former_files f
join repos r on r.id = f.repo join repo_labels l on l.repo = r.id
left join repo_files n on n.repo = f.repo and n.path = f.path
where {{where}} and r.type = 'model'"""


@dataclass(frozen=True, slots=True)
class AskedRepo:
    """A repo that the Hub was asked for now, with its artifacts."""

    repo: KnownRepo
    artifacts: tuple[KnownArtifact, ...] = ()


class Known:
    """The catalog's answers. Repos that the Hub was asked for now (`asked`) replace what the catalog holds of them."""

    def __init__(self, reader: CatalogReader, asked: Sequence[AskedRepo] = ()) -> None:
        self._reader = reader
        self._asked_repos = {each.repo.repo_id.lower(): each for each in asked}
        self._asked = [artifact for each in asked for artifact in each.artifacts]

    # ---- by content -------------------------------------------------------------------------------------------------

    def by_content(self, contents: Iterable[str]) -> dict[str, list[KnownArtifact]]:
        """The artifacts with these contents, the original publisher's first."""
        wanted = set(contents)
        found = self._artifacts("a.content in ({})", [bytes.fromhex(each) for each in wanted])
        found += [each for each in self._asked if each.content in wanted]
        grouped = group(found, lambda each: each.content or "")
        return {content: publishers_first(each) for content, each in grouped.items()}

    def former(self, digests: Iterable[str]) -> dict[str, list[FormerFile]]:
        """The files that held these contents earlier, the last replaced ones first."""
        keys = [bytes.fromhex(each) for each in set(digests)]
        found = list(map(former_from_row, self._rows(_FORMER.format(where="f.sha256 in ({})"), keys)))
        if self._asked_repos:  # what the catalog calls current may be replaced by now
            held = map(
                artifact_from_row, self._rows(_ARTIFACTS.format(source="artifacts a", where="a.content in ({})"), keys)
            )
            found += [each for artifact in held for each in self._replaced_now(artifact)]
        found.sort(key=lambda each: (each.until, each.repo.downloads or 0), reverse=True)
        return group(found, lambda each: each.sha256)

    def _replaced_now(self, held: KnownArtifact) -> Iterator[FormerFile]:
        """The content of an artifact of the catalog as a former one, where the Hub now holds another there."""
        asked = self._asked_repos.get(held.repo.repo_id.lower())
        if asked is None or held.content is None or any(held.content == each.content for each in asked.artifacts):
            return
        now = next((each for each in asked.artifacts if each.artifact == held.artifact), None)
        yield FormerFile(
            asked.repo, held.artifact, held.content, held.size, held.repo.sha, asked.repo.last_modified or "",
            now.size if now else None, now.content if now else None, now.artifact if now else None,
        )  # fmt: skip

    def hashes_by_path(
        self, repo_ids: Iterable[str], column: Literal["sha256", "blob_id"]
    ) -> dict[str, dict[str, str]]:
        """The hashes of the files of repos by repo id and path: those of shards and of files in git."""
        sql = (
            f"select r.repo_id, f.path, lower(hex(f.{column})) as hash from repos r join repo_files f on f.repo = r.id"
            f" where r.repo_id in ({{}}) and r.type = 'model' and f.{column} is not null"
        )
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for row in self._rows(sql, sorted(set(repo_ids))):
            found[row["repo_id"]][row["path"]] = row["hash"]
        return found

    # ---- by name and size -------------------------------------------------------------------------------------------

    def repos(self, repo_ids: Iterable[str]) -> dict[str, KnownRepo]:
        """Repos by id in lower case, whichever case was asked for, also by ids that they had before.

        Ids come from names of folders, which may hold anything: those that no repo can have are left out.
        """
        wanted = sorted({each.lower() for each in repo_ids if check_text(each)})
        found: dict[str, KnownRepo] = {}
        renamed = (
            f"select {_REPO}, x.repo_id as earlier, x.until from aliases x join repos r on r.id = x.repo"
            " join repo_labels l on l.repo = r.id where lower(x.repo_id) in ({}) and r.type = 'model' order by x.until"
        )
        for row in self._rows(renamed, wanted):
            found[row["earlier"].lower()] = replace(
                repo_from_row(row), renamed_from=row["earlier"], changed_at=row["gone_at"] or row["until"]
            )
        sql = (
            f"select {_REPO} from repos r join repo_labels l on l.repo = r.id"
            " where lower(r.repo_id) in ({}) and r.type = 'model'"
            " order by case when r.status = 'gone' then 0 else 1 end"  # of two that had this id the later one counts
        )
        for row in self._rows(sql, wanted):
            found[row["repo_id"].lower()] = repo_from_row(row)
        for name, asked in self._asked_repos.items():
            for asked_for in {name, (asked.repo.renamed_from or name).lower()} & set(wanted):
                found[asked_for] = asked.repo
        return found

    def artifacts_of(self, repo_ids: Iterable[str]) -> dict[str, list[KnownArtifact]]:
        """The artifacts of repos by the id that the catalog has of them."""
        wanted = sorted(set(repo_ids))
        found = self._artifacts("r.repo_id in ({})", wanted)
        found += [each for each in self._asked if each.repo.repo_id in wanted]
        return group(found, lambda each: each.repo.repo_id)

    def sizes(self, sizes: Iterable[int]) -> set[int]:
        """Those of the sizes (bytes) that an artifact has or a file had: others need not be hashed."""
        wanted = sorted(set(sizes))
        found = {each.size for each in self._asked if each.size is not None}
        for sql in (
            "select distinct total_size as size from artifacts where total_size in ({})",
            "select distinct size from former_files where size in ({})",
        ):
            found |= {row["size"] for row in self._rows(sql, wanted)}
        return found & set(wanted)

    def by_size(self, sizes: Iterable[int]) -> dict[int, list[KnownArtifact]]:
        """The artifacts of these sizes, the original publisher's first."""
        wanted = set(sizes)
        found = self._artifacts("a.total_size in ({})", sorted(wanted))
        found += [each for each in self._asked if each.size in wanted]
        return {size: publishers_first(each) for size, each in group(found, lambda each: each.size or 0).items()}

    # ---- by tensors -------------------------------------------------------------------------------------------------

    def by_tensors(
        self, column: Literal["tensor_layout", "tensor_shapes"], digests: Iterable[int]
    ) -> dict[int, list[KnownArtifact]]:
        """The artifacts whose headers have these digests: of each the MAX_ALIKE most downloaded, publishers first."""
        ranked = (
            "(select a.*,"
            f" row_number() over (partition by t.{column} order by d.downloads desc nulls last, d.id) as place"
            " from headers t join artifacts a on a.content = t.content join repos d on d.id = a.repo"
            f" where t.{column} in ({{}})) a"
        )
        found = self._artifacts(f"a.place <= {MAX_ALIKE}", sorted(set(digests)), source=ranked)
        grouped = group(found, lambda each: int(getattr(each, column)))
        return {key: publishers_first(each) for key, each in grouped.items()}

    # ---- rows -------------------------------------------------------------------------------------------------------

    def _artifacts(self, where: str, values: Sequence[Any], source: str = "artifacts a") -> list[KnownArtifact]:
        sql = _ARTIFACTS.format(source=source, where=where)
        rows = map(artifact_from_row, self._rows(sql, values))
        return [each for each in rows if each.repo.repo_id.lower() not in self._asked_repos]

    def _rows(self, sql: str, values: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """The rows of a query whose `{}` is a list of values, however many."""
        for at in range(0, len(values), VALUES_PER_QUERY):
            listed, named = name_values("v", values[at:][:VALUES_PER_QUERY])
            yield from self._reader.all(sql.format(listed), named)


def group(found: Iterable[T], key: Callable[[T], Any]) -> dict[Any, list[T]]:
    """Values by their key, in their order."""
    grouped: dict[Any, list[T]] = defaultdict(list)
    for each in found:
        grouped[key(each)].append(each)
    return dict(grouped)


def publishers_first(found: Sequence[KnownArtifact]) -> list[KnownArtifact]:
    """The repos that hold one content, the original publisher first: not made from another of them, then the oldest."""
    ids = {each.repo.repo_id.lower() for each in found}

    def key(each: KnownArtifact) -> tuple[bool, str, str, str]:
        is_copy = (each.repo.base_model or "").lower() in ids - {each.repo.repo_id.lower()}
        return is_copy, each.repo.created_at or "9", each.repo.repo_id.lower(), each.artifact

    return sorted(found, key=key)


_REPO_FIELDS = (
    "repo_id", "status", "sha", "license", "created_at", "last_modified", "downloads", "base_model",
    "base_model_relation", "visited_at",
)  # fmt: skip


def repo_from_row(row: Mapping[str, Any]) -> KnownRepo:
    return KnownRepo(**{name: row[name] for name in _REPO_FIELDS}, changed_at=row["gone_at"])


def artifact_from_row(row: Mapping[str, Any]) -> KnownArtifact:
    paths = (row["artifact"],) if row["paths"] is None else tuple(json.loads(row["paths"]))
    return KnownArtifact(
        repo=repo_from_row(row),
        artifact=row["artifact"],
        paths=paths,
        role=row["role"],
        size=row["total_size"],
        content=row["content"] or None,
        quant=row["quant"],
        tensor_layout=row["tensor_layout"],
        tensor_shapes=row["tensor_shapes"],
        facts=json.loads(row["facts"] or "{}"),
        parameters=row["parameters_measured"],
    )


def former_from_row(row: Mapping[str, Any]) -> FormerFile:
    return FormerFile(
        repo=repo_from_row(row),
        path=row["path"],
        sha256=row["sha256"],
        size=row["size"],
        revision=row["former_sha"],
        until=row["until"],
        current_size=row["current_size"],
        current_sha256=row["current_sha256"] or None,
        current_artifact=row["current_path"],
    )

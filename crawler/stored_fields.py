"""What a Hub does not tell of a repo stays as the catalog has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from crawler.run_recorder import RunRecorder
from db.records import RepoRecord

LISTED_FIELDS = ("sha", "created_at", "last_modified")
"""Fields that a listing may leave out."""

EXPENSIVE_FIELDS = (
    "card", "config", "safetensors", "gguf", "edges", "evaluations", "languages", "license",
)  # fmt: skip
"""Fields that a listing without the expensive keys leaves out."""


def fill_fields(recorder: RunRecorder, repos: Sequence[RepoRecord], fields: Iterable[str] = ()) -> Sequence[RepoRecord]:
    """The repos with the stored values of those fields that are empty: these `fields`, and what the hub refuses to
    tell of any repo."""
    names = tuple(dict.fromkeys((*fields, *sorted(recorder.source.untold_fields))))
    lacking = [repo.hub_id for repo in repos if names and lacks_any(repo, names)]
    if not lacking:
        return repos
    stored = recorder.store.load_repos(lacking)
    return [with_stored_fields(repo, stored[repo.hub_id], names) if repo.hub_id in stored else repo for repo in repos]


def lacks_any(repo: RepoRecord, fields: Sequence[str]) -> bool:
    return not all(getattr(repo, name) for name in fields)


def with_stored_fields(repo: RepoRecord, stored: RepoRecord, fields: Iterable[str]) -> RepoRecord:
    """A repo with the stored values of those of the fields that are empty."""
    kept = {name: getattr(stored, name) for name in fields if not getattr(repo, name)}
    if "edges" in kept:
        kept["edges"] = tuple(edge for edge in stored.edges if edge.source == "api")  # the others follow from labels
    return replace(repo, **kept)

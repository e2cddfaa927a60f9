"""What an inventory needs of many repos at once: a query for each kind of fact and batch, not for each entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analysis.names.references import Reference, find_reference, find_repo_id, may_refer
from analysis.query.reader import CatalogReader
from analysis.schemes.schemes import find_scheme_by_alias

BATCH = 400
"""Entries that are looked up by one query of each kind."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a list, as it is read."""

    text: str
    repo_id: str
    reference: Reference | None

    @property
    def revision(self) -> str | None:
        return self.reference.revision if self.reference else None

    @property
    def file(self) -> str | None:
        return self.reference.file if self.reference else None

    @property
    def scheme(self) -> str | None:
        """The scheme that its tag names."""
        found = find_scheme_by_alias(self.reference.tag) if self.reference and self.reference.tag else None
        return None if found is None else found.name


@dataclass(frozen=True, slots=True)
class RepoFacts:
    """What the catalog knows of one repo beside its row of `models`."""

    bases: tuple[str, ...]
    formats: tuple[str, ...]
    findings: tuple[str, ...]
    changes: tuple[str, ...]
    revisions: Rows
    file_sizes: dict[str, int | None]  # of the files that entries name
    scheme_sizes: dict[str, int | None]  # bytes of the weights of each scheme that entries name


def read_entry(text: str) -> Entry:
    return Entry(text, find_repo_id(text), find_reference(text) if may_refer(text) else None)


def load_models(reader: CatalogReader, entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
    """Rows of `models` by the id that entries have, where it is a repo's own: exactly, else in any letter case."""
    ids = sorted({entry.repo_id for entry in entries})
    rows = select_in(reader, "select * from models where lower(repo_id) in ({})", [each.lower() for each in ids])
    rows.sort(key=lambda row: (row["downloads"] is not None, row["downloads"] or 0))  # of several the last is taken
    exact = {row["repo_id"]: row for row in rows}
    folded = {row["repo_id"].lower(): row for row in rows}
    return {each: found for each in ids if (found := exact.get(each) or folded.get(each.lower())) is not None}


def load_facts(
    reader: CatalogReader, found: Sequence[tuple[Entry, dict[str, Any]]], since: datetime | None
) -> dict[str, RepoFacts]:
    """The facts of the repos of entries, by repo id. `since`: changes before it do not count; None: no changes."""
    ids = sorted({model["repo_id"] for _, model in found})
    pinned = sorted({model["repo_id"] for entry, model in found if entry.revision not in (None, "main")})
    with_file = sorted({model["repo_id"] for entry, model in found if entry.file})
    with_scheme = sorted({model["repo_id"] for entry, model in found if entry.scheme})
    bases = grouped(
        reader,
        "select repo_id, coalesce(parent_id, parent) as base from parents where repo_id in ({}) order by base",
        ids,
    )
    formats = grouped(
        reader,
        "select distinct repo_id, format from artifacts_wide where repo_id in ({}) and role = 'weights'"
        " and format is not null order by format",
        ids,
    )
    findings = grouped(
        reader, "select distinct repo_id, kind from security_findings where repo_id in ({}) order by kind", ids
    )
    changes = grouped(reader, CHANGES, ids, {"since": since}) if since is not None else {}
    revisions = grouped(reader, REVISIONS, pinned)
    files = grouped(reader, FILES, with_file, names=sorted({entry.file for entry, _ in found if entry.file}))
    schemes = grouped(reader, SCHEMES, with_scheme, names=sorted({entry.scheme for entry, _ in found if entry.scheme}))
    return {
        each: RepoFacts(
            bases=tuple(row["base"] for row in bases.get(each, ())),
            formats=tuple(row["format"] for row in formats.get(each, ())),
            findings=tuple(row["kind"] for row in findings.get(each, ())),
            changes=tuple(row["kind"] for row in changes.get(each, ())),
            revisions=revisions.get(each, []),
            file_sizes={row["path"]: row["size"] for row in files.get(each, ())},
            scheme_sizes={row["quant"]: row["size"] for row in schemes.get(each, ())},
        )
        for each in ids
    }


CHANGES = """
    select repo_id, kind from changes where repo_id in ({0}) and seen_at >= :since and kind not in ('new', 'label')
    union select repo_id, 'modified' from models where repo_id in ({0}) and last_modified >= :since
    order by kind
"""
"""What changed on the Hub: kinds of the view `changes`, and `modified` for a later date of the repo. That the catalog
first saw it, or labels it otherwise, is no change on the Hub."""

REVISIONS = """
    select repo_id, name, kind, sha, is_main, total_size, file_count from revisions where repo_id in ({})
    order by repo_id, kind, name
"""
FILES = "select repo_id, path, size from files where repo_id in ({}) and path in ({names})"
SCHEMES = """
    select repo_id, quant, cast(sum(total_size) as bigint) as size from artifacts_wide
    where repo_id in ({}) and role = 'weights' and quant in ({names}) group by repo_id, quant
"""


def grouped(
    reader: CatalogReader,
    sql: str,
    ids: Sequence[str],
    values: dict[str, Any] | None = None,
    names: Sequence[str] = (),
) -> dict[str, Rows]:
    """Rows of a query by their repo, in its order."""
    if names:
        marks = ", ".join(f":name{at}" for at in range(len(names)))
        sql, values = sql.replace("{names}", marks), {f"name{at}": name for at, name in enumerate(names)}
    found: dict[str, Rows] = defaultdict(list)
    for row in select_in(reader, sql, ids, values):
        found[row["repo_id"]].append(row)
    return found


def select_in(reader: CatalogReader, sql: str, ids: Sequence[str], values: dict[str, Any] | None = None) -> Rows:
    """Rows of a query whose `{}` is a list of values; none without a value."""
    if not ids:
        return []
    marks = ", ".join(f":id{at}" for at in range(len(ids)))
    return reader.all(sql.format(marks), {**(values or {}), **{f"id{at}": each for at, each in enumerate(ids)}})


def batches(entries: Sequence[str]) -> Iterator[list[Entry]]:
    for start in range(0, len(entries), BATCH):
        yield [read_entry(text) for text in entries[start : start + BATCH]]


def find_revision(revisions: Iterable[dict[str, Any]], revision: str | None) -> dict[str, Any] | None:
    """What the catalog knows of a revision other than main: its commit, kind and size; None where it knows nothing."""
    if revision in (None, "main"):
        return None
    found = [row for row in revisions if revision in (row["name"], row["sha"])]
    return next((row for row in found if row["file_count"]), found[0] if found else None)

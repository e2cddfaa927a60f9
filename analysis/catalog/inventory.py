"""What the catalog knows of each entry of a list: whether it is current, its id, licence, kind, size, findings.

An entry is anything that names a repo (`analysis.names.references`), with a revision, a file or a scheme where it is
pinned: `owner/name@REVISION`, `owner/name::FILE`, `owner/name:Q4_K_M`, an address. From the catalog alone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from analysis.catalog.models import find_model
from analysis.errors import UnknownColumn, UnknownModel
from analysis.names.references import Reference, find_reference, find_repo_id, may_refer
from analysis.query.reader import CatalogReader
from analysis.query.values import normalize_row
from analysis.schemes.schemes import find_scheme_by_alias
from db.record_base import RepoKind

Status = Literal["current", "outdated", "renamed", "gated", "private", "disabled", "gone", "missing", "unknown"]

ABSENT: frozenset[Status] = frozenset({"missing", "gone"})
"""The statuses of entries that can't be had from the Hub, as far as the catalog knows."""

ID_COLUMNS = ("repo_id", "model_id", "repo", "model", "id", "url", "reference", "input")
"""Names of a CSV column that holds ids, the first that is there is read."""

_COMMIT = re.compile(r"[0-9a-f]{7,40}", re.I)
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class InventoryItem:
    """One entry of a list. `size` is in bytes: of the file or scheme that the entry names, else of the repo; `revision`
    is the one that it is pinned to, `current_revision` the newest commit that the catalog knows."""

    input: str
    repo_id: str | None
    status: Status
    revision: str | None = None
    current_revision: str | None = None
    license: str | None = None
    kind: RepoKind | Literal["unknown"] | None = None
    base: tuple[str, ...] = ()
    size: int | None = None
    formats: tuple[str, ...] = ()
    last_modified: str | None = None
    findings: tuple[str, ...] = ()
    note: str | None = None

    def row(self) -> dict[str, Any]:
        """The item as a row; empty lists as such."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def parse_list(text: str, column: str | None = None) -> list[str]:
    """The entries of a list: one a line, or those of a CSV column, in order, each once.

    A text is CSV if its first line has a column of `ID_COLUMNS`, or where `column` is given. Empty lines
    and those that begin with `#` are left out. Raises UnknownColumn.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return []
    delimiter = max(_DELIMITERS, key=lines[0].count)
    names = [name.strip() for name in next(csv.reader(lines[:1], delimiter=delimiter))]
    lower = [name.lower() for name in names]
    known = [lower.index(name) for name in ID_COLUMNS if name in lower]
    if column is None and not known:
        return list(dict.fromkeys(line.strip() for line in lines))
    if column is not None and column.lower() not in lower:
        raise UnknownColumn(column, tuple(names))
    at = known[0] if column is None else lower.index(column.lower())
    cells = (row[at].strip() for row in csv.reader(lines[1:], delimiter=delimiter) if len(row) > at)
    return list(dict.fromkeys(cell for cell in cells if cell))


def take_inventory(
    reader: CatalogReader, entries: Sequence[str], changed_since: datetime | None = None
) -> Iterator[InventoryItem]:
    """What is known of each entry, in order. With `changed_since` only of repos that changed on the Hub since then, and
    of those that are missing or gone; the note says what changed."""
    for entry in entries:
        try:
            model = normalize_row(find_model(reader, entry))
        except UnknownModel as error:
            yield InventoryItem(entry, None, "missing", note=error.hint)
            continue
        changed = list_kinds_of_change(reader, model["repo_id"], changed_since) if changed_since else []
        item = describe_entry(reader, entry, model, changed)
        if changed_since is None or changed or item.status in ABSENT:
            yield item


def describe_entry(
    reader: CatalogReader, entry: str, model: Mapping[str, Any], changed: Sequence[str] = ()
) -> InventoryItem:
    """The item of an entry whose model (a row of `models`) was found."""
    reference = find_reference(entry) if may_refer(entry) else None
    revision = reference.revision if reference else None
    stored = find_revision(reader, model["repo_id"], revision)
    status, notes = judge_status(find_repo_id(entry), revision, model, stored)
    size, part = (stored["total_size"], None) if stored else find_size(reader, reference, model)
    if part is not None:
        if status in ("private", "disabled"):
            notes.append(f"the repo is {status}")
        status = "missing" if status not in ABSENT else status
        notes.append(part)
    if changed:
        notes.append(f"changed: {', '.join(changed)}")
    repo_id = model["repo_id"]
    parents = reader.all(
        "select coalesce(parent_id, parent) as base from parents where repo_id = :id order by base",
        {"id": repo_id},
    )
    return InventoryItem(
        input=entry,
        repo_id=repo_id,
        status=status,
        revision=revision,
        current_revision=model["sha"],
        license=model["license"],
        kind=model["kind"],
        base=tuple(row["base"] for row in parents),
        size=size,
        formats=_texts(
            reader,
            "select distinct format as found from artifacts_wide where repo_id = :id and role = 'weights'"
            " and format is not null order by format",
            repo_id,
        )
        or ((model["format"],) if model["format"] else ()),
        last_modified=model["last_modified"],
        findings=_texts(
            reader, "select distinct kind as found from security_findings where repo_id = :id order by kind", repo_id
        ),
        note="; ".join(notes) or None,
    )


def find_revision(reader: CatalogReader, repo_id: str, revision: str | None) -> dict[str, Any] | None:
    """What the catalog knows of a revision other than main: its commit, kind and size; None where it knows nothing."""
    if revision in (None, "main"):
        return None
    found = reader.all(
        "select name, kind, sha, is_main, total_size, file_count from revisions"
        " where repo_id = :id and (name = :revision or sha = :revision) order by kind, name",
        {"id": repo_id, "revision": revision},
    )
    return next((row for row in found if row["file_count"]), found[0] if found else None)


def judge_status(
    requested: str, revision: str | None, model: Mapping[str, Any], stored: Mapping[str, Any] | None = None
) -> tuple[Status, list[str]]:
    """The status of a repo that was found for an id, and what there is to say about it.

    Of several that hold the gravest counts: gone, disabled, private, renamed, outdated, unknown (a branch or tag other
    than main, which the catalog does not follow), gated.
    """
    notes: list[str] = []
    found: list[Status] = []
    if model["status"] in ("gone", "disabled", "private"):
        found.append(model["status"])
    if requested.lower() != model["repo_id"].lower() and requested != model["hub_id"]:
        found.append("renamed")
        notes.append(f"renamed from {requested}")
    if stored is not None and stored["kind"] != "commit":
        notes.append(f"{stored['kind']} {stored['name']} is at {(stored['sha'] or 'an unknown commit')[:12]}")
    elif revision is not None and revision != "main":
        sha = model["sha"]
        if sha is None or not _COMMIT.fullmatch(revision):
            found.append("unknown")
            notes.append(
                f"revision {revision} can't be compared: hf-catalog crawl --repo {model['repo_id']}@{revision} reads it"
            )
        elif not sha.startswith(revision.lower()):
            found.append("outdated")
            notes.append("main has a newer commit" if len(revision) == len(sha) else f"main is at {sha[:12]}")
    if model["status"] == "gated" or model["gated"]:
        found.append("gated")
        notes.append("access must be requested")
    return found[0] if found else "current", notes


def find_size(
    reader: CatalogReader, reference: Reference | None, model: Mapping[str, Any]
) -> tuple[int | None, str | None]:
    """Bytes of what an entry names: its file, the weights of its scheme, or the repo; and a note where the repo's files
    are known and it is not among them."""
    repo_id = model["repo_id"]
    listed = model["file_count"] is not None
    if reference is not None and reference.file:
        rows = reader.all(
            "select size from files where repo_id = :id and path = :path", {"id": repo_id, "path": reference.file}
        )
        missing = f"it has no file {reference.file}" if listed else None
        return (rows[0]["size"], None) if rows else (None, missing)
    scheme = find_scheme_by_alias(reference.tag) if reference is not None and reference.tag else None
    if scheme is not None:
        rows = reader.all(
            "select sum(total_size) as size, count(*) as found from artifacts_wide"
            " where repo_id = :id and role = 'weights' and quant = :quant",
            {"id": repo_id, "quant": scheme.name},
        )
        missing = f"it has no files of {scheme.name}" if listed else None
        return (int(rows[0]["size"]), None) if rows[0]["size"] else (None, None if rows[0]["found"] else missing)
    return model["total_size"], None


def list_kinds_of_change(reader: CatalogReader, repo_id: str, since: datetime) -> list[str]:
    """What changed on the Hub since a moment: kinds of the view `changes`, and `modified` for a later date of the
    repo. That the catalog first saw it, or labels it otherwise, is no change on the Hub."""
    rows = reader.all(
        "select kind from changes where repo_id = :id and seen_at >= :since and kind not in ('new', 'label')"
        " union select 'modified' from models where repo_id = :id and last_modified >= :since",
        {"id": repo_id, "since": since},
    )
    return sorted(row["kind"] for row in rows)


def _texts(reader: CatalogReader, sql: str, repo_id: str) -> tuple[str, ...]:
    """The column `found` of a repo's rows."""
    return tuple(row["found"] for row in reader.all(sql, {"id": repo_id}))

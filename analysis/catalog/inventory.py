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

from analysis.catalog.inventory_facts import Entry, RepoFacts, batches, find_revision, load_facts, load_models
from analysis.catalog.models import find_model
from analysis.errors import UnknownColumn, UnknownModel
from analysis.query.reader import CatalogReader
from db.record_base import RepoKind

Status = Literal["current", "outdated", "renamed", "gated", "private", "disabled", "gone", "missing", "unknown"]

ABSENT: frozenset[Status] = frozenset({"missing", "gone"})
"""The statuses of entries that can't be had from the Hub, as far as the catalog knows."""

ID_COLUMNS = ("repo_id", "model_id", "repo", "model", "id", "url", "reference", "input")
"""Names of a CSV column that holds ids, the first that is there is read."""

MAX_SUGGESTIONS = 1_000
"""Missing entries for which similar ids are looked for: each takes some milliseconds."""

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
    suggestions = MAX_SUGGESTIONS
    for batch in batches(entries):
        models = load_models(reader, batch)
        hints: dict[str, str] = {}
        for entry in batch:
            if entry.repo_id not in models and entry.repo_id not in hints:
                try:
                    models[entry.repo_id] = find_model(reader, entry.text, suggest=suggestions > 0)
                except UnknownModel as error:
                    hints[entry.repo_id] = error.hint
                    suggestions -= 1
        found = [(entry, models[entry.repo_id]) for entry in batch if entry.repo_id in models]
        facts = load_facts(reader, found, changed_since)
        for entry in batch:
            if entry.repo_id in hints:
                yield InventoryItem(entry.text, None, "missing", note=hints[entry.repo_id])
                continue
            model = models[entry.repo_id]
            known = facts[model["repo_id"]]
            item = describe_entry(entry, model, known)
            if changed_since is None or known.changes or item.status in ABSENT:
                yield item


def describe_entry(entry: Entry, model: Mapping[str, Any], facts: RepoFacts) -> InventoryItem:
    """The item of an entry whose model (a row of `models`) was found."""
    stored = find_revision(facts.revisions, entry.revision)
    status, notes = judge_status(entry.repo_id, entry.revision, model, stored)
    size, part = (stored["total_size"], None) if stored else find_size(entry, model, facts)
    if part is not None:
        if status in ("private", "disabled"):
            notes.append(f"the repo is {status}")
        status = "missing" if status not in ABSENT else status
        notes.append(part)
    if facts.changes:
        notes.append(f"changed: {', '.join(facts.changes)}")
    return InventoryItem(
        input=entry.text,
        repo_id=model["repo_id"],
        status=status,
        revision=entry.revision,
        current_revision=model["sha"],
        license=model["license"],
        kind=model["kind"],
        base=facts.bases,
        size=size,
        formats=facts.formats or ((model["format"],) if model["format"] else ()),
        last_modified=model["last_modified"],
        findings=facts.findings,
        note="; ".join(notes) or None,
    )


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


def find_size(entry: Entry, model: Mapping[str, Any], facts: RepoFacts) -> tuple[int | None, str | None]:
    """Bytes of what an entry names: its file, the weights of its scheme, or the repo; and a note where the repo's files
    are known and it is not among them."""
    listed = model["file_count"] is not None
    if entry.file:
        missing = f"it has no file {entry.file}" if listed and entry.file not in facts.file_sizes else None
        return facts.file_sizes.get(entry.file), missing
    if entry.scheme is not None:
        missing = f"it has no files of {entry.scheme}" if listed and entry.scheme not in facts.scheme_sizes else None
        return facts.scheme_sizes.get(entry.scheme), missing
    return model["total_size"], None

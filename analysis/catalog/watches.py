"""What a watch finds in the catalog: models that match filters, changes of such models, or rows of a query."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from analysis.catalog.changes import list_changes
from analysis.catalog.models import ModelFilter, list_models
from analysis.errors import TooManyMatches
from analysis.query.reader import CatalogReader, run_query
from analysis.text import escape_control_characters
from analysis.units import count_text, size_text
from db.watches import WatchEvent

QUERY_SECONDS = 300.0
MAX_ROWS = 100_000
"""Models or rows that a watch may find in one run: each is remembered."""

LOOKED_UP = 500
"""Changes whose models are looked up by one statement."""

MAX_TEXT = 300
"""Characters of an event's text."""

MAX_REPO_ID = 200
"""Characters of a repo id: that of a query's row may be any text."""

OVERLAP = timedelta(days=2)
"""Changes from before the last look are looked at again: a crawl stores them a while after it began."""


@dataclass(frozen=True, slots=True)
class WatchDefinition:
    """A condition: `model_filter` alone finds models that newly match; with `changes`, changes of these kinds of models
    that match; `query`, the name of a saved query or SQL, finds new rows."""

    model_filter: ModelFilter = field(default_factory=ModelFilter)
    changes: tuple[str, ...] = ()
    query: str | None = None
    parameters: Mapping[str, str] | None = None

    def to_data(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> WatchDefinition:
        """From JSON data, whose lists were tuples."""
        filters: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data["model_filter"].items()
        }
        return cls(ModelFilter(**filters), tuple(data["changes"]), data["query"], data["parameters"])

    def describe(self) -> str:
        """The condition in words."""
        if self.query is not None:
            return f"query {' '.join(self.query.split())}"
        given = {key: value for key, value in asdict(self.model_filter).items() if value not in ((), None, False)}
        texts = {key: value if isinstance(value, tuple) else (value,) for key, value in given.items()}
        filters = [f"{key} {', '.join(map(str, value))}" for key, value in texts.items()]
        what = f"changes ({', '.join(self.changes)})" if self.changes else "new models"
        return f"{what}: {'; '.join(filters) or 'all'}"


def find_events(db: str, definition: WatchDefinition, since: datetime) -> Iterator[WatchEvent]:
    """All that the watch finds now. An event found before has the same key, so that it is known again.

    `since` bounds changes: the last look, or when the watch was made. Raises TooManyMatches, and what the reader and
    run_query raise.
    """
    if definition.query is not None:
        yield from find_rows(db, definition.query, definition.parameters or {})
        return
    with CatalogReader(db) as reader:
        if definition.changes:
            yield from find_changes(reader, definition, since)
        else:
            yield from find_models(reader, definition.model_filter)


def find_models(reader: CatalogReader, wanted: ModelFilter) -> Iterator[WatchEvent]:
    """The models that match."""
    for count, row in enumerate(list_models(reader, wanted, sort="name", limit=MAX_ROWS + 1)):
        if count == MAX_ROWS:
            raise TooManyMatches(MAX_ROWS)
        yield make_event((row["hub_id"],), row["repo_id"], describe_model(row), row["first_seen"])


def find_changes(reader: CatalogReader, definition: WatchDefinition, since: datetime) -> Iterator[WatchEvent]:
    """The changes, of the kinds that are watched, of models that match, also where these are gone; newest first."""
    wanted = replace(definition.model_filter, gone=True)
    changes = list_changes(reader, since=since - OVERLAP, kinds=definition.changes)
    while some := list(islice(changes, LOOKED_UP)):
        ids = {change["repo_id"] for change in some}
        if wanted.repo_ids:
            ids.intersection_update(wanted.repo_ids)
        looked_up = replace(wanted, repo_ids=sorted(ids))
        matching = {row["repo_id"] for row in list_models(reader, looked_up, sort="name", limit=None)} if ids else ()
        for change in some:
            if change["repo_id"] in matching:
                parts = [str(change[key] or "") for key in ("seen_at", "repo_id", "kind", "subject", "before", "after")]
                yield make_event(parts, change["repo_id"], describe_change(change), change["seen_at"])


def find_rows(db: str, query: str, parameters: Mapping[str, str]) -> Iterator[WatchEvent]:
    """The rows of a query, each known by all its values. Raises TooManyMatches, and what run_query raises."""
    now = datetime.now(UTC)
    with run_query(db, query, dict(parameters), timeout=QUERY_SECONDS, limit=MAX_ROWS) as rows:
        names = list(rows.columns)
        for row in rows:
            repo_id = row[names.index("repo_id")] if "repo_id" in names else None
            text = ", ".join(f"{name} {value}" for name, value in zip(names, row, strict=True) if value is not None)
            yield make_event(tuple(map(repr, row)), None if repo_id is None else str(repo_id), text, now)
        if rows.truncated:
            raise TooManyMatches(MAX_ROWS)


def make_event(parts: Any, repo_id: str | None, text: str, at: Any) -> WatchEvent:
    """An event known by `parts`. Texts of the Hub are cut, their control characters escaped."""
    key = hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    shown = escape_control_characters(text[:MAX_TEXT])
    return WatchEvent(key, None if repo_id is None else escape_control_characters(repo_id[:MAX_REPO_ID]), shown, moment)


def describe_model(row: Mapping[str, Any]) -> str:
    parts = [
        row["family"],
        f"{count_text(row['parameters_measured'] or row['parameters'])} parameters" if row["parameters"] else None,
        row["quant"] or row["format"],
        size_text(row["total_size"]),
        f"licence {row['license']}" if row["license"] else None,
    ]
    return f"{row['repo_id']}: {', '.join(str(part) for part in parts if part) or 'a new match'}"


def describe_change(row: Mapping[str, Any]) -> str:
    change = f" {row['before'] or 'nothing'} -> {row['after'] or 'nothing'}" if row["before"] or row["after"] else ""
    return f"{row['repo_id']}: {row['kind']}{' ' + row['subject'] if row['subject'] else ''}{change}"

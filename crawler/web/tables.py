"""Wide tables and views in Datasette: their pages open with the columns that fit a window, and link to the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

Application = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]

FOLDER = "/catalog/"
"""Where the pages of tables lie, whatever the catalog's file is called."""

CHOICE = "_columns"
"""A field of the address that says that its columns are chosen: `short` or `all`."""

SHORT_COLUMNS: Mapping[str, Sequence[str]] = {
    "models": (
        "repo_id", "family", "version", "parameters", "quant", "format", "license", "downloads", "last_modified",
    ),
    "artifacts_wide": (
        "repo_id", "artifact", "role", "format", "quant", "bits_per_weight", "total_size", "context", "downloads",
    ),
    "quantized_models": (
        "repo_id", "family", "format", "quant", "bits_per_weight", "total_size", "downloads", "base_model",
        "base_downloads",
    ),
    "repos": ("repo_id", "type", "status", "license", "total_size", "downloads", "last_modified", "first_seen"),
    "headers": (
        "format", "architecture", "parameters", "quant", "bits_per_weight", "context", "size", "read_at",
    ),
    "crawl_runs": (
        "kind", "scope", "started_at", "finished_at", "outcome", "repos_seen", "repos_new", "repos_enriched",
    ),
    "datasets": (
        "repo_id", "status", "license", "total_size", "file_count", "downloads", "likes", "last_modified",
    ),
    "spaces": ("repo_id", "status", "sdk", "license", "models", "datasets", "likes", "last_modified"),
    "cards": (
        "repo_id", "bytes", "fields_filled", "intended_use", "limits", "training_data", "evaluation", "downloads",
    ),
}  # fmt: skip
"""The columns with which the page of a wide table opens, beside its key."""


def table_url(table: str, **filters: str) -> str:
    """The address of a table's page with its short columns."""
    columns = [("_col", name) for name in SHORT_COLUMNS.get(table, ())]
    fields = [*filters.items(), *([(CHOICE, "short"), *columns] if columns else [])]
    return f"{FOLDER}{quote(table)}" + (f"?{urlencode(fields)}" if fields else "")


def sql_url(sql: str) -> str:
    """The address of the SQL editor with a statement and its result."""
    return f"{FOLDER.rstrip('/')}?{urlencode({'sql': sql})}"


def with_short_columns(application: Application) -> Application:
    """An ASGI application that sends who asks for a wide table, and chooses no columns, to its short columns.

    Datasette has no setting for this. Its link "show all columns" keeps CHOICE, and so leads to all of them.
    """

    async def answer(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        target = short_target(scope) if scope["type"] == "http" else None
        if target is None:
            await application(scope, receive, send)
            return
        headers = [(b"location", target.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return answer


def short_target(scope: Mapping[str, Any]) -> str | None:
    """The address with the short columns, for one of a wide table's page that chooses none."""
    path = str(scope["path"])
    table = path.removeprefix(FOLDER)
    if not path.startswith(FOLDER) or table not in SHORT_COLUMNS:
        return None
    fields = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if {name for name, _ in fields} & {CHOICE, "_col", "_nocol"}:
        return None
    chosen = [(CHOICE, "short"), *(("_col", name) for name in SHORT_COLUMNS[table])]
    return f"{path}?{urlencode([*fields, *chosen])}"


def other_columns(table: str, columns: Sequence[str]) -> str:
    """HTML that says how the page of a wide table shows all of its columns; empty for other tables."""
    if table not in SHORT_COLUMNS:
        return ""
    filters = "" if table != "models" else ' Counts by family, format, licence and task: <a href="/search">Models</a>.'
    url = f"{FOLDER}{quote(table)}?{CHOICE}=all"
    return f' <a href="{url}">All {len(columns)} columns</a>.{filters}'

"""docs/schema.md, made from what db.schema.tables and db/views say of themselves: `python -m db.schema.documentation >
docs/schema.md`.

A view's column says what it is in a comment behind it (`... as name, -- type: what`); one that is a column of a
table, or of another view, has that one's words.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Literal, NamedTuple

from sqlalchemy import Column, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from db.labels import LABEL_BY_NAME
from db.schema.tables import metadata
from db.schema.types import BigInt, Bool, Day, Hash, Packed, Real, UtcDateTime
from db.schema.views import view_sources

GROUPS = {
    "Data of the Hub": "repos repo_facts tags repo_tags edges evaluations repo_files"
    " repo_revisions repo_revision_files model_cards card_texts account_kinds",
    "Derived data": (
        "repo_labels artifacts headers evidence repo_evidence conflicts unclaimed vocabularies header_layouts"
    ),
    "History": "crawl_runs metrics events aliases skips",
    "State of crawls": (
        "enrichments cursors watermarks listing_pages missing_repos partial_repos endpoints crawl_locks request_quotas "
        "search_documents search_pending fit_candidates fit_uses fit_pending fit_sources generations "
        "result_scales"
    ),
}
INTRODUCTION = """# The schema

<!-- Made by `python -m db.schema.documentation > docs/schema.md` from db/schema/tables.py and db/views; do not edit.
-->

Queries use the **views**, with ids and names. The **tables** hold the same data with numbers as keys. Both are the same
on SQLite and PostgreSQL.

- Unknown is NULL, never a default value. `repo` and `artifact` in tables are the catalog's own numbers.
- Claimed and measured values are separate columns: `parameters` is the name's claim, `parameters_measured` was counted.
- Times are UTC: ISO 8601 text on SQLite (`2026-11-23T20:44:37.000Z`), timestamptz on PostgreSQL. Lists are JSON text.
- A repo is never deleted: a repo that vanished from the Hub has the status `gone`. `hub_id` survives renames.
- The columns of a view are a contract: columns are only added.

```sh
export HF_CATALOG_DB=demo.db
hf-catalog schema artifacts_wide
hf-catalog query "select repo_id, quant, total_size from artifacts_wide where family = 'gemma' and quant = 'Q4_0'"
hf-catalog query "select * from changes where seen_at > '2026-06-01' order by seen_at desc" --limit 20
```
"""


class Meaning(NamedTuple):
    """What a column is: the kind of its values, and a sentence."""

    kind: str
    text: str


KINDS = {
    Bool: "boolean", BigInt: "integer", Real: "real", UtcDateTime: "time", Day: "integer", Hash: "bytes",
    Packed: "bytes",
}  # fmt: skip


def kind_of(column: Column[object]) -> str:
    for cls, name in KINDS.items():
        if isinstance(column.type, cls):
            return name
    return "integer" if "INT" in str(column.type) else "text"


def table_columns(table: Table) -> dict[str, Meaning]:
    return {column.name: Meaning(kind_of(column), column.comment or "") for column in table.columns}


def view_columns() -> dict[str, dict[str, Meaning]]:
    """Every view's columns in their order. Raises ValueError for one that nothing explains."""
    known = {table.name: table_columns(table) for table in metadata.sorted_tables}
    views: dict[str, dict[str, Meaning]] = {}
    with closing(sqlite3.connect(":memory:")) as connection:
        for table in metadata.sorted_tables:
            connection.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
        for name, text in view_sources():
            connection.execute(f"create view {name} as {text}")
            columns = [item[0] for item in connection.execute(f"select * from {name} limit 0").description]
            views[name] = {column: meaning(name, column, text, {**known, **views}) for column in columns}
    return views


def meaning(view: str, column: str, text: str, known: dict[str, dict[str, Meaning]]) -> Meaning:
    said = re.search(rf"\b{column},? -- (\w+): (.+)$", text, re.MULTILINE)
    if said:
        return Meaning(said[1], said[2])
    tables = {alias: table for table, alias in re.findall(r"(?:from|join) (\w+) (\w+)", text)}
    source = re.search(rf"^\s+(\w+)\.(\w+) as {column},?$", text, re.MULTILINE)
    source = source or re.search(rf"^\s+(\w+)\.({column}),?$", text, re.MULTILINE)
    if source is None or source[2] not in known.get(tables.get(source[1], ""), {}):
        raise ValueError(f"view {view}: nothing says what {column} is")
    return known[tables[source[1]]][source[2]]


class Relation(NamedTuple):
    """A view or a table, with its columns in their order."""

    name: str
    kind: Literal["view", "table"]
    about: str
    columns: dict[str, Meaning]


def describe_relations() -> Iterator[Relation]:
    """The views, then the tables, each group by name."""
    texts, views = dict(view_sources()), view_columns()
    for name in sorted(views):
        yield Relation(name, "view", about(texts[name]), views[name])
    for table in sorted(metadata.sorted_tables, key=lambda table: table.name):
        yield Relation(table.name, "table", table.comment or "", table_columns(table))


def about(text: str) -> str:
    """A view's opening comment."""
    lines = [
        line[2:].strip() for line in text.splitlines() if line.startswith("--") and not line.startswith("-- needs:")
    ]
    return " ".join(lines)


def diagram() -> Iterator[str]:
    """The tables and what refers to what, for Mermaid."""
    yield "erDiagram"
    for table in metadata.sorted_tables:
        for column in table.columns:
            for key in column.foreign_keys:
                alone = column.primary_key and len(table.primary_key) == 1
                many = "|o" if alone else "}o"
                yield f"    {table.name} {many}--|| {key.column.table.name} : {column.name}"
    for name in ("repos", "repo_labels", "artifacts", "headers", "evidence", "events"):
        yield f"    {name} {{"
        table = metadata.tables[name]
        own = [column for column in table.columns if column.name not in LABEL_BY_NAME]
        for column in own[:8]:
            mark = " PK" if column.primary_key else " FK" if column.foreign_keys else ""
            yield f"        {kind_of(column)} {column.name}{mark}"
        yield "    }"


def listing(columns: dict[str, Meaning], keys: frozenset[str] = frozenset()) -> Iterator[str]:
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for name, (kind, text) in columns.items():
        yield f"| {f'**{name}**' if name in keys else name} | {kind} | {text.replace('|', '/')} |"
    yield ""


def document() -> Iterator[str]:
    """The page, line by line."""
    yield INTRODUCTION
    yield "## Views"
    yield ""
    texts, views = dict(view_sources()), view_columns()
    for name in sorted(views):
        yield f"- [{name}](#{name}): {about(texts[name]).split('. ')[0].split(': ')[0].rstrip('.')}"
    yield ""
    for name in sorted(views):
        yield f"### {name}"
        yield ""
        yield about(texts[name])
        yield ""
        yield from listing(views[name])
    yield "## Tables"
    yield ""
    yield "```mermaid"
    yield from diagram()
    yield "```"
    yield ""
    for title, names in GROUPS.items():
        yield f"### {title}"
        yield ""
        for name in names.split():
            table = metadata.tables[name]
            yield f"#### {name}"
            yield ""
            yield table.comment or ""
            yield ""
            yield from listing(table_columns(table), frozenset(column.name for column in table.primary_key))


if __name__ == "__main__":
    sys.stdout.write("\n".join(document()).rstrip("\n") + "\n")

"""Saved queries: the SQL files in `analysis/queries`, each with a header of comments.

    -- title: Quantized copies of a model
    -- description: Who quantized it, how, and how big the files are.
    -- kind: interactive            (it needs a parameter from the user) or: report (it runs without parameters)
    -- param: model | text | google/gemma-3-4b-it | repo id of the original
    select ... where base_model = :model

Parameter types: text, integer, number, size (`16GB`), date (`7d`, `2026-11-01`). An empty default is NULL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from analysis.errors import BadParameter, InvalidSavedQuery, UnknownSavedQuery
from analysis.query.statement import parameter_names
from analysis.units import parse_size, parse_when

QueryKind = Literal["interactive", "report"]
ParameterType = Literal["text", "integer", "number", "size", "date"]

QUERIES_FOLDER = Path(__file__).parents[1] / "queries"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a saved query. `default` is its text as written in the file; None where the default is NULL."""

    name: str
    type: ParameterType
    default: str | None
    description: str

    def parse(self, text: str | None) -> Any:
        """The value of a text that the user wrote; of the default where it is None. Raises BadParameter."""
        text = self.default if text is None else text
        if text is None or text == "":
            return None
        try:
            match self.type:
                case "integer":
                    return int(text.replace(",", "").replace("_", ""))
                case "number":
                    return float(text)
                case "size":
                    return parse_size(text)
                case "date":
                    return parse_when(text)
                case "text":
                    return text
        except (ValueError, OverflowError):
            raise BadParameter(self.name, text, self.type) from None


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """One query that ships with the program. `sql` holds `:name` for each of `parameters` and no other names."""

    name: str
    title: str
    description: str
    kind: QueryKind
    parameters: tuple[Parameter, ...]
    sql: str

    def parse_values(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """A value for every parameter: the given text's, else the default's. Raises BadParameter."""
        known = {parameter.name for parameter in self.parameters}
        for name, text in texts.items():
            if name not in known:
                raise BadParameter(name, text, None, tuple(sorted(known)))
        return {parameter.name: parameter.parse(texts.get(parameter.name)) for parameter in self.parameters}


def parse_saved_query(name: str, text: str) -> SavedQuery:
    """A saved query from the text of its file.

    Raises InvalidSavedQuery where the header is incomplete or the SQL uses names that it does not declare, and
    BadParameter where a default is not of its type.
    """
    lines = text.splitlines()
    body = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    entries = _header_entries(lines[:body])
    header = {key: value for key, value in entries if key != "param"}
    kind = header.get("kind", "report")
    if not header.get("title") or not header.get("description"):
        raise InvalidSavedQuery(name, "it needs a title and a description")
    if kind not in get_args(QueryKind):
        raise InvalidSavedQuery(name, f"kind {kind!r} is neither interactive nor report")
    parameters = tuple(parse_parameter(name, value) for key, value in entries if key == "param")
    sql = "\n".join(lines[body:]).strip().rstrip(";")
    used, declared = set(parameter_names(sql)), {parameter.name for parameter in parameters}
    if used != declared:
        raise InvalidSavedQuery(name, f"the SQL uses {sorted(used)}, the header declares {sorted(declared)}")
    return SavedQuery(name, header["title"], header["description"], kind, parameters, sql)  # type: ignore[arg-type]


def _header_entries(comments: list[str]) -> list[tuple[str, str]]:
    """(key, value) of each `-- key: value`; a comment without a key continues the value before it."""
    entries: list[tuple[str, str]] = []
    for line in comments:
        comment = line.removeprefix("--").removeprefix(" ")
        keyed = re.match(r"(title|description|kind|param):\s*(.*)", comment)
        if keyed:
            entries.append((keyed[1], keyed[2].strip()))
        elif entries and comment.strip():
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {comment.strip()}")
    return entries


def parse_parameter(query: str, text: str) -> Parameter:
    """A parameter from `name | type | default | description`. Raises InvalidSavedQuery, BadParameter."""
    parts = [part.strip() for part in text.split("|", 3)]
    if len(parts) != 4 or not parts[0].isidentifier() or parts[1] not in get_args(ParameterType):
        raise InvalidSavedQuery(query, f"param {text!r} is not `name | type | default | description`")
    default = None if parts[2].lower() in ("", "null", "none") else parts[2]
    parameter = Parameter(parts[0], parts[1], default, parts[3])  # type: ignore[arg-type]
    parameter.parse(None)  # the default must be of its type
    return parameter


@cache
def saved_queries() -> tuple[SavedQuery, ...]:
    """All saved queries, ordered by name. Raises InvalidSavedQuery."""
    return tuple(
        parse_saved_query(path.stem, path.read_text(encoding="utf-8")) for path in sorted(QUERIES_FOLDER.glob("*.sql"))
    )


RENAMED_SAVED_QUERIES = {
    "left-out": "skipped",
    "missing-parents": "missing-base-models",
    "on-a-day": "on-date",
    "rising": "trending",
    "scheme-bits": "quantization-bits",
    "schemes": "quantizations",
}
"""Names in release 0.1.0 -> names now, for the error message."""


def find_saved_query(name: str) -> SavedQuery:
    """The saved query of this name; `-` and `_` are equal. Raises UnknownSavedQuery, with similar names."""
    by_name = {query.name.replace("_", "-"): query for query in saved_queries()}
    requested = name.strip().replace("_", "-")
    if requested in RENAMED_SAVED_QUERIES:
        raise UnknownSavedQuery(name, (RENAMED_SAVED_QUERIES[requested],))
    if requested not in by_name:
        from difflib import get_close_matches

        raise UnknownSavedQuery(name, tuple(get_close_matches(requested, by_name, n=3, cutoff=0.4)))
    return by_name[requested]


def is_query_name(text: str) -> bool:
    """Whether text is the name of a saved query rather than SQL: one word of letters, digits, `-` and `_`."""
    return re.fullmatch(r"[A-Za-z][\w-]*", text.strip()) is not None


def saved_queries_page() -> str:
    """The text of docs/queries.md; a test compares the file with it. To write the file:

    python -c "from analysis.query.saved import saved_queries_page as page; print(page(), end='')" > docs/queries.md
    """
    lines = [Path(__file__).with_name("queries.md").read_text(encoding="utf-8")]
    lines += ["| name | title | parameters |", "|---|---|---|"]
    for query in saved_queries():
        parameters = ", ".join(
            f"`{each.name}`" + (f" ({each.default})" if each.default else "") for each in query.parameters
        )
        lines.append(f"| [`{query.name}`](../analysis/queries/{query.name}.sql) | {query.title} | {parameters} |")
    for query in saved_queries():
        lines += ["", f"## {query.title}", "", f"`{query.name}`. {query.description}"]
        lines += [""] if query.parameters else []
        for each in query.parameters:
            default = f"default `{each.default}`" if each.default else "no default"
            lines.append(f"- `{each.name}`, {each.type}, {default}: {each.description}")
    return "\n".join(lines) + "\n"

"""One scanner of SQL text: where literals and comments stand, and which `:name` parameters stand outside them.

Used for saved queries, for the parameters of ad-hoc SQL, and to hand `:name` parameters to psycopg. SQLite's rules are
those of its tokenizer (https://sqlite.org/lang_expr.html, https://sqlite.org/lang_comment.html), PostgreSQL's those of
analysis/query/tokens.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from analysis.errors import BadParameter
from analysis.query.tokens import tokens

Dialect = Literal["sqlite", "postgresql"]

_SQLITE_LITERAL = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)""", re.DOTALL
)
_PARAMETER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_NUMBERS = re.compile(r"(?<![\w$])[0-9]+(?:, [0-9]+)+")
"""A list of numbers, which may have thousands: it holds nothing that is looked for, and begins or ends no literal."""


@lru_cache(maxsize=64)  # of a statement both its first word and its parameters are looked for
def strip_literals(sql: str, dialect: Dialect = "sqlite") -> str:
    """The statement with every string, quoted name and comment replaced by spaces, perhaps also lists of numbers; its
    length stays the same."""
    if dialect == "postgresql":
        sql = _NUMBERS.sub(lambda found: " " * len(found[0]), sql)
        return "".join(
            " " * len(token.text) if token.kind in ("comment", "string", "quoted") else token.text
            for token in tokens(sql)
        )
    return _SQLITE_LITERAL.sub(lambda found: " " * len(found[0]), sql)


def parameter_spans(sql: str, dialect: Dialect = "sqlite") -> list[tuple[int, int]]:
    """(start, end) of every `:name` outside literals and comments; PostgreSQL's `::type` casts are not parameters."""
    return [found.span() for found in _PARAMETER.finditer(strip_literals(sql, dialect))]


def parameter_names(sql: str, dialect: Dialect = "sqlite") -> list[str]:
    """The names of all `:name` parameters in the order in which they stand, repeated names repeated."""
    return [sql[start + 1 : end] for start, end in parameter_spans(sql, dialect)]


def can_stream(sql: str) -> bool:
    """Whether PostgreSQL can declare a cursor for this statement, which works for queries only.

    A statement that writes is executed without a cursor: the READ ONLY transaction then refuses it with its own message
    instead of a syntax error.
    """
    words = re.findall(r"[a-z]+", strip_literals(sql, "postgresql").lower())
    return words[:1] in (["select"], ["with"], ["values"]) and not {"insert", "update", "delete", "merge"} & set(words)


_POSTGRES_TYPES: Mapping[type, str] = {
    bool: "boolean", int: "bigint", float: "double precision", datetime: "timestamptz", bytes: "bytea",
}  # fmt: skip


def to_psycopg(sql: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The statement with psycopg's `%(name)s` in place of `:name`, and the values that it uses.

    Each placeholder is cast to the type of its value (None as text), because PostgreSQL can't infer the type of
    `:x is null`. `%` is doubled everywhere, literals included, because psycopg does not know literals
    (https://www.psycopg.org/psycopg3/docs/basic/params.html). Raises BadParameter for a name without a value.
    """
    parts: list[str] = []
    used: dict[str, Any] = {}
    position = 0
    for start, end in parameter_spans(sql, "postgresql"):
        name = sql[start + 1 : end]
        if name not in values:
            raise BadParameter(name, None, None)
        used[name] = values[name]
        placeholder = f"%({name})s::{_POSTGRES_TYPES.get(type(used[name]), 'text')}"
        parts += [sql[position:start].replace("%", "%%"), placeholder]
        position = end
    return "".join([*parts, sql[position:].replace("%", "%%")]), used


def name_values(prefix: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """The parameters of an `in (...)`, as SQL and with their values by name: `:id_0, :id_1`."""
    named = {f"{prefix}_{at}": value for at, value in enumerate(values)}
    return ", ".join(f":{name}" for name in named), named

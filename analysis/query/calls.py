"""What a user's SQL may do on PostgreSQL beyond what its role and the read-only transaction refuse.

A read-only transaction still lets functions work outside the tables: they take advisory locks, end other sessions,
send notifications, open connections, write large objects and, for some roles, read the server's files. PostgreSQL
calls such functions volatile (https://www.postgresql.org/docs/current/xfunc-volatility.html), so every volatile
function is refused but a few that are known to be harmless. Which of the statement's names are functions is asked of
the server: a name followed by `(`, or preceded by `.`, because `(value).function` is a call too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from analysis.query.tokens import Token, tokens
from db.errors import QueryRefused

CURSOR_STATEMENTS = frozenset({"select", "with", "values", "table"})
"""First words of statements for which a cursor can be declared: queries, and nothing else."""

OTHER_STATEMENTS = frozenset({"explain", "show"})
"""First words of other statements that read and return rows."""

HARMLESS_FUNCTIONS = (
    *("clock_timestamp", "timeofday", "pg_sleep", "pg_sleep_for", "pg_sleep_until"),
    *("random", "random_normal", "setseed", "gen_random_uuid", "uuidv4", "uuidv7"),
    *("pg_relation_size", "pg_table_size", "pg_indexes_size", "pg_total_relation_size", "pg_database_size"),
    *("current_query", "pg_is_in_recovery", "pg_partition_tree", "pg_partition_ancestors", "pg_xact_status"),
)
"""Volatile functions of pg_catalog whose answers change, but which change nothing; a sleep ends at the timeout."""

RUNNING_FUNCTIONS = tuple(
    f"{what}_to_xml{how}" for what in ("table", "schema", "database") for how in ("", "schema", "_and_xmlschema")
)
"""Functions that are not volatile, but read what a text names, so that the statement does not show what they read."""

SECRET_RELATIONS = frozenset({
    *("pg_authid", "pg_shadow", "pg_user_mapping", "pg_user_mappings", "pg_subscription"),
    *("pg_file_settings", "pg_hba_file_rules", "pg_ident_file_mappings"),
})  # fmt: skip
"""Relations of pg_catalog with passwords, or with the contents of the server's files."""

CALLED_FUNCTIONS = """
    select min(p.oid::pg_catalog.regprocedure::text)
    from pg_catalog.pg_proc p
    where (p.proname = any(%(calls)s) and pg_catalog.pg_function_is_visible(p.oid)
           or p.proname = any(%(qualified)s)
           or p.proname = any(%(members)s) and p.pronargs - p.pronargdefaults <= 1)
      and (p.provolatile = 'v' or p.proname = any(%(running)s))
      and not (p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and p.proname = any(%(harmless)s))
      and not 'internal'::pg_catalog.regtype = any(p.proargtypes)
"""
"""The first refused function among the names; what has arguments of type internal can't be called by SQL."""


class Statement(NamedTuple):
    """What a statement's tokens show: its first word, and the names that may be functions.

    `calls` are followed by `(`; `qualified` too, after a schema; `members` only follow a dot.
    """

    first_word: str
    calls: frozenset[str]
    qualified: frozenset[str]
    members: frozenset[str]


def read_statement(sql: str) -> Statement:
    """The statement's first word and names. Raises QueryRefused where it is no query, or reads passwords."""
    parts = [token for token in tokens(sql) if token.kind not in ("space", "comment")]
    if "\0" in sql:
        raise QueryRefused(sql, "it has a character of value zero")
    if any(token.kind == "quoted" and token.text[:1] in "uU" for token in parts):
        raise QueryRefused(sql, 'it has a name of the form U&"..."; write the name itself')
    first = next((token for token in parts if token.text not in "(;"), None)
    word = first.value if first is not None and first.kind == "name" else ""
    if word not in CURSOR_STATEMENTS | OTHER_STATEMENTS:
        raise QueryRefused(sql, f"it begins with {first.text!r}" if first else "it is empty")
    names = {token.value for token in parts if token.kind in ("name", "quoted")}
    if secret := sorted(names & SECRET_RELATIONS):
        raise QueryRefused(sql, f"{secret[0]} holds what the server keeps secret")
    return Statement(word, *_split_names(parts))


def _split_names(parts: list[Token]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    calls: set[str] = set()
    qualified: set[str] = set()
    members: set[str] = set()
    for at, token in enumerate(parts):
        if token.kind in ("name", "quoted"):
            after_dot = at > 0 and parts[at - 1].text == "."
            before_bracket = at + 1 < len(parts) and parts[at + 1].text == "("
            if before_bracket:
                (qualified if after_dot else calls).add(token.value)
            elif after_dot:
                members.add(token.value)
    return frozenset(calls), frozenset(qualified), frozenset(members)


def refuse_side_effects(cursor: Any, sql: str, statement: Statement) -> None:
    """Asks the server which names of a statement are functions that do more than read. Raises QueryRefused."""
    names = {key: sorted(getattr(statement, key)) for key in ("calls", "qualified", "members")}
    if not any(names.values()):
        return
    known = {"running": list(RUNNING_FUNCTIONS), "harmless": list(HARMLESS_FUNCTIONS)}
    cursor.execute(CALLED_FUNCTIONS, {**names, **known})
    (function,) = cursor.fetchone()
    if function is not None:
        raise QueryRefused(sql, f"the function {function} may do more than read")

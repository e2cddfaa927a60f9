"""What a shell completes of tables and columns, which all commands with tables take; no catalog is read for it."""

from __future__ import annotations

from collections.abc import Iterable

import click


def begin_with(typed: str, values: Iterable[str]) -> list[str]:
    """The values that begin as typed, in any letter case."""
    return [value for value in values if value.lower().startswith(typed.lower())]


def complete_relation(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Views and tables that SQL can read."""
    from db.schema.documentation import describe_relations

    return begin_with(incomplete, (relation.name for relation in describe_relations()))


def complete_columns(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The last of a list of columns: those of the view `models`, which most tables show."""
    from db.schema.documentation import describe_relations

    before, comma, typed = incomplete.rpartition(",")
    models = next(relation for relation in describe_relations() if relation.name == "models")
    named = before.split(",")
    return [f"{before}{comma}{name}" for name in begin_with(typed, models.columns) if name not in named]

"""What a shell completes: values of options and arguments, of which those that begin as typed are given.

A catalog is only read, and one that can't be read completes nothing: a shell has no place for an error.
"""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

MAX_COMPLETED = 50
"""Repo ids that are offered, the most downloaded first."""


def begin_with(typed: str, values: Iterable[str]) -> list[str]:
    """The values that begin as typed, in any letter case."""
    return [value for value in values if value.lower().startswith(typed.lower())]


def complete_scheme(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of the table of schemes."""
    from analysis.schemes.schemes import scheme_table

    return begin_with(incomplete, scheme_table().schemes)


def complete_family(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Families of the vocabulary."""
    from analysis.catalog.known_values import vocabulary_values

    return begin_with(incomplete, vocabulary_values("family"))


def complete_format(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Formats of the table of formats."""
    from analysis.formats.formats import FORMATS

    return begin_with(incomplete, FORMATS)


def complete_preset(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Machines with a name of their own, and `list`."""
    from analysis.fit.machines import presets

    return begin_with(incomplete, ("list", *presets()))


def complete_change(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Kinds of changes."""
    from analysis.catalog.changes import KINDS

    return begin_with(incomplete, KINDS)


def complete_tuning(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Tunings of the vocabulary."""
    from analysis.catalog.known_values import vocabulary_values

    return begin_with(incomplete, vocabulary_values("tuning"))


def complete_licence(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of the table of licences."""
    from analysis.licences.licences import licence_table

    return begin_with(incomplete, licence_table().licences)


def complete_query(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of the saved queries."""
    from analysis.query.saved import saved_queries

    return begin_with(incomplete, (saved.name for saved in saved_queries()))


def complete_repo_id(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of the models of the catalog that `--db`, the environment or the configuration names."""
    from analysis.catalog.models import list_ids_from
    from analysis.query.reader import CatalogReader
    from crawler.cli.errors import CommandError
    from crawler.cli.options import default_catalog
    from db.errors import CatalogError

    try:
        with CatalogReader(ctx.params.get("db") or default_catalog()) as reader:
            return list_ids_from(reader, incomplete, MAX_COMPLETED)
    except (CatalogError, CommandError):
        return []


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the catalog's models, and paths: of what begins as a path does paths alone."""
    paths = CompletionItem(incomplete, type="file")
    if incomplete.startswith((".", "/", "~")):
        return [paths]
    ids = [CompletionItem(repo_id) for repo_id in complete_repo_id(ctx, param, incomplete)]
    return ids or [paths]

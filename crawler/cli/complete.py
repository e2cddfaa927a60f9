"""What a shell completes: values of options and arguments, of which those that begin as typed are given.

A catalog is only read, and one that can't be read completes nothing: a shell has no place for an error.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from crawler.cli.complete_columns import begin_with

MAX_COMPLETED = 50
"""Values of the catalog that are offered, the most downloaded or most used first."""


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


def complete_use(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """What `fits --task` takes: specialties and tunings of the vocabulary, and tasks of models in the catalog."""
    from analysis.catalog.known_values import vocabulary_values

    words = [*vocabulary_values("specialty"), *vocabulary_values("tuning"), *values_of_catalog(ctx, TASKS, incomplete)]
    return begin_with(incomplete, dict.fromkeys(words))


def complete_task(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The Hub's tasks of models in the catalog."""
    return begin_with(incomplete, values_of_catalog(ctx, TASKS, incomplete))


def complete_author(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Owners of models in the catalog, those of most models first."""
    return begin_with(incomplete, values_of_catalog(ctx, AUTHORS, incomplete))


def complete_parameter(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Names of the parameters of the saved query that was typed."""
    from analysis.query.saved import saved_queries

    typed = {ctx.params.get("sql"), *ctx.args}  # click leaves words in `args` where an option lacks its value yet
    named = [saved for saved in saved_queries() if saved.name in typed]
    return begin_with(incomplete, (each.name for saved in named for each in saved.parameters))


TASKS = """
select a as value from totals where "of" = 'task' and a <> '' and lower(a) like :begin escape '!'
order by repos desc, a limit :most
"""
AUTHORS = """
select author as value from author_totals where lower(author) like :begin escape '!' order by repos desc, author
limit :most
"""


def values_of_catalog(ctx: click.Context, sql: str, begin: str) -> list[str]:
    """What a query finds in the catalog that `--db`, the environment or the configuration names, of what begins so."""
    from analysis.query.patterns import escape_like
    from analysis.query.reader import CatalogReader
    from crawler.cli.errors import CommandError
    from crawler.cli.options import default_catalog
    from db.errors import CatalogError

    try:
        with CatalogReader(ctx.params.get("db") or default_catalog()) as reader:
            rows = reader.all(sql, {"begin": f"{escape_like(begin.lower())}%", "most": MAX_COMPLETED})
            return [row["value"] for row in rows]
    except (CatalogError, CommandError):
        return []


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

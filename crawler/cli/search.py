"""`hf-catalog search`: models by words."""

from __future__ import annotations

import click

from analysis.text import shorten
from crawler.cli.coverage import print_gap
from crawler.cli.models import LISTED
from crawler.cli.options import db_option, output_options, repo_type_option
from crawler.cli.printer import Column, Printer
from db.record_base import RepoType


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@repo_type_option("Which repos.")
@db_option
@output_options
def search(text: tuple[str, ...], limit: int, repo_type: RepoType, db: str, out: Printer) -> None:
    """Find models with all the words in their id, family, tags or card summary, in any order.

    The best match comes first; of equals, the most downloaded. Three letters or more are found inside words, two at the
    start of one.

    \b
    Examples:
      hf-catalog search 'gemma qat 4b'
      hf-catalog search llama instruct q4_k_m --limit 50 --json
      hf-catalog search question answering --type dataset
    """
    from analysis.query.reader import CatalogReader
    from analysis.query.statement import name_values
    from db.read.search import find, search_terms

    asked = " ".join(text)
    if not search_terms(asked):
        raise click.UsageError(f"{asked!r} has no letter and no digit to search for", click.get_current_context())
    found = find(db, asked, limit, repo_type)
    scores = {hit.repo_id: hit.score for hit in found.hits}
    with CatalogReader(db) as reader:
        listed, values = name_values("id", list(scores))
        rows = reader.all(f"select * from {repo_type}s where repo_id in ({listed})", values) if values else []
        if not rows and repo_type == "model":
            print_gap(out, reader, db)
    names = NAMES if repo_type == "model" else OTHER_NAMES
    ranked = sorted(rows, key=lambda row: list(scores).index(row["repo_id"]))
    out.rows(
        (
            {name: row.get(name, scores[row["repo_id"]] if name == "score" else None) for name in names}
            for row in ranked
        ),
        LISTED if repo_type == "model" else OTHER_COLUMNS,
        names=names,
        id_key="repo_id",
        empty=nothing(asked, found.unknown, repo_type),
    )
    if found.pending:
        out.message(f"{found.pending:,} models are not in the search index yet: hf-catalog db optimize")


MAX_SHOWN = 100
"""Characters of a word, and words, that are repeated."""


def nothing(asked: str, unknown: tuple[str, ...], repo_type: RepoType) -> str:
    """Why nothing was found."""
    if unknown:
        words = ", ".join(repr(shorten(word, MAX_SHOWN)) for word in unknown[:MAX_SHOWN])
        return f"No {repo_type} contains {words}."
    return f"No {repo_type} contains all of {shorten(asked, MAX_SHOWN)!r}."


NAMES = (
    *("repo_id", "score", "family", "version", "size", "parameters", "parameters_measured", "tuning", "format"),
    *("quant", "total_size", "downloads", "likes", "pipeline_tag", "license", "status", "last_modified"),
)
OTHER_NAMES = ("repo_id", "score", "downloads", "likes", "license", "total_size", "status", "last_modified")
OTHER_COLUMNS = (
    Column("repo_id", "repo", clip=False),
    Column("downloads", right=True),
    Column("likes", right=True),
    Column("license"),
    Column("last_modified", "modified"),
)
"""Of datasets and spaces."""

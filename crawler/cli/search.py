"""`hf-catalog search`: models by words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from analysis.text import shorten
from crawler.cli.coverage import json_basis, print_gap
from crawler.cli.models import LISTED
from crawler.cli.options import db_option, output_options, repo_type_option
from crawler.cli.printer import Column, Printer
from db.record_base import RepoType

if TYPE_CHECKING:
    from db.read.search import Found


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@click.option("--all", "every", is_flag=True, help="Every copy of a base model, not only the 5 that match best.")
@repo_type_option("Which repos.")
@db_option
@output_options
def search(text: tuple[str, ...], limit: int, every: bool, repo_type: RepoType, db: str, out: Printer) -> None:
    """Find models with all the words in their id, family, tags or card summary, in any order.

    The best match comes first; of equals, the most downloaded; copies of one base model stand together. Three letters
    or more are found inside words, two at the start of one. gemma3 also finds gemma 3, quen also finds qwen.

    \b
    Examples:
      hf-catalog search gemma3 4b qat
      hf-catalog search llama instruct q4_k_m --limit 50 --json
      hf-catalog search question answering --type dataset
    """
    from analysis.catalog.search import search_repos
    from analysis.query.reader import CatalogReader
    from db.read.search import search_terms

    asked = " ".join(text)
    if not search_terms(asked):
        raise click.UsageError(f"{asked!r} has no letter and no digit to search for", click.get_current_context())
    with CatalogReader(db) as reader:
        answer = search_repos(reader, db, asked, limit=limit, type_=repo_type, every=every)
        if repo_type == "model":
            print_gap(out, reader, db)
        basis = json_basis(out, reader, db) if repo_type == "model" else {"coverage": None}
    out.rows(
        answer.rows,
        LISTED if repo_type == "model" else OTHER_COLUMNS,
        names=NAMES if repo_type == "model" else OTHER_NAMES,
        id_key="repo_id",
        empty=nothing(asked, answer.found.unknown, repo_type),
        basis={**basis, "corrected": answer.found.corrected, "more": answer.more, "unknown": answer.found.unknown},
    )
    print_notes(answer.found, answer.more, out)


def print_notes(found: Found, more: Mapping[str, int], out: Printer) -> None:
    """What else was looked for, what is not shown, and what is not indexed yet."""
    for word, readings in found.corrected.items():
        out.message(f"No word begins with {word!r}: {' and '.join(map(repr, readings))} looked for as well.")
    if more:
        most, count = max(more.items(), key=lambda each: each[1])
        others = f" and {len(more) - 1} other base models" if len(more) > 1 else ""
        out.message(f"{count:,} more copies of {most}{others} match; --all shows them.")
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
    *("repo_id", "score", "base", "family", "version", "size", "parameters", "parameters_measured", "tuning", "format"),
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

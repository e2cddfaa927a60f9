"""`hf-catalog similar`: near-duplicates and re-uploads of a model."""

from __future__ import annotations

from dataclasses import asdict

import click

from crawler.cli.complete import complete_repo_id
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Column, Printer, count_text, day_text, size_text


@click.command()
@click.argument("repo_id", metavar="ID", shell_complete=complete_repo_id)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@db_option
@output_options
def similar(repo_id: str, limit: int, db: str, out: Printer) -> None:
    """Models like this one: the same bytes in another repo first, then similar names.

    Equal bytes (sha256) are proof of a re-upload; a similar name is only a hint.

    \b
    Examples:
      hf-catalog similar google/gemma-3-4b-it-qat-q4_0-gguf
      hf-catalog similar bartowski/google_gemma-3-4b-it-GGUF --limit 50 --csv
    """
    from analysis.catalog.similar import find_similar
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        found = [asdict(each) for each in find_similar(reader, repo_id, limit=limit)]
    out.rows(found, COLUMNS, names=NAMES, id_key="repo_id", empty=f"Nothing is similar to {repo_id}.")


NAMES = (
    *("repo_id", "why", "similarity", "artifact", "shared_artifacts", "shared_size", "downloads", "created_at"),
    "earlier",
)
COLUMNS = (
    Column("repo_id", "repo", clip=False),
    Column("why", clip=False),
    Column("similarity"),
    Column("artifact", "file"),
    Column("shared_size", "shared", text=size_text, right=True, clip=False),
    Column("downloads", text=count_text, right=True, clip=False),
    Column("created_at", "created", text=day_text, clip=False),
)

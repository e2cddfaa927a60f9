"""`hf-catalog vocabulary`: the vocabulary of the labels."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Column, Printer


@click.group()
def vocabulary() -> None:
    """The vocabulary of the labels: list it, check it, and see which words a catalog lacks."""


@vocabulary.command()
@click.argument("text", required=False)
@click.option("--label", metavar="NAME", help="family, tuning, specialty, format, scheme, language ...")
@output_options
def ls(text: str | None, label: str | None, out: Printer) -> None:
    """List the entries, all or those that contain TEXT.

    \b
    Examples:
      hf-catalog vocabulary ls gemma
      hf-catalog vocabulary ls --label tuning
    """
    from analysis.vocabulary.vocabulary import vocabulary as load

    wanted = (text or "").lower()
    rows = [
        {
            "label": entry.label,
            "value": entry.value,
            "about": entry.about,
            "words": list(entry.words),
            "file": entry.file,
        }
        for entry in load().entries
        if (label is None or entry.label == label)
        and (wanted in entry.value or wanted in entry.about.lower() or any(wanted in word for word in entry.words))
    ]
    columns = [Column("label"), Column("value", clip=False), Column("about"), Column("words"), Column("file")]
    out.rows(rows, columns, names=("label", "value", "about", "words", "file"), id_key="value", empty="No such entry.")


@vocabulary.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@output_options(table=False)
def check(folder: Path | None, out: Printer) -> None:
    """Load the built-in vocabulary or that of FOLDER and check it; the first error is named.

    \b
    Example:
      hf-catalog vocabulary check
    """
    from collections import Counter

    from analysis.vocabulary.vocabulary import FILES, load_vocabulary, packaged_files
    from analysis.vocabulary.vocabulary import vocabulary as load

    if folder is None:
        found = load()
    else:
        given = {name: path.read_bytes() for name in FILES if (path := folder / f"{name}.toml").is_file()}
        if missing := [f"{name}.toml" for name in FILES if name not in (*given, "formats", "schemes")]:
            raise click.UsageError(f"{folder} lacks {', '.join(missing)}", click.get_current_context())
        found = load_vocabulary({**packaged_files(), **given})
    counts = Counter(entry.label for entry in found.entries)
    words = sum(len(entry.words) for entry in found.entries)
    out.object(
        {
            "digest": found.digest,
            "entries": len(found.entries),
            "words": words,
            "schemes": len(found.schemes.schemes),
            "labels": counts,
        },
        human=lambda: out.line(
            f"{len(found.entries):,} entries, {words:,} words, digest {found.digest}\n"
            + "\n".join(f"  {label:<12}{count:>6,}" for label, count in counts.most_common())
        ),
    )


@vocabulary.command()
@click.option(
    "--least", type=click.IntRange(min=1), default=2, show_default=True, help="Minimum number of repos of a token."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N")
@db_option
@output_options
def suggest(least: int, limit: int, db: str, out: Printer) -> None:
    """Tokens of the catalog's names that no rule knows: new families and spellings, with counts and evidence.

    \b
    Example:
      hf-catalog vocabulary suggest --db demo.db
    """
    from analysis.catalog.suggest import Suggestion, suggest_entries
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        rows = [each.as_dict() for each in suggest_entries(reader, min_repos=least, limit=limit)]
    columns = [
        Column("token", clip=False), Column("kind"), Column("of"), Column("repos"), Column("authors"),
        Column("architecture"), Column("base_model", "base model"), Column("example"),
    ]  # fmt: skip
    out.rows(rows, columns, names=Suggestion.__slots__, id_key="token", empty="Every token is claimed.")
    entries = [row["entry"] for row in rows if row["entry"]]
    if entries and out.is_human_output:
        out.message("Candidates for families.toml, to be reviewed:\n" + "\n".join(f"  {entry}" for entry in entries))

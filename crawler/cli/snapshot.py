"""`hf-catalog snapshot`: the whole catalog as an open data set."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Printer, size_text


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--upload", metavar="REPO", help="Upload it into this data set repo of the Hub: owner/name.")
@click.option("--private", is_flag=True, help="With --upload: make the repo private where it is new.")
@db_option
@output_options(table=False)
def snapshot(folder: Path, upload: str | None, private: bool, db: str, out: Printer) -> None:
    """Write the whole catalog into DIR as Parquet, with a data set card and a manifest of hashes.

    An earlier snapshot in DIR is replaced when the new one is complete; its files with equal content stay as they are.
    `hf-catalog db from-snapshot DIR` makes a catalog of it.

    \b
    Examples:
      hf-catalog snapshot snapshot
      hf-catalog snapshot snapshot --upload me/hub-catalog
    """
    from analysis.publish.snapshot import write_snapshot

    counts = write_snapshot(db, folder, lambda name, rows: out.detail(f"{name}: {rows:,} rows"))
    answer = {**asdict(counts), "folder": str(folder), "commit": None}
    if upload is not None:
        from crawler.sources.huggingface.datasets import upload_folder

        answer["commit"] = upload_folder(folder, upload, private=private)
    kept = f", {counts.kept} of them unchanged" if counts.kept else ""
    words = f"{counts.rows:,} rows in {counts.files} files{kept}, {size_text(counts.bytes)}: {folder}"
    out.object(answer, lambda: out.line(words))
    if upload is not None:
        out.message(f"Uploaded: {answer['commit']}")
    else:
        out.message(f"A catalog again: hf-catalog db from-snapshot {folder} --db new.db")

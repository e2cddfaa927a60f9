"""`hf-catalog schema`: the catalog's views and tables, and what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from crawler.cli.complete_columns import complete_relation
from crawler.cli.errors import USAGE, CommandError, name_nearest
from crawler.cli.options import CATALOG_NAME, output_options
from crawler.cli.printer import Printer


@click.command()
@click.argument("table", required=False, metavar="[TABLE]", shell_complete=complete_relation)
@click.option("--db", metavar="PATH|URL", type=CATALOG_NAME, help="Also list what others made in this catalog.")
@output_options
def schema(table: str | None, db: str | None, out: Printer) -> None:
    """List the views and tables that SQL can read, or the columns of one with their meaning; no catalog is needed.

    \b
    Examples:
      hf-catalog schema
      hf-catalog schema models
      hf-catalog schema --db demo.db
    """
    from db.schema.documentation import describe_relations

    relations = {relation.name: relation for relation in describe_relations()}
    if db is not None:
        from analysis.catalog.other_relations import load_other_relations
        from analysis.query.reader import CatalogReader

        with CatalogReader(db) as reader:
            relations |= {relation.name: relation for relation in load_other_relations(reader)}
    if table is None:
        rows = [{"name": each.name, "kind": each.kind, "about": each.about} for each in relations.values()]
        show(rows, out)
        return
    found = relations.get(table) or relations.get(table.lower())
    if found is None:
        message = f"no table or view {table!r}{name_nearest(table.lower(), relations)}"
        raise CommandError(message, "list them with: hf-catalog schema", USAGE)
    if out.mode == "human" and not out.quiet:
        out.paragraph(f"{found.name}, a {found.kind}. {found.about}", indent=0)
        out.line()
    show([{"column": name, "type": kind, "meaning": text} for name, (kind, text) in found.columns.items()], out)


def show(rows: Sequence[Mapping[str, str]], out: Printer) -> None:
    """Rows whose last value is a sentence; on a terminal as paragraphs, so that no sentence is cut."""
    if out.mode != "human" or out.quiet or out.picked or out.vertical:
        out.rows(rows)
        return
    *short, sentence = rows[0]
    widths = {key: max(len(row[key]) for row in rows) for key in short}
    for row in rows:
        start = "".join(f"{row[key].ljust(width)}  " for key, width in widths.items())
        out.paragraph(start + row[sentence], indent=len(start))

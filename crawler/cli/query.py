"""`hf-catalog query`: read-only SQL, or a saved query."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

import click

from crawler.cli.complete import complete_parameter, complete_query
from crawler.cli.coverage import json_basis, print_gap
from crawler.cli.options import SPAN_OF_TIME, db_option, output_options
from crawler.cli.printer import Column, Printer, cell_text, size_text

MAX_TABLE_ROWS = 1000


@click.command()
@click.argument("sql", metavar="SQL|NAME|-", shell_complete=complete_query, required=False)
@click.option("--list", "listed", is_flag=True, help="List the saved queries.")
@click.option(
    "-p", "--param", "params", nargs=2, multiple=True, shell_complete=complete_parameter, metavar="KEY VALUE",
    help="A parameter; repeatable.",
)  # fmt: skip
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"Print at most N rows; 0 for all (default: {MAX_TABLE_ROWS} in a table, else all).",
)
@click.option(
    "--timeout", type=SPAN_OF_TIME, default="5m", show_default=True, help="Stop a query that runs for longer: 30s, 5m."
)
@click.option(
    "--allow-privileged-role",
    "any_role",
    is_flag=True,
    help="PostgreSQL: allow a role that may do more than read (an owner, a superuser).",
)
@db_option
@output_options
def query(
    sql: str | None,
    listed: bool,
    params: tuple[tuple[str, str], ...],
    limit: int | None,
    timeout: timedelta,
    any_role: bool,
    db: str,
    out: Printer,
) -> None:
    """Run read-only SQL, or a saved query by name; - reads SQL from stdin.

    --json prints a list of SQL's rows; of a saved query an object with `rows` and `coverage`.

    \b
    Examples:
      hf-catalog query --list
      hf-catalog query quantized-copies -p model google/gemma-3-4b-it
      hf-catalog query "select family, count(*) as repos from models group by family order by repos desc limit 5"
      hf-catalog query "select * from models where family = :family" -p family gemma --csv > gemma.csv
    """
    from analysis.query.reader import CatalogReader, run_query
    from analysis.query.saved import is_query_name

    if listed:
        list_saved_queries(out)
        return
    if sql is None:
        raise click.UsageError(
            "nothing to run: give SQL, the name of a saved query, or --list", click.get_current_context()
        )
    if sql == "-":
        sql = sys.stdin.read()
    if not sql.strip():
        raise click.UsageError("the SQL is empty", click.get_current_context())
    most = limit if limit is not None else MAX_TABLE_ROWS if out.is_human_output else 0
    seconds = timeout.total_seconds()
    basis = None
    if is_query_name(sql) and out.mode == "json":
        with CatalogReader(db) as reader:
            basis = json_basis(out, reader, db)
    with run_query(db, sql, dict(params), limit=most or None, timeout=seconds, any_role=any_role) as rows:
        columns = [Column(name, text=text_of(name)) for name in rows.columns]
        printed = out.rows(rows.dicts(), columns, names=rows.columns, basis=basis)
    if is_query_name(sql):
        with CatalogReader(db) as reader:
            print_gap(out, reader, db)
    if rows.truncated:
        out.message(f"The first {printed:,} rows; --limit 0 for all.")


def text_of(name: str) -> Any:
    """How a column's values are printed: sizes in GB, booleans as yes and no."""
    from analysis.query.values import boolean_columns

    def size(value: Any) -> str:
        return size_text(value) if isinstance(value, int | float) else cell_text(value)

    def yes_or_no(value: Any) -> str:
        return cell_text(bool(value)) if value in (0, 1) else cell_text(value)

    if name in ("size", "bytes_read", "used_storage") or name.endswith(("_size", "_bytes")):
        return size
    return yes_or_no if name in boolean_columns() else cell_text


def list_saved_queries(out: Printer) -> None:
    from analysis.query.saved import saved_queries

    rows = [
        {
            "name": saved.name,
            "title": saved.title,
            "description": saved.description,
            "kind": saved.kind,
            "parameters": [
                {
                    "name": parameter.name,
                    "type": parameter.type,
                    "default": parameter.default,
                    "description": parameter.description,
                }
                for parameter in saved.parameters
            ],
        }
        for saved in saved_queries()
    ]

    def parameters(value: Any) -> str:
        return ", ".join(f"{each['name']}={each['default'] or ''}" for each in value)

    out.rows(
        rows,
        [Column("name", clip=False), Column("title"), Column("parameters", text=parameters)],
        id_key="name",
    )
    if out.is_human_output:
        out.message("Run one with: hf-catalog query NAME -p KEY VALUE")

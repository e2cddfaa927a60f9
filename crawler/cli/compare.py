"""`hf-catalog compare`: models side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crawler.cli.complete import complete_repo_id
from crawler.cli.coverage import json_basis, print_gap
from crawler.cli.options import CONTEXT, LAPTOP_RAM_BYTES, SIZE, db_option, output_options
from crawler.cli.printer import Column, Printer, size_text

if TYPE_CHECKING:
    from analysis.catalog.compare import ComparedModel


@click.command()
@click.argument("ids", metavar="ID...", shell_complete=complete_repo_id, nargs=-1, required=True)
@click.option("--context", type=CONTEXT, default="8192", show_default=True, metavar="N", help="Tokens: 8192, 32k.")
@click.option(
    "--ram", type=SIZE, default=LAPTOP_RAM_BYTES, show_default="16GB", metavar="SIZE", help="Memory of the machine."
)
@db_option
@output_options
def compare(ids: tuple[str, ...], context: int, ram: int, db: str, out: Printer) -> None:
    """Models side by side: labels, claims and measurements, sizes, memory, and the cost of quantization.

    ID::SCHEME or ID::FILE selects one of a repo's quantizations.

    \b
    Examples:
      hf-catalog compare google/gemma-3-4b-it google/gemma-3-4b-it-qat-q4_0-gguf
      hf-catalog compare unsloth/gemma-3-4b-it-GGUF::Q8_0 unsloth/gemma-3-4b-it-GGUF::Q4_K_M --context 32k
    """
    from analysis.catalog.compare import compare_models
    from analysis.catalog.comparison_lines import comparison_lines, title_of
    from analysis.fit.machines import Machine
    from analysis.query.reader import CatalogReader

    room = Machine(ram=ram).ram_for_models
    with CatalogReader(db) as reader:
        sides = compare_models(reader, ids, context=context, memory=room)
        print_gap(out, reader, db)
        basis = json_basis(out, reader, db)
    if not out.is_human_output:
        out.rows([side.row() for side in sides], id_key="repo_id", basis=basis)
        return
    titles = [title_of(side, sides) for side in sides]
    found = comparison_lines(sides, context=context, machine=size_text(ram), room=room)
    lines = [{"": name, **dict(zip(titles, texts, strict=True))} for name, texts in found]
    out.rows(lines, [Column("", clip=False), *(Column(title) for title in titles)])
    print_costs(sides, titles, out)


def print_costs(sides: list[ComparedModel], titles: list[str], out: Printer) -> None:
    """The three costs of quantization, for each model."""
    from analysis.catalog.compare import TITLES

    for side, title in zip(sides, titles, strict=True):
        if side.costs:
            out.line()
            out.heading(f"Cost of quantization: {title}")
        for cost in side.costs:
            source = f" [{cost.source}]" if cost.source else ""
            out.paragraph(f"{TITLES[cost.cost]}: {'measured: ' if cost.measured else ''}{cost.text}{source}")

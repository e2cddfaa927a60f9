"""`hf-catalog models`: list models, show one, draw its lineage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from analysis.catalog.known_values import check_filter
from crawler.cli.complete import complete_preset, complete_repo_id
from crawler.cli.coverage import json_basis, print_gap, print_unread
from crawler.cli.errors import DONE, NO, print_error
from crawler.cli.model_filters import filter_options
from crawler.cli.options import db_option, output_options
from crawler.cli.printer import Column, Printer, cell_text, count_text, day_text
from crawler.cli.table import cell_len

if TYPE_CHECKING:
    from analysis.catalog.description import Description
    from analysis.catalog.lineage import Node
    from analysis.catalog.models import ModelFilter

SORTS = ["downloads", "likes", "trending", "created", "modified", "size", "parameters", "name", "first-seen"]


@click.group()
def models() -> None:
    """List models, show one, draw its lineage."""


@models.command()
@filter_options
@click.option("--sort", type=click.Choice(SORTS), default="downloads", show_default=True)
@click.option("--limit", type=click.IntRange(min=0), default=30, show_default=True, metavar="N", help="0 for all.")
@db_option
@output_options
def ls(
    wanted: ModelFilter,
    sort: str,
    limit: int,
    db: str,
    out: Printer,
) -> None:
    """List models, most downloaded first.

    \b
    Examples:
      hf-catalog models ls --family gemma --quant Q4_0 --limit 10
      hf-catalog models ls --format gguf --min-size 7B --max-size 9B --sort likes
      hf-catalog models ls --author unsloth --json
    """
    from analysis.catalog.models import list_models
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        check_filter(wanted, reader)
        printed = out.rows(
            list_models(reader, wanted, sort=sort, limit=limit or None),
            LISTED,
            id_key="repo_id",
            empty="No model matches.",
            basis=json_basis(out, reader, db),
        )
        if printed == 0 or wanted.quants or wanted.formats or wanted.least or wanted.most:
            print_gap(out, reader, db)


def parameters(row: Mapping[str, Any]) -> int | None:
    """As measured, else as claimed."""
    measured: int | None = row["parameters_measured"]
    claimed: int | None = row["parameters"]
    return claimed if measured is None else measured


def scheme_or_count(row: Mapping[str, Any]) -> str | None:
    """The scheme; of a repo with several the number of its artifacts, each a choice."""
    scheme: str | None = row["quant"]
    several = scheme is None and (row.get("artifact_count") or 0) > 1
    return f"{row['artifact_count']} files" if several else scheme


LISTED = (
    Column("repo_id", "repo", clip=False),
    Column("family"),
    Column("parameters", "size", text=count_text, right=True, clip=False, value=parameters),
    Column("quant", "quantization", value=scheme_or_count, short="quant"),
    Column("downloads", text=count_text, right=True, clip=False),
    Column("last_modified", "updated", text=day_text, clip=False),
)


@models.command()
@click.argument("repo_id", metavar="ID|-", shell_complete=complete_repo_id)
@click.option("--all", "whole", is_flag=True, help="Every file, signal, relative, evaluation and change.")
@click.option("--this-machine", is_flag=True, help="Which file is best on this computer.")
@click.option("--preset", shell_complete=complete_preset, metavar="NAME", help="Which is best on this: RTX 4090.")
@db_option
@output_options(table=False)
def info(repo_id: str, whole: bool, this_machine: bool, preset: str | None, db: str, out: Printer) -> int:
    """One model on one screen: what it is, claimed and measured values, quantizations, lineage, how to run it.

    With - the ids come from stdin, one a line: --json prints a line for each; exit status 1 if one is unknown.
    The best file is that for the machine of the configuration, else for a laptop with 16 GB.

    \b
    Examples:
      hf-catalog models info google/gemma-3-4b-it --preset macbook-m4-16gb
      hf-catalog models info google/gemma-3-4b-it-qat-q4_0-gguf
      hf-catalog models info google/gemma-3-4b-it-qat-q4_0-gguf --all
      hf-catalog models ls --author google -q | hf-catalog models info - --json
    """
    from analysis.catalog.description import load_description
    from analysis.catalog.inventory import parse_list
    from analysis.errors import UnknownModel
    from analysis.query.reader import CatalogReader
    from analysis.text import to_json
    from crawler.cli.inventory import read_text
    from crawler.cli.machine import machine_or_laptop
    from crawler.cli.model_info import show_long, show_short

    show: Callable[[Description, Printer], None] = show_long if whole else show_short
    with CatalogReader(db) as reader:
        machine = machine_or_laptop(this_machine, preset)
        if repo_id != "-":
            found = load_description(reader, repo_id, machine)
            print_description(found, show, out)
            if out.is_human_output and found.model["depth"] == "listing":
                print_unread(out, reader, found.model["repo_id"], db)
            return DONE
        unknown = 0
        for name in parse_list(read_text(sys.stdin.buffer)):
            try:
                found = load_description(reader, name, machine)
            except UnknownModel as error:
                unknown += 1
                print_error(str(error), error.hint)
                continue
            if out.mode == "json":
                out.line(to_json(found.row()))
            else:
                print_description(found, show, out)
                out.message("")
    return NO if unknown else DONE


def print_description(found: Description, show: Callable[[Description, Printer], None], out: Printer) -> None:
    """One model, as the options want it."""
    if out.quiet:
        out.line(found.model["repo_id"])
    else:
        out.object(found.row(), human=lambda: show(found, out))


@models.command()
@click.argument("repo_id", metavar="ID", shell_complete=complete_repo_id)
@db_option
@output_options
def tree(repo_id: str, db: str, out: Printer) -> None:
    """Draw the lineage of a model: its base models and what was made from them.

    \b
    Example:
      hf-catalog models tree google/gemma-3-4b-it
    """
    from analysis.catalog.lineage import load_tree, walk_tree
    from analysis.catalog.models import find_model
    from analysis.query.reader import CatalogReader

    with CatalogReader(db) as reader:
        asked: str = find_model(reader, repo_id)["repo_id"]
        root = load_tree(reader, asked)
    if out.mode == "human" and not out.quiet:
        draw(root, out, asked)
    elif out.mode == "json":
        out.object(nested(root))
    else:
        keys = ("repo_id", "relation", "depth", "missing", "quant", "downloads")
        out.rows([{key: getattr(node, key) for key in keys} for node in walk_tree(root)], id_key="repo_id")


def nested(node: Node) -> dict[str, Any]:
    return {
        "repo_id": node.repo_id,
        "relation": node.relation,
        "depth": node.depth,
        "missing": node.missing,
        "quant": node.quant,
        "downloads": node.downloads,
        "children": [nested(child) for child in node.children],
    }


def draw(node: Node, out: Printer, asked: str, before: str = "", branch: str = "", below: str = "") -> None:
    """The tree with lines, the requested model marked."""
    said = [node.relation or "", node.quant or "", f"{count_text(node.downloads)} downloads" if node.downloads else ""]
    if node.missing:
        said.append("not in the catalog")
    mark = "  <" if node.repo_id == asked else ""
    words = [word for word in said if word]
    line = f"{before}{branch}{node.repo_id}"
    while out.width and words and cell_len(f"{line}  {', '.join(words)}{mark}") > out.width:
        words.pop()
    out.line(f"{line}  {cell_text(', '.join(words))}".rstrip() + mark)
    for at, child in enumerate(node.children):
        last = at == len(node.children) - 1
        draw(child, out, asked, before + below, "└── " if last else "├── ", "    " if last else "│   ")

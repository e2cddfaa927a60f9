"""`hf-catalog compare`: models side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.coverage import print_gap
from crawler.cli.options import CONTEXT, LAPTOP_RAM_BYTES, SIZE, db_option, output_options
from crawler.cli.printer import Column, Printer, cell_text, count_text, day_text, size_text

if TYPE_CHECKING:
    from analysis.catalog.compare import ComparedModel


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
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
    from analysis.fit.machines import Machine
    from analysis.query.reader import CatalogReader

    room = Machine(ram=ram).ram_for_models
    with CatalogReader(db) as reader:
        sides = compare_models(reader, ids, context=context, memory=room)
        print_gap(out, reader, db)
    if not out.is_human_output:
        out.rows([side.row() for side in sides], id_key="repo_id")
        return
    titles = [title_of(side, sides) for side in sides]
    lines = [{"": name, **dict(zip(titles, texts, strict=True))} for name, texts in facts(sides, context, ram, room)]
    out.rows(lines, [Column("", clip=False), *(Column(title) for title in titles)])
    print_costs(sides, titles, out)


def title_of(side: ComparedModel, sides: list[ComparedModel]) -> str:
    """The id, with the artifact's scheme where a repo is there twice."""
    repo_id: str = side.model["repo_id"]
    twice = sum(each.model["repo_id"] == repo_id for each in sides) > 1
    of = side.artifact or {}
    return f"{of.get('quant') or of.get('artifact')} of {repo_id}" if twice else repo_id


def facts(sides: list[ComparedModel], context: int, ram: int, room: int) -> list[tuple[str, list[str]]]:
    """The lines of the table; rows unknown for every model are skipped."""

    def of_model(key: str, text: Callable[[Any], str] = cell_text) -> list[str]:
        return [text(side.model[key]) for side in sides]

    def against(claimed: str, measured: str, text: Callable[[Any], str] = cell_text) -> list[str]:
        return [claim_and_measurement(text(side.model[claimed]), text(side.model[measured])) for side in sides]

    def of_artifact(key: str, text: Callable[[Any], str] = cell_text) -> list[str]:
        return [text((side.artifact or {}).get(key)) for side in sides]

    lines = [
        ("family", [" ".join(filter(None, (s.model["family"], s.model["version"], s.model["size"]))) for s in sides]),
        ("tuning", of_model("tuning")),
        ("specialty", of_model("specialty")),
        ("base model", of_model("base_model")),
        ("licence", of_model("license")),
        ("access", [f"on request ({s.model['gated']})" if s.model["gated"] else "open" for s in sides]),
        ("downloads per month", of_model("downloads", count_text)),
        ("created", of_model("created_at", day_text)),
        ("updated", of_model("last_modified", day_text)),
        ("parameters", against("parameters", "parameters_measured", count_text)),
        ("active parameters", [active(side) for side in sides]),
        ("context", against("context", "context_measured", lambda value: f"{value:,}" if value else "")),
        ("architecture", of_model("architecture")),
        ("artifact", of_artifact("artifact")),
        ("quantization", [scheme(side) for side in sides]),
        ("bits per weight", [bits(side) for side in sides]),
        ("size", of_artifact("total_size", size_text)),
        (f"memory needed, {context:,} tokens", [needs(side) for side in sides]),
        (f"fits {size_text(ram)}", ["" if s.needs is None else cell_text(s.needs <= room) for s in sides]),
        ("largest context", [f"{side.largest_context:,}" if side.largest_context else "" for side in sides]),
        ("conflicts", [str(side.conflicts) if side.conflicts else "" for side in sides]),
    ]
    return [(name, texts) for name, texts in lines if any(texts)]


def claim_and_measurement(claimed: str, measured: str) -> str:
    if claimed and measured and claimed != measured:
        return f"{measured} (claims {claimed})"
    return measured or (f"claims {claimed}" if claimed else "")


def active(side: ComparedModel) -> str:
    """Active parameters of a mixture of experts; empty for other models."""
    measured = side.model["active_parameters_measured"]
    if measured == side.model["parameters_measured"]:
        measured = None
    return claim_and_measurement(count_text(side.model["active_parameters"]), count_text(measured))


def scheme(side: ComparedModel) -> str:
    of = side.artifact if side.artifact and side.artifact["quant"] else side.model
    if not of["quantized"]:
        return str(of["quant"] or "")
    how = "quantization-aware" if of["qat"] else "post-training"
    more = [word for word in ("imatrix", "dynamic") if of[word]]
    return ", ".join([str(of["quant"] or of["quant_method"] or "quantized"), how, *more])


def bits(side: ComparedModel) -> str:
    measured = (side.artifact or {}).get("bits_per_weight") or side.model["bits_per_weight"]
    return f"{measured:.2f}" if measured else (f"claims {side.model['bits']:g}" if side.model["bits"] else "")


def needs(side: ComparedModel) -> str:
    return "" if side.needs is None else size_text(side.needs) + (" (cache estimated)" if side.estimated else "")


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

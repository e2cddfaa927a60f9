"""`hf-catalog fits`: what runs on this much memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crawler.cli.complete import (
    complete_author,
    complete_family,
    complete_format,
    complete_preset,
    complete_repo_id,
    complete_scheme,
    complete_use,
)
from crawler.cli.coverage import print_coverage
from crawler.cli.errors import CommandError
from crawler.cli.machine import machine_of
from crawler.cli.options import BANDWIDTH, CONTEXT, MEMORY, db_option, output_options
from crawler.cli.printer import Column, Printer, count_text, size_text

if TYPE_CHECKING:
    from analysis.catalog.fit_request import FitRequest
    from analysis.catalog.fits import Explanation, FitAnswer
    from analysis.fit.machines import Machine
    from analysis.query.reader import CatalogReader

KV_TYPES = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
SORTS = ["rank", "speed", "memory", "size", "context", "downloads", "loss", "name"]


@click.command()
@click.option("--ram", type=MEMORY, metavar="SIZE", help="Memory of the machine: 16GB, 16GiB.")
@click.option("--vram", type=MEMORY, metavar="SIZE", help="Memory of its graphics card; with --ram for both together.")
@click.option("--bandwidth", type=BANDWIDTH, metavar="RATE", help="Memory bandwidth: 100GB/s (the card's, if any).")
@click.option("--context", type=CONTEXT, default="8192", show_default=True, metavar="N", help="Tokens: 8192, 32k.")
@click.option(
    "--kv-type", type=click.Choice(KV_TYPES, case_sensitive=False), default="f16", show_default=True,
    help="Type of the KV cache.",
)  # fmt: skip
@click.option(
    "--family",
    multiple=True,
    shell_complete=complete_family,
    metavar="NAME",
    help="Only this family: gemma; repeatable.",
)
@click.option(
    "--quant",
    multiple=True,
    shell_complete=complete_scheme,
    metavar="SCHEME",
    help="Only this scheme: Q4_K_M; repeatable.",
)
@click.option("--bits", type=float, metavar="N", help="Only schemes of N bits per weight: 4.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    shell_complete=complete_format,
    metavar="NAME",
    help="Only this format: gguf; repeatable.",
)
@click.option(
    "--author",
    multiple=True,
    shell_complete=complete_author,
    metavar="NAME",
    help="Only this publisher; repeatable.",
)
@click.option(
    "--task", metavar="WORD", shell_complete=complete_use,
    help="A specialty, a tuning or the Hub's task: code, embedding, asr; default: what generates text.",
)  # fmt: skip
@click.option(
    "--min-speed", type=click.FloatRange(min=0), metavar="N",
    help="Tokens per second below which a model ranks last; default 3, as a user reads along.",
)  # fmt: skip
@click.option("--gated", is_flag=True, help="Include repos to which access must be requested.")
@click.option("--gone", is_flag=True, help="Include repos that have vanished from the Hub.")
@click.option("--this-machine", is_flag=True, help="Use the memory of this computer.")
@click.option(
    "--preset",
    shell_complete=complete_preset,
    metavar="NAME",
    help="A machine, a card or a chip: laptop-16gb, RTX 4090; `list` lists them.",
)
@click.option("--all", "every", is_flag=True, help="Every artifact that fits, not only the best of each base model.")
@click.option("--sort", type=click.Choice(SORTS), default="rank", show_default=True)
@click.option("--explain", shell_complete=complete_repo_id, metavar="ID", help="Why a repo stands where it stands.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="Rows; 0 for all."
)
@db_option
@output_options
def fits(
    ram: int | None,
    vram: int | None,
    bandwidth: int | None,
    context: int,
    kv_type: str,
    family: tuple[str, ...],
    quant: tuple[str, ...],
    bits: float | None,
    formats: tuple[str, ...],
    author: tuple[str, ...],
    task: str | None,
    min_speed: float | None,
    gated: bool,
    gone: bool,
    this_machine: bool,
    preset: str | None,
    every: bool,
    sort: str,
    explain: str | None,
    limit: int,
    db: str,
    out: Printer,
) -> None:
    """What fits this much memory, best first: one row for each base model, with its best quantization here.

    \b
    Examples:
      hf-catalog fits --ram 16GB --context 8192 --family gemma
      hf-catalog fits --vram 24GB --ram 64GB --task code --context 32k --kv-type q8_0
      hf-catalog fits --preset macbook-m4-16gb --bits 4
      hf-catalog fits --this-machine --json
    """
    from analysis.catalog.fit_request import READING_SPEED, FitRequest
    from analysis.catalog.fits import find_fits
    from analysis.query.reader import CatalogReader

    if preset and preset.lower() == "list":
        list_presets(out)
        return
    machine = machine_of(ram, vram, bandwidth, this_machine, preset)
    request = FitRequest(
        context=context,
        kv_type=kv_type.lower(),
        families=family,
        formats=formats,
        quants=quant,
        authors=author,
        bits=bits,
        task=task,
        min_speed=READING_SPEED if min_speed is None else min_speed,
        gated=gated,
        gone=gone,
        every_artifact=every,
        limit=limit or None,
    )
    with CatalogReader(db, snapshot=True) as reader:
        check_request(request, reader)
        if explain:
            print_explanation(out, machine, request, reader, explain)
            return
        answer = find_fits(reader, machine, request, sort)
        used = lines_of(reader, answer.fits[:1])
    print_answer(out, machine, request, answer, used, db)


def check_request(request: FitRequest, reader: CatalogReader) -> None:
    """Raises UnknownValue for a family, scheme, format or task that nothing has."""
    from analysis.catalog.known_values import check_families, check_formats, check_schemes, check_task

    check_families(request.families, reader)
    check_schemes(request.quants, reader)
    check_formats(request.formats)
    check_task(request.task, reader)


def lines_of(reader: CatalogReader, fits: Any) -> dict[str, str]:
    """The commands that run the first row."""
    from analysis.catalog.use_lines import load_use_lines

    return load_use_lines(reader, fits[0].repo_id, fits[0].artifact, fits[0].gpu_layers) if fits else {}


def in_gigabytes(value: Any) -> str:
    return "" if value is None else f"{value / 1e9:.1f} GB"


def speed_text(row: Any) -> str:
    """The expected range of tokens per second."""
    low, high = row["expected_tokens_per_second_low"], row["expected_tokens_per_second_high"]
    return "unknown" if low is None else f"{low:.0f}-{high:.0f}" if high >= 2 else f"{low:.1f}-{high:.1f}"


def context_text(value: Any) -> str:
    return "unknown" if value is None else f"{value:,}"


def estimated_text(value: Any) -> str:
    return ", ".join(value or ())


NAMES = (
    "repo_id", "artifact", "base_model", "family", "format", "quant", "bits", "bits_per_weight", "qat", "parameters",
    "active_parameters", "total_size", "needs", "weights", "cache", "compute", "runtime", "left", "context",
    "largest_context", "tokens_per_second", "expected_tokens_per_second", "expected_tokens_per_second_low",
    "expected_tokens_per_second_high", "is_usable", "place", "gpu_layers", "loss", "perplexity_percent", "estimated",
    "sources", "author", "license", "gated", "downloads", "score", "score_parts",
    "speed_note",
)  # fmt: skip

COLUMNS = (
    Column("repo_id", "repo"),
    Column("quant", "quantization", clip=False, must=True, short="quant"),
    Column("expected_tokens_per_second", "tokens/s", text=str, value=speed_text, right=True, clip=False, must=True),
    Column("needs", "memory", text=in_gigabytes, right=True, clip=False, must=True),
    Column("parameters", "size", text=count_text, right=True, clip=False, must=True),
    Column("largest_context", "context", text=context_text, right=True, clip=False),
    Column("loss", "quality loss", least=18),
    Column("left", "free", text=in_gigabytes, right=True, clip=False),
    Column("estimated", text=estimated_text),
)


def print_answer(
    out: Printer, machine: Machine, request: FitRequest, answer: FitAnswer, used: dict[str, str], db: str
) -> None:
    """The rows; in JSON an object that also says what they rest on."""
    rows = [fit.row() for fit in answer.fits]
    basis = {
        "more": answer.more,
        "left_out": answer.left_out,
        "considered": answer.considered,
        "coverage": answer.coverage.row(db, uses_headers=True),
        "use": used,
    }
    columns = COLUMNS if any(row["estimated"] for row in rows) else COLUMNS[:-1]
    out.rows(rows, columns, names=NAMES, id_key="repo_id", empty="Nothing fits.", basis=basis)
    if out.mode == "json":
        return
    if out.is_human_output:
        print_use(out, answer, used)
        print_method(out, machine, request, answer)
    print_coverage(out, answer.coverage, db, uses_headers=True)


def print_use(out: Printer, answer: FitAnswer, used: dict[str, str]) -> None:
    """How to run the first row."""
    from analysis.catalog.use_lines import lines_text

    if used:
        out.line()
        out.heading(f"Run {answer.fits[0].repo_id}")
        for line in lines_text(used, out.width and out.width - 2):
            out.line(f"  {line}")
        out.line()


def print_method(out: Printer, machine: Machine, request: FitRequest, answer: FitAnswer) -> None:
    """How the figures were estimated and what was left out, in a few lines."""
    from analysis.catalog.fit_candidates import MAX_REPOS

    if answer.more > 0:
        what = "artifacts" if request.every_artifact else "base models"
        least = f"{answer.more:,} or" if answer.has_further else f"Up to {answer.more:,}"
        out.message(f"{least} more {what} fit; --limit 0 shows them, --all every quantization.")
    room = machine.vram_for_models + machine.ram_for_models
    out.message(
        f"On {machine.describe()}, of which {size_text(room)} are available to models: weights by the files' bytes, "
        f"{request.kv_type} cache by the header's attention geometry, one batch's buffers, 0.27 GB for the program."
    )
    found = f"Found: {', '.join(machine.found)}. " if machine.found else ""
    assumed = f"; assumed: {', '.join(machine.assumed)} (--bandwidth)" if machine.assumed else ""
    out.message(f"{found}Tokens/s are estimated for one conversation: 8 of 10 machines lie in the range{assumed}.")
    marks = {mark for fit in answer.fits for mark in fit.estimated}
    if marks:
        out.message(f"Estimated where the catalog lacks a header or files: {', '.join(sorted(marks))}.")
    if any(fit.sources for fit in answer.fits):
        out.message("Values that a file lacks are its base model's or another file's (`sources` in --json).")
    if any(fit.is_usable is None for fit in answer.fits):
        out.message("Speed is unknown where a mixture of experts does not state its active parameters.")
    noted = [fit for fit in answer.fits if fit.speed_note]
    if noted:
        others = f" and {len(noted) - 1} more" if len(noted) > 1 else ""
        out.message(f"The speed of {noted[0].repo_id}{others} is {noted[0].speed_note}.")
    if answer.left_out:
        out.message(f"Of {answer.considered:,} repos that were looked at, best first, are left out:")
    for reason, count in sorted(answer.left_out.items(), key=lambda each: -each[1]):
        out.message(f"  {count:,}: {reason}.")
    if answer.narrowed:
        out.message(
            f"Of the models that are not ranked yet only the {MAX_REPOS:,} most downloaded were considered; "
            "rank all with: hf-catalog db optimize"
        )


def print_explanation(out: Printer, machine: Machine, request: FitRequest, reader: CatalogReader, repo_id: str) -> None:
    """Why a repo stands where it stands. Raises UnknownModel."""
    from analysis.catalog.fits import explain_fit
    from analysis.catalog.models import find_model

    model = find_model(reader, repo_id)
    found = explain_fit(reader, machine, request, model["repo_id"])
    if found.fit is None:
        reason = found.reason or "it does not match the request, needs more memory, or its files are unknown"
        raise CommandError(f"{found.repo_id} is not listed", f"left out: {reason}")
    row = {**found.fit.row(), "place": found.place, "rows": found.rows, "best": found.best and found.best.repo_id}
    out.object({name: row[name] for name in (*NAMES, "rows", "best")}, human=lambda: show_explanation(out, found))


def show_explanation(out: Printer, found: Explanation) -> None:
    fit = found.fit
    assert fit is not None
    where = f"row {found.place} of {found.rows:,}" if found.place else "not a row of its own"
    out.heading(f"{found.repo_id}, {fit.quant or 'no known scheme'}: {where}")
    if found.best is not None:
        out.line(f"Its base model {fit.base_model} is shown as {found.best.repo_id}, {found.best.quant}:")
        out.line(f"score {found.best.score.total:.2f} against {fit.score.total:.2f}.")
    speed = {True: "usable speed", None: "unknown speed, after all of usable speed", False: "slower than --min-speed"}
    out.line(f"{speed[fit.is_usable]}; score {fit.score.total:.2f} in doublings of parameters:")
    for name, points in fit.score.parts().items():
        out.line(f"  {name.replace('_', ' '):<14} {points:+.2f}")


def list_presets(out: Printer) -> None:
    from analysis.fit.machines import presets

    rows = [
        {
            "name": name,
            "title": machine.title,
            "ram": machine.ram,
            "vram": machine.vram,
            "ram_bandwidth": machine.ram_bandwidth,
            "vram_bandwidth": machine.vram_bandwidth,
        }
        for name, machine in presets().items()
    ]
    sizes = [Column(key, key.replace("_", " "), text=size_text, right=True) for key in list(rows[0])[2:]]
    out.rows(rows, [Column("name", clip=False), Column("title"), *sizes])

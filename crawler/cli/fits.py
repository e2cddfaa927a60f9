"""`hf-catalog fits`: what runs on this much memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.options import BANDWIDTH, CONTEXT, SIZE, complete_scheme, db_option, output_options
from crawler.cli.printer import Column, Printer, count_text, size_text

if TYPE_CHECKING:
    from analysis.catalog.fits import Fit, FitRequest
    from analysis.fit.machines import Machine

KV_TYPES = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]


@click.command()
@click.option("--ram", type=SIZE, metavar="SIZE", help="Memory of the machine: 16GB, 16GiB.")
@click.option("--vram", type=SIZE, metavar="SIZE", help="Memory of its graphics card.")
@click.option("--bandwidth", type=BANDWIDTH, metavar="RATE", help="Memory bandwidth: 100GB/s (the card's, if any).")
@click.option("--context", type=CONTEXT, default="8192", show_default=True, metavar="N", help="Tokens: 8192, 32k.")
@click.option(
    "--kv-type", type=click.Choice(KV_TYPES, case_sensitive=False), default="f16", show_default=True,
    help="Type of the KV cache.",
)  # fmt: skip
@click.option("--family", multiple=True, metavar="NAME", help="Only this family: gemma; repeatable.")
@click.option(
    "--quant",
    multiple=True,
    shell_complete=complete_scheme,
    metavar="SCHEME",
    help="Only this scheme: Q4_K_M; repeatable.",
)
@click.option("--bits", type=float, metavar="N", help="Only schemes of N bits per weight: 4.")
@click.option("--format", "formats", multiple=True, metavar="NAME", help="Only this format: gguf; repeatable.")
@click.option("--author", multiple=True, metavar="NAME", help="Only this publisher; repeatable.")
@click.option("--task", metavar="WORD", help="Specialty or tuning: code, vision, instruct, embedding.")
@click.option("--this-machine", is_flag=True, help="Use the memory of this computer.")
@click.option("--preset", metavar="NAME", help="Use a common machine: laptop-16gb, rtx-4090-24gb; `list` lists them.")
@click.option("--all", "every", is_flag=True, help="Every artifact that fits, not only the best of each repo.")
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
    this_machine: bool,
    preset: str | None,
    every: bool,
    limit: int,
    db: str,
    out: Printer,
) -> None:
    """What fits this much memory, best first: memory needed, largest context, maximum speed, quality loss.

    \b
    Examples:
      hf-catalog fits --ram 16GB --context 8192 --family gemma
      hf-catalog fits --vram 24GB --ram 64GB --task code --context 32k --kv-type q8_0
      hf-catalog fits --preset macbook-m4-16gb --bits 4
      hf-catalog fits --this-machine --json
    """
    from analysis.catalog.fits import MAX_REPOS, FitRequest, exceeds_max_repos, find_fits
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
        every_artifact=every,
    )
    with CatalogReader(db) as reader:
        found = find_fits(reader, machine, request)
        narrowed = out.is_human_output and exceeds_max_repos(reader, request)
    shown = found[: limit or None]
    out.rows([fit.row() for fit in shown], COLUMNS, names=NAMES, id_key="repo_id", empty="Nothing fits.")
    if out.is_human_output:
        print_method(out, machine, request, found, shown)
        if narrowed:
            out.message(
                f"Only the {MAX_REPOS:,} most downloaded repos were considered; --family and --author reach the others."
            )


def machine_of(
    ram: int | None, vram: int | None, bandwidth: int | None, this_machine: bool, preset: str | None
) -> Machine:
    """The machine that the options describe; given values override detected ones."""
    from analysis.fit.detect import detect_machine
    from analysis.fit.machines import Machine, find_preset

    machine = find_preset(preset) if preset else detect_machine() if this_machine else Machine()
    if ram is not None:
        machine = replace(machine, ram=ram)
    if vram is not None:
        machine = replace(machine, vram=vram)
    if bandwidth is not None:
        fast = machine.vram is not None  # it is the faster memory's
        machine = replace(machine, vram_bandwidth=bandwidth) if fast else replace(machine, ram_bandwidth=bandwidth)
    if not machine.ram and not machine.vram:
        raise click.UsageError(
            "no memory given: --ram 16GB, --vram 8GB, --this-machine or --preset NAME", click.get_current_context()
        )
    return machine


def in_gigabytes(value: Any) -> str:
    return "" if value is None else f"{value / 1e9:.1f} GB"


NAMES = (
    "repo_id", "artifact", "family", "format", "quant", "bits", "bits_per_weight", "qat", "parameters",
    "active_parameters", "total_size", "needs", "weights", "cache", "compute", "runtime", "left", "context",
    "largest_context", "tokens_per_second", "place", "loss", "perplexity_percent", "estimated", "author", "license",
    "gated", "downloads",
)  # fmt: skip

COLUMNS = (
    Column("repo_id", "repo"),
    Column("quant", "quantization"),
    Column("parameters", "size", text=count_text, right=True, clip=False),
    Column("needs", "memory needed", text=in_gigabytes, right=True, clip=False),
    Column("left", "free", text=in_gigabytes, right=True, clip=False),
    Column("largest_context", "context", text=lambda value: f"{value:,}", right=True, clip=False),
    Column("tokens_per_second", "tokens/s", text=lambda value: f"{value:.0f}", right=True, clip=False),
    Column("loss", "quality loss"),
)


def print_method(out: Printer, machine: Machine, request: FitRequest, found: list[Fit], shown: list[Fit]) -> None:
    """How the figures were estimated, in a few lines."""
    rest = len(found) - len(shown)
    if rest > 0:
        out.message(f"{rest:,} more fit; --limit 0 shows them, --all every quantization of them.")
    room = machine.vram_for_models + machine.ram_for_models
    out.message(
        f"On {machine.describe()}, of which {size_text(room)} are available to models: weights by the files' bytes, "
        f"{request.kv_type} cache by the header's attention geometry, one batch's buffers, 0.27 GB for the program."
    )
    assumed = f"; assumed: {', '.join(machine.assumed)} (--bandwidth)" if machine.assumed else ""
    out.message(f"Context and tokens/s are upper bounds from memory and bandwidth{assumed}.")
    if not request.formats and not request.quants:
        left = [
            word
            for word, there in (
                ("an NVIDIA card (AWQ, GPTQ, FP8 ...)", machine.vram),
                ("an Apple chip (MLX)", machine.apple),
            )
            if not there
        ]
        if left:
            out.message(f"What needs {' or '.join(left)} is skipped; --format safetensors or --format mlx shows it.")
    if any(fit.estimated for fit in shown):
        out.message("Without a header the cache is estimated from the size (`estimated` in --json).")


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

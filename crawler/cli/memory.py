"""`hf-catalog memory`: the memory of weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from analysis.units import parse_model_size
from crawler.cli.complete import complete_scheme
from crawler.cli.options import Read, output_options
from crawler.cli.printer import Column, Printer, count_text, size_text

if TYPE_CHECKING:
    from analysis.schemes.quality import Divergence
    from analysis.schemes.schemes import ChosenScheme

SIZES = ("1B", "4B", "8B", "14B", "32B", "70B")
BITS = (32.0, 16.0, 8.0, 4.0)


def parse_parameters(text: str) -> int:
    kind, number = parse_model_size(text if text[-1:].isalpha() else f"{text}B")
    if kind != "parameters" or not number:
        raise ValueError(text)
    return number


PARAMETERS = Read("number of parameters", parse_parameters, "4B, 270M or 1.5T")


@click.command()
@click.argument("sizes", metavar="[SIZE]...", nargs=-1, type=PARAMETERS)
@click.option("--bits", type=click.FloatRange(0.5, 64), multiple=True, metavar="N", help="Bits per weight; repeatable.")
@click.option(
    "--quant",
    multiple=True,
    shell_complete=complete_scheme,
    metavar="SCHEME",
    help="A scheme: Q4_K_M, AWQ, MXFP4; repeatable.",
)
@output_options
def memory(sizes: tuple[int, ...], bits: tuple[float, ...], quant: tuple[str, ...], out: Printer) -> None:
    """Parameters times bits per weight: the memory of weights, and what fewer bits save and lose. No catalog needed.

    \b
    Examples:
      hf-catalog memory
      hf-catalog memory 14B --quant Q8_0 --quant Q4_K_M
      hf-catalog memory 8B --quant MXFP4 --quant AWQ
      hf-catalog memory 70B --quant EXL2-4.65bpw --quant IQ3_XXS
      hf-catalog memory 671B --bits 8 --bits 1.58 --json
    """
    from analysis.schemes.schemes import parse_scheme

    chosen = [parse_scheme(name) for name in quant]
    sizes = sizes or tuple(map(parse_parameters, SIZES))
    widths = widths_of(bits, chosen)
    by_name = {name_of(each): each for each in chosen}
    rows = [row(size, name, width, by_name.get(name)) for size in sizes for name, width in widths]
    if not out.is_human_output:
        out.rows(rows, id_key="bytes")
        return
    columns = [Column("parameters", "size", text=count_text, right=True, clip=False)]
    columns += [Column(name, name, text=size_text, right=True, clip=False) for name, _ in widths]
    by_size: dict[int, dict[str, Any]] = {}
    for each in rows:
        by_size.setdefault(each["parameters"], {"parameters": each["parameters"]})[each["width"]] = each["bytes"]
    out.rows(by_size.values(), columns)
    for line in notes_on(chosen, sizes):
        out.message(line)
    saved = (f"{name} save {1 - width / 32:.0%}" for name, width in widths if width < 32)
    out.message(f"Of 32 bits, {', '.join(saved)}. Weights alone: `hf-catalog fits` adds the cache and the program.")


def widths_of(bits: tuple[float, ...], chosen: Sequence[ChosenScheme]) -> list[tuple[str, float]]:
    """Names and bits per weight of what to estimate, widest first."""
    found = {f"{width:g} bits": width for width in bits or (() if chosen else BITS)}
    found |= {name_of(each): each.bits for each in chosen}
    return sorted(found.items(), key=lambda item: -item[1])


def name_of(chosen: ChosenScheme) -> str:
    return f"{chosen.scheme.name} {chosen.bits:.4g}" if chosen.stated else chosen.scheme.name


def notes_on(chosen: Sequence[ChosenScheme], sizes: Sequence[int]) -> Iterator[str]:
    """What to know of the schemes: which widths are only of packed weights, or usual ones, and the quality loss."""
    packed = [each.scheme.name for each in chosen if each.scheme.file_bits is None and not is_usual(each)]
    if packed:
        names = ", ".join(packed)
        yield f"{names}: the bits of packed weights; a file takes more where embeddings and norms stay wider."
    usual = [f"{each.scheme.name} {each.bits:g}" for each in chosen if is_usual(each)]
    if usual:
        another = f"--quant {usual[0].replace(' ', '-')}"
        yield f"{', '.join(usual)}: the usual bits of a scheme that exists in several widths; for others: {another}"
    lost = [text for each in chosen if (text := loss_by_size(each, sizes))]
    if lost:
        yield f"Quality loss as KL divergence: {'; '.join(lost)}."
        yield "Measured by Thireus, GGUF Tool Suite and its contributors, and by llama.cpp; ~ is estimated from these."


def is_usual(chosen: ChosenScheme) -> bool:
    scheme = chosen.scheme
    return not chosen.stated and chosen.bits in (scheme.usual_bits, scheme.default_bits) and scheme.file_bits is None


def loss_by_size(chosen: ChosenScheme, sizes: Sequence[int]) -> str:
    """`IQ3_XXS 0.26 (heavy) at 8B, 0.11 (noticeable) at 70B`; sizes of one class are named once."""
    texts: dict[str, str] = {}
    for size in sorted(sizes):
        found = divergence_of(chosen, size)
        if found is not None and found.value:
            mark = "" if found.basis == "measured" else "~"
            texts.setdefault(f"{mark}{found.value:.2g} ({found.grade})", count_text(size))
    return f"{chosen.scheme.name} {', '.join(f'{text} at {size}' for text, size in texts.items())}" if texts else ""


def divergence_of(chosen: ChosenScheme, parameters: int) -> Divergence | None:
    from analysis.schemes.quality import expected_divergence

    return expected_divergence(chosen.scheme.name, parameters=parameters, bits=chosen.bits)


def row(parameters: int, name: str, width: float, chosen: ChosenScheme | None) -> dict[str, Any]:
    from analysis.fit.memory import saving_against, weight_bytes

    lost = divergence_of(chosen, parameters) if chosen else None
    return {
        "parameters": parameters,
        "width": name,
        "bits": width,
        "bytes": weight_bytes(parameters, width),
        "saved_percent": round(100 * saving_against(width), 1),
        "kl_divergence": None if lost is None else float(f"{lost.value:.3g}"),
        "quality_loss": None if lost is None else lost.grade,
        "quality_basis": None if lost is None else lost.basis,
        "quality_source": None if lost is None else lost.source.title,
    }

"""`hf-catalog memory`: the memory of weights."""

from __future__ import annotations

from typing import Any

import click

from analysis.units import parse_model_size
from crawler.cli.options import Read, complete_scheme, output_options
from crawler.cli.printer import Column, Printer, count_text, size_text

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
    """Parameters times bits per weight: the memory of weights, and what fewer bits save. No catalog needed.

    \b
    Examples:
      hf-catalog memory
      hf-catalog memory 14B --quant Q8_0 --quant Q4_K_M
      hf-catalog memory 8B --quant MXFP4 --quant AWQ
      hf-catalog memory 671B --bits 8 --bits 1.58 --json
    """
    widths = widths_of(bits, quant)
    rows = [row(size, name, width) for size in sizes or map(parse_parameters, SIZES) for name, width in widths]
    if not out.is_human_output:
        out.rows(rows, id_key="bytes")
        return
    columns = [Column("parameters", "size", text=count_text, right=True, clip=False)]
    columns += [Column(name, name, text=size_text, right=True, clip=False) for name, _ in widths]
    by_size: dict[int, dict[str, Any]] = {}
    for each in rows:
        by_size.setdefault(each["parameters"], {"parameters": each["parameters"]})[each["width"]] = each["bytes"]
    out.rows(by_size.values(), columns)
    if unmeasured := names_without_file_bits(quant):
        names = ", ".join(unmeasured)
        out.message(f"{names}: the bits of packed weights; a file takes more where embeddings and norms stay wider.")
    saved = (f"{name} save {1 - width / 32:.0%}" for name, width in widths if width < 32)
    out.message(f"Of 32 bits, {', '.join(saved)}. Weights alone: `hf-catalog fits` adds the cache and the program.")


def widths_of(bits: tuple[float, ...], quants: tuple[str, ...]) -> list[tuple[str, float]]:
    """Names and bits per weight of what to estimate, widest first."""
    from difflib import get_close_matches

    from analysis.schemes.schemes import find_scheme_by_alias, scheme_table

    found = {f"{width:g} bits": width for width in bits or (() if quants else BITS)}
    for name in quants:
        scheme = find_scheme_by_alias(name)
        if scheme is None:
            close = get_close_matches(name.upper(), scheme_table().schemes, n=3)
            hint = f"; perhaps {' or '.join(close)}" if close else "; see: hf-catalog vocabulary ls --label scheme"
            raise click.UsageError(f"unknown scheme {name!r}{hint}", click.get_current_context())
        if scheme.estimated_bits is None:
            raise click.UsageError(
                f"{scheme.name} exists in several widths; give one with --bits", click.get_current_context()
            )
        found[scheme.name] = scheme.estimated_bits
    return sorted(found.items(), key=lambda item: -item[1])


def names_without_file_bits(quants: tuple[str, ...]) -> list[str]:
    """Schemes without measured files: the estimate is that of their blocks."""
    from analysis.schemes.schemes import find_scheme_by_alias

    found = (find_scheme_by_alias(name) for name in quants)
    return [scheme.name for scheme in found if scheme is not None and scheme.file_bits is None]


def row(parameters: int, name: str, width: float) -> dict[str, Any]:
    from analysis.fit.memory import saving_against, weight_bytes

    return {
        "parameters": parameters,
        "width": name,
        "bits": width,
        "bytes": weight_bytes(parameters, width),
        "saved_percent": round(100 * saving_against(width), 1),
    }

"""`hf-catalog label`: what a name says, with no network."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from json import JSONEncoder

import click

from analysis.errors import NotAName
from analysis.labels import NameLabels, read_name
from crawler.cli.options import output_options
from crawler.cli.output import Printer, printable

LINES_A_WRITE = 256


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME... | -")
@click.option("--explain", is_flag=True, help="Part by part, for people; ends with a corpus case.")
@output_options(table=False)
def label(names: tuple[str, ...], explain: bool, out: Printer) -> None:
    """Decode model names: repo ids, bare names, file names, owner/name::path; - reads one a line from stdin.

    \b
    Examples:
      hf-catalog label google/gemma-3-4b-it-qat-q4_0-gguf
      hf-catalog label --explain Qwen3-30B-A3B-Instruct-2507-UD-Q4_K_XL.gguf
      hf-catalog models ls -q | hf-catalog label - --json
    """
    if out.mode == "json":
        write_json(given(names), out)
        return
    for name in given(names):
        try:
            found = read_name(name)
        except NotAName as error:
            out.line(f"{printable(name[:80])}\n  {error}")
            continue
        out.line(explained(found) if explain else decoded(found))


def given(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name == "-":
            for line in sys.stdin.buffer:
                yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        else:
            yield name


def write_json(names: Iterable[str], out: Printer) -> None:
    """One object a line, in the order given; a line that is no name gets an `error`."""
    encode = JSONEncoder(separators=(", ", ": ")).encode
    lines: list[str] = []
    for name in names:
        try:
            lines.append(encode(read_name(name).as_dict()))
        except NotAName as error:
            lines.append(encode({"input": name, "error": str(error)}))
        if len(lines) >= LINES_A_WRITE:
            out.stdout.write("\n".join(lines) + "\n")
            lines.clear()
    if lines:
        out.stdout.write("\n".join(lines) + "\n")


def explained(found: NameLabels) -> str:
    from analysis.labels.explain import explain

    return explain(found) + "\n"


def decoded(found: NameLabels) -> str:
    """What the name says, a line a label."""
    shown = {
        key: value
        for key, value in found.as_dict().items()
        if value not in (None, [], False) and key not in ("input", "kind", "name", "owner", "tokens")
    }
    wide = max((len(key) for key in shown), default=0)
    lines = [f"  {key.ljust(wide)}  {shown_value(value)}" for key, value in shown.items()]
    return "\n".join([found.input, *lines])


def shown_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else ", ".join(value) if isinstance(value, list) else str(value)

"""`hf-catalog label`: decode names; no network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import BufferedReader
from json import JSONEncoder
from typing import cast

import click

from analysis.errors import InvalidName
from analysis.names import NameLabels, parse_name
from crawler.cli.options import output_options
from crawler.cli.printer import Printer, escape_control_characters

MAX_READ_BYTES = 1 << 16  # bytes of stdin


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME... | -")
@click.option("--explain", is_flag=True, help="Explain each part.")
@click.option("--as-test", is_flag=True, help="Print a case for the corpus of tests, to be checked by a user.")
@output_options(table=False)
def label(names: tuple[str, ...], explain: bool, as_test: bool, out: Printer) -> None:
    """Decode model names: repo ids, bare names, file names, owner/name::path, addresses and commands that name a
    repo; - reads one per line from stdin.

    \b
    Examples:
      hf-catalog label google/gemma-3-4b-it-qat-q4_0-gguf
      hf-catalog label hf.co/unsloth/Qwen3-14B-GGUF:Q4_K_M
      hf-catalog label --explain Qwen3-30B-A3B-Instruct-2507-UD-Q4_K_XL.gguf
      hf-catalog models ls -q | hf-catalog label - --json
    """
    write = partial(explained, width=out.width, as_test=as_test) if explain else as_case if as_test else decoded
    for batch in batches(names):
        if out.mode == "json":
            out.stdout.write("".join(as_json(name) for name in batch))
        else:
            for name in batch:
                out.line(format_result(name, write))
        out.stdout.flush()


def batches(names: Iterable[str]) -> Iterator[list[str]]:
    """The names in order; of stdin what has arrived so far, so that an interactive caller gets its answer."""
    for name in names:
        if name != "-":
            yield [name]
            continue
        rest, stdin = b"", cast(BufferedReader, sys.stdin.buffer)
        while chunk := stdin.read1(MAX_READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            yield [decode(line) for line in lines]
        if rest:
            yield [decode(rest)]


def decode(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "surrogateescape")


def as_json(name: str) -> str:
    """A name's JSON object on one line; with `error` for an invalid name."""
    try:
        return parse_name(name).as_json() + "\n"
    except InvalidName as error:
        return encode({"input": name, "error": str(error)}) + "\n"


encode = JSONEncoder(separators=(", ", ": ")).encode


def format_result(name: str, write: Callable[[NameLabels], str]) -> str:
    try:
        found = parse_name(name)
    except InvalidName as error:
        return f"{escape_control_characters(name[:80])}\n  {error}"
    return write(found)


def explained(found: NameLabels, width: int | None, as_test: bool) -> str:
    from analysis.names.explain import explain

    return explain(found, width) + "\n" + (f"\n{as_case(found)}" if as_test else "")


def as_case(found: NameLabels) -> str:
    from analysis.names.explain import corpus_case

    return corpus_case(found)


def decoded(found: NameLabels) -> str:
    """The labels of a name, one line each."""
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

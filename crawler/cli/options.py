"""Options that commands share, and how sizes, spans of time and dates are read as people write them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, overload

import click

Command = Callable[..., Any]

DEFAULT_DB = "catalog.db"

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
BINARY = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
NUMBER = r"(?P<number>\d+(?:\.\d+)?(?:e\d{1,2})?|\.\d+)"
BYTES = re.compile(rf"{NUMBER}\s*(?P<unit>[kmgtp]?)(?P<binary>i?)(?P<b>b?)", re.IGNORECASE)
PARAMETERS = re.compile(rf"{NUMBER}\s*(?P<unit>[KMBT])")
SPAN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|m|min|h|d|w)", re.IGNORECASE)
SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_size(text: str) -> int:
    """Bytes from `16GB`, `16GiB`, `16G`, `7.5e9`, `512`; decimal unless it says `i`. ValueError for anything else."""
    found = BYTES.fullmatch(text.strip())
    if not found or (found["binary"] and not found["unit"]):
        raise ValueError(text)
    unit = found["unit"].lower()
    return round(float(found["number"]) * (BINARY[unit] if found["binary"] else UNITS[unit]))


def parse_span(text: str) -> timedelta:
    """A span of time from `90s`, `30m`, `2h`, `7d`, `1w`. ValueError for anything else."""
    found = SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    return timedelta(seconds=float(found["number"]) * SECONDS[found["unit"].lower()])


def parse_when(text: str, now: datetime | None = None) -> datetime:
    """A moment (aware, UTC) from a span before now (`7d`), a date or an ISO 8601 time. ValueError for anything else."""
    try:
        return (now or datetime.now(UTC)) - parse_span(text)
    except (ValueError, OverflowError):
        moment = datetime.fromisoformat(text.strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Read(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """A click type made of one reading function that raises ValueError."""

    def __init__(self, name: str, read: Callable[[str], Any], examples: str) -> None:
        self.name = name
        self.read = read
        self.examples = examples

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no {self.name}: write it as {self.examples}", param, ctx)


def read_bandwidth(text: str) -> int:
    """Bytes a second from `100GB/s` or `100GB`."""
    return parse_size(re.sub(r"(?i)/s(ec)?$|ps$", "", text.strip()))


def read_model_size(text: str) -> tuple[str, int]:
    """How big a model is: ("parameters", 4e9) from `4B`, ("bytes", 3e9) from `3GB` or a bare number."""
    found = PARAMETERS.fullmatch(text.strip())
    if found:
        scale = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}[found["unit"]]
        return "parameters", round(float(found["number"]) * scale)
    return "bytes", parse_size(text)


SIZE = Read("size", parse_size, "16GB, 16GiB or 7.5e9")
MODEL_SIZE = Read("size", read_model_size, "4B (parameters), 3GB, 3GiB or 3e9 (bytes of its files)")
BANDWIDTH = Read("bandwidth", read_bandwidth, "100GB/s")
SPAN_OF_TIME = Read("duration", parse_span, "90s, 30m, 2h, 7d or 1w")
WHEN = Read("time", parse_when, "7d, 24h, 2026-11-01 or 2026-11-01T12:00:00Z")


def db_option(command: Command) -> Command:
    """`--db PATH|URL`: the catalog to read or write."""
    return click.option(
        "--db",
        metavar="PATH|URL",
        envvar="HF_CATALOG_DB",
        default=DEFAULT_DB,
        show_default=True,
        show_envvar=True,
        help="The catalog: a SQLite file, or the URL of a PostgreSQL database.",
    )(command)


@overload
def output_options(command: Command) -> Command: ...
@overload
def output_options(*, table: bool = True) -> Callable[[Command], Command]: ...


def output_options(command: Command | None = None, *, table: bool = True) -> Command | Callable[[Command], Command]:
    """How a command prints: adds the flags and hands the command `out`, a Printer, in their place.

    `table=False` for what is no table: `--json`, `-q`, `-v` and `--no-progress` alone.
    """
    if command is None:
        return functools.partial(output_options, table=table)
    flags: list[Callable[[Command], Command]] = [click.option("--json", "mode", flag_value="json", help="Print JSON.")]
    if table:
        flags += [
            click.option("--csv", "mode", flag_value="csv", help="Print CSV with a header line."),
            click.option("--tsv", "mode", flag_value="tsv", help="Print tab-separated values."),
            click.option("--nl", "mode", flag_value="nl", help="Print a JSON object a line."),
            click.option("-t", "--table", "mode", flag_value="table", help="Print a table, whatever reads it."),
            click.option("--raw", is_flag=True, help="Leave cells that a spreadsheet would run as they are."),
        ]
    flags += [
        click.option("-q", "--quiet", is_flag=True, help="Ids alone where there are any, no talk."),
        click.option("-v", "--verbose", is_flag=True, help="Say more; show where an error comes from."),
        click.option("--no-progress", is_flag=True, help="No progress bar, not even on a terminal."),
    ]

    @functools.wraps(command)
    def printing(*args: Any, **options: Any) -> Any:
        from crawler.cli.output import Printer

        out = Printer(
            mode=options.pop("mode", None) or "human",
            raw=options.pop("raw", False),
            quiet=options.pop("quiet"),
            verbose=options.pop("verbose"),
            progress=not options.pop("no_progress"),
        )
        return command(*args, out=out, **options)

    wrapped: Command = printing
    for flag in reversed(flags):
        wrapped = flag(wrapped)
    return wrapped

"""Options that commands share, and parsers of sizes, durations and dates."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from typing import Any, get_args, overload

import click

from analysis.units import (
    parse_bandwidth,
    parse_context,
    parse_memory,
    parse_model_size,
    parse_size,
    parse_span,
    parse_when,
)
from crawler.cli.complete_columns import complete_columns
from db.record_base import RepoType

Command = Callable[..., Any]

DEFAULT_DB = "catalog.db"
LAPTOP_RAM_BYTES = 16 * 10**9
"""Memory of the machine that answers refer to where none is named."""


class Read(click.ParamType):  # type: ignore[type-arg]  # generic only in newer clicks
    """A click type made of one parsing function that raises ValueError."""

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
            self.fail(f"{value!r} is not a {self.name}: write it as {self.examples}", param, ctx)


def parse_cluster(text: str) -> str:
    """A cluster's address. Raises ValueError."""
    from crawler.execute.executor import parse_cluster_address

    return parse_cluster_address(text)


def parse_words(text: str) -> tuple[str, ...]:
    """The words of a list with commas. Raises ValueError where one is empty."""
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ValueError(text)
    return words


MEMORY = Read("machine's memory", parse_memory, "16GB or 16GiB, with the unit")
SIZE = Read("size", parse_size, "16GB, 16GiB or 7.5e9")
MODEL_SIZE = Read("size", parse_model_size, "4B (parameters), 3GB, 3GiB or 3e9 (bytes of its files)")
BANDWIDTH = Read("bandwidth", parse_bandwidth, "100GB/s")
CONTEXT = Read("context length", parse_context, "8192, 32k or 1M")
SPAN_OF_TIME = Read("duration", parse_span, "90s, 30m, 2h, 7d or 1w")
COLUMNS = Read("list of columns", parse_words, "repo_id,quant,downloads")
CLUSTER = Read("cluster", parse_cluster, "local:2 (processes here) or tls://scheduler:8786")
WHEN = Read("time", parse_when, "7d, 24h, 2026-11-01 or 2026-11-01T12:00:00Z")


class CatalogName(click.ParamType[str]):
    """A path, or a database's URL, which is shown without its password wherever it is shown."""

    name = "path or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from db.secret_url import SecretUrl, database_url

        text = str(value) if not isinstance(value, SecretUrl) else value
        return database_url(text) if "://" in text and not isinstance(text, SecretUrl) else text


CATALOG_NAME = CatalogName()


def default_catalog() -> str:
    """The catalog that the user's configuration names, else catalog.db of the current folder."""
    from crawler.cli.user_config import user_config

    return user_config().database or DEFAULT_DB


def db_argument(db: str) -> str:
    """What a command that is shown needs to read the catalog `db`: nothing for the default one."""
    return "" if db == default_catalog() else f" --db {shlex.quote(db)}"


def db_option(command: Command) -> Command:
    """`--db PATH|URL`: the catalog to read or write. An internal error is the catalog's if its values are invalid."""

    @functools.wraps(command)
    def reading(*args: Any, db: str, **options: Any) -> Any:
        try:
            return command(*args, db=db, **options)
        except Exception as error:
            raise_if_damaged(db, error)
            raise

    return click.option(
        "--db",
        metavar="PATH|URL",
        envvar="HF_CATALOG_DB",
        default=default_catalog,
        show_default=DEFAULT_DB,
        show_envvar=True,
        type=CATALOG_NAME,
        help="The catalog: a SQLite file, or the URL of a PostgreSQL database.",
    )(reading)


def public_option(command: Command) -> Command:
    """`--public-only`, the default of what is published: without private repos."""
    return click.option(
        "--public-only/--with-private",
        default=True,
        show_default=True,
        help="Leave out private repos, which a crawl with --include-private stored.",
    )(command)


def raise_if_damaged(db: str, error: Exception) -> None:
    """Raises CatalogDamaged where an error is internal and a SQLite catalog has values that it can't hold."""
    from crawler.cli.errors import explain

    if explain(error) is not None or "://" in db:
        return
    from db.errors import CatalogDamaged
    from db.maintain.values import find_damage

    found = find_damage(db)
    if found is not None:
        raise CatalogDamaged(db, f"it has invalid values: {found}") from error


def repo_type_option(help_text: str) -> Callable[[Command], Command]:
    """`--type TYPE`: whether models, datasets or spaces."""
    types = click.Choice(get_args(RepoType))
    return click.option("--type", "repo_type", type=types, default="model", show_default=True, help=help_text)


@overload
def output_options(command: Command) -> Command: ...
@overload
def output_options(*, table: bool = True) -> Callable[[Command], Command]: ...


def output_options(command: Command | None = None, *, table: bool = True) -> Command | Callable[[Command], Command]:
    """How a command prints: adds the output flags and passes the command `out`, a Printer, in their place.

    `table=False` where the output is no table: `--json`, `-q`, `-v` and `--no-progress` only.
    """
    if command is None:
        return functools.partial(output_options, table=table)
    flags: list[Callable[[Command], Command]] = [click.option("--json", "mode", flag_value="json", help="Print JSON.")]
    if table:
        flags += [
            click.option("--csv", "mode", flag_value="csv", help="Print CSV with a header line."),
            click.option("--tsv", "mode", flag_value="tsv", help="Print tab-separated values."),
            click.option("--nl", "mode", flag_value="nl", help="Print one JSON object per line."),
            click.option("-t", "--table", "mode", flag_value="table", help="Print a table, also into a pipe."),
            click.option(
                "--columns",
                type=COLUMNS,
                shell_complete=complete_columns,
                metavar="A,B",
                help="Print these columns, in this order.",
            ),
            click.option("--no-truncate", is_flag=True, help="Print whole cells and all columns, however wide."),
            click.option("-l", "--vertical", is_flag=True, help="Print each row as a record, a line per column."),
            click.option("--raw", is_flag=True, help="Do not escape cells that a spreadsheet would run as formulas."),
        ]
    flags += [
        click.option("-q", "--quiet", is_flag=True, help="Print ids only, no messages."),
        click.option("-v", "--verbose", is_flag=True, help="Print more; show tracebacks of errors."),
        click.option("--no-progress", is_flag=True, help="No progress bar, not even on a terminal."),
    ]

    @functools.wraps(command)
    def printing(*args: Any, **options: Any) -> Any:
        from crawler.cli.printer import Printer
        from crawler.cli.user_config import configured_columns

        out = Printer(
            mode=options.pop("mode", None) or "human",
            raw=options.pop("raw", False),
            quiet=options.pop("quiet"),
            verbose=options.pop("verbose"),
            progress=not options.pop("no_progress"),
            picked=options.pop("columns", None) or (configured_columns(click.get_current_context()) if table else ()),
            truncate=not options.pop("no_truncate", False),
            vertical=options.pop("vertical", False),
        )
        return command(*args, out=out, **options)

    wrapped: Command = printing
    for flag in reversed(flags):
        wrapped = flag(wrapped)
    return wrapped

"""One table from what went wrong to what a person is told: a message, a way out, an exit status.

    0    done
    1    the answer is no: a malformed header, a failed check, an unknown model
    2    wrong usage
    3    the catalog can't be used: missing, newer, locked, damaged
    4    the Hub can't be used: unreachable, token refused, quota spent
    130  broken off by Ctrl-C

Errors are known by their class's name, so that telling of one loads nothing that the command did not load itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from crawler.cli.printer import escape_control_characters

DONE, NO, USAGE, CATALOG, HUB, BROKEN_OFF = 0, 1, 2, 3, 4, 130


class CommandError(Exception):
    """A command's own refusal: what went wrong with the name of the thing, what to do, the exit status."""

    def __init__(self, message: str, hint: str, status: int = NO) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status


class ErrorMessage(NamedTuple):
    """An exit status and what to do; `{}` in the hint is the error's own attribute of that name."""

    status: int
    hint: str


ERROR_MESSAGES: dict[str, ErrorMessage] = {
    # The nearest class in an error's family decides, so a tree needs a row for its root alone and one for each
    # member that has a better way out. An error's own `hint`, where it has one, goes before the table's.
    "db.errors.CatalogMissing": ErrorMessage(
        CATALOG, "make one with: hf-catalog demo, or hf-catalog crawl --limit 2000"
    ),
    "db.errors.CatalogOutdated": ErrorMessage(CATALOG, "bring it up to date with: hf-catalog db upgrade"),
    "db.errors.CatalogNewer": ErrorMessage(CATALOG, "it was made by a newer hf-catalog: upgrade the program"),
    "db.errors.CatalogDamaged": ErrorMessage(
        CATALOG, "look with: hf-catalog db check; go back with: hf-catalog db restore"
    ),
    "db.errors.CatalogLocked": ErrorMessage(CATALOG, "another crawl writes to it: wait for it, or end it with Ctrl-C"),
    "db.errors.CatalogBusy": ErrorMessage(CATALOG, "another program holds it: try again in a moment"),
    "db.errors.QueryRefused": ErrorMessage(NO, "queries only read: select, with, explain"),
    "db.errors.QueryTimeout": ErrorMessage(NO, "narrow it with a where or a limit, or give it longer: --timeout 5m"),
    "db.errors.QueryError": ErrorMessage(
        NO, "look at the columns with: hf-catalog query 'select * from models limit 1' --json"
    ),
    "db.errors.CatalogError": ErrorMessage(CATALOG, "look with: hf-catalog doctor"),
    "analysis.errors.HeaderError": ErrorMessage(NO, "the file is not what its name says, or its upload broke off"),
    "analysis.errors.SavedQueryError": ErrorMessage(NO, "see the questions with: hf-catalog query --list"),
    "analysis.errors.AnalysisError": ErrorMessage(NO, "see: hf-catalog --help"),
    "crawler.errors.HubUnreachable": ErrorMessage(
        HUB, "check the network and --endpoint; what is stored is safe, run it again"
    ),
    "crawler.errors.Offline": ErrorMessage(HUB, "HF_HUB_OFFLINE is set: unset it to reach the Hub"),
    "crawler.errors.TokenRefused": ErrorMessage(
        HUB, "set HF_TOKEN to a token that still works, or unset it: hf auth whoami"
    ),
    "crawler.errors.QuotaSpent": ErrorMessage(HUB, "run the same command later: it goes on where it was"),
    "crawler.errors.ScheduleError": ErrorMessage(USAGE, "see: hf-catalog schedule --help"),
    "crawler.errors.CrawlError": ErrorMessage(HUB, "what is stored is safe: run the same command again"),
    "sqlalchemy.exc.OperationalError": ErrorMessage(CATALOG, "look with: hf-catalog db check"),
    "sqlalchemy.exc.DatabaseError": ErrorMessage(CATALOG, "look with: hf-catalog db check"),
    "sqlite3.DatabaseError": ErrorMessage(CATALOG, "look with: hf-catalog db check"),
    "builtins.OSError": ErrorMessage(NO, "check that the place exists, may be written and has room"),
}

EXTRAS = {
    "psycopg": "postgres",
    "dask": "cluster",
    "distributed": "cluster",
    "pyarrow": "parquet",
    "duckdb": "analytics",
    "altair": "charts",
    "vl_convert": "charts",
    "datasette": "serve",
}
"""Packages that are not always installed, and the extra that brings them."""


def print_error(message: str, hint: str) -> None:
    """The two lines: what went wrong, and what to do."""
    one_line = " ".join(message.split()) or "something went wrong"
    click.echo(f"Error: {escape_control_characters(one_line)}", err=True)
    click.echo(f"Hint: {escape_control_characters(' '.join(hint.split()))}", err=True)


def explain(error: BaseException) -> tuple[str, str, int] | None:
    """Message, hint and exit status of an error that is somebody's to mend; None for a bug of ours."""
    if isinstance(error, CommandError):
        return error.message, error.hint, error.status
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "hf-catalog"
        return error.format_message(), f"{path} --help", USAGE
    if isinstance(error, click.ClickException):
        return error.format_message(), "hf-catalog --help", NO
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra:
            return f"{error.name} is not installed", f"pip install 'hf-catalog[{extra}]'", NO
        return None
    for kind in type(error).__mro__:
        way = ERROR_MESSAGES.get(f"{kind.__module__}.{kind.__qualname__}")
        if way:
            return one_line(error), str(getattr(error, "hint", "") or way.hint), way.status
    return None


def one_line(error: BaseException) -> str:
    """An error in one line, without what its library adds for programmers."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    first = getattr(error, "orig", None)  # SQLAlchemy wraps the driver's own words
    return str(first or error)


def run_command(run: Callable[[], Any], arguments: Sequence[str]) -> int:
    """Run a command; whatever happens, give its exit status and leave stderr readable."""
    try:
        answer = run()
        sys.stdout.flush()
        return answer if isinstance(answer, int) else DONE
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nBroken off.", err=True)
        return BROKEN_OFF
    except BrokenPipeError:  # `| head` had enough
        close_quietly(sys.stdout)
        return DONE
    except Exception as error:
        verbose = "-v" in arguments or "--verbose" in arguments
        if verbose and not isinstance(error, click.ClickException | CommandError):
            import traceback

            traceback.print_exc()
        known = explain(error)
        if known is None:
            name = type(error).__name__
            print_error(
                f"a bug in hf-catalog: {name}: {one_line(error)[:300]}",
                "report it with the output of the command and -v",
            )
            return NO
        message, hint, status = known
        print_error(message, hint)
        return status


def close_quietly(stream: Any) -> None:
    """Point a closed stream at nothing, so that the interpreter's last flush does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

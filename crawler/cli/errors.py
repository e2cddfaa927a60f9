"""One table from an exception to its message, hint and exit status.

    0    done
    1    the answer is no: a malformed header, a failed check, an unknown model
    2    wrong usage
    3    the catalog can't be used: missing, newer, locked, damaged
    4    the Hub can't be used: unreachable, token refused, quota spent
    130  interrupted by Ctrl-C

Errors are looked up by the name of their class, so that reporting one imports nothing more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import click

from analysis.text import escape_control_characters, shorten
from db.extras import install_command

DONE, NO, USAGE, CATALOG, HUB, INTERRUPTED = 0, 1, 2, 3, 4, 130


class CommandError(Exception):
    """Raised by a command: what went wrong and with what, what to do, the exit status."""

    def __init__(self, message: str, hint: str, status: int = NO) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status


def name_nearest(word: str, words: Iterable[str]) -> str:
    """`; perhaps A or B` for a message about a mistyped word; empty where none of the words is like it."""
    from difflib import get_close_matches

    from analysis.errors import suggest_after

    return suggest_after("", get_close_matches(word, list(words), n=3))


class ErrorMessage(NamedTuple):
    """An exit status and what to do."""

    status: int
    hint: str


ERROR_MESSAGES: dict[str, ErrorMessage] = {
    # The nearest class of an error's bases decides, so a tree of errors needs a row for its root and one for each
    # member with a better hint. An error's own `hint`, where it has one, precedes the table's.
    "db.errors.CatalogMissing": ErrorMessage(
        CATALOG, "make one with: hf-catalog demo, or hf-catalog crawl --limit 2000"
    ),
    "db.errors.CatalogOutdated": ErrorMessage(CATALOG, "bring it up to date with: hf-catalog db upgrade"),
    "db.errors.CatalogNewer": ErrorMessage(CATALOG, "it was made by a newer hf-catalog: upgrade the program"),
    "db.errors.CatalogDamaged": ErrorMessage(
        CATALOG, "check it with: hf-catalog db check; restore a backup with: hf-catalog db restore"
    ),
    "db.errors.CatalogLocked": ErrorMessage(
        CATALOG, "another crawl is writing to it: wait for it, or stop it with Ctrl-C"
    ),
    "db.errors.CatalogBusy": ErrorMessage(CATALOG, "another program has locked it: try again in a moment"),
    "db.errors.HistoryInvalid": ErrorMessage(USAGE, "the columns of a history: repo_id, day, downloads, likes"),
    "db.errors.QueryRefused": ErrorMessage(NO, "queries are read-only: select, with, explain"),
    "db.errors.QueryTimeout": ErrorMessage(NO, "narrow it with a where or a limit, or allow more time: --timeout 5m"),
    "db.errors.QueryError": ErrorMessage(
        NO, "see the columns with: hf-catalog query 'select * from models limit 1' --json"
    ),
    "db.errors.CatalogError": ErrorMessage(CATALOG, "check with: hf-catalog doctor"),
    "analysis.errors.HeaderError": ErrorMessage(NO, "the file is not what its name says, or its upload is incomplete"),
    "analysis.errors.SavedQueryError": ErrorMessage(NO, "list the saved queries with: hf-catalog query --list"),
    "analysis.errors.UnknownSavedQuery": ErrorMessage(USAGE, "list the saved queries with: hf-catalog query --list"),
    "analysis.errors.BadParameter": ErrorMessage(USAGE, "list the saved queries with: hf-catalog query --list"),
    "analysis.errors.UnknownTable": ErrorMessage(USAGE, "list the tables with: hf-catalog export --list"),
    "analysis.errors.InvalidPolicy": ErrorMessage(USAGE, "the keys of a policy are described in docs/audit.md"),
    "analysis.errors.UnknownColumn": ErrorMessage(USAGE, "the first line of a CSV file names its columns"),
    "analysis.errors.UnknownPreset": ErrorMessage(USAGE, "list the machines with: hf-catalog fits --preset list"),
    "analysis.errors.UnknownValue": ErrorMessage(USAGE, "list the known names with: hf-catalog vocabulary ls"),
    "analysis.errors.UnknownScheme": ErrorMessage(
        USAGE, "list the schemes with: hf-catalog vocabulary ls --label scheme"
    ),
    "analysis.errors.AnalysisError": ErrorMessage(NO, "see: hf-catalog --help"),
    "crawler.errors.HubUnreachable": ErrorMessage(
        HUB, "check the network and --endpoint, then run it again; what is stored is safe"
    ),
    "crawler.errors.Offline": ErrorMessage(HUB, "HF_HUB_OFFLINE is set: unset it to reach the Hub"),
    "crawler.errors.TokenRefused": ErrorMessage(
        HUB, "set HF_TOKEN to a token that still works, or unset it: hf auth whoami"
    ),
    "crawler.errors.QuotaSpent": ErrorMessage(HUB, "run the same command later: it resumes"),
    "crawler.errors.StateDamaged": ErrorMessage(NO, "move the health file away"),
    "crawler.errors.ScheduleError": ErrorMessage(USAGE, "see: hf-catalog schedule --help"),
    "crawler.errors.UnknownWatch": ErrorMessage(NO, "list the watches with: hf-catalog watch ls"),
    "crawler.errors.WatchError": ErrorMessage(USAGE, "see: hf-catalog watch --help"),
    "crawler.errors.CrawlError": ErrorMessage(HUB, "what is stored is safe: run the same command again"),
    "sqlalchemy.exc.OperationalError": ErrorMessage(CATALOG, "check it with: hf-catalog db check"),
    "sqlalchemy.exc.DatabaseError": ErrorMessage(CATALOG, "check it with: hf-catalog db check"),
    "sqlite3.DatabaseError": ErrorMessage(CATALOG, "check it with: hf-catalog db check"),
    "builtins.OSError": ErrorMessage(NO, "check that the path exists, is writable and has free space"),
}

EXTRAS = {
    "psycopg": "postgres",
    "dask": "cluster",
    "distributed": "cluster",
    "pyarrow": "parquet",
    "xlsxwriter": "spreadsheet",
    "duckdb": "analytics",
    "altair": "charts",
    "vl_convert": "charts",
    "datasette": "serve",
    "mcp": "mcp",
    "apprise": "notify",
}
"""Optional packages and the extra that installs each."""


MAX_MESSAGE_LENGTH = 2000
"""Characters of an error, which may repeat what it was given."""


def print_error(message: str, hint: str) -> None:
    """The two lines: what went wrong, and what to do."""
    one_line = shorten(" ".join(message.split()), MAX_MESSAGE_LENGTH) or "something went wrong"
    click.echo(f"Error: {escape_control_characters(one_line)}", err=True)
    short_hint = shorten(" ".join(hint.split()), MAX_MESSAGE_LENGTH)
    click.echo(f"Hint: {escape_control_characters(short_hint)}", err=True)


def explain(error: BaseException) -> tuple[str, str, int] | None:
    """Message, hint and exit status of an error; None for an internal error."""
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
            return f"{error.name} is not installed", f"install it with: {install_command(extra)}", NO
        return None
    for kind in type(error).__mro__:
        entry = ERROR_MESSAGES.get(f"{kind.__module__}.{kind.__qualname__}")
        if entry:
            return one_line(error), str(getattr(error, "hint", "") or entry.hint), entry.status
    return None


def one_line(error: BaseException) -> str:
    """An error in one line, without its library's details."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    first = getattr(error, "orig", None)  # SQLAlchemy wraps the driver's error
    return str(first or error)


def run_command(run: Callable[[], Any], arguments: Sequence[str]) -> int:
    """Run a command and return its exit status; errors are printed in two lines."""
    try:
        answer = run()
        sys.stdout.flush()
        return answer if isinstance(answer, int) else DONE
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has closed it
        close_quietly(sys.stdout)
        return DONE
    except click.exceptions.NoArgsIsHelpError as error:  # a group alone
        click.echo(error.format_message(), err=True)
        return USAGE
    except Exception as error:
        verbose = "-v" in arguments or "--verbose" in arguments
        if verbose and not isinstance(error, click.ClickException | CommandError):
            import traceback

            traceback.print_exc()
        known = explain(error)
        if known is None:
            name = type(error).__name__
            print_error(
                f"internal error: {name}: {one_line(error)[:300]}",
                "report it with the output of the command and -v",
            )
            return NO
        message, hint, status = known
        print_error(message, hint)
        return status


def close_quietly(stream: Any) -> None:
    """Point a closed stream at the null device, so that the interpreter's last flush raises nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

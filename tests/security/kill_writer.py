"""Runs commands that write to the folder `out`, killed at each of several moments and then undisturbed.

    python -m tests.security.kill_writer < COMMANDS.json > ANSWERS.json

COMMANDS: {name: words}. ANSWERS: {name: {moment: [exit status, the names in `out` afterwards]}}; the folder is emptied
before each command. The modules are imported once; each run is a fork, whose own functions are replaced by ones that
send SIGKILL to itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import altair  # noqa: F401  # imported here, so that each fork need not
import jinja2  # noqa: F401
import pyarrow.parquet  # noqa: F401

import db.maintain.backup
import db.maintain.copy  # noqa: F401
from analysis.publish import charts, export, report  # noqa: F401
from crawler.cli import cli
from crawler.cli.errors import run_command

OUT = Path("out")


def kill(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_draft() -> None:
    make = tempfile.mkdtemp
    vars(tempfile)["mkdtemp"] = lambda *arguments, **named: kill(make(*arguments, **named))


def kill_at_sync() -> None:
    os.fsync = kill


def kill_at_rename() -> None:
    os.replace = os.rename = kill


MOMENTS: dict[str, Callable[[], None]] = {
    "the draft is made": kill_at_draft,
    "the draft is written": kill_at_sync,
    "before it is renamed": kill_at_rename,
    "never": lambda: None,
}


def run(words: Sequence[str]) -> int:
    return run_command(lambda: cli.main(list(words), prog_name="hf-catalog", standalone_mode=False), words)


def fork(change: Callable[[], None], words: Sequence[str]) -> tuple[int, list[str]]:
    """The exit status of a command in a fork, in which a change is made first, and what is in `out` then."""
    child = os.fork()
    if child == 0:
        change()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(run(words))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, sorted(path.name for path in OUT.iterdir())


def run_all(words: Sequence[str]) -> dict[str, tuple[int, list[str]]]:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    return {moment: fork(change, words) for moment, change in MOMENTS.items()}


def main() -> None:
    make_figures = charts.make_figures
    for module in (charts, report):
        vars(module)["make_figures"] = lambda reader: islice(make_figures(reader), 1)  # each takes a second
    print(json.dumps({name: run_all(words) for name, words in json.load(sys.stdin).items()}))


if __name__ == "__main__":
    main()

"""Runs commands that write to the folder `out`, killed at each of several moments and then undisturbed.

    python -m tests.security.kill_writer < COMMANDS.json > ANSWERS.json

COMMANDS: {name: words}. ANSWERS: {name: {moment: [exit status, the names in `out` afterwards]}}; the folder is emptied
before each command. Under the name "replaced" the answers are of an export that replaces another one: {moment: [exit
status, files of the export `out/new`, the same after the next run]}. The modules are imported once, by a run of each
command; each further run is a fork, whose own functions are replaced by ones that send SIGKILL to itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import pyarrow.parquet  # noqa: F401  # imported here, so that each fork need not
from pandas import DataFrame

import db.maintain.backup
import db.maintain.copy
import db.new_file
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


def kill_at_exchange() -> None:
    vars(db.new_file)["exchange_names"] = kill


def kill_after_exchange() -> None:
    exchange = db.new_file.exchange_names
    vars(db.new_file)["exchange_names"] = lambda *names: kill(exchange(*names))


def kill_between_renames(done: int) -> Callable[[], None]:
    """For a system that can't exchange names: a kill after this many of the renames that replace a folder."""

    def change() -> None:
        rename, left = os.rename, iter(range(done))
        vars(db.new_file)["exchange_names"] = lambda *names: False
        os.rename = lambda *names: kill() if next(left, None) is None else rename(*names)
        if done == 2:
            vars(db.new_file)["sync_folder"] = kill

    return change


MOMENTS: dict[str, Callable[[], None]] = {
    "the draft is made": kill_at_draft,
    "the draft is written": kill_at_sync,
    "before it is renamed": kill_at_rename,
    "never": lambda: None,
}
REPLACEMENTS: dict[str, Callable[[], None]] = {
    "the draft is made": kill_at_draft,
    "the draft is written": kill_at_sync,
    "before the names are exchanged": kill_at_exchange,
    "after the names are exchanged": kill_after_exchange,
    "before the earlier one is moved away": kill_between_renames(0),
    "after the earlier one is moved away": kill_between_renames(1),
    "after the draft has its name": kill_between_renames(2),
    "never": lambda: None,
}
EARLIER, LATER = ("export", "out/new", "--only", "models"), ("export", "out/new", "--only", "files")


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


def load_modules(commands: Iterable[Sequence[str]]) -> None:
    """Runs each command once, for the modules that it imports late: each fork would import them again."""
    for words in commands:
        empty_out()
        run(words)


def empty_out() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()


def run_all(words: Sequence[str]) -> dict[str, tuple[int, list[str]]]:
    empty_out()
    return {moment: fork(change, words) for moment, change in MOMENTS.items()}


def replace_export(change: Callable[[], None]) -> tuple[int, list[str], list[str]]:
    """The exit status of an export over another one, its files, and those after the next run, which writes nothing."""
    shutil.rmtree(OUT)
    shutil.copytree("earlier", OUT)
    status, _ = fork(change, [*LATER, "--db", "catalog.db"])
    left = sorted(path.name for path in OUT.glob("new/*"))
    fork(kill_at_draft, [*LATER, "--db", "catalog.db"])
    return status, left, sorted(path.name for path in OUT.glob("new/*"))


def main() -> None:
    table = DataFrame({"family": ["gemma"], "count": [1]})
    figure = charts.Figure("families-over-time", "Families", "What is drawn does not matter here.", table, print)
    vars(charts)["make_figures"] = lambda reader: [figure]
    for name, drawn in (("svg", "<svg/>"), ("png", b"PNG")):
        setattr(charts.Figure, name, lambda *_, drawn=drawn, **__: drawn)
    vars(report).update(build_report=lambda *_, **__: None, render_report=lambda _: "<html>")
    commands: dict[str, tuple[str, ...]] = json.load(sys.stdin)
    with Path(os.devnull).open("w", encoding="utf-8") as nothing, redirect_stdout(nothing):
        load_modules([*commands.values(), (*EARLIER, "--db", "catalog.db")])
        OUT.rename("earlier")
        answers: dict[str, object] = {name: run_all(words) for name, words in commands.items()}
        answers["replaced"] = {moment: replace_export(change) for moment, change in REPLACEMENTS.items()}
    print(json.dumps(answers))


if __name__ == "__main__":
    main()

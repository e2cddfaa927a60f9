"""`hf-catalog watch`: saved conditions that notify after a crawl."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from crawler.cli.complete import complete_change
from crawler.cli.errors import NO, CommandError
from crawler.cli.model_filters import filter_options
from crawler.cli.options import SPAN_OF_TIME, db_option, output_options
from crawler.cli.printer import Column, Printer

if TYPE_CHECKING:
    from analysis.catalog.models import ModelFilter
    from db.watches import Watch, WatchStore

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SHOWN = 10


@click.group()
def watch() -> None:
    """Saved conditions that notify after a crawl: add, ls, show, test, rm, run."""


@watch.command()
@click.argument("name")
@filter_options
@click.option(
    "--change", "changes", multiple=True, shell_complete=complete_change, metavar="KIND",
    help="Changes of the models that match, instead of new ones: gone, commit, label, 'new artifact' ...; repeatable.",
)  # fmt: skip
@click.option("--query", metavar="NAME", help="New rows of a saved query.")
@click.option("-p", "--param", "params", nargs=2, multiple=True, metavar="KEY VALUE", help="Its parameters.")
@click.option("--sql", metavar="SQL", help="New rows of a statement that reads.")
@click.option(
    "--to", "targets", multiple=True, metavar="URL", default=("print",), show_default=True,
    help="print, feed, atom:FILE, https://HOST/PATH, env:VARIABLE or file:FILE that holds the address; repeatable.",
)  # fmt: skip
@click.option("--every", type=SPAN_OF_TIME, metavar="TIME", help="At most one message in this time: 1d.")
@db_option
@output_options(table=False)
def add(
    name: str,
    wanted: ModelFilter,
    changes: tuple[str, ...],
    query: str | None,
    params: tuple[tuple[str, str], ...],
    sql: str | None,
    targets: tuple[str, ...],
    every: timedelta | None,
    db: str,
    out: Printer,
) -> None:
    """Save a condition. What it finds now is known already: only what is new later is sent.

    Without --change, --query and --sql it finds models that match the filters for the first time.

    \b
    Examples:
      hf-catalog watch add gemma --family gemma --quant Q4_K_M --max-size 8GB --to atom:gemma.xml
      hf-catalog watch add licences --change label --author google --every 1d --to env:TEAM_URL
      hf-catalog watch add broken --query broken-files --to print
      hf-catalog watch add mine --sql "select repo_id, sha from models where repo_id = 'google/gemma-3-4b-it'"
    """
    from analysis.catalog.known_values import check_changes, check_filter
    from analysis.catalog.models import ModelFilter
    from analysis.catalog.watches import WatchDefinition
    from analysis.query.reader import CatalogReader
    from crawler.service.notify import check_target
    from crawler.service.watches import add_watch
    from db.watches import Watch

    if NAME.fullmatch(name) is None:
        raise click.UsageError(f"{name!r}: a name has lower-case letters, digits, `.`, `_` and `-`")
    kinds = [key for key, given in (("--query", query), ("--sql", sql), ("--change", changes)) if given]
    if len(kinds) > 1 or ((query or sql) and wanted != ModelFilter()):
        raise click.UsageError("choose one: filters with or without --change, --query, or --sql")
    if params and not query:
        raise click.UsageError("-p is for --query")
    if every is not None and every <= timedelta(0):
        raise click.UsageError("--every: more than no time")
    check_changes(changes)
    with CatalogReader(db) as reader:
        check_filter(wanted, reader)
    definition = WatchDefinition(wanted, changes, query or sql, dict(params))
    stored = [check_target(target) for target in dict.fromkeys(targets)]
    add_watch(db, Watch(name, definition.to_data(), stored, every, datetime.now(UTC)))
    out.object(
        {"watch": name, "condition": definition.describe(), "targets": stored}, lambda: out.line(f"{name}: added")
    )
    out.message("It runs after each crawl of hf-catalog schedule, and by: hf-catalog watch run")


@watch.command()
@db_option
@output_options
def ls(db: str, out: Printer) -> None:
    """List the watches.

    \b
    Example:
      hf-catalog watch ls
    """
    from db.watches import WatchStore, watch_file

    rows: list[dict[str, Any]] = []
    if watch_file(db).is_file():
        with WatchStore(watch_file(db)) as store:
            rows = [describe(store, each) for each in store.watches()]
    columns = [Column("watch", clip=False), Column("condition"), Column("to"), Column("every"),
               Column("found", right=True), Column("undelivered", right=True)]  # fmt: skip
    out.rows(rows, columns, id_key="watch", empty="No watch; make one with: hf-catalog watch add NAME")


def describe(store: WatchStore, each: Watch) -> dict[str, Any]:
    """A watch as a row."""
    from analysis.catalog.watches import WatchDefinition

    return {
        "watch": each.name,
        "condition": WatchDefinition.from_data(each.definition).describe(),
        "to": ", ".join(each.targets),
        "every": None if each.every is None else str(each.every),
        "created_at": each.created_at.isoformat(),
        "checked_at": None if each.checked_at is None else each.checked_at.isoformat(),
        **store.counts(each.name),
    }


@watch.command()
@click.argument("name")
@db_option
@output_options(table=False)
def show(name: str, db: str, out: Printer) -> None:
    """Show a watch: its condition, targets, last events and what could not be delivered.

    \b
    Example:
      hf-catalog watch show gemma
    """
    from crawler.service.watches import find_watch
    from db.watches import WatchStore, watch_file

    with WatchStore(watch_file(db)) as store:
        row = describe(store, find_watch(store, name))
        events = [{**asdict(each), "at": each.at.isoformat()} for each in store.recent_events(name, SHOWN)]

    def human() -> None:
        for key, value in row.items():
            if value is not None:
                out.line(f"{key.replace('_', ' '):<12} {value}")
        for each in events:
            out.line(f"  {each['at'][:16].replace('T', ' ')}  {each['text']}")

    out.object({**row, "events": events}, human)


@watch.command()
@click.argument("name")
@click.option("--send", is_flag=True, help="Send what it finds now to its targets, as a test.")
@db_option
@output_options(table=False)
def test(name: str, send: bool, db: str, out: Printer) -> None:
    """Show what a watch finds now, whether it was sent or not; nothing is stored.

    \b
    Examples:
      hf-catalog watch test gemma
      hf-catalog watch test gemma --send
    """
    from analysis.catalog.watches import WatchDefinition, find_events
    from crawler.errors import DeliveryFailed
    from crawler.service.notify import deliver
    from crawler.service.watches import find_watch
    from db.watches import Message, WatchStore, watch_file

    with WatchStore(watch_file(db)) as store:
        found = find_watch(store, name)
    events = list(find_events(db, WatchDefinition.from_data(found.definition), found.created_at))
    if send:
        for target in found.targets:
            try:
                deliver(Message(0, target, f"{name} (test)", 0, tuple(events[:SHOWN])), events[:SHOWN], out.line)
            except DeliveryFailed as error:
                raise CommandError(f"{target} was not reached: {error}", "see the target's own log", NO) from None
    texts = [each.text for each in events[:SHOWN]]
    answer = {"watch": name, "matches": len(events), "first": texts, "sent": list(found.targets) if send else []}
    out.object(
        answer, lambda: out.line("\n".join([f"{name}: {len(events):,} matches now", *(f"  {t}" for t in texts)]))
    )


@watch.command()
@click.argument("name")
@db_option
@output_options(table=False)
def rm(name: str, db: str, out: Printer) -> None:
    """Forget a watch, with what it has found and what waits to be sent.

    \b
    Example:
      hf-catalog watch rm gemma
    """
    from crawler.service.watches import find_watch
    from db.watches import WatchStore, watch_file

    with WatchStore(watch_file(db)) as store:
        find_watch(store, name)
        store.remove(name)
    out.object({"watch": name, "removed": True}, lambda: out.line(f"{name}: removed"))


@watch.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@db_option
@output_options
def run(names: tuple[str, ...], db: str, out: Printer) -> int:
    """Look for new events and send every message that is due; the exit status is 1 where one was not delivered.

    \b
    Examples:
      hf-catalog watch run
      hf-catalog watch run gemma --json
    """
    from crawler.service.watches import run_watches

    written: list[str] = []
    done = [asdict(each) for each in run_watches(db, names, write=written.append, warn=out.message)]
    if out.is_human_output and not out.quiet:
        for text in written:
            out.line(text)
        sent = sum(each["delivered"] for each in done)
        out.message(f"{sent:,} of {len(done):,} events delivered." if done else "Nothing new.")
    else:
        out.rows(done, ["watch", "event", "repo_id", "delivered", "target", "text"], id_key="event")
    return 0 if all(each["delivered"] for each in done) else NO

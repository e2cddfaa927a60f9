"""`hf-catalog db`: maintain the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from crawler.cli.errors import NO, CommandError
from crawler.cli.options import CATALOG_NAME, SPAN_OF_TIME, db_option, output_options
from crawler.cli.printer import Column, Printer, size_text


@click.group()
def db() -> None:
    """Maintain the catalog: schema, integrity, backups, size."""


@db.command()
@click.option("--no-backup", is_flag=True, help="Make no backup of the catalog before the upgrade.")
@db_option
@output_options(table=False)
def upgrade(no_backup: bool, db: str, out: Printer) -> None:
    """Upgrade a catalog of an earlier version to this version's schema, after a backup.

    \b
    Examples:
      hf-catalog db upgrade
      hf-catalog db upgrade --db postgresql:///catalog
    """
    from analysis.catalog.fit_index import fill_fit_candidates
    from db.revisions import head
    from db.schema.migrate import current
    from db.schema.migrate import upgrade as run_upgrade
    from db.write.store import Store

    before = current(db)
    saved = run_upgrade(db, backup=not no_backup)
    with Store.open(db) as store:
        fill_fit_candidates(store)
    after = head()
    answer = {"before": before, "after": after, "backup": None if saved is None else str(saved)}
    if before == after:
        out.object(answer, lambda: out.line(f"The schema is {after}: nothing to do."))
        return
    out.object(answer, lambda: out.line(f"The schema is {after} now, it was {before or 'none'}."))
    if saved is not None:
        out.message(f"Backup of the catalog: {saved}")


@db.command()
@db_option
@output_options(table=False)
def current(db: str, out: Printer) -> None:
    """The schema that the catalog has, and the one that this version needs.

    \b
    Example:
      hf-catalog db current --json
    """
    from db.revisions import head, known_revisions
    from db.schema.migrate import current as found_in

    found, needed = found_in(db), head()
    if found == needed:
        state, advice = "current", ""
    elif found is None:
        state, advice = "none", "it contains no catalog yet"
    elif found in known_revisions():
        state, advice = "older", "bring it up to date with: hf-catalog db upgrade"
    else:
        state, advice = "newer", "it was made by a newer hf-catalog: upgrade the program"
    answer = {"db": db, "revision": found, "needed": needed, "state": state}
    out.object(answer, lambda: out.line(f"{found or 'none'} ({state}; this version needs {needed})"))
    if advice:
        out.message(advice)


@db.command()
@db_option
@output_options
def check(db: str, out: Printer) -> int:
    """Check the catalog's integrity: bytes, schema, views and references. Exit status 1 if it fails.

    \b
    Examples:
      hf-catalog db check
      hf-catalog db check --json
    """
    from db.maintain.check import check as run_checks

    found = run_checks(db)
    out.rows((asdict(each) for each in found), (Column("check"), Column("ok"), Column("detail")), id_key="check")
    wrong = [each for each in found if not each.ok]
    if not wrong:
        out.message(f"{db} passed every check.")
        return 0
    names = ", ".join(each.check for each in wrong)
    raise CommandError(f"{db} failed: {names}", "restore a backup with: hf-catalog db restore BACKUP", NO)


@db.command()
@db_option
@output_options
def stats(db: str, out: Printer) -> None:
    """Show the size of the catalog by table, with the indexes.

    \b
    Examples:
      hf-catalog db stats
      hf-catalog db stats --json
    """
    from db.maintain.stats import stats as read_stats

    found = read_stats(db)
    if out.mode in ("json", "nl"):
        out.object(asdict(found))
        return
    columns = (Column("table"), Column("rows", right=True), Column("size", text=size_text, right=True))
    out.rows((asdict(each) for each in found.tables), columns, id_key="table")
    free = f", {size_text(found.free)} of it free" if found.free else ""
    log = f", and {size_text(found.log)} of log" if found.log else ""
    out.message(f"{found.db}: {found.engine}, schema {found.revision}, {size_text(found.size)}{free}{log}.")


@db.command()
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@db_option
@output_options(table=False)
def backup(file: str | None, force: bool, db: str, out: Printer) -> None:
    """Copy the catalog's current state into one compact file, also during a crawl.

    Without FILE the backup is written beside the catalog, with the time in its name.

    \b
    Examples:
      hf-catalog db backup
      hf-catalog db backup /media/disk/catalog.db --force
    """
    from db.maintain.backup import backup as copy

    path = copy(db, file, replace=force)
    answer = {"db": db, "backup": str(path), "size": path.stat().st_size}
    if out.quiet:
        out.line(str(path))
        return
    out.object(answer, lambda: out.line(f"{path} ({size_text(path.stat().st_size)})"))


@db.command()
@click.argument("file", metavar="BACKUP")
@db_option
@output_options(table=False)
def restore(file: str, db: str, out: Printer) -> None:
    """Replace the catalog by a backup, after checking the backup. The replaced catalog is kept beside it.

    \b
    Example:
      hf-catalog db backup before.db --force && hf-catalog db restore before.db
    """
    from db.maintain.backup import restore as restore_backup

    old = restore_backup(file, db)
    answer = {"db": db, "restored_from": file, "replaced": None if old is None else str(old)}
    out.object(answer, lambda: out.line(f"{db} is restored from {file}."))
    if old is not None:
        out.message(f"The replaced catalog: {old}")


@db.command()
@click.option("--vacuum", is_flag=True, help="Also compact the file: needs its size of free disk space.")
@db_option
@output_options(table=False)
def optimize(vacuum: bool, db: str, out: Printer) -> None:
    """Make queries fast: index pending models, merge the search index, update the planner's statistics.

    \b
    Examples:
      hf-catalog db optimize
      hf-catalog db optimize --vacuum
    """
    from analysis.catalog.fit_index import fill_fit_candidates
    from db.maintain.optimize import optimize as run_optimize
    from db.write.store import Store

    with Store.open(db) as store:
        indexed = store.index()
        fill_fit_candidates(store)
    run_optimize(db, vacuum=vacuum)
    words = f"{indexed:,} models indexed, statistics updated{', file compacted' if vacuum else ''}."
    out.object({"db": db, "indexed": indexed, "vacuumed": vacuum}, lambda: out.line(words))


@db.command()
@click.option("--daily", type=SPAN_OF_TIME, default="90d", show_default=True, help="Keep daily metrics for this time.")
@click.option("--events", type=SPAN_OF_TIME, default=None, help="Drop change events older than this (default: none).")
@click.option("--dry-run", is_flag=True, help="Count what would be removed, remove nothing.")
@db_option
@output_options(table=False)
def prune(daily: timedelta, events: timedelta | None, dry_run: bool, db: str, out: Printer) -> None:
    """Reduce old history: daily metrics for a while, then one row per week; remove unreferenced rows.

    \b
    Examples:
      hf-catalog db prune --dry-run
      hf-catalog db prune --daily 30d --events 365d
    """
    from db.write.store import Store

    with Store.open(db) as store, store.crawling():
        gone = asdict(store.prune(daily=daily, events=events, dry_run=dry_run))
    verb = "would be removed" if dry_run else "removed"
    counts = ", ".join(f"{count:,} {name}" for name, count in gone.items() if count) or "nothing"
    out.object({**gone, "dry_run": dry_run}, lambda: out.line(f"{counts} {verb}."))
    if any(gone.values()) and not dry_run:
        out.message("hf-catalog db optimize --vacuum returns the space to the disk.")


@db.command(name="copy")
@click.argument("source", metavar="SRC", type=CATALOG_NAME)
@click.argument("target", metavar="DST", type=CATALOG_NAME)
@output_options
def copy_(source: str, target: str, out: Printer) -> None:
    """Copy a catalog into a new one, SQLite or PostgreSQL either way, with counts and checksums of every table.

    \b
    Examples:
      hf-catalog db copy catalog.db postgresql:///catalog
      hf-catalog db copy postgresql://me@server/catalog copy.db
    """
    from db.maintain.copy import copy

    done = copy(source, target, lambda table, rows: out.detail(f"{table}: {rows:,} rows"))
    rows: list[dict[str, Any]] = [asdict(each) for each in done]
    out.rows(rows, (Column("table"), Column("rows", right=True), Column("checksum", clip=False)), id_key="table")
    out.message(f"{sum(each.rows for each in done):,} rows copied; checksums are equal.")


@db.command(name="from-snapshot")
@click.argument("source", metavar="URL|DIR")
@db_option
@output_options
def from_snapshot(source: str, db: str, out: Printer) -> None:
    """Make a catalog of a snapshot: a folder, or a data set of the Hub (hf://datasets/OWNER/NAME, or its address).

    The catalog must be new or empty. Every file is compared with the sha256 of the manifest.

    \b
    Examples:
      hf-catalog db from-snapshot snapshot --db new.db
      hf-catalog db from-snapshot hf://datasets/me/hub-catalog --db new.db
    """
    from analysis.catalog.fit_index import fill_fit_candidates
    from db.maintain.from_snapshot import restore_snapshot
    from db.write.store import Store

    with snapshot_folder(source) as folder:
        done = restore_snapshot(folder, db, lambda table, rows: out.detail(f"{table}: {rows:,} rows"))
    with Store.open(db) as store:
        fill_fit_candidates(store)
    rows: list[dict[str, Any]] = [asdict(each) for each in done if each.rows]
    out.rows(rows, (Column("table"), Column("rows", right=True)), id_key="table")
    out.message(f"{sum(each.rows for each in done):,} rows; go on with: hf-catalog crawl --db {db}")


@contextmanager
def snapshot_folder(source: str) -> Iterator[Path]:
    """The folder of a snapshot: the given one, or one into which a data set of the Hub is fetched for the time."""
    if "://" not in source:
        yield Path(source)
        return
    from crawler.sources.huggingface.datasets import download_dataset

    with TemporaryDirectory(prefix="hf-catalog.") as folder:
        yield download_dataset(source, Path(folder))


@db.command(name="import-history")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", metavar="NAME", help="Whose history it is, kept with each row.  [default: the file's name]")
@db_option
@output_options(table=False)
def import_history_(file: Path, source: str | None, db: str, out: Printer) -> int:
    """Import downloads and likes by day that others recorded, from CSV (also .gz, .xz, .bz2) or Parquet.

    Columns: repo_id (or id, model), day (or date), downloads of the 30 days before, likes. Days that a crawl of this
    catalog counted stay; the same file again changes nothing. The exit status is 1 if a row is bad.

    \b
    Examples:
      hf-catalog db import-history daily.csv.xz --source "hub-stats of example.org"
      hf-catalog db import-history metrics.parquet --json
    """
    from db.engine import open_engine
    from db.maintain.import_history import import_history, read_history
    from db.write.store import Store

    with Store.open(db) as store, store.crawling():
        engine = open_engine(db, read_only=False)
        try:
            done = import_history(engine, read_history(file), source or file.name)
        finally:
            engine.dispose()
    for each in done.examples:
        out.message(f"{file} line {each.line}: {each.reason}")
    text = (
        f"{done.new:,} days are new, {done.changed:,} changed, {done.unchanged:,} unchanged; {done.counted_by_crawls:,}"
        f" counted by crawls, {done.unknown_repos:,} of unknown repos, {done.bad:,} bad."
    )
    out.object(asdict(done), lambda: out.line(text))
    return NO if done.bad else 0


@db.command(name="grant-reader")
@click.argument("role", metavar="ROLE")
@click.option("--apply", is_flag=True, help="Execute the statements instead of printing them.")
@db_option
@output_options(table=False)
def grant_reader_(role: str, apply: bool, db: str, out: Printer) -> None:
    """Print SQL that makes a PostgreSQL role which may read the catalog and nothing else, for queries.

    The role has no password: set one with \\password in psql, or let the server know its users otherwise.

    \b
    Examples:
      hf-catalog db grant-reader catalog_reader --db postgresql:///catalog | psql catalog
      hf-catalog db grant-reader catalog_reader --apply --db postgresql:///catalog
    """
    from db.maintain.grant_reader import grant_reader

    made = grant_reader(db, role, apply=apply)
    left = [f"-- A superuser has to limit its temporary files: {each};" for each in made.for_administrator]
    if made.applied:
        lines = [f"The role {role} may read the catalog and nothing else.", *left]
    else:
        lines = [*(f"{each};" for each in made.statements), *left]
    out.object(asdict(made), lambda: out.line("\n".join(lines)))

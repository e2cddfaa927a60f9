"""The one writer of a catalog, and the reads that a crawl needs.

Every call is one transaction: a page, its cursor and its counts are stored together or not at all. Only one thread
uses a store. On SQLite one crawl holds the catalog (`crawling`); on PostgreSQL several may, their writes queue by an
advisory lock, and the frontier's claims pass each other by SKIP LOCKED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from db.engine import catalog_name, open_engine, revision, to_catalog_error
from db.errors import CatalogError, CatalogMissing
from db.maintain import optimize, prune
from db.maintain.prune import Pruned
from db.read import load as stored
from db.read import search
from db.read.load import Relabelled, StoredRepo
from db.record_base import Depth, Status
from db.records import ArrayLength, Enrichment, Header, LeasedRepo, Page, PageCounts, RepoFilter, RepoRecord, RunRecord, Skipped
from db.rows import Rows
from db.schema.migrate import upgrade_engine
from db.write import enrichments, lock, relabel, runs
from db.write import listing as pages
from db.write.label_rows import InternedIds
from db.write.queue import Frontier
from db.write.relabel import RelabelCounts

WRITE_LOCK = 0x68666361  # PostgreSQL's advisory lock: numbers are given out by one writer at a time


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """A catalog open for writing. A context manager; `Store.open` makes one."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self.db = catalog_name(engine)
        self._engine = engine
        self._reader = engine.execution_options(reading=True)
        self._clock = clock
        self._interned = InternedIds()
        self._frontier = Frontier()
        self._token: str | None = None
        self._beaten = 0.0

    @classmethod
    def open(cls, db: str | Path, *, create: bool = False, clock: Callable[[], datetime] = utc_now) -> Self:
        """Opens the catalog at this version's schema: a new one is made, an older one is saved and migrated.

        Raises CatalogMissing (unless `create`), CatalogDamaged, CatalogNewer, CatalogBusy, CatalogUnreachable.
        """
        engine = open_engine(db, read_only=False, create=create, check=False)
        try:
            if not create and revision(engine) is None:
                raise CatalogMissing(catalog_name(engine))
            upgrade_engine(engine, db)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, clock)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _writing(self, *, numbered: bool = True) -> Iterator[Rows]:
        """One transaction. `numbered` says that it gives out numbers, which PostgreSQL's writers do one at a time."""
        try:
            with self._engine.begin() as connection:
                if numbered and connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"select pg_advisory_xact_lock({WRITE_LOCK})")
                rows = Rows(connection)
                self._refresh_lock(rows)
                yield rows
        except BaseException as error:
            self._interned.forget()
            self._frontier.forget()
            if isinstance(error, OperationalError) or type(error) is DatabaseError:
                raise to_catalog_error(error, self.db) from error
            raise

    def _refresh_lock(self, rows: Rows) -> None:
        """Only who holds the lock writes; a sign of life in its row, once a minute."""
        if self._token is None:
            return
        lock.check_lock(rows, self.db, self._token)
        if monotonic() - self._beaten > 60:
            self._beaten = monotonic()
            lock.refresh_lock(rows, self._token, utc_now())

    @contextmanager
    def _reading(self) -> Iterator[Rows]:
        try:
            with self._reader.connect() as connection:
                yield Rows(connection)
        except (OperationalError, DatabaseError) as error:
            raise to_catalog_error(error, self.db) from error

    # ---- crawls -----------------------------------------------------------------------------------------------------

    @contextmanager
    def crawling(self) -> Iterator[None]:
        """Holds the catalog for a crawl. Raises CatalogLocked where another one does."""
        with self._writing() as rows:
            token = lock.acquire_lock(rows, self.db, utc_now())
            if rows.dialect.name == "sqlite":  # whoever held a lease is dead: there is one crawl at a time
                self._frontier.free(rows)
        self._token, self._beaten = token, monotonic()
        try:
            yield
        finally:
            self._token = None
            # Where it can't be given back (the disk is full) the next crawl takes it over from a dead process.
            with suppress(CatalogError), self._writing() as rows:
                lock.release_lock(rows, token)

    def start_run(self, kind: str, scope: str, endpoint: str) -> RunRecord:
        """A new crawl. `scope` is the canonical text of its filters, empty for the whole Hub."""
        with self._writing() as rows:
            return runs.start_run(rows, kind, scope, endpoint, self._clock())

    def update_run(self, run: RunRecord) -> None:
        """Writes a run's counters as they are in the record (`save_page` has counted its pages in the row alone)."""
        with self._writing() as rows:
            runs.update(rows, run)

    def finish_run(self, run: RunRecord) -> None:
        """The last word on a run; a `complete` one closes its walk."""
        with self._writing() as rows:
            runs.finish_run(rows, run)
        self.index()
        optimize.update_statistics(self._engine)

    def save_page(self, run: RunRecord, scope: str, page: Page) -> PageCounts:
        """A page of the listing, the cursor after it and its counts in the run's row."""
        now = self._clock()
        with self._writing() as rows:
            counts, found = pages.save_page(rows, self._interned, run, page, now)
            runs.advance(rows, run, scope, page, found.numbers())
            runs.count_page(rows, run, counts)
        self.index(2 * max(len(page.repos), 500))
        return counts

    def index(self, most: int | None = None) -> int:
        """Brings the search index up to date, a batch a transaction; `most` repos at the most. Returns how many."""
        done = 0
        while most is None or done < most:
            with self._writing() as rows:
                count = search.refresh(
                    rows, search.INDEX_BATCH if most is None else min(search.INDEX_BATCH, most - done)
                )
            done += count
            if count == 0:
                break
        return done

    def save_skips(self, run: RunRecord | None, skipped: Sequence[Skipped]) -> int:
        """Keeps what was left out; returns how many were not known yet."""
        with self._writing() as rows:
            return pages.save_skips(rows, run, skipped)

    def set_status(self, run: RunRecord | None, hub_id: str, status: Status) -> bool:
        """What a look at the repo itself said of it, with a dated event; False if the catalog knew."""
        with self._writing() as rows:
            return pages.set_status(rows, run, hub_id, status, self._clock())

    # ---- walks ------------------------------------------------------------------------------------------------------

    def cursor(self, scope: str, kind: str) -> str | None:
        """Where an unfinished walk goes on; None where there is none."""
        with self._reading() as rows:
            return runs.cursor(rows, scope, kind)

    def restart(self, scope: str, kind: str) -> None:
        """Forgets an unfinished walk: the next page starts a new one."""
        with self._writing() as rows:
            runs.restart(rows, scope, kind)

    def watermark(self, scope: str) -> datetime | None:
        """The greatest last_modified of a walk that came to its end: incremental crawls go back to it."""
        with self._reading() as rows:
            return runs.watermark(rows, scope)

    def has_full_listing(self, scope: str) -> bool:
        """Whether a full walk of the scope ever came to its end."""
        with self._reading() as rows:
            return runs.sweep_done(rows, scope) is not None

    def has_unchecked_listing(self, scope: str) -> bool:
        """Whether a full walk came to its end without its missing repos looked into yet."""
        with self._reading() as rows:
            return runs.open_sweep(rows, scope)

    def repos_in_last_listing(self, scope: str) -> int:
        """How many repos the last full walk saw."""
        with self._reading() as rows:
            return sum(runs.seen_repos(rows, scope))

    def missing(self, scope: str, scope_filter: RepoFilter | None = None) -> Iterator[LeasedRepo]:
        """Repos of the scope that the last full walk should have seen and did not. Writing between two is fine."""
        after, repos_in_last_listing = 0, None
        while True:
            with self._reading() as rows:
                repos_in_last_listing = (
                    runs.seen_repos(rows, scope) if repos_in_last_listing is None else repos_in_last_listing
                )
                found, last = runs.missing(rows, scope, scope_filter, repos_in_last_listing, after)
            yield from found
            if last is None:
                return
            after = last

    def note_absences(self, scope: str, hub_ids: Iterable[str]) -> None:
        """Keeps that the walk of this scope did not see these repos."""
        with self._writing() as rows:
            runs.record_missing(rows, scope, hub_ids, self._clock())

    def unconfirmed_missing(self, most: int = 1_000_000) -> list[LeasedRepo]:
        """Repos that a walk did not see and that are not yet known to be gone: each wants a look of its own."""
        with self._reading() as rows:
            return runs.unconfirmed_missing(rows, most)

    def record_probe(self, hub_id: str, *, found: bool, at: datetime) -> int:
        """A direct look at a missing repo; returns how many in a row did not find it."""
        with self._writing() as rows:
            return runs.record_probe(rows, hub_id, found=found, at=at)

    def reassigned_repos(self, run: RunRecord) -> list[tuple[str, str]]:
        """(hub_id, owner) of repos that this run lost sight of since another one has their id now."""
        with self._reading() as rows:
            return runs.reassigned_repos(rows, run)

    # ---- the frontier -----------------------------------------------------------------------------------------------

    def claim(self, n: int, depth: Depth, scope: RepoFilter | None = None) -> list[LeasedRepo]:
        """Leases up to n repos that are most worth a visit of this depth."""
        with self._writing(numbered=False) as rows:
            return self._frontier.claim(rows, n, depth, scope, self._clock())

    def release(self, leases: Iterable[LeasedRepo]) -> None:
        """Gives back leases that were not used."""
        with self._writing(numbered=False) as rows:
            self._frontier.release(rows, leases)

    def backlog(self, depth: Depth, scope: RepoFilter | None = None) -> int:
        """How many repos a crawl of this depth has still to visit, leased ones among them."""
        with self._reading() as rows:
            return self._frontier.count(rows, depth, scope)

    def save_enrichments(self, run: RunRecord, items: Sequence[tuple[Enrichment, int]]) -> int:
        """What visits found, each with its lease (0: none was needed). Returns how many leases still held."""
        with self._writing() as rows:
            saved = enrichments.save_enrichments(rows, self._interned, run, items, self._clock())
        self.index(2 * len(items))
        return saved

    def record_failure(
        self, wanted: LeasedRepo, skipped: Sequence[Skipped], run: RunRecord | None, *, settled: Depth | None
    ) -> None:
        """A visit brought nothing: `settled` is the depth that counts as reached, None to try again later."""
        with self._writing() as rows:
            self._frontier.fail(rows, wanted.hub_id, wanted.lease, self._clock(), settled=settled)
            pages.save_skips(rows, run, skipped)

    def headers(self, contents: Iterable[str]) -> dict[str, Header]:
        """Headers that were read before, by content."""
        with self._reading() as rows:
            return stored.read_headers(rows, "content", contents)

    def layouts(self) -> tuple[ArrayLength, ...]:
        """Lengths of tokenizer arrays that were learnt."""
        with self._reading() as rows:
            return stored.read_layouts(rows)

    # ---- care -------------------------------------------------------------------------------------------------------

    def prune(self, *, daily: timedelta, events: timedelta | None = None, dry_run: bool = False) -> Pruned:
        """Thins out history older than `daily` to a row a week, drops events older than `events` and what nothing uses.

        Call it inside `crawling`. A `dry_run` counts and writes nothing.
        """
        now = self._clock()
        until = None if events is None else now - events
        with self._reading() as rows:
            ranges = list(prune.steps(rows))
        found = Pruned()
        for first, last in ranges:
            with self._dry_run_transaction(dry_run) as rows:
                found += prune.prune_repos(rows, first, last, daily_until=now - daily, events_until=until)
        with self._dry_run_transaction(dry_run) as rows:
            found += prune.prune_unused(rows)
        self._interned.forget()
        return found

    @contextmanager
    def _dry_run_transaction(self, dry_run: bool) -> Iterator[Rows]:
        """A transaction that is rolled back at its end if it is a dry run."""
        try:
            with self._writing() as rows:
                yield rows
                if dry_run:
                    raise _Rollback
        except _Rollback:
            pass

    # ---- labels, offline --------------------------------------------------------------------------------------------

    def load_repos(self, hub_ids: Iterable[str]) -> dict[str, RepoRecord]:
        """The repos that the catalog holds, by hub_id, as a listing would give them."""
        with self._reading() as rows:
            return stored.read_repos(rows, hub_ids)

    def stale_batches(self, digest: str) -> Iterator[list[StoredRepo]]:
        """Repos whose labels are not of the vocabulary with this digest, in batches; writing between two is fine."""
        after: int | None = 0
        while after is not None:
            with self._reading() as rows:
                number = rows.select("select id from vocabularies where digest = ?", (digest,))
                batch, after = stored.stale_batches(rows, after, number[0][0] if number else None)
            if batch:
                yield batch

    def link_headers(self, run: RunRecord | None, label: Callable[[StoredRepo], Relabelled]) -> int:
        """Gives artifacts the headers of their content that another repo's visit read, and their repos new labels.

        Returns how many repos. What a visit reads serves all that hold the same bytes, whoever was visited first.
        """
        done = 0
        while True:
            with self._writing() as rows:
                batch = [label(each) for each in stored.link_headers(rows)]
                relabel.save_labels(rows, self._interned, run, batch, self._clock(), told=False)
            done += len(batch)
            if not batch:
                return done

    def save_labels(
        self, run: RunRecord | None, batch: Sequence[Relabelled], *, dry_run: bool = False
    ) -> RelabelCounts:
        """Labels made anew; events tell which came out otherwise. A `dry_run` counts them and writes nothing."""
        with self._dry_run_transaction(dry_run) as rows:
            return relabel.save_labels(rows, self._interned, run, batch, self._clock())


class _Rollback(Exception):
    """Undoes a transaction on purpose."""

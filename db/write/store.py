"""The only writer of a catalog, with the reads that a crawl needs.

Every call is one transaction: a page, its cursor and its counts are stored together or not at all. Only one thread
uses a store. On SQLite one crawl holds the catalog (`crawling`). On PostgreSQL several crawls may: an advisory lock
makes their writes wait for each other, and SKIP LOCKED lets them claim leases side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from db.engine import catalog_name, open_engine, revision
from db.errors import CatalogError, CatalogMissing
from db.maintain import optimize, prune, totals
from db.maintain.prune import Pruned
from db.postgres_errors import is_server_error
from db.read import load, search
from db.read.load import Relabelled, StoredRepo
from db.record_base import AccountKind, Depth, RepoType, Status
from db.records import (
    ArrayLength,
    CardRecord,
    CardRequest,
    Enrichment,
    Header,
    LeaderboardEntry,
    LeasedRepo,
    ListingPosition,
    Page,
    PageCounts,
    RepoFilter,
    RepoRecord,
    RevisionRecord,
    RunRecord,
    Skipped,
)
from db.rows import Rows
from db.schema.migrate import upgrade_engine
from db.schema.tables import evidence, repos, tags
from db.sqlite_file import to_catalog_error
from db.write import cards, enrichments, fit_rows, leaderboard, listing, lock, relabel, revisions, runs, skips, status
from db.write.heartbeat import heartbeat
from db.write.label_rows import InternedIds
from db.write.queue import LeaseQueue
from db.write.quotas import AccountQuotas
from db.write.relabel import RelabelCounts
from db.write.repo_rows import load_row_digests
from db.write.resume import WaitForServer, give_up, resumed
from db.write.runs import MissingBatch, ReassignedRepo

WRITE_LOCK_KEY = 0x68666361
"""Of PostgreSQL's advisory lock: one writer at a time assigns new numbers."""

FIT_BATCH = 500
"""Models whose rows for `fits` one transaction makes."""

LOCK_REFRESH_SECONDS = 60.0
"""How often the lock's row gets a new time while a crawl writes."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """A catalog open for writing. A context manager; `Store.open` opens one."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self.db = catalog_name(engine)
        self.location: str | Path = ""
        self._engine = engine
        self._reader = engine.execution_options(reading=True)
        self._clock = clock
        self._interned = InternedIds()
        self._queue = LeaseQueue()
        self._lock_token: str | None = None
        self._lock_refreshed = 0.0  # monotonic seconds
        self.wait_for_server: WaitForServer = give_up

    @classmethod
    def open(cls, db: str | Path, *, create: bool = False, clock: Callable[[], datetime] = utc_now) -> Self:
        """Opens a catalog. One of an older schema is backed up (SQLite) and migrated; with `create` a missing one is
        created.

        Raises CatalogMissing (unless `create`), CatalogDamaged, CatalogNewer, CatalogBusy, CatalogUnreachable.
        """
        engine = open_engine(db, read_only=False, create=create, check=False)
        try:
            if not create and revision(engine) is None:
                raise CatalogMissing(catalog_name(engine))
            upgrade_engine(engine, db)
            totals.fill(engine)
        except BaseException:
            engine.dispose()
            raise
        store = cls(engine, clock)
        store.location = db
        return store

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _writing(self, *, assigns_ids: bool = True) -> Iterator[Rows]:
        """One transaction. With `assigns_ids` it waits on PostgreSQL for other transactions that assign numbers."""
        try:
            with self._engine.begin() as connection:
                if assigns_ids and connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"select pg_advisory_xact_lock({WRITE_LOCK_KEY})")
                rows = Rows(connection)
                self._refresh_lock(rows)
                yield rows
        except BaseException as error:
            self._interned.forget()
            self._queue.forget()
            if isinstance(error, OperationalError) or type(error) is DatabaseError or is_server_error(error):
                assert isinstance(error, Exception)
                raise to_catalog_error(error, self.db) from error
            raise

    def _refresh_lock(self, rows: Rows) -> None:
        """Checks that a crawl still holds the lock, and updates the time in its row."""
        if self._lock_token is None:
            return
        lock.check_lock(rows, self.db, self._lock_token)
        if monotonic() - self._lock_refreshed > LOCK_REFRESH_SECONDS:
            self._lock_refreshed = monotonic()
            lock.refresh_lock(rows, self._lock_token, utc_now())

    @contextmanager
    def _reading(self) -> Iterator[Rows]:
        try:
            with self._reader.connect() as connection:
                yield Rows(connection)
        except DatabaseError as error:
            raise to_catalog_error(error, self.db) from error

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

    # ---- crawls -----------------------------------------------------------------------------------------------------

    @contextmanager
    def crawling(self) -> Iterator[None]:
        """Holds the catalog's lock for a crawl. Raises CatalogLocked if another crawl holds it."""
        with self._writing() as rows:
            self._release_ended(rows)
            token = lock.acquire_lock(rows, self.db, utc_now())
            if rows.dialect.name == "sqlite":  # no other crawl runs: the holder of a lease has ended
                self._queue.release_all(rows)
            skips.save_skips(rows, None, self._queue.count_unended_attempts(rows, self._clock()))
        self._lock_token, self._lock_refreshed = token, monotonic()
        self._queue.holder = lock.holder_of(token)
        try:
            with heartbeat(self._engine, token):
                yield
        finally:
            self._lock_token = self._queue.holder = None
            # If it can't be released (the disk is full), the next crawl takes it over from a process that has ended.
            with suppress(CatalogError), self._writing() as rows:
                lock.release_lock(rows, token)

    def account_quotas(self, account: str) -> AccountQuotas | None:
        """The quotas that crawlers of this catalog share, of the account with this digest; None where one crawls."""
        return AccountQuotas(self._engine, account) if self._engine.dialect.name == "postgresql" else None

    @resumed
    def start_run(self, kind: str, scope: str, endpoint: str) -> RunRecord:
        """Adds a run. `scope` is the canonical text of its filters, empty for the whole Hub."""
        with self._writing() as rows:
            return runs.start_run(rows, kind, scope, endpoint, self._clock())

    @resumed
    def update_run(self, run: RunRecord) -> None:
        """Writes a run's counters; `save_page` counts its pages in the row, not in the record."""
        with self._writing() as rows:
            runs.update_run(rows, run)

    @resumed
    def finish_run(self, run: RunRecord) -> None:
        """Writes a run that has ended; a `complete` one closes its walk of the listing."""
        with self._writing() as rows:
            runs.finish_run(rows, run)
        self.index()
        optimize.update_statistics(self._engine)

    @resumed
    def load_capabilities(self, endpoint: str, since: datetime) -> str | None:
        """What crawls found of a Hub's API at `since` or later, as `save_capabilities` stored it."""
        with self._reading() as rows:
            return runs.load_capabilities(rows, endpoint, since)

    @resumed
    def save_capabilities(self, endpoint: str, capabilities: str) -> None:
        """Stores what was found of a Hub's API, as JSON."""
        with self._writing() as rows:
            runs.save_capabilities(rows, endpoint, capabilities, self._clock())

    @resumed
    def save_page(
        self, run: RunRecord, scope: str, page: Page, refresh: enrichments.Refresh | None = None
    ) -> PageCounts:
        """Stores a page of the listing, the cursor after it, and its counts in the run's row.

        `refresh` makes the labels again of repos that the page changes and whose commit was read before; without it
        their commit is to be read again.
        """
        now = self._clock()
        with self._writing() as rows:
            counts, found = listing.save_page(rows, self._interned, run, page, now, refresh)
            runs.advance_cursor(rows, run, scope, page, found.repos())
            runs.count_page(rows, run, counts)
        self.index(2 * max(len(page.repos), 500))
        return counts

    @resumed
    def load_row_digests(self, hub_ids: Iterable[str]) -> dict[str, int]:
        """Digests of the rows of the listing that the stored repos come from, by hub_id."""
        with self._reading() as rows:
            return load_row_digests(rows, hub_ids)

    @resumed
    def index(self, limit: int | None = None) -> int:
        """Updates the search index for repos that changed, at most `limit`, in batches. Returns how many."""
        done = 0
        while limit is None or done < limit:
            batch = search.INDEX_BATCH if limit is None else min(search.INDEX_BATCH, limit - done)
            with self._writing() as rows:
                count = search.refresh(rows, batch)
            done += count
            if count == 0:
                break
        return done

    @resumed
    def find_reachable(self, type_: RepoType, repo_id: str) -> str | None:
        """The Hub's `_id` of the repo that the catalog holds under this name as available or gated."""
        with self._reading() as rows:
            return load.find_reachable(rows, type_, repo_id)

    @resumed
    def update_fits(self, build: fit_rows.Build) -> int:
        """Makes the rows by which `fits` finds models again where they are outdated; returns of how many models.

        `build` makes them from what is committed; nothing else is written meanwhile.
        """
        done, progress = 0, fit_rows.FitProgress()
        while True:
            with self._writing() as rows:
                count = fit_rows.update_fits(rows, build, progress, FIT_BATCH)
                if count == 0:
                    if done:
                        fit_rows.update_result_scales(rows)
                    return done
            done += count

    @resumed
    def save_skips(self, run: RunRecord | None, skipped: Sequence[Skipped]) -> int:
        """Stores what was skipped; returns how many are new."""
        with self._writing() as rows:
            return skips.save_skips(rows, run, skipped)

    @resumed
    def set_status(self, run: RunRecord | None, hub_id: str, value: Status) -> bool:
        """Stores the status that a request for the repo itself found, with an event; False if it is not new."""
        with self._writing() as rows:
            return status.set_status(rows, run, hub_id, value, self._clock())

    # ---- walks of the listing ---------------------------------------------------------------------------------------

    @resumed
    def position(self, scope: str, kind: str) -> ListingPosition | None:
        """Where an unfinished walk continues; None if there is none."""
        with self._reading() as rows:
            return runs.load_position(rows, scope, kind)

    @resumed
    def restart(self, scope: str, kind: str) -> None:
        """Deletes the state of an unfinished walk: the next page starts a new one."""
        with self._writing() as rows:
            runs.restart_listing(rows, scope, kind)

    @resumed
    def watermark(self, scope: str) -> datetime | None:
        """The greatest last_modified of a walk that reached its end: incremental crawls go back to it."""
        with self._reading() as rows:
            return runs.load_watermark(rows, scope)

    @resumed
    def has_full_listing(self, scope: str) -> bool:
        """Whether a full walk of the scope ever reached its end."""
        with self._reading() as rows:
            return runs.load_full_listing_time(rows, scope) is not None

    @resumed
    def has_unchecked_listing(self, scope: str) -> bool:
        """Whether a full walk reached its end and the repos that it missed were not looked for yet."""
        with self._reading() as rows:
            return runs.has_unchecked_listing(rows, scope)

    @resumed
    def repos_in_last_listing(self, scope: str) -> int:
        """How many repos the last full walk saw."""
        return sum(self._load_listed_repos(scope))

    def missing(self, scope: str, scope_filter: RepoFilter | None = None) -> Iterator[LeasedRepo]:
        """Repos of the scope that the last full walk did not see. The caller may write between two of them."""
        listed = self._load_listed_repos(scope)
        after: int | None = 0
        while after is not None:
            batch = self._load_missing_batch(scope, scope_filter, listed, after)
            yield from batch.repos
            after = batch.last

    @resumed
    def _load_listed_repos(self, scope: str) -> bytearray:
        with self._reading() as rows:
            return runs.load_listed_repos(rows, scope)

    @resumed
    def _load_missing_batch(
        self, scope: str, scope_filter: RepoFilter | None, listed: bytearray, after: int
    ) -> MissingBatch:
        with self._reading() as rows:
            return runs.load_missing_batch(rows, scope, scope_filter, listed, after)

    @resumed
    def record_missing(self, scope: str, hub_ids: Iterable[str]) -> None:
        """Stores that the last full walk of this scope did not see these repos."""
        with self._writing() as rows:
            runs.record_missing(rows, scope, hub_ids, self._clock())

    @resumed
    def unconfirmed_missing(
        self, before: datetime, limit: int = 1_000_000, *, type_: RepoType = "model"
    ) -> list[LeasedRepo]:
        """Repos that a full walk did not see, that may still exist, and that were not requested since `before`."""
        with self._reading() as rows:
            return runs.unconfirmed_missing(rows, type_, limit, before, self._clock())

    @resumed
    def reject_listing(self, run: RunRecord, scope: str) -> None:
        """Makes a full walk that reached its end count as none: the next run starts another."""
        with self._writing() as rows:
            runs.reject_listing(rows, run, scope)

    @resumed
    def has_rejected_listing(self, scope: str) -> bool:
        """Whether the latest run of a scope was a full walk that left something out."""
        with self._reading() as rows:
            return runs.has_rejected_listing(rows, scope)

    @resumed
    def partial_repos(self, limit: int, *, type_: RepoType = "model") -> list[LeasedRepo]:
        """At most `limit` repos that were listed without their details."""
        with self._reading() as rows:
            return runs.load_partial_repos(rows, type_, limit)

    @resumed
    def save_leaderboard(self, hub_id: str, entries: Sequence[LeaderboardEntry]) -> None:
        """Makes these all the results of a benchmark's leaderboard."""
        with self._writing(assigns_ids=False) as rows:
            leaderboard.save_leaderboard(rows, hub_id, entries)

    @resumed
    def save_revisions(self, hub_id: str, found: Sequence[RevisionRecord]) -> bool:
        """Makes these the branches, tags and pinned commits of a model; False where the catalog does not hold it."""
        with self._writing(assigns_ids=False) as rows:
            return revisions.save_revisions(rows, hub_id, found, self._clock())

    @resumed
    def due_cards(self, scope: RepoFilter, limit: int) -> list[CardRequest]:
        """At most `limit` model cards of a scope that were not read as they are now, the most downloaded first."""
        with self._reading() as rows:
            return cards.due_cards(rows, scope, limit)

    @resumed
    def save_cards(self, found: Sequence[CardRecord], *, keep_text: bool) -> None:
        """Stores what model cards document; their text only with `keep_text`."""
        with self._writing(assigns_ids=False) as rows:
            cards.save_cards(rows, found, self._clock(), keep_text=keep_text)

    @resumed
    def due_accounts(self, scope: RepoFilter, limit: int) -> list[str]:
        """At most `limit` owners of a scope whose kind of account was not asked for, the most downloaded first."""
        with self._reading() as rows:
            return cards.due_accounts(rows, scope, limit)

    @resumed
    def save_account_kinds(self, kinds: Mapping[str, AccountKind | None]) -> None:
        """Stores whether owners are users or organizations; None: the Hub shows neither."""
        with self._writing(assigns_ids=False) as rows:
            cards.save_account_kinds(rows, kinds, self._clock())

    @resumed
    def record_probe(self, hub_id: str, *, found: bool, at: datetime) -> int:
        """Stores what a request for a missing repo itself found; returns how many in a row did not find it."""
        with self._writing() as rows:
            return runs.record_probe(rows, hub_id, found=found, at=at)

    @resumed
    def reassigned_repos(self, run: RunRecord) -> list[ReassignedRepo]:
        """Repos that this run marked as gone because another repo has their id."""
        with self._reading() as rows:
            return runs.reassigned_repos(rows, run)

    # ---- enrichment -------------------------------------------------------------------------------------------------

    @resumed
    def claim(self, n: int, depth: Depth, scope: RepoFilter | None = None) -> list[LeasedRepo]:
        """Leases up to n repos: those of the highest priority that are to be enriched to this depth."""
        with self._writing(assigns_ids=False) as rows:
            leased = self._queue.claim(rows, n, depth, scope, self._clock())
            if not leased and self._release_ended(rows):
                leased = self._queue.claim(rows, n, depth, scope, self._clock())
            return leased

    def _release_ended(self, rows: Rows) -> bool:
        """Frees the leases of crawls that have ended; False if there were none."""
        ended = lock.remove_ended(rows, utc_now())
        self._queue.release_held_by(rows, ended)
        return bool(ended)

    @resumed
    def count_held_by_others(self, depth: Depth, scope: RepoFilter | None = None) -> int:
        """How many repos that are to be enriched to this depth other crawlers are enriching."""
        with self._reading() as rows:
            return self._queue.count_held_by_others(rows, depth, scope, self._clock())

    @resumed
    def release(self, leases: Iterable[LeasedRepo]) -> None:
        """Frees leases that were not used."""
        with self._writing(assigns_ids=False) as rows:
            self._queue.release(rows, leases)

    @resumed
    def backlog(self, depth: Depth, scope: RepoFilter | None = None) -> int:
        """How many repos are to be enriched to this depth, leased ones among them."""
        with self._reading() as rows:
            return self._queue.count(rows, depth, scope)

    @resumed
    def save_enrichments(self, run: RunRecord, items: Sequence[tuple[Enrichment, int]]) -> int:
        """Stores enrichments, each with its lease (0: none). Those with an outdated lease are dropped.

        Returns how many were stored.
        """
        with self._writing() as rows:
            saved = enrichments.save_enrichments(rows, self._interned, run, items, self._clock())
        self.index(2 * len(items))
        return saved

    @resumed
    def record_failure(
        self,
        leased: LeasedRepo,
        skipped: Sequence[Skipped],
        run: RunRecord | None,
        *,
        settled: Depth | None,
        repeat: bool = False,
    ) -> None:
        """Stores that enriching a repo failed, and why.

        `settled` is the depth that counts as read until the next commit; with None the repo is tried again later, with
        `repeat` also if its present commit was read.
        """
        with self._writing() as rows:
            now = self._clock()
            self._queue.record_failure(rows, leased.hub_id, leased.lease, now, settled=settled, repeat=repeat)
            skips.save_skips(rows, run, skipped)

    @resumed
    def headers(self, contents: Iterable[str]) -> dict[str, Header]:
        """Headers that were read before, by content."""
        with self._reading() as rows:
            return load.load_headers(rows, "content", contents)

    @resumed
    def layouts(self) -> tuple[ArrayLength, ...]:
        """Lengths of tokenizer arrays that reading headers taught."""
        with self._reading() as rows:
            return load.load_array_lengths(rows)

    # ---- maintenance ------------------------------------------------------------------------------------------------

    @resumed
    def prune(self, *, daily: timedelta, events: timedelta | None = None, dry_run: bool = False) -> Pruned:
        """Reduces metrics older than `daily` to one row a week; deletes events older than `events`, and evidence and
        tags that nothing refers to.

        To be called inside `crawling`. A `dry_run` only counts.
        """
        now = self._clock()
        until = None if events is None else now - events
        with self._reading() as rows:
            of_repos, of_pieces, of_tags = (prune.id_ranges(rows, table) for table in (repos, evidence, tags))
        pruned, used = Pruned(), bytearray(of_pieces[-1][1] + 1 if of_pieces else 0)
        for first, last in of_repos:
            with self._dry_run_transaction(dry_run) as rows:
                pruned += prune.prune_repos(rows, first, last, daily_until=now - daily, events_until=until)
                prune.mark_used_evidence(rows, first, last, used)
        self._interned.forget()
        for first, last in of_pieces:
            with self._dry_run_transaction(dry_run) as rows:
                pruned += prune.prune_evidence(rows, first, last, used)
        for first, last in of_tags:
            with self._dry_run_transaction(dry_run) as rows:
                pruned += prune.prune_tags(rows, first, last)
        return pruned

    # ---- relabelling from stored data -------------------------------------------------------------------------------

    @resumed
    def load_repos(self, hub_ids: Iterable[str]) -> dict[str, RepoRecord]:
        """The repos that the catalog holds, by hub_id, as a listing would give them."""
        with self._reading() as rows:
            return load.load_repos(rows, hub_ids)

    def stale_batches(self, digest: str) -> Iterator[list[StoredRepo]]:
        """Batches of repos whose labels are not of the vocabulary with this digest.

        The caller may write between two of them.
        """
        after: int | None = 0
        while after is not None:
            with self._reading() as rows:
                vocabulary = rows.scalar("select id from vocabularies where digest = ?", (digest,))
                batch = load.load_stale_batch(rows, after, vocabulary)
            after = batch.last
            if batch.repos:
                yield batch.repos

    @resumed
    def link_headers(self, run: RunRecord | None, label: Callable[[StoredRepo], Relabelled]) -> int:
        """Links artifacts to the headers of their content that enriching another repo read, and relabels their repos.

        So a header serves every repo that holds the same bytes, in whatever order they are enriched. Returns how many
        repos were relabelled.
        """
        done = 0
        while True:
            with self._writing() as rows:
                batch = [label(stored) for stored in relabel.link_headers(rows)]
                relabel.save_labels(rows, self._interned, run, batch, self._clock(), with_events=False)
            done += len(batch)
            if not batch:
                return done

    @resumed
    def save_labels(
        self, run: RunRecord | None, batch: Sequence[Relabelled], *, dry_run: bool = False
    ) -> RelabelCounts:
        """Stores labels that were made again, with events of those that differ. A `dry_run` only counts."""
        if dry_run:
            with self._reading() as rows:
                return relabel.compare_labels(rows, batch)
        with self._writing() as rows:
            return relabel.save_labels(rows, self._interned, run, batch, self._clock())


class _Rollback(Exception):
    """Rolls back a dry run."""

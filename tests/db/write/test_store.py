"""The store: what a page, a visit, a walk and a relabelling leave in the catalog, on both engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analysis.query.reader import CatalogReader
from db.errors import CatalogLocked, CatalogMissing
from db.maintain.totals import find_wrong
from db.read.load import Relabelled
from db.records import EdgeRecord, FileRecord, ListingPosition, Page, RepoFilter, RunRecord, Skipped
from db.write import runs
from db.write.relabel import LabelDifference
from db.write.store import Store
from tests.db.made import NOON, content, enrichment, labelled, page, repo, skipped

Ask = Callable[..., list[dict[str, Any]]]


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(db: str, clock: Clock) -> Iterator[Store]:
    """The totals must be right after whatever a test wrote."""
    with Store.open(db, clock=clock) as store:
        yield store
        with store._reading() as rows:
            assert find_wrong(rows) == []


@pytest.fixture
def run(store: Store) -> RunRecord:
    return store.start_run("full", "", "https://hub.example")


@pytest.fixture
def ask(db: str) -> Ask:
    """Rows of a question to the catalog."""

    def asked(sql: str, **values: Any) -> list[dict[str, Any]]:
        with CatalogReader(db) as reader:
            return reader.all(sql, values)

    return asked


# ---- pages ----------------------------------------------------------------------------------------------------------


def test_a_page_its_cursor_and_its_counts_are_stored_together(store: Store, run: RunRecord, ask: Ask) -> None:
    counts = store.save_page(run, "", page([1, 2, 3], "next"))
    assert (counts.seen, counts.new, counts.changed, counts.unchanged) == (3, 3, 0, 0)
    assert store.position("", "full") == ListingPosition("next")
    assert ask("select repos_seen, repos_new from crawl_runs") == [{"repos_seen": 3, "repos_new": 3}]
    model = ask("select * from models where repo_id = :id", id=repo(2).repo_id)[0]
    assert model["family"] == "gemma" and model["tuning"] == ["instruct"] and model["downloads"] == 200
    assert ask("select field, value, source from labels where repo_id = :id order by field", id=repo(2).repo_id) == [
        {"field": "family", "value": "gemma", "source": "name"},
        {"field": "quant", "value": "Q4_0", "source": "name"},
    ]


def test_a_page_that_fails_leaves_nothing_behind(
    store: Store, run: RunRecord, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(runs, "advance_cursor", broken)
        with pytest.raises(RuntimeError):
            store.save_page(run, "", page([1, 2], "next"))
    assert ask("select count(*) as n from repos") == [{"n": 0}]
    assert ask("select count(*) as n from tags") == [{"n": 0}]
    assert store.position("", "full") is None
    store.save_page(run, "", page([1, 2], "next"))  # the numbers of tags that were rolled back are not believed
    tags = (
        "select t.tag from repo_tags l join tags t on t.id = l.tag join repos r on r.id = l.repo where r.repo_id = :id"
    )
    assert [row["tag"] for row in ask(f"{tags} order by position", id=repo(1).repo_id)] == list(repo(1).tags)


def test_an_unchanged_page_writes_nothing_but_the_walk(sqlite_db: str, clock: Clock) -> None:
    with Store.open(sqlite_db, clock=clock) as store:
        run = store.start_run("full", "", "https://hub.example")
        store.save_page(run, "", page(range(1, 200), "next"))
        before = written(store)
        clock.pass_(hours=1)
        counts = store.save_page(run, "", page(range(1, 200), "next"))
        assert counts.unchanged == 199
        assert written(store) - before == 3  # the cursor, the page of the full crawl, the run's counts


def written(store: Store) -> int:
    """Rows that the store's connection has ever written."""
    with store._engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        return int(driver.total_changes)


def test_counters_that_moved_are_history_and_no_change_of_the_repo(
    store: Store, run: RunRecord, clock: Clock, ask: Ask
) -> None:
    store.save_page(run, "", page([1]))
    clock.pass_(days=1)
    counts = store.save_page(run, "", page([1], downloads=150))
    assert (counts.changed, counts.refreshed) == (1, 1)
    clock.pass_(days=2)
    store.save_page(run, "", page([1], downloads=150))
    growth = ask("select day, downloads, downloads_change from metrics_daily order by day")
    assert growth == [
        {"day": "2026-06-01", "downloads": 100, "downloads_change": None},
        {"day": "2026-06-02", "downloads": 150, "downloads_change": 50},
    ]
    assert ask("select count(*) as n from events") == [{"n": 0}]


def test_changes_are_recorded(store: Store, run: RunRecord, clock: Clock, ask: Ask) -> None:
    store.save_page(run, "", page([1]))
    clock.pass_(days=1)
    now = repo(1, repo_id="acme/renamed", sha="f" * 40, gated="auto")
    store.save_page(run, "", Page(((now, labelled(quant="Q8_0")),), (), None))
    recorded = ask("select kind, subject, before, after from changes where kind <> 'new' order by kind")
    assert recorded == [
        {"kind": "commit", "subject": None, "before": repo(1).sha, "after": "f" * 40},
        {"kind": "gated", "subject": "status", "before": "available", "after": "gated"},
        {"kind": "label", "subject": "quant", "before": "Q4_0", "after": "Q8_0"},
        {"kind": "renamed", "subject": None, "before": repo(1).repo_id, "after": "acme/renamed"},
    ]
    assert ask("select repo_id from aliases") == [{"repo_id": repo(1).repo_id}]
    assert ask("select status, quant from models") == [{"status": "gated", "quant": "Q8_0"}]


def test_a_commit_is_read_again_where_nobody_makes_its_labels_again(store: Store, run: RunRecord) -> None:
    """`refresh` is what makes them again from the listing and the catalog."""
    store.save_page(run, "", page([1]))
    store.save_enrichments(run, [(enrichment(1), 0)])
    assert store.claim(9, "files") == []
    store.save_page(run, "", Page(((repo(1, tags=("merge",)), labelled()),), (), None))
    assert [leased.hub_id for leased in store.claim(9, "files")] == [repo(1).hub_id]


def test_an_enrichment_stores_the_digest_of_what_it_was_told(store: Store, run: RunRecord, ask: Ask) -> None:
    store.save_page(run, "", page([1]))
    before = ask("select digest from repos")
    store.save_enrichments(run, [(replace(enrichment(1), listed_digest=7), 0)])
    assert ask("select r.digest, l.digest as of_labels from repos r join repo_labels l on l.repo = r.id") == [
        {"digest": 7, "of_labels": 7}
    ]
    assert store.save_page(run, "", page([1])).changed == 1, "the listing says something else"
    assert ask("select digest from repos") == before


def test_an_id_that_changed_hands(store: Store, run: RunRecord, ask: Ask) -> None:
    """A repo is deleted and another made under its name: two repos, the first of them gone."""
    store.save_page(run, "", page([1]))
    successor = repo(2, repo_id=repo(1).repo_id)
    store.save_page(run, "", Page(((successor, labelled()),), (), None))
    rows = ask("select hub_id, status from models order by hub_id")
    assert [row["status"] for row in rows] == ["gone", "available"]


def test_unknown_is_null_and_never_a_default(store: Store, run: RunRecord, ask: Ask) -> None:
    bare = repo(1, author=None, downloads=None, likes=None, created_at=None, license=None, tags=(), card={})
    store.save_page(run, "", Page(((bare, labelled(family=None, quantized=None, quant=None, bits=None)),), (), None))
    row = ask("select downloads, likes, created_at, license, family, quantized, total_size, context from models")[0]
    assert set(row.values()) == {None}


def test_a_skip_is_a_row_until_the_repo_is_read(store: Store, run: RunRecord, ask: Ask) -> None:
    store.save_page(run, "", Page((), (skipped(1),), ListingPosition("next")))
    store.save_page(run, "", Page((), (skipped(1),), ListingPosition("next")))
    assert ask("select repo_id, reason, detail from skips") == [
        {"repo_id": repo(1).repo_id, "reason": "gated", "detail": "ask first"}
    ]
    store.save_page(run, "", page([1]))
    assert ask("select * from skips") == []


# ---- visits ---------------------------------------------------------------------------------------------------------


def test_a_visit_is_stored_whole(store: Store, run: RunRecord, ask: Ask) -> None:
    store.save_page(run, "", page([1]))
    (wanted,) = store.claim(5, "headers")
    assert store.save_enrichments(run, [(enrichment(1), wanted.lease)]) == 1
    artifact = ask("select * from artifacts_wide")[0]
    assert (artifact["repo_id"], artifact["quant"], artifact["bits_per_weight"]) == (repo(1).repo_id, "Q4_0", 6.4)
    file = ask("select * from files")[0]
    assert (file["path"], file["size"], file["sha256"]) == ("a-Q4_0.gguf", 1001, content("a-Q4_0.gguf"))
    assert file["blob_id"] is None  # of what LFS holds git knows a pointer alone
    assert ask("select artifact, field, claimed, measured from label_conflicts") == [
        {"artifact": "a-Q4_0.gguf", "field": "bits", "claimed": "4", "measured": "6.4"}
    ]
    assert ask("select total_size, file_count, artifact_count, depth from models") == [
        {"total_size": 1001, "file_count": 1, "artifact_count": 1, "depth": "headers"}
    ]
    assert store.headers([content("a-Q4_0.gguf"), content("other")]) == {
        content("a-Q4_0.gguf"): enrichment(1).headers[0]
    }
    assert store.layouts() == enrichment(1).layouts
    assert store.claim(5, "headers") == []


def test_a_later_commit_records_which_files_changed(store: Store, run: RunRecord, clock: Clock, ask: Ask) -> None:
    store.save_page(run, "", page([1]))
    store.save_enrichments(run, [(enrichment(1, files=("a.gguf", "b.gguf")), 0)])
    clock.pass_(days=1)
    moved = repo(1, sha="e" * 40)
    store.save_page(run, "", Page(((moved, labelled()),), (), None))
    store.save_enrichments(run, [(enrichment(1, files=("b.gguf", "c.gguf"), record=moved), 0)])
    recorded = ask(
        "select kind, subject from changes where kind like '%file' or kind like '%artifact' order by kind, subject"
    )
    assert [(row["kind"], row["subject"]) for row in recorded] == [
        ("new artifact", "c.gguf"),
        ("new file", "c.gguf"),
        ("removed artifact", "a.gguf"),
        ("removed file", "a.gguf"),
    ]
    assert [row["artifact"] for row in ask("select artifact from artifacts_wide order by artifact")] == [
        "b.gguf",
        "c.gguf",
    ]
    assert ask("select count(*) as n from headers") == [{"n": 3}]  # what was read once stays known
    assert ask("select repo_id, path, size, sha256, sha, current_sha256 from replaced_files") == [
        {
            "repo_id": moved.repo_id,
            "path": "a.gguf",
            "size": 1001,
            "sha256": content("a.gguf"),
            "sha": repo(1).sha,
            "current_sha256": None,
        }
    ]


def test_a_replaced_content_stays_known_with_its_last_day(store: Store, run: RunRecord, clock: Clock, ask: Ask) -> None:
    first = enrichment(1)
    store.save_page(run, "", page([1]))
    store.save_enrichments(run, [(first, 0)])
    clock.pass_(days=1)
    moved = repo(1, sha="e" * 40)
    again = FileRecord("a-Q4_0.gguf", 1005, "f" * 40, content("fixed upload"))
    store.save_enrichments(run, [(replace(first, repo=moved, files=(again,)), 0)])
    clock.pass_(days=1)
    unchanged = replace(first, repo=repo(1, sha="d" * 40), files=(replace(again, blob_id="c" * 40),))
    store.save_enrichments(run, [(unchanged, 0)])  # the same content: nothing was replaced
    [row] = ask("select sha256, size, until, current_sha256, current_size from replaced_files")
    assert (row["sha256"], row["size"]) == (content("a-Q4_0.gguf"), 1001)
    assert (row["current_sha256"], row["current_size"]) == (content("fixed upload"), 1005)
    assert row["until"].startswith("2026-06-02")


def test_git_s_hash_is_kept_of_what_git_holds(store: Store, run: RunRecord, ask: Ask) -> None:
    readme, weights = FileRecord("README.md", 5, "c" * 40, None), FileRecord("a.gguf", 6, "d" * 40, content("a"))
    store.save_page(run, "", page([1]))
    store.save_enrichments(run, [(enrichment(1, files=(), headers=()), 0)])
    first = replace(enrichment(1), files=(readme, weights))
    store.save_enrichments(run, [(first, 0)])
    moved = replace(first, repo=repo(1, sha="e" * 40), files=(readme, replace(weights, blob_id="f" * 40)))
    store.save_enrichments(run, [(moved, 0)])
    assert ask("select path, blob_id, sha256 from files order by path") == [
        {"path": "README.md", "blob_id": "c" * 40, "sha256": None},
        {"path": "a.gguf", "blob_id": None, "sha256": content("a")},
    ]
    assert ask("select count(*) as n from changes where kind = 'changed file'") == [{"n": 0}]


def test_what_a_visit_measured_outlives_the_next_listing(store: Store, run: RunRecord, ask: Ask) -> None:
    store.save_page(run, "", page([1]))
    store.save_enrichments(run, [(enrichment(1), 0)])
    store.save_page(run, "", page([1], likes=77, tags=("gguf", "new-tag")))
    assert ask("select likes, quant_measured, depth from models") == [
        {"likes": 77, "quant_measured": "Q4_0", "depth": "headers"}
    ]


def test_same_bytes_are_read_once_for_all_repos(store: Store, run: RunRecord, ask: Ask) -> None:
    store.save_page(run, "", page([1, 2]))
    store.save_enrichments(run, [(enrichment(1), 0)])
    store.save_enrichments(run, [(replace(enrichment(2), headers=()), 0)])
    assert ask("select count(*) as n from headers") == [{"n": 1}]
    assert ask("select count(distinct header) as n, count(header) as linked from artifacts_wide") == [
        {"n": 1, "linked": 2}
    ]


# ---- walks ----------------------------------------------------------------------------------------------------------


def test_a_walk_resumes_and_closes(store: Store, clock: Clock) -> None:
    first = store.start_run("full", "", "https://hub.example")
    store.save_page(first, "", page([1, 2], "b"))
    store.finish_run(replace(first, outcome="stopped", finished_at=clock.now))
    assert store.position("", "full") == ListingPosition("b") and not store.has_full_listing("")
    second = store.start_run("full", "", "https://hub.example")
    store.save_page(second, "", page([3], None, last_modified=datetime(2026, 5, 30, tzinfo=UTC)))
    assert store.position("", "full") is None and store.has_unchecked_listing("")
    store.finish_run(replace(second, outcome="complete", finished_at=clock.now))
    assert store.has_full_listing("") and not store.has_unchecked_listing("")
    assert store.watermark("") == datetime(2026, 5, 30, tzinfo=UTC)


def test_what_a_whole_walk_did_not_see_is_missing_until_looked_for(store: Store, clock: Clock, ask: Ask) -> None:
    first = store.start_run("full", "", "https://hub.example")
    store.save_page(first, "", page([1, 2, 3]))
    store.finish_run(replace(first, outcome="complete", finished_at=clock.now))
    clock.pass_(days=1)
    second = store.start_run("full", "", "https://hub.example")
    store.save_page(second, "", page([1, 4]))
    missing = list(store.missing(""))
    assert [wanted.repo_id for wanted in missing] == [repo(2).repo_id, repo(3).repo_id]
    store.record_missing("", [wanted.hub_id for wanted in missing])
    assert store.record_probe(repo(2).hub_id, found=False, at=clock.now) == 1
    assert store.record_probe(repo(3).hub_id, found=True, at=clock.now) == 0
    clock.pass_(hours=1)
    assert [wanted.repo_id for wanted in store.unconfirmed_missing(clock.now)] == [repo(2).repo_id]
    assert store.unconfirmed_missing(second.started_at) == [], "each is requested once a run"
    assert store.record_probe(repo(2).hub_id, found=False, at=clock.now) == 2
    assert store.set_status(second, repo(2).hub_id, "gone")
    assert not store.set_status(second, repo(2).hub_id, "gone")
    assert store.unconfirmed_missing(clock.now) == []
    assert ask("select kind, after from changes where kind = 'gone'") == [{"kind": "gone", "after": "gone"}]
    store.save_page(second, "", page([2]))
    assert ask("select kind from changes where kind = 'back'") == [{"kind": "back"}]


def test_a_walk_of_a_filter_misses_only_what_the_filter_shows(store: Store, clock: Clock) -> None:
    scope, about_bob = "author=bob", RepoFilter(authors=("bob",))
    first = store.start_run("full", "", "https://hub.example")
    store.save_page(first, "", page([1]))
    store.save_page(first, "", page([2, 3], author="bob"))
    clock.pass_(days=1)
    second = store.start_run("full", scope, "https://hub.example")
    store.save_page(second, scope, page([2], author="bob"))
    assert [wanted.hub_id for wanted in store.missing(scope, about_bob)] == [repo(3).hub_id]


def test_a_crawl_that_died_is_closed_by_the_next(store: Store, ask: Ask) -> None:
    store.start_run("full", "", "https://hub.example")
    with store._writing() as rows:
        rows.execute("update crawl_runs set pid = ?", (2**22 + 1,))  # greater than any process number
    store.start_run("full", "", "https://hub.example")
    assert [row["outcome"] for row in ask("select outcome from crawl_runs order by id")] == ["failed", None]


# ---- one crawl at a time --------------------------------------------------------------------------------------------


def test_one_crawl_holds_a_file(sqlite_db: str) -> None:
    with Store.open(sqlite_db) as one, Store.open(sqlite_db) as other:
        with one.crawling(), pytest.raises(CatalogLocked, match="is held by a crawl: process"), other.crawling():
            pass
        with other.crawling():
            pass


def test_the_lock_of_a_dead_crawl_is_taken_over(sqlite_db: str) -> None:
    with Store.open(sqlite_db) as store:
        with store._writing() as rows:
            columns = "name, pid, host, started_at, seen_at, token"
            moment = "2026-06-01T12:00:00.000Z"
            values = ("crawl", 1, "a-container-that-is-no-more", moment, moment, "t")
            rows.execute(f"insert into crawl_locks ({columns}) values (?, ?, ?, ?, ?, ?)", values)
        with store.crawling():
            pass


def test_a_server_serves_several_crawls(postgresql: Any) -> None:
    url = postgresql.create("catalog_template")
    with Store.open(url) as one, Store.open(url) as other, one.crawling(), other.crawling():
        first = one.start_run("full", "", "https://hub.example")
        second = other.start_run("full", "", "https://hub.example")
        one.save_page(first, "", page([1, 2]))
        other.save_page(second, "", page([3, 4]))
        one.save_page(first, "", page([5]))  # its memory of numbers is older than the other's rows
    with CatalogReader(url) as reader:
        assert reader.all("select count(*) as n from models") == [{"n": 5}]


def test_no_catalog_is_made_by_looking_for_one(tmp_path: Any) -> None:
    with pytest.raises(CatalogMissing):
        Store.open(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


# ---- labels, offline ------------------------------------------------------------------------------------------------


def test_what_the_listing_said_comes_back_as_it_was(store: Store, run: RunRecord) -> None:
    record = repo(1, config={"model_type": "gemma3"}, safetensors={"total": 7}, gguf={"total": 8}, extra={"new": [1]})
    store.save_page(run, "", Page(((record, labelled()),), (), None))
    assert store.load_repos([record.hub_id, "unknown"]) == {record.hub_id: record}


def test_relabelling_needs_no_network_and_touches_only_stale_repos(
    store: Store, run: RunRecord, clock: Clock, ask: Ask
) -> None:
    store.save_page(run, "", page([1, 2]))
    store.save_enrichments(run, [(enrichment(1), 0)])
    newer = labelled(vocabulary="v2", family="gemma3")
    newer = replace(newer, edges=(EdgeRecord("google/gemma-3", "finetune", "name"),))
    (batch,) = store.stale_batches("v2")
    assert [item.record.hub_id for item in batch] == [repo(1).hub_id, repo(2).hub_id]
    assert batch[0].headers == {"a-Q4_0.gguf": enrichment(1).headers[0]}
    assert [item.depth for item in batch] == ["headers", "listing"]
    done = [Relabelled(item, newer, tuple((artifact, newer) for artifact in item.artifacts)) for item in batch]
    rehearsal = store.save_labels(run, done, dry_run=True)
    assert ask("select distinct family from models") == [{"family": "gemma"}]
    assert store.save_labels(run, done) == rehearsal
    assert (rehearsal.repos, rehearsal.labels) == (2, 3)
    assert dict(rehearsal.fields) == {"family": 2, "quant_measured": 1}
    assert rehearsal.examples[0] == LabelDifference(repo(1).repo_id, "family", "gemma", "gemma3")
    assert ask("select distinct family from models") == [{"family": "gemma3"}]
    assert list(store.stale_batches("v2")) == [] and ask("select * from stale_labels") == []
    assert ask("select distinct parent, declared from parents order by parent") == [
        {"parent": "google/gemma-3", "declared": False},
        {"parent": "google/gemma-3-4b-it", "declared": True},
    ]


def test_a_rehearsal_of_relabelling_needs_no_lock(sqlite_db: str, clock: Clock) -> None:
    with Store.open(sqlite_db, create=True, clock=clock) as store:
        store.save_page(store.start_run("full", "", "https://hub.example"), "", page([1]))
        (batch,) = store.stale_batches("v2")
        done = [Relabelled(batch[0], labelled(vocabulary="v2", family="gemma3"))]
        with closing(sqlite3.connect(sqlite_db, isolation_level=None)) as other:
            other.execute("begin immediate")
            rehearsal = store.save_labels(None, done, dry_run=True)
        assert store.save_labels(None, done) == rehearsal and dict(rehearsal.fields) == {"family": 1}


def test_labels_of_a_repo_that_changed_meanwhile_are_not_written(store: Store, run: RunRecord, ask: Ask) -> None:
    store.save_page(run, "", page([1]))
    (batch,) = store.stale_batches("v2")
    store.save_page(run, "", page([1], license="mit"))
    assert store.save_labels(run, [Relabelled(batch[0], labelled(vocabulary="v2", family="x"))]).repos == 0
    assert ask("select family from models") == [{"family": "gemma"}]


def test_a_failed_visit_waits_and_a_settled_one_is_done(store: Store, run: RunRecord, clock: Clock, ask: Ask) -> None:
    store.save_page(run, "", page([1, 2]))
    one, two = store.claim(2, "headers")
    store.record_failure(one, [Skipped(one.repo_id, "failed", "timeout", clock.now)], run, settled=None)
    store.record_failure(two, [Skipped(two.repo_id, "gated", "ask", clock.now)], run, settled="headers")
    assert store.claim(2, "headers") == []
    clock.pass_(hours=2)
    assert [wanted.hub_id for wanted in store.claim(2, "headers")] == [one.hub_id]
    assert ask("select reason from skips order by reason") == [{"reason": "failed"}, {"reason": "gated"}]

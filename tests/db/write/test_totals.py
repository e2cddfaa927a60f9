"""Totals stay what they count, whatever is written: new, changed, counted, read, relabelled, renamed and gone repos.

The fixture of the tests of the store compares all totals after each of them; here are the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from analysis.catalog.catalog_status import STATES
from analysis.query.reader import CatalogReader
from db.derive.totals import ARTIFACTS_SQL, MODELS_SQL, Model, count
from db.labels import Labels
from db.maintain.check import check
from db.maintain.optimize import optimize
from db.records import Labelled, RunRecord, Skipped
from db.write.store import Store
from tests.db.made import NOON, enrichment, labelled, page, repo


@pytest.fixture
def store(db: str) -> Iterator[Store]:
    with Store.open(db, clock=lambda: NOON) as store:
        yield store


@pytest.fixture
def run(store: Store) -> RunRecord:
    return store.start_run("full", "", "https://hub.example")


def group(db: str, of: str, a: str, b: str = "") -> dict[str, Any]:
    """A row of totals without what is 0 or unknown; empty where there is none."""
    with CatalogReader(db) as reader:
        rows = reader.all("select * from totals where of = :of and a = :a and b = :b", {"of": of, "a": a, "b": b})
    return {name: value for row in rows for name, value in row.items() if value and name not in ("of", "a", "b")}


def members(db: str, of: str, a: str) -> dict[str, int]:
    with CatalogReader(db) as reader:
        rows = reader.all("select member, repos from total_members where of = :of and a = :a", {"of": of, "a": a})
    return {row["member"]: row["repos"] for row in rows}


def checked(db: str) -> str:
    """What `db check` says of the totals; empty where they are right."""
    (finding,) = [each for each in check(db) if each.check == "totals"]
    return finding.detail


def test_a_page_counts_its_models(store: Store, run: RunRecord, db: str) -> None:
    store.save_page(run, "", page([1, 2]))
    store.save_page(run, "", page([3], gated="manual", license=None, downloads=None, author="other"))
    family = group(db, "family", "gemma")
    assert (family["repos"], family["quantized_repos"], family["counted_repos"]) == (3, 3, 2)
    assert (family["gated_repos"], family["manual_repos"], family["downloads"], family["likes"]) == (1, 1, 300, 6)
    assert members(db, "family author", "gemma") == {"acme": 2, "other": 1}
    assert members(db, "family version", "gemma") == {"3": 3}
    assert members(db, "family scheme", "gemma") == {"Q4_0": 3}  # of the labels, as no file was read
    assert group(db, "licence", "gemma")["repos"] == 1 and group(db, "licence", "gemma", "gemma")["repos"] == 2
    assert group(db, "tuning", "instruct")["quantized_repos"] == 3
    assert group(db, "year", "2026", "Q4_0") == {"repos": 3, "counted_repos": 2, "downloads": 300}
    assert checked(db) == ""


def test_counters_and_another_family_move_what_was_counted(store: Store, run: RunRecord, db: str) -> None:
    store.save_page(run, "", page([1, 2]))
    store.save_page(run, "", page([1], downloads=1000))
    assert group(db, "family", "gemma")["downloads"] == 1200
    listed = ((repo(1, sha="a" * 40, license="mit", downloads=7), labelled(family="llama", tuning=())),)
    store.save_page(run, "", replace(page([]), repos=listed))
    assert group(db, "family", "gemma")["downloads"] == 200 and group(db, "family", "llama")["downloads"] == 7
    store.set_status(run, repo(2).hub_id, "gone")
    assert group(db, "family", "gemma") == {} and members(db, "family author", "gemma") == {}
    assert group(db, "task", "text-generation")["repos"] == 1
    assert checked(db) == ""


def test_artifacts_are_counted_and_their_repo_once(store: Store, run: RunRecord, db: str) -> None:
    store.save_page(run, "", page([1, 2]))
    store.save_enrichments(run, [(enrichment(1, files=("a.gguf", "b.gguf")), 0), (enrichment(2, quant="Q8_0"), 0)])
    both = group(db, "format", "gguf", "gguf")
    assert (both["artifacts"], both["repos"], both["sized_artifacts"]) == (3, 2, 3)
    assert both["total_size"] == 1001 + 1001 + 1002
    assert group(db, "scheme", "Q4_0")["microbits"] == 2 * 6_400_000
    assert group(db, "scheme", "Q4_0")["repos"] == 1 and group(db, "year", "2026", "Q4_0")["artifacts"] == 2
    assert members(db, "family scheme", "gemma") == {"Q4_0": 1, "Q8_0": 1}
    assert group(db, "qat", "gemma", "0")["most"] == 1002
    store.save_enrichments(run, [(enrichment(2, files=()), 0)])
    assert group(db, "scheme", "Q8_0") == {} and group(db, "qat", "gemma", "0")["most"] == 1001
    assert checked(db) == ""


def test_tags_evidence_and_kinds_are_counted(store: Store, run: RunRecord, db: str) -> None:
    tags = ("dataset:a/b", "arxiv:2401.00001", "dataset:a/b", "region:us")
    store.save_page(run, "", page([1, 2], tags=tags))
    store.save_page(run, "", page([3], tags=("dataset:a/b",), author="other"))
    named = group(db, "dataset", "a/b")
    assert (named["repos"], named["counted_repos"], named["downloads"]) == (3, 3, 600)
    assert members(db, "dataset author", "a/b") == {"acme": 2, "other": 1}
    assert group(db, "arxiv", "2401.00001")["repos"] == 2 and group(db, "region", "us") == {}
    with CatalogReader(db) as reader:
        pieces = reader.all("select sum(pieces) as n, sum(decided) as d from evidence_totals")
        stored = reader.all("select count(*) as n, sum(case when resolved then 1 else 0 end) as d from label_evidence")
    assert pieces == stored == [{"n": 6, "d": 6}]
    store.set_status(run, repo(3).hub_id, "gone")
    assert group(db, "dataset", "a/b")["repos"] == 2 and members(db, "dataset author", "a/b") == {"acme": 2}
    assert checked(db) == ""


def test_the_last_time_is_found_again_when_its_repo_is_gone(store: Store, run: RunRecord, db: str) -> None:
    store.save_page(run, "", page([1], created_at=datetime(2026, 3, 1, tzinfo=UTC)))
    store.save_page(run, "", page([2], created_at=datetime(2026, 4, 1, tzinfo=UTC)))
    store.save_page(run, "", page([3], created_at=datetime(2026, 2, 1, tzinfo=UTC)))
    assert group(db, "family", "gemma")["first"].startswith("2026-02-01")
    store.set_status(run, repo(2).hub_id, "gone")
    assert group(db, "family", "gemma")["last"].startswith("2026-03-01")
    assert group(db, "day", "gemma", "2026-04-01") == {}


def test_check_finds_a_wrong_total_and_optimize_counts_again(store: Store, run: RunRecord, db: str) -> None:
    store.save_page(run, "", page([1, 2]))
    right = group(db, "family", "gemma")
    with store._writing() as rows:
        rows.execute("update totals set downloads = downloads + 1 where of = 'family'")
        rows.execute("delete from total_members where of = 'tuning family'")
        rows.execute("update author_totals set likes = 0")
    store.close()
    assert checked(db).startswith("not what they count: author_totals, family, tuning family; hf-catalog db optimize")
    optimize(db)
    assert checked(db) == "" and group(db, "family", "gemma") == right


def test_parameters_decide_the_size_class() -> None:
    def model(parameters: int | None, measured: int | None) -> Model:
        values: dict[str, Any] = dict.fromkeys(Model.__slots__)
        values |= {"status": "available", "type": "model", "depth": "listing", "is_labelled": True}
        values |= {"parameters": parameters, "parameters_measured": measured}
        return Model(**values)

    sizes = [(999_999_999, None), (10**9, None), (10**9, 15 * 10**10), (0, None), (None, None)]
    models = [model(claimed, measured) for claimed, measured in sizes]
    groups = count(models, ()).groups
    assert {a: (row.repos, row.measured_repos) for (of, a, _), row in groups.items() if of == "size"} == {
        "0": (1, 0),
        "1": (1, 0),
        "5": (1, 1),
    }


def test_the_columns_that_are_read_are_those_that_are_counted() -> None:
    assert MODELS_SQL.split("from repos")[0].count(",") == len(Model.__slots__) + 1  # two in a call of substr
    assert ARTIFACTS_SQL.split("from")[0].count(",") == 11


def states(db: str) -> dict[tuple[str, str, str], int]:
    """Repos by type, status and depth, as `status` shows them."""
    with CatalogReader(db) as reader:
        return {(row["type"], row["status"], row["depth"]): row["n"] for row in reader.all(STATES)}


def test_repos_are_counted_by_type_status_and_depth(store: Store, run: RunRecord, db: str) -> None:
    store.save_page(run, "", page([1, 2]))
    dataset = (repo(3, type="dataset"), Labelled(Labels(), ()))
    store.save_page(run, "", replace(page([]), repos=(dataset,)))
    assert states(db) == {("model", "available", "listing"): 2, ("dataset", "available", "listing"): 1}
    store.save_enrichments(run, [(enrichment(1, files=("a.gguf", "b.gguf")), 0)])
    assert states(db)["model", "available", "headers"] == 1
    assert group(db, "all", "")["artifacts"] == 2
    store.save_page(run, "", page([1], sha="c" * 40))  # another commit: what was read is of an earlier one
    assert states(db) == {("model", "available", "listing"): 2, ("dataset", "available", "listing"): 1}
    store.set_status(run, repo(2).hub_id, "gone")
    assert states(db)["model", "gone", "listing"] == 1 and states(db)["model", "available", "listing"] == 1
    assert checked(db) == ""


def test_a_failure_that_settles_a_repo_or_has_it_read_again_moves_its_state(
    store: Store, run: RunRecord, db: str
) -> None:
    store.save_page(run, "", page([1]))
    (leased,) = store.claim(1, "files")
    skip = Skipped(leased.repo_id, "gated", "ask", NOON)
    store.record_failure(leased, [skip], run, settled="files")
    assert states(db) == {("model", "available", "files"): 1}
    store.record_failure(leased, [], run, settled=None, repeat=True)
    assert states(db) == {("model", "available", "listing"): 1}
    assert checked(db) == ""

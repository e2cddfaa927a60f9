"""The views: their columns are a contract, and what they say of history and lineage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis.query.reader import CatalogReader, run_query
from db.records import EdgeRecord, ListingPosition, Page, RepoRecord
from db.schema.documentation import document, view_columns
from db.write.store import Store
from tests.db.made import NOON, enrichment, fill, labelled, page, repo

PROMISED = {
    "models": "repo_id hub_id author sha created_at last_modified downloads likes gated status pipeline_tag"
    " library_name license family version base_family base_version release size parameters"
    " active_parameters parameters_measured active_parameters_measured tuning specialty format quantized"
    " quant quant_method bits quant_measured bits_per_weight qat imatrix dynamic context context_measured"
    " architecture base_model base_model_relation total_size artifact_count first_seen last_seen",
    "artifacts_wide": "repo_id artifact role format quant quant_method bits quant_measured bits_per_weight"
    " parameters_measured active_parameters_measured file_count total_size architecture context_measured"
    " imatrix dynamic qat",
    "quantized_models": "repo_id author family version size format quant quant_measured quant_method bits"
    " bits_per_weight qat imatrix dynamic parameters total_size downloads base_model base_downloads",
    "files": "repo_id path size blob_id sha256",
    "replaced_files": "repo_id path size sha256 sha until current_size current_sha256",
    "label_conflicts": "repo_id artifact field claimed claimed_by measured measured_by",
    "repo_schemes": "repo_id quant quantized artifacts total_size author downloads family base_model",
    "label_evidence": "repo artifact evidence resolved",
    "labels": "repo_id artifact field value source rule weight resolved",
    "families": "family repos quantized_repos authors versions quants downloads likes total_size",
    "parents": "repo_id parent parent_id relation source declared",
    "model_tags": "repo_id kind value",
    "datasets_used": "dataset models authors downloads first_model",
    "papers": "kind paper models authors downloads first_model",
    "authors": "author kind repos downloads likes first_created last_modified first_seen",
    "cards": "repo_id author sha bytes fields fields_filled placeholders intended_use limits bias training_data"
    " evaluation environment is_current read_at downloads",
    "roots": "repo_id depth roots root missing",
    "lineage": "repo_id ancestor relation declared depth missing cycle root",
    "metrics_daily": "repo_id family quant day downloads likes trending_score downloads_change likes_change",
    "changes": "seen_at repo_id kind subject before after run_id author family quant downloads",
    "stale_labels": "repo_id reason vocabulary depth downloads last_modified",
    "unclaimed_tokens": "token repos authors downloads example",
    **dict.fromkeys(
        ("datasets", "spaces"), "repo_id hub_id author likes status license total_size file_count last_seen"
    ),
    "links": "repo_id type target_type target source",
    "revisions": "repo_id name kind sha is_main file_count total_size seen_at",
    "revision_files": "repo_id sha path size blob_id sha256",
    "leaderboard_results": "dataset rank model value verified source",
    "other_files": "repo_id type path size blob_id sha256",
    "all_changes": "seen_at repo_id type kind subject before after run_id",
    "security_findings": "repo_id kind subject value source at downloads",
    "license_conflicts": "repo_id license_spdx base_model base_license relation reason family downloads",
}
TABLES = {
    "crawl_runs": "id started_at finished_at outcome repos_seen repos_changed repos_skipped api_requests"
    " resolver_requests bytes_read seconds_waited",
    "skips": "repo_id reason detail seen_at",
}


EMPTY = {
    "datasets", "spaces", "other_files", "security_findings", "license_conflicts", "datasets_used", "papers",
}  # fmt: skip
"""Views without rows in a catalog of models."""


@pytest.mark.parametrize("name", [*PROMISED, *TABLES])
def test_promised_columns_are_there_and_answer(db: str, name: str) -> None:
    fill(db)
    columns = {**PROMISED, **TABLES}[name].split()
    with CatalogReader(db) as reader:
        rows = reader.rows(f"select {', '.join(columns)} from {name}")
        assert rows.columns == tuple(columns)
        assert bool(list(rows)) is (name not in EMPTY)


def test_every_view_is_promised_and_every_column_explained() -> None:
    views = view_columns()
    assert views.keys() == PROMISED.keys()
    for name, columns in views.items():
        assert set(PROMISED[name].split()) <= columns.keys()
        assert all(kind and text for kind, text in columns.values()), name


def test_the_document_is_what_the_schema_says() -> None:
    written = (Path(__file__).resolve().parents[3] / "docs" / "schema.md").read_text(encoding="utf-8")
    assert written == "\n".join(document()).rstrip("\n") + "\n", (
        "generate it again: python -m db.schema.documentation > docs/schema.md"
    )


# ---- history --------------------------------------------------------------------------------------------------------


def test_what_a_model_looked_like_on_a_day(db: str) -> None:
    moment = NOON  # 2026-06-01
    with Store.open(db, clock=lambda: moment) as store:
        crawl = store.start_run("full", "", "https://hub.example")
        store.save_page(crawl, "", page([1]))
        moment += timedelta(days=3)
        store.save_page(crawl, "", page([1], downloads=500))
        moment += timedelta(days=3)
        later = repo(1, repo_id="acme/renamed", sha="e" * 40, gated="auto", downloads=900)
        store.save_page(crawl, "", Page(((later, labelled(quant="Q8_0", version=None)),), (), None))
    first = {"repo_id": repo(1).repo_id, "sha": repo(1).sha, "status": "available", "quant": "Q4_0", "version": "3"}
    assert on(db, "2026-06-01").items() >= {**first, "downloads": "100"}.items()
    assert on(db, "2026-06-05").items() >= {**first, "downloads": "500"}.items()
    now = {"repo_id": "acme/renamed", "sha": "e" * 40, "status": "gated", "quant": "Q8_0", "version": None}
    assert on(db, "2026-06-07").items() >= {**now, "downloads": "900"}.items()
    assert on(db, "2026-05-31") == {}


def on(db: str, day: str) -> dict[str, str | None]:
    with run_query(db, "on-date", {"model": "acme/renamed", "day": day}, any_role=True) as rows:
        return {row["field"]: row["value"] for row in rows.dicts()}


def test_a_full_sweep_renews_last_seen_without_writing_every_row(db: str) -> None:
    from dataclasses import replace

    moment = NOON
    with Store.open(db, clock=lambda: moment) as store:
        crawl = store.start_run("full", "", "https://hub.example")
        store.save_page(crawl, "", page([1, 2]))
        moment += timedelta(days=5)
        crawl = store.start_run("full", "", "https://hub.example")
        store.save_page(crawl, "", page([1]))
        store.record_missing("", [repo(2).hub_id])
        store.finish_run(replace(crawl, outcome="complete", finished_at=moment))
    with CatalogReader(db) as reader:
        seen = {row["repo_id"]: row["last_seen"][:10] for row in reader.all("select repo_id, last_seen from models")}
    assert seen == {repo(1).repo_id: "2026-06-06", repo(2).repo_id: "2026-06-01"}


# ---- lineage --------------------------------------------------------------------------------------------------------


def made_from(number: int, repo_id: str, *parents: tuple[str, str], source: str = "card") -> RepoRecord:
    edges = tuple(EdgeRecord(parent, relation, source) for parent, relation in parents)  # type: ignore[arg-type]
    return repo(number, repo_id=repo_id, edges=edges)


@pytest.fixture
def lineage(db: str) -> Iterator[CatalogReader]:
    """base <- tuned <- quant, by an older name and in other letters; circles; a parent that is not held."""
    records = [
        made_from(1, "maker/base"),
        made_from(2, "tuner/tuned", ("maker/Base", "finetune")),
        made_from(3, "quanter/quant", ("tuner/old-name", "quantized")),
        made_from(4, "a/one", ("a/two", "merge")),
        made_from(5, "a/two", ("a/one", "merge")),
        made_from(6, "b/orphan", ("nobody/knows", "finetune")),
        made_from(7, "c/selfish", ("c/selfish", "finetune")),
    ]
    with Store.open(db) as store:
        crawl = store.start_run("full", "", "https://hub.example")
        before = repo(2, repo_id="tuner/old-name", edges=())
        store.save_page(crawl, "", Page(((before, labelled()),), (), ListingPosition("next")))
        store.save_page(crawl, "", Page(tuple((record, labelled()) for record in records), (), None))
    with CatalogReader(db) as reader:
        yield reader


def line(reader: CatalogReader, repo_id: str) -> list[tuple[Any, ...]]:
    names = ("ancestor", "relation", "depth", "missing", "cycle", "root")
    sql = f"select {', '.join(names)} from lineage where repo_id = :id order by depth"
    return [
        tuple(int(v) if isinstance(v, bool) else v for v in row.values()) for row in reader.all(sql, {"id": repo_id})
    ]


def test_ancestors_with_relation_and_depth(lineage: CatalogReader) -> None:
    assert line(lineage, "quanter/quant") == [
        ("tuner/tuned", "quantized", 1, 0, 0, 0),
        ("maker/base", "finetune", 2, 0, 0, 1),
    ]


def test_a_parent_that_the_catalog_does_not_hold(lineage: CatalogReader) -> None:
    assert line(lineage, "b/orphan") == [("nobody/knows", "finetune", 1, 1, 0, 0)]


def test_circles_end(lineage: CatalogReader) -> None:
    assert line(lineage, "a/one") == [("a/two", "merge", 1, 0, 0, 0), ("a/one", "merge", 2, 0, 1, 0)]
    assert line(lineage, "c/selfish") == [("c/selfish", "finetune", 1, 0, 1, 0)]


def test_descendants_of_the_root_through_other_names_and_cases(lineage: CatalogReader, db: str) -> None:
    with run_query(db, "descendants", {"model": "MAKER/base"}, any_role=True) as rows:
        found = [(row["depth"], row["repo_id"], row["relation"]) for row in rows.dicts()]
    assert found[0] == (1, "tuner/tuned", "finetune")
    with run_query(db, "descendants", {"model": "tuner/tuned"}, any_role=True) as rows:
        assert [row["repo_id"] for row in rows.dicts()] == ["quanter/quant"]


def test_a_declared_parent_goes_before_an_inferred_one(db: str) -> None:
    edges = (
        EdgeRecord("x/base", "unknown", "tag"),
        EdgeRecord("x/base", "quantized", "card"),
        EdgeRecord("x/base", "finetune", "name"),
        EdgeRecord("x/same-name", "quantized", "name"),
    )
    with Store.open(db) as store:
        crawl = store.start_run("full", "", "https://hub.example")
        store.save_page(crawl, "", Page(((repo(1, edges=edges), labelled()),), (), None))
    with CatalogReader(db) as reader:
        rows = reader.all("select parent, relation, source, declared from parents order by parent")
    assert rows == [
        {"parent": "x/base", "relation": "quantized", "source": "card", "declared": True},
        {"parent": "x/same-name", "relation": "quantized", "source": "name", "declared": False},
    ]


def clock_at(moment: datetime) -> Callable[[], datetime]:
    """A clock that always shows the same moment."""
    return lambda: moment


def test_a_vocabulary_that_is_taken_up_again_is_the_current_one(db: str) -> None:
    for number, vocabulary in enumerate(("v1", "v2", "v1"), 1):
        moment = NOON + timedelta(days=number - 1)
        with Store.open(db, clock=clock_at(moment)) as store:
            crawl = store.start_run("full", "", "https://hub.example")
            store.save_page(
                crawl, "", Page(((repo(number), labelled(vocabulary=vocabulary)),), (), ListingPosition("next"))
            )
    with CatalogReader(db) as reader:
        assert reader.all("select repo_id, vocabulary from stale_labels") == [
            {"repo_id": repo(2).repo_id, "vocabulary": "v2"}
        ]


def test_labels_that_a_visit_outdated_are_stale(db: str) -> None:
    moment: datetime = NOON
    with Store.open(db, clock=lambda: moment) as store:
        crawl = store.start_run("full", "", "https://hub.example")
        store.save_page(crawl, "", page([1, 2]))
        store.save_enrichments(crawl, [(enrichment(1), 0)])
        store.save_page(crawl, "", page([1], sha="d" * 40))
        fresh = (repo(3), labelled(vocabulary="v2"))
        store.save_page(crawl, "", Page((fresh,), (), None))
    with CatalogReader(db) as reader:
        rows = reader.all("select repo_id, reason from stale_labels order by repo_id")
    assert rows == [
        {"repo_id": repo(1).repo_id, "reason": "vocabulary"},
        {"repo_id": repo(2).repo_id, "reason": "vocabulary"},
    ]

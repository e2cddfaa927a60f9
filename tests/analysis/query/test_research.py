"""The saved queries for research: the right numbers on small catalogs made for each, on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analysis.query.reader import CatalogReader, run_query
from db.record_base import RepoKind
from db.records import EdgeRecord, Page, RepoRecord
from db.write.store import Store
from tests.db.made import labelled

START = datetime(2024, 2, 28, 12, 0, tzinfo=UTC)


def ask(db: str, query: str, **parameters: str) -> list[dict[str, Any]]:
    with run_query(db, query, parameters, any_role=True) as rows:
        return list(rows.dicts())


def repo(number: int, repo_id: str, *parents: str, **values: Any) -> RepoRecord:
    return RepoRecord(
        f"{number:024x}",
        repo_id,
        repo_id.partition("/")[0],
        created_at=START + timedelta(days=30 * number),
        edges=tuple(EdgeRecord(parent, "finetune", "card") for parent in parents),
        **values,
    )


def store(db: str, *days: tuple[int, list[tuple[RepoRecord, dict[str, Any]]]]) -> None:
    """Writes listings of repos with their labels, each at its number of days after START."""
    moment = START
    with Store.open(db, clock=lambda: moment) as opened:
        run = opened.start_run("full", "", "https://hub.example")
        for day, repos in days:
            moment = START + timedelta(days=day)
            opened.save_page(run, "", Page(tuple((each, labelled(**labels)) for each, labels in repos), (), None))


def test_tags_by_what_they_are_about(small_on_both: str) -> None:
    with CatalogReader(small_on_both) as reader:
        found = reader.all("select kind, value from model_tags where repo_id = 'someone/plain-writer-1b' order by kind")
        languages = reader.all("select repo_id from model_tags where kind = 'language' and value = 'de'")
    assert [tuple(row.values()) for row in found] == [
        ("arxiv", "2401.00001"), ("dataset", "acme/corpus"), ("doi", "10.1/x"), ("other", "en"), ("region", "us"),
    ]  # fmt: skip
    assert [row["repo_id"] for row in languages] == ["google/gemma-3-4b-it"]


def test_a_tag_that_is_a_language_is_not_listed_twice(db: str) -> None:
    tags = ("en", "eng", "license:mit", "base_model:a/b", "x" * 20)
    store(db, (0, [(repo(1, "a/tagged", tags=tags), {"languages": ("en", "multilingual")})]))
    with CatalogReader(db) as reader:
        found = reader.all("select kind, value from model_tags order by kind, value")
    assert [tuple(row.values()) for row in found] == [
        ("base_model", "a/b"), ("language", "en"), ("language", "multilingual"), ("license", "mit"), ("other", "eng"),
        ("other", "x" * 20),
    ]  # fmt: skip


def test_datasets_papers_and_authors(db: str) -> None:
    tags = ("dataset:d/one", "arxiv:2401.00001")
    first = repo(1, "a/first", tags=(*tags, "dataset:d/two"), downloads=10, likes=1)
    second = repo(2, "a/second", tags=tags, downloads=5)
    third = repo(3, "b/third", tags=("dataset:d/one", "doi:10.1/x"))
    store(db, (0, [(each, {}) for each in (first, second, third)]))
    with CatalogReader(db) as reader:
        authors = reader.all("select author, repos, downloads, likes from authors order by author")
    assert [tuple(row.values()) for row in authors] == [("a", 2, 15, 1), ("b", 1, None, None)]
    used = [tuple(row.values())[:4] for row in ask(db, "dataset-use")]
    assert used == [("d/one", 3, 2, 15), ("d/two", 1, 1, 10)]
    papers = [tuple(row.values())[:5] for row in ask(db, "papers-by-models")]
    assert papers == [("arxiv", "2401.00001", 2, 1, 15), ("doi", "10.1/x", 1, 1, None)]


def test_growth_by_month_and_kind(db: str) -> None:
    kinds: list[RepoKind | None] = ["original", "finetune", "quantized", None]
    repos = [(repo(number, f"a/m{number}"), {"kind": kind}) for number, kind in enumerate(kinds)]
    store(db, (0, repos))
    found = [(row["month"], row["new_repos"], row["repos_until_then"], row["unknown"]) for row in ask(db, "growth")]
    assert found == [("2024-05", 1, 4, 1), ("2024-04", 1, 3, 0), ("2024-03", 1, 2, 0), ("2024-02", 1, 1, 0)]
    unfinished = [bool(row["unfinished"]) for row in ask(db, "growth")]
    assert unfinished == [True, True, True, True]


def test_kinds_and_their_shares(small_on_both: str) -> None:
    found = [(row["kind"], row["repos"], float(row["percent_of_repos"])) for row in ask(small_on_both, "kinds")]
    assert found == [("quantized", 8, 61.5), ("original", 2, 15.4), ("unknown", 2, 15.4), ("adapter", 1, 7.7)]


def test_concentration_is_gini_and_top_shares(db: str) -> None:
    downloads = [70, 20, 10, 0]
    differences = sum(abs(x - y) for x in downloads for y in downloads)
    gini = differences / (2 * len(downloads) * sum(downloads))  # its definition
    repos = [repo(number, f"{'ab'[number % 2]}/m{number}", downloads=n) for number, n in enumerate(downloads)]
    store(db, (0, [(each, {}) for each in repos]))
    found = {(row["among"], row["what"]): row for row in ask(db, "concentration")}
    models = found["models", "downloads"]
    assert (models["counted"], models["total"], models["have_half"]) == (4, 100, 1)
    assert float(models["gini"]) == pytest.approx(gini) == 0.55
    assert float(models["percent_of_top_1_percent"]) == 70.0
    assert float(found["publishers", "repos"]["gini"]) == 0.0
    assert float(found["publishers", "downloads"]["gini"]) == 0.3


def test_licences_of_a_year_and_what_derivatives_make_of_them(db: str) -> None:
    mit = {"license_spdx": "MIT", "license_kind": "permissive"}
    gpl = {"license_spdx": "GPL-3.0-only", "license_kind": "share-alike"}
    made = {"base_model": "a/base", "kind": "finetune"}
    store(
        db,
        (
            0,
            [
                (repo(0, "a/base"), gpl),
                (repo(1, "b/kept", "a/base"), {**gpl, **made}),
                (repo(2, "b/changed", "a/base"), {**mit, **made}),
                (repo(3, "b/silent", "a/base"), made),
            ],
        ),
    )
    found = [(row["license"], row["repos"], float(row["percent_of_year"])) for row in ask(db, "licenses")]
    assert found == [("GPL-3.0-only", 2, 50.0), ("MIT", 1, 25.0), ("no licence stated", 1, 25.0)]
    drifts = {row["license"]: row["drift"] for row in ask(db, "license-drift")}
    assert drifts == {"GPL-3.0-only": "kept", "MIT": "changed, other demands", "no licence stated": "unknown"}


def test_depth_of_the_relation_graph_also_beyond_missing_ancestors(db: str) -> None:
    store(
        db,
        (
            0,
            [
                (repo(0, "a/root"), {}),
                (repo(1, "a/child", "a/root"), {}),
                (repo(2, "a/grandchild", "a/child"), {}),
                (repo(3, "a/orphan", "gone/away"), {}),
                (repo(4, "a/merge", "a/child", "a/orphan"), {}),
            ],
        ),
    )
    with CatalogReader(db) as reader:
        roots = reader.all("select repo_id, depth, roots, root, missing from roots order by repo_id")
    assert [(*list(row.values())[:4], bool(row["missing"])) for row in roots] == [
        ("a/child", 1, 1, "a/root", False),
        ("a/grandchild", 2, 1, "a/root", False),
        ("a/merge", 2, 2, "a/root", True),
        ("a/orphan", 1, 1, "gone/away", True),
    ]
    found = [tuple(row.values())[:4] for row in ask(db, "relation-depth")]
    assert found == [(0, 1, 0, 0), (1, 2, 1, 0), (2, 2, 1, 1)]


def test_formats_of_a_year(small_on_both: str) -> None:
    found = [(row["year"], row["format"], row["repos"]) for row in ask(small_on_both, "formats-over-time")]
    assert found == [("2025", "safetensors", 7), ("2025", "gguf", 6)]


def test_days_until_downloads_are_half_of_their_peak(db: str) -> None:
    """From 28 February 2024, of which the year has a 29th; the median is of the models that fell."""

    def on_day(*downloads: int | None) -> list[tuple[RepoRecord, dict[str, Any]]]:
        return [
            (repo(number, f"a/m{number}", downloads=n), {"kind": "quantized"})
            for number, n in enumerate(downloads)
            if n is not None
        ]

    store(
        db,
        (0, on_day(1000, 500, 400, 90)),
        (2, on_day(500, 600, 300, 10)),
        (4, on_day(400, 301, 201, 5)),
        (366, on_day(300, 300, 200, 1)),
    )
    assert [tuple(row.values()) for row in ask(db, "half-life")] == [("quantized", 3, 0, 364)]
    assert [tuple(row.values()) for row in ask(db, "half-life", min_downloads="50")] == [("quantized", 4, 0, 183)]
    assert [tuple(row.values()) for row in ask(db, "half-life", min_downloads="700")] == [("quantized", 1, 0, 2)]

"""bench.scale runs: every measurement on a small catalog. bench/scale.md has figures of large ones."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from analysis.query.reader import CatalogReader
from bench.imagined import ImaginedHub
from bench.scale import run

REPOS = 60


def options(db: Path, **asked: object) -> Namespace:
    usual = {
        "repos": REPOS,
        "visited": 0.5,
        "names": None,
        "db": db,
        "keep": False,
        "no_raw": False,
        "no_reports": False,
        "calls": 1,
    }
    return Namespace(**usual | asked)


def test_every_measurement_of_a_small_catalog(tmp_path: Path) -> None:
    found = run(options(tmp_path / "scale.db"), tmp_path)
    assert found["check"] == []  # the catalog is intact
    assert found["rows"]["repos"] == REPOS and found["rows"]["enrichments"] == REPOS // 2
    assert found["rows"]["repo_files"] > 3 * REPOS
    assert found["rows"]["metrics"] > 15 * REPOS  # a year of the three repos in ten that are downloaded
    assert 0 < found["load_against_raw"] < 10
    assert found["incremental_page"].keys() == {"unchanged", "counters", "changed"}
    assert found["views"].keys() >= {"models", "lineage"} and len(found["queries"]) > 40
    assert found["export_models_ok"] and found["export_models_bytes"] > 100 * REPOS
    assert found["bytes_vacuumed"] > 0
    with CatalogReader(tmp_path / "scale.db") as reader:
        (row,) = reader.all("select count(*) as n, count(distinct family) as families from models")
    assert row["n"] == REPOS and row["families"] > 10


def test_the_synthetic_hub_is_reproducible_and_has_the_proportions_of_the_real_one() -> None:
    hub = ImaginedHub(10_000)
    assert hub.enrichment(77) == ImaginedHub(10_000).enrichment(77)
    downloads = sorted((hub.repo(number).downloads or 0 for number in range(1, 10_001)), reverse=True)
    assert downloads[0] > 50_000 and downloads[2_999] > 0 == downloads[3_000]  # seven in ten are never downloaded
    assert sum(downloads[:100]) > 0.8 * sum(downloads)  # most downloads are of one in a hundred
    files = [len(hub.enrichment(number).files) for number in range(1, 300)]
    artifacts = [len(hub.enrichment(number).artifacts) for number in range(1, 300)]
    assert 8 <= sum(files) / len(files) <= 11
    assert 1.3 <= sum(artifacts) / len(artifacts) <= 2.5

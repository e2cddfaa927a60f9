"""The lineage around a model, groups of models, and their histories, on the small catalog."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from analysis.catalog import groups as module
from analysis.catalog.groups import MAX_GROUPS, group_by, load_group
from analysis.catalog.history import Series, count_months, load_history, load_sizes
from analysis.catalog.lineage import load_ancestors
from analysis.catalog.neighbours import Neighbour, load_neighbourhood
from analysis.catalog.overview import load_overview, measure_agreement
from analysis.errors import UnknownGroup
from analysis.query.reader import CatalogReader

GEMMA = "google/gemma-3-4b-it"
UNSLOTH = "unsloth/gemma-3-4b-it-GGUF"
LARGE = (("family", "gemma"), ("publisher", "unsloth"))


def test_a_model_stands_between_its_base_and_what_was_made_from_it(small_on_both: str) -> None:
    with CatalogReader(small_on_both) as reader:
        above = load_neighbourhood(reader, UNSLOTH)
        below = load_neighbourhood(reader, GEMMA)
        missing = load_neighbourhood(reader, "halfway/Qwen3-8B-GGUF")
        ancestors = load_ancestors(reader, UNSLOTH)
    assert above.ancestors == [Neighbour(GEMMA, "quantized", "BF16", 900_100, "gemma")] and above.descendants == []
    assert [(group.relation, group.count) for group in below.descendants] == [("quantized", 4)]
    assert [each.downloads for each in below.descendants[0].shown] == [900_100, 120_100, 80_100, 9000]
    assert missing.ancestors == [Neighbour("Qwen/Qwen3-8B", "quantized", None, None, None, known=False)]
    assert ancestors == [(GEMMA, "quantized")]


def test_the_history_of_a_model_has_a_series_of_what_was_counted(small_on_both: str) -> None:
    with CatalogReader(small_on_both) as reader:
        series = load_history(reader, GEMMA)
    assert series[0] == Series("downloads", [("2026-11-01", 900_000), ("2026-11-02", 900_100)])
    assert [each.name for each in series] == ["downloads", "likes"]


def test_the_size_of_a_model_is_counted_back_from_the_changes_of_its_files(tmp_path: Path, small: str) -> None:
    copy = tmp_path / "catalog.db"
    shutil.copy(small, copy)
    with sqlite3.connect(copy) as connection:
        (repo, size) = connection.execute("select id, total_size from repos where repo_id = ?", (UNSLOTH,)).fetchone()
        connection.execute("delete from events where repo = ?", (repo,))
        events = [
            ("2026-10-01T00:00:00.000Z", "new file", None, '{"size": 300}'),
            ("2026-10-05T08:00:00.000Z", "changed file", '{"size": 300}', '{"size": 500}'),
            ("2026-10-05T09:00:00.000Z", "removed file", '{"size": 50}', None),
        ]
        connection.executemany(
            "insert into events (repo, at, kind, subject, before, after) values (?, ?, ?, 'a.gguf', ?, ?)",
            [(repo, *event) for event in events],
        )
    with CatalogReader(copy) as reader:
        assert load_sizes(reader, UNSLOTH) == [
            ("2026-09-30", size - 450), ("2026-10-01", size - 150), ("2026-10-05", size),
        ]  # fmt: skip
        assert load_sizes(reader, GEMMA) == []


def test_a_family_and_a_publisher_are_counted(small_on_both: str) -> None:
    with CatalogReader(small_on_both) as reader:
        family = load_group(reader, "family", "Gemma")
        publisher = load_group(reader, "publisher", "redhatai")
        with pytest.raises(UnknownGroup) as error:
            load_group(reader, "publisher", "unslot")
    assert (family.models, family.quantized, family.is_whole) == (5, 4, True)
    held = {group.name: (group.models, group.downloads) for group in family.quants}
    assert held["Q8_0"] == (2, 200_200), "a scheme that a repo holds beside its own"
    assert held["BF16"] == (1, 900_100) and held["W4A16"] == (1, 9000)
    assert (publisher.name, publisher.downloads, publisher.quants[0].name) == ("RedHatAI", 9000, "W4A16")
    assert error.value.close == ("unsloth",)


def test_of_a_large_group_totals_count_all_models(small_on_both: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the most downloaded models are read."""
    with CatalogReader(small_on_both) as reader:
        whole = {name: load_group(reader, kind, name) for kind, name in LARGE}
        monkeypatch.setattr(module, "MAX_WHOLE", 1)
        monkeypatch.setattr(module, "MAX_MODELS", 1)
        monkeypatch.setattr(module, "MAX_SCANNED", 7)
        for kind, name in LARGE:
            group = load_group(reader, kind, name)
            assert not group.is_whole and group.read < group.models
            assert group.top[0]["repo_id"] == whole[name].top[0]["repo_id"]
            for part in ("models", "quantized", "downloads", "months"):
                assert getattr(group, part) == getattr(whole[name], part), part
            assert (group.first, group.last) == (str(whole[name].first)[:10], str(whole[name].last)[:10])
            if kind == "family":
                licences = [(each.name, each.models, each.downloads) for each in group.licenses]
                assert licences == [("gemma", 5, 2_009_400)]


def test_months_without_a_model_are_counted_too() -> None:
    assert count_months(["2025-11-03", "2025-11-30", "2026-02-01"]) == [
        ("2025-11", 2), ("2025-12", 0), ("2026-01", 0), ("2026-02", 1),
    ]  # fmt: skip
    assert count_months([]) == []


def test_groups_are_ordered_by_downloads_and_few() -> None:
    rows = [{"quant": f"Q{at}", "downloads": at, "created_at": f"2026-01-{at + 1:02}"} for at in range(MAX_GROUPS + 5)]
    rows.append({"quant": "Q3", "downloads": 1000, "created_at": None})
    groups = group_by(rows, "quant")
    assert len(groups) == MAX_GROUPS
    assert (groups[0].name, groups[0].models, groups[0].downloads, groups[0].first) == ("Q3", 2, 1003, "2026-01-04")
    assert groups[1].name == f"Q{MAX_GROUPS + 4}"


def test_the_overview_counts_what_can_be_found(small_on_both: str) -> None:
    with CatalogReader(small_on_both) as reader:
        found = load_overview(reader)
        agreement = {each.label: each for each in measure_agreement(reader)}
    assert found.choices["family"] == [("gemma", 5), ("llama", 3), ("qwen", 2), ("whisper", 1)]
    assert found.choices["author"][0] == ("google", 2) and found.new == []
    assert str(found.crawled) == "2026-11-02T08:00:00.000Z" and found.coverage.repos == 14
    assert (agreement["quant"].checked, agreement["quant"].contradicted) == (13, 1)

"""The list of models with its filters, and one model, on both engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from analysis.catalog.models import SORTS, ModelFilter, find_model, list_models, load_info
from analysis.errors import UnknownModel
from analysis.query.reader import CatalogReader
from tests.analysis.catalog.statements import record_statements
from tests.small_catalog import FORMULA


@pytest.fixture
def reader(small_on_both: str) -> Iterator[CatalogReader]:
    with CatalogReader(small_on_both) as reader:
        yield reader


def ids(reader: CatalogReader, sort: str = "downloads", limit: int | None = None, **fields: Any) -> list[str]:
    return [row["repo_id"] for row in list_models(reader, ModelFilter(**fields), sort=sort, limit=limit)]


# ---- the list -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", SORTS)
def test_every_sort_lists_every_model_once(sort: str, reader: CatalogReader) -> None:
    found = ids(reader, sort)
    assert len(found) == len(set(found)) == 13, "all but the one that is gone"
    assert found[:3] == ids(reader, sort, 3)


@pytest.mark.parametrize("wanted", [{"families": ["gemma"]}, {"quants": ["q4_k_m", "AWQ"]}, {"formats": ["gguf"]}])
def test_common_and_rare_labels_are_found_alike(
    wanted: dict[str, Any], reader: CatalogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = ids(reader, **wanted)
    monkeypatch.setattr("analysis.catalog.models.MAX_INDEX_MATCHES", 0)
    assert ids(reader, **wanted) == looked_up != []


@pytest.mark.parametrize("name", ["families", "quants", "formats", "authors", "licenses", "tasks", "kinds"])
def test_a_pattern_that_is_longer_than_any_value_matches_nothing(name: str, reader: CatalogReader) -> None:
    wanted: dict[str, Any] = {name: ["*a" * 2000]}
    assert ids(reader, **wanted) == []
    assert len(ids(reader, authors=["*" * 2000])) == 13


def test_the_most_downloaded_come_first(reader: CatalogReader) -> None:
    assert ids(reader, limit=2) == ["meta-llama/Llama-3.1-8B-Instruct", "openai/whisper-large-v3"]
    assert ids(reader, "parameters", 1) == ["unsloth/Qwen3-30B-A3B-GGUF"]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"families": ["GEMMA"]}, 5),
        ({"families": ["gemma", "qwen"]}, 7),
        ({"quants": ["q4_k_m"]}, 3),
        ({"quants": ["Q8_0"]}, 2),  # held, though no repo's own scheme
        ({"quants": ["q*"]}, 6),
        ({"formats": ["gguf"], "authors": ["unsloth"]}, 2),
        ({"tunings": ["instruct"]}, 9),
        ({"licenses": ["apache-2.0"]}, 3),
        ({"licenses": [FORMULA]}, 1),
        ({"tasks": ["automatic-speech-recognition"]}, 1),
        ({"least": ("parameters", 8 * 10**9)}, 4),
        ({"least": ("parameters", 8 * 10**9), "most": ("parameters", 10**10)}, 3),
        ({"most": ("bytes", 10**9)}, 2),
        ({"quantized": True}, 8),
        ({"quantized": False}, 5),
        ({"qat": True}, 1),
        ({"gone": True}, 14),
        ({"families": ["100%"]}, 0),
        ({"authors": ["'; drop table repos; --"]}, 0),
    ],
)  # fmt: skip
def test_filters(wanted: dict[str, Any], count: int, reader: CatalogReader) -> None:
    assert len(ids(reader, **wanted)) == count


# ---- one model ------------------------------------------------------------------------------------------------------


def test_a_model_is_found_by_what_people_have_of_it(reader: CatalogReader) -> None:
    for asked in (
        "google/gemma-3-4b-it",
        "Google/Gemma-3-4B-IT",
        "https://huggingface.co/google/gemma-3-4b-it/",
        "https://huggingface.co/google/gemma-3-4b-it/blob/main/model.safetensors",
        "hf.co/google/gemma-3-4b-it:Q4_K_M",
        "google/gemma-3-4b-it::model.safetensors",
        "google/gemma-3-4b-it@0123abc",
        "pkg:huggingface/google/gemma-3-4b-it@0123abc",
        "hf://google/gemma-3-4b-it",
        "ollama run hf.co/google/gemma-3-4b-it",
        "models--google--gemma-3-4b-it/snapshots/0123abc",
        "000000000000000000000001",
    ):
        assert find_model(reader, asked)["repo_id"] == "google/gemma-3-4b-it"
    with pytest.raises(UnknownModel) as caught:
        find_model(reader, "goggle/gemma-3-4b-it")
    assert caught.value.close[0] == "google/gemma-3-4b-it"


def test_an_unknown_id_is_looked_for_by_indexes_alone(
    small: str, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = record_statements(monkeypatch)
    with CatalogReader(small) as reader:
        for missing in ("goggle/gemma-3-4b-it", "google/nothing-like-it"):
            with pytest.raises(UnknownModel):
                find_model(reader, missing)
    with closing(sqlite3.connect(sqlite_template)) as connection:
        plans = [row[3] for sql, values in sent for row in connection.execute(f"explain query plan {sql}", values)]
    assert any("VIRTUAL TABLE" in step for step in plans) and len(sent) > 8
    assert [step for step in plans if step.startswith("SCAN") and "VIRTUAL TABLE" not in step] == []


def test_info_holds_all_that_belongs_to_a_model(reader: CatalogReader) -> None:
    found = load_info(reader, "bartowski/google_gemma-3-4b-it-GGUF")
    assert [row["quant"] for row in found.artifacts] == ["Q2_K", "Q4_K_M", "Q8_0", None], (
        "smallest first, sidecars last"
    )
    assert [row["field"] for row in found.conflicts] == ["quant"]
    assert found.parents[0]["parent"] == "google/gemma-3-4b-it"
    assert {row["repo_id"] for row in found.relatives} >= {"google/gemma-3-4b-it", "unsloth/gemma-3-4b-it-GGUF"}
    assert [row["kind"] for row in found.changes] == ["new"]
    assert found.model["tuning"] == ["instruct"] and found.model["imatrix"] is True

"""Rows of the listing, as the Hub sends them and as an attacker would write them."""

from __future__ import annotations

import json
import math
import pickle
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.labels.resolve import label_repo
from analysis.untrusted import MAX_BASE_MODELS, MAX_TAGS
from crawler.sources.huggingface.bounded_json import MAX_OBJECT_BYTES, limit_object, merge_config
from crawler.sources.huggingface.parse import parse_repo
from db.derive.digest import to_json
from db.records import EdgeRecord, EvalRecord, RepoRecord, Skipped

ROW: dict[str, Any] = {
    "_id": "67d12629c4baca71e68a2b22",
    "id": "ggml-org/gemma-3-1b-it-GGUF",
    "author": "ggml-org",
    "sha": "f9c28bcd85737ffc5aef028638d3341d49869c27",
    "createdAt": "2025-03-12T06:14:01.000Z",
    "lastModified": "2025-03-12T10:30:05.000Z",
    "downloads": 186325,
    "likes": 38,
    "private": False,
    "gated": False,
    "tags": ["gguf", "base_model:google/gemma-3-1b-it", "license:gemma"],
    "cardData": {"license": "gemma", "base_model": ["google/gemma-3-1b-it"], "language": ["en", "de"]},
    "config": {},
    "gguf": {"total": 999885952, "architecture": "gemma3", "context_length": 32768, "chat_template": "{{ x }}" * 999},
    "baseModels": {"relation": "quantized", "models": [{"_id": "67c", "id": "google/gemma-3-1b-it"}]},
    "usedStorage": 3881938176,
}


def parse_valid(**changes: Any) -> RepoRecord:
    found = parse_repo(ROW | changes)
    assert isinstance(found, RepoRecord), found
    return found


def parse_malformed(row: Any) -> str:
    found = parse_repo(row)
    assert isinstance(found, Skipped), found
    assert found.reason == "malformed"
    return found.detail


def test_a_row_becomes_a_record() -> None:
    repo = parse_valid()
    assert (repo.hub_id, repo.repo_id, repo.license) == (ROW["_id"], ROW["id"], "gemma")
    assert repo.created_at == datetime(2025, 3, 12, 6, 14, 1, tzinfo=UTC)
    assert repo.languages == ("en", "de")
    assert repo.edges == (EdgeRecord("google/gemma-3-1b-it", "quantized", "api"),)
    digest = sha256(ROW["gguf"]["chat_template"].encode()).hexdigest()
    block = {"total": 999885952, "architecture": "gemma3", "context_length": 32768, "chat_template_digest": digest}
    assert repo.gguf == block, "no template is kept"
    assert pickle.loads(pickle.dumps(repo)) == repo  # noqa: S301  # our own


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"_id": None}, "_id"),
        ({"_id": "67D12629"}, "_id"),
        ({"_id": ["x"]}, "_id"),
        ({"id": "a/b/c"}, "id"),
        ({"id": "x" * 200}, "id"),
        ({"id": "a b"}, "id"),
    ],
)
def test_a_row_without_a_valid_id_is_malformed(changes: dict[str, Any], named: str) -> None:
    assert parse_malformed(ROW | changes).startswith(named)


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("downloads", "many", "downloads"),
        ("downloads", -1, "downloads"),
        ("downloads", 10**30, "downloads"),
        ("downloads", True, "downloads"),
        ("downloads", math.nan, "downloads"),
        ("downloadsAllTime", {}, "downloads_all_time"),
        ("likes", [3], "likes"),
        ("tags", "gguf", "tags"),
        ("tags", {"gguf": 1}, "tags"),
        ("createdAt", 1700000000, "created_at"),
        ("lastModified", "yesterday", "last_modified"),
        ("lastModified", "9999-12-31T23:59:59+14:00", "last_modified"),
        ("sha", 7, "sha"),
        ("sha", "main", "sha"),
        ("private", "no", "private"),
        ("disabled", 1, "disabled"),
        ("gated", "maybe", "gated"),
        ("gated", [], "gated"),
        ("trendingScore", math.nan, "trending_score"),
        ("trendingScore", math.inf, "trending_score"),
        ("usedStorage", "3 GB", "used_storage"),
    ],
)
def test_a_value_of_a_wrong_type_is_unknown_and_counted(key: str, value: Any, field: str) -> None:
    wrong: list[str] = []
    found = parse_repo(ROW | {key: value}, on_wrong_field=wrong.append)
    without = parse_repo({name: kept for name, kept in ROW.items() if name != key})
    assert found == without
    assert isinstance(found, RepoRecord)
    assert getattr(found, field) in (None, False, ())
    assert wrong == [key]


def test_every_wrong_field_of_a_row_is_counted() -> None:
    wrong: list[str] = []
    found = parse_repo(ROW | {"likes": "x", "sha": [], "tags": 7}, on_wrong_field=wrong.append)
    assert isinstance(found, RepoRecord)
    assert (found.downloads, found.license) == (186325, "gemma")
    assert sorted(wrong) == ["likes", "sha", "tags"]


@pytest.mark.parametrize("number", [None, 17, "3f0c9f3e-other-software"])
def test_repos_of_a_hub_without_hub_ids_are_known_by_their_id(number: Any) -> None:
    row = ROW | {"_id": number, "id": "Acme/Model", "sha": "ab" * 32}
    listed = parse_repo(row, has_hub_ids=False)
    fetched = parse_repo(row | {"_id": 4, "sha": "ab" * 20}, has_hub_ids=False)
    assert isinstance(listed, RepoRecord)
    assert (listed.hub_id, listed.repo_id, listed.sha) == ("id:acme/model", "Acme/Model", "ab" * 20)
    assert fetched == listed, "the listing's commit has 64 digits, the repo's own the first 40 of them"


@pytest.mark.parametrize("row", [None, 17, "a text", [], {}, {"_id": 5, "id": ["no", "name"]}])
def test_values_that_are_not_rows_are_skipped(row: Any) -> None:
    assert parse_malformed(row)


def test_a_malformed_row_is_reported_with_its_id_if_it_has_one() -> None:
    found = parse_repo(ROW | {"_id": "another"})
    assert isinstance(found, Skipped)
    assert (found.repo_id, found.hub_id) == (ROW["id"], None)
    found = parse_repo(ROW | {"id": "\x1b[31mred"})
    assert isinstance(found, Skipped)
    assert (found.repo_id, found.hub_id) == ("?", ROW["_id"])


@pytest.mark.parametrize(
    ("gated", "kept", "status"),
    [(False, None, "available"), (None, None, "available"), ("auto", "auto", "gated"), ("manual", "manual", "gated")],
)
def test_gated_values(gated: Any, kept: str | None, status: str) -> None:
    assert (parse_valid(gated=gated).gated, parse_valid(gated=gated).status) == (kept, status)


@pytest.mark.parametrize("written", ["2025-03-12T06:14:01.000Z", "2025-03-12T06:14:01", "2025-03-12T08:14:01+02:00"])
def test_times_of_any_time_zone(written: str) -> None:
    assert parse_valid(createdAt=written).created_at == datetime(2025, 3, 12, 6, 14, 1, tzinfo=UTC)


def test_owner_written_blocks_are_kept_as_far_as_they_are_valid() -> None:
    """What ends huggingface_hub's own iterator is only a missing value here."""
    assert parse_valid(safetensors={"parameters": {"BF16": 7}}).safetensors == {"parameters": {"BF16": 7}}
    assert parse_valid(safetensors={"total": 333312, "parameters": {"BF16": "7B", "F8": -1}}).safetensors == {
        "total": 333312
    }
    assert parse_valid(safetensors=[1]).safetensors == {}
    assert parse_valid(baseModels=None).edges == parse_valid(baseModels={"models": "x"}).edges == ()
    assert parse_valid(cardData="yaml").card == {}
    assert parse_valid(evalResults=[{"value": 3}, 7]).evaluations == ()
    assert parse_valid(somethingNew={"a": 1}).extra == {"somethingNew": {"a": 1}}


def test_published_results_are_read_from_both_places() -> None:
    index = [
        {
            "name": "m",
            "results": [
                {
                    "task": {"type": "text-generation"},
                    "dataset": {"name": "MMLU", "type": "mmlu"},
                    "metrics": [{"type": "acc", "value": 71.3}, {"type": "acc", "value": "61.5%"}, {"value": "n/a"}],
                }
            ],
        }
    ]
    files = [{"dataset": {"id": "Idavidrein/gpqa", "task_id": "gpqa_diamond"}, "value": 41.2}]
    found = parse_valid(**{"model-index": index, "evalResults": files}).evaluations
    assert found == (
        EvalRecord("text-generation", "MMLU", "acc", 71.3, "card"),
        EvalRecord("text-generation", "MMLU", "acc", 61.5, "card"),
        EvalRecord("gpqa_diamond", "Idavidrein/gpqa", "", 41.2, "api"),
    )


def test_unprintable_texts_are_dropped() -> None:
    repo = parse_valid(
        tags=["good", "nul\x00", "\ud800", "\x1b]0;title\x07", "", 7, "x" * 5000],
        pipeline_tag="text\x00",
        cardData={"license": "mit", "bad\x00key": 1, "note": "\x1b[2J", "list": ["fine", "\udcff"], "nan": math.nan},
    )
    assert repo.tags == ("good",)
    assert repo.pipeline_tag is None
    assert repo.card == {"license": "mit", "list": ["fine"]}


def test_large_cards_are_bounded() -> None:
    card = {f"key{at}": "x" * 3000 for at in range(50)} | {"license": "mit", "huge": "y" * 100_000}
    kept = limit_object(card)
    assert kept["license"] == "mit"
    assert "huge" not in kept
    assert len(to_json(kept)) <= MAX_OBJECT_BYTES * 1.1
    deep: Any = "end"
    for _ in range(5000):
        deep = [deep]
    assert "end" not in json.dumps(limit_object({"deep": deep}))


TEMPLATE = "{{ messages }}"


@pytest.mark.parametrize(
    "config",
    [
        {"tokenizer_config": {"chat_template": TEMPLATE}},
        {"tokenizer_config": {"chat_template": "{{ older }}"}, "chat_template_jinja": TEMPLATE},
        {"tokenizer_config": {"chat_template": [
            {"name": "tool_use", "template": "{{ tools }}"}, {"name": "default", "template": TEMPLATE}
        ]}},
    ],
)  # fmt: skip
def test_a_config_keeps_the_digest_of_its_chat_template_instead_of_the_text(config: dict[str, Any]) -> None:
    assert parse_valid(config=config).config == {"chat_template_digest": sha256(TEMPLATE.encode()).hexdigest()}


@pytest.mark.parametrize(
    "template", [None, "", 7, [], [{"name": "other", "template": TEMPLATE}], {"default": TEMPLATE}]
)
def test_a_config_without_a_usable_chat_template_has_no_digest(template: Any) -> None:
    config = {"tokenizer_config": {"chat_template": template}, "model_type": "llama"}
    assert parse_valid(config=config).config == {"model_type": "llama"}


def test_only_the_parser_sets_the_digest_of_a_chat_template() -> None:
    assert parse_valid(config={"chat_template_digest": "f" * 64}, gguf={"chat_template_digest": "f" * 64}).config == {}
    known = parse_valid(config={"chat_template_jinja": TEMPLATE}).config
    merged = merge_config(known, {"chat_template_digest": "f" * 64, "model_type": "llama"})
    assert merged == {**known, "model_type": "llama"}


def test_every_tag_that_is_kept_is_read_for_labels() -> None:
    tags = [f"tag-{at}" for at in range(MAX_TAGS - 1)]
    assert not label_repo(parse_valid(tags=tags)).labels.imatrix
    assert label_repo(parse_valid(tags=[*tags, "imatrix"])).labels.imatrix, "the last one that is kept"
    assert parse_valid(tags=[*tags, "imatrix", "one-too-many"]).tags[-1] == "imatrix"


def test_every_base_model_that_is_kept_is_read_for_labels() -> None:
    names = [f"acme/base-{at}" for at in range(MAX_BASE_MODELS + 1)]
    models = [{"_id": "0", "id": name} for name in names]
    repo = parse_valid(baseModels={"relation": "merge", "models": models}, cardData={"base_model": names}, tags=[])
    assert [edge.parent for edge in repo.edges] == names[:-1]
    assert {edge.parent for edge in label_repo(repo).edges} == set(names[:-1])


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(ROW)), anything, max_size=6), anything)
def test_any_value_is_parsed_or_skipped(changes: dict[str, Any], value: Any) -> None:
    for row in (ROW | changes, value):
        found = parse_repo(row)
        assert isinstance(found, RepoRecord | Skipped)
        to_json(found.card if isinstance(found, RepoRecord) else found.detail).encode("ascii")


def test_recorded_rows_all_parse(shared: Path) -> None:
    folder = shared / "hub" / "payloads"
    rows = json.loads((folder / "transcribed" / "list_gemma-4-26b_sort-downloads_limit50.json").read_text())
    rows += [json.loads(path.read_text()) for path in sorted((folder / "model_info").glob("*.json"))]
    rows += [json.loads(path.read_text()) for path in sorted((folder / "transcribed").glob("model_ggml*.json"))]
    named = [row | {"_id": row.get("_id") or "0" * 24} for row in rows]
    assert len(named) > 80
    assert [found for found in map(parse_repo, named) if isinstance(found, Skipped)] == []

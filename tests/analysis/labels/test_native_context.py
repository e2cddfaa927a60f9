"""native_context: the context length before rope scaling, from GGUF keys and from config.json."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.formats.config_geometry import read_config_geometry
from analysis.labels.evidence.stated import header_facts
from analysis.labels.resolve import label_repo_and_artifacts
from db.records import ArtifactRecord, Header, RepoRecord

YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
LAYERS = {"num_hidden_layers": 36, "hidden_size": 4096, "num_attention_heads": 32, "max_position_embeddings": 131072}


def header(**geometry: int) -> Header:
    return Header(
        format="gguf", version=3, architecture="qwen3", parameters=8_190_735_360, active_parameters=None,
        tensor_count=399, types={"Q4_0": 8_190_735_360}, quant="Q4_0", quant_method="gguf", quant_share=1.0,
        bits_per_weight=4.5, context=131072, size=4_600_000_000, size_verified=True, facts={"geometry": geometry},
    )  # fmt: skip


def test_a_gguf_header_states_it_for_its_file_and_the_repo() -> None:
    read = header(original_context=32768)
    artifacts = [ArtifactRecord("q-Q4_0.gguf", "weights", "gguf", ("q-Q4_0.gguf",), 4_600_000_000)]
    repo = RepoRecord("a" * 24, "acme/qwen3-8b-GGUF")
    of_repo, ((_, of_file),) = label_repo_and_artifacts(repo, artifacts, {"q-Q4_0.gguf": read})
    for found in (of_repo, of_file):
        assert (found.labels.native_context, found.labels.context_measured) == (32768, 131072)
    assert header_facts(read)["native_context"] == 32768


def test_it_is_unknown_where_nothing_states_it() -> None:
    assert header_facts(header())["native_context"] is None
    labelled, _ = label_repo_and_artifacts(RepoRecord("a" * 24, "acme/qwen3-8b", config=LAYERS), [])
    assert (labelled.labels.native_context, labelled.labels.context_measured) == (None, 131072)


@pytest.mark.parametrize(
    "config",
    [
        {**LAYERS, "rope_scaling": YARN},
        {**LAYERS, "rope_parameters": YARN},
        {**LAYERS, "rope_parameters": {"full_attention": YARN}},
        {**LAYERS, "original_max_position_embeddings": 32768},
        {"text_config": {**LAYERS, "rope_scaling": YARN}},
    ],
)
def test_a_config_states_it_wherever_transformers_keeps_it(config: dict[str, Any]) -> None:
    labelled, _ = label_repo_and_artifacts(RepoRecord("a" * 24, "acme/qwen3-8b", config=config), [])
    assert labelled.labels.native_context == 32768
    assert read_config_geometry(config)["original_context"] == 32768


@pytest.mark.parametrize("value", [0, -1, True, "32768", 10**12, None, [32768], {}])
def test_a_value_that_is_no_context_length_is_ignored(value: Any) -> None:
    config = {**LAYERS, "rope_scaling": {"type": "yarn", "original_max_position_embeddings": value}}
    labelled, _ = label_repo_and_artifacts(RepoRecord("a" * 24, "acme/qwen3-8b", config=config), [])
    assert labelled.labels.native_context is None

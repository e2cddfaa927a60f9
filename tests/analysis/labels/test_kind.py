"""The kind of a repo: each rule with a repo that it decides, and what precedes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from analysis.labels.resolve import label_repo_and_artifacts
from db.record_base import Role
from db.records import ArtifactRecord, EdgeRecord, Labelled, RepoRecord

GB = 10**9
FP8 = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
GPTQ = {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}}


def files(*paths: str, size: int = 5 * GB, role: Role = "weights") -> tuple[ArtifactRecord, ...]:
    return tuple(ArtifactRecord(path, role, path.rpartition(".")[2], (path,), size) for path in paths)


def label(repo_id: str, artifacts: tuple[ArtifactRecord, ...], **more: Any) -> Labelled:
    record = RepoRecord("1", repo_id, repo_id.partition("/")[0], **more)
    return label_repo_and_artifacts(record, artifacts)[0]


ADAPTER = files("adapter_model.safetensors", size=GB // 10, role="adapter")
MODEL = files("model.safetensors")


@pytest.mark.parametrize(
    ("repo_id", "artifacts", "relation", "more", "kind", "source"),
    [
        # files before relations: whole quantized models that copied the relation of what they quantized
        ("q/model-7b-GGUF", files("model-7b.Q4_K_M.gguf"), "adapter", {}, "quantized", "file"),
        ("q/model-7b-GGUF", files("model-7b.Q4_K_M.gguf"), "merge", {}, "quantized", "file"),
        ("q/model-7b-GGUF", files("model-7b.Q4_K_M.gguf"), None, {}, "quantized", "file"),
        ("q/model-7b-4bit", (), "finetune", {"tags": ("mlx",)}, "quantized", "name"),
        ("q/model-7b-GGUF", (), "quantized", {}, "quantized", "tag"),
        ("q/model-7b", files("model-7b.gguf"), "quantized", {}, "quantized", "tag"),
        ("q/model-7b-full-lora-GGUF", files("model-7b.Q4_K_M.gguf"), "adapter", {}, "quantized", "file"),
        # adapters
        ("a/model-7b-lora", ADAPTER, "adapter", {}, "adapter", "file"),
        ("a/model-7b-lora-F16-GGUF", files("x-f16.gguf", role="adapter"), "quantized", {}, "adapter", "file"),
        ("a/LoRA-model-7b-GGUF", files("x-q8_0.gguf", size=GB // 8), "adapter", {}, "adapter", "size"),
        ("a/model-7b-chat", (), "adapter", {}, "adapter", "tag"),
        ("a/model-7b-lora", (), None, {}, "adapter", "name"),
        ("a/model-7b-tuned", MODEL, "adapter", {}, "finetune", "file"),
        ("a/model-7b-tuned", files("model.safetensors", size=7 * GB // 8), "adapter", {}, "finetune", "file"),
        ("a/model-7b-tuned", files("model.safetensors", size=7 * GB // 8 - 1), "adapter", {}, "adapter", "size"),
        # full precision in another container
        ("c/model-7b-GGUF", files("model-7b-F16.gguf"), "quantized", {}, "conversion", "file"),
        ("c/model-7b-GGUF", files("model-7b-F16.gguf"), None, {}, "conversion", "file"),
        ("nvidia/asr-1.1b", files("asr.f16.gguf", "asr.f32.gguf"), None, {"tags": ("gguf",)}, "conversion", "file"),
        ("nvidia/asr-1.1b", files("asr.q8_0.gguf"), None, {"tags": ("gguf",)}, "quantized", "file"),
        ("nvidia/asr-1.1b", files("asr.f16.gguf", "asr.nemo"), None, {"tags": ("gguf", "nemo")}, None, None),
        ("mlx-community/model-7b", (), "finetune", {"tags": ("mlx",)}, "conversion", "owner"),
        ("c/model-7b-onnx", files("model.onnx"), None, {"tags": ("onnx",)}, "conversion", "name"),
        ("c/model-7b-GGUF", (), None, {"tags": ("gguf",)}, None, None),  # most are quantized, but who knows
        ("c/model-7b-onnx", files("model.onnx", "model.safetensors"), None, {"tags": ("onnx",)}, None, None),
        # quantized by their makers
        ("maker/model-7b", MODEL, None, {"config": FP8}, None, None),
        ("maker/model-7b-it", MODEL, "finetune", {"config": FP8}, "finetune", "tag"),
        ("maker/model-7b-FP8", MODEL, None, {"config": FP8}, "quantized", "config"),
        ("maker/model-7b", MODEL, None, {"config": GPTQ}, "quantized", "config"),
        ("maker/model-7b", files("x.Q4_0.gguf", "model.safetensors"), None, {"tags": ("gguf",)}, None, None),
        ("maker/model-7b", files("x.Q4_0.gguf"), None, {"tags": ("gguf",)}, "quantized", "file"),
        # relations and names
        ("f/model-7b-chat", MODEL, "finetune", {}, "finetune", "tag"),
        ("f/model-7b-chat", MODEL, "merge", {}, "merge", "tag"),
        ("f/model-7b-merge", MODEL, None, {}, "merge", "name"),
        ("f/model-7b", MODEL, None, {"tags": ("mergekit",)}, "merge", "tag"),
        ("f/model-7b-dpo", MODEL, None, {}, "finetune", "name"),
        ("f/model-7b", MODEL, None, {"tags": ("dpo",)}, "finetune", "tag"),
        ("maker/Qwen3-7B-Base", MODEL, None, {}, "original", "name"),
        ("maker/Qwen3-7B-Base", MODEL, "finetune", {}, "finetune", "tag"),
        ("maker/model-7b-chat", MODEL, None, {}, None, None),
    ],
)  # fmt: skip
def test_the_firmest_sign_decides(
    repo_id: str,
    artifacts: tuple[ArtifactRecord, ...],
    relation: str | None,
    more: Mapping[str, Any],
    kind: str | None,
    source: str | None,
) -> None:
    parent = (f"base_model:{relation}:maker/model-7b",) if relation else ()
    labelled = label(repo_id, artifacts, **{**more, "tags": (*parent, *more.get("tags", ()))})
    found = [each for each in labelled.evidence if each.field == "kind"]
    assert labelled.labels.kind == kind
    assert [(each.value, each.source, each.resolved) for each in found] == ([(kind, source, True)] if kind else [])


def test_a_further_copy_of_the_weights_does_not_count() -> None:
    """Weights as trained beside quantized ones show an original, unless they are a copy in another layout."""
    quantized, other = files("x.Q4_0.gguf", "model.safetensors")
    for primary, kind in ((True, None), (False, "quantized")):
        artifacts = (quantized, replace(other, primary=primary))
        assert label("maker/model-7b", artifacts, tags=("gguf",)).labels.kind == kind


def test_an_edge_of_the_api_is_a_relation_too() -> None:
    labelled = label("f/model-7b", (), edges=(EdgeRecord("maker/model-7b", "finetune", "api"),))
    kinds = [(each.value, each.source, each.rule) for each in labelled.evidence if each.field == "kind"]
    assert kinds == [("finetune", "api", "relation")]

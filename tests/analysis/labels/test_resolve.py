"""Labels of repos with their artifacts: what is rolled up, what can't be true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.labels.evidence.make import evidence_text
from analysis.labels.resolve import label_repo, label_repo_and_artifacts
from db.labels import LABELS, Labels
from db.records import ArtifactRecord, Header, Labelled, RepoRecord
from tests.analysis.labels.sample_records import B, basis, conflicts, fields, gguf, header, repo, tensors


def whole(owner: RepoRecord, files: Sequence[ArtifactRecord], **headers: Header) -> Labelled:
    return label_repo_and_artifacts(owner, files, {f"{name}.gguf": read for name, read in headers.items()})[0]


def test_a_repo_of_many_quants_has_none_of_its_own() -> None:
    files = [gguf(f"Llama-3-8B-{quant}.gguf", 5 * B) for quant in ("Q4_K_M", "Q6_K", "Q8_0", "F16")]
    files.append(gguf("mmproj-F16.gguf", 10**9, "mmproj"))
    read = header("Q4_K_M", 8_030_261_312, 4.9)
    found = label_repo_and_artifacts(repo("a/Llama-3-8B-GGUF", "gguf"), files, {files[0].artifact: read})[0]
    assert fields(found.labels, "format", "quantized", "quant", "bits") == ("gguf", True, None, None)
    assert fields(found.labels, "parameters_measured", "bits_per_weight") == (8_030_261_312, None)


def test_a_repo_of_one_quant_has_it() -> None:
    found = whole(repo("a/thing", "gguf"), [gguf("Llama-3-8B-Q4_0.gguf"), gguf("mmproj-F16.gguf", role="mmproj")])
    assert fields(found.labels, "quant", "quantized", "family", "parameters") == ("Q4_0", True, "llama", 8 * B)
    assert basis(found, "quant") == basis(found, "family") == ("file",)


def test_sidecars_are_never_counted() -> None:
    files = [gguf("a-8B-Q4_0.gguf", 5 * B), gguf("draft.gguf", role="draft"), gguf("mmproj.gguf", role="mmproj")]
    side = header("F16", 400_000_000, 16.0)
    found = label_repo_and_artifacts(repo("a/a-8B-GGUF"), files, {"draft.gguf": side, "mmproj.gguf": side})[0]
    assert found.labels.parameters_measured is None


def test_a_projector_that_its_path_hides_is_known_by_its_header() -> None:
    files = [gguf("model-8B.gguf", 5 * B), gguf("vision.gguf", 10**9)]
    read = {
        "model-8B.gguf": header("Q4_0", 8 * B, 4.6),
        "vision.gguf": header("F16", 400_000_000, 16.0, facts={"role": "mmproj"}),
    }
    labels = label_repo_and_artifacts(repo("a/model-8B"), files, read)[0].labels
    assert fields(labels, "parameters_measured", "quant") == (8 * B, None) or labels.parameters_measured == 8 * B


def test_the_full_precision_count_is_the_models() -> None:
    files = [tensors(size=16 * B), gguf("Llama-3-8B-Q4_0.gguf", 5 * B)]
    owner = repo("a/Llama-3-8B", "safetensors", "gguf", safetensors={"parameters": {"BF16": 8_030_261_248}})
    found = label_repo_and_artifacts(owner, files)[0]
    assert fields(found.labels, "format", "quantized", "quant") == ("safetensors", False, "BF16")
    assert found.labels.parameters_measured == 8_030_261_248


def test_a_repo_of_models_of_many_sizes_has_no_count() -> None:
    files = [gguf(f"whisper-{size}-Q8_0.gguf", 10**8) for size in ("tiny", "large")]
    read = {
        files[0].artifact: header("Q8_0", 39_000_000, 8.5),
        files[1].artifact: header("Q8_0", 1_550_000_000, 8.5),
    }
    assert label_repo_and_artifacts(repo("a/whisper-GGUF"), files, read)[0].labels.parameters_measured is None


def test_the_transformer_is_the_size_of_a_pipeline() -> None:
    files = [tensors(f"{part}/model.safetensors") for part in ("text_encoder", "transformer", "vae")]
    sizes = {"text_encoder": 8 * B, "transformer": 20_430_401_088, "vae": 127_000_000}
    read = {
        file.artifact: header("BF16", sizes[file.artifact.split("/")[0]], 16, format="safetensors", quant_method=None)
        for file in files
    }
    assert (
        label_repo_and_artifacts(repo("Qwen/Qwen-Image"), files, read)[0].labels.parameters_measured == 20_430_401_088
    )


def test_an_adapters_name_carries_its_targets_size() -> None:
    adapter = tensors("adapter_model.safetensors", 33_554_432, "adapter")
    read = header("F32", 8_388_608, 32, format="safetensors", quant_method=None, facts={"role": "adapter"})
    found = label_repo_and_artifacts(repo("FinGPT/forecaster_llama2-7b_lora"), (adapter,), {adapter.artifact: read})[0]
    assert fields(found.labels, "family", "parameters", "parameters_measured") == ("llama", None, 8_388_608)
    assert not found.conflicts
    folded = label_repo(repo("someone/llama2-7b_lora", safetensors={"parameters": {"F16": 6_738_415_616}}))
    assert fields(folded.labels, "parameters", "parameters_measured") == (7 * B, 6_738_415_616)


def test_effective_parameters_leave_embeddings_out() -> None:
    file = gguf("gemma-3n-E2B-it-Q4_0.gguf", 3 * B)
    read = header("Q4_0", 5_500_000_000, 4.6, active_parameters=4_285_796_352)
    found, artifacts = label_repo_and_artifacts(repo("google/gemma-3n-E2B-it-GGUF"), (file,), {file.artifact: read})
    assert fields(found.labels, "active_parameters", "active_parameters_measured") == (2 * B, 4_285_796_352)
    assert not found.conflicts and not artifacts[0][1].conflicts


def test_languages_of_the_card_are_told_once() -> None:
    found = label_repo(repo("a/b", "en", "de", "fr", languages=("en", "de")))
    assert found.labels.languages == ("en", "de") and basis(found, "languages") == ("card", "card")
    assert label_repo(repo("a/b", "en", "conversational")).labels.languages == ("en",)


def test_a_format_that_no_file_has() -> None:
    found = whole(repo("a/Llama-3-8B-GGUF", "safetensors"), [tensors()])
    assert conflicts(found)["format"] == ("gguf", "name", "safetensors", "file")


@pytest.mark.parametrize(
    ("name", "measured", "conflict"),
    [
        ("Llama-3-8B", 8_030_261_248, False),
        ("Llama-3-8B", 70_553_706_496, True),
        ("pythia-160m", 212_700_000, False),  # nominal sizes leave embeddings out
        ("Mixtral-8x7B", 46_702_792_704, False),  # experts share attention
        ("gemma-3n-E4B", 9_849_978_192, False),  # claims no total
        ("Qwen3-30B-A3B", 30_532_122_624, False),
    ],
)
def test_a_size_is_refuted_beyond_a_factor_of_two(name: str, measured: int, conflict: bool) -> None:
    found = label_repo(repo(f"a/{name}", safetensors={"parameters": {"BF16": measured}}))
    assert ("parameters" in conflicts(found)) is conflict
    assert found.labels.parameters_measured == measured


# ---- laws -----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([
    "a/Llama-3-8B-GGUF", "mlx-community/Qwen3-8B-4bit", "a/b", "TheBloke/X-7B-AWQ", "a/Mixtral-8x7B-v0.1", "odd name/ü",
])  # fmt: skip
TAGS = st.lists(st.sampled_from([
    "gguf", "safetensors", "mlx", "4-bit", "8-bit", "awq", "fp8", "merge", "en", "base_model:a/b", "imatrix",
    "base_model:quantized:a/Llama-3-8B", "base_model:merge:c/d", "x" * 900,
]), max_size=6)  # fmt: skip
BLOCKS = st.sampled_from([
    {}, {"parameters": {"BF16": 8 * B}}, {"parameters": {"U8": 4 * B, "F8_E4M3": B}}, {"total": -5},
    {"parameters": 7}, {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    {"total": 8 * B, "architecture": "clip"},
    {"model_type": "qwen3", "architectures": [None]}, {"base_model": ["a/b", 7]}, {"quantization_config": {"bits": []}},
])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(NAMES, TAGS, BLOCKS, BLOCKS, BLOCKS, BLOCKS)
def test_every_label_rests_on_evidence_and_the_same_input_gives_the_same_labels(
    name: str, tags: list[str], card: Any, config: Any, safetensors: Any, block: Any
) -> None:
    owner = repo(name, *tags, card=card, config=config, safetensors=safetensors, gguf=block)
    files = (gguf("x-Q4_K_M.gguf", 5 * B), tensors(size=16 * B), gguf("mmproj-F16.gguf", 10**9, "mmproj"))
    found, artifacts = label_repo_and_artifacts(owner, files)
    assert label_repo_and_artifacts(owner, files) == (found, artifacts)
    for labelled in (label_repo(owner), found, *(each for _, each in artifacts)):
        resolved = {(each.field, each.value) for each in labelled.evidence if each.resolved}
        resolved_fields = {
            field for field in Labels.__dataclass_fields__ if getattr(labelled.labels, field) not in (None, ())
        }
        for field in resolved_fields - {each.name for each in LABELS if each.is_flag}:
            value = getattr(labelled.labels, field)
            for each in value if isinstance(value, tuple) else (value,):
                assert (field, evidence_text(each)) in resolved
        assert len(labelled.evidence) == len(set(labelled.evidence))

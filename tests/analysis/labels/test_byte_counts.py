"""Claimed counts of parameters against bytes: ambiguous numbers are read as the bytes allow, others are conflicts."""

from __future__ import annotations

import pytest

from analysis.labels.resolve import label_artifact, label_repo, label_repo_and_artifacts
from analysis.labels.resolve.byte_counts import count_by_bytes
from analysis.names.size import find_counts
from db.records import EdgeRecord
from tests.analysis.labels.sample_records import B, conflicts, fields, gguf, repo, tensors


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("experiment024b-i1", {24 * B, B * 24 // 100}),
        ("llama38b_5e6", {38 * B, 8 * B}),
        ("lareneg1_78B", {78 * B, 178 * B // 100, 8 * B}),
        ("WASSA2024-3B-LLAMA3-7B", {3 * B, 7 * B}),
        ("Qwen2.5-0.5B", {B // 2}),
        ("a-bit-of-2bits", set()),
    ],
)
def test_ways_to_read_the_numbers_of_a_name(name: str, counts: set[int]) -> None:
    assert set(find_counts(name)) >= counts if counts else not find_counts(name)


@pytest.mark.parametrize(
    ("name", "scheme", "size", "parameters", "shown"),
    [
        ("experiment024b", "Q6_K", 19_300_000_000, 24 * B, "24B"),
        ("experiment024b", "Q4_K_M", 150_000_000, 240_000_000, "240M"),
        ("bench2024-1B-and-7B", "Q4_K_M", 4_400_000_000, 7 * B, "7B"),
        ("bench2024-1B-and-7B", "Q4_K_M", 750_000_000, B, "1B"),
        ("someword38b", "Q8_0", 8_500_000_000, 8 * B, "8B"),
        ("someword38b", "Q8_0", 40_000_000_000, 38 * B, "38B"),
    ],
)
def test_the_bytes_decide_how_an_ambiguous_number_is_read(
    name: str, scheme: str, size: int, parameters: int, shown: str
) -> None:
    file = gguf(f"{name}.{scheme}.gguf", size)
    whole, artifacts = label_repo_and_artifacts(repo(f"someone/{name}-GGUF", "gguf"), (file,))
    assert fields(whole.labels, "parameters", "size", "parameters_measured") == (parameters, shown, None)
    assert fields(artifacts[0][1].labels, "parameters", "size") == (parameters, shown)
    assert "parameters" not in conflicts(whole) and "parameters" not in conflicts(artifacts[0][1])


def test_a_measured_count_decides_too() -> None:
    found = label_repo(repo("someone/someword38b", safetensors={"parameters": {"BF16": 8_030_261_248}}))
    assert fields(found.labels, "parameters", "parameters_measured") == (8 * B, 8_030_261_248)
    assert not found.conflicts


def test_a_count_that_no_reading_saves_is_a_conflict() -> None:
    found = label_artifact(repo("someone/thing-GGUF"), gguf("thing-70B-Q4_K_M.gguf", 4_890_000_000))
    claimed, claimed_by, measured, measured_by = conflicts(found)["parameters"]
    assert (claimed, claimed_by, measured_by) == (str(70 * B), "file", "size")
    assert 7.5 * B < int(measured) < 8.5 * B and found.labels.parameters == 70 * B


def test_an_inherited_count_that_the_bytes_refute_is_removed() -> None:
    edges = (EdgeRecord("Qwen/Qwen2.5-72B", "finetune", "card"),)
    owner = repo("someone/draft-GGUF", "gguf", edges=edges)
    whole, _ = label_repo_and_artifacts(owner, (gguf("draft-Q8_0.gguf", 530_000_000),))
    assert fields(whole.labels, "parameters", "size", "family") == (None, None, "qwen")
    assert conflicts(whole)["parameters"][1] == "lineage"


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("gpt-oss-20b-F16.gguf", 13_800_000_000),  # 4-bit tensors kept as they were trained
        ("SmolLM2-135M-Q2_K.gguf", 88_000_000),  # embeddings are most of it
        ("Kimi-K3-2T-Q8_K_XL.gguf", 1_560_000_000_000),
        ("tune-lora-7B-F16.gguf", 90_000_000),
        ("gemma-2b.gguf", 9_990_000_000),  # 2.5B in 32 bits, its name rounds
        ("Qwen2.5-0.5B-Instruct.IQ1_S.gguf", 320_000_000),  # widths that blocks of 256 do not divide
        ("gemma-3-270m-it.Q2_K.gguf", 330_000_000),
        ("Qwen3.5-35B-A3B_tok-16_out-16_exp-16-16-iq2_s_ssm-16-16.gguf", 51_300_000_000),  # one tensor's scheme
        ("audiodecoder-LFM2-Audio-1.5B-Q8_0.gguf", 370_000_000),  # a part, named after its model
        ("Llama-4-Scout-17B-6E-Instruct.Q2_K.gguf", 17_700_000_000),  # 17B are active
    ],
)
def test_files_far_from_the_usual_bits_are_no_conflict(path: str, size: int) -> None:
    assert "parameters" not in conflicts(label_artifact(repo("someone/thing"), gguf(path, size)))


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("thing-2B-IQ2_M.gguf", 2_580_000_000),
        ("thing-7b.IQ2_M.gguf", 270_000_000),  # cut off
        ("thing-9b.gguf", 90_000_000_000),
        ("Qwen3.5-35B-A3B_exp-16.IQ2_S.gguf", 160_000_000_000),
    ],
)
def test_files_that_a_count_cannot_be_of(path: str, size: int) -> None:
    assert "parameters" in conflicts(label_artifact(repo("someone/thing"), gguf(path, size)))


def test_parts_of_a_pipeline_count_together() -> None:
    parts = [tensors(f"{folder}/model.safetensors", 4 * B) for folder in ("transformer", "text_encoder")]
    assert not label_repo_and_artifacts(repo("someone/thing-9B"), parts)[0].conflicts
    found = label_repo_and_artifacts(repo("someone/thing-90B"), parts)[0]
    assert conflicts(found)["parameters"] == (str(90 * B), "name", str(64 * B), "size")


def test_counts_that_bytes_allow() -> None:
    found = count_by_bytes(4_890_000_000, "Q4_K_M")
    assert found is not None and found.allows(8 * B) and not found.allows(70 * B) and not found.allows(3 * B)
    unknown = count_by_bytes(16 * B, None)
    assert unknown is not None and unknown.likely is None and unknown.allows(8 * B) and not unknown.allows(200 * B)
    assert count_by_bytes(None, "Q4_K_M") is None

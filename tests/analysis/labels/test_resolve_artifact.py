"""Labels of artifacts: the precedence of schemes, and what headers, bytes and siblings say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.labels.resolve import label_artifact, label_repo, label_repo_and_artifacts
from db.records import ArtifactRecord
from tests.analysis.labels.sample_records import B, basis, conflicts, fields, gguf, header, repo, tensors


def test_a_method_named_and_a_container_measured_agree() -> None:
    """AWQ weights come as compressed tensors too: both are true."""
    packing = {
        "quant_method": "compressed-tensors", "format": "pack-quantized",
        "config_groups": {"g": {"weights": {"num_bits": 4}}},
    }  # fmt: skip
    found = label_repo(repo("cyankiwi/GLM-5.3-AWQ-INT4", config={"quantization_config": packing}))
    assert fields(found.labels, "quant", "quant_measured", "quant_method") == ("AWQ", "W4A16", "compressed-tensors")
    assert not found.conflicts


def test_config_json_refutes_a_name() -> None:
    found = label_repo(
        repo("someone/Llama-3-8B-AWQ", config={"quantization_config": {"quant_method": "gptq", "bits": 8}})
    )
    assert fields(found.labels, "quant", "quant_measured", "quant_method", "bits") == ("AWQ", "GPTQ", "gptq", 8.0)
    assert conflicts(found)["quant"] == ("AWQ", "name", "GPTQ", "config")
    assert conflicts(found)["bits"] == ("4", "name", "8", "config")


def test_a_name_that_claims_a_quantization_which_the_tensors_do_not_have() -> None:
    found = label_repo(repo("someone/Llama-3-8B-AWQ", safetensors={"parameters": {"BF16": 8_030_261_248}}))
    assert found.labels.quantized is False
    assert conflicts(found)["quantized"] == ("true", "name", "false", "api")
    assert conflicts(found)["quant"] == ("AWQ", "name", "BF16", "api")


def test_a_tag_gives_way_to_config_json() -> None:
    packing = {"quantization_config": {"quant_method": "awq", "bits": 4}}
    found = label_repo(repo("someone/Llama-3-8B", "fp8", config=packing))
    assert fields(found.labels, "quant", "quant_measured", "bits") == ("AWQ", "AWQ", 4.0)
    assert conflicts(found)["quant"] == ("FP8", "tag", "AWQ", "config")


def test_the_tag_8_bit_does_not_outweigh_nvfp4() -> None:
    found = label_repo(repo("nvidia/Gemma-4-26B-A4B-NVFP4", "safetensors", "8-bit", "modelopt"))
    assert fields(found.labels, "quant", "bits") == ("NVFP4", 4.0)


def test_tags_of_a_gguf_repo_are_about_one_of_its_quants() -> None:
    found = label_repo(repo("someone/gemma-4b-GGUF", "gguf", "quantized", "2-bit", "mxfp4"))
    assert fields(found.labels, "quantized", "quant", "quant_method", "bits") == (True, None, "gguf", None)


def test_mlx_is_known_by_its_config_where_no_tag_says_it() -> None:
    found = label_repo(repo("someone/gemma-4b", "safetensors", config={"quantization_config": {"bits": 4}}))
    assert fields(found.labels, "format", "quant", "quant_method") == ("mlx", "MLX-4BIT", "mlx")


# ---- artifacts ------------------------------------------------------------------------------------------------------


def test_one_artifact_with_its_header() -> None:
    file = gguf("gemma-3-4b-it-Q4_K_M.gguf", 2_489_894_016)
    found = label_artifact(repo("unsloth/gemma-3-4b-it-GGUF", "gguf"), file, header("Q4_K_M", 3_880_263_168, 5.13))
    assert fields(found.labels, "quant", "quant_measured", "quantized", "bits") == ("Q4_K_M", "Q4_K_M", True, 4.0)
    assert fields(found.labels, "parameters_measured", "bits_per_weight") == (3_880_263_168, 5.13)
    assert basis(found, "parameters_measured") == ("tensors",) and basis(found, "quant") == ("file",)
    assert not found.conflicts


def test_the_files_name_outranks_the_headers_file_type_where_the_tensors_allow_it() -> None:
    file = gguf("Qwen3-8B-UD-Q4_K_XL.gguf")
    mix = {"Q4_K": 5 * B, "Q5_K": 2 * B, "Q6_K": B}
    found = label_artifact(repo("unsloth/Qwen3-8B-GGUF"), file, header("Q4_K_M", 8 * B, 5.0, mix))
    assert fields(found.labels, "quant", "dynamic") == ("Q4_K_XL", True) and not found.conflicts


@pytest.mark.parametrize(
    ("claim", "mix", "bits", "measured"),
    [
        ("Q2_K", {"Q4_0": 80, "Q8_0": 40, "Q3_K": 14}, 5.14, "Q4_0"),
        ("MXFP4_MOE", {"Q8_0": 134}, 8.51, "Q8_0"),
        ("TQ1_0", {"Q4_0": 100, "Q6_K": 30}, 4.79, "Q4_0"),
        ("Q8_0", {"Q4_K": 100, "Q6_K": 30}, 4.9, "Q4_K"),
        ("F16", {"Q8_0": 130, "F32": 1}, 8.5, "Q8_0"),
    ],
)
def test_a_name_that_the_tensors_refute(claim: str, mix: dict[str, int], bits: float, measured: str) -> None:
    file = gguf(f"smollm2-135m-{claim}.gguf")
    found = label_artifact(repo("someone/smollm2-135m-GGUF"), file, header(measured, 134_515_008, bits, mix))
    assert fields(found.labels, "quant", "quant_measured") == (claim, measured)
    assert conflicts(found)["quant"] == (claim, "file", measured, "tensors")


def test_rows_that_do_not_fit_a_block_refute_nothing() -> None:
    """Gemma 3 270M: two thirds are embeddings at 8 bits, so that Q4_K_M comes to 7.36 bits per weight."""
    mix = {"Q8_0": 167_772_160, "Q5_0": 70_000_000, "Q4_K": 25_000_000, "Q6_K": 5_000_000}
    file = gguf("gemma-3-270m-q4_k_m.gguf", 253_113_024)
    assert not label_artifact(repo("a/b-GGUF"), file, header("Q4_K_M", 268_098_176, 7.36, mix)).conflicts


def test_bytes_refute_a_name_where_no_header_was_read() -> None:
    file = gguf("Llama-3.1-8B-Q2_K.gguf", 8_540_000_000)
    found = label_artifact(repo("a/b-GGUF", gguf={"total": 8_030_261_312}), file)
    assert conflicts(found)["quant"] == ("Q2_K", "file", "8.51 bits per weight", "size")
    assert found.labels.quant == "Q2_K" and found.labels.quant_measured is None


def test_a_siblings_header_counts_for_all_quants_of_one_model() -> None:
    read, other, small = (gguf(name, 5 * B) for name in ("M-8B-Q4_K_M.gguf", "M-8B-Q6_K.gguf", "M-1B-Q6_K.gguf"))
    every, headers = (read, other, small), {read.artifact: header("Q4_K_M", 8_030_261_312, 4.9)}
    found = label_artifact(repo("a/M-GGUF"), other, None, every, headers)
    assert found.labels.parameters_measured == 8_030_261_312
    assert found.labels.bits_per_weight == pytest.approx(4.98, abs=0.01)
    assert label_artifact(repo("a/M-GGUF"), small, None, every, headers).labels.parameters_measured is None


@pytest.mark.parametrize("role", ["mmproj", "draft", "adapter", "imatrix"])
def test_sidecars_carry_no_size_of_the_model_they_serve(role: Any) -> None:
    file = gguf(f"{role}-gemma-4-26B-A4B-it-F16.gguf", 10**9, role)
    found = label_artifact(repo("a/gemma-4-26B-A4B-it-GGUF", gguf={"total": 25 * B}), file)
    assert fields(found.labels, "parameters", "active_parameters", "parameters_measured") == (None, None, None)
    assert not found.conflicts


def test_a_repos_scheme_does_not_leak_into_files_that_say_otherwise() -> None:
    full, quant = gguf("model.fp16.gguf"), gguf("model.gguf")
    owner = repo("a/Llama-3-8B-Q2_K-GGUF", "gguf", "2-bit")
    assert label_artifact(owner, full, None, (full,)).labels.quant == "F16"
    assert label_artifact(owner, quant, None, (quant,)).labels.quant == "Q2_K"  # the only file, and silent
    assert label_artifact(owner, quant, None, (quant, full)).labels.quant is None


def test_a_path_too_long_for_a_name_still_ends_in_one() -> None:
    file = gguf("very/" * 120 + "Llama-3-8B-Q4_0.gguf")
    assert label_artifact(repo("a/b"), file).labels.quant == "Q4_0"


def test_tensors_of_mlx_are_in_its_format() -> None:
    owner = repo("mlx-community/Qwen3-8B-4bit", "mlx", "safetensors", config={"quantization_config": {"bits": 4}})
    found = label_artifact(owner, tensors(size=4_600_000_000))
    assert fields(found.labels, "format", "quant", "quantized") == ("mlx", "MLX-4BIT", True)
    again = label_artifact(owner, replace(tensors(size=4_600_000_000), format="mlx"))  # as the catalog keeps it
    assert again == found


@pytest.mark.parametrize(
    ("owner", "path", "container", "expected"),
    [
        ("mlc-ai/Llama-3-8B-q4f16_1-MLC", "params_shard.bin", "pytorch", "mlc"),
        ("Systran/faster-whisper-medium", "model.bin", "pytorch", "ctranslate2"),
        ("turboderp/Llama-3-8B-exl3", "model.safetensors", "safetensors", "exl3"),
        ("someone/Llama-3-8B", "pytorch_model.bin", "pytorch", "pytorch"),
    ],
)
def test_containers_of_others_files(owner: str, path: str, container: str, expected: str) -> None:
    file = ArtifactRecord(path, "weights", container, (path,), 5 * B)
    labelled, ((_, found),) = label_repo_and_artifacts(repo(owner), (file,))
    assert (labelled.labels.format, found.labels.format) == (expected, expected)

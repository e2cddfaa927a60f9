"""The table of formats: each extension and path belongs to one format, wherever it is asked for."""

from __future__ import annotations

import re

import pytest

from analysis.files.artifacts import group_artifacts
from analysis.formats.formats import (
    FORMAT_BY_EXTENSION,
    FORMATS,
    UNKNOWN,
    find_container,
    find_format,
    format_of_path,
)
from analysis.names import parse_name
from db.records import FileRecord, RepoRecord

LABELS = (
    "gguf", "ggml", "safetensors", "pytorch", "onnx", "openvino", "mlx", "mlc", "exl2", "exl3", "coreml", "tflite",
    "executorch", "nemo", "tensorflow", "flax", "paddle",
)  # fmt: skip


def artifact_format(path: str) -> str | None:
    """The format of the only artifact that a file of this path makes."""
    [artifact] = group_artifacts([FileRecord(path, 10**9)], RepoRecord(hub_id="1", repo_id="owner/name"))
    return artifact.format


@pytest.mark.parametrize(
    ("path", "format_"),
    [
        ("model.ort", "onnx"),  # ONNX Runtime's own flatbuffers
        ("model.mlmodelc", "coreml"),  # Core ML, compiled for a device
        ("model.keras", "tensorflow"),  # Keras 3
        ("frozen_graph.pb", "tensorflow"),  # protobuf of a graph
        ("rust_model.ot", "rust"),  # written by tch for rust-bert
        ("inference.pdiparams", "paddle"),  # parameters of an inference program
        ("model.plan", "tensorrt"),  # the three names of a serialized engine
        ("model.trt", "tensorrt"),
        ("model.engine", "tensorrt"),
        ("yolo.rknn", "rkllm"),  # Rockchip, of other networks than language models
        ("model.dlc", "qnn"),  # Qualcomm's Deep Learning Container
        ("weights.npz", "numpy"),
        ("model.pkl", "pickle"),
        ("model.pickle", "pickle"),
        ("model.joblib", "pickle"),
    ],
)
def test_names_and_files_agree_on_extensions_that_one_of_them_did_not_know(path: str, format_: str) -> None:
    assert (format_of_path(path), artifact_format(path), parse_name(path).format) == (format_, format_, format_)


@pytest.mark.parametrize(
    ("path", "format_"),
    [
        ("pytorch_model.bin", "pytorch"),
        ("openvino_model.bin", "openvino"),
        ("params_shard_3.bin", "mlc"),
        ("ggml-model-f16.bin", "ggml"),
        ("llama-2-7b.ggmlv3.q4_0.bin", "ggml"),
        ("llama-2-7b.q4_K_M.bin", "ggml"),
    ],
)
def test_the_path_says_which_format_a_bin_file_is_in(path: str, format_: str) -> None:
    assert (format_of_path(path), artifact_format(path), parse_name(path).format) == (format_, format_, format_)


def test_a_name_with_ggml_does_not_make_a_pickle_one() -> None:
    assert format_of_path("ggml-model.pt") == parse_name("ggml-model.pt").format == "pytorch"


def test_an_importance_matrix_is_in_no_model_format() -> None:
    assert format_of_path("model.imatrix") is None and artifact_format("model.imatrix") is None


def test_files_in_a_package_folder_are_in_its_format() -> None:
    assert format_of_path("Model.mlpackage/Data/com.apple.CoreML/weights/weight.bin") == "coreml"


def test_a_tensorflow_checkpoint_is_no_pickle() -> None:
    files = [FileRecord(f"model.ckpt.{end}", 10**6) for end in ("index", "meta", "data-00000-of-00001")]
    [artifact] = group_artifacts(files, RepoRecord(hub_id="1", repo_id="owner/name"))
    assert (artifact.artifact, artifact.format, len(artifact.paths)) == ("model.ckpt", "tensorflow", 3)


def test_every_format_of_the_labels_has_a_record() -> None:
    assert set(FORMATS) >= set(LABELS)


def test_a_format_is_found_by_its_files_its_words_or_its_repo() -> None:
    for each in FORMATS.values():
        assert each.extensions or each.shared_extensions or each.tagged_files or each.words, each.name


def test_an_extension_is_lower_case_and_has_no_dot() -> None:
    assert all(re.fullmatch(r"[a-z0-9_]+", extension) for extension in FORMAT_BY_EXTENSION)


def test_mlx_models_are_stored_in_safetensors_files_and_those_in_their_own() -> None:
    assert find_container("mlx") == find_container("exl3") == "safetensors"
    assert find_container("gguf") == "gguf" and find_container("unheard-of") == "unheard-of"
    assert find_container(None) is None


def test_nothing_is_known_of_an_unknown_format() -> None:
    assert find_format("unheard-of") is find_format(None) is UNKNOWN
    assert UNKNOWN.tag_weight is None and not UNKNOWN.holds_quants and UNKNOWN.runtimes == ()


def test_formats_that_hold_quantized_weights_alone() -> None:
    assert {each.name for each in FORMATS.values() if each.quantized == "only"} == {"exl2", "exl3", "rkllm"}

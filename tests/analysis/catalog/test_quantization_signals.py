"""Four signals of quantization: what each says, why, and what most of them say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from analysis.catalog.quantization_signals import (
    Signal,
    SignalInput,
    combine_signals,
    evaluate_signals,
    pair_results,
    runs_in,
)
from analysis.formats.formats import find_format
from analysis.labels.resolve import label_artifact, label_repo
from analysis.schemes.schemes import scheme_table
from db.records import ArtifactRecord, EvalRecord, Header, Labelled, RepoRecord


def verdicts(subject: SignalInput) -> dict[str, bool | None]:
    return {signal.name: signal.verdict for signal in evaluate_signals(subject)}


def reasons(subject: SignalInput) -> dict[str, str]:
    return {signal.name: signal.reason for signal in evaluate_signals(subject)}


def subject_of(labelled: Labelled, size: int) -> SignalInput:
    """As the catalog's rows tell of one artifact."""
    row = {**asdict(labelled.labels), "artifact": "model", "total_size": size}
    return SignalInput.of_row(row, [asdict(each) for each in labelled.evidence])


def result(value: float, dataset: str = "MMLU") -> EvalRecord:
    return EvalRecord("text-generation", dataset, "accuracy", value, "card")


QAT = RepoRecord(
    "1",
    "google/gemma-3-4b-it-qat-q4_0-gguf",
    "google",
    tags=("gguf", "base_model:quantized:google/gemma-3-4b-it"),
    config={},
)


def test_all_signals_of_a_quantized_file() -> None:
    file = ArtifactRecord("gemma-3-4b-it-q4_0.gguf", "weights", "gguf", ("gemma-3-4b-it-q4_0.gguf",), 3_155_051_328)
    header = Header(
        "gguf", 3, "gemma3", 3_880_263_168, 3_880_263_168, 444, {"Q4_0": 3_880_263_168}, "Q4_0", "gguf", 0.8, 6.5,
        131072, 3_155_051_328, True,
    )  # fmt: skip
    subject = subject_of(label_artifact(QAT, file, header), 3_155_051_328)
    assert verdicts(subject) == {"size": True, "documentation": True, "framework": True, "performance": None}
    reason_by_signal = reasons(subject)
    assert reason_by_signal["size"].startswith("6.50 bits per weight")
    assert (
        reason_by_signal["documentation"].startswith("its tensors' types, its file's name")
        and "Q4_0" in reason_by_signal["documentation"]
    )
    assert reason_by_signal["framework"] == "llama.cpp, Ollama, LM Studio, KoboldCpp load it as gguf"
    assert "31.7 tokens per second, 12.9 at 16 bits" in reason_by_signal["performance"]
    assert combine_signals(evaluate_signals(subject)) is True
    alone = SignalInput.of_header(header)
    assert verdicts(alone) == {"size": True, "documentation": True, "framework": True, "performance": None}


def test_all_signals_of_a_full_precision_model() -> None:
    repo = RepoRecord("2", "meta-llama/Llama-3.1-8B", safetensors={"parameters": {"BF16": 8_030_261_248}})
    subject = subject_of(label_repo(repo), 16_060_522_496)
    assert verdicts(subject) == {"size": False, "documentation": False, "framework": False, "performance": None}
    assert "no quantization method is named" in reasons(subject)["framework"]
    assert combine_signals(evaluate_signals(subject)) is False


def test_unknown_facts_give_no_verdict() -> None:
    assert set(verdicts(SignalInput()).values()) == {None}
    assert combine_signals(evaluate_signals(SignalInput())) is None
    assert all(signal.reason for signal in evaluate_signals(SignalInput()))


@pytest.mark.parametrize(
    ("bits", "verdict"), [(1.6, True), (4.9, True), (8.5, True), (11.9, True), (13, None), (16, False), (32, False)]
)
def test_size(bits: float, verdict: bool | None) -> None:
    assert verdicts(SignalInput(bits_per_weight=bits))["size"] is verdict


def test_size_from_bytes_and_parameters() -> None:
    subject = SignalInput(size=4_683_073_248, parameters=7_615_616_512)
    assert reasons(subject)["size"].startswith("4.92 bits per weight")


def test_contradicting_documents_are_named() -> None:
    repo = RepoRecord("3", "someone/Llama-3-8B-AWQ", safetensors={"parameters": {"BF16": 8_030_261_248}})
    subject = subject_of(label_repo(repo), 16_060_522_496)
    assert verdicts(subject)["documentation"] is False
    assert reasons(subject)["documentation"].endswith("; but its name not")


@pytest.mark.parametrize(
    ("container", "method", "quant", "verdict", "program"),
    [
        ("gguf", "gguf", "Q4_K_M", True, "llama.cpp"),
        ("gguf", None, "BF16", False, "llama.cpp"),
        ("gguf", None, None, None, "llama.cpp"),
        ("mlx", "mlx", "MLX-4BIT", True, "MLX"),
        ("safetensors", "bitsandbytes", "BNB-NF4", True, "transformers"),
        ("safetensors", "gptq", "GPTQ", True, "vLLM"),
        ("safetensors", "awq", "AWQ", True, "vLLM"),
        ("safetensors", None, None, False, "transformers"),
        ("exl2", "exl2", "EXL2", True, "ExLlamaV2"),
        ("exl2", None, None, True, "ExLlamaV2"),
        ("onnx", "onnx", "INT8", True, "ONNX Runtime"),
        ("openvino", "openvino", "INT4", True, "OpenVINO"),
        ("tflite", None, "INT8", True, "LiteRT"),
        ("coreml", None, None, None, "Core ML"),
        ("safetensors", "brandnew", None, None, "no program is known for the method brandnew"),
        (None, None, None, None, "no program is known"),
    ],
)
def test_framework(
    container: str | None, method: str | None, quant: str | None, verdict: bool | None, program: str
) -> None:
    subject = SignalInput(format=container, quant_method=method, quant=quant)
    assert verdicts(subject)["framework"] is verdict
    assert program in reasons(subject)["framework"]


def test_performance_needs_results_of_both_models() -> None:
    own, base = (result(65.3), result(78.9, "GSM8K")), (result(66.5), result(80.0, "gsm8k"), result(9, "other"))
    copy = SignalInput(evaluations=own, base_evaluations=base, copy=True)
    assert verdicts(copy)["performance"] is True
    assert reasons(copy)["performance"].startswith("98.4 % of its base model's results on 2 benchmarks")
    tuned = SignalInput(evaluations=own, base_evaluations=base)
    assert verdicts(tuned)["performance"] is None  # what moved them may be training
    same = SignalInput(evaluations=base, base_evaluations=base, copy=True)
    assert verdicts(same)["performance"] is False
    far = SignalInput(evaluations=(result(30),), base_evaluations=base, copy=True)
    assert verdicts(far)["performance"] is None
    assert verdicts(SignalInput(evaluations=own))["performance"] is None


def test_results_of_zero_are_not_compared() -> None:
    assert pair_results((result(1),), (result(0),)) == []


def test_a_mixture_of_experts_reads_its_active_share() -> None:
    dense = SignalInput(parameters=30 * 10**9, size=17 * 10**9)
    moe = SignalInput(parameters=30 * 10**9, active_parameters=3 * 10**9, size=17 * 10**9)
    assert "5.88 tokens per second" in reasons(dense)["performance"]
    assert "58.8 tokens per second" in reasons(moe)["performance"]


def test_rows_of_the_views_give_the_same_signals() -> None:
    row: dict[str, Any] = {
        "artifact": "x.gguf", "format": "gguf", "quant": "Q4_0", "quant_measured": None, "quant_method": "gguf",
        "bits_per_weight": None, "parameters_measured": 4 * 10**9, "total_size": 2_300_000_000,
    }  # fmt: skip
    evidence = [
        {"field": "quantized", "value": "true", "source": "file", "rule": "quant", "weight": 70, "resolved": True}
    ]
    found = verdicts(SignalInput.of_row(row, evidence))
    assert found == {"size": True, "documentation": True, "framework": True, "performance": None}
    repo = {**row, "artifact_count": 20}
    del repo["artifact"]
    assert verdicts(SignalInput.of_row(repo))["size"] is None  # twenty quants have no bits per weight


def test_even_verdicts_give_no_verdict() -> None:
    one, other = Signal("size", True, "x"), Signal("documentation", False, "y")
    assert combine_signals([one, other]) is None and combine_signals([one, one, other]) is True


FORMATS = (
    "gguf", "ggml", "safetensors", "pytorch", "onnx", "openvino", "mlx", "mlc", "exl2", "exl3", "coreml", "tflite",
    "executorch", "nemo", "tensorflow", "flax", "paddle",
)  # fmt: skip
METHODS = (
    "gguf", "gptq", "awq", "bitsandbytes", "fp8", "compressed-tensors", "mlx", "exl2", "exl3", "hqq", "aqlm", "quip",
    "spqr", "vptq", "eetq", "quanto", "torchao", "autoround", "modelopt", "mxfp4", "bitnet", "onnx", "openvino", "mlc",
)  # fmt: skip


def test_common_formats_and_methods_have_programs() -> None:
    methods = scheme_table().methods
    assert set(methods) >= set(METHODS) and all(method.runtimes for method in methods.values())
    formats = [find_format(name) for name in FORMATS]
    assert all(each.runtimes and each.quantized for each in formats)
    assert {each.quantized for each in formats} == {"only", "either", "no"}
    assert runs_in("safetensors", "awq")[0] == "transformers" and runs_in("nonsense") == ()

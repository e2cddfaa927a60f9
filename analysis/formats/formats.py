"""Containers: the formats that files are in, and which of them are another format's files."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.labels.evidence.make import Evidence, make_evidence
from db.records import ArtifactRecord, LabelRecord

TAGGED: Mapping[str, int] = {
    "mlx": 49, "exl2": 49, "exl3": 49, "mlc": 49, "gguf": 46, "ggml": 45, "safetensors": 47, "openvino": 44, "onnx": 44,
    "coreml": 44, "tflite": 44, "executorch": 44, "nemo": 43, "ctranslate2": 43, "tensorrt": 43, "rkllm": 43,
    "pytorch": 42, "paddle": 41, "tensorflow": 40, "flax": 40,
}  # fmt: skip
"""Weight of a container that a tag or a library names. The Hub tags every one that a repo holds: this says which speaks
for it."""

SAFETENSORS_API = 48
"""Weight of safetensors in the Hub's own count of the tensors."""

KEPT_IN = {
    "mlx": "safetensors", "exl2": "safetensors", "exl3": "safetensors", "mlc": "pytorch", "ctranslate2": "pytorch",
}  # fmt: skip
"""Formats whose files are another format's."""

ONLY_QUANTIZED = frozenset(("exl2", "exl3", "rkllm"))
"""Containers that hold nothing else: the programs that load them take quantized weights alone."""


def kept_in(format_: str | None) -> str | None:
    """The format of the files that a format's models are kept in: MLX's are safetensors."""
    return KEPT_IN.get(format_ or "", format_)


def container_of(artifact: ArtifactRecord) -> str | None:
    """The format of an artifact's files, whatever they hold."""
    return kept_in(artifact.format)


def is_special(each: LabelRecord, container: str) -> bool:
    """Whether evidence says that files of a container are in a format that uses it."""
    return each.field == "format" and KEPT_IN.get(each.value) == container


def framework_evidence(container: LabelRecord) -> Evidence:
    """That such a container holds quantized weights."""
    return (make_evidence("quantized", "true", container.source, f"framework of {container.value}", 42),)

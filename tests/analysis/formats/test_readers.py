"""The registry of header readers: which reader an artifact gets, and how a file without one is refused."""

from __future__ import annotations

import pickle
import re
import struct
from pathlib import Path

import pytest

from analysis.errors import HeaderError, UnreadableFormat
from analysis.formats.formats import FORMATS
from analysis.formats.readers import READERS, find_reader, has_reader, is_readable, read_artifact, recognize_format
from analysis.formats.source import BytesSource
from db.records import ArtifactRecord

ROOT = Path(__file__).resolve().parents[3]


def artifact(path: str, format_: str | None) -> ArtifactRecord:
    return ArtifactRecord(path, "weights", format_, (path,), 1000)


def test_readers_are_registered_under_formats_of_the_table() -> None:
    assert set(READERS) <= set(FORMATS)
    assert all(FORMATS[name].container == name for name in READERS)


def test_models_stored_in_another_formats_files_get_its_reader() -> None:
    assert find_reader(artifact("model.safetensors", "mlx")) is READERS["safetensors"]
    assert has_reader(artifact("model.safetensors", "exl2"))
    assert not has_reader(artifact("weights.npz", "mlx"))  # MLX once wrote NumPy archives


def test_which_files_have_headers_that_can_be_read() -> None:
    assert is_readable("x/Model-Q4_K_M.gguf") and is_readable("model.SAFETENSORS")
    assert is_readable("pytorch_model.bin") and is_readable("onnx/model.onnx")
    assert not is_readable("model.rkllm") and not is_readable("README")


@pytest.mark.parametrize(
    ("first", "format_"),
    [
        (b"GGUF\x03\x00\x00\x00" + bytes(8), "gguf"),
        (struct.pack("<Q", 64) + b'{"weight', "safetensors"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(8), "tflite"),
        (b"ftrt" + bytes(12), "tensorrt"),
        (b"PK\x03\x04" + bytes(12), None),
        (b"", None),
    ],
)
def test_a_files_first_bytes_show_its_format(first: bytes, format_: str | None) -> None:
    assert recognize_format(BytesSource(first)) == format_


def test_a_file_in_another_format_is_refused_by_its_name() -> None:
    with pytest.raises(UnreadableFormat) as raised:
        read_artifact(artifact("model.rkllm", "rkllm"), {}, lambda path: BytesSource(b""))
    assert str(raised.value).startswith("model.rkllm: its format is rkllm; headers are read of gguf, safetensors, ")
    assert raised.value.known == tuple(READERS) and isinstance(raised.value, HeaderError)


def test_a_file_in_an_unknown_format_is_refused() -> None:
    with pytest.raises(UnreadableFormat, match="notes: its format is unknown; headers are read of gguf"):
        find_reader(artifact("notes", None))


def test_the_refusal_travels_between_processes() -> None:
    error = UnreadableFormat("model.onnx", "onnx", ("gguf",))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), again.format, again.known) == (str(error), "onnx", ("gguf",))


def test_no_module_outside_the_registry_compares_formats_by_name() -> None:
    names = "|".join(FORMATS)
    comparison = re.compile(rf"""[!=]= ["'](?:{names})["']""")
    inside = ("analysis/formats/", "analysis/files/", "analysis/names/", "analysis/schemes/")
    methods = "analysis/labels/evidence/config.py"  # mlx and gguf are methods of quantization there
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for package in ("analysis", "crawler", "db")
        for path in sorted((ROOT / package).rglob("*.py"))
        if not str(path.relative_to(ROOT)).startswith((*inside, methods))
        for line in path.read_text(encoding="utf-8").splitlines()
        if comparison.search(line)
    ]
    assert found == []

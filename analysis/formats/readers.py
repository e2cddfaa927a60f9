"""The registry of header readers: one line per format whose headers can be read.

The packages registered here import the code that parses only when a header is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from analysis.errors import UnreadableFormat
from analysis.formats import coreml, gguf, nemo, onnx, openvino, pytorch_zip, safetensors, tensorrt, tflite
from analysis.formats.array_lengths import ArrayLengths
from analysis.formats.facts import limit_header
from analysis.formats.formats import FORMAT_BY_EXTENSION, extension_of, find_container, find_format
from analysis.formats.reader import FIRST_BYTES, Reader
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, Header

READERS: Mapping[str, Reader] = {
    "gguf": gguf.READER,
    "safetensors": safetensors.READER,
    "pytorch": pytorch_zip.READER,
    "onnx": onnx.READER,
    "tflite": tflite.READER,
    "nemo": nemo.READER,
    "openvino": openvino.READER,
    "coreml": coreml.READER,
    "tensorrt": tensorrt.READER,
}
"""Readers by the format of the files (`Format.container`)."""


def is_readable(path: str) -> bool:
    """Whether there is a reader for files with this path's extension."""
    return FORMAT_BY_EXTENSION.get(extension_of(path)) in READERS


def has_reader(artifact: ArtifactRecord) -> bool:
    """Whether all files of an artifact have headers that can be read."""
    format_ = find_format(artifact.format)
    if find_container(artifact.format) not in READERS:
        return False
    if format_.folders and artifact.artifact.endswith(format_.folders):  # the reader knows which of its files to read
        return True
    return all(is_readable(path) or extension_of(path) in format_.paired_extensions for path in artifact.paths)


def is_crawled(artifact: ArtifactRecord) -> bool:
    """Whether a crawl reads the header of an artifact."""
    return has_reader(artifact) and find_reader(artifact).crawled


def find_reader(artifact: ArtifactRecord) -> Reader:
    """The reader of an artifact's header. Raises UnreadableFormat where its format has none."""
    reader = READERS.get(find_container(artifact.format) or "")
    if reader is None:
        raise UnreadableFormat(artifact.artifact, artifact.format, tuple(READERS))
    return reader


def recognize_format(source: ByteSource) -> str | None:
    """The readable format that a file's first bytes show; None for other files. Raises SourceError."""
    first = source.read(0, FIRST_BYTES)
    return next((name for name, reader in READERS.items() if reader.recognize(first)), None)


def read_artifact(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    *,
    array_lengths: Sequence[ArrayLength] | ArrayLengths = (),
    config: Json = {},  # noqa: B006  # read only
    base_parameters: int | None = None,
) -> tuple[Header, tuple[ArrayLength, ...]]:
    """The header of an artifact, its shards merged, and the lengths of arrays that it taught for reading the next one.

    `sizes` are the files' sizes in bytes, as the Hub gives them, by path: the parse is checked against them.
    `open_source` opens a path. `array_lengths` are what earlier headers taught (GGUF). `config` is what
    `model_config.merge_configs` made of the repo's JSON files, and `base_parameters` the count of its base model
    (safetensors). Raises UnreadableFormat, HeaderError where a header can't be believed, and SourceError where its
    bytes can't be read.
    """
    header, learned = find_reader(artifact).read(
        artifact, sizes, open_source, array_lengths=array_lengths, config=config, base_parameters=base_parameters
    )
    return limit_header(header), learned


def read_answer(payload: Json, artifact: ArtifactRecord, sizes: Mapping[str, int | None], config: Json) -> Header:
    """The header of a sharded artifact from one answer of the Hub, where the reader of its format has `read_answer`.

    Raises HeaderError.
    """
    reader = find_reader(artifact)
    if reader.read_answer is None:
        raise UnreadableFormat(artifact.artifact, artifact.format, tuple(READERS))
    return limit_header(reader.read_answer(payload, artifact, sizes, config))

"""safetensors: tensors behind a JSON header. `READER` is registered in analysis/formats/readers.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from analysis.formats.array_lengths import ArrayLengths
from analysis.formats.reader import Reader
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, Header

LENGTH_BYTES = 8
"""Bytes at the start of a file that hold the length of its JSON header."""


def recognize(first: bytes) -> bool:
    """Whether a file begins as a safetensors file does: a length, then a JSON object."""
    return first[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{"


def read(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    *,
    array_lengths: Sequence[ArrayLength] | ArrayLengths,
    config: Json,
    base_parameters: int | None,
) -> tuple[Header, tuple[ArrayLength, ...]]:
    """The header. It has no large arrays, so it teaches no lengths."""
    from analysis.formats.safetensors.reader import read_safetensors

    return read_safetensors(artifact, sizes, open_source, config=config, base_parameters=base_parameters), ()


def read_answer(payload: Json, artifact: ArtifactRecord, sizes: Mapping[str, int | None], config: Json) -> Header:
    """The header from the Hub's answer about all shards."""
    from analysis.formats.safetensors.reader import read_safetensors_metadata

    return read_safetensors_metadata(payload, artifact, sizes, config)


READER = Reader(recognize, read, read_answer, uses_config=True)

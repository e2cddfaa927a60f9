"""GGUF: llama.cpp's format. `READER` is registered in analysis/formats/readers.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from analysis.formats.array_lengths import ArrayLengths
from analysis.formats.reader import Reader
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, Header

MAGIC = b"GGUF"


def recognize(first: bytes) -> bool:
    """Whether a file begins as a GGUF file does."""
    return first.startswith(MAGIC)


def read(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    *,
    array_lengths: Sequence[ArrayLength] | ArrayLengths,
    config: Json,
    base_parameters: int | None,
) -> tuple[Header, tuple[ArrayLength, ...]]:
    """The header, and the array lengths that it taught. A GGUF file describes itself: `config` is not needed."""
    from analysis.formats.gguf.model import read_gguf

    return read_gguf(artifact, sizes, open_source, array_lengths)


READER = Reader(recognize, read)

"""What a format's reader is: how its files are recognized, and the function that reads their headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from analysis.formats.array_lengths import ArrayLengths
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArrayLength, ArtifactRecord, Header

FIRST_BYTES = 16
"""Bytes from the start of a file that `Reader.recognize` is given."""


class ReadHeader(Protocol):
    """Reads the header of an artifact, its shards merged."""

    def __call__(
        self,
        artifact: ArtifactRecord,
        sizes: Mapping[str, int | None],
        open_source: Callable[[str], ByteSource],
        *,
        array_lengths: Sequence[ArrayLength] | ArrayLengths,
        config: Json,
        base_parameters: int | None,
    ) -> tuple[Header, tuple[ArrayLength, ...]]:
        """The header, and lengths of arrays that reading it taught. See `readers.read_artifact`."""
        ...


class ReadAnswer(Protocol):
    """Reads the header of a sharded artifact from one answer of the Hub (`/safetensors-metadata`)."""

    def __call__(
        self, payload: Json, artifact: ArtifactRecord, sizes: Mapping[str, int | None], config: Json
    ) -> Header: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of one format's headers.

    `read` counts parameters too: `Header.parameters` are those of the model, without scales, tables and buffers.
    """

    recognize: Callable[[bytes], bool]
    """Whether a file is in the format, by its first `FIRST_BYTES` bytes."""
    read: ReadHeader
    read_answer: ReadAnswer | None = None
    """Where the Hub gives the headers of all shards in one answer: what reads it."""
    crawled: bool = True
    """Whether a crawl reads it too. Where tensors are described all over a file, reading it takes many requests."""
    uses_config: bool = False
    """Whether the repo's JSON files are needed to know architecture, context and packing."""


ReadContainer = Callable[[ArtifactRecord, Mapping[str, int | None], Callable[[str], ByteSource], Json], Header]
"""Reads the header of a container that teaches no lengths: artifact, sizes, open_source, config."""


def container_reader(read: ReadContainer, recognize: Callable[[bytes], bool]) -> Reader:
    """The reader of a container whose tensors are described all over its file: on request, not by a crawl."""

    def read_header(
        artifact: ArtifactRecord,
        sizes: Mapping[str, int | None],
        open_source: Callable[[str], ByteSource],
        *,
        array_lengths: Sequence[ArrayLength] | ArrayLengths,
        config: Json,
        base_parameters: int | None,
    ) -> tuple[Header, tuple[ArrayLength, ...]]:
        return read(artifact, sizes, open_source, config), ()

    return Reader(recognize, read_header, crawled=False, uses_config=True)

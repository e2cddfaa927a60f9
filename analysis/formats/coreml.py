"""What a Core ML package holds: the blobs of its weights file, each with its type and its bytes.

The format is MIL's blob storage, version 2 (coremltools, mlmodel/src/MILBlob/Blob/StorageFormat.hpp and
BlobDataType.hpp): a header of 64 bytes with the number of blobs, then for each blob a description of 64 bytes and its
data, both aligned to 64 bytes. The program beside it (model.mlmodel) names the blobs and is not read. A .mlmodel by
itself is read by mlmodel.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from analysis.errors import NotThisFormat
from analysis.formats.containers import Stored, build_container_header
from analysis.formats.cursor import Cursor
from analysis.formats.mlmodel import read_mlmodel
from analysis.formats.reader import container_reader
from analysis.formats.signatures import detect_other_format
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArtifactRecord, Header

ALIGNMENT = 64
VERSION = 2
SENTINEL = 0xDEADBEEF
BLOB_TYPES: Mapping[int, tuple[str, int]] = {
    1: ("F16", 16), 2: ("F32", 32), 3: ("U8", 8), 4: ("I8", 8), 5: ("BF16", 16), 6: ("I16", 16), 7: ("U16", 16),
    8: ("I4", 4), 9: ("U1", 1), 10: ("U2", 2), 11: ("U4", 4), 12: ("U3", 3), 13: ("U6", 6), 14: ("I32", 32),
    15: ("U32", 32), 16: ("F8_E4M3", 8), 17: ("F8_E5M2", 8),
}  # fmt: skip
"""BlobDataType -> name and bits. Palettized weights are whole numbers of few bits: each an index of a table."""


def read_coreml(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    config: Json,
) -> Header:
    """The header of a package from its weights file. Raises HeaderError and SourceError."""
    path = next((path for path in artifact.paths if path.lower().endswith(".bin")), artifact.paths[0])
    source = open_source(path)
    cursor = Cursor(source, "Core ML's weights", sizes.get(path))
    first = cursor.read(0, 16)
    if path.lower().endswith(".mlmodel"):
        return read_mlmodel(artifact, cursor, sizes, config, source)
    if not recognize(first):
        expected = "Core ML's weights (weights/weight.bin of a .mlpackage; a .mlmodel holds them within its program)"
        raise NotThisFormat(source.name, 0, expected, detect_other_format(first))
    found: list[Stored] = []
    at = ALIGNMENT
    for number in range(cursor.number(0, 4)):
        stored, end = read_blob(cursor, at, number)
        found.append(stored)
        at = -(-end // ALIGNMENT) * ALIGNMENT
    return build_container_header("coreml", artifact, found, config, sizes, source, {})


def read_blob(cursor: Cursor, at: int, number: int) -> tuple[Stored, int]:
    """The blob that is described at this position, and where its data end."""
    cursor.step()
    if (mark := cursor.number(at, 4)) != SENTINEL:
        raise cursor.malformed(at, "the description of a blob", f"{mark:#x}")
    code = cursor.number(at + 4, 4)
    size, start, padding = (cursor.number(at + field, 8) for field in (8, 16, 24))
    kind = BLOB_TYPES.get(code)
    if kind is None:
        raise cursor.malformed(at + 4, "a type of blob", str(code))
    if start < at + ALIGNMENT or (cursor.size is not None and start + size > cursor.size) or padding >= 8:
        raise cursor.malformed(at + 8, "data behind their description, within the file", f"{size:,} bytes at {start:,}")
    return Stored(f"blob {number}", kind[0], (size * 8 - padding) // kind[1], size), start + size


def recognize(first: bytes) -> bool:
    """A number of blobs, the version, and reserved bytes, which are zero."""
    return len(first) >= 16 and int.from_bytes(first[4:8], "little") == VERSION and not any(first[8:16])


READER = container_reader(read_coreml, recognize)

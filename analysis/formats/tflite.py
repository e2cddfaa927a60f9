"""What a LiteRT (TensorFlow Lite) flatbuffer holds: its constant tensors, of all subgraphs.

The format is tensorflow/lite/schema/schema.fbs; tables lie as flatbuffers.dev describes: each begins with the distance
back to a list of its fields' places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from analysis.errors import HeaderBeyondLimits, NotThisFormat
from analysis.formats import limits
from analysis.formats.containers import Stored, build_container_header
from analysis.formats.cursor import Cursor
from analysis.formats.reader import container_reader
from analysis.formats.signatures import detect_other_format
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArtifactRecord, Header

MAGIC_AT, MAGIC = 4, b"TFL3"

TENSOR_TYPES: Mapping[int, tuple[str, int]] = {
    0: ("F32", 32), 1: ("F16", 16), 2: ("I32", 32), 3: ("U8", 8), 4: ("I64", 64), 6: ("BOOL", 8), 7: ("I16", 16),
    9: ("I8", 8), 10: ("F64", 64), 12: ("U64", 64), 15: ("U32", 32), 16: ("U16", 16), 17: ("I4", 4), 18: ("BF16", 16),
    19: ("I2", 2),
}  # fmt: skip
"""TensorType -> name and bits."""

MODEL_SUBGRAPHS, MODEL_BUFFERS = 2, 4
SUBGRAPH_TENSORS = 0
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME = 0, 1, 2, 3
BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE = 0, 1, 2
"""Numbers of the fields that are read, by table."""


def read_tflite(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    config: Json,
) -> Header:
    """The header of a model. Raises HeaderError and SourceError."""
    path = artifact.paths[0]
    source = open_source(path)
    tables = Tables(Cursor(source, "a LiteRT (TensorFlow Lite) model", sizes.get(path)))
    start = tables.cursor.read(0, min(16, tables.cursor.size if tables.cursor.size is not None else 16))
    if start[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
        raise NotThisFormat(source.name, 0, "a LiteRT (TensorFlow Lite) model", detect_other_format(start))
    return build_container_header("tflite", artifact, tables.read_constants(), config, sizes, source, {})


class Tables:
    """A flatbuffer: tables, vectors and their fields, every position checked by the cursor."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def read_constants(self) -> list[Stored]:
        """The tensors whose buffers hold data."""
        root = self.follow(0)
        buffers = self.vector(root, MODEL_BUFFERS)
        held = [self.buffer_bytes(table) for table in buffers]
        found: dict[int, Stored] = {}
        for subgraph in self.vector(root, MODEL_SUBGRAPHS):
            for table in self.vector(subgraph, SUBGRAPH_TENSORS):
                number = self.scalar(table, TENSOR_BUFFER, 4)
                if number < len(held) and held[number] and number not in found:
                    tensor = self.tensor(table, held[number])
                    if tensor is not None:
                        found[number] = tensor
        return list(found.values())

    def tensor(self, table: int, size: int) -> Stored | None:
        """A constant; None where its type has no width."""
        kind = self.scalar(table, TENSOR_TYPE, 1)
        if kind not in TENSOR_TYPES:
            return None
        name, bits = TENSOR_TYPES[kind]
        shape = self.numbers(table, TENSOR_SHAPE)
        elements = prod(shape)
        if not 0 <= elements <= limits.MAX_TENSOR_ELEMENTS:
            raise HeaderBeyondLimits(
                self.cursor.source.name,
                table,
                f"at most {limits.MAX_TENSOR_ELEMENTS:,} elements",
                f"shape {shape}"[:100],
            )
        if -(-elements * bits // 8) > size:
            raise self.cursor.malformed(table, f"{-(-elements * bits // 8):,} bytes of a tensor", f"{size:,}")
        return Stored(self.text(table, TENSOR_NAME), name, elements, size)

    def buffer_bytes(self, table: int) -> int:
        """Bytes of a buffer's data: within the flatbuffer, or behind it in files above 2 GB."""
        at = self.place(table, BUFFER_DATA)
        if at is not None:
            return self.cursor.number(self.follow(at), 4)
        return self.scalar(table, BUFFER_SIZE, 8) if self.scalar(table, BUFFER_OFFSET, 8) > 1 else 0

    # ---- flatbuffers ----

    def follow(self, position: int) -> int:
        """Where the offset at a position leads. Offsets lead forward, so nothing is followed for ever."""
        self.cursor.step()
        distance = self.cursor.number(position, 4)
        if not distance:
            raise self.cursor.malformed(position, "an offset", "0")
        return position + distance

    def place(self, table: int, field: int) -> int | None:
        """Where a field of a table lies; None where it has its default."""
        self.cursor.step()
        fields = table - self.cursor.number(table, 4, signed=True)
        if fields < 0 or (length := self.cursor.number(fields, 2)) < 4:
            raise self.cursor.malformed(table, "a table", "one without fields")
        at = 4 + 2 * field
        offset = self.cursor.number(fields + at, 2) if at + 2 <= length else 0
        return table + offset if offset else None

    def scalar(self, table: int, field: int, width: int) -> int:
        at = self.place(table, field)
        return 0 if at is None else self.cursor.number(at, width)

    def elements(self, table: int, field: int, width: int) -> tuple[int, int]:
        """Where a vector's elements of `width` bytes begin, and how many there are."""
        at = self.place(table, field)
        if at is None:
            return 0, 0
        start = self.follow(at)
        count = self.cursor.number(start, 4)
        if count > limits.MAX_SAFETENSORS_TENSORS:
            raise HeaderBeyondLimits(
                self.cursor.source.name, start, f"at most {limits.MAX_SAFETENSORS_TENSORS:,} elements", f"{count:,}"
            )
        self.cursor.read(start + 4, count * width)
        return start + 4, count

    def vector(self, table: int, field: int) -> list[int]:
        """The tables of a vector."""
        start, count = self.elements(table, field, 4)
        return [self.follow(start + 4 * at) for at in range(count)]

    def numbers(self, table: int, field: int) -> list[int]:
        start, count = self.elements(table, field, 4)
        if count > limits.MAX_DIMENSIONS:
            raise HeaderBeyondLimits(
                self.cursor.source.name, start, f"at most {limits.MAX_DIMENSIONS} dimensions", f"{count}"
            )
        return [self.cursor.number(start + 4 * at, 4, signed=True) for at in range(count)]

    def text(self, table: int, field: int) -> str:
        start, count = self.elements(table, field, 1)
        return (
            self.cursor.read(start, min(count, limits.MAX_TENSOR_NAME_BYTES)).decode(errors="replace") if count else ""
        )


READER = container_reader(read_tflite, lambda first: first[MAGIC_AT : MAGIC_AT + len(MAGIC)] == MAGIC)

"""Small files of other containers, written byte by byte as their formats say."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence

# ---- Protocol Buffers, ONNX -----------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def onnx_tensor(name: str, kind: int, shape: Sequence[int], data: bytes | None = b"", packed: bool = False) -> bytes:
    """A TensorProto; `data` None: it lies in another file."""
    dims = message(1, b"".join(map(varint, shape))) if packed else b"".join(number(1, length) for length in shape)
    if data is None:
        entry = message(1, b"location") + message(2, b"model.onnx_data")
        return dims + number(2, kind) + message(8, name.encode()) + message(13, entry) + number(14, 1)
    return dims + number(2, kind) + message(9, data) + message(8, name.encode())


def onnx_node(
    operator: str, inputs: Sequence[str], attributes: bytes = b"", outputs: Sequence[str] = ("out",)
) -> bytes:
    named = b"".join(message(1, each.encode()) for each in inputs)
    return named + b"".join(message(2, each.encode()) for each in outputs) + message(4, operator.encode()) + attributes


def attribute(name: str, value: bytes) -> bytes:
    """An AttributeProto whose value is a field of its own."""
    return message(5, message(1, name.encode()) + value)


def onnx_model(nodes: Sequence[bytes], tensors: Sequence[bytes]) -> bytes:
    graph = b"".join(message(1, node) for node in nodes) + b"".join(message(5, tensor) for tensor in tensors)
    return number(1, 8) + message(2, b"pytorch") + message(7, graph)


# ---- PyTorch, NeMo --------------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def rebuilt(storage: str, key: str, shape: Sequence[int], offset: int = 0) -> bytes:
    """A tensor as torch pickles it: torch._utils._rebuild_tensor_v2 of a persistent storage."""
    sizes = b"(" + b"".join(map(integer, shape)) + b"t"
    place = b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu") + integer(1) + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + integer(offset) + sizes + sizes + b"\x89Nt" + b"R"


def pickled(values: Mapping[str, bytes]) -> bytes:
    """A dictionary of values that are pickled already."""
    return b"\x80\x02" + dictionary(values) + b"."


def dictionary(values: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def torch_zip(pickle: bytes, name: str = "archive/data.pkl", compressed: bool = False) -> bytes:
    made = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(made, "w", kind) as archive:
        archive.writestr(name, pickle)
        archive.writestr("archive/data/0", bytes(64))
        archive.writestr("archive/version", "3\n")
    return made.getvalue()


def tar(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return made.getvalue()


# ---- LiteRT ---------------------------------------------------------------------------------------------------------


class FlatBuffer:
    """Written front to back: a table's fields first reserve their places, then what they lead to is appended."""

    def __init__(self) -> None:
        self.data = bytearray(struct.pack("<I4s", 0, b"TFL3"))

    def table(self, fields: Mapping[int, int]) -> tuple[int, dict[int, int]]:
        """A table with fields of four bytes at most; gives its place and the places of its fields."""
        count = max(fields, default=-1) + 1
        start = len(self.data)
        places, offset = [0] * count, 4
        for field in fields:
            places[field] = offset
            offset += 8
        self.data += struct.pack(f"<HH{count}H", 4 + 2 * count, offset, *places)
        place = len(self.data)
        self.data += struct.pack("<i", place - start)
        for value in fields.values():
            self.data += struct.pack("<Q", value)
        return place, {field: place + 4 + 8 * at for at, field in enumerate(fields)}

    def lead(self, place: int) -> None:
        """Lets the offset at a place lead to the end of what is written."""
        struct.pack_into("<I", self.data, place, len(self.data) - place)

    def vector(self, place: int, items: Sequence[int]) -> list[int]:
        self.lead(place)
        self.data += struct.pack(f"<I{len(items)}i", len(items), *items)
        return [len(self.data) - 4 * (len(items) - at) for at in range(len(items))]

    def text(self, place: int, value: bytes) -> None:
        self.lead(place)
        self.data += struct.pack("<I", len(value)) + value


def tflite(tensors: Sequence[tuple[str, int, Sequence[int], int]]) -> bytes:
    """A model of one subgraph. Tensors: name, type, shape, bytes of data (0: it is computed)."""
    made = FlatBuffer()
    made.lead(0)
    _, model = made.table({2: 0, 4: 0})
    made.data[:4] = struct.pack("<I", _)
    (subgraph,) = made.vector(model[2], [0])
    buffers = made.vector(model[4], [0] * (len(tensors) + 1))
    struct.pack_into("<I", made.data, subgraph, 0)
    held, fields = made.table({0: 0})
    struct.pack_into("<I", made.data, subgraph, held - subgraph)
    places = made.vector(fields[0], [0] * len(tensors))
    for at, (name, kind, shape, _size) in enumerate(tensors):
        held, fields = made.table({0: 0, 1: kind, 2: at + 1, 3: 0})
        struct.pack_into("<I", made.data, places[at], held - places[at])
        made.vector(fields[0], shape)
        made.text(fields[3], name.encode())
    for at, size in enumerate([0, *(each[3] for each in tensors)]):
        held, fields = made.table({0: 0} if size else {})
        struct.pack_into("<I", made.data, buffers[at], held - buffers[at])
        if size:
            made.text(fields[0], bytes(size))
    return bytes(made.data)


# ---- OpenVINO -------------------------------------------------------------------------------------------------------


def openvino(constants: Sequence[tuple[str, str, str]]) -> bytes:
    """The XML of a model. Constants: name, element type, shape."""
    layers = "".join(
        f'<layer id="{at}" name="{name}" type="Const" version="opset1"><data element_type="{kind}" shape="{shape}" '
        f'offset="0" size="0" /><output><port id="0" /></output></layer>'
        for at, (name, kind, shape) in enumerate(constants)
    )
    return f'<?xml version="1.0"?>\n<net name="m" version="11">\n<layers>{layers}</layers></net>'.encode()


# ---- Core ML --------------------------------------------------------------------------------------------------------


def coreml_weights(blobs: Sequence[tuple[int, int]], *, version: int = 2, padding: int = 0) -> bytes:
    """A weights file: blobs by type and bytes, the last one with bits of padding."""
    made = bytearray(struct.pack("<II", len(blobs), version) + bytes(56))
    for at, (kind, size) in enumerate(blobs):
        start = len(made) + 64
        unused = padding if at == len(blobs) - 1 else 0
        made += struct.pack("<IIQQQ", 0xDEADBEEF, kind, size, start, unused) + bytes(32) + bytes(size)
        made += bytes(-len(made) % 64)
    return bytes(made)

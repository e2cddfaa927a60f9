"""What an ONNX graph holds: its initializers, inline or in files beside it, and what its operators make of them.

The format is onnx/onnx.proto of github.com/onnx/onnx; packed weights are those of ONNX Runtime's contrib operators
(docs/ContribOperators.md: MatMulNBits, GatherBlockQuantized).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

from analysis.errors import HeaderBeyondLimits
from analysis.formats import limits
from analysis.formats.containers import Stored, build_container_header
from analysis.formats.cursor import Cursor
from analysis.formats.protobuf import BYTES, Field, read_fields, read_packed, read_text
from analysis.formats.reader import container_reader
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArtifactRecord, Header

DATA_TYPES: Mapping[int, tuple[str, float]] = {
    1: ("F32", 32), 2: ("U8", 8), 3: ("I8", 8), 4: ("U16", 16), 5: ("I16", 16), 6: ("I32", 32), 7: ("I64", 64),
    9: ("BOOL", 8), 10: ("F16", 16), 11: ("F64", 64), 12: ("U32", 32), 13: ("U64", 64), 16: ("BF16", 16),
    17: ("F8_E4M3", 8), 18: ("F8_E4M3FNUZ", 8), 19: ("F8_E5M2", 8), 20: ("F8_E5M2FNUZ", 8), 21: ("U4", 4),
    22: ("I4", 4), 23: ("F4", 4), 24: ("F8_E8M0", 8), 25: ("U2", 2), 26: ("I2", 2),
}  # fmt: skip
"""TensorProto.DataType -> name and bits."""

COMPANION_INPUTS: Mapping[str, tuple[int, ...]] = {
    "QuantizeLinear": (1, 2), "DequantizeLinear": (1, 2), "MatMulNBits": (2, 3, 4), "GatherBlockQuantized": (2, 3),
    "DynamicQuantizeMatMul": (2, 3), "MatMulInteger": (2, 3), "MatMulIntegerToFloat": (2, 3, 4, 5),
    "ConvInteger": (2, 3), "QLinearConv": (1, 2, 4, 5, 6, 7), "QLinearMatMul": (1, 2, 4, 5, 6, 7),
}  # fmt: skip
"""Operators -> inputs that are scales, zero points or orders, and no weights."""

PACKED_INPUT: Mapping[str, int] = {"MatMulNBits": 1, "GatherBlockQuantized": 0}
"""Operators -> the input that packs several weights into a byte; the attribute `bits` says how many bits each has."""

MAX_NAME_BYTES = 512
MAX_GRAPH_DEPTH = 4
"""Graphs within nodes of graphs: branches and loops."""


@dataclass(slots=True)
class Graph:
    """What was read of a graph and those within it."""

    tensors: dict[str, Stored] = field(default_factory=dict)
    companions: set[str] = field(default_factory=set)
    packed_bits: dict[str, int] = field(default_factory=dict)
    producer: str = ""
    nodes: int = 0


def read_onnx(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    config: Json,
) -> Header:
    """The header of a graph; the files with its external data are not opened. Raises HeaderError and SourceError."""
    path = next((path for path in artifact.paths if path.lower().endswith(".onnx")), artifact.paths[0])
    source = open_source(path)
    graph = read_model(Cursor(source, "an ONNX model", sizes.get(path)))
    tensors = [
        Stored(
            each.name, each.type, each.elements, each.bytes,
            8 / graph.packed_bits[each.name] if each.name in graph.packed_bits and each.type == "U8" else 1,
            is_weight=each.name not in graph.companions,
        )
        for each in graph.tensors.values()
    ]  # fmt: skip
    facts = {"producer": graph.producer, "nodes": graph.nodes}
    return build_container_header("onnx", artifact, tensors, config, sizes, source, facts)


def read_model(cursor: Cursor) -> Graph:
    """Everything that is kept of a ModelProto. Raises HeaderMalformed where it has no graph."""
    found = Graph()
    graphs = []
    for each in read_fields(cursor, 0, cursor.size or 0):
        if each.number == 2 and each.kind == BYTES:
            found.producer = read_text(cursor, each, 64)
        elif each.number == 7 and each.kind == BYTES:
            graphs.append((each.start, each.end, 0))
    if not graphs:
        raise cursor.malformed(0, "a graph", "none")
    while graphs:
        start, end, depth = graphs.pop()
        if depth > MAX_GRAPH_DEPTH:
            raise HeaderBeyondLimits(cursor.source.name, start, f"graphs in at most {MAX_GRAPH_DEPTH} graphs", "more")
        graphs += [(inner.start, inner.end, depth + 1) for inner in read_graph(cursor, start, end, found)]
    return found


def read_graph(cursor: Cursor, start: int, end: int, found: Graph) -> Iterator[Field]:
    """Adds the nodes and initializers of a GraphProto; gives the graphs within it."""
    for each in read_fields(cursor, start, end):
        if each.kind != BYTES:
            continue
        if each.number == 1:
            yield from read_node(cursor, each, found)
        elif each.number == 5:
            tensor = read_tensor(cursor, each)
            if tensor is not None:
                found.tensors[tensor.name] = tensor
            if len(found.tensors) > limits.MAX_SAFETENSORS_TENSORS:
                raise HeaderBeyondLimits(
                    cursor.source.name, each.start, f"at most {limits.MAX_SAFETENSORS_TENSORS:,} tensors", "more"
                )


def read_node(cursor: Cursor, node: Field, found: Graph) -> Iterator[Field]:
    """Adds what a NodeProto says of its inputs, and the value of a constant; gives the graphs within it."""
    inputs, outputs, operator, bits = [], [], "", 4
    found.nodes += 1
    for each in read_fields(cursor, node.start, node.end):
        if each.kind != BYTES:
            continue
        if each.number == 1:
            inputs.append(read_text(cursor, each, MAX_NAME_BYTES))
        elif each.number == 2:
            outputs.append(read_text(cursor, each, MAX_NAME_BYTES))
        elif each.number == 4:
            operator = read_text(cursor, each, 64)
        elif each.number == 5:
            name, number, tensor, graphs = read_attribute(cursor, each)
            bits = number if name == "bits" and 1 <= number <= 8 else bits
            if tensor is not None and name == "value" and outputs:
                found.tensors.setdefault(outputs[0], Stored(outputs[0], tensor.type, tensor.elements, tensor.bytes))
            yield from graphs
    for at in COMPANION_INPUTS.get(operator, ()):
        found.companions.update(inputs[at : at + 1])
    for at in (PACKED_INPUT[operator],) if operator in PACKED_INPUT else ():
        found.packed_bits.update((name, bits) for name in inputs[at : at + 1])


def read_attribute(cursor: Cursor, attribute: Field) -> tuple[str, int, Stored | None, list[Field]]:
    """Name, number, tensor and graphs of an AttributeProto."""
    name, number, tensor, graphs = "", 0, None, []
    for each in read_fields(cursor, attribute.start, attribute.end):
        if each.number == 1 and each.kind == BYTES:
            name = read_text(cursor, each, 64)
        elif each.number == 3:
            number = each.value
        elif each.number == 5 and each.kind == BYTES:
            tensor = read_tensor(cursor, each)
        elif each.number in (6, 11) and each.kind == BYTES:
            graphs.append(each)
    return name, number, tensor, graphs


def read_tensor(cursor: Cursor, tensor: Field) -> Stored | None:
    """A TensorProto; None where its type has no width, as texts have none."""
    shape: list[int] = []
    kind, name = 0, ""
    for each in read_fields(cursor, tensor.start, tensor.end):
        if each.number == 1:
            shape += read_packed(cursor, each)
            if len(shape) > limits.MAX_DIMENSIONS:
                raise HeaderBeyondLimits(
                    cursor.source.name, each.start, f"at most {limits.MAX_DIMENSIONS} dimensions", f"{len(shape)}"
                )
        elif each.number == 2:
            kind = each.value
        elif each.number == 8 and each.kind == BYTES:
            name = read_text(cursor, each, MAX_NAME_BYTES)
    elements = prod(shape)
    if elements > limits.MAX_TENSOR_ELEMENTS:
        raise HeaderBeyondLimits(
            cursor.source.name, tensor.start, f"at most {limits.MAX_TENSOR_ELEMENTS:,} elements", f"shape {shape}"[:100]
        )
    if kind not in DATA_TYPES:
        return None
    dtype, bits = DATA_TYPES[kind]
    return Stored(name, dtype, elements, -(-int(elements * bits) // 8))


READER = container_reader(read_onnx, lambda first: False)  # an ONNX graph begins as other messages do

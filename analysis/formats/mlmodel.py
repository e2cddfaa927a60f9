"""What a .mlmodel of Core ML holds: its kind, version and layers, and the weights of a neural network's layers.

The format is a Protocol Buffers message (apple/coremltools, mlmodel/format/Model.proto, NeuralNetwork.proto). Weights
of layers whose kind is not in LAYERS are not counted, and the file then has no number of parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from analysis.errors import NotThisFormat
from analysis.formats.containers import Stored, build_container_header
from analysis.formats.cursor import Cursor
from analysis.formats.protobuf import BYTES, VARINT, Field, read_fields
from analysis.formats.source import ByteSource
from db.record_base import Json
from db.records import ArtifactRecord, Header

VERSION, MAX_VERSION = 1, 100
KINDS: Mapping[int, str] = {
    200: "pipeline classifier", 201: "pipeline regressor", 202: "pipeline", 300: "linear regressor",
    301: "support vector regressor", 302: "tree ensemble regressor", 303: "neural network regressor",
    400: "linear classifier", 401: "support vector classifier", 402: "tree ensemble classifier",
    403: "neural network classifier", 404: "nearest neighbors classifier", 500: "neural network",
    501: "recommender", 502: "program", 555: "custom model", 556: "linked model",
}  # fmt: skip
"""The field of the model -> what it is."""
NETWORKS = (303, 403, 500)
LAYER = 1  # of a network
LAYERS: Mapping[int, tuple[int, ...]] = {100: (90, 91), 140: (20, 21), 150: (20, 21), 160: (15, 16)}
"""The field of a layer (convolution, inner product, embedding, batch norm) -> its fields that are trained."""
FIRST_LAYER_FIELD = 100
MAX_OTHER_BYTES = 1024
"""A layer of another kind with more than this holds weights that are not counted."""
FLOATS, HALVES, RAW, RAW_INT8, QUANTIZATION = 1, 2, 30, 31, 40
BITS = 1  # of the quantization


def read_mlmodel(
    artifact: ArtifactRecord, cursor: Cursor, sizes: Mapping[str, int | None], config: Json, source: ByteSource
) -> Header:
    """The header of a .mlmodel. Raises NotThisFormat for what is none, HeaderError and SourceError."""
    version, kind, body = find_model(cursor)
    layers = [field for field in read_fields(cursor, body.start, body.end) if field.number == LAYER]
    network = kind in NETWORKS
    found = [weight for layer in layers for weight in read_layer(cursor, layer)] if network else []
    known = [each for each in found if each is not None]
    facts: dict[str, str | int] = {"specification_version": version, "model_kind": KINDS[kind]}
    if network:
        facts["layers"] = len(layers)
    whole = bool(known) and len(known) == len(found)
    kept = known if whole else [Stored("model", "DATA", body.end - body.start, body.end - body.start, is_weight=False)]
    header = build_container_header("coreml", artifact, kept, config, sizes, source, facts)
    header = replace(header, version=version)
    if whole:
        return header
    return replace(
        header,
        parameters=None,
        active_parameters=None,
        tensor_count=len(known),
        types={},
        tensor_layout=None,
        tensor_shapes=None,
    )


def find_model(cursor: Cursor) -> tuple[int, int, Field]:
    """(version of the specification, kind, its message). Raises NotThisFormat where there is no known kind."""
    version, end = 0, cursor.size or 0
    for field in read_fields(cursor, 0, end):
        if field.number == VERSION and field.kind == VARINT:
            version = field.value
        elif field.kind == BYTES and field.number in KINDS and 0 < version <= MAX_VERSION:
            return version, field.number, field
    raise NotThisFormat(cursor.source.name, 0, "a model of Core ML, of a kind that Model.proto has", "another message")


def read_layer(cursor: Cursor, layer: Field) -> Iterator[Stored | None]:
    """The weights of a layer; None for data that are not understood."""
    for field in read_fields(cursor, layer.start, layer.end):
        if field.kind != BYTES or field.number < FIRST_LAYER_FIELD:
            continue
        weights = LAYERS.get(field.number)
        if weights is None:
            if field.end - field.start > MAX_OTHER_BYTES:
                yield None
            continue
        for part in read_fields(cursor, field.start, field.end):
            if part.kind == BYTES and part.number in weights:
                yield read_weight(cursor, part)


def read_weight(cursor: Cursor, message: Field) -> Stored | None:
    """One tensor: floats, halves, 8 bits, or numbers of `numberOfBits`; None for another form."""
    stored: dict[int, int] = {}
    bits = 0
    for field in read_fields(cursor, message.start, message.end):
        if field.number == QUANTIZATION:
            bits = next((each.value for each in read_fields(cursor, field.start, field.end) if each.number == BITS), 0)
        elif field.kind == BYTES:
            stored[field.number] = field.end - field.start
    name = f"weight at {message.start}"
    for number, kind, width in ((FLOATS, "F32", 32), (HALVES, "F16", 16), (RAW_INT8, "I8", 8), (RAW, f"U{bits}", bits)):
        size = stored.get(number, 0)
        if size and 0 < width <= 32:
            return Stored(name, kind, size * 8 // width, size)
    return None

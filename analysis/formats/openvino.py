"""What an OpenVINO model holds: the constants that its XML describes, whose data lie in the .bin file beside it.

The format is OpenVINO's IR (docs.openvino.ai, Operation Sets; src/core/xml_util). The XML is searched for constants and
not parsed, so that entities and depth cost nothing; NNCF names scales and zero points after their weight.
"""

from __future__ import annotations

import re
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

ROOT = re.compile(r"<net\b")
CONSTANT = re.compile(r"<layer\b([^<>]{0,4096})>\s{0,100}<data\b([^<>]{0,4096})/>")
ATTRIBUTE = re.compile(r'\b(name|type|element_type|shape|size)="([^"<>]{0,1024})"')
NO_WEIGHTS = ("/scale", "/zero_point", "/zero_points")

ELEMENT_TYPES: Mapping[str, tuple[str, int]] = {
    "f64": ("F64", 64), "f32": ("F32", 32), "f16": ("F16", 16), "bf16": ("BF16", 16), "i8": ("I8", 8), "u8": ("U8", 8),
    "i4": ("I4", 4), "u4": ("U4", 4), "u2": ("U2", 2), "i16": ("I16", 16), "u16": ("U16", 16), "i32": ("I32", 32),
    "u32": ("U32", 32), "i64": ("I64", 64), "u64": ("U64", 64), "boolean": ("BOOL", 8), "f8e4m3": ("F8_E4M3", 8),
    "f8e5m2": ("F8_E5M2", 8), "f8e8m0": ("F8_E8M0", 8), "f4e2m1": ("F4", 4),
}  # fmt: skip
"""element_type -> name and bits."""


def read_openvino(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    config: Json,
) -> Header:
    """The header of a model; its .bin file is not opened. Raises HeaderError and SourceError."""
    path = next((path for path in artifact.paths if path.lower().endswith(".xml")), artifact.paths[0])
    source = open_source(path)
    cursor = Cursor(source, "an OpenVINO model", sizes.get(path))
    size = cursor.size or 0
    if size > limits.MAX_OPENVINO_XML_BYTES:
        most = f"an OpenVINO model of at most {limits.MAX_OPENVINO_XML_BYTES:,} bytes of XML"
        raise HeaderBeyondLimits(source.name, 0, most, f"{size:,}")
    raw = cursor.read(0, size)
    text = raw.decode(errors="replace")
    if ROOT.search(text[:4096]) is None:
        raise NotThisFormat(source.name, 0, "the XML of an OpenVINO model", detect_other_format(raw))
    found = [
        tensor for each in CONSTANT.finditer(text) if (tensor := read_constant(cursor, *each.groups())) is not None
    ]
    return build_container_header("openvino", artifact, found, config, sizes, source, {})


def read_constant(cursor: Cursor, layer: str, data: str) -> Stored | None:
    """A constant from the attributes of a layer and of its data; None for other layers."""
    cursor.step()
    named, held = dict(ATTRIBUTE.findall(layer)), dict(ATTRIBUTE.findall(data))
    kind = ELEMENT_TYPES.get(held.get("element_type", ""))
    if named.get("type") != "Const" or kind is None:
        return None
    lengths = [length.strip() for length in held.get("shape", "").split(",") if length.strip()]
    if not all(length.isascii() and length.isdigit() and len(length) < 20 for length in lengths):
        raise cursor.malformed(0, "a shape of whole numbers", held["shape"])
    elements = prod(map(int, lengths))
    if elements > limits.MAX_TENSOR_ELEMENTS or len(lengths) > limits.MAX_DIMENSIONS:
        raise HeaderBeyondLimits(
            cursor.source.name, 0, f"at most {limits.MAX_TENSOR_ELEMENTS:,} elements", f"{len(lengths)} dimensions"
        )
    name = named.get("name", "")
    return Stored(name, kind[0], elements, -(-elements * kind[1] // 8), is_weight=not name.endswith(NO_WEIGHTS))


def recognize(first: bytes) -> bool:
    """XML says nothing of what it is for."""
    return False


READER = container_reader(read_openvino, recognize)

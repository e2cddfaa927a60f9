"""PyTorch archives: a zip whose data.pkl describes the tensors that its other files hold (torch/serialization.py).

data.pkl is followed without unpickling (`pickled_tensors`); only it and the archive's directory are read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod

from analysis.errors import HeaderBeyondLimits, NoTensors, NotThisFormat, OlderPickle
from analysis.formats import limits
from analysis.formats.containers import total_size
from analysis.formats.cursor import Cursor
from analysis.formats.pickled_tensors import Pickle, TensorView, collect_tensors
from analysis.formats.reader import container_reader
from analysis.formats.safetensors.tensors import BITS, Tensor, TensorKinds
from analysis.formats.signatures import detect_other_format
from analysis.formats.source import ByteSource
from analysis.formats.zip_members import Member, find_data, read_members
from analysis.security.pickles import PickleScan, merge_scans, scan_pickles
from db.record_base import Json
from db.records import ArtifactRecord, Header

ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
DATA = "data.pkl"
WHAT = "a PyTorch archive"


def read_pytorch(
    artifact: ArtifactRecord,
    sizes: Mapping[str, int | None],
    open_source: Callable[[str], ByteSource],
    config: Json,
) -> Header:
    """The header of an artifact, its shards merged. Raises HeaderError and SourceError."""
    from analysis.formats.safetensors.model import build_safetensors_header

    if len(artifact.paths) > limits.MAX_SHARDS:
        raise HeaderBeyondLimits(
            artifact.artifact, 0, f"at most {limits.MAX_SHARDS:,} files", f"{len(artifact.paths):,}"
        )
    views: dict[str, TensorView] = {}
    scans: list[PickleScan] = []
    requests = fetched = 0
    for path in artifact.paths:
        source = open_source(path)
        found, scan = read_archive(source, sizes.get(path))
        scans.append(scan)
        views.update({name: view._replace(storage=f"{path}:{view.storage}") for name, view in found.items()})
        requests, fetched = requests + source.requests, fetched + source.bytes_read
    tensors = drop_repeated(artifact.artifact, views)
    if not tensors:
        raise NoTensors(artifact.artifact, 0, f"tensors in {WHAT}", "none")
    header = build_safetensors_header(
        artifact, tensors, {}, size=total_size(artifact, sizes),
        size_verified=None, config=config, requests=requests, bytes_read=fetched,
        format_="pytorch",
    )  # fmt: skip
    return replace(header, facts={**header.facts, "pickle": merge_scans(scans).as_facts()})


def read_archive(source: ByteSource, size: int | None = None) -> tuple[dict[str, TensorView], PickleScan]:
    """The tensors of one archive by name, and what its pickle would import. Raises HeaderError."""
    cursor = Cursor(source, WHAT, size)
    start = source.read(0, 16)
    if not start.startswith(ZIP):
        error = OlderPickle if start.startswith(PICKLE) else NotThisFormat
        raise error(source.name, 0, f"{WHAT}, which is a zip file", detect_other_format(start))
    members = read_members(cursor)
    described = [member for member in members if member.name.rpartition("/")[2] == DATA]
    if not described:
        raise cursor.malformed(0, f"a file {DATA}", f"{len(members):,} others")
    data = read_member(cursor, described[0])
    value, _ = Pickle(cursor).run(data)
    return collect_tensors(value, cursor), scan_pickles(data)


def read_member(cursor: Cursor, member: Member) -> bytes:
    """The bytes of a member, which may be compressed."""
    most, name = limits.MAX_PICKLE_BYTES, cursor.source.name
    if member.size > most:
        raise HeaderBeyondLimits(
            cursor.source.name, member.offset, f"a pickle of at most {most:,} bytes", f"{member.size:,}"
        )
    data = cursor.read(find_data(cursor, member), member.size)
    if member.stored:
        return data
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = unpacked.decompress(data, most)
    except zlib.error as error:
        raise cursor.malformed(member.offset, "compressed bytes", str(error)[:80]) from None
    if unpacked.unconsumed_tail:
        raise HeaderBeyondLimits(name, member.offset, f"a pickle of at most {most:,} bytes", "more")
    return found


def drop_repeated(archive: str, views: Mapping[str, TensorView]) -> dict[str, Tensor]:
    """The tensors as safetensors would describe them; of several with one shape over one storage the first.

    Tied weights are such tensors.
    """
    found: dict[str, Tensor] = {}
    seen: set[tuple[str, int, tuple[int, ...]]] = set()
    kinds = TensorKinds()
    for name, view in views.items():
        key = (view.storage, view.offset, view.shape)
        elements = prod(view.shape)
        if elements > limits.MAX_TENSOR_ELEMENTS or len(view.shape) > limits.MAX_DIMENSIONS:
            raise HeaderBeyondLimits(
                archive, 0, f"at most {limits.MAX_TENSOR_ELEMENTS:,} elements in {limits.MAX_DIMENSIONS} dimensions",
                f"{len(view.shape)} dimensions, {elements:,} elements"[:100],
            )  # fmt: skip
        if key not in seen:
            seen.add(key)
            size = -(-elements * BITS[view.type] // 8)
            found[name] = kinds[view.type, view.shape, size]
    return found


READER = container_reader(read_pytorch, lambda first: False)  # a zip archive may hold anything

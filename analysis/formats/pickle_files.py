"""The pickles of a file, whatever holds them: a file of pickles, a PyTorch or joblib archive, a NeMo archive.

Read by range: of a zip archive its directory and its pickles, of other files the beginning. Nothing is unpickled.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from analysis.errors import HeaderError
from analysis.formats import limits
from analysis.formats.containers import total_size
from analysis.formats.cursor import Cursor
from analysis.formats.formats import find_format, format_of_path
from analysis.formats.nemo import find_weights
from analysis.formats.pytorch_zip import PICKLE, ZIP, read_member
from analysis.formats.source import ByteSource
from analysis.formats.zip_members import read_members
from analysis.security.pickles import (
    MAX_OPCODES,
    MAX_SCANNED_BYTES,
    Budget,
    PickleScan,
    is_unknown_opcode,
    merge_scans,
    scan_pickles,
)
from analysis.units import KIB, MIB
from db.records import ArtifactRecord, Header

WHAT = "a file of pickles"
PICKLED = "pickle"
"""What `Format.runs_code` says of formats whose files hold pickles."""

MAX_PICKLES = 32
"""Pickles of one archive that are read."""

MAX_ARCHIVE_PICKLE_BYTES = 64 * MIB
"""Bytes of all pickles of one archive, unpacked."""

TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
FIRST_BYTES = 512
DEFLATED = b"\x78"
FIRST_PICKLE_BYTES = 256 * KIB
"""Bytes of a file of pickles that are read first, which hold those of most models; then sixteen times as many."""

MAX_CRAWLED_BYTES = 4 * MIB
"""Bytes of a file of pickles that a crawl reads; those of an archive it reads as they are, MAX_PICKLE_BYTES each."""

OTHER_FORMATS = (b"GGUF", b"\x89HDF", b"lmgg", b"tjgg", b"fmgg")
"""First bytes of formats whose files share an extension with pickles: GGUF, HDF5, and ggml's of 2022 and 2023."""


def is_pickle_path(path: str) -> bool:
    """Whether the format that a path tells is one of pickles."""
    return find_format(format_of_path(path)).runs_code == PICKLED


def scan_pickle_file(
    source: ByteSource, size: int | None = None, most_bytes: int = MAX_SCANNED_BYTES
) -> PickleScan | None:
    """What the pickles of a file would import; None for a file that holds no pickle.

    At most `most_bytes` of a file that is no archive are read. What can't be read is a problem of the scan: a file that
    begins as a pickle and can't be followed stays suspicious. Raises SourceError.
    """
    cursor = Cursor(source, WHAT, size)
    try:
        whole = cursor.size if cursor.size is not None else MAX_SCANNED_BYTES
        first = cursor.read(0, min(FIRST_BYTES, whole))
        if first.startswith(OTHER_FORMATS):
            return None
        if first.startswith(ZIP):
            return scan_archive(cursor)
        if first[TAR_MAGIC_AT : TAR_MAGIC_AT + len(TAR_MAGIC)] == TAR_MAGIC:
            weights = find_weights(cursor)
            return scan_archive(Cursor(weights, WHAT, weights.size))
        return scan_beginning(cursor, min(whole, most_bytes), is_all=whole <= most_bytes)
    except (HeaderError, zlib.error) as error:
        return PickleScan((), str(error)[:200])


def scan_beginning(cursor: Cursor, most_bytes: int, *, is_all: bool) -> PickleScan | None:
    """The scan of a file's first bytes, of which more are read as long as a pickle does not end in them.

    `is_all`: whether these are the whole file. Raises HeaderError and zlib.error.
    """
    raw, following, budget = b"", FIRST_PICKLE_BYTES, Budget(MAX_OPCODES)
    while True:
        raw += cursor.read(len(raw), min(following, most_bytes) - len(raw))
        data = inflate(raw) if raw[:1] == DEFLATED else raw  # joblib's usual compression
        scan = scan_pickles(data, budget)
        if scan.problem is None:
            return scan
        if not scan.imports and not data.startswith(PICKLE) and is_unknown_opcode(scan):
            return None  # what would load it as a pickle fails there, before anything is imported
        if len(raw) == most_bytes:
            return scan if is_all else replace(scan, problem=f"of its bytes only the first {most_bytes:,} are read")
        following *= 16  # what was followed is followed again: seldom


def read_pickle_header(
    artifact: ArtifactRecord, sizes: Mapping[str, int | None], open_source: Callable[[str], ByteSource]
) -> Header:
    """What a crawl keeps of an artifact's pickles: a header without tensors, whose facts hold the scan.

    Of a file that is no archive at most MAX_CRAWLED_BYTES are read. Raises HeaderError and SourceError.
    """
    scans, requests, bytes_read = [], 0, 0
    for path in artifact.paths:
        source = open_source(path)
        scans.append(scan_pickle_file(source, sizes.get(path), MAX_CRAWLED_BYTES))
        requests, bytes_read = requests + source.requests, bytes_read + source.bytes_read
    found = [scan for scan in scans if scan is not None]
    return Header(
        format=artifact.format or PICKLED, version=None, architecture=None, parameters=None, active_parameters=None,
        tensor_count=0, types={}, quant=None, quant_method=None, quant_share=None, bits_per_weight=None, context=None,
        size=total_size(artifact, sizes), size_verified=None, content=artifact.content, requests=requests,
        bytes_read=bytes_read, facts={"pickle": merge_scans(found).as_facts()} if found else {},
    )  # fmt: skip


def scan_archive(cursor: Cursor) -> PickleScan | None:
    """The scan of a zip archive's pickles, by their names or by their first bytes. Raises HeaderError."""
    pickled = [each for each in read_members(cursor) if each.name.endswith((".pkl", ".pickle", ".joblib"))]
    if not pickled:
        return None
    scans, budget, read_bytes = [], Budget(MAX_OPCODES), 0
    for each in pickled[:MAX_PICKLES]:
        data = read_member(cursor, each)
        scans.append(scan_pickles(data, budget))
        read_bytes += len(data)
        if read_bytes > MAX_ARCHIVE_PICKLE_BYTES:
            scans.append(PickleScan((), f"pickles of more than {MAX_ARCHIVE_PICKLE_BYTES >> 20} MiB"))
            break
    if len(pickled) > MAX_PICKLES:
        scans.append(PickleScan((), f"{len(pickled):,} pickles, of which {MAX_PICKLES} are read"))
    return merge_scans(scans)


def inflate(data: bytes) -> bytes:
    """At most MAX_PICKLE_BYTES of compressed bytes. Raises zlib.error."""
    return zlib.decompressobj().decompress(data, limits.MAX_PICKLE_BYTES)

"""The pickles of a file, whatever holds them: a file of pickles, a PyTorch or joblib archive, a NeMo archive.

Read by range: of a zip archive its directory and its pickles, of other files the beginning. Nothing is unpickled.
"""

from __future__ import annotations

import zlib

from analysis.errors import HeaderError
from analysis.formats import limits
from analysis.formats.cursor import Cursor
from analysis.formats.formats import find_format, format_of_path
from analysis.formats.nemo import find_weights
from analysis.formats.pytorch_zip import PICKLE, ZIP, read_member
from analysis.formats.source import ByteSource
from analysis.formats.zip_members import read_members
from analysis.security.pickles import MAX_OPCODES, MAX_SCANNED_BYTES, Budget, PickleScan, merge_scans, scan_pickles
from analysis.units import MIB

WHAT = "a file of pickles"
PICKLED = "pickle"
"""What `Format.runs_code` says of formats whose files hold pickles."""

MAX_PICKLES = 32
"""Pickles of one archive that are read."""

MAX_ARCHIVE_PICKLE_BYTES = 64 * MIB
"""Bytes of all pickles of one archive, unpacked."""

TAR_MAGIC, TAR_MAGIC_AT = b"ustar", 257
FIRST_BYTES = 512
OTHER_FORMATS = (b"GGUF", b"\x89HDF", b"lmgg", b"tjgg", b"fmgg")
"""First bytes of formats whose files share an extension with pickles: GGUF, HDF5, and ggml's of 2022 and 2023."""


def is_pickle_path(path: str) -> bool:
    """Whether the format that a path tells is one of pickles."""
    return find_format(format_of_path(path)).runs_code == PICKLED


def scan_pickle_file(source: ByteSource, size: int | None = None) -> PickleScan | None:
    """What the pickles of a file would import; None for a file that holds no pickle.

    What can't be read is a problem of the scan: a file that is named like a pickle and is none that can be followed
    stays suspicious. Raises SourceError.
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
        data = cursor.read(0, min(whole, MAX_SCANNED_BYTES))
        if first[:1] == b"\x78":  # joblib's usual compression
            data = inflate(data)
        scan = scan_pickles(data)
    except (HeaderError, zlib.error) as error:
        return PickleScan((), str(error)[:200])
    is_none = scan.problem is not None and not scan.imports and not data.startswith(PICKLE)
    return None if is_none and not any(first) else scan


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
